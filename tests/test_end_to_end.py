"""From bytes to velocity: the worked examples of EDF+ with known truth inside, and recordings of other laboratories."""

import numpy as np
import pytest

import ncs
from ncs import simulate
from ncs.errors import NcsWarning
from ncs.model import Side, Technique
from ncs.results import Reason
from ncs.simulate import Recording
from tests.io.edf_examples import mncv, sncv, spec_37

SEEDS = range(6)


def analysed(tmp_path, content, **how):
    path = tmp_path / "exported.edf"
    path.write_bytes(content)
    return ncs.analyze(ncs.read(path, **how))


def value(result, quantity, **where):
    rows = [
        row
        for row in result.measurements
        if row.quantity == quantity and all(getattr(row, name) == wanted for name, wanted in where.items())
    ]
    assert len(rows) == 1, rows
    return rows[0]


def sweeps(study):
    return [trace.samples_uv[0] for trace in study.traces]


# The worked examples of the EDF+ specification


def worked_example(seed, *, distances_mm=(65.0, 285.0), **recording):
    return simulate.motor_study(
        seed=seed, velocity_m_s=55.0, distal_latency_ms=3.8, distal_distance_mm=distances_mm[0],
        segment_mm=distances_mm[1] - distances_mm[0],
        recording=Recording(stimulus_ms=0.0, duration_ms=50.0, **recording),
    )  # fmt: skip


@pytest.mark.parametrize("variant", ["plain", "xml"])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.filterwarnings("ignore:.*Startdate:ncs.errors.NcsWarning")  # the specification's own contradiction
def test_the_stated_55_metres_a_second_of_section_3_7(tmp_path, variant, seed):
    study, _ = worked_example(seed)
    result = analysed(tmp_path, spec_37(sweeps(study), variant))
    velocity = value(result, "motor_conduction_velocity")
    assert velocity.value == pytest.approx(55.0, abs=0.5)
    assert (velocity.segment, velocity.distance_mm) == ("wrist-elbow", 220.0)
    assert (velocity.nerve, velocity.side, velocity.recording_site) == ("median", Side.RIGHT, "APB")
    assert value(result, "distal_motor_latency").value == pytest.approx(3.8, abs=0.05)
    assert value(result, "motor_latency", site="elbow").value == pytest.approx(7.8, abs=0.05)
    assert value(result, "terminal_latency_index").value == pytest.approx(65 / (55 * 3.8), rel=0.03)
    assert result.subject.id == "MCH-0234567"


@pytest.mark.filterwarnings("ignore:.*Startdate:ncs.errors.NcsWarning")
def test_what_the_machine_itself_measured_stays_beside_what_ncs_measures(tmp_path):
    study, _ = worked_example(0)
    result = analysed(tmp_path, spec_37(sweeps(study)))
    reported = [(r.kind, r.value) for trace in result.visit.studies[0].traces for r in trace.reported]
    assert ("latency_ms", 3.8) in reported
    assert ("velocity_m_s", 55.0) in reported
    assert not any(row.value == 55.0 for row in result.measurements)


@pytest.mark.parametrize("seed", SEEDS)
def test_mncv_at_10_khz_with_a_digital_range_that_lies_askew(tmp_path, seed):
    study, truth = worked_example(seed, distances_mm=(70.0, 290.0), sampling_rate_hz=10_000.0)
    result = analysed(tmp_path, mncv(sweeps(study)))
    velocity = value(result, "motor_conduction_velocity")
    assert velocity.value == pytest.approx(55.0, abs=0.5)
    assert (velocity.nerve, velocity.side, velocity.skin_temperature_c) == ("median", Side.LEFT, 33.2)
    for row, site in zip(
        (value(result, "cmap_amplitude", site=s) for s in ("wrist", "elbow")), truth.sites, strict=True
    ):
        assert row.value == pytest.approx(float(site.marks.peak_uv[0]), rel=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_sncv_antidromic(tmp_path, seed):
    study, truth = simulate.sensory_study(
        seed=seed, velocity_m_s=56.0, distance_mm=140.0, segment_mm=210.0, further_velocities_m_s=(60.0,),
        recording=Recording(
            sampling_rate_hz=25_000.0, duration_ms=20.0, stimulus_ms=0.0,
            contamination=simulate.Contamination(noise_uv=0.2, low_cut_hz=20.0, high_cut_hz=3000.0),
        ),
    )  # fmt: skip
    result = analysed(tmp_path, sncv(sweeps(study)))
    (read,) = result.visit.studies
    assert (read.technique, read.side, read.recording_site) == (Technique.SENSORY, Side.LEFT, "Second finger")
    wrist = value(result, "sensory_conduction_velocity", site="wrist")
    assert wrist.value == pytest.approx(56.0, abs=1.5)
    assert value(result, "sensory_conduction_velocity", segment="wrist-elbow").value == pytest.approx(60.0, abs=2.5)
    amplitude = float(truth.sites[0].marks.peak_uv[0])
    assert value(result, "snap_amplitude", site="wrist").value == pytest.approx(amplitude, rel=0.05)


@pytest.mark.filterwarnings("ignore:.*Startdate:ncs.errors.NcsWarning")
def test_a_blocked_nerve_has_an_amplitude_distally_and_reasons_proximally(tmp_path):
    study, _ = simulate.motor_study(
        seed=3, distal_latency_ms=3.8, distal_distance_mm=65.0, blocked_fraction=1.0,
        recording=Recording(stimulus_ms=0.0),
    )  # fmt: skip
    result = analysed(tmp_path, spec_37(sweeps(study)))
    assert value(result, "distal_motor_latency").value == pytest.approx(3.8, abs=0.1)
    for quantity in ("motor_conduction_velocity", "terminal_latency_index", "cmap_amplitude_ratio"):
        row = value(result, quantity)
        assert (row.value, row.reason) == (None, Reason.NO_RESPONSE)


def test_the_warning_of_the_specifications_own_example_names_both_dates(tmp_path):
    study, _ = worked_example(0)
    path = tmp_path / "exported.edf"
    path.write_bytes(spec_37(sweeps(study)))
    with pytest.warns(NcsWarning, match=r"02-MAR-2002.*17\.04\.01"):
        visit = ncs.read(path)
    assert len(visit.problems) == 1


def test_velocities_scatter_no_more_than_they_say():
    errors, spreads = [], []
    for seed in range(25):
        study, truth = worked_example(100 + seed)
        row = value(
            ncs.analyze(ncs.Visit(subject=ncs.Subject(), date=None, studies=(study,))), "motor_conduction_velocity"
        )
        errors.append(row.value - truth.true_velocity_m_s)
        spreads.append(row.sd)
    assert np.abs(errors).max() < 1.5
    assert np.median(np.abs(errors)) < 0.3
    assert np.mean(np.abs(errors) < 3 * np.array(spreads)) > 0.85


# Recordings of other laboratories: nobody knows the truth, but much is known to be impossible


SOLEUS = {
    "ncs_sidecar": 1, "nerve": "tibial", "technique": "motor", "recording_site": "soleus", "unit": "mV",
    "polarity": "true", "stimulus_ms": "time_zero",
    "layout": {"time_column": 1, "time_unit": "ms", "intensity_row": 1, "intensity_unit": "mA"},
    "traces": [{"stimulation_site": "popliteal fossa"}],
}  # fmt: skip
RODENT = {
    "ncs_sidecar": 1, "polarity": "true", "stimulus_ms": "time_zero", "technique": "motor",
    "layout": {
        "kind": "long", "sweep_column": "recording_index", "channel_column": "channel_index",
        "intensity_column": "stimulus_V", "value_column": "amplitude_mV", "time_column": "time_point",
        "time_unit": "ms",
    },
}  # fmt: skip


def test_the_m_wave_of_the_human_soleus(recordings):
    visit = ncs.read(recordings / "m_h_reflex_soleus" / "example-waveforms.csv", sidecar=SOLEUS)
    result = ncs.analyze(visit)
    (found,) = result.marks
    assert found.measured_sweeps == (40,)
    latency, amplitude = value(result, "motor_latency"), value(result, "cmap_amplitude")
    assert 7.0 < latency.value < 9.5
    assert 1500.0 < amplitude.value < 3500.0
    assert "sweep 41 of 41" in latency.method
    assert value(result, "motor_conduction_velocity").reason is Reason.ONE_SITE


def test_m_wave_and_h_reflex_in_windows_of_their_own(recordings):
    visit = ncs.read(recordings / "m_h_reflex_soleus" / "example-waveforms.csv", sidecar=SOLEUS)
    trace = visit.studies[0].traces[0]
    intensity = trace.stimulus.intensity_ma

    def marked(window_ms):
        return ncs.detect.mark(trace.samples_uv, 3200.0, stimulus_ms=trace.stimulus_ms, window_ms=window_ms)

    m_wave, reflex = marked((3.0, 22.0)), marked((26.0, 55.0))
    strong, middle = intensity >= 5.0, (intensity >= 3.0) & (intensity <= 4.0)
    assert (m_wave.outcome[strong] == 0).all()
    assert np.ptp(m_wave.onset_ms[strong]) < 0.6
    assert (reflex.outcome[middle] == 0).all()
    assert np.ptp(reflex.onset_ms[middle]) < 1.0
    assert 33.0 < np.median(reflex.onset_ms[middle]) < 37.0


@pytest.mark.parametrize(("name", "strong_v"), [("ExampleData2", 0.7), ("ExampleData3", 0.9)])
def test_m_waves_of_the_rodent(recordings, name, strong_v):
    visit = ncs.read(recordings / "m_wave_rodent" / f"{name}.csv", sidecar=RODENT)
    result = ncs.analyze(visit)
    (found,) = result.marks
    volts = visit.studies[0].traces[0].stimulus.intensity_v
    strong = volts >= strong_v
    assert strong.sum() > 20
    assert (found.sweeps.outcome[strong] == 0).all()
    assert found.sweeps.outcome[volts.argmin()] != 0
    onsets, peaks = found.sweeps.onset_ms[strong], found.sweeps.peak_uv[strong]
    assert 0.7 < np.median(onsets) < 1.5
    assert np.ptp(onsets) < 0.15
    assert np.std(peaks) / np.median(peaks) < 0.1
    assert value(result, "cmap_amplitude").value == pytest.approx(np.median(peaks), rel=0.2)


def test_real_artefacts_without_a_response_are_no_cmaps(recordings):
    from scipy.io import loadmat

    content = loadmat(recordings / "stimulus_artefacts" / "EMG_artifacts_templib.mat")
    sweeps = np.vstack([row["data"] for row in content["EMG_save"][0]])
    assert sweeps.shape == (190, 2200)
    found = ncs.detect.mark(sweeps, 22_000.0, stimulus_ms=0.0)
    assert np.mean(found.peak_uv > 50.0) < 0.03
    assert not np.isinf(found.peak_uv).any()
