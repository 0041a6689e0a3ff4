"""From the sweeps of a trace to its marks: which are measured, their mean, and how the detector is asked."""

import datetime as dt
import math

import numpy as np
import pytest

from ncs import simulate
from ncs.analysis import analyze
from ncs.detect.averaging import AVERAGING_RULE
from ncs.detect.marks import Flag, Outcome
from ncs.measure import _averaging, _marking, techniques
from ncs.measure._averaging import averaging_words, kept_sweeps, n_rejected, with_weak_response
from ncs.measure._marking import HowToMark, mark_trace
from ncs.measure._sweeps import aligned_sweeps, mean_sweep, measured_sweeps
from ncs.model import Direction, Stimulus, Study, Subject, Technique, Trace, Visit
from tests.measure.build import blank, marks, sweeps_of

WRIST = {"stimulation_site": "wrist", "distance_mm": 80.0}
# Which sweeps are measured


NAN = math.nan


@pytest.mark.parametrize(
    ("n", "more", "chosen"),
    [
        (1, {}, (0,)), (1, {"stimulus_ms": NAN}, ()), (3, {}, (0, 1, 2)), (3, {"stimulus_ms": [1.0, NAN, 1.0]}, (0, 2)),
        (3, {"stimulus": Stimulus(intensity_ma=np.array([5.0, 9.0, 9.0]))}, (1, 2)),
        (3, {"stimulus": Stimulus(intensity_v=np.array([5.0, 9.0, 9.0]))}, (1, 2)),
        (3, {"stimulus": Stimulus(intensity_ma=np.full(3, NAN), intensity_v=np.array([5.0, 9.0, 4.0]))}, (1,)),
        (  # milliamperes go before volts
            3, {"stimulus": Stimulus(intensity_ma=np.array([7.0, 1.0, NAN]), intensity_v=np.array([1.0, 2.0, 3.0]))},
            (0,),
        ),
        (  # the strongest has no stimulus time
            3, {"stimulus_ms": [1.0, NAN, 1.0], "stimulus": Stimulus(intensity_ma=np.array([5.0, 9.0, 4.0]))}, (0,)
        ),
        (1, {"stimulus": Stimulus(intensity_ma=np.array([NAN]))}, (0,)),
        (0, {}, ()),
    ],
)  # fmt: skip
def test_the_sweeps_of_the_strongest_stimulus_are_measured(n, more, chosen):
    assert measured_sweeps(blank(n, **more)) == chosen


def test_sweeps_are_shifted_by_whole_samples_and_the_rest_goes_into_the_time():
    """1 kHz: the second stimulus comes 2.4 samples later, is shifted by 2, and leaves 0.4 ms."""
    rows = np.arange(20.0).reshape(2, 10)
    aligned, stimulus_ms = aligned_sweeps(sweeps_of(rows, [3.0, 5.4]), (0, 1))
    assert aligned.tolist() == [rows[0, :8].tolist(), rows[1, 2:].tolist()]
    assert stimulus_ms == pytest.approx((3.0 + 3.4) / 2)
    mean, at_ms = mean_sweep(sweeps_of(rows, [3.0, 5.4]), (0, 1))
    assert mean.tolist() == [((rows[0, :8] + rows[1, 2:]) / 2).tolist()]
    assert (mean.dtype, mean.shape, at_ms) == (np.float32, (1, 8), stimulus_ms)


def test_only_the_chosen_sweeps_are_aligned():
    rows = np.arange(30.0).reshape(3, 10)
    aligned, stimulus_ms = aligned_sweeps(sweeps_of(rows, [1.0, 9.0, 2.0]), (0, 2))
    assert aligned.tolist() == [rows[0, :9].tolist(), rows[2, 1:].tolist()]
    assert stimulus_ms == 1.0


def test_sweeps_that_do_not_overlap_leave_nothing():
    rows = np.zeros((2, 10))
    for times, chosen in (([0.0, 10.0], (0, 1)), ([0.0, 99.0], (0, 1)), ([0.0, 0.0], ())):
        aligned, at_ms = aligned_sweeps(sweeps_of(rows, times), chosen)
        assert (aligned.shape, at_ms) == ((len(chosen), 0), 0.0)
        mean, at_ms = mean_sweep(sweeps_of(rows, times), chosen)
        assert (mean.shape, mean.dtype, at_ms) == ((1, 0), np.float32, 0.0)
    aligned, _ = aligned_sweeps(sweeps_of(rows, [0.0, 9.0]), (0, 1))
    assert aligned.shape == (2, 1)


def test_the_mean_is_calculated_in_double_precision():
    """Added up in single precision, a hundred times the largest odd numbers are off by two."""
    samples = np.full((100, 3), 16_777_213.0, np.float32)
    assert mean_sweep(sweeps_of(samples, 0.0), tuple(range(100)))[0].tolist() == [[16_777_213.0] * 3]


# What is said of them


@pytest.mark.parametrize(
    ("n", "averaged", "rejected", "words"),
    [
        (1, (0,), 0, ""),
        (3, (2,), 0, "sweep 3 of 3"),
        (3, (0, 2), 0, "mean of 2 of 3 sweeps"),
        (3, (0, 2), 1, f"mean of 2 of 3 sweeps, 1 rejected ({AVERAGING_RULE})"),
        (3, (1,), 2, f"sweep 2 of 3, 2 rejected ({AVERAGING_RULE})"),
    ],
)
def test_what_was_averaged_in_words(n, averaged, rejected, words):
    assert averaging_words(blank(n), averaged, rejected) == words


def test_rejected_are_those_of_the_same_stimulus_that_are_not_in_the_mean():
    weaker = blank(4, stimulus=Stimulus(intensity_ma=np.array([1.0, 9.0, 9.0, 9.0])))
    assert [n_rejected(weaker, averaged) for averaged in ((1, 2, 3), (1, 2), (0, 1, 2, 3))] == [0, 1, 0]


def test_too_few_to_choose_from_are_all_kept(monkeypatch):
    sweeps = blank(3)
    assert kept_sweeps(sweeps, ()) == ()
    assert kept_sweeps(sweeps, (1,)) == (1,)
    assert kept_sweeps(sweeps, (0, 2)) == (0, 2)  # flat, all of them: none would be left
    asked = []

    def choice(samples, rate, *, stimulus_ms):
        asked.append((samples.shape, rate, stimulus_ms.tolist()))
        return type("Choice", (), {"kept": np.array([False, True])})

    monkeypatch.setattr(_averaging, "choose_sweeps", choice)
    assert kept_sweeps(sweeps_of(np.zeros((3, 8)), [1.0, 2.0, 3.0]), (0, 2)) == (2,)
    assert asked == [((2, 8), 1000.0, [1.0, 3.0])]


@pytest.mark.parametrize(
    ("smooth", "is_taken"),
    [
        (marks(peak_ms=6.99), True), (marks(peak_ms=7.0), False), (marks(peak_ms=5.01), True),
        (marks(peak_ms=5.0), False), (marks(Outcome.TOO_NOISY, peak_ms=6.0), False),
    ],
)  # fmt: skip
def test_a_weak_response_is_timed_where_smoothing_finds_the_same(monkeypatch, smooth, is_taken):
    weak, nothing = marks(Outcome.TOO_NOISY, peak_ms=6.0), marks(Outcome.NO_RESPONSE)
    monkeypatch.setattr(_averaging, "find_weak_snap", lambda sweeps, rate, *, stimulus_ms, marks: weak)
    assert with_weak_response(blank(2), (0, 1), nothing, lambda: smooth) is (smooth if is_taken else weak)


def test_a_weak_response_is_sought_only_where_there_is_none(monkeypatch):
    asked = []

    def found(sweeps, rate, *, stimulus_ms, marks):
        asked.append((sweeps.shape, rate, stimulus_ms))
        return marks

    monkeypatch.setattr(_averaging, "find_weak_snap", found)
    there, nothing = marks(), marks(Outcome.NO_RESPONSE)
    assert with_weak_response(blank(3), (0, 2), there, pytest.fail) is there
    assert asked == []
    assert with_weak_response(blank(3), (0, 2), nothing, pytest.fail) is nothing
    assert asked == [((2, 8), 1000.0, 1.0)]


# How the detector is asked


def motor(one):
    return Study(traces=(one,), technique=Technique.MOTOR)


def how_marked(study, one, **how):
    """Return the marks of a trace, and how the detector was asked for them."""
    asked = []

    def mark(samples, rate, **given):
        asked.append({"shape": np.shape(samples), "rate": rate, **given})
        return type(marks())(**{f: np.repeat(getattr(marks(), f), len(samples)) for f in marks().__slots__})

    technique = techniques()[study.technique]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_marking.detect, "mark", mark)
        found = mark_trace(
            study, one, technique, technique.responses[0], place=(2, 3), how=HowToMark(onset_method="tangent", **how)
        )
    return found, asked


def test_how_the_detector_is_asked():
    one = sweeps_of(np.zeros((3, 40)), [1.0, 1.0, 3.0], stimulus=Stimulus(intensity_ma=np.array([1.0, 9.0, 9.0])))
    found, asked = how_marked(motor(one), one)
    first, second = asked
    assert (first["shape"], first["rate"], first["response"], first["onset_method"]) == (
        (3, 40),
        1000.0,
        "cmap",
        "tangent",
    )
    assert (first["stimulus_ms"].tolist(), first["window_ms"], first["smooth_ms"]) == ([1.0, 1.0, 3.0], None, None)
    assert (second["shape"], second["stimulus_ms"], second["smooth_ms"]) == ((1, 38), 1.0, None)
    assert (found.study_index, found.trace_index, found.response, found.measured_sweeps) == (2, 3, "cmap", (1, 2))
    assert (len(found.sweeps), len(found.measured)) == (3, 1)


def test_a_weak_nerve_potential_is_marked_once_more_with_more_smoothing(monkeypatch):
    monkeypatch.setattr(_marking, "with_weak_response", lambda trace, chosen, measured, mark_smoothly: mark_smoothly())
    one = blank(2, **WRIST)
    _, asked = how_marked(Study(traces=(one,), technique=Technique.SENSORY), one)
    assert [each["smooth_ms"] for each in asked] == [None, None, 0.5]
    assert [each["shape"] for each in asked] == [(2, 8), (1, 8), (1, 8)]


def test_one_chosen_sweep_is_not_marked_again():
    one = sweeps_of(np.zeros((2, 40)), stimulus=Stimulus(intensity_ma=np.array([1.0, 9.0])))
    found, asked = how_marked(motor(one), one)
    assert (len(asked), found.measured_sweeps, len(found.measured)) == (1, (1,), 1)
    alone = blank(1)
    found, asked = how_marked(motor(alone), alone)
    assert (len(asked), found.measured is found.sweeps) == (1, True)


def test_a_window_of_the_technique_is_handed_on():
    one = blank(1)
    study = Study(traces=(one,), technique=Technique.H_REFLEX, nerve="tibial")
    assert how_marked(study, one)[1][0]["window_ms"] == (0.6, 22.0)


def test_review_asks_the_named_rules_about_what_was_measured(monkeypatch):
    asked = []
    answer = type("Spread", (), {"disagree": np.array([True])})

    def spread(samples, rate, **given):
        asked.append({"shape": samples.shape, "rate": rate, **given})
        return answer

    monkeypatch.setattr(_marking, "method_spread", spread)
    one = sweeps_of(np.zeros((2, 40)), [1.0, 3.0])
    found, _ = how_marked(motor(one), one, review=True)
    assert found.measured.flags.tolist() == [Flag.METHODS_DISAGREE]
    assert found.measured.flags.dtype == np.int8
    assert asked == [{"shape": (1, 38), "rate": 1000.0, "stimulus_ms": 1.0, "response": "cmap", "window_ms": None}]
    assert how_marked(motor(one), one)[0].measured.flags.tolist() == [0]
    answer.disagree = np.array([False])
    assert how_marked(motor(one), one, review=True)[0].measured.flags.tolist() == [0]
    late = Study(traces=(one,), technique=Technique.BLINK_REFLEX)
    asked.clear()
    how_marked(late, one, review=True)
    assert asked == []


def test_flags_that_were_there_stay_beside_the_one_of_a_review(monkeypatch):
    answer = type("Spread", (), {"disagree": np.array([True])})
    monkeypatch.setattr(_marking, "method_spread", lambda *given, **more: answer)
    one = blank(1)
    for found, flags in (
        (marks(flags=Flag.MULTIPLE_PEAKS), Flag.MULTIPLE_PEAKS | Flag.METHODS_DISAGREE),
        (marks(flags=Flag.ONSET_AT_POSITIVE_PEAK), Flag.ONSET_AT_POSITIVE_PEAK),
        (marks(onset_ms=NAN), 0),
    ):
        assert _marking._reviewed(one, (0,), found, "cmap", None).flags.tolist() == [flags]


def test_only_orthodromic_nerve_potentials_are_timed_at_the_positive_peak():
    sweeps = simulate.snap(1, seed=3, response=simulate.Snap(amplitude_uv=40.0, direction="orthodromic"))
    one = Trace(
        samples_uv=sweeps.samples_uv, sampling_rate_hz=sweeps.sampling_rate_hz,
        stimulus_ms=np.full(1, sweeps.stimulus_ms), **WRIST,
    )  # fmt: skip
    at_peak = {}
    for technique in (Technique.SENSORY, Technique.MOTOR):
        for direction in (Direction.ORTHODROMIC, Direction.ANTIDROMIC, None):
            study = Study(traces=(one,), technique=technique, direction=direction)
            result = analyze(Visit(subject=Subject(id="P"), date=dt.date(2020, 5, 4), studies=(study,)))
            at_peak[technique, direction] = bool(result.marks[0].measured.flags[0] & Flag.ONSET_AT_POSITIVE_PEAK)
    assert [key for key, found in at_peak.items() if found] == [(Technique.SENSORY, Direction.ORTHODROMIC)]
