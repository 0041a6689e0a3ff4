"""How long ``import ncs`` and ``ncs --help`` take, whole processes, warm."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 9


def _seconds(*command: str) -> float:
    subprocess.run(command, check=True, capture_output=True)
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def run() -> dict[str, float]:
    bare = _seconds(sys.executable, "-c", "pass")
    imported = _seconds(sys.executable, "-c", "import ncs")
    helped = _seconds(sys.executable, "-m", "ncs", "--help")
    print(f"  python alone           {bare:6.3f} s")
    print(f"  import ncs             {imported:6.3f} s   ({imported - bare:.3f} s above python alone; wanted < 0.2 s)")
    print(f"  ncs --help             {helped:6.3f} s   (wanted < 0.5 s)")
    return {"python_s": bare, "import_s": imported, "help_s": helped}
