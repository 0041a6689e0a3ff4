"""Studies and visits: the velocity that was asked for is the velocity of the true onsets."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs import detect, simulate
from ncs.errors import InvalidInputError
from ncs.model import Origin, Side, Subject, Technique
from ncs.simulate import Contamination, MotorNerve, Recording, SensoryNerve

QUIET = Recording(contamination=Contamination(), duration_ms=80.0)


NERVES = st.fixed_dictionaries(
    {
        "velocity_m_s": st.floats(4.0, 80.0),
        "distal_latency_ms": st.floats(2.0, 12.0),
        "segment_mm": st.floats(60.0, 400.0),
        "velocity_spread": st.floats(0.0, 1.0),
        "blocked_fraction": st.floats(0.0, 0.95),
    }
)


@given(nerve=NERVES, seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_true_onsets_say_the_requested_velocity(nerve, seed):
    study, truth = simulate.motor_study(**nerve, seed=seed, recording=QUIET)
    velocity, segment = nerve["velocity_m_s"], nerve["segment_mm"]
    near, far = (float(site.marks.onset_ms[0]) for site in truth.sites)
    assert near == pytest.approx(nerve["distal_latency_ms"], abs=1e-9)
    assert segment / (far - near) == pytest.approx(velocity, rel=1e-6)
    assert truth.true_velocity_m_s == pytest.approx(velocity, rel=1e-6)
    assert truth.nominal_velocity_m_s == velocity
    assert study.traces[1].distance_mm - study.traces[0].distance_mm == pytest.approx(segment)


def test_truth_of_a_study_is_what_its_samples_show():
    study, truth = simulate.motor_study(
        seed=3, velocity_m_s=41.0, recording=Recording(contamination=Contamination(), sampling_rate_hz=200_000.0)
    )
    found = []
    for trace, site in zip(study.traces, truth.sites, strict=True):
        y = -trace.samples_uv[0].astype(float)
        index = int((y >= 0.02 * y.max()).argmax())
        share = (0.02 * y.max() - y[index - 1]) / (y[index] - y[index - 1])
        found.append((index - 1 + share) / 200.0 - trace.stimulus_ms[0])
        assert found[-1] == pytest.approx(site.marks.onset_ms[0], abs=0.002)
        assert y.max() == pytest.approx(site.marks.peak_uv[0], rel=1e-3)
    assert 220.0 / (found[1] - found[0]) == pytest.approx(41.0, abs=0.02)


def test_slow_units_fall_behind_and_disperse_the_proximal_response():
    durations, amplitudes = [], []
    for spread in (0.0, 0.2, 0.8):
        _, truth = simulate.motor_study(seed=5, velocity_m_s=30.0, velocity_spread=spread, recording=QUIET)
        near, far = (site.marks for site in truth.sites)
        durations.append(float((far.end_ms - far.onset_ms)[0] / (near.end_ms - near.onset_ms)[0]))
        amplitudes.append(float(far.peak_uv[0] / near.peak_uv[0]))
    assert durations[0] == pytest.approx(1.0)
    assert amplitudes[0] == pytest.approx(1.0)
    assert durations[0] < durations[1] < durations[2]
    assert amplitudes[0] > amplitudes[1] > amplitudes[2]


@pytest.mark.parametrize("blocked", [0.3, 0.6])
def test_conduction_block_lowers_the_proximal_response(blocked):
    ratios = []
    for seed in range(12):
        _, truth = simulate.motor_study(seed=seed, blocked_fraction=blocked, velocity_spread=0.0, recording=QUIET)
        ratios.append(float(truth.sites[1].marks.area_uv_ms[0] / truth.sites[0].marks.area_uv_ms[0]))
    assert np.mean(ratios) == pytest.approx(1.0 - blocked, abs=0.06)


def test_complete_block_leaves_no_proximal_response():
    study, truth = simulate.motor_study(seed=1, blocked_fraction=1.0, recording=QUIET)
    assert truth.sites[0].marks.has_response[0]
    assert not truth.sites[1].marks.has_response[0]
    assert truth.true_velocity_m_s is None
    assert not study.traces[1].samples_uv.any()


def test_amplitude_zero_means_no_response_anywhere():
    _, motor = simulate.motor_study(seed=1, amplitude_uv=0.0)
    _, sensory = simulate.sensory_study(seed=1, amplitude_uv=0.0)
    for truth in (motor, sensory):
        assert not any(site.marks.has_response[0] for site in truth.sites)
        assert truth.true_velocity_m_s is None
        assert np.isnan(truth.sites[0].marks.onset_ms[0])


def test_more_sites_have_more_segments():
    study, truth = simulate.motor_study(
        seed=2, segment_mm=(210.0, 130.0), velocity_m_s=48.0, further_velocities_m_s=(62.0,),
        sites=("wrist", "elbow", "axilla"),
    )  # fmt: skip
    assert [trace.stimulation_site for trace in study.traces] == ["wrist", "elbow", "axilla"]
    assert [trace.distance_mm for trace in study.traces] == [80.0, 290.0, 420.0]
    assert [(s.distal_site, s.proximal_site, s.distance_mm) for s in truth.segments] == [
        ("wrist", "elbow", 210.0), ("elbow", "axilla", 130.0),
    ]  # fmt: skip
    assert [s.true_velocity_m_s for s in truth.segments] == pytest.approx([48.0, 62.0], rel=1e-6)


@given(velocity=st.floats(15.0, 70.0), distance=st.floats(60.0, 180.0), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_sensory_velocity_is_distance_over_onset(velocity, distance, seed):
    _, truth = simulate.sensory_study(velocity_m_s=velocity, distance_mm=distance, seed=seed)
    assert distance / truth.sites[0].marks.onset_ms[0] == pytest.approx(velocity, rel=1e-9)
    assert truth.true_velocity_m_s == pytest.approx(velocity, rel=1e-9)


def test_sensory_segment_between_two_stimulation_sites():
    study, truth = simulate.sensory_study(seed=2, segment_mm=220.0, further_velocities_m_s=(61.0,))
    assert [trace.stimulation_site for trace in study.traces] == ["wrist", "elbow"]
    assert truth.segments[0].distal_site == "finger II"
    assert truth.segments[1].true_velocity_m_s == pytest.approx(61.0, rel=1e-6)
    assert truth.sites[1].marks.peak_uv[0] < truth.sites[0].marks.peak_uv[0]


def test_orthodromic_sensory_study_meets_its_velocity_in_spite_of_the_initial_positivity():
    _, truth = simulate.sensory_study(seed=2, direction="orthodromic", velocity_m_s=55.0)
    assert truth.true_velocity_m_s == pytest.approx(55.0, rel=1e-9)


def test_visit_holds_model_nouns_with_units_sites_and_origins():
    examined, truth = simulate.visit(
        "P01", dt.date(2021, 3, 9), seed=1, motor=(MotorNerve(), MotorNerve(nerve="ulnar", side=Side.LEFT)),
        covariates={"vegf_pg_ml": 2100.0},
    )  # fmt: skip
    assert examined.subject == Subject(id="P01")
    assert examined.date == dt.date(2021, 3, 9)
    assert examined.covariates == {"vegf_pg_ml": 2100.0}
    assert [(s.nerve, s.side, s.technique, s.recording_site) for s in examined.studies] == [
        ("median", Side.RIGHT, Technique.MOTOR, "APB"),
        ("ulnar", Side.LEFT, Technique.MOTOR, "ADM"),
        ("median", Side.RIGHT, Technique.SENSORY, "finger II"),
    ]
    assert len(truth.studies) == 3
    for study, known in zip(examined.studies, truth.studies, strict=True):
        assert len(study.traces) == len(known.sites)
        assert study.provenance["nerve"] is Origin.FILE
        for trace, site in zip(study.traces, known.sites, strict=True):
            assert trace.samples_uv.dtype == np.float32
            assert not trace.samples_uv.flags.writeable
            assert trace.stimulation_site == site.stimulation_site
            assert trace.distance_mm == site.distance_mm
            assert trace.stimulus_ms is not None
            assert trace.filters.low_cut_hz is not None
            assert trace.stimulus.intensity_ma is not None


def test_visit_survives_sixteen_bit_storage():
    examined, truth = simulate.visit("P01", dt.date(2021, 3, 9), seed=4)
    for study, known in zip(examined.studies, truth.studies, strict=True):
        full_scale = 25_000.0 if study.technique is Technique.MOTOR else 250.0
        step = 2 * full_scale / 65_535
        for trace, site in zip(study.traces, known.sites, strict=True):
            digital = np.round(trace.samples_uv / step)
            assert np.abs(digital).max() <= 32_767
            restored = -(digital * step)[0]
            low, high = (
                round((trace.stimulus_ms[0] + at) * 20) for at in (site.marks.onset_ms[0], site.marks.end_ms[0])
            )
            top = restored[low : high + 1].max()
            assert top == pytest.approx(site.marks.peak_uv[0], rel=0.05)


def test_one_anatomy_keeps_the_response_while_the_noise_changes():
    one, first = simulate.motor_study(seed=1, anatomy=50)
    two, second = simulate.motor_study(seed=2, anatomy=50)
    _, other = simulate.motor_study(seed=1, anatomy=51)
    for a, b in zip(first.sites, second.sites, strict=True):
        assert a.marks.area_uv_ms[0] == b.marks.area_uv_ms[0]
    assert one.traces[0].samples_uv.tobytes() != two.traces[0].samples_uv.tobytes()
    assert first.sites[0].marks.area_uv_ms[0] != other.sites[0].marks.area_uv_ms[0]


def test_adding_a_nerve_leaves_the_others_as_they_were():
    date = dt.date(2021, 3, 9)
    small, _ = simulate.visit("P01", date, seed=1)
    large, _ = simulate.visit("P01", date, seed=1, motor=(MotorNerve(nerve="ulnar"), MotorNerve()))
    assert small.studies[0].traces[0].samples_uv.tobytes() == large.studies[1].traces[0].samples_uv.tobytes()
    assert small.studies[1].traces[0].samples_uv.tobytes() == large.studies[2].traces[0].samples_uv.tobytes()
    again, _ = simulate.visit("P01", date, seed=1)
    assert again.studies[0].traces[1].samples_uv.tobytes() == small.studies[0].traces[1].samples_uv.tobytes()


def test_sweeps_of_a_trace_share_the_response_and_differ_in_noise():
    recording = Recording(n_sweeps=5, contamination=Contamination(noise_uv=2.0))
    study, _ = simulate.motor_study(seed=1, recording=recording)
    samples = study.traces[0].samples_uv
    assert samples.shape == (5, 1000)
    residual = samples - samples.mean(axis=0)
    assert residual.std() == pytest.approx(2.0 * np.sqrt(0.8), rel=0.05)


def test_all_faults_of_a_nerve_are_named_at_once():
    with pytest.raises(InvalidInputError, match=r"(?s)velocity_m_s.*blocked_fraction.*recording_site.*sites"):
        MotorNerve(nerve="phrenic", velocity_m_s=0.0, blocked_fraction=2.0)
    with pytest.raises(InvalidInputError, match="one length per velocity"):
        MotorNerve(segment_mm=(200.0, 100.0))
    with pytest.raises(InvalidInputError, match="direction"):
        SensoryNerve(direction="upwards")
    with pytest.raises(InvalidInputError, match="sampling_rate_hz"):
        Recording(sampling_rate_hz=0.0)


def test_a_trigger_that_is_late_moves_response_and_artefact_together():
    quiet = simulate.Recording(contamination=simulate.Contamination(noise_uv=1.0, artefact_uv=500.0))
    late = replace(quiet, contamination=replace(quiet.contamination, trigger_error_ms=(0.5, 1.5)))
    on_time, _ = simulate.motor_study(seed=4, recording=quiet)
    delayed, truth = simulate.motor_study(seed=4, recording=late)
    for first, second, site in zip(on_time.traces, delayed.traces, truth.sites, strict=True):
        assert 0.5 <= site.trigger_error_ms <= 1.5
        assert second.stimulus_ms.tolist() == first.stimulus_ms.tolist()
        before, after = (
            detect.mark(t.samples_uv, t.sampling_rate_hz, stimulus_ms=t.stimulus_ms) for t in (first, second)
        )
        assert after.onset_ms - before.onset_ms == pytest.approx(site.trigger_error_ms, abs=0.03)
        artefacts = [np.abs(t.samples_uv[0, :80]).argmax() / t.sampling_rate_hz * 1e3 for t in (first, second)]
        assert artefacts[1] - artefacts[0] == pytest.approx(site.trigger_error_ms, abs=0.1)
