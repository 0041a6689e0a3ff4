"""Three questions to a store with a million measurements, each in an own process as the command line asks them."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks import _large_store

ROUNDS = 7
WANTED_MS = 100

_WORK = """
import json, sys, time
import ncs, pandas
month = {"since": "2019-03-01", "until": "2019-03-31"}
velocity = "motor_conduction_velocity"
with ncs.open_store(sys.argv[1], create=False) as store:
    store.measurements("B000200"), store.visits("B000200")  # what a process does once: imports above all
    first = store.visits("B000100")["date"][1]
    questions = {
        "visits of a subject": lambda: store.visits("B000100"),
        "numbers of a visit": lambda: store.measurements("B000100", first),
        "visits of a month": lambda: store.visits(**month),
        "numbers of a month": lambda: store.measurements(**month),
        "velocity, one nerve": lambda: store.measurements(quantity=velocity, nerve="median"),
        "velocity, all nerves": lambda: store.measurements(quantity=velocity),
    }
    found = {}
    for name, ask in questions.items():
        wall, processor = time.perf_counter(), time.process_time()
        rows = len(ask())
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        found[name] = {"rows": rows, "ms": wall * 1e3, "processor_ms": processor * 1e3}
print(json.dumps(found))
"""


def run() -> dict[str, dict[str, float]]:
    place = _large_store.path()
    rounds = [_round(str(place)) for _ in range(ROUNDS)]
    best = {
        name: {
            "rows": rounds[0][name]["rows"],
            **{key: min(r[name][key] for r in rounds) for key in ("ms", "processor_ms")},
        }
        for name in rounds[0]
    }
    for name, found in best.items():
        words = f"{found['rows']:>7.0f} rows {found['ms']:8.1f} ms ({found['processor_ms']:.1f} ms of processor time)"
        late = "" if found["ms"] < WANTED_MS else f", {found['ms'] / WANTED_MS:.1f} times the wanted {WANTED_MS} ms"
        print(f"  {name:22s} {words}{late}")
    return best


def _round(place: str) -> dict[str, dict[str, float]]:
    done = subprocess.run([sys.executable, "-c", _WORK, place], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])
