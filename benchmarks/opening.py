"""Opening a motor EDF+D file, beside what pyedflib needs for the same samples as EDF+C.

Three steps of the peer, because each gives something else: its C code alone (samples and annotations), the same with
the header fields that a recording needs to be understood, and its own function for whole files.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from pathlib import Path

import pyedflib
import pyedflib.highlevel

import ncs
from benchmarks import _files

ROUNDS = 21


def run() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        discontinuous, continuous = [], []
        for k, visit in enumerate(_files.visits()):
            discontinuous.append(folder / f"{k}.edf")
            discontinuous[-1].write_bytes(_files.encode(_files.renamed(visit, k * 4)))
            continuous.append(folder / f"{k}c.edf")
            _files.write_continuous(visit, continuous[-1])
        steps = {"ncs_read_s": (discontinuous, ncs.read), **{name: (continuous, step) for name, step in _PEER.items()}}
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(ROUNDS + 1):  # in turns, so that whatever else the machine does meets all of them
            for key, (paths, step) in steps.items():
                times[key].append(_per_file(paths, step))
    medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    ours = medians["ncs_read_s"]
    print(f"  ncs.read: EDF+D to a checked visit       {ours * 1e3:7.3f} ms a file")
    for name, words in _WORDS.items():
        print(f"  {words:40} {medians[name] * 1e3:7.3f} ms; ncs {ours / medians[name]:5.2f} of it (wanted < 1)")
    return {**medians, "ratio": ours / medians["pyedflib_s"]}


def _samples(path: Path) -> None:
    with pyedflib.EdfReader(str(path)) as reader:
        for signal in range(reader.signals_in_file):
            reader.readSignal(signal)
        reader.readAnnotations()


def _samples_and_header(path: Path) -> None:
    with pyedflib.EdfReader(str(path)) as reader:
        reader.getHeader()
        reader.getSignalHeaders()
        for signal in range(reader.signals_in_file):
            reader.readSignal(signal)
        reader.readAnnotations()


_PEER = {
    "pyedflib_s": _samples,
    "pyedflib_header_s": _samples_and_header,
    "pyedflib_highlevel_s": lambda path: pyedflib.highlevel.read_edf(str(path)),
}
_WORDS = {
    "pyedflib_s": "pyedflib: EDF+C, samples, annotations",
    "pyedflib_header_s": "pyedflib: header fields as well",
    "pyedflib_highlevel_s": "pyedflib.highlevel.read_edf",
}


def _per_file(paths, work) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        for path in paths:
            work(path)
        return (time.perf_counter() - start) / len(paths)
