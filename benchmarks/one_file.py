"""From a motor EDF+D file to committed rows, beside what mne needs to open the same samples as EDF+C."""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from pathlib import Path

import mne

import ncs
from benchmarks import _files

ROUNDS = 15
WARM = 10
"""Files saved into each new store before the clock starts: the database's statements are prepared once."""


def run() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        discontinuous, continuous = [], []
        for k, visit in enumerate(_files.visits()):
            discontinuous.append(folder / f"{k}.edf")
            discontinuous[-1].write_bytes(_files.encode(_files.renamed(visit, k * 4)))
            continuous.append(folder / f"{k}c.edf")
            _files.write_continuous(visit, continuous[-1])
        ours, theirs, opened, together = [], [], [], []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for round_ in range(ROUNDS + 1):
                with ncs.open_store(folder / f"{round_}.db") as store:
                    _per_file(discontinuous[:WARM], lambda p, s=store: s.save(ncs.analyze(ncs.read(p))))
                    ours.append(_per_file(discontinuous[WARM:], lambda p, s=store: s.save(ncs.analyze(ncs.read(p)))))
                with ncs.open_store(folder / f"{round_}b.db") as store:
                    ncs.analyze_files(discontinuous[:WARM], store=store, jobs=1)
                    together.append(_per_run(discontinuous[WARM:], store))
                opened.append(_per_file(discontinuous, ncs.read))
                theirs.append(_per_file(continuous, lambda p: mne.io.read_raw_edf(p, preload=True, verbose="error")))
    rows, mne_open, reading, batch = (statistics.median(t[1:]) for t in (ours, theirs, opened, together))
    print(f"  mne opens EDF+C                        {mne_open * 1e3:7.2f} ms a file")
    print(
        f"  ncs: EDF+D to committed rows, one run  {batch * 1e3:7.2f} ms, {batch / mne_open:5.2f} of mne (wanted < 1)"
    )
    print(f"  ncs: the same, each file committed     {rows * 1e3:7.2f} ms, {rows / mne_open:5.2f} of mne (wanted < 1)")
    print(f"  ncs: reading alone                     {reading * 1e3:7.2f} ms, {reading / mne_open:5.2f} of mne")
    return {
        "mne_open_s": mne_open,
        "ncs_batch_s": batch,
        "ncs_to_rows_s": rows,
        "ncs_read_s": reading,
        "batch_ratio": batch / mne_open,
        "ratio": rows / mne_open,
    }


def _per_run(paths, store) -> float:
    """Return seconds a file of one run over all of them, in one process, as ``ncs analyze --jobs 1`` does it."""
    start = time.perf_counter()
    summary = ncs.analyze_files(paths, store=store, jobs=1)
    seconds = time.perf_counter() - start
    if summary.n_done != len(paths):
        raise RuntimeError(f"expected {len(paths)} files analysed, found {summary.n_done}: {summary.failures[:1]}")
    return seconds / len(paths)


def _per_file(paths, work) -> float:
    start = time.perf_counter()
    for path in paths:
        work(path)
    return (time.perf_counter() - start) / len(paths)
