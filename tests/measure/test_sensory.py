"""Sensory studies from hand-made marks: velocity from one site and between sites."""

import math

import pytest

from ncs.detect.marks import Outcome
from ncs.measure import sensory
from ncs.model import Segment
from ncs.results import Reason
from tests.measure.build import marked, marks, part, pick

PER_SITE = {
    "sensory_onset_latency", "sensory_peak_latency", "snap_amplitude", "snap_peak_to_peak_amplitude",
    "sensory_conduction_velocity",
}  # fmt: skip
WRIST = marks(onset_ms=2.5, onset_sd_ms=0.05, peak_ms=3.2, peak_sd_ms=0.02, peak_uv=30.0, peak_to_peak_uv=44.0)
ELBOW = marks(onset_ms=6.3, onset_sd_ms=0.08, peak_ms=7.2, peak_uv=18.0, peak_to_peak_uv=25.0)


def measured(*traces, **study):
    at = part(*traces, recording_site="finger II", **study)
    sensory.measure(at)
    assert all(row.value != 0 for row in at.rows)
    return at.rows


def test_one_site():
    rows = measured(marked("wrist", 140.0, WRIST))
    assert {row.quantity for row in rows} == PER_SITE
    assert [row.value for row in rows] == pytest.approx([2.5, 3.2, 30.0, 44.0, 56.0])
    velocity = pick(rows, "sensory_conduction_velocity", segment="finger II-wrist")
    assert velocity.sd == pytest.approx(56.0 * 0.05 / 2.5)
    assert (velocity.site, velocity.distance_mm) == ("wrist", 140.0)
    assert "distance over onset latency" in velocity.method


def test_a_segment_between_two_sites():
    rows = measured(marked("elbow", 340.0, ELBOW), marked("wrist", 140.0, WRIST))
    between = pick(rows, "sensory_conduction_velocity", segment="wrist-elbow")
    assert between.value == pytest.approx(200.0 / 3.8)
    assert between.sd == pytest.approx(between.value * math.hypot(0.05, 0.08) / 3.8)
    assert pick(rows, "sensory_conduction_velocity", site="elbow").value == pytest.approx(340.0 / 6.3)
    assert [row.site for row in rows if row.quantity == "snap_amplitude"] == ["wrist", "elbow"]


def test_a_measured_segment_without_cathode_distances():
    segment = Segment(distal_site="wrist", proximal_site="elbow", distance_mm=209.0)
    rows = measured(marked("elbow", None, ELBOW), marked("wrist", None, WRIST), segments=(segment,))
    assert pick(rows, "sensory_conduction_velocity", segment="wrist-elbow").value == pytest.approx(55.0)
    assert pick(rows, "sensory_conduction_velocity", site="wrist").reason is Reason.NO_DISTANCE


def test_without_a_distance_everything_but_the_velocity():
    rows = measured(marked("wrist", None, WRIST))
    assert {row.quantity: row.reason for row in rows if row.reason} == {
        "sensory_conduction_velocity": Reason.NO_DISTANCE
    }


def test_no_response():
    rows = measured(marked("wrist", 140.0, marks(Outcome.NO_RESPONSE)))
    assert {row.quantity: row.reason for row in rows} == dict.fromkeys(PER_SITE, Reason.NO_RESPONSE)


def test_no_positive_peak():
    found = marks(onset_ms=2.5, peak_to_peak_uv=math.nan, peak_to_peak_sd_uv=math.nan)
    rows = measured(marked("wrist", 140.0, found))
    assert pick(rows, "snap_peak_to_peak_amplitude").reason is Reason.NO_POSITIVE_PEAK


def test_a_response_too_noisy_to_time_keeps_amplitude_and_peak():
    rows = measured(marked("wrist", 140.0, marks(Outcome.TOO_NOISY, peak_ms=3.3, peak_uv=4.0)))
    assert pick(rows, "sensory_peak_latency").value == 3.3
    assert pick(rows, "snap_amplitude").value == 4.0
    assert pick(rows, "sensory_onset_latency").reason is Reason.TOO_NOISY
    assert pick(rows, "sensory_conduction_velocity").reason is Reason.TOO_NOISY


def test_an_unnamed_recording_electrode_still_names_the_segment():
    at = part(marked(None, 140.0, WRIST))
    sensory.measure(at)
    assert pick(at.rows, "sensory_conduction_velocity").segment == "recording electrode-?"


def test_the_tape_of_the_laboratory_counts_from_a_single_site_too():
    row = pick(measured(marked("wrist", 140.0, WRIST), distance_sd_mm=5.0), "sensory_conduction_velocity")
    assert row.sd == pytest.approx(56.0 * math.hypot(0.05 / 2.5, 5.0 / 140.0))
