"""Correction for skin temperature in full: the limits of the rule, what is said, what stays as it is."""

import math

import pytest

from ncs.errors import InvalidInputError
from ncs.measure._temperature import TemperatureCorrection, corrected
from ncs.model import Side
from ncs.results import Reason
from tests.measure.test_sides_by_hand import VELOCITY, latency, row

TO_32 = TemperatureCorrection(reference_c=32.0)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("reference_c", 15.0, 45.0), ("velocity_m_s_per_c", 0.0, 5.0), ("latency_ms_per_c", 0.0, 1.0)],
)
def test_the_limits_of_a_rule(name, low, high):
    for allowed in (low, high):
        assert getattr(TemperatureCorrection(**{"reference_c": 32.0, name: allowed}), name) == allowed
    for wrong in (math.nextafter(low, -9), math.nextafter(high, 99), math.nan):
        with pytest.raises(InvalidInputError) as caught:
            TemperatureCorrection(**{"reference_c": 32.0, name: wrong})
        assert str(caught.value) == f"temperature_correction.{name}: expected {low:g} to {high:g}, found {wrong!r}"


def test_the_usual_factors_are_said_with_the_parameters():
    assert TO_32.parameters == {"reference_c": 32.0, "velocity_m_s_per_c": 2.0, "latency_ms_per_c": 0.2}
    assert TemperatureCorrection.of({"temperature_correction": None}) is None


def test_a_corrected_row_keeps_every_other_fact():
    before = row(Side.LEFT, 50.0, skin_temperature_c=30.5, method="onset x", flags=("edited",), study_index=2)
    (after,) = corrected([before, row(Side.LEFT, 8000.0, quantity="cmap_amplitude")], TO_32)
    words = (
        "onset x; corrected from 30.5 to 32 °C by +2 m/s per °C, a linear rule of healthy nerves, which may be invalid "
        "in demyelination"
    )
    assert (after.quantity, after.value, after.sd, after.method) == (
        f"{VELOCITY}_temperature_corrected",
        53.0,
        0.3,
        words,
    )
    for name in ("side", "nerve", "segment", "distance_mm", "skin_temperature_c", "flags", "study_index", "unit"):
        assert getattr(after, name) == getattr(before, name), name
    (slow,) = corrected([latency(Side.LEFT, 4.0, skin_temperature_c=30.0)], TO_32)
    assert slow.value == pytest.approx(3.6)
    assert slow.method.startswith("corrected from 30.0 to 32 °C by -0.2 ms per °C")


@pytest.mark.parametrize(
    ("celsius", "value", "reason", "method"),
    [
        (32.0, 4.0, None, "not cooler than 32 °C: unchanged"), (31.9, 3.98, None, None),
        (None, None, Reason.NO_TEMPERATURE, ""), (12.0, None, Reason.IMPOSSIBLE_CORRECTION, ""),
        (12.1, 0.02, None, None),
    ],
)  # fmt: skip
def test_what_becomes_of_a_latency_of_four_milliseconds(celsius, value, reason, method):
    (after,) = corrected([latency(Side.LEFT, 4.0, skin_temperature_c=celsius)], TO_32)
    assert (after.value, after.reason) == (value if value is None else pytest.approx(value), reason)
    assert (after.sd is None) is (value is None)
    assert method is None or after.method == method


def test_a_missing_value_keeps_its_reason_and_says_nothing_of_temperature():
    (after,) = corrected([row(Side.LEFT, None, method="onset x")], TO_32)
    assert (after.value, after.reason, after.method) == (None, Reason.NO_RESPONSE, "onset x")


def test_a_warm_limb_is_said_after_the_method():
    (after,) = corrected([row(Side.LEFT, 50.0, skin_temperature_c=33.0, method="onset x")], TO_32)
    assert (after.value, after.method) == (50.0, "onset x; not cooler than 32 °C: unchanged")
