"""A folder of 10,000 files in one run: rate, memory, and whether memory grows with the number of files."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import _files

FILES = 10_000

_WORK = """
import json, resource, sys, time
import ncs
peaks = []
def note(progress):
    peaks.append((progress.done, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
start = time.perf_counter()
with ncs.open_store(sys.argv[2]) as store:
    summary = ncs.analyze_files([sys.argv[1]], store=store, jobs=2, progress=note)
seconds = time.perf_counter() - start
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps({"done": summary.n_done, "failed": len(summary.failures), "seconds": seconds,
    "parent_mb": peaks[-1][1], "parent_mb_early": next(mb for done, mb in peaks if done >= peaks[-1][0] // 5),
    "worker_mb": children}))
"""


def run() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "exports"
        visits = _files.visits()
        for k in range(FILES):
            place = folder / f"{k // 500:03d}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{k:05d}.edf").write_bytes(_files.encode(_files.renamed(visits[k % len(visits)], k)))
        first = _analyse(folder, Path(name) / "ncs.db")
        second = _analyse(folder, Path(name) / "ncs.db")
    if first["done"] != FILES:
        raise SystemExit(f"only {first['done']} of {FILES} files were analysed")
    print(f"  {FILES} files             {first['seconds']:7.1f} s, {first['seconds'] / FILES * 1e3:.2f} ms a file")
    print(f"  largest process          {max(first['parent_mb'], first['worker_mb']):7.0f} MB (wanted < 500 MB)")
    growth = first["parent_mb"] / first["parent_mb_early"]
    print(f"  memory at the end        {growth:7.2f} of that after a fifth of the files")
    faster = first["seconds"] / second["seconds"]
    print(f"  second run, unchanged    {second['seconds']:7.1f} s, {faster:.1f} times faster")
    return {"first": first, "second": second, "memory_growth": growth}


def _analyse(folder: Path, store: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", _WORK, str(folder), str(store)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])
