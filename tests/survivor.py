"""A small archive with everything in it that a batch meets, and a batch over it in a process that may be killed.

A server of processes has loaded everything already, so that a batch begins within milliseconds of its start.
"""

import datetime as dt
import json
import os
import tempfile
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import ncs
from ncs import _crew, batch, simulate
from ncs.io.edf_write import encode_edf, write_edf
from ncs.model import Subject, Visit
from ncs.simulate import MotorNerve


def write_archive(folder):
    """Write 24 files: whole visits, a study split over two files, a sidecar, a copy, bad files, no recording."""
    folder.mkdir()
    for number in range(5):
        visit, _ = simulate.visit(
            f"P{number % 3}",
            dt.date(2021, 3, 1 + number),
            seed=number,
            motor=(MotorNerve(), MotorNerve(nerve="ulnar")),
        )
        for index in range(len(visit.studies)):
            write_edf(visit, folder / f"visit{number}-{index}.edf", study=index)
    for number in (1, 2):
        study, _ = simulate.motor_study(seed=number)
        for trace in study.traces:
            part = Visit(
                subject=Subject(id="P7"), date=dt.date(2021, 4, number), studies=(replace(study, traces=(trace,)),)
            )
            write_edf(part, folder / f"split{number}-{trace.stimulation_site}.edf")
    (folder / "copy.edf").write_bytes((folder / "visit0-0.edf").read_bytes())
    (folder / "cut.edf").write_bytes((folder / "visit0-0.edf").read_bytes()[:2000])
    nobody, _ = simulate.motor_study(seed=9)
    (folder / "nobody.edf").write_bytes(encode_edf(nobody))
    (folder / "notes.pdf").write_bytes(b"%PDF-1.7 nothing to measure")
    (folder / "visit4-0.ncs.json").write_text(json.dumps({"ncs_sidecar": 1, "covariates": {"onls": 3}}))


def let_settle():
    """Wait until what has just been written is old enough to be remembered as known."""
    time.sleep(2.1)


def analyse(folder, url, *, pause_s=0.0):
    """Analyse the archive here, with many small commits spread over the whole of it."""
    batch._GROUP = _crew._TOGETHER = 3
    with ncs.open_store(url) as store:
        return ncs.analyze_files([folder], store=store, jobs=1, progress=lambda _: time.sleep(pause_s))


def _child(folder, url):
    analyse(folder, url, pause_s=0.01)  # so that the work takes longer than making the store
    os._exit(0)


def load_everything():
    """Let a batch over such an archive load what it needs."""
    with tempfile.TemporaryDirectory() as name:
        write_archive(Path(name) / "exports")
        analyse(Path(name) / "exports", Path(name) / "a.db")


_SERVER = get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.survivor_loaded"])


def start(folder, url):
    """Start a batch in a process of its own."""
    process = _SERVER.Process(target=_child, args=(folder, url), daemon=True)
    process.start()
    return process
