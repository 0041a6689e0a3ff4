"""Traces to mne and back."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncs
from ncs.errors import InvalidInputError
from ncs.model import Filters, Origin, Stimulus, Trace

mne = pytest.importorskip("mne")


def trace(n_sweeps=3, n_samples=200, **changes):
    rng = np.random.default_rng(5)
    fields = {
        "samples_uv": rng.normal(0, 500, (n_sweeps, n_samples)).astype(np.float32),
        "sampling_rate_hz": 20_000.0,
        "stimulus_ms": 2.0,
        "stimulation_site": "wrist",
        "distance_mm": 80.0,
        "stimulus": Stimulus(intensity_ma=np.linspace(5, 30, n_sweeps), duration_ms=0.2),
        "filters": Filters(low_cut_hz=2.0, high_cut_hz=10_000.0, text="HP:2Hz LP:10kHz"),
        "averaged_count": 4,
        "channel": "R APB",
    }
    return Trace(**(fields | changes))


def test_epochs_are_volts_emg_and_zero_at_the_stimulus():
    original = trace()
    epochs = ncs.to_mne(original)
    assert isinstance(epochs, mne.EpochsArray)
    assert epochs.get_channel_types() == ["emg"]
    assert epochs.ch_names == ["R APB"]
    assert epochs.info["sfreq"] == 20_000.0
    assert list(epochs.event_id) == ["wrist"]
    assert len(epochs) == 3
    assert epochs.times[40] == 0.0
    assert epochs.times[0] == pytest.approx(-0.002)
    np.testing.assert_allclose(epochs.get_data()[:, 0, :], original.samples_uv * 1e-6, rtol=1e-6)
    assert epochs.metadata["distance_mm"].tolist() == [80.0] * 3
    assert epochs.metadata["intensity_ma"].tolist() == [5.0, 17.5, 30.0]
    assert "HP:2Hz" in epochs.info["description"]


def test_round_trip_is_exact_to_float32():
    original = trace()
    back = ncs.from_mne(ncs.to_mne(original))
    np.testing.assert_array_equal(back.samples_uv, original.samples_uv)
    np.testing.assert_allclose(back.stimulus_ms, original.stimulus_ms, atol=1e-9)
    np.testing.assert_array_equal(back.stimulus.intensity_ma, original.stimulus.intensity_ma)
    for field in ("sampling_rate_hz", "stimulation_site", "distance_mm", "averaged_count", "channel"):
        assert getattr(back, field) == getattr(original, field), field
    assert replace(back.filters, text=original.filters.text) == original.filters
    assert back.stimulus.duration_ms == 0.2
    assert back.provenance["stimulation_site"] is Origin.FILE


@given(
    stimulus_ms=st.floats(-30, 60),
    rate=st.sampled_from([3200.0, 20_000.0, 48_000.0, 19_200.5]),
    n_sweeps=st.integers(1, 4),
    n_samples=st.integers(2, 300),
)
@settings(max_examples=30, deadline=None)
def test_any_stimulus_time_survives(stimulus_ms, rate, n_sweeps, n_samples):
    original = trace(n_sweeps, n_samples, stimulus_ms=stimulus_ms, sampling_rate_hz=rate)
    back = ncs.from_mne(ncs.to_mne(original))
    np.testing.assert_allclose(back.stimulus_ms, original.stimulus_ms, atol=1e-6)
    np.testing.assert_array_equal(back.samples_uv, original.samples_uv)


def test_cropping_in_mne_keeps_the_stimulus_in_its_place():
    original = trace(stimulus_ms=2.013)
    cropped = ncs.from_mne(ncs.to_mne(original).crop(0.001, 0.005))
    # time 0 was at sample 40; the first sample is now 20 samples later than it
    np.testing.assert_allclose(cropped.stimulus_ms, 2.013 - 3.0, atol=1e-9)
    np.testing.assert_array_equal(cropped.samples_uv, original.samples_uv[:, 60:141])


def test_absent_facts_stay_absent():
    bare = Trace(samples_uv=np.ones((1, 50), np.float32), sampling_rate_hz=1000.0, stimulus_ms=5.0)
    epochs = ncs.to_mne(bare)
    assert list(epochs.event_id) == ["stimulus"]
    back = ncs.from_mne(epochs)
    assert back.stimulation_site is None
    assert back.distance_mm is None
    assert back.stimulus.intensity_ma is None
    assert back.filters == Filters()
    assert back.provenance["distance_mm"] is Origin.UNSET
    assert back.provenance["stimulus"] is Origin.UNSET


def test_sweeps_within_half_a_sample_share_a_time_axis_others_do_not():
    near = trace(stimulus_ms=np.array([2.0, 2.01, 2.024]))
    np.testing.assert_allclose(ncs.from_mne(ncs.to_mne(near)).stimulus_ms, near.stimulus_ms, atol=1e-9)
    with pytest.raises(InvalidInputError, match=r"half a sample \(0.025 ms\).*0.1 ms apart"):
        ncs.to_mne(trace(stimulus_ms=np.array([2.0, 2.0, 2.1])))


def test_unknown_stimulus_time_is_refused():
    with pytest.raises(InvalidInputError, match="stimulus time"):
        ncs.to_mne(trace(stimulus_ms=None))


def foreign_epochs(types=("emg", "eeg"), metadata=None):
    info = mne.create_info([f"c{i}" for i in range(len(types))], 5000.0, list(types))
    data = np.full((2, len(types), 100), 1e-3)
    return mne.EpochsArray(data, info, tmin=-0.004, metadata=metadata, verbose="WARNING")


def test_foreign_epochs_take_what_is_given():
    found = ncs.from_mne(foreign_epochs(), stimulation_site="ankle", distance_mm=90.0, intensity_ma=20.0)
    assert (found.channel, found.stimulation_site, found.distance_mm) == ("c0", "ankle", 90.0)
    np.testing.assert_allclose(found.samples_uv, 1000.0)
    np.testing.assert_allclose(found.stimulus_ms, 4.0)
    assert found.provenance["distance_mm"] is Origin.SIDECAR
    assert found.provenance["stimulus_ms"] is Origin.FILE
    assert ncs.from_mne(foreign_epochs(), pick="c1").channel == "c1"
    assert found.stimulus.intensity_ma.tolist() == [20.0, 20.0]
    with pytest.raises(InvalidInputError, match=r"each of 2 sweeps, found shape \(3,\)"):
        ncs.from_mne(foreign_epochs(), intensity_ma=np.ones(3))


def test_filtering_in_mne_is_noticed():
    rng = np.random.default_rng(2)
    info = mne.create_info(["c0"], 5000.0, ["eeg"])  # mne keeps book of filters for its "data" channels only
    epochs = mne.EpochsArray(rng.normal(0, 1e-4, (2, 1, 4000)), info, verbose="WARNING")
    filtered = epochs.filter(20.0, 1000.0, verbose="WARNING")
    assert ncs.from_mne(filtered).filters == Filters(low_cut_hz=20.0, high_cut_hz=1000.0)


def test_ambiguous_absent_and_unitless_channels_are_refused():
    with pytest.raises(InvalidInputError, match="there are c0, c1"):
        ncs.from_mne(foreign_epochs(("emg", "emg")))
    with pytest.raises(InvalidInputError, match="one of c0, c1, found 'c9'"):
        ncs.from_mne(foreign_epochs(), pick="c9")
    with pytest.raises(InvalidInputError, match=r"volts.*set_channel_types"):
        ncs.from_mne(foreign_epochs(("misc",)))
    with pytest.raises(InvalidInputError, match="found Trace"):
        ncs.from_mne(trace())


def test_contradictions_and_mixed_sites_are_refused():
    epochs = ncs.to_mne(trace())
    with pytest.raises(InvalidInputError, match=r"distance_mm: expected 80\.0"):
        ncs.from_mne(epochs, distance_mm=85.0)
    assert ncs.from_mne(epochs, distance_mm=80.0).distance_mm == 80.0
    with pytest.raises(InvalidInputError, match="intensity_ma"):
        ncs.from_mne(epochs, intensity_ma=5.0)
    both = mne.concatenate_epochs([epochs, ncs.to_mne(trace(stimulation_site="elbow"))], verbose="WARNING")
    with pytest.raises(InvalidInputError, match=r"elbow, wrist.*epochs\['wrist'\]"):
        ncs.from_mne(both)
    assert ncs.from_mne(both["elbow"]).stimulation_site == "elbow"


def test_dropped_epochs_do_not_come_back():
    epochs = ncs.to_mne(trace()).drop([1], verbose="WARNING")
    back = ncs.from_mne(epochs)
    np.testing.assert_array_equal(back.samples_uv, trace().samples_uv[[0, 2]])
    with pytest.raises(InvalidInputError, match="found none"):
        ncs.from_mne(epochs.drop([0, 1], verbose="WARNING"))


def test_analysis_of_a_round_trip_gives_the_same_numbers():
    study, _ = ncs.simulate.motor_study(seed=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = replace(study, traces=tuple(ncs.from_mne(ncs.to_mne(t)) for t in study.traces))
    results = []
    for each in (study, again):
        visit = ncs.Visit(subject=ncs.Subject(id="S"), date=None, studies=(each,))
        results.append([m.value for m in ncs.analyze(visit).measurements])
    assert results[0] == pytest.approx(results[1], rel=1e-9)
