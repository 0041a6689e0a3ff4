"""Properties of ``ncs.detect.mark``: what must not matter does not, and what is documented is so."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs import simulate
from ncs.detect import ONSET_METHODS, Marks, Outcome, mark, warm_up
from ncs.errors import InvalidInputError
from ncs.testing import assert_marks_close

RATE = 20_000.0
DIRECT = ("cmap", "snap")
"""Responses that the onset methods are about; late ones have methods and tests of their own."""
NAMES = [f.name for f in fields(Marks)]
DECISIONS = ["outcome", "flags"]
TIMES = ["onset_ms", "peak_ms", "end_ms", "last_end_ms", "trough_ms", "duration_ms", "total_duration_ms"]
VOLTAGES = ["peak_uv", "trough_uv", "area_uv_ms", "peak_to_peak_uv"]
SPREADS = [name for name in NAMES if "_sd_" in name]
AFTER_PEAK = [
    "end_ms", "last_end_ms", "area_uv_ms", "area_sd_uv_ms", "duration_ms", "duration_sd_ms", "total_duration_ms",
]  # fmt: skip
MEASURED = [name for name in NAMES if name not in {"noise_uv", "outcome", "flags"}]

CMAPS = simulate.cmap(
    12, seed=21, stimulus_ms=(10.0, 12.0), duration_ms=60.0, response=simulate.Cmap(amplitude_uv=(1000.0, 9000.0)),
    contamination=simulate.Contamination(noise_uv=8.0),
)  # fmt: skip
SNAPS = simulate.snap(
    12, seed=22, stimulus_ms=5.0, duration_ms=25.0, contamination=simulate.Contamination(noise_uv=0.4)
)
SILENCE = simulate.nothing(6, seed=23, contamination=simulate.Contamination(noise_uv=8.0))


@pytest.fixture(scope="module")
def cmaps() -> Marks:
    return mark(CMAPS.samples_uv, RATE, stimulus_ms=CMAPS.stimulus_ms)


def values(marks: Marks, names=NAMES):
    return {name: getattr(marks, name) for name in names}


def assert_identical(one: Marks, other: Marks):
    for name in NAMES:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def assert_close(one: Marks, other: Marks, *, names, rel=1e-9, tolerance=1e-9):
    for name in names:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rel, atol=tolerance, err_msg=name)


# What must not matter


@pytest.mark.parametrize(
    "same",
    [
        lambda x: x.astype(np.float64),
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: np.repeat(x, 3, axis=0)[1::3],
        lambda x: x[:, ::-1].copy()[:, ::-1],
        lambda x: x.tolist(),
    ],
    ids=["float64", "Fortran", "every second column", "every third row", "negative stride", "lists"],
)
def test_type_and_layout_of_the_array_do_not_matter(cmaps, same):
    assert_identical(mark(same(CMAPS.samples_uv), RATE, stimulus_ms=CMAPS.stimulus_ms), cmaps)


def test_whole_numbers_are_samples_too():
    whole = np.rint(CMAPS.samples_uv).astype(np.int16)
    assert_identical(
        mark(whole, RATE, stimulus_ms=CMAPS.stimulus_ms),
        mark(whole.astype(np.float64), RATE, stimulus_ms=CMAPS.stimulus_ms),
    )


def test_a_sweep_is_marked_without_regard_to_the_others(cmaps):
    for i in (0, 5, 11):
        alone = mark(CMAPS.samples_uv[i], RATE, stimulus_ms=CMAPS.stimulus_ms[i])
        assert len(alone) == 1
        assert_identical(alone, cmaps.sweep(i))
    turned = mark(CMAPS.samples_uv[::-1], RATE, stimulus_ms=CMAPS.stimulus_ms[::-1])
    for i in range(12):
        assert_identical(turned.sweep(i), cmaps.sweep(11 - i))


def test_bad_neighbours_do_not_matter(cmaps):
    company = np.vstack([CMAPS.samples_uv[:3], np.full((1, 1200), np.nan), CMAPS.samples_uv[3:5], np.zeros((1, 1200))])
    times = np.r_[CMAPS.stimulus_ms[:3], 10.0, CMAPS.stimulus_ms[3:5], np.nan]
    found = mark(company, RATE, stimulus_ms=times)
    for place, original in ((0, 0), (1, 1), (2, 2), (4, 3), (5, 4)):
        assert_identical(found.sweep(place), cmaps.sweep(original))
    assert found.outcome[[3, 6]].tolist() == [Outcome.INVALID_INPUT] * 2


def test_marking_twice_and_in_two_threads_gives_the_same(cmaps):
    def work(_):
        return mark(CMAPS.samples_uv, RATE, stimulus_ms=CMAPS.stimulus_ms)

    with ThreadPoolExecutor(2) as pool:
        for other in pool.map(work, range(24)):
            assert_identical(other, cmaps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_samples_are_never_changed(dtype):
    samples = CMAPS.samples_uv.astype(dtype)
    before, times = samples.copy(), CMAPS.stimulus_ms.copy()
    mark(samples, RATE, stimulus_ms=times)
    np.testing.assert_array_equal(samples, before)
    np.testing.assert_array_equal(times, CMAPS.stimulus_ms)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(offset=st.floats(-20_000.0, 20_000.0))
def test_a_constant_offset_moves_the_baseline_only(offset):
    samples = CMAPS.samples_uv.astype(np.float64)
    one = mark(samples, RATE, stimulus_ms=CMAPS.stimulus_ms)
    other = mark(samples + offset, RATE, stimulus_ms=CMAPS.stimulus_ms)
    assert_close(other, one, names=[n for n in NAMES if n != "baseline_uv"], rel=1e-3, tolerance=2e-4)
    np.testing.assert_allclose(other.baseline_uv, one.baseline_uv - offset, atol=0.1)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(gain=st.floats(0.3, 3.0))
def test_a_gain_scales_voltages_only(cmaps, gain):
    other = mark(CMAPS.samples_uv.astype(np.float64) * gain, RATE, stimulus_ms=CMAPS.stimulus_ms)
    # the fit knows how large mains and artefacts can be in microvolts, hence not to the last digit
    times = dict.fromkeys(["onset_ms", "peak_ms", "end_ms"], 0.02)
    assert_marks_close(other, cmaps, fields=[*times, *DECISIONS], tolerance=times)
    for name in [*VOLTAGES, "noise_uv"]:
        np.testing.assert_allclose(getattr(other, name), gain * getattr(cmaps, name), rtol=0.01, err_msg=name)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(cut=st.integers(1, 39))
def test_an_earlier_or_later_start_of_the_record_moves_nothing(cmaps, cut):
    other = mark(CMAPS.samples_uv[:, cut:], RATE, stimulus_ms=CMAPS.stimulus_ms - cut * 1000 / RATE)
    times = dict.fromkeys(["onset_ms", "peak_ms", "end_ms"], 0.03)
    assert_marks_close(other, cmaps, fields=[*times, "outcome"], tolerance=times)
    assert_close(other, cmaps, names=VOLTAGES, rel=0.01)


def test_the_time_of_the_stimulus_moves_latencies_and_nothing_else():
    still = mark(CMAPS.samples_uv, RATE, stimulus_ms=8.0)
    for ms in (7.0, 7.77, 8.01, 9.0):
        other = mark(CMAPS.samples_uv, RATE, stimulus_ms=ms)
        for name in ("onset_ms", "peak_ms", "end_ms", "trough_ms"):
            np.testing.assert_allclose(getattr(other, name) + ms, getattr(still, name) + 8.0, atol=0.03, err_msg=name)
        assert_marks_close(other, still, fields=["duration_ms"], tolerance={"duration_ms": 0.05})
        assert_close(other, still, names=VOLTAGES, rel=0.01)


# What is documented


def test_every_field_has_one_number_for_every_sweep(cmaps):
    for name, value in values(cmaps).items():
        assert value.shape == (12,), name
        assert value.dtype == (np.int8 if name in {"outcome", "flags"} else np.float64), name


def test_a_single_sweep_may_be_given_without_its_dimension():
    assert len(mark(CMAPS.samples_uv[0], RATE, stimulus_ms=10.0)) == 1


def test_no_sweeps_have_no_marks():
    empty = mark(np.empty((0, 500)), RATE, stimulus_ms=2.0)
    assert all(value.shape == (0,) for value in values(empty).values())


@pytest.mark.parametrize("response", DIRECT)
@pytest.mark.parametrize("method", ONSET_METHODS)
def test_marks_of_a_found_response_are_in_order(response, method):
    sweeps = CMAPS if response == "cmap" else SNAPS
    found = mark(sweeps.samples_uv, RATE, stimulus_ms=sweeps.stimulus_ms, response=response, onset_method=method)
    timed = found.outcome == Outcome.FOUND
    assert timed.mean() > 0.7
    m = Marks(**{name: value[timed] for name, value in values(found).items()})
    assert (m.onset_ms > 0).all()
    assert (m.onset_ms < m.peak_ms).all()
    assert (m.peak_ms < m.end_ms).all()
    assert (m.end_ms <= m.last_end_ms).all()
    assert not (m.trough_ms <= m.end_ms).any()
    assert (m.peak_uv > 0).all()
    assert not (m.trough_uv >= 0).any()
    np.testing.assert_allclose(m.duration_ms, m.end_ms - m.onset_ms)
    np.testing.assert_allclose(m.total_duration_ms, m.last_end_ms - m.onset_ms)
    np.testing.assert_allclose(m.peak_to_peak_uv, m.peak_uv - m.trough_uv)
    for name in SPREADS:
        assert not (getattr(m, name) <= 0).any(), name
    if method == "changepoint":
        assert np.isfinite(m.onset_sd_ms).all()
    else:
        assert np.isnan(m.onset_sd_ms).all()


@pytest.mark.parametrize("response", DIRECT)
def test_where_there_is_no_response_there_are_no_marks(response):
    found = mark(SILENCE.samples_uv, RATE, stimulus_ms=SILENCE.stimulus_ms, response=response)
    assert found.outcome.tolist() == [Outcome.NO_RESPONSE] * 6
    assert all(np.isnan(value).all() for value in values(found, MEASURED).values())
    np.testing.assert_allclose(found.noise_uv, 8.0, rtol=0.4)


def test_what_does_not_return_to_baseline_has_nothing_after_its_peak():
    found = mark(CMAPS.samples_uv[:, :360], RATE, stimulus_ms=CMAPS.stimulus_ms)
    open_end = (found.outcome == Outcome.FOUND) & np.isnan(found.end_ms)
    assert open_end.any()
    for name in AFTER_PEAK:
        assert np.isnan(getattr(found, name)[open_end]).all(), name
    assert np.isfinite(found.onset_ms[open_end]).all()
    assert np.isfinite(found.peak_uv[open_end]).all()


def test_a_window_keeps_what_lies_outside_from_being_found():
    late = CMAPS.truth.end_ms.max() + 5.0
    assert (mark(CMAPS.samples_uv, RATE, stimulus_ms=CMAPS.stimulus_ms, window_ms=(late, 45.0)).outcome != 0).all()
    around = mark(CMAPS.samples_uv, RATE, stimulus_ms=CMAPS.stimulus_ms, window_ms=(1.0, 40.0))
    np.testing.assert_allclose(around.onset_ms, CMAPS.truth.onset_ms, atol=0.2)


def test_every_onset_method_says_what_it_is_and_where_it_comes_from():
    codes = [method.code for method in ONSET_METHODS.values()]
    assert len(set(codes)) == len(codes) == 8
    for name, method in ONSET_METHODS.items():
        assert len(method.description) > 20, name
        assert method.source, name
        assert set(method.parameter) == set(DIRECT), name


def test_warming_up_leaves_no_trace(capsys):
    warm_up()
    assert capsys.readouterr() == ("", "")


# What is refused


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"samples_uv": np.zeros((2, 3, 4))}, "samples_uv"),
        ({"samples_uv": np.float64(1.0)}, "samples_uv"),
        ({"samples_uv": np.zeros((1, 500), complex)}, "samples_uv"),
        ({"samples_uv": np.zeros((1, 500), bool)}, "samples_uv"),
        ({"samples_uv": [["a", "b"]]}, "samples_uv"),
        ({"sampling_rate_hz": 0.0}, "sampling_rate_hz"),
        ({"sampling_rate_hz": -1.0}, "sampling_rate_hz"),
        ({"sampling_rate_hz": np.nan}, "sampling_rate_hz"),
        ({"sampling_rate_hz": np.inf}, "sampling_rate_hz"),
        ({"stimulus_ms": [1.0, 2.0]}, "stimulus_ms"),
        ({"stimulus_ms": [[1.0, 2.0, 3.0]]}, "stimulus_ms"),
        ({"response": "mep"}, "response"),
        ({"onset_method": "by eye"}, "onset_method"),
        ({"window_ms": (5.0, 5.0)}, "window_ms"),
        ({"window_ms": (5.0, np.inf)}, "window_ms"),
        ({"window_ms": (np.nan, 5.0)}, "window_ms"),
    ],
)
def test_a_wrong_argument_is_named(change, field):
    arguments = {"samples_uv": np.zeros((3, 500)), "sampling_rate_hz": RATE, "stimulus_ms": 2.0} | change
    with pytest.raises(InvalidInputError, match=field):
        mark(arguments.pop("samples_uv"), arguments.pop("sampling_rate_hz"), **arguments)


# Hostile sweeps: an outcome for each, never an error


HOSTILE = {
    "all NaN": np.full(1000, np.nan),
    "one NaN": np.where(np.arange(1000) == 700, np.nan, CMAPS.samples_uv[0, :1000]),
    "an infinity": np.where(np.arange(1000) == 700, np.inf, CMAPS.samples_uv[0, :1000]),
    "both infinities": np.r_[np.inf, np.zeros(500), -np.inf],
    "flat": np.full(1000, 17.0),
    "nothing at all": np.zeros(0),
    "one sample": np.array([5.0]),
    "two samples": np.array([5.0, -5.0]),
    "ten samples": np.arange(10.0),
}


@pytest.mark.parametrize("response", DIRECT)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_sweep_that_cannot_be_marked_is_an_outcome(name, response):
    found = mark(HOSTILE[name][np.newaxis], RATE, stimulus_ms=2.0, response=response)
    assert found.outcome.tolist() == [Outcome.INVALID_INPUT]
    assert all(np.isnan(value).all() for value in values(found, MEASURED).values())


@pytest.mark.parametrize("stimulus_ms", [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e300, -1e300, 49.9, 50.0, 60.0])
def test_a_stimulus_time_that_leaves_nothing_to_look_at_is_an_outcome(stimulus_ms):
    found = mark(CMAPS.samples_uv[:1, :1000], RATE, stimulus_ms=stimulus_ms)
    assert found.outcome[0] == Outcome.INVALID_INPUT


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.one_of(st.integers(1, 60), st.integers(60, 2500)),
    rate_hz=st.sampled_from([500.0, 2000.0, 10_000.0, 20_000.0, 100_000.0]),
    stimulus_ms=st.floats(-60.0, 60.0),
    kind=st.tuples(
        st.sampled_from(DIRECT), st.sampled_from(sorted(ONSET_METHODS)),
        st.sampled_from(["noise", "walk", "steps", "spikes", "huge", "ramp"]),
    ),
)  # fmt: skip
def test_no_sweep_whatever_makes_an_error_or_a_number_without_meaning(seed, n, rate_hz, stimulus_ms, kind):
    response, method, shape = kind
    rng = np.random.default_rng(seed)
    y = rng.normal(0.0, 10.0, (2, n))
    if shape in {"walk", "huge"}:
        y = np.cumsum(y, axis=1) * (1e30 if shape == "huge" else 1.0)
    elif shape == "steps":
        y = np.round(np.cumsum(y, axis=1) / 100) * 100
    elif shape == "spikes":
        y[:, rng.integers(0, n, 3)] += 1e5
    elif shape == "ramp":
        y += 300.0 * np.arange(n)
    found = mark(y, rate_hz, stimulus_ms=stimulus_ms, response=response, onset_method=method)
    for name, value in values(found).items():
        assert not np.isinf(value).any(), name
    timed = found.outcome == Outcome.FOUND
    assert np.isfinite(found.onset_ms[timed]).all()
    assert (found.peak_uv[timed] > 0).all()
    absent = np.isin(found.outcome, [Outcome.NO_RESPONSE, Outcome.INVALID_INPUT, Outcome.AT_WINDOW_EDGE])
    for name, value in values(found, MEASURED).items():
        assert np.isnan(value[absent]).all(), name
