"""Rows of trains, from hand-made sweeps: decrements with deviations, courses, exercise, and what is missing."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ncs.detect.marks import Outcome
from ncs.measure import repetitive_stimulation as rns
from ncs.measure._study import MarkedTrace, Value
from ncs.model import Stimulus, Technique
from ncs.results import Reason
from tests.measure.build import entry, part, pick, several, sweeps_of

NAN = math.nan


def train(
    amplitudes, *, areas=None, sd=20.0, label="at rest", elapsed_s=None, site="wrist", sweep_edits=None, **columns
):
    sizes = np.array(amplitudes, float)
    n = sizes.size
    found = several(
        n, peak_uv=sizes, peak_sd_uv=np.full(n, sd), area_uv_ms=3.0 * sizes if areas is None else areas,
        area_sd_uv_ms=np.full(n, 2 * sd), onset_ms=np.where(np.isnan(sizes), NAN, 3.8), **columns,
    )  # fmt: skip
    trace = sweeps_of(
        np.zeros((n, 8)), stimulation_site=site, stimulus=Stimulus(label=label), elapsed_s=elapsed_s, distance_mm=80.0
    )
    made = entry(found, "cmap")
    return MarkedTrace(trace=trace, marks=made.measured, found={"cmap": made}, sweep_edits=sweep_edits or {})


def trains(*traces):
    made = part(*traces, technique=Technique.REPETITIVE_STIMULATION)
    rns.measure(made)
    return made.rows


LISTED = "percent of the first: 100 96 92 90 88 94"


def test_every_row_of_a_train():
    rows = trains(train([5000, 4800, 4600, 4500, 4400, 4700], elapsed_s=np.arange(6) / 3))
    six = "by hand; 6 responses"

    def sd(share, first=5000.0, each=20.0):
        return 100 * each * math.hypot(1, share) / first

    expected = [
        ("train_first_amplitude", 5000.0, 20.0, "response 1"),
        ("train_first_area", 15_000.0, 40.0, "response 1"),
        ("decrement_4th", 10.0, sd(0.9), "response 4 against 1"),
        ("area_decrement_4th", 10.0, sd(0.9, 15_000, 40), "response 4 against 1"),
        ("decrement_5th", 12.0, sd(0.88), "response 5 against 1"),
        ("area_decrement_5th", 12.0, sd(0.88, 15_000, 40), "response 5 against 1"),
        ("decrement_maximum", 12.0, sd(0.88), f"response 5 against 1; {LISTED}"),
        ("decrement_last", 6.0, sd(0.94), "response 6 against 1"),
        ("increment_maximum", -4.0, sd(0.96), f"response 2 against 1; {LISTED}"),
        ("area_decrement_maximum", 12.0, sd(0.88, 15_000, 40), f"response 5 against 1; {LISTED}"),
        ("area_decrement_last", 6.0, sd(0.94, 15_000, 40), "response 6 against 1"),
        ("area_increment_maximum", -4.0, sd(0.96, 15_000, 40), f"response 2 against 1; {LISTED}"),
        ("stimulation_rate", 3.0, None, "median interval"),
    ]
    assert [row.quantity for row in rows] == [name for name, *_ in expected]
    for row, (name, value, deviation, note) in zip(rows, expected, strict=True):
        assert (row.value, row.sd) == (pytest.approx(value), pytest.approx(deviation)), name
        assert (row.method, row.segment, row.site, row.distance_mm) == (f"{six}; {note}", "at rest", "wrist", 80.0)
        recovers = name in {"decrement_maximum", "area_decrement_maximum"}
        assert row.flags == ((rns.RECOVERS,) if recovers else ()), name


@pytest.mark.parametrize(("last", "recovers"), [(4515.0, True), (4512.0, False)])
def test_a_recovery_is_more_than_three_deviations(last, recovers):
    """4400 of 5000 is a loss of 12 %, SD 0.533; near 4514 its SD is 0.539: three of both are 2.27 points, 113.7 uV."""
    row = pick(trains(train([5000, 4400, last])), "decrement_maximum")
    assert (rns.RECOVERS in row.flags) is recovers


def test_without_deviations_no_recovery_is_claimed():
    row = pick(trains(train([5000, 2500, 5000], sd=NAN)), "decrement_maximum")
    assert (row.value, row.sd, row.flags) == (50.0, None, ())


@pytest.mark.parametrize(
    ("amplitude", "area", "sd", "apart"),
    [(20.0, 9.0, 1.0, True), (20.0, 10.0, 1.0, False), (9.0, 20.0, 1.0, True), (20.0, 9.0, 300.0, False)],
)
def test_area_follows_amplitude_within_ten_points_and_the_noise(amplitude, area, sd, apart):
    sizes = [5000.0] * 3 + [5000.0 - 50 * amplitude] * 2
    areas = [15_000.0] * 3 + [15_000.0 - 150 * area] * 2
    rows = trains(train(sizes, areas=areas, sd=sd))
    for name in ("decrement_4th", "area_decrement_4th", "decrement_5th", "area_decrement_5th"):
        assert pick(rows, name).flags == ((rns.AREA_APART,) if apart else ()), name


def test_long_trains_are_listed_in_part():
    def course(n):
        return pick(trains(train([1000.0 - 10 * k for k in range(n)])), "decrement_maximum").method.split("; ")[-1]

    twelve = " ".join(str(100 - k) for k in range(12))
    assert course(12) == f"percent of the first: {twelve}"
    assert course(13) == f"percent of the first: {twelve} … 88"
    assert course(14) == f"percent of the first: {twelve} … 87"


def test_an_unusable_response_is_a_dash_and_no_loss():
    sizes = [1000.0, 900.0, NAN, 800.0]
    found = train(sizes, outcome=[Outcome.FOUND, Outcome.FOUND, Outcome.CLIPPED, Outcome.FOUND])
    rows = trains(found)
    assert pick(rows, "decrement_maximum").value == pytest.approx(20.0)
    assert pick(rows, "decrement_maximum").method.endswith("response 4 against 1; percent of the first: 100 90 - 80")
    assert pick(rows, "increment_maximum").value == pytest.approx(-10.0)


def test_an_unusable_last_response_is_the_reason_of_the_last_decrement():
    outcome = [Outcome.FOUND, Outcome.FOUND, Outcome.CLIPPED]
    rows = trains(train([1000.0, 900.0, NAN], outcome=outcome))
    assert pick(rows, "decrement_last").reason is Reason.CLIPPED
    assert pick(rows, "decrement_maximum").value == pytest.approx(10.0)
    assert pick(rows, "decrement_4th").reason is Reason.TOO_FEW_RESPONSES
    alone = trains(train([1000.0, NAN, NAN], outcome=[Outcome.FOUND, Outcome.CLIPPED, Outcome.INVALID_INPUT]))
    for name in ("decrement_maximum", "decrement_last", "increment_maximum", "area_decrement_maximum"):
        row = pick(alone, name)
        assert (row.value, row.reason, row.method) == (None, Reason.CLIPPED, "by hand; 3 responses")


def test_edits_of_sweeps_are_said_in_the_losses_that_rest_on_them():
    rows = trains(train([5000.0] * 5, sweep_edits={"cmap": ("sweep 4: onset moved by A",)}))
    edited = {row.quantity for row in rows if "edited" in row.flags}
    assert edited == {"decrement_4th", "area_decrement_4th"}
    first = trains(train([5000.0, 4000.0, 3000.0, 2000.0], sweep_edits={"cmap": ("sweep 1: onset moved by A",)}))
    assert {row.quantity for row in first if "edited" not in row.flags} == {
        "decrement_5th", "area_decrement_5th", "stimulation_rate",
    }  # fmt: skip
    assert pick(first, "decrement_maximum").method.endswith("; sweep 1: onset moved by A")
    assert pick(first, "decrement_maximum").sd is None


def test_exercise_is_compared_with_the_first_train_before_it_at_the_same_site():
    rows = trains(
        train([1000.0] * 2, site="elbow"), train([2000.0] * 2), train([9000.0] * 2),
        train([5000.0] * 2, label="after exercise 10 s"),
        train([4000.0] * 2, label="after exercise 1 min", site="axilla"),
        train([2500.0] * 2, label=""),
    )  # fmt: skip
    note = "by hand; 2 responses; first responses of 10 s after exercise and of at rest"
    row = pick(rows, "exercise_increment", segment="10 s after exercise")
    assert (row.value, row.method, row.flags) == (pytest.approx(150.0), note, ())
    assert row.sd == pytest.approx(100 * 20 * math.hypot(1, 2.5) / 2000)
    assert pick(rows, "area_exercise_increment", segment="10 s after exercise").value == pytest.approx(150.0)
    for name in ("exercise_increment", "area_exercise_increment"):
        missing = pick(rows, name, segment="60 s after exercise")
        assert (missing.reason, missing.method) == (Reason.NO_TRAIN_AT_REST, "by hand; 2 responses")
    assert [row.segment for row in rows if row.quantity == "stimulation_rate"][-1] == "train 6"


def test_an_increment_of_amplitude_alone_is_flagged():
    rows = trains(train([1000.0]), train([2000.0], areas=[3000.0], label="after exercise 10 s"))
    for name, value in (("exercise_increment", 100.0), ("area_exercise_increment", 0.0)):
        row = pick(rows, name)
        assert (row.value, row.flags) == (pytest.approx(value), (rns.AREA_APART,))
    lost = trains(train([NAN]), train([2000.0], label="after exercise 10 s"))
    assert pick(lost, "exercise_increment").reason is Reason.NO_FIRST_RESPONSE


@pytest.mark.parametrize(
    ("times", "parts"),
    [
        ([0.0, 1.0, 2.0, 5.0], [(0, 1, 2, 3)]), ([0.0, 1.0, 2.0, 5.01], [(0, 1, 2), (3,)]),
        ([5.5, 0.0, 1.0, 2.0], [(1, 2, 3), (0,)]), ([0.0, 9.0], [(0, 1)]),
        ([0.0, 1.0, 9.0, 10.0, 99.0], [(0, 1, 2, 3), (4,)]),
    ],
)  # fmt: skip
def test_a_pause_is_more_than_three_times_the_usual_interval(times, parts):
    found = rns.trains_of([train([1.0] * len(times), elapsed_s=np.array(times))])
    assert [one.sweeps for one in found] == parts
    assert [one.name for one in found] == (
        ["at rest"] if len(parts) == 1 else [f"train {k}" for k in range(1, len(parts) + 1)]
    )


def test_the_rate_needs_two_stimuli_and_times():
    (one,) = rns.trains_of([train([1.0], elapsed_s=np.zeros(1))])
    assert one.rate_hz == Value.missing(Reason.TOO_FEW_RESPONSES)
    (one,) = rns.trains_of([train([1.0] * 2)])
    assert one.rate_hz == Value.missing(Reason.NO_SWEEP_TIMES)
    (one,) = rns.trains_of([train([1.0] * 3, elapsed_s=np.array([0.0, 0.25, 9.0]))])
    assert one.rate_hz.value == pytest.approx(1 / 4.5)


@pytest.mark.parametrize(
    ("label", "notes", "name"),
    [
        ("10 s after exercise", (), "10 s after exercise"), ("2 min post-exercise", (), "120 s after exercise"),
        ("after exercise: 1.5 min", (), "90 s after exercise"), ("post exercise (30 sec)", (), "30 s after exercise"),
        ("after exercise immediately", (), "0 s after exercise"), ("POST-EXERCISE", (), "after exercise"),
        ("pre-exercise", (), "at rest"), ("before exercise", (), "at rest"), ("resting", (), "at rest"),
        ("wrist", ("at rest", "baseline"), "at rest"), ("at rest", ("after exercise 5 s",), "at rest"),
        ("wrist", ("at rest", "after exercise"), None), ("restless", (), None), ("", (), None),
    ],
)  # fmt: skip
def test_when_a_train_was_given(label, notes, name):
    trace = replace(train([1.0]).trace, stimulus=Stimulus(label=label), notes=notes)
    assert rns.condition(trace) == name
    (one,) = rns.trains_of([replace(train([1.0]), trace=trace)])
    assert one.name == (name or "train 1")
    assert one.is_after_exercise is (name or "").endswith("after exercise")


def test_trains_without_sweeps_have_too_few_responses():
    rows = trains(train([]))
    assert {row.reason for row in rows} == {Reason.TOO_FEW_RESPONSES, Reason.NO_SWEEP_TIMES}
