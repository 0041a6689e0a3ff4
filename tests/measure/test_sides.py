"""Right against left, within a visit that may lie in several files."""

import datetime as dt
from dataclasses import replace

import pytest

from ncs import simulate
from ncs.analysis import analyze, side_differences
from ncs.model import Direction, Side
from ncs.results import Measurement, Reason
from ncs.simulate import MotorNerve, SensoryNerve
from tests.measure.build import pick

DATE = dt.date(2020, 5, 4)


def both_sides(*, left_mm=80.0, left_velocity=46.0):
    motor = (
        MotorNerve(velocity_m_s=56.0, distal_latency_ms=3.4),
        MotorNerve(side=Side.LEFT, velocity_m_s=left_velocity, distal_latency_ms=4.1, distal_distance_mm=left_mm),
    )
    sensory = (SensoryNerve(), SensoryNerve(side=Side.LEFT, amplitude_uv=20.0))
    return simulate.visit("P", DATE, seed=5, motor=motor, sensory=sensory)[0]


def test_right_minus_left_with_both_values_and_a_deviation():
    result = analyze(both_sides())
    rows = side_differences([result])
    velocity = pick(rows, "motor_conduction_velocity_side_difference")
    right, left = (m for m in result.measurements if m.quantity == "motor_conduction_velocity")
    assert velocity.value == pytest.approx(right.value - left.value)
    assert velocity.value == pytest.approx(10.0, abs=1.0)
    assert velocity.sd == pytest.approx((right.sd**2 + left.sd**2) ** 0.5)
    assert velocity.side is None
    assert (velocity.nerve, velocity.segment) == ("median", "wrist-elbow")
    assert velocity.method.startswith("right minus left; right 5")
    assert pick(rows, "distal_motor_latency_side_difference").value == pytest.approx(-0.7, abs=0.05)
    right, left = (m.value for m in result.measurements if m.quantity == "snap_amplitude")
    assert pick(rows, "snap_amplitude_side_difference").value == pytest.approx(right - left)
    assert right > left + 10
    assert [row.site for row in rows if row.quantity == "cmap_amplitude_side_difference"] == ["wrist"]


def test_the_sides_may_lie_in_different_files():
    whole = both_sides()
    files = [analyze(replace(whole, studies=(study,))) for study in whole.studies]
    together = {(row.quantity, row.site, row.segment): row.value for row in side_differences(files)}
    assert together == {(row.quantity, row.site, row.segment): row.value for row in side_differences([analyze(whole)])}
    assert side_differences(files[:1]) == ()


def test_latencies_over_different_distances_are_not_compared():
    rows = side_differences([analyze(both_sides(left_mm=95.0))])
    row = pick(rows, "distal_motor_latency_side_difference")
    assert (row.value, row.reason) == (None, Reason.DIFFERENT_DISTANCES)
    assert pick(rows, "motor_conduction_velocity_side_difference").value is not None
    assert pick(side_differences([analyze(both_sides(left_mm=85.0))]), "distal_motor_latency_side_difference").value


def test_an_onset_at_a_positive_peak_is_compared_with_such_only():
    whole = both_sides()
    studies = list(whole.studies)
    right = simulate.sensory_study(direction="orthodromic", seed=5)[0]
    studies[2] = replace(right, direction=Direction.ORTHODROMIC)
    rows = side_differences([analyze(replace(whole, studies=tuple(studies)))])
    for name in ("sensory_onset_latency", "sensory_conduction_velocity"):
        assert pick(rows, f"{name}_side_difference").reason is Reason.DIFFERENT_ONSETS
    assert pick(rows, "snap_amplitude_side_difference").value is not None


def test_a_side_without_a_response_is_the_reason_and_not_a_zero():
    whole = both_sides()
    silent = simulate.motor_study(MotorNerve(side=Side.LEFT, amplitude_uv=0.0), seed=5)[0]
    rows = side_differences([analyze(replace(whole, studies=(whole.studies[0], silent)))])
    assert pick(rows, "motor_conduction_velocity_side_difference").reason is Reason.NO_RESPONSE


def test_a_side_measured_twice_is_not_compared():
    whole = both_sides()
    twice = replace(whole, studies=(*whole.studies[:2], whole.studies[1]))
    row = pick(side_differences([analyze(twice)]), "motor_conduction_velocity_side_difference")
    assert row.reason is Reason.SEVERAL_OF_A_SIDE


def test_a_peak_latency_is_compared_whatever_the_onset_rests_on():
    flagged = ("onset_at_positive_peak",)
    right = Measurement(quantity="sensory_peak_latency", value=3.0, unit="ms", side=Side.RIGHT, flags=flagged)
    left = Measurement(quantity="sensory_peak_latency", value=3.2, unit="ms", side=Side.LEFT)
    result = replace(analyze(both_sides()), measurements=(right, left))
    assert side_differences([result])[0].value == pytest.approx(-0.2)
