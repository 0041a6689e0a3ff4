"""Damage files for as long as you like, and see whether anything but ``NcsError`` comes out of a parser.

python -m benchmarks.fuzz [PARSER ...] [--minutes N] [--seed N] [--recordings FOLDER]

Guided by coverage: an input that reaches a new pair of lines is damaged further. Three things are a finding: an
exception that is no ``NcsError`` (a warning of Python or numpy counts), more memory than ten times the file plus 16 MB,
and more than a second of processor time. A finding is made as small as it goes and kept in ``fixtures/fuzz/``, where
``make test`` replays it. What grew out of real recordings is written to ``build/fuzz/`` only.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random

import ncs
from benchmarks._fuzz_targets import FIXTURES, MOST_SECONDS, TARGETS, Finding, Target, attempt, recordings_of, seconds
from benchmarks._mutations import mutate

_WATCHED_SECONDS = 0.4
"""Of an input under watch, which takes several times as long; only beyond it the true time is taken."""
_TRIES_TO_SHRINK = 600
_MOST_LINES = 20_000
"""That are watched of one input."""
_LARGE = 20_000
"""Bytes; larger inputs are tried, but not damaged further: they take too long."""


class Coverage:
    """Pairs of lines of ``ncs`` that followed each other."""

    def __init__(self) -> None:
        self.seen: set[tuple[object, int, int]] = set()
        self._root = str(Path(ncs.__file__).parent)
        self._ours: dict[object, bool] = {}
        self._last = self._left = 0

    def watch(self, work: Callable[[], Finding | None]) -> tuple[Finding | None, bool]:
        """Return the result of ``work``, and whether it went where nothing went before."""
        known, self._left = len(self.seen), _MOST_LINES
        before = sys.gettrace()  # that of `make coverage`, say
        sys.settrace(self._enter)
        try:
            finding = work()
        finally:
            sys.settrace(before)
        return finding, len(self.seen) > known

    def _enter(self, frame, _event, _arg):
        code = frame.f_code
        ours = self._ours.get(code)
        if ours is None:
            ours = self._ours[code] = code.co_filename.startswith(self._root)
        return self._line if ours else None

    def _line(self, frame, event, _arg):
        if event == "line":
            self.seen.add((frame.f_code, self._last, frame.f_lineno))
            self._last = frame.f_lineno
            self._left -= 1
            if self._left < 0:  # long loops show nothing new, and watching them takes most of the time
                sys.settrace(None)
        return self._line


def campaign(target: Target, *, minutes: float, random: Random, real: Path | None = None) -> dict[str, bytes]:
    """Fuzz one parser; return the smallest input of every finding by its key."""
    seeds = recordings_of(target.name, real) if real is not None else target.seeds()
    kept = sorted((FIXTURES / target.name).glob("*"))
    corpus = [*seeds, *(() if real is not None else (path.read_bytes() for path in kept))]
    if not corpus:
        return {}
    ways, coverage = target.ways(), Coverage()
    found: dict[str, bytes] = {}
    end, runs = time.process_time() + 60 * minutes, 0
    queue = [(content, way) for content in corpus for way in ways]
    while time.process_time() < end:
        if queue:
            content, way = queue.pop()
        else:
            chosen = corpus[int(random.random() ** 0.5 * len(corpus))]
            content, way = mutate(random, chosen, random.choice(corpus), target.mutations), random.choice(ways)
        runs += 1
        finding, is_new = _tried(way, content, coverage)
        if finding is not None and finding.key not in found:
            small = _shrink(way, content, finding)
            found[finding.key] = small
            _keep(target.name, small, finding, in_repository=real is None)
        elif is_new and len(content) < _LARGE:
            corpus.append(content)
    print(
        f"  {target.name:10} {runs:8} inputs, {len(coverage.seen):6} pairs of lines, {len(found)} findings", flush=True
    )
    return found


def _tried(way, content: bytes, coverage: Coverage) -> tuple[Finding | None, bool]:
    start = time.process_time()
    finding, is_new = coverage.watch(lambda: attempt(way, content))
    if finding is None and time.process_time() - start > _WATCHED_SECONDS:
        finding = _slow(way, content)
    return finding, is_new


def _slow(way, content: bytes) -> Finding | None:
    tracemalloc.stop()
    taken = min(seconds(way, content) for _ in range(2))
    tracemalloc.start()
    return Finding("slow", f"{taken:.1f} s for a file of {len(content)} bytes") if taken > MOST_SECONDS else None


def _shrink(way, content: bytes, finding: Finding) -> bytes:
    """Return a smaller input with the same finding: parts left out, then bytes made dull."""

    def is_same(smaller: bytes) -> bool:
        again = _slow(way, smaller) if finding.key == "slow" else attempt(way, smaller)
        return again is not None and again.key == finding.key

    tries, size = 0, max(1, len(content) // 2)
    budget = 40 if finding.key == "slow" else _TRIES_TO_SHRINK
    while size and tries < budget:
        at = 0
        while at < len(content) and tries < budget:
            tries += 1
            smaller = content[:at] + content[at + size :]
            if is_same(smaller):
                content = smaller
            else:
                at += size
        size //= 2
    return content


def _keep(name: str, content: bytes, finding: Finding, *, in_repository: bool) -> None:
    folder = (FIXTURES if in_repository else Path("build/fuzz")) / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(content).hexdigest()[:12]}.bin"
    path.write_bytes(content)
    print(f"  {name:10} {finding.detail}\n             {path} ({len(content)} bytes)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz", description="Damage files, and see what comes out."
    )
    parser.add_argument("parsers", nargs="*", metavar="PARSER", help=f"which of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--minutes", type=float, default=1.0, help="of processor time, for each parser")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recordings", type=Path, help="start from real recordings; findings go to build/fuzz/")
    chosen = parser.parse_args()
    unknown = set(chosen.parsers) - set(TARGETS)
    if unknown:
        parser.error(f"no such parser: {', '.join(sorted(unknown))}")
    tracemalloc.start()
    findings = 0
    for name in chosen.parsers or TARGETS:
        random = Random(f"{chosen.seed} {name}")
        findings += len(campaign(TARGETS[name], minutes=chosen.minutes, random=random, real=chosen.recordings))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
