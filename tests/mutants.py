"""``make mutants``: change the code by a little, many times, and count how often a test notices.

mutmut makes the mutants and runs the tests; here a random sample of them is drawn, handed over, and counted with an
interval. Which files are mutated and which tests may kill is said in pyproject.toml, ``[tool.mutmut]``. What came out
last, and what the survivors were, stands in docs/mutants.md. A campaign that was interrupted goes on where it was as
long as neither the code nor the tests have changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("ncs/measure", "ncs/longitudinal")
WATCHED = ("ncs", "tests", "fixtures", "benchmarks", "pyproject.toml")
MUTANTS = Path("mutants")
LEAST = 0.85
NOTICED = ("killed", "timeout")


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, J Am Stat Assoc 1927;22:209).

    >>> [round(limit, 4) for limit in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    z = 1.959964
    middle = (hits + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(hits * (n - hits) / n + z**2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def portions(sizes: dict[str, int], count: int) -> dict[str, int]:
    """Return how many to draw of each package, in proportion to its size, so that the whole stays representative.

    >>> portions({"a": 300, "b": 100}, 40)
    {'a': 30, 'b': 10}
    >>> portions({"a": 3, "b": 1}, 40)
    {'a': 3, 'b': 1}
    """
    total = sum(sizes.values())
    return {name: min(size, round(count * size / total)) for name, size in sizes.items()}


def every_mutant() -> dict[str, list[str]]:
    """Return the names of all mutants by package, in an order that depends on the code only."""
    kept = MUTANTS / "names.json"
    if not kept.is_file():
        kept.write_text(json.dumps(_every_mutant()), encoding="utf-8")
    names: dict[str, list[str]] = json.loads(kept.read_text(encoding="utf-8"))
    return names


def _every_mutant() -> dict[str, list[str]]:
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    names: dict[str, list[str]] = {}
    for package in PACKAGES:
        names[package] = []
        for path in sorted(Path(package).rglob("*.py")):
            made = mutate_file_contents(str(path), path.read_text(encoding="utf-8")).mutant_names
            names[package] += [get_mutant_name(path, name) for name in made]
    return names


def decided() -> dict[str, str]:
    """Return what became of each mutant that has been run."""
    from mutmut.stats import status_by_exit_code

    found: dict[str, str] = {}
    for package in PACKAGES:
        for meta in sorted((MUTANTS / package).rglob("*.py.meta")):
            codes = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
            found |= {name: status_by_exit_code[code] for name, code in codes.items() if code not in {None, 2}}
    return found


def state_of_the_code() -> str:
    """Return a digest of everything that can change a result."""
    digest = hashlib.sha256()
    for path in sorted(_files()):
        digest.update(str(path).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    for name in WATCHED:
        top = Path(name)
        below = [top] if top.is_file() else top.rglob("*")
        yield from (path for path in below if path.is_file() and "__pycache__" not in path.parts)


def clear_what_is_stale() -> None:
    """Remove the mutants of other code; tests that changed may kill what survived before."""
    mark = MUTANTS / "code.sha256"
    now = state_of_the_code()
    if mark.is_file() and mark.read_text(encoding="utf-8") == now:
        return
    shutil.rmtree(MUTANTS, ignore_errors=True)
    MUTANTS.mkdir()
    mark.write_text(now, encoding="utf-8")


def run(names: list[str], jobs: int) -> None:
    """Let mutmut run the tests against these mutants."""
    environment = dict(os.environ)
    environment.setdefault("NCS_RECORDINGS", str(ROOT.parent / "shared" / "recordings"))  # one folder further up
    mutmut = Path(sys.executable).with_name("mutmut")
    command = [mutmut, "run", "--max-children", str(jobs), *names]
    log = MUTANTS / "run.log"
    print(f"{len(names)} mutants against the tests; {log} says how far that is", flush=True)
    with log.open("w", encoding="utf-8") as file:  # it draws a wheel, many times a second
        done = subprocess.run(command, env=environment, check=False, stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(
            f"mutmut ended with status {done.returncode}, see {log}; the tests named in [tool.mutmut] must pass "
            "without mutants"
        )


def report(sample: dict[str, list[str]], sizes: dict[str, int]) -> bool:
    """Print the counts, write the survivors' differences, and return whether enough were noticed in every package."""
    found = decided()
    enough = True
    whole: Counter[str] = Counter()
    print("\npackage            mutants  sample  killed  timeout  survived  no tests  share noticed")
    for package, names in sample.items():
        counts = Counter(found.get(name, "not run") for name in names)
        whole += counts
        enough &= _line(package, sizes[package], counts) >= LEAST
    _line("both", sum(sizes.values()), whole)
    survivors = [n for names in sample.values() for n in names if found.get(n) not in NOTICED]
    (MUTANTS / "survivors.diff").write_text("\n".join(map(_difference, survivors)), encoding="utf-8")
    print(f"\n{len(survivors)} not noticed: {MUTANTS / 'survivors.diff'}; one of them alone: mutmut show NAME")
    return enough


def _line(name: str, size: int, counts: Counter[str]) -> float:
    n = counts.total()
    noticed = sum(counts[status] for status in NOTICED)
    low, high = wilson(noticed, n)
    print(
        f"{name:17} {size:8} {n:7} {counts['killed']:7} {counts['timeout']:8} {counts['survived']:9} "
        f"{counts['no tests']:9}  {noticed / n:.1%} ({low:.1%} to {high:.1%})"
    )
    for status in sorted(counts.keys() - {"killed", "timeout", "survived", "no tests"}):
        print(f"{'':18} {counts[status]} {status}")
    return noticed / n


def _difference(name: str) -> str:
    from mutmut.mutation.diff_apply import find_mutant, get_diff_for_mutant

    return f"# {name}\n{get_diff_for_mutant(name, path=find_mutant(name).path)}\n"


def main() -> int:
    """Draw, run, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", default="600", help="how many mutants to draw, or: all")
    parser.add_argument("--seed", type=int, default=1, help="of the draw; the same seed draws the same mutants")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    asked = parser.parse_args()
    os.chdir(ROOT)
    clear_what_is_stale()
    every = every_mutant()
    sizes = {package: len(names) for package, names in every.items()}
    wanted = sizes if asked.count == "all" else portions(sizes, int(asked.count))
    draw = random.Random(asked.seed)
    sample = {package: sorted(draw.sample(names, wanted[package])) for package, names in every.items()}
    done = decided()
    ahead = [name for names in sample.values() for name in names if name not in done]
    print(f"{sum(wanted.values())} of {sum(sizes.values())} mutants, seed {asked.seed}; {len(ahead)} to run")
    if ahead:
        run(ahead, asked.jobs)
    return 0 if report(sample, sizes) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")
