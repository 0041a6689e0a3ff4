"""Moved marks in one sweep: the waveform they are read from, what follows, what is dropped, and what is refused."""

import math

import numpy as np
import pytest

from ncs.analysis import Edit
from ncs.detect.marks import Flag, Outcome
from ncs.errors import InvalidInputError
from ncs.measure._edits import RESPONSE, Wave, check, measured_wave, move, sweep_wave
from ncs.model import Trace
from tests.measure.build import CMAP, marks

NAN = math.nan


def edit(mark, value_ms, author="A"):
    return Edit(study_index=0, trace_index=0, mark=mark, value_ms=value_ms, author=author)


def wave(*, base_uv=1.0, rate_khz=20.0, stimulus_ms=2.0):
    """Rise from 3.8 ms to 7200 uV at 6 ms, zero at 9.3 ms, -2100 uV at 12 ms, zero from 20 ms; above a baseline."""
    times = np.arange(int(30 * rate_khz)) / rate_khz - stimulus_ms
    heights = np.interp(times, [3.8, 6.0, 9.3, 12.0, 20.0], [0, 7200.0, 0, -2100.0, 0])
    return Wave(uv=heights + base_uv, rate_khz=rate_khz, stimulus_ms=stimulus_ms)


def moved(*edits, found=None, on=None):
    """Return numbers by name, words by name, and what is left out."""
    after, words, left_out = move(marks() if found is None else found, edits, wave() if on is None else on)
    return {name: float(getattr(after, name)[0]) for name in (*CMAP, "outcome", "flags")}, words, left_out


def ramp(n=9, rate_khz=2.0, stimulus_ms=1.0):
    return Wave(uv=10.0 * np.arange(n), rate_khz=rate_khz, stimulus_ms=stimulus_ms)


def test_a_wave_is_read_between_its_samples_and_nowhere_else():
    """Nine samples at 2 per ms, the stimulus at the third: from 1 ms before it to 3 ms after it."""
    line = ramp()
    assert line.last_ms == 3.0
    assert [line.at(time) for time in (-1.0, 0.0, 0.25, 3.0)] == [0.0, 20.0, 25.0, 80.0]
    assert math.isnan(line.at(-1.01))
    assert math.isnan(line.at(3.01))
    assert math.isnan(Wave(uv=np.zeros(0), rate_khz=2.0, stimulus_ms=0.0).at(0.0))


def test_the_baseline_is_the_mean_from_8_to_a_little_before_the_stimulus():
    """At 10 per ms and a stimulus at 10 ms: samples 20 to 97, of which the last is 0.15 ms before it."""
    line = ramp(200, rate_khz=10.0, stimulus_ms=10.0)
    assert line.baseline() == pytest.approx(10.0 * np.arange(20, 98).mean())
    fine = ramp(1100, rate_khz=100.0, stimulus_ms=10.0)
    assert fine.baseline() == pytest.approx(10.0 * np.arange(200, 985).mean())
    early = ramp(200, rate_khz=10.0, stimulus_ms=1.0)
    assert early.baseline() == pytest.approx(10.0 * np.arange(8).mean())


def test_without_three_samples_before_the_stimulus_the_last_fifth_is_the_baseline():
    assert ramp(100, rate_khz=10.0, stimulus_ms=0.3).baseline() == pytest.approx(10.0 * np.arange(80, 100).mean())
    assert ramp(100, rate_khz=10.0, stimulus_ms=0.45).baseline() == pytest.approx(10.0 * np.arange(3).mean())
    assert ramp(4, stimulus_ms=0.0).baseline() == 30.0
    slow = ramp(20, rate_khz=0.25, stimulus_ms=40.0)  # 8 ms are two samples
    assert slow.baseline() == pytest.approx(10.0 * np.arange(16, 20).mean())
    assert math.isnan(Wave(uv=np.zeros(0), rate_khz=2.0, stimulus_ms=0.0).baseline())


def test_the_area_counts_half_a_sample_at_each_end():
    flat = Wave(uv=np.full(9, 7.0), rate_khz=2.0, stimulus_ms=1.0)
    assert flat.area(0.0, 2.0, 3.0) == pytest.approx(8.0)
    assert flat.area(0.25, 0.75, 0.0) == pytest.approx(3.5)
    peak = Wave(uv=np.array([0, 0, 0, 10.0, 0, 0, 0]), rate_khz=2.0, stimulus_ms=1.0)  # 10 uV for 0.5 ms, around 0.5 ms
    assert peak.area(0.25, 0.75, 0.0) == pytest.approx(5.0)
    assert peak.area(0.5, 1.0, 0.0) == pytest.approx(2.5)
    assert math.isnan(flat.area(-1.5, 1.0, 0.0))
    assert math.isnan(flat.area(0.0, 3.5, 0.0))


def test_the_wave_of_a_trace_is_negative_up_in_double_precision():
    samples = np.array([[1.0, -2.0, 3.0], [5.0, 5.0, -7.0]], np.float32)
    trace = Trace(samples_uv=samples, sampling_rate_hz=2000.0, stimulus_ms=np.array([0.5, 0.5]))
    one = sweep_wave(trace, 1)
    assert (one.uv.tolist(), one.uv.dtype, one.rate_khz, one.stimulus_ms) == ([-5.0, -5.0, 7.0], np.float64, 2.0, 0.5)
    assert measured_wave(trace, (1,)).uv.tolist() == one.uv.tolist()
    mean = measured_wave(trace, (0, 1))
    assert (mean.uv.tolist(), mean.stimulus_ms) == ([-3.0, -1.5, 2.0], 0.5)


DEVIATIONS = {"onset_sd_ms", "peak_sd_ms", "peak_sd_uv", "area_sd_uv_ms", "peak_to_peak_sd_uv", "duration_sd_ms"}


@pytest.mark.parametrize(
    ("mark", "value", "changed", "without_deviation"),
    [
        (
            "onset_ms", 4.9,
            {
                "onset_ms": 4.9, "duration_ms": 4.4, "total_duration_ms": 4.4,
                "area_uv_ms": 7200 * 5.5 / 2 - 3600 * 1.1 / 2,
            },
            {"onset_sd_ms", "area_sd_uv_ms", "duration_sd_ms"},
        ),
        (
            "peak_ms", 5.45, {"peak_ms": 5.45, "peak_uv": 5400.0, "peak_to_peak_uv": 7500.0},
            {"peak_sd_ms", "peak_sd_uv", "peak_to_peak_sd_uv"},
        ),
        (
            "trough_ms", 16.0, {"trough_ms": 16.0, "trough_uv": -1050.0, "peak_to_peak_uv": 8250.0},
            {"peak_to_peak_sd_uv"},
        ),
        (
            "end_ms", 7.65,
            {
                "end_ms": 7.65, "last_end_ms": 7.65, "duration_ms": 3.85, "total_duration_ms": 3.85,
                "area_uv_ms": 7200 * 5.5 / 2 - 3600 * 1.65 / 2,
            },
            {"area_sd_uv_ms", "duration_sd_ms"},
        ),
        ("last_end_ms", 11.0, {"last_end_ms": 11.0, "total_duration_ms": 7.2}, set()),
    ],
)  # fmt: skip
def test_one_moved_mark_changes_what_rests_on_it_and_nothing_else(mark, value, changed, without_deviation):
    now, words, left_out = moved(edit(mark, value))
    for name, before in {**CMAP, "outcome": Outcome.FOUND, "flags": 0}.items():
        if name in without_deviation:
            assert math.isnan(now[name]), name
        else:
            assert now[name] == pytest.approx(changed.get(name, before), rel=2e-3), name
    assert set(words) == set(changed)
    assert left_out == frozenset()


def test_words_name_the_mark_the_deed_and_the_person():
    assert moved(edit("onset_ms", 4.0, "B. Reader"))[1]["onset_ms"] == ("onset moved by B. Reader",)
    assert moved(edit("onset_ms", None))[1]["onset_ms"] == ("onset taken away by A",)
    assert moved(edit("trough_ms", 12.0), found=marks(trough_ms=NAN))[1]["trough_ms"] == ("positive peak placed by A",)
    both = moved(edit("onset_ms", 4.0), edit("end_ms", 9.0))[1]
    assert both["area_uv_ms"] == both["duration_ms"] == ("onset moved by A", "end of negative peak moved by A")
    assert both["total_duration_ms"] == both["duration_ms"]
    again = moved(edit("onset_ms", 4.0, "B"), edit("onset_ms", 4.2, "C"))
    assert (again[0]["onset_ms"], again[1]["onset_ms"]) == (4.2, ("onset moved by C",))


def test_a_mark_taken_away_takes_what_rests_on_it():
    now, words, left_out = moved(edit("onset_ms", None))
    gone = {"onset_ms", "area_uv_ms", "duration_ms", "total_duration_ms"}
    assert {name for name in CMAP if math.isnan(now[name])} - DEVIATIONS == gone
    assert set(words) == left_out == gone
    assert now["outcome"] == Outcome.FOUND
    now, words, left_out = moved(edit("end_ms", None))
    assert {name for name in CMAP if math.isnan(now[name])} - DEVIATIONS == {
        "end_ms", "last_end_ms", "area_uv_ms", "duration_ms", "total_duration_ms",
    }  # fmt: skip


def test_without_a_negative_peak_there_is_no_end_and_no_positive_peak():
    now, words, left_out = moved(edit("peak_ms", None), edit("trough_ms", 13.0))
    gone = {name for name in CMAP if math.isnan(now[name])} - DEVIATIONS
    assert gone == {
        "peak_ms", "peak_uv", "peak_to_peak_uv", "end_ms", "last_end_ms", "area_uv_ms", "duration_ms",
        "total_duration_ms",
    }  # fmt: skip
    assert now["trough_ms"] == 13.0  # a person's own
    assert words["end_ms"] == ("negative peak taken away by A",)
    assert left_out == gone


@pytest.mark.parametrize(
    ("mark", "value", "dropped"),
    [
        ("onset_ms", 6.5, {"peak_ms", "peak_uv", "peak_to_peak_uv"}),
        ("onset_ms", 9.5, {"end_ms", "last_end_ms", "area_uv_ms", "duration_ms", "total_duration_ms"}),
        ("onset_ms", 12.5, {"trough_ms", "trough_uv"}),
        ("peak_ms", 3.0, {"onset_ms"}),
        ("peak_ms", 9.3, {"end_ms", "last_end_ms"}),
        ("peak_ms", 12.0, {"trough_ms"}),
        ("end_ms", 6.0, {"peak_ms"}),
        ("end_ms", 3.8, {"onset_ms"}),
        ("trough_ms", 6.0, {"peak_ms"}),
        ("trough_ms", 3.0, {"onset_ms", "peak_ms"}),
        ("last_end_ms", 9.0, {"end_ms"}),
        ("last_end_ms", 5.0, {"end_ms", "peak_ms"}),
    ],
)
def test_automatic_marks_that_contradict_a_persons_are_dropped(mark, value, dropped):
    now, words, _ = moved(edit(mark, value))
    assert now[mark] == value
    for name in dropped:
        assert math.isnan(now[name]), name
        assert words[name][0].endswith("by A")


def test_two_marks_of_a_person_stand_as_they_are():
    now, _, _ = moved(edit("onset_ms", 8.0), edit("peak_ms", 7.0))
    assert (now["onset_ms"], now["peak_ms"]) == (8.0, 7.0)
    now, _, _ = moved(edit("end_ms", 9.0), edit("last_end_ms", 8.0))
    assert (now["end_ms"], now["last_end_ms"]) == (9.0, 8.0)


@pytest.mark.parametrize(
    ("before", "edits", "end", "last_end"),
    [
        ({}, [("end_ms", 8.0)], 8.0, 8.0),
        ({"last_end_ms": 15.0}, [("end_ms", 8.0)], 8.0, 15.0),
        ({"last_end_ms": 15.0}, [("end_ms", 15.0)], 15.0, 15.0),
        ({"last_end_ms": 15.0}, [("end_ms", 15.5)], 15.5, 15.5),
        ({"last_end_ms": NAN}, [("end_ms", 8.0)], 8.0, 8.0),
        ({}, [("last_end_ms", 9.3)], 9.3, 9.3),
        ({}, [("last_end_ms", 9.2)], NAN, 9.2),
        ({}, [("end_ms", 8.0), ("last_end_ms", 14.0)], 8.0, 14.0),
    ],
)
def test_the_end_of_the_last_peak_follows_that_of_the_only_one(before, edits, end, last_end):
    now, words, _ = moved(*(edit(*each) for each in edits), found=marks(**before))
    assert [now["end_ms"], now["last_end_ms"]] == pytest.approx([end, last_end], nan_ok=True)
    if before.get("last_end_ms") != now["last_end_ms"]:
        assert words["last_end_ms"]


def test_a_peak_or_trough_on_the_wrong_side_has_no_amplitude():
    now, _, left_out = moved(edit("peak_ms", 10.5), edit("end_ms", 11.0))
    assert math.isnan(now["peak_uv"])
    assert "peak_uv" in left_out
    now, _, _ = moved(edit("trough_ms", 8.0))
    assert math.isnan(now["trough_uv"])
    flat = Wave(uv=np.full(600, 1.0), rate_khz=20.0, stimulus_ms=2.0)  # at its baseline everywhere
    now, _, _ = moved(edit("peak_ms", 6.0), edit("trough_ms", 12.0), on=flat)
    assert math.isnan(now["peak_uv"])
    assert math.isnan(now["trough_uv"])


def test_a_wave_without_a_baseline_of_its_own_gets_one():
    now, _, _ = moved(edit("peak_ms", 6.0), found=marks(Outcome.NO_RESPONSE), on=wave(base_uv=50.0))
    assert now["baseline_uv"] == pytest.approx(50.0)
    assert now["peak_uv"] == pytest.approx(7200.0)
    kept, _, _ = moved(edit("peak_ms", 6.0), found=marks(baseline_uv=11.0), on=wave(base_uv=50.0))
    assert (kept["baseline_uv"], kept["peak_uv"]) == (11.0, pytest.approx(7239.0))


@pytest.mark.parametrize(
    ("outcome", "value", "after", "left_out"),
    [
        (Outcome.NO_RESPONSE, 6.0, Outcome.FOUND, True), (Outcome.AT_WINDOW_EDGE, 6.0, Outcome.FOUND, True),
        (Outcome.TOO_NOISY, 6.0, Outcome.FOUND, False),
        (Outcome.CLIPPED, 6.0, Outcome.CLIPPED, False), (Outcome.INVALID_INPUT, 6.0, Outcome.INVALID_INPUT, False),
    ],
)  # fmt: skip
def test_a_placed_mark_makes_a_response_unless_the_sweep_is_unusable(outcome, value, after, left_out):
    now, _, missing = moved(edit("peak_ms", value), found=marks(outcome, flags=Flag.MULTIPLE_PEAKS))
    assert now["outcome"] == after
    assert now["flags"] == Flag.MULTIPLE_PEAKS
    assert ("area_uv_ms" in missing) is left_out
    assert math.isnan(now["peak_uv"]) is (outcome is Outcome.CLIPPED)


def test_a_mark_taken_away_makes_no_response():
    now, _, _ = moved(edit("onset_ms", None), found=marks(Outcome.NO_RESPONSE))
    assert now["outcome"] == Outcome.NO_RESPONSE


def test_in_an_unusable_sweep_only_what_was_there_is_left_out():
    clipped = marks(Outcome.CLIPPED, onset_ms=3.8, end_ms=9.3, duration_ms=5.5)
    _, words, left_out = moved(edit("onset_ms", None), found=clipped)
    assert left_out == {"onset_ms", "duration_ms"}
    assert "area_uv_ms" in words


def test_a_response_taken_away_leaves_nothing_but_the_noise():
    found = marks(flags=Flag.MULTIPLE_PEAKS, noise_uv=6.0)
    now, words, left_out = moved(edit("peak_ms", 5.0), edit(RESPONSE, None, "B"), found=found)
    assert {name for name in CMAP if not math.isnan(now[name])} == {"noise_uv"}
    assert (now["noise_uv"], now["outcome"], now["flags"]) == (6.0, Outcome.NO_RESPONSE, Flag.MULTIPLE_PEAKS)
    assert set(words.values()) == {("response taken away by B",)}
    assert {"onset_ms", "peak_uv", "area_uv_ms", "total_duration_ms"} <= set(words)
    assert left_out == frozenset()


def refusal(mark, value, found=None, on=None):
    with pytest.raises(InvalidInputError) as caught:
        check(edit(mark, value), marks() if found is None else found, wave() if on is None else on)
    return str(caught.value)


def test_what_cannot_be_meant_is_refused_in_full():
    names = "onset_ms, peak_ms, end_ms, last_end_ms, trough_ms, response"
    assert refusal("onset", 3.0) == f"mark: expected one of {names}, found 'onset'"
    assert refusal(RESPONSE, 3.0) == "response: expected none, which takes the response away, found 3.0"
    assert refusal("peak_ms", None) == (
        "peak_ms: expected a time, found none. A response without one is no response: take that away, with the mark "
        "'response'."
    )
    outside = "onset_ms: expected a time after the stimulus and before the sweep ends at 27.950 ms, found "
    for value, said in ((0.0, "0"), (-1.0, "-1"), (28.0, "28"), (NAN, "nan")):
        assert refusal("onset_ms", value) == outside + said
    assert refusal("peak_ms", 9.31, found=marks(end_ms=NAN, last_end_ms=NAN)) == (
        "peak_ms: expected a place where the waveform is negative, found +7.8 uV from the baseline at 9.31 ms"
    )
    assert refusal("trough_ms", 9.25) == (
        "trough_ms: expected a place where the waveform is positive, found -109.1 uV from the baseline at 9.25 ms"
    )
    assert refusal("end_ms", 9.0, found=marks(Outcome.NO_RESPONSE)) == (
        "end_ms: expected a response, found none here. Place the negative peak first: this mark belongs to it."
    )


@pytest.mark.parametrize(
    ("mark", "value", "side", "other"),
    [
        ("onset_ms", 6.0, "before", "negative peak at 6.000 ms|peak_ms"),
        ("peak_ms", 3.8, "after", "onset at 3.800 ms|onset_ms"),
        ("peak_ms", 9.3, "before", "end of negative peak at 9.300 ms|end_ms"),
        ("end_ms", 6.0, "after", "negative peak at 6.000 ms|peak_ms"),
        ("end_ms", 3.0, "after", "onset at 3.800 ms|onset_ms"),
        ("trough_ms", 6.0, "after", "negative peak at 6.000 ms|peak_ms"),
        ("trough_ms", 3.0, "after", "onset at 3.800 ms|onset_ms"),
        ("last_end_ms", 9.2, "after", "end of negative peak at 9.300 ms|end_ms"),
        ("last_end_ms", 5.0, "after", "negative peak at 6.000 ms|peak_ms"),
    ],
)
def test_a_mark_on_the_wrong_side_of_another_is_refused(mark, value, side, other):
    other, name = other.split("|")
    assert refusal(mark, value) == (
        f"{mark}: expected a time {side} the {other}, found {value:g}. If that one is wrong as well, move it first "
        f"({name})."
    )


@pytest.mark.parametrize(
    ("mark", "value", "before"),
    [
        ("last_end_ms", 9.3, {}), ("last_end_ms", 20.0, {}), ("end_ms", 9.3, {}), ("end_ms", 6.01, {}),
        ("end_ms", 12.0, {}),  # the automatic end of the last peak gives way
        ("peak_ms", 9.0, {}), ("onset_ms", 5.99, {}), ("trough_ms", 9.4, {}),
        ("onset_ms", 27.95, {"peak_ms": NAN, "end_ms": NAN}),
        ("peak_ms", 8.0, {"trough_ms": 7.0}),  # an automatic positive peak gives way
    ],
)  # fmt: skip
def test_what_can_be_meant_is_accepted(mark, value, before):
    check(edit(mark, value), marks(**before), wave())
    check(edit("end_ms", None), marks(), wave())
    check(edit(RESPONSE, None), marks(), wave())


def test_a_first_mark_is_a_negative_peak_where_there_is_no_response():
    check(edit("peak_ms", 6.0), marks(Outcome.NO_RESPONSE), wave())
    check(edit("onset_ms", 3.8), marks(Outcome.NO_RESPONSE, peak_ms=6.0), wave())
    check(edit("onset_ms", 3.8), marks(Outcome.TOO_NOISY), wave())
    assert "place where the waveform is negative" in refusal("peak_ms", 1.0, found=marks(Outcome.NO_RESPONSE))
