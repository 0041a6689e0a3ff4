"""``ncs.testing``: what is close, what is not, and what the message says."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

import ncs
from ncs import regression, simulate
from ncs._tolerances import tolerances_of_marks
from ncs.detect import RESPONSES, Flag, Marks, Outcome, mark
from ncs.errors import InvalidInputError
from ncs.results import Measurement, Reason
from ncs.testing import assert_marks_close, assert_measurements_close

NUMBERS = [f.name for f in dataclasses.fields(Marks) if f.name not in {"outcome", "flags"}]


@pytest.fixture(scope="module")
def marks():
    sweeps = simulate.cmap(4, seed=3, contamination=simulate.Contamination(noise_uv=8.0))
    silent = simulate.nothing(1, seed=4, contamination=simulate.Contamination(noise_uv=8.0))
    samples = np.vstack([sweeps.samples_uv, silent.samples_uv[:, : sweeps.samples_uv.shape[1]]])
    found = mark(samples, 20_000.0, stimulus_ms=3.0)
    assert found.outcome.tolist() == [0, 0, 0, 0, 1]
    return found


def moved(marks, sweep, **by):
    """Return marks in which some fields of one sweep have moved."""
    columns = {name: getattr(marks, name).copy() for name in by}
    for name, amount in by.items():
        columns[name][sweep] += amount
    return dataclasses.replace(marks, **columns)


def changed(marks, sweep, **to):
    columns = {name: getattr(marks, name).copy() for name in to}
    for name, value in to.items():
        columns[name][sweep] = value
    return dataclasses.replace(marks, **columns)


def message(*arguments, **options):
    with pytest.raises(AssertionError) as caught:
        assert_marks_close(*arguments, **options)
    return str(caught.value)


# Marks


def test_the_message_is_a_table(marks):
    found = changed(moved(marks, 2, onset_ms=0.3, peak_uv=-50.0), 1, outcome=Outcome.TOO_NOISY, end_ms=math.nan)
    head, columns, *rows = message(found, marks).splitlines()
    assert head == "marks are not as expected: 4 differences in 2 of 5 sweeps"
    assert columns.split() == ["sweep", "field", "expected", "found", "difference", "tolerance"]
    cells = [row.split() for row in rows]
    assert cells[0] == ["1", "end_ms", f"{marks.end_ms[1]:.6g}", "nan", "0.05"]
    assert cells[1] == ["1", "outcome", "found", "too_noisy"]
    assert cells[2] == ["2", "onset_ms", f"{marks.onset_ms[2]:.6g}", f"{found.onset_ms[2]:.6g}", "+0.3", "0.02"]
    assert cells[3][-2:] == ["-50", "20"]


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_may_move_as_far_as_its_tolerance_and_no_farther(marks, name):
    tolerance = tolerances_of_marks(regression.usual_tolerances())[name]
    assert_marks_close(moved(marks, 0, **{name: 0.99 * tolerance}), marks)
    assert_marks_close(moved(marks, 0, **{name: -tolerance}), marks)
    assert name in message(moved(marks, 0, **{name: 1.01 * tolerance}), marks)
    assert name in message(moved(marks, 0, **{name: -1.01 * tolerance}), marks)


def test_the_tolerances_are_those_of_the_reference_set():
    usual = regression.usual_tolerances()
    found = tolerances_of_marks(usual)
    assert {name: found[name] for name in usual.marks} == usual.marks
    assert found["area_uv_ms"] == usual.measurements["cmap_area"]
    assert set(found) == set(NUMBERS)


@pytest.mark.parametrize("response", RESPONSES)
def test_every_response_has_tolerances_of_its_own(response):
    usual = regression.usual_tolerances()
    found = tolerances_of_marks(usual, response)
    assert set(found) == set(NUMBERS)
    assert all(value > 0 for value in found.values())
    assert {"snap": 0.2, "f_wave": 5.0}.get(response, 20.0) == found["peak_uv"]
    assert {"snap": 0.01, "cmap": 0.02, "r1": 0.1, "r2": 0.2}.get(response, 0.05) == found["onset_ms"]


def test_a_sensory_response_may_move_by_less(marks):
    other = moved(marks, 0, peak_uv=0.5)
    assert_marks_close(other, marks)
    assert_marks_close(other, marks, response="cmap")
    assert "peak_uv" in message(other, marks, response="snap")
    assert "area_uv_ms" in message(moved(marks, 0, area_uv_ms=1.0), marks, response="snap")


@pytest.mark.parametrize(
    ("change", "expected", "found"),
    [
        ({"onset_ms": math.nan}, "", "nan"),
        ({"outcome": Outcome.CLIPPED}, "found", "clipped"),
        ({"outcome": 9}, "found", "9"),
        ({"flags": Flag.INITIAL_POSITIVITY | Flag.METHODS_DISAGREE}, "none", "initial_positivity|methods_disagree"),
        ({"peak_uv": math.inf}, "", "inf"),
    ],
)
def test_what_is_no_number_is_never_close(marks, change, expected, found):
    (name,) = change
    row = message(changed(marks, 3, **change), marks, tolerance={"onset_ms": math.inf}).splitlines()[-1].split()
    assert row[:2] == ["3", name]
    assert row[3] == found
    assert expected in {"", row[2]}
    assert name in message(marks, changed(marks, 3, **change)), "and the other way round"


def test_nan_is_what_nan_is(marks):
    assert np.isnan(marks.onset_ms[4])
    assert_marks_close(marks, changed(marks, 4, onset_ms=math.nan))
    assert "onset_ms" in message(changed(marks, 4, onset_ms=3.0), marks)


def test_some_fields_by_hand(marks):
    wanted = {"onset_ms": marks.onset_ms.tolist(), "outcome": [0, 0, 0, 0, Outcome.NO_RESPONSE]}
    assert_marks_close(moved(marks, 0, peak_ms=5.0), wanted)
    assert "onset_ms" in message(moved(marks, 0, onset_ms=5.0), wanted)
    assert_marks_close(moved(marks, 0, onset_ms=5.0), wanted, fields=["outcome"])
    assert_marks_close(marks.sweep(0), {"onset_ms": marks.onset_ms[0]})


def test_tolerances_can_be_given(marks):
    other = moved(marks, 0, onset_ms=0.3, peak_ms=0.015)
    assert "onset_ms" in message(other, marks)
    assert_marks_close(other, marks, tolerance={"onset_ms": 0.5})
    assert "peak_ms" in message(other, marks, tolerance={"onset_ms": 0.5, "peak_ms": 0.01})
    usual = regression.usual_tolerances()
    wide = dataclasses.replace(usual, marks={**usual.marks, "onset_ms": 0.5})
    assert_marks_close(other, marks, tolerance=wide)
    without = dataclasses.replace(usual, marks={})
    assert "peak_ms" in message(moved(marks, 0, peak_ms=1e-9), marks, tolerance=without), "without one: not at all"


def test_another_number_of_sweeps(marks):
    assert "onset_ms: expected 5 sweeps, found 1 sweep" in message(marks.sweep(0), marks)


def test_many_differences_are_counted_and_the_first_shown():
    sweeps = simulate.cmap(60, seed=5)
    many = mark(sweeps.samples_uv, 20_000.0, stimulus_ms=sweeps.stimulus_ms)
    text = message(dataclasses.replace(many, onset_ms=many.onset_ms + 1.0), many)
    assert "60 differences in 60 of 60 sweeps" in text
    assert text.endswith("… and 20 more")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expected": {"onset": [1.0]}}, "fields: expected one of onset_ms.*found 'onset'"),
        ({"fields": ["latency"]}, "fields: .*found 'latency'"),
        ({"expected": {"onset_ms": [1.0] * 5}, "fields": ["peak_ms"]}, "nothing is expected of peak_ms"),
        ({"tolerance": {"onset": 0.1}}, "tolerance: expected one of .*found 'onset'"),
        ({"tolerance": {"outcome": 1.0}}, "tolerance: .*found 'outcome'"),
        ({"tolerance": {"onset_ms": -1.0}}, "onset_ms: expected 0 or more, found -1"),
        ({"tolerance": {"onset_ms": math.nan}}, "onset_ms: expected 0 or more, found nan"),
        ({"response": "mep"}, "response: expected one of cmap.*found 'mep'"),
    ],
)
def test_what_cannot_be_compared_is_named(marks, options, words):
    with pytest.raises(InvalidInputError, match=words):
        assert_marks_close(marks, **({"expected": marks} | options))


# Measurements


def measured(**changes):
    fields = {"quantity": "motor_latency", "value": 3.4, "unit": "ms", "sd": 0.01, "site": "wrist"} | changes
    return Measurement(**fields)


def test_measurements_are_compared_as_ncs_check_does():
    study, _ = simulate.motor_study(seed=3)
    result = ncs.analyze(ncs.Visit(subject=ncs.Subject(), date=None, studies=(study,)))
    assert_measurements_close(result, result)
    others = [
        dataclasses.replace(m, value=m.value + 0.5) if m.quantity == "motor_conduction_velocity" else m
        for m in result.measurements
    ]
    with pytest.raises(AssertionError) as caught:
        assert_measurements_close(others, result)
    head, columns, row = str(caught.value).splitlines()
    assert head == f"measurements are not as expected: 1 difference in {len(result.measurements)} expected"
    assert columns.split()[:6] == ["quantity", "where", "expected", "now", "moved", "tolerance"]
    assert row.split()[:2] == ["motor_conduction_velocity", "wrist-elbow"]
    assert row.split()[-4:] == ["m/s", "+0.5", "0.3", "BREACH"]
    assert_measurements_close(others, result, tolerance={"motor_conduction_velocity": 0.6})
    usual = regression.usual_tolerances()
    wide = dataclasses.replace(usual, measurements={**usual.measurements, "motor_conduction_velocity": 0.6})
    assert_measurements_close(others, result, tolerance=wide)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"value": 3.421}, "motor_latency"),
        ({"value": None, "sd": None, "reason": Reason.NO_RESPONSE}, "no_response"),
        ({"sd": 0.05}, "(sd)"),
        ({"sd": None}, "(sd)"),
        ({"flags": ("edited",)}, "(flags)"),
        ({"site": "elbow"}, "(missing)"),
    ],
)
def test_what_differs_in_measurements_is_told(change, word):
    assert_measurements_close([measured(value=3.419)], [measured()])
    for pair in (([measured(**change)], [measured()]), ([measured()], [measured(**change)])):
        with pytest.raises(AssertionError) as caught:
            assert_measurements_close(*pair)
        assert word in str(caught.value)


def test_measurements_are_counted_where_they_have_one_place():
    pair = [measured(), measured(value=5.0)]
    assert_measurements_close(pair, pair)
    with pytest.raises(AssertionError, match=r"motor_latency \(extra\)"):
        assert_measurements_close([*pair, measured()], pair)


def test_a_quantity_that_does_not_exist_is_named():
    with pytest.raises(InvalidInputError, match=r"tolerance: expected one of .*found 'latency'"):
        assert_measurements_close([measured()], [measured()], tolerance={"latency": 1.0})


def test_control_characters_of_a_file_do_not_reach_the_terminal():
    with pytest.raises(AssertionError) as caught:
        assert_measurements_close([measured(site="wri\x1b[31mst", value=4.0)], [measured(site="wri\x1b[31mst")])
    assert "\x1b" not in str(caught.value)
    assert "wri [31mst" in str(caught.value)


def test_importing_is_light():
    heavy = {"numpy", "numba", "scipy", "ncs.regression", "ncs.detect"}
    for module, unwanted in (("ncs.testing", heavy | {"pytest"}), ("ncs.testing.plugin", heavy)):
        code = f"import sys, {module}; print({unwanted} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert done.stdout == "set()\n", module
