"""Run every benchmark in one process and write what was measured as JSON beside the table.

python -m benchmarks [--json FILE] [NAME ...]
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

from benchmarks import archive, f_waves, h_reflexes, one_file, onsets, opening, queries, start_up

BENCHMARKS = {
    "start_up": start_up.run,
    "opening": opening.run,
    "one_file": one_file.run,
    "onsets": onsets.run,
    "f_waves": f_waves.run,
    "h_reflexes": h_reflexes.run,
    "queries": queries.run,
    "archive": archive.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure ncs; figures of one run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks.json"), help="where to write the figures")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    results = {}
    for name in chosen.names or BENCHMARKS:
        print(f"\n{name}", flush=True)
        results[name] = BENCHMARKS[name]()
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps({"python": platform.python_version(), **results}, indent=1) + "\n")
    print(f"\nwritten to {chosen.json}")


if __name__ == "__main__":
    main()
