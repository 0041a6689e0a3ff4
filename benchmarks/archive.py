"""An archive of 10,000 visits in one run: processor time beside mne, memory, and what a second run costs.

Processor time is that of all processes, so that it says the same whatever else the machine does meanwhile.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import _files

VISITS = int(os.environ.get("NCS_BENCHMARK_VISITS", "10000"))
"""Of four files each."""
OPENED = 400
"""Files that mne opens, in every one of the rounds."""

_ANALYSE = """
import json, os, resource, sys, time
from multiprocessing import active_children

TICK = os.sysconf("SC_CLK_TCK")
marks = []

def cpu():
    seconds = sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    for child in active_children():
        with open(f"/proc/{child.pid}/stat") as file:
            seconds += sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / TICK
    return seconds

def note(progress):
    done = progress.done + progress.skipped
    if done % 1000 == 0:
        marks.append((done, cpu(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))

def main():
    import ncs
    start = time.perf_counter()
    with ncs.open_store(sys.argv[2]) as store:
        summary = ncs.analyze_files([sys.argv[1]], store=store, jobs=2, progress=note)
    print(json.dumps({
        "done": summary.n_done, "skipped": summary.n_skipped, "failed": len(summary.failures),
        "seconds": time.perf_counter() - start, "cpu_s": cpu(), "marks": marks,
        "parent_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "worker_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}))

if __name__ == "__main__":
    main()
"""

_OPEN = """
import json, statistics, sys, time, warnings
from pathlib import Path
import mne
warnings.simplefilter("ignore", RuntimeWarning)
files, rounds = sorted(Path(sys.argv[1]).iterdir()), []
for _ in range(6):
    start = time.process_time()
    for file in files:
        mne.io.read_raw_edf(file, preload=True, verbose="error")
    rounds.append((time.process_time() - start) / len(files))
print(json.dumps({"cpu_s": statistics.median(rounds[1:])}))
"""


def run() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        exports, store, opened = Path(name) / "exports", Path(name) / "ncs.db", Path(name) / "continuous"
        _files.write_archive(exports, VISITS)
        opened.mkdir()
        studies = [study for visit in _files.whole_visits() for study in visit.studies]
        for number in range(OPENED):
            _files.write_continuous_study(studies[number % len(studies)], opened / f"{number}.edf")
        opening = _open_on_two_processors(opened)
        first = _analyse(exports, store)
        opening += _open_on_two_processors(opened)
        second = _analyse(exports, store)
    _check(first, second)
    mne_s = sum(opening) / len(opening)
    _report(first, second, mne_s)
    return {"visits": VISITS, "first": first, "second": second, "mne_cpu_s": mne_s}


def _analyse(exports: Path, store: Path) -> dict:
    script = store.parent / "analyse.py"  # started processes import the script, so that it has to be a file
    script.write_text(_ANALYSE)
    command = [sys.executable, str(script), str(exports), str(store)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def _open_on_two_processors(folder: Path) -> list[float]:
    """Return what opening a file costs in each of two processes at once, as the batch uses two at once."""
    command = [sys.executable, "-c", _OPEN, str(folder)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return [json.loads(process.communicate()[0].splitlines()[-1])["cpu_s"] for process in both]


def _check(first: dict, second: dict) -> None:
    files = 4 * VISITS
    if (first["done"], second["skipped"]) != (files, files):
        raise SystemExit(f"{first['done']} of {files} files were analysed, {second['skipped']} were known afterwards")


def _report(first: dict, second: dict, mne_s: float) -> None:
    files = 4 * VISITS
    per_file = first["cpu_s"] / files
    early, late = _slope(first["marks"][:6]), _slope(first["marks"][-6:])
    memory = [megabytes for _, _, megabytes in first["marks"]]
    faster = first["seconds"] / second["seconds"]
    rows = (
        (f"{files} files", f"{first['seconds']:.1f} s on two processes, {files / first['seconds']:.0f} a second"),
        ("processor time", f"{per_file * 1e3:.2f} ms a file, {per_file / mne_s:.2f} of mne opening it (wanted <= 0.5)"),
        ("mne opens EDF+C", f"{mne_s * 1e3:.2f} ms a file"),
        ("cost of a file", f"at the end {late / early:.2f} of that after the first thousand (wanted 0.8 to 1.2)"),
        ("largest process", f"{max(first['parent_mb'], first['worker_mb']):.0f} MB (wanted <= 500)"),
        ("memory at the end", f"{memory[-1] / memory[len(memory) // 5]:.2f} of that after a fifth of the files"),
        ("second run", f"{second['seconds']:.2f} s, {faster:.0f} times faster (wanted >= 20)"),
        ("", f"{first['cpu_s'] / second['cpu_s']:.0f} times less processor time"),
    )
    for label, words in rows:
        print(f"  {label:<22} {words}")


def _slope(marks: list) -> float:
    return (marks[-1][1] - marks[0][1]) / (marks[-1][0] - marks[0][0])
