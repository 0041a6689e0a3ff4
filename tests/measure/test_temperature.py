"""Correction for skin temperature: exact arithmetic, and never silently."""

import pytest

from ncs.analysis import TemperatureCorrection, analysis_fingerprint
from ncs.errors import InvalidInputError
from ncs.measure._temperature import corrected
from ncs.quantities import QUANTITIES, TEMPERATURE_CORRECTED
from ncs.results import Measurement, Reason

TO_32 = TemperatureCorrection(reference_c=32.0)


def one(quantity="motor_conduction_velocity", value=50.0, celsius=30.0, **more):
    return Measurement(
        quantity=quantity,
        value=value,
        unit=QUANTITIES[quantity].unit,
        skin_temperature_c=celsius,
        method="onset x",
        **more,
    )


@pytest.mark.parametrize(
    ("quantity", "value", "expected"),
    [
        ("motor_conduction_velocity", 50.0, 54.0),
        ("sensory_conduction_velocity", 50.0, 54.0),
        ("distal_motor_latency", 4.0, 3.6),
        ("sensory_onset_latency", 3.0, 2.6),
        ("sensory_peak_latency", 3.6, 3.2),
    ],
)
def test_velocities_gain_and_latencies_lose_with_every_degree(quantity, value, expected):
    (row,) = corrected([one(quantity, value, sd=0.5)], TO_32)
    assert row.quantity == TEMPERATURE_CORRECTED[quantity]
    assert row.value == pytest.approx(expected)
    assert row.sd == 0.5
    assert row.unit == QUANTITIES[row.quantity].unit
    assert row.method.startswith("onset x; corrected from 30.0 to 32 °C by ")
    assert "may be invalid in demyelination" in row.method


@pytest.mark.parametrize("celsius", [32.0, 35.0])
def test_a_warm_limb_is_left_as_it_is(celsius):
    (row,) = corrected([one(celsius=celsius)], TO_32)
    assert row.value == 50.0
    assert row.method.endswith("not cooler than 32 °C: unchanged")


def test_without_a_temperature_there_is_no_corrected_value():
    (row,) = corrected([one(celsius=None)], TO_32)
    assert (row.value, row.reason) == (None, Reason.NO_TEMPERATURE)


def test_what_is_missing_stays_missing_for_its_own_reason():
    missing = one(value=None, reason=Reason.NO_RESPONSE)
    (row,) = corrected([missing], TO_32)
    assert (row.value, row.reason) == (None, Reason.NO_RESPONSE)


def test_a_correction_that_eats_the_value_gives_none():
    (row,) = corrected([one("distal_motor_latency", 1.0, celsius=20.0)], TO_32)
    assert (row.value, row.reason) == (None, Reason.IMPOSSIBLE_CORRECTION)


def test_amplitudes_and_proximal_latencies_have_no_corrected_form():
    assert corrected([one("cmap_amplitude", 5000.0), one("motor_latency", 7.0)], TO_32) == ()


def test_factors_are_parameters_and_part_of_the_fingerprint():
    steep = TemperatureCorrection(reference_c=32.0, velocity_m_s_per_c=1.5)
    assert corrected([one()], steep)[0].value == pytest.approx(53.0)
    prints = {analysis_fingerprint(temperature_correction=rule) for rule in (None, TO_32, steep)}
    assert len(prints) == 3
    assert TemperatureCorrection.of({"temperature_correction": steep.parameters}) == steep
    assert TemperatureCorrection.of({}) is None


@pytest.mark.parametrize(
    "wrong", [{"reference_c": 5.0}, {"reference_c": 32.0, "velocity_m_s_per_c": -1.0}, {"reference_c": float("nan")}]
)
def test_impossible_rules_are_refused(wrong):
    with pytest.raises(InvalidInputError, match="temperature_correction"):
        TemperatureCorrection(**wrong)
