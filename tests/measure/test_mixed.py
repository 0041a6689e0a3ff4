"""Mixed nerve studies: the numbers of a sensory study, under names of their own."""

import datetime as dt

import pytest

import ncs
from ncs import simulate
from ncs.measure import mixed
from ncs.model import Subject, Technique, Visit
from ncs.quantities import QUANTITIES
from ncs.results import Reason
from tests.measure.build import marked, marks, part, pick

NAMES = {
    "mixed_onset_latency", "mixed_peak_latency", "mixed_amplitude", "mixed_peak_to_peak_amplitude",
    "mixed_conduction_velocity",
}  # fmt: skip


def measured(*traces, **study):
    at = part(*traces, technique=Technique.MIXED, **study)
    mixed.measure(at)
    assert {row.quantity for row in at.rows} == NAMES
    for row in at.rows:
        assert row.unit == QUANTITIES[row.quantity].unit
    return at.rows


def test_a_palm_study_has_latencies_amplitudes_and_a_velocity():
    rows = measured(marked("palm", 80.0, marks(onset_ms=1.6, peak_ms=2.0, peak_uv=60.0)), recording_site="wrist")
    assert pick(rows, "mixed_onset_latency").value == 1.6
    assert pick(rows, "mixed_peak_latency").value == 2.0
    assert pick(rows, "mixed_amplitude").value == 60.0
    velocity = pick(rows, "mixed_conduction_velocity")
    assert (velocity.value, velocity.segment) == (pytest.approx(50.0), "wrist-palm")


def test_trap_2_without_a_distance_there_is_no_velocity_and_the_peak_latency_states_none():
    rows = measured(marked("palm", None, marks()))
    assert pick(rows, "mixed_conduction_velocity").reason is Reason.NO_DISTANCE
    assert pick(rows, "mixed_peak_latency").distance_mm is None


def test_simulated_studies_are_measured_as_they_are():
    errors = []
    for seed in range(20):
        study, truth = simulate.mixed_study(seed=seed, velocity_m_s=38.0 + seed, population="test")
        result = ncs.analyze(Visit(subject=Subject(id="P01"), date=dt.date(2021, 3, 9), studies=(study,)))
        found = pick(result.measurements, "mixed_peak_latency").value
        errors.append(abs(found - float(truth.sites[0].marks.peak_ms[0])))
    assert max(errors) < 0.05
