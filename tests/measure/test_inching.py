"""Inching: steps of latency and amplitude, where they are, and what is missing."""

import datetime as dt

import pytest

import ncs
from ncs import simulate
from ncs.detect.marks import Outcome
from ncs.measure import inching
from ncs.model import Origin, Segment, Subject, Technique, Visit
from ncs.quantities import QUANTITIES
from ncs.results import Reason
from ncs.simulate import FocalLesion
from tests.measure.build import marked, marks, part, pick


def measured(*traces, **study):
    at = part(*traces, technique=Technique.INCHING, **study)
    inching.measure(at)
    for row in at.rows:
        assert row.unit == QUANTITIES[row.quantity].unit
    return at.rows


def points(latencies, amplitudes=None, *, step_mm=10.0, names=None):
    sizes = amplitudes or [8000.0] * len(latencies)
    return [
        marked(names[i] if names else f"p{i}", 200.0 + step_mm * i, marks(onset_ms=t, peak_uv=a))
        for i, (t, a) in enumerate(zip(latencies, sizes, strict=True))
    ]


def test_steps_are_proximal_minus_distal():
    rows = measured(*points([6.0, 6.2, 7.2, 7.4], [8000, 8000, 4000, 4000], step_mm=20.0))
    steps = [row for row in rows if row.quantity == "latency_step"]
    assert [row.segment for row in steps] == ["p0-p1", "p1-p2", "p2-p3"]
    assert [row.value for row in steps] == pytest.approx([0.2, 1.0, 0.2])
    assert {row.distance_mm for row in steps} == {20.0}
    assert steps[0].sd == pytest.approx(0.03 * 2**0.5)
    assert pick(rows, "latency_step_per_10_mm", segment="p1-p2").value == pytest.approx(0.5)
    assert pick(rows, "cmap_amplitude_ratio", segment="p1-p2").value == pytest.approx(0.5)
    largest = pick(rows, "latency_step_maximum")
    assert largest.value == pytest.approx(0.5)
    assert "at p1-p2, 3 of 3 steps known, median of the others 0.1 ms" in largest.method
    assert pick(rows, "amplitude_step_maximum").value == pytest.approx(50.0)


def test_trap_11_a_short_segment_has_a_latency_step_and_no_velocity():
    rows = measured(*points([6.0, 6.2, 7.2]))
    assert not any("velocity" in row.quantity for row in rows)


def test_the_tape_counts_where_the_laboratory_states_its_error():
    without = pick(measured(*points([6.0, 6.4])), "latency_step_per_10_mm")
    with_tape = pick(measured(*points([6.0, 6.4]), distance_sd_mm=2.0), "latency_step_per_10_mm")
    assert with_tape.sd == pytest.approx((without.sd**2 + (0.4 * 0.2) ** 2) ** 0.5)


def test_a_negative_step_is_reported_and_not_hidden():
    assert pick(measured(*points([6.4, 6.3])), "latency_step").value == pytest.approx(-0.1)


def test_distances_order_the_sites_and_name_those_that_have_no_name_of_their_own():
    rows = measured(*reversed(points([6.0, 6.2, 7.2], names=["elbow", "elbow", None])))
    segments = [row.segment for row in rows if row.quantity == "latency_step"]
    assert segments == ["elbow 200 mm-elbow 210 mm", "elbow 210 mm-220 mm"]


def test_trap_4_a_site_without_response_has_no_step_on_either_side():
    sites = points([6.0, 6.2, 7.2, 7.4])
    sites[1] = marked("p1", 210.0, marks(Outcome.NO_RESPONSE))
    rows = measured(*sites)
    reasons = [row.reason for row in rows if row.quantity == "latency_step"]
    assert reasons == [Reason.NO_RESPONSE, Reason.NO_RESPONSE, None]
    assert "1 of 3 steps known" in pick(rows, "latency_step_maximum").method


def test_one_site_has_no_steps():
    rows = measured(*points([6.0]))
    assert pick(rows, "latency_step_maximum").reason is Reason.ONE_SITE
    assert pick(rows, "amplitude_step_maximum").reason is Reason.ONE_SITE


def test_without_an_order_there_are_no_steps():
    sites = [marked(name, None, marks(onset_ms=t)) for name, t in (("a", 6.0), ("b", 6.5))]
    assert pick(measured(*sites), "latency_step").reason is Reason.NO_SITE_ORDER
    ordered = measured(*sites, segments=(Segment(distal_site="a", proximal_site="b", distance_mm=20.0),))
    assert pick(ordered, "latency_step").value == pytest.approx(0.5)
    assert pick(ordered, "latency_step_per_10_mm").value == pytest.approx(0.25)


def test_steps_without_distance_have_no_value_for_10_mm():
    sites = [marked(name, None, marks(onset_ms=t)) for name, t in (("a", 6.0), ("b", 6.5))]
    known = part(*sites).study.provenance.with_origins(site_order=Origin.PROTOCOL)
    rows = measured(*sites, provenance=known)
    assert pick(rows, "latency_step").value == pytest.approx(0.5)
    assert pick(rows, "latency_step_per_10_mm").reason is Reason.NO_DISTANCE


@pytest.mark.parametrize("step_mm", [10.0, 20.0])
def test_simulated_lesions_are_found_where_they_are(step_mm):
    for seed in range(8):
        lesion = FocalLesion(segment=seed % 6, delay_ms=0.4, blocked_fraction=0.3 * (seed % 2))
        study, truth = simulate.inching_study(seed=seed, lesion=lesion, step_mm=step_mm, population="test")
        result = ncs.analyze(Visit(subject=Subject(id="P01"), date=dt.date(2021, 3, 9), studies=(study,)))
        near, far = (site.stimulation_site for site in truth.sites[lesion.segment : lesion.segment + 2])
        assert f"at {near}-{far}," in pick(result.measurements, "latency_step_maximum").method
        for segment in truth.segments:
            name = f"{segment.distal_site}-{segment.proximal_site}"
            wanted = segment.distance_mm / segment.true_velocity_m_s
            assert pick(result.measurements, "latency_step", segment=name).value == pytest.approx(wanted, abs=0.15)
