"""Velocity, ratio and terminal indices: exact arithmetic, and standard deviations against simulation by lot."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs.measure import motor
from ncs.measure._study import Value, ratio, velocity
from ncs.results import Reason
from tests.measure.build import marked, marks, part, pick

DRAWS = 400_000
MS = st.floats(0.5, 50.0)
SD = st.floats(0.001, 0.5)


def test_the_worked_example_of_the_edf_specification():
    near, far = Value(value=3.8), Value(value=7.8)
    assert velocity(285.0 - 65.0, near, far, distance_sd_mm=None) == Value(value=pytest.approx(55.0))


@settings(deadline=None, derandomize=True)
@given(near=MS, delay=MS, sds=st.tuples(SD, SD), tape=st.tuples(st.floats(20.0, 600.0), st.floats(0.0, 20.0)))
def test_velocity_is_distance_over_delay_with_relative_variances_added(near, delay, sds, tape):
    (near_sd, far_sd), (distance, distance_sd) = sds, tape
    found = velocity(
        distance, Value(value=near, sd=near_sd), Value(value=near + delay, sd=far_sd), distance_sd_mm=distance_sd
    )
    assert found.value == pytest.approx(distance / delay, rel=1e-9)
    relative = math.sqrt((near_sd**2 + far_sd**2) / delay**2 + (distance_sd / distance) ** 2)
    assert found.sd == pytest.approx(found.value * relative, rel=1e-6)
    assert found.reason is None


def test_velocity_sd_is_what_repeated_measurement_scatters():
    rng = np.random.default_rng(1)
    near, far, tape = rng.normal((3.8, 7.8, 220.0), (0.02, 0.04, 4.0), (DRAWS, 3)).T
    found = velocity(220.0, Value(value=3.8, sd=0.02), Value(value=7.8, sd=0.04), distance_sd_mm=4.0)
    assert found.sd == pytest.approx(np.std(tape / (far - near)), rel=0.01)


@pytest.mark.parametrize("unknown", ["near", "far"])
def test_without_one_sd_a_velocity_has_none(unknown):
    sd = {"near": 0.02, "far": 0.03, unknown: None}
    found = velocity(220.0, Value(value=3.8, sd=sd["near"]), Value(value=7.8, sd=sd["far"]), distance_sd_mm=4.0)
    assert found == Value(value=pytest.approx(55.0))


@pytest.mark.parametrize("far_ms", [3.8, 3.7])
def test_a_proximal_latency_that_is_not_longer_gives_no_velocity(far_ms):
    found = velocity(220.0, Value(value=3.8, sd=0.1), Value(value=far_ms, sd=0.1), distance_sd_mm=None)
    assert found == Value.missing(Reason.LATENCY_ORDER)


@pytest.mark.parametrize("distance", [0.0, -220.0, math.nan, math.inf])
@pytest.mark.parametrize("sd", [None, 0.1])
def test_an_impossible_distance_gives_no_velocity(distance, sd):
    found = velocity(distance, Value(value=3.8, sd=sd), Value(value=7.8, sd=sd), distance_sd_mm=5.0)
    assert found == Value.missing(Reason.IMPOSSIBLE_DISTANCE)


def test_a_missing_latency_goes_before_a_missing_distance():
    absent, present = Value.missing(Reason.NO_RESPONSE), Value(value=3.8)
    assert velocity(None, absent, present, distance_sd_mm=None) == absent
    assert velocity(None, present, absent, distance_sd_mm=None) == absent
    assert velocity(None, present, Value(value=7.8), distance_sd_mm=None) == Value.missing(Reason.NO_DISTANCE)
    assert velocity(None, present, Value(value=7.8), distance_sd_mm=None, reason=Reason.NO_SITE) == Value.missing(
        Reason.NO_SITE
    )


def test_ratio_sd_is_what_repeated_measurement_scatters():
    rng = np.random.default_rng(2)
    proximal, distal = rng.normal((5200.0, 7200.0), (60.0, 80.0), (DRAWS, 2)).T
    found = ratio(Value(value=5200.0, sd=60.0), Value(value=7200.0, sd=80.0))
    assert found.value == pytest.approx(5200 / 7200)
    assert found.sd == pytest.approx(np.std(proximal / distal), rel=0.01)


def test_ratio_of_something_missing_is_missing_for_its_reason():
    there = Value(value=1.0, sd=0.1)
    assert ratio(there, Value.missing(Reason.CLIPPED)) == Value.missing(Reason.CLIPPED)
    assert ratio(Value.missing(Reason.NO_RETURN), there) == Value.missing(Reason.NO_RETURN)
    assert ratio(Value(value=1.0), there) == Value(value=1.0)


def test_terminal_latency_index_and_residual_latency_scatter_as_stated():
    rng = np.random.default_rng(3)
    at = part(
        marked("wrist", 65.0, marks(onset_ms=3.8, onset_sd_ms=0.05)),
        marked("elbow", 285.0, marks(onset_ms=7.8, onset_sd_ms=0.08)),
    )
    motor.measure(at)
    index, residual = pick(at.rows, "terminal_latency_index"), pick(at.rows, "residual_latency")
    assert index.value == pytest.approx(65.0 / (55.0 * 3.8))
    assert residual.value == pytest.approx(3.8 - 65.0 / 55.0)
    near, far = rng.normal((3.8, 7.8), (0.05, 0.08), (DRAWS, 2)).T
    speed = 220.0 / (far - near)
    assert index.sd == pytest.approx(np.std(65.0 / (speed * near)), rel=0.01)
    assert residual.sd == pytest.approx(np.std(near - 65.0 / speed), rel=0.01)


def test_terminal_latency_index_of_a_healthy_adult_depends_on_the_distal_distance():
    # A published cut-off of 0.38 is the healthy value at 80 mm and far above it at 70 mm.
    for near_mm, expected in ((70.0, 0.33), (80.0, 0.38)):
        at = part(
            marked("wrist", near_mm, marks(onset_ms=3.7)),
            marked("elbow", near_mm + 220.0, marks(onset_ms=3.7 + 220.0 / 57.0)),
        )
        motor.measure(at)
        index = pick(at.rows, "terminal_latency_index")
        assert round(index.value, 2) == expected
        assert f"distal distance {near_mm:g} mm" in index.method
