"""Marks that a person moved in single sweeps of late responses win over every doubt about automatic ones."""

import dataclasses
import datetime as dt

import numpy as np
import pytest

from ncs import simulate
from ncs.analysis import Edit, analyze, edited
from ncs.model import Subject, Visit
from ncs.simulate.late import H_RECORDING


def analysed(study):
    return analyze(Visit(subject=Subject(id="P1"), date=dt.date(2024, 1, 1), studies=(study,)))


def entry_of(result, response):
    return next(entry for entry in result.marks if entry.response == response)


def moved(result, response, sweep, value_ms):
    one = Edit(
        study_index=0, trace_index=0, response=response, sweep=sweep, mark="onset_ms", value_ms=value_ms, author="A. A."
    )
    return edited(result, [one])


def value_of(result, quantity):
    (found,) = [m for m in result.measurements if m.quantity == quantity]
    return found


@pytest.fixture(scope="module")
def h_reflex():
    return analysed(simulate.h_reflex_study(seed=51, recording=dataclasses.replace(H_RECORDING, n_sweeps=8))[0])


def test_the_earliest_h_reflex_is_the_one_that_a_person_placed(h_reflex):
    marked = entry_of(h_reflex, "h_reflex").sweeps
    sweep = int(np.nanargmax(marked.peak_to_peak_uv))
    earlier = float(np.nanmin(marked.onset_ms)) - 0.5
    found = value_of(moved(h_reflex, "h_reflex", sweep, earlier), "h_minimum_latency")
    assert found.value == pytest.approx(earlier)
    assert found.sd is None
    assert f"sweep {sweep + 1}" in found.method


def test_the_latency_of_the_largest_h_reflex_follows_its_moved_onset(h_reflex):
    before = value_of(h_reflex, "h_latency")
    marked = entry_of(h_reflex, "h_reflex").sweeps
    largest = np.flatnonzero(marked.onset_sd_ms > 0)
    now = h_reflex
    for sweep in largest.tolist():
        now = moved(now, "h_reflex", sweep, float(marked.onset_ms[sweep]) - 1.0)
    assert value_of(now, "h_latency").value == pytest.approx(before.value - 1.0)
    assert value_of(now, "h_latency").sd is None
