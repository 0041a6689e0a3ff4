"""Rows of a blink reflex, from hand-made sweeps: numbers, methods, flags and reasons."""

import math

import numpy as np
import pytest

from ncs.detect.marks import Flag, Outcome
from ncs.measure import blink_reflex
from ncs.measure._study import MarkedTrace
from ncs.model import Side, Stimulus, Technique
from ncs.results import Reason
from tests.measure.build import entry, marked, marks, part, pick, several, sweeps_of

NAN = math.nan


def blink(r1, r2, *, label="supraorbital right", side=Side.RIGHT, **more):
    n = len(r1)
    found = {name: entry(sweeps, name) for name, sweeps in (("r1", r1), ("r2", r2))}
    trace = sweeps_of(np.zeros((n, 8)), stimulus=Stimulus(label=label))
    at = MarkedTrace(trace=trace, marks=found["r1"].measured, found=found, how="not shown", **more)
    made = part(at, technique=Technique.BLINK_REFLEX, side=side)
    blink_reflex.measure(made)
    return made.rows


METHOD = "onset where activity of either sign begins"


def test_every_row_of_a_stimulated_side():
    r1 = several(4, onset_ms=[11.0, NAN, 10.0, 13.0], peak_to_peak_uv=[400.0, 1.0, 300.0, NAN])
    r2 = several(4, onset_ms=[33.0, 31.0, 40.0, 35.0], outcome=[Outcome.FOUND] * 3 + [Outcome.CLIPPED])
    rows = blink(r1, r2)
    first, second = f"{METHOD}; R1 in 3 of 4 sweeps", f"{METHOD}; R2 in 3 of 4 sweeps"
    assert {row.quantity: (row.value, row.method) for row in rows} == {
        "blink_r1_latency": (11.0, first), "blink_r1_amplitude": (350.0, first), "blink_r1_persistence": (75.0, first),
        "blink_r2_ipsilateral_latency": (31.0, second), "blink_r2_ipsilateral_median_latency": (34.0, second),
        "blink_r2_ipsilateral_persistence": (100.0, second),  # the saturated sweep says nothing
    }  # fmt: skip
    other = blink(r1, r2, side=Side.LEFT)
    assert [row.quantity for row in other] == [
        f"blink_r2_contralateral_{name}" for name in ("latency", "median_latency", "persistence")
    ]
    assert [row.value for row in other] == [31.0, 34.0, 100.0]


@pytest.mark.parametrize(
    ("outcomes", "persistence"),
    [
        ([Outcome.FOUND, Outcome.NO_RESPONSE, Outcome.NO_RESPONSE, Outcome.NO_RESPONSE], 25.0),
        ([Outcome.FOUND, Outcome.AT_WINDOW_EDGE, Outcome.INVALID_INPUT, Outcome.CLIPPED], 100.0),
        ([Outcome.TOO_NOISY, Outcome.FOUND], 50.0),
    ],
)
def test_persistence_counts_usable_sweeps(outcomes, persistence):
    n = len(outcomes)
    rows = blink(several(n, outcome=outcomes), several(n))
    assert pick(rows, "blink_r1_persistence").value == persistence


def test_where_no_sweep_is_usable_the_reason_is_that_of_the_first():
    gone = several(2, onset_ms=[NAN, NAN], peak_to_peak_uv=[NAN, NAN], outcome=[Outcome.CLIPPED, Outcome.INVALID_INPUT])
    rows = blink(gone, gone)
    assert {row.reason for row in rows} == {Reason.CLIPPED}
    assert {row.method for row in rows} == {f"{METHOD}; R1 in 0 of 2 sweeps", f"{METHOD}; R2 in 0 of 2 sweeps"}


def test_a_response_without_positive_peak_has_no_amplitude():
    rows = blink(several(2, peak_to_peak_uv=[NAN, NAN]), several(2))
    assert pick(rows, "blink_r1_amplitude").reason is Reason.NO_POSITIVE_PEAK


def test_a_trace_without_sweeps_has_too_few_responses():
    assert {row.reason for row in blink(several(0), several(0))} == {Reason.TOO_FEW_RESPONSES}


def test_a_trace_that_was_not_marked_keeps_its_reason():
    at = marked("supraorbital left", 0.0, None, reason=Reason.NO_STIMULUS_TIME)
    made = part(at, technique=Technique.BLINK_REFLEX, side=Side.LEFT)
    blink_reflex.measure(made)
    assert {row.reason for row in made.rows} == {Reason.NO_STIMULUS_TIME}
    assert len(made.rows) == 6
    assert {row.method for row in made.rows} == {f"{METHOD}; R{k} in 0 of 1 sweeps" for k in (1, 2)}


def test_flags_are_those_of_the_response_that_is_told():
    found = {
        "r1": entry(several(1), "r1", measured=marks(flags=Flag.MULTIPLE_PEAKS)),
        "r2": entry(several(1), "r2", measured=marks(flags=Flag.INITIAL_POSITIVITY)),
    }
    trace = sweeps_of(np.zeros((1, 8)), stimulus=Stimulus(label="right"))
    made = part(MarkedTrace(trace=trace, marks=found["r1"].measured, found=found), side=Side.RIGHT)
    blink_reflex.measure(made)
    assert [row.flags for row in made.rows] == [("multiple_peaks",)] * 3 + [("initial_positivity",)] * 3


def test_edits_of_sweeps_are_said_with_what_rests_on_them():
    said = {"r1": ("sweep 2: onset moved by A", "sweep 12: onset moved by B"), "r2": ("sweep 1: onset moved by C",)}
    rows = blink(several(2), several(2), sweep_edits=said)
    for row in rows:
        edit = "sweep 2: onset moved by A" if "r1" in row.quantity else "sweep 1: onset moved by C"
        is_edited = "persistence" not in row.quantity
        assert (row.method.endswith(f"; {edit}"), "edited" in row.flags) == (is_edited, is_edited), row.quantity


@pytest.mark.parametrize("side", [Side.RIGHT, None])
def test_without_a_side_every_quantity_is_there_without_a_value(side):
    rows = blink(several(2), several(2), label="supraorbital" if side is not None else "right", side=side)
    assert [row.quantity for row in rows] == [
        "blink_r1_latency", "blink_r1_amplitude", "blink_r1_persistence",
        *(f"blink_r2_{place}_{name}" for place in ("ipsilateral", "contralateral")
          for name in ("latency", "median_latency", "persistence")),
    ]  # fmt: skip
    assert {(row.reason, row.method) for row in rows} == {(Reason.NO_STIMULATED_SIDE, METHOD)}


@pytest.mark.parametrize(
    ("label", "site", "notes", "side"),
    [
        ("Stimulus rt supraorbital", None, (), Side.RIGHT), ("", "LT supraorbital", (), Side.LEFT),
        ("", None, ("nothing", "links"), Side.LEFT), ("rechts", "left", (), Side.RIGHT), ("R", "left", (), Side.RIGHT),
        ("right and left", "left", (), None), ("", None, ("left", "right"), None), ("", None, (), None),
        ("SO_R", None, (), Side.RIGHT), ("l supraorbital", None, (), None), ("bright lights", None, (), None),
    ],
)  # fmt: skip
def test_the_stimulated_side_as_it_is_written(label, site, notes, side):
    trace = sweeps_of(np.zeros((1, 8)), stimulus=Stimulus(label=label), stimulation_site=site, notes=notes)
    assert blink_reflex.stimulated_side(trace) is side
