"""What follows from a moved mark in one sweep, by hand and for any place."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ncs.analysis import Edit, edited
from ncs.detect.marks import Marks, Outcome
from ncs.errors import InvalidInputError
from ncs.measure._edits import MARK_WORDS, RESPONSE, Wave, check, move
from tests.measure.build import marks
from tests.store.recorded import result

ORDER = ("onset_ms", "peak_ms", "end_ms", "last_end_ms")


def edit(mark, value_ms, author="A. Author"):
    return Edit(study_index=0, trace_index=0, mark=mark, value_ms=value_ms, author=author)


def triangle(top_ms=6.0, height_uv=7200.0, base_uv=1.0, rate_khz=20.0):
    """A wave that rises from 3.8 ms, falls until 9.3 ms, and is positive around 12 ms; the stimulus is at 2 ms."""
    times = np.arange(int(30 * rate_khz)) / rate_khz - 2.0
    points = [-2.0, 3.8, top_ms, 9.3, 12.0, 20.0, 30.0]
    return Wave(
        uv=np.interp(times, points, [0, 0, height_uv, 0, -2100.0, 0, 0]) + base_uv, rate_khz=rate_khz, stimulus_ms=2.0
    )


def numbers(found):
    return {f.name: float(getattr(found, f.name)[0]) for f in fields(Marks)}


def test_amplitude_area_and_durations_follow_from_the_wave():
    found, words, left_out = move(marks(), [edit("onset_ms", 4.9), edit("peak_ms", 5.45)], triangle())
    now = numbers(found)
    assert now["peak_uv"] == pytest.approx(5400.0)
    assert now["peak_to_peak_uv"] == pytest.approx(5400.0 + 2100.0)
    assert now["area_uv_ms"] == pytest.approx(0.5 * 7200 * 5.5 - 0.5 * 3600 * 1.1, rel=1e-4)
    assert (now["duration_ms"], now["total_duration_ms"]) == (pytest.approx(4.4), pytest.approx(4.4))
    for name in ("onset_sd_ms", "peak_sd_ms", "peak_sd_uv", "area_sd_uv_ms", "peak_to_peak_sd_uv", "duration_sd_ms"):
        assert math.isnan(now[name]), name
    assert words["area_uv_ms"] == ("onset moved by A. Author",)
    assert words["peak_uv"] == ("negative peak moved by A. Author",)
    assert "end_ms" not in words
    assert left_out == frozenset()
    assert now["outcome"] == Outcome.FOUND


def test_no_edit_of_a_mark_changes_nothing():
    found, words, left_out = move(marks(), [], triangle())
    assert numbers(found) == numbers(marks())
    assert (words, left_out) == ({}, frozenset())


def test_the_end_of_the_only_peak_moves_along():
    alone, _, _ = move(marks(), [edit("end_ms", 8.0)], triangle())
    assert alone.last_end_ms.tolist() == [8.0]
    several, _, _ = move(marks(last_end_ms=15.0), [edit("end_ms", 8.0)], triangle())
    assert several.last_end_ms.tolist() == [15.0]
    overtaken, _, _ = move(marks(last_end_ms=15.0), [edit("end_ms", 16.0)], triangle())
    assert overtaken.last_end_ms.tolist() == [16.0]


@pytest.mark.parametrize(
    ("outcome", "after"),
    [
        (Outcome.NO_RESPONSE, Outcome.FOUND),
        (Outcome.AT_WINDOW_EDGE, Outcome.FOUND),
        (Outcome.CLIPPED, Outcome.CLIPPED),
        (Outcome.INVALID_INPUT, Outcome.INVALID_INPUT),
    ],
)
def test_what_the_detector_did_not_find_a_person_can_mark(outcome, after):
    placed = [edit("onset_ms", 3.8), edit("peak_ms", 6.0)]
    found, words, left_out = move(marks(outcome), placed, triangle())
    now = numbers(found)
    assert now["outcome"] == after
    assert (now["onset_ms"], now["peak_ms"]) == (3.8, 6.0)
    assert words["onset_ms"] == ("onset placed by A. Author",)
    if outcome is Outcome.CLIPPED:
        assert math.isnan(now["peak_uv"])  # the amplifier was saturated, wherever the peak is
        assert left_out == frozenset()
    else:
        assert now["peak_uv"] == pytest.approx(7200.0)
    if after is Outcome.FOUND:
        assert {"area_uv_ms", "end_ms", "trough_ms"} <= left_out


def test_a_timed_onset_ends_being_too_noisy():
    noisy = marks(Outcome.TOO_NOISY, peak_ms=6.0, peak_uv=7200.0, end_ms=9.3, last_end_ms=9.3, baseline_uv=1.0)
    found, _, left_out = move(noisy, [edit("onset_ms", 3.8)], triangle())
    now = numbers(found)
    assert now["outcome"] == Outcome.FOUND
    assert now["area_uv_ms"] == pytest.approx(0.5 * 7200 * 5.5, rel=1e-4)
    assert "trough_ms" not in left_out


def test_a_response_taken_away_leaves_its_noise():
    found, words, left_out = move(marks(), [edit("onset_ms", 4.0), edit(RESPONSE, None)], triangle())
    now = numbers(found)
    assert now["outcome"] == Outcome.NO_RESPONSE
    assert now["noise_uv"] == 5.0
    assert math.isnan(now["onset_ms"])
    assert math.isnan(now["peak_uv"])
    assert words["peak_uv"] == ("response taken away by A. Author",)
    assert left_out == frozenset()


@given(
    placed=st.dictionaries(st.sampled_from([*ORDER, "trough_ms"]), st.none() | st.floats(0.01, 27.0), min_size=1),
    outcome=st.sampled_from(Outcome),
)
@settings(max_examples=300, deadline=None)
def test_any_edits_give_marks_without_contradiction(placed, outcome):
    values = [placed[name] for name in ORDER if placed.get(name) is not None]
    assume(values == sorted(set(values)))
    if placed.get("trough_ms") is not None:
        assume(all(placed[name] < placed["trough_ms"] for name in ("onset_ms", "peak_ms") if placed.get(name)))
    found, words, _ = move(marks(outcome), [edit(name, value) for name, value in placed.items()], triangle())
    now = numbers(found)
    for name, value in placed.items():
        assert now[name] == value or (value is None and math.isnan(now[name]))
        assert words[name]
    known = [now[name] for name in ORDER if not math.isnan(now[name])]
    assert known == sorted(known)
    assert not now["peak_uv"] <= 0
    for quantity, parts in (
        ("duration_ms", ("onset_ms", "end_ms")),
        ("total_duration_ms", ("onset_ms", "last_end_ms")),
    ):
        if words.get(quantity):
            assert math.isnan(now[quantity]) == any(math.isnan(now[part]) for part in parts)
            assert not now[quantity] < 0


@given(shift=st.integers(1, 200))
def test_a_shift_of_wave_and_stimulus_changes_nothing(shift):
    wave = triangle()
    later = Wave(
        uv=np.concatenate([np.full(shift, wave.uv[0]), wave.uv]), rate_khz=20.0, stimulus_ms=2.0 + shift / 20.0
    )
    edits = [edit("onset_ms", 4.0), edit("peak_ms", 5.5), edit("trough_ms", 11.0)]
    first, second = (numbers(move(marks(), edits, each)[0]) for each in (wave, later))
    assert second == pytest.approx(first, nan_ok=True)


def test_the_same_places_give_the_area_and_durations_of_the_detector():
    automatic = result().marks[0].measured
    again = [edit(name, float(getattr(automatic, name)[0])) for name in ("onset_ms", "end_ms")]
    found = edited(result(), again).marks[0].measured
    for name in ("area_uv_ms", "duration_ms", "total_duration_ms", "peak_uv"):
        assert getattr(found, name)[0] == pytest.approx(getattr(automatic, name)[0], rel=1e-9), name


def test_without_edits_a_result_stays_itself():
    assert edited(result(), []) is result()


def test_an_edited_result_has_its_own_fingerprint():
    first = edited(result(), [edit("onset_ms", 3.2)])
    assert first.fingerprint != result().fingerprint
    assert edited(result(), [edit("onset_ms", 3.2)]).fingerprint == first.fingerprint
    assert edited(result(), [edit("onset_ms", 3.3), edit("onset_ms", 3.2)]).fingerprint == first.fingerprint
    assert edited(result(), [edit("onset_ms", 3.2, "B. Reader")]).fingerprint != first.fingerprint
    assert "edits" not in result().parameters


def test_what_a_result_does_not_have_cannot_be_edited():
    with pytest.raises(InvalidInputError, match="study 7, trace 0: expected a trace with marks"):
        edited(result(), [Edit(study_index=7, trace_index=0, mark="onset_ms", value_ms=3.0, author="A")])
    with pytest.raises(InvalidInputError, match="mark: expected one of"):
        edited(result(), [edit("onset", 3.0)])


def test_a_mark_where_it_is_can_be_confirmed():
    now = numbers(marks())
    for name in MARK_WORDS:
        check(edit(name, None if name == RESPONSE else now[name]), marks(), triangle())


def test_a_negative_peak_is_negative():
    late_end = marks(end_ms=14.0, last_end_ms=14.0)
    with pytest.raises(InvalidInputError, match=r"where the waveform is negative, found \+1555\.6 uV"):
        check(edit("peak_ms", 11.3), late_end, triangle())
