"""A simulated visit as if read from a file, for tests in which marks have to fit their waveforms."""

import dataclasses
import datetime as dt
from functools import cache

import numpy as np

from ncs import simulate
from ncs.analysis import analyze
from ncs.model import SourceFile
from tests.store.build import sha

DATE = dt.date(2021, 3, 1)
MOTOR = {"nerve": "median", "technique": "motor"}
WRIST = {**MOTOR, "site": "wrist"}
ELBOW = {**MOTOR, "site": "elbow"}
PERSON = {"author": "A. Author", "reason": "shoulder of the artefact"}


def from_file(visit, name="a.edf"):
    source = SourceFile(name=name, sha256=sha(name), size_bytes=1000, format="edf")
    return dataclasses.replace(visit, sources=(source,))


@cache
def examined():
    """A motor study (wrist, elbow) and a sensory one, of one sweep each."""
    return from_file(simulate.visit("P07", DATE, seed=11)[0])


@cache
def result(onset_method="changepoint"):
    return analyze(examined(), onset_method=onset_method)


def with_trace(visit, study, trace, **changes):
    """Return a visit in which one trace is another."""
    studies = list(visit.studies)
    traces = list(studies[study].traces)
    traces[trace] = dataclasses.replace(traces[trace], **changes)
    studies[study] = dataclasses.replace(studies[study], traces=tuple(traces))
    return dataclasses.replace(visit, studies=tuple(studies))


def several_sweeps(visit, study, trace, n_sweeps=3):
    """Return a visit in which one trace has more sweeps, with noise that differs."""
    old = visit.studies[study].traces[trace]
    noise = np.random.default_rng(5).normal(0, 2, (n_sweeps, old.n_samples))
    stimulus_ms = np.full(n_sweeps, old.stimulus_ms[0])
    samples = (old.samples_uv + noise).astype(np.float32)
    stimulus = dataclasses.replace(old.stimulus, intensity_ma=None, intensity_v=None)
    return with_trace(visit, study, trace, samples_uv=samples, stimulus_ms=stimulus_ms, stimulus=stimulus)


def only(visit, trace, name):
    """Return the part of a visit that a file with one trace of the motor study holds."""
    study = dataclasses.replace(visit.studies[0], traces=(visit.studies[0].traces[trace],))
    return from_file(dataclasses.replace(visit, studies=(study,)), name)


def the(frame, quantity, **where):
    """Return the one row of a quantity."""
    rows = frame[frame["quantity"] == quantity]
    for name, value in where.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1, rows
    return rows.iloc[0]
