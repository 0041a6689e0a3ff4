"""CMAPs, SNAPs and sweeps of nothing: their truth is true, their shape is plausible, their samples obey the rules."""

import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs import simulate
from ncs.errors import InvalidInputError
from ncs.simulate import Cmap, Contamination, Snap

FINE_HZ = 200_000.0
KINDS = {
    "cmap": simulate.cmap,
    "cmap test": lambda n, **k: simulate.cmap(n, population="test", **k),
    "two peaks": lambda n, **k: simulate.cmap(n, response=Cmap(two_peaked=True), **k),
    "dip": lambda n, **k: simulate.cmap(n, response=Cmap(initial_positivity=True), population="test", **k),
    "one unit": lambda n, **k: simulate.cmap(n, response=Cmap(n_units=1), **k),
    "dispersed": lambda n, **k: simulate.cmap(n, response=Cmap(latency_spread_ms=12.0, n_units=(8, 20)), **k),
    "antidromic": lambda n, **k: simulate.snap(n, **{"duration_ms": 50.0} | k),
    "orthodromic": lambda n, **k: simulate.snap(n, response=Snap(direction="orthodromic"), **{"duration_ms": 50.0} | k),
}  # fmt: skip


def _crossing(time, y, level, index):
    return time[index - 1] + (level - y[index - 1]) / (y[index] - y[index - 1]) * (time[index] - time[index - 1])


@pytest.mark.parametrize("kind", KINDS)
def test_truth_agrees_with_marks_read_off_a_finely_sampled_clean_waveform(kind):
    sweeps = KINDS[kind](12, seed=5, sampling_rate_hz=FINE_HZ)
    truth = sweeps.truth
    for i in range(12):
        y = -sweeps.clean_uv[i].astype(float)
        time = np.arange(y.size) * 1e3 / FINE_HZ - sweeps.stimulus_ms[i]
        peak = int(y.argmax())
        onset = _crossing(time, y, 0.02 * y[peak], int((y >= 0.02 * y[peak]).argmax()))
        end_index = peak + int((y[peak:] <= 0).argmax())
        end = _crossing(time, y, 0.0, end_index)
        inside = (time > onset) & (time < end)
        heights = np.concatenate([[0.02 * y[peak]], y[inside], [0.0]])
        moments = np.concatenate([[onset], time[inside], [end]])
        area = float(np.sum(np.diff(moments) * (heights[1:] + heights[:-1]) / 2.0))
        low = end_index + int(y[end_index:].argmin())
        assert truth.onset_ms[i] == pytest.approx(onset, abs=0.0005)
        assert truth.end_ms[i] == pytest.approx(end, abs=0.001)
        assert truth.peak_uv[i] == pytest.approx(y[peak], rel=1e-4)
        assert truth.peak_ms[i] == pytest.approx(time[peak], abs=0.02)
        assert truth.trough_uv[i] == pytest.approx(y[low], rel=1e-3)
        assert y[np.abs(time - truth.trough_ms[i]).argmin()] == pytest.approx(y[low], rel=1e-3)
        assert truth.area_uv_ms[i] == pytest.approx(area, rel=1e-3)
        assert truth.has_response[i]


@pytest.mark.parametrize("rate", [2_000.0, 3_200.0, 5_000.0, 10_000.0, 20_000.0, 30_000.0, 48_000.0, 100_000.0])
@pytest.mark.parametrize("kind", KINDS)
def test_every_sampling_rate_samples_the_same_waveform(kind, rate):
    fine = KINDS[kind](4, seed=8, sampling_rate_hz=FINE_HZ)
    other = KINDS[kind](4, seed=8, sampling_rate_hz=rate)
    assert other.samples_uv.shape == (4, round(0.05 * rate))
    for field in fields(fine.truth):
        np.testing.assert_array_equal(getattr(fine.truth, field.name), getattr(other.truth, field.name))
    time = np.arange(other.samples_uv.shape[1]) / rate
    fine_time = np.arange(fine.samples_uv.shape[1]) / FINE_HZ
    for i in range(4):
        expected = np.interp(time, fine_time, fine.clean_uv[i])
        np.testing.assert_allclose(other.clean_uv[i], expected, atol=2e-4 * fine.truth.peak_uv[i])


def test_negative_peak_is_a_negative_number():
    sweeps = simulate.cmap(20, seed=1, response=Cmap(amplitude_uv=5000.0))
    assert sweeps.clean_uv.min(axis=1) == pytest.approx(-5000.0, rel=1e-3)
    np.testing.assert_allclose(sweeps.truth.peak_uv, 5000.0)
    assert (sweeps.truth.trough_uv < 0).all()


def test_requested_onset_is_met():
    sweeps = simulate.cmap(50, seed=2, response=Cmap(onset_ms=3.7))
    np.testing.assert_allclose(sweeps.truth.onset_ms, 3.7, atol=1e-9)


@pytest.mark.parametrize("population", ["train", "test"])
def test_cmap_looks_like_a_cmap(population):
    sweeps = simulate.cmap(300, seed=3, population=population)
    truth = sweeps.truth
    rise, duration = truth.peak_ms - truth.onset_ms, truth.end_ms - truth.onset_ms
    assert 1.0 < np.percentile(rise, 1) < np.percentile(rise, 99) < 4.0
    assert 2.0 < np.percentile(duration, 1) < np.percentile(duration, 99) < 7.5
    assert 3.5 < np.median(duration) < 6.0
    depth = -truth.trough_uv / truth.peak_uv
    assert 0.3 < np.percentile(depth, 1) < np.percentile(depth, 99) < 1.2
    assert (truth.onset_ms < truth.peak_ms).all()
    assert (truth.peak_ms < truth.end_ms).all()
    assert (truth.end_ms < truth.trough_ms).all()
    for i in range(300):  # negative first: nothing positive before the peak
        before = int((sweeps.stimulus_ms[i] + truth.peak_ms[i]) * 20)
        assert sweeps.clean_uv[i, :before].max() < 0.005 * truth.peak_uv[i]


def _dips(sweeps):
    per_ms = sweeps.sampling_rate_hz / 1e3
    ends = ((sweeps.stimulus_ms + sweeps.truth.onset_ms) * per_ms).astype(int)
    return np.array([row[:end].max() for row, end in zip(sweeps.clean_uv, ends, strict=True)]) / sweeps.truth.peak_uv


@pytest.mark.parametrize("population", ["train", "test"])
def test_initial_positivity_comes_first_and_onset_lies_after_it(population):
    response = Cmap(initial_positivity=True, latency_spread_ms=(0.6, 2.0))
    dips = _dips(simulate.cmap(200, seed=4, response=response, population=population))
    assert (dips > 0.02).mean() > 0.95
    assert dips.max() < 0.9


def test_snap_looks_like_a_snap_in_both_directions():
    antidromic = simulate.snap(200, seed=4)
    orthodromic = simulate.snap(200, seed=4, response=Snap(direction="orthodromic"))
    assert np.percentile(_dips(antidromic), 95) < 0.03
    assert np.percentile(_dips(orthodromic), 5) > 0.1
    for sweeps in (antidromic, orthodromic):
        duration = sweeps.truth.end_ms - sweeps.truth.onset_ms
        assert 0.6 < np.percentile(duration, 1) < np.percentile(duration, 99) < 2.5


def test_two_peaked_responses_have_two_peaks():
    sweeps = simulate.cmap(100, seed=6, response=Cmap(two_peaked=True, n_units=(40, 200), latency_spread_ms=1.5))
    count = 0
    for row, peak in zip(-sweeps.clean_uv, sweeps.truth.peak_uv, strict=True):
        tops = np.flatnonzero((row[1:-1] > row[:-2]) & (row[1:-1] >= row[2:]) & (row[1:-1] > 0.15 * peak))
        count += tops.size >= 2
    assert count > 80
    largest_is_second = sweeps.truth.peak_ms - sweeps.truth.onset_ms > 4.5
    assert 10 < largest_is_second.sum() < 90


def test_more_spread_makes_a_longer_response():
    narrow, wide = (simulate.cmap(60, seed=7, response=Cmap(latency_spread_ms=spread)).truth for spread in (0.6, 8.0))
    assert np.median(wide.end_ms - wide.onset_ms) > np.median(narrow.end_ms - narrow.onset_ms) + 1.0


@given(shift=st.integers(0, 400), kind=st.sampled_from(["cmap", "dip", "antidromic"]))
@settings(max_examples=25, deadline=None)
def test_a_stimulus_n_samples_later_moves_everything_by_n_samples(shift, kind):
    early = KINDS[kind](3, seed=9, stimulus_ms=2.0)
    late = KINDS[kind](3, seed=9, stimulus_ms=2.0 + shift / 20.0)
    whole = early.clean_uv.shape[1]
    tolerance = 1e-5 * early.truth.peak_uv.max()
    np.testing.assert_allclose(late.clean_uv[:, shift:], early.clean_uv[:, : whole - shift], atol=tolerance)
    np.testing.assert_allclose(late.truth.onset_ms, early.truth.onset_ms, atol=1e-9)
    np.testing.assert_allclose(late.stimulus_ms - early.stimulus_ms, shift / 20.0)


@given(gain=st.floats(0.01, 100.0))
@settings(max_examples=25, deadline=None)
def test_gain_scales_voltages_only(gain):
    one = simulate.cmap(3, seed=9, response=Cmap(amplitude_uv=100.0))
    other = simulate.cmap(3, seed=9, response=Cmap(amplitude_uv=100.0 * gain))
    np.testing.assert_allclose(other.clean_uv, gain * one.clean_uv, rtol=1e-5, atol=1e-4 * gain)
    for field in fields(one.truth):
        factor = gain if "_uv" in field.name else 1.0
        expected = getattr(one.truth, field.name) * factor
        np.testing.assert_allclose(getattr(other.truth, field.name), expected, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_no_response_begins_before_its_stimulus(kind):
    sweeps = KINDS[kind](60, seed=10, stimulus_ms=(2.0, 5.0))
    time = np.arange(sweeps.clean_uv.shape[1]) / 20.0
    for i in range(60):
        before = np.abs(sweeps.clean_uv[i, time <= sweeps.stimulus_ms[i]])
        assert before.max() <= 0.0051 * np.abs(sweeps.clean_uv[i]).max()


@pytest.mark.parametrize("stimulus", [-3.0, 0.0, 20.0, 48.0, 60.0])
def test_stimulus_may_lie_anywhere(stimulus):
    sweeps = simulate.cmap(5, seed=11, stimulus_ms=stimulus, response=Cmap(onset_ms=(4.0, 6.0)))
    reference = simulate.cmap(5, seed=11, stimulus_ms=3.0, response=Cmap(onset_ms=(4.0, 6.0)))
    np.testing.assert_allclose(sweeps.truth.onset_ms, reference.truth.onset_ms, atol=1e-9)
    shift = round((stimulus - 3.0) * 20)
    ours, theirs = (sweeps.clean_uv, reference.clean_uv) if shift >= 0 else (reference.clean_uv, sweeps.clean_uv)
    n = abs(shift)
    kept = min(max(1000 - n, 0), 900)
    np.testing.assert_allclose(ours[:, n : n + kept], theirs[:, :kept], atol=0.1)


def test_stimulus_times_are_drawn_or_taken_as_given():
    drawn = simulate.cmap(50, seed=1, stimulus_ms=(2.0, 5.0)).stimulus_ms
    assert 2.0 <= drawn.min() < 3.0
    assert 4.0 < drawn.max() <= 5.0
    given_times = np.linspace(1.0, 4.0, 7)
    np.testing.assert_array_equal(simulate.cmap(7, seed=1, stimulus_ms=given_times).stimulus_ms, given_times)


def test_trigger_error_moves_the_response_but_not_the_stated_stimulus():
    exact = simulate.cmap(4, seed=12)
    late = simulate.cmap(4, seed=12, contamination=Contamination(trigger_error_ms=1.5))
    np.testing.assert_array_equal(late.stimulus_ms, exact.stimulus_ms)
    np.testing.assert_array_equal(late.trigger_error_ms, 1.5)
    np.testing.assert_allclose(late.clean_uv[:, 30:], exact.clean_uv[:, :-30], atol=0.1)
    np.testing.assert_allclose(late.truth.onset_ms, exact.truth.onset_ms)


def test_nothing_has_no_response():
    sweeps = simulate.nothing(5, seed=1, contamination=Contamination(noise_uv=10.0, tail_uv=100.0))
    assert not sweeps.truth.has_response.any()
    for field in fields(sweeps.truth):
        if field.name != "has_response":
            assert np.isnan(getattr(sweeps.truth, field.name)).all()
    assert not sweeps.clean_uv.any()
    assert sweeps.samples_uv.any(axis=1).all()


def test_arrays_are_read_only_float32_and_contiguous():
    sweeps = simulate.cmap(3, seed=1, contamination=Contamination(noise_uv=1.0))
    for array in (sweeps.samples_uv, sweeps.clean_uv):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert not array.flags.writeable
    for array in (sweeps.stimulus_ms, sweeps.truth.onset_ms, sweeps.trigger_error_ms):
        assert not array.flags.writeable


@pytest.mark.parametrize("name", simulate.CONDITIONS)
def test_same_seed_same_bytes_other_seed_other_bytes(name):
    condition = simulate.CONDITIONS[name]
    one, two, other = (condition.sweeps(150, seed=seed, population="test") for seed in (7, 7, 8))
    assert one.samples_uv.tobytes() == two.samples_uv.tobytes()
    assert one.truth.onset_ms.tobytes() == two.truth.onset_ms.tobytes()
    assert one.samples_uv.tobytes() != other.samples_uv.tobytes()
    assert len({row.tobytes() for row in one.clean_uv}) == 150


def test_same_seed_same_bytes_in_another_process():
    code = (
        "import hashlib; from ncs import simulate;"
        "s = simulate.CONDITIONS['1mV_50uV_tail_mains_drift'].sweeps(20, seed=3);"
        "print(hashlib.sha256(s.samples_uv.tobytes()).hexdigest())"
    )
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 1


def test_conditions_are_what_their_names_say():
    assert list(simulate.CONDITIONS) == [
        "8mV_10uV", "8mV_10uV_tail", "1mV_10uV_tail", "0.3mV_10uV_tail_mains", "1mV_50uV_tail_mains_drift",
    ]  # fmt: skip
    for name, condition in simulate.CONDITIONS.items():
        assert condition.name == name
        sweeps = condition.sweeps(40, seed=1)
        assert sweeps.samples_uv.shape == (40, 1000)
        millivolts, noise = (float(part.rstrip("muV")) for part in name.split("_")[:2])
        np.testing.assert_allclose(sweeps.truth.peak_uv, 1000.0 * millivolts)
        assert condition.contamination.noise_uv == noise
        for word, field in (("tail", "tail_uv"), ("mains", "mains_uv"), ("drift", "drift_uv")):
            assert (word in name) == (getattr(condition.contamination, field) != 0.0)
        assert 2.5 <= sweeps.truth.onset_ms.min() < sweeps.truth.onset_ms.max() <= 8.0
        assert 2.0 <= sweeps.stimulus_ms.min() < sweeps.stimulus_ms.max() <= 5.0


def test_populations_differ():
    train, test = (simulate.cmap(200, seed=1, population=population) for population in ("train", "test"))
    spread = [np.std(s.truth.end_ms - s.truth.onset_ms) for s in (train, test)]
    assert spread[1] > 1.1 * spread[0]
    assert train.clean_uv.tobytes() != test.clean_uv.tobytes()


def test_response_does_not_depend_on_what_is_added():
    clean = simulate.cmap(10, seed=3)
    noisy = simulate.cmap(10, seed=3, contamination=Contamination(noise_uv=20.0, tail_uv=(10.0, 100.0), drift_uv=5.0))
    np.testing.assert_array_equal(clean.clean_uv, noisy.clean_uv)
    np.testing.assert_array_equal(clean.samples_uv, clean.clean_uv)


def test_sweep_of_a_truth_is_its_row():
    truth = simulate.cmap(4, seed=3).truth
    assert len(truth) == 4
    assert len(truth.sweep(2)) == 1
    assert truth.sweep(2).onset_ms[0] == truth.onset_ms[2]


def test_all_wrong_parameters_are_named_at_once():
    with pytest.raises(InvalidInputError, match=r"(?s)amplitude_uv.*n_units.*latency_spread_ms"):
        Cmap(amplitude_uv=-1.0, n_units=0, latency_spread_ms=(4.0, 1.0))
    with pytest.raises(InvalidInputError, match=r"(?s)size_spread.*direction"):
        Snap(size_spread=float("nan"), direction="sideways")
    with pytest.raises(InvalidInputError, match=r"(?s)n_sweeps.*sampling_rate_hz"):
        simulate.cmap(0, seed=1, sampling_rate_hz=0.0)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"population": "both"}, "population"),
        ({"duration_ms": 0.0}, "duration_ms"),
        ({"stimulus_ms": np.zeros(3)}, "stimulus_ms"),
        ({"stimulus_ms": np.array([1.0, np.nan])}, "stimulus_ms"),
        ({"seed": -1}, "seed"),
        ({"seed": "one"}, "seed"),
        ({"seed": ()}, "seed"),
    ],
)
def test_a_wrong_argument_is_named(arguments, field):
    with pytest.raises(InvalidInputError, match=field):
        simulate.cmap(2, **{"seed": 1} | arguments)


def test_seed_may_be_a_sequence_or_a_numpy_integer():
    assert simulate.cmap(1, seed=(1, 2)).clean_uv.tobytes() != simulate.cmap(1, seed=(1, 3)).clean_uv.tobytes()
    assert simulate.cmap(1, seed=np.int64(4)).clean_uv.tobytes() == simulate.cmap(1, seed=4).clean_uv.tobytes()


def test_fixing_one_parameter_leaves_the_others_as_they_were():
    ranged = simulate.cmap(6, seed=5, response=Cmap())
    fixed = simulate.cmap(6, seed=5, response=replace(Cmap(), onset_ms=4.0))
    np.testing.assert_allclose(
        ranged.truth.end_ms - ranged.truth.onset_ms, fixed.truth.end_ms - fixed.truth.onset_ms, atol=1e-9
    )


def test_importing_the_simulator_loads_no_heavy_module():
    code = (
        "import sys, ncs.simulate; print(sorted({'scipy', 'numba', 'pandas', 'matplotlib', 'mne'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
