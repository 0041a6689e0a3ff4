"""Single responses of a trace on a common baseline, by hand."""

import math

import numpy as np
import pytest

from ncs.detect.marks import Outcome
from ncs.measure._responses import response_of, resting_uv, with_common_baseline
from ncs.measure._study import MarkedTrace
from ncs.model import Trace
from tests.measure.build import entry, marked, marks, several, sweeps_of

NAN = math.nan
RATE_HZ = 10_000.0


def resting(levels, *, before_onset=None, stimulus_ms=10.0, n_samples=200):
    """Sweeps at rest at these levels (negative up), and from the stimulus on at ``before_onset`` above them."""
    samples = np.tile(-np.array(levels, float)[:, None], (1, n_samples))
    if before_onset is not None:
        samples[:, round(stimulus_ms * 10) :] -= np.array(before_onset, float)[:, None]
    return sweeps_of(samples, stimulus_ms, rate_hz=RATE_HZ)


def test_rest_is_the_mean_from_8_to_a_little_before_the_stimulus():
    """At 10 per ms and a stimulus at 10 ms: samples 20 to 97."""
    ramp = np.tile(np.arange(200.0), (2, 1)) * [[1.0], [-2.0]]
    found = resting_uv(sweeps_of(ramp, 10.0, rate_hz=RATE_HZ))
    assert found == pytest.approx([-np.arange(20, 98).mean(), 2 * np.arange(20, 98).mean()])
    early = resting_uv(sweeps_of(ramp, [5.0, 0.45], rate_hz=RATE_HZ))
    assert early == pytest.approx([-np.arange(48).mean(), 2 * np.arange(3).mean()])


def test_rest_is_unknown_where_fewer_than_three_samples_come_before():
    flat = np.zeros((3, 50))
    assert np.isnan(resting_uv(sweeps_of(flat, [0.44, NAN, 2.0], rate_hz=RATE_HZ))).tolist() == [True, True, False]
    assert np.isnan(resting_uv(sweeps_of(flat, None, rate_hz=RATE_HZ))).all()


def at_of(trace: Trace, found, *, measured=None, **more):
    made = entry(found, "cmap", measured=measured)
    return MarkedTrace(trace=trace, marks=made.measured, found={"cmap": made}, **more)


SAID = {"cmap": ("sweep 1: onset moved by A", "sweep 2: onset moved by B", "sweep 12: onset moved by C")}


def test_one_response_is_seen_as_if_nothing_else_had_been_recorded():
    at = at_of(
        resting([0.0] * 3), several(3, onset_ms=[3.0, 4.0, 5.0]), how="mean of 3", sweep_edits=SAID,
        edits={"peak_ms": ("edited",)}, left_out=frozenset({"peak_ms"}),
    )  # fmt: skip
    one = response_of(at, 1, response="cmap")
    assert (one.marks.onset_ms.tolist(), one.how, one.left_out) == ([4.0], "", frozenset())
    moved = ("sweep 2: onset moved by B",)
    assert one.edits == dict.fromkeys(
        ("onset_ms", "peak_ms", "peak_uv", "area_uv_ms", "duration_ms", "peak_to_peak_uv", "end_ms"), moved
    )
    assert one.value("peak_uv", "peak_sd_uv").edits == moved
    third = response_of(at, 2, response="cmap")
    assert (third.marks.onset_ms.tolist(), third.edits) == ([5.0], {})


def test_the_only_measured_sweep_keeps_its_edits():
    found = several(2)
    made = entry(found, "cmap", measured=found.sweep(1), chosen=(1,))
    at = MarkedTrace(
        trace=resting([0.0] * 2), marks=made.measured, found={"cmap": made}, how="sweep 2 of 2",
        edits={"onset_ms": ("onset moved by A",)}, left_out=frozenset({"end_ms"}),
    )  # fmt: skip
    same = response_of(at, 1, response="cmap")
    assert (same.marks is at.marks, same.edits, same.left_out, same.how) == (True, at.edits, at.left_out, "")
    assert response_of(at, 0, response="cmap").edits == {}


def test_what_was_not_marked_stays_as_it_is():
    unmarked = marked("wrist", None, None)
    assert response_of(unmarked, 0, response="cmap") is unmarked
    at = at_of(resting([0.0]), several(1))
    assert response_of(at, 0, response="h_reflex") is at


def shifts(at, sweeps=None, response="cmap"):
    """Return how far the baseline of each response was put lower, from its peak, and check what follows from it."""
    chosen = range(at.trace.n_sweeps) if sweeps is None else sweeps
    made = with_common_baseline(at, chosen, response=response)
    found = []
    for sweep, one in zip(chosen, made, strict=True):
        before = at.found[response].sweeps.sweep(sweep)
        by = float(one.marks.peak_uv[0] - before.peak_uv[0])
        found.append(by)
        assert float(before.baseline_uv[0] - one.marks.baseline_uv[0]) == pytest.approx(by, nan_ok=True)
        grown = float(one.marks.area_uv_ms[0] - before.area_uv_ms[0])
        assert grown == pytest.approx(by * float(before.duration_ms[0]), nan_ok=True)
        assert one.marks.onset_ms.tolist() == pytest.approx(before.onset_ms.tolist(), nan_ok=True)
    return found


def test_every_response_is_counted_from_its_rest_and_the_common_rest_of_the_artefact():
    """Rests at 10, 20, 30; what the detector found on top: 6, 8, 1, in the middle 6; before the onset 9 are left."""
    at = at_of(resting([10.0, 20.0, 30.0], before_onset=[9.0] * 3), several(3, baseline_uv=[16.0, 28.0, 31.0]))
    assert shifts(at) == pytest.approx([0.0, 2.0, -5.0])


@pytest.mark.parametrize(
    ("left", "common"),
    [(9.0, 6.0), (4.0, 4.0), (-3.0, 0.0), (0.0, 0.0)],
)
def test_the_artefact_leaves_no_more_under_the_peak_than_before_the_onset(left, common):
    at = at_of(resting([10.0, 20.0, 30.0], before_onset=[left] * 3), several(3, baseline_uv=[16.0, 26.0, 36.0]))
    assert shifts(at) == pytest.approx([6.0 - common] * 3)


def test_a_negative_rest_of_the_artefact_is_limited_as_well():
    for left, common in ((-9.0, -6.0), (-4.0, -4.0), (2.0, 0.0)):
        at = at_of(resting([10.0] * 3, before_onset=[left] * 3), several(3, baseline_uv=[4.0] * 3))
        assert shifts(at) == pytest.approx([-6.0 - common] * 3)


def test_what_is_left_is_read_just_before_the_onset():
    """The onset is 3.8 ms after the stimulus at 10 ms: samples 131 to 136, on a ramp of 1 uV each."""
    samples = np.zeros((3, 200))
    samples[:, 100:] = -np.arange(100.0)
    at = at_of(sweeps_of(samples, 10.0, rate_hz=RATE_HZ), several(3, baseline_uv=[90.0] * 3))
    assert shifts(at) == pytest.approx([90.0 - np.arange(31, 37).mean()] * 3)


def test_what_is_left_is_read_from_0_7_to_0_1_ms_before_the_onset():
    samples = np.zeros((3, 2000))
    samples[:, 1000:] = -np.arange(1000.0)  # 100 per ms: samples 1310 to 1369
    at = at_of(sweeps_of(samples, 10.0, rate_hz=100_000.0), several(3, baseline_uv=[900.0] * 3))
    assert shifts(at) == pytest.approx([900.0 - np.arange(310, 370).mean()] * 3)


def test_onsets_differ_between_sweeps():
    samples = np.zeros((3, 200))
    samples[:, 100:] = -np.arange(100.0)
    onset = [3.8, 4.8, NAN]
    found = several(
        3, baseline_uv=[90.0] * 3, onset_ms=onset, outcome=[Outcome.FOUND, Outcome.FOUND, Outcome.TOO_NOISY]
    )
    left = (np.arange(31, 37).mean() + np.arange(41, 47).mean()) / 2
    assert shifts(at_of(sweeps_of(samples, 10.0, rate_hz=RATE_HZ), found)) == pytest.approx([90.0 - left] * 3)


def test_without_any_onset_nothing_is_left_by_the_artefact():
    found = several(3, baseline_uv=[16.0] * 3, onset_ms=[NAN] * 3, outcome=[Outcome.TOO_NOISY] * 3)
    assert shifts(at_of(resting([10.0] * 3, before_onset=[9.0] * 3), found)) == pytest.approx([6.0] * 3)


def test_only_the_chosen_sweeps_share_a_baseline_and_keep_their_order():
    levels, base = [10.0, 20.0, 30.0, 40.0, 900.0], [16.0, 28.0, 31.0, 46.0, 999.0]
    at = at_of(resting(levels, before_onset=[9.0] * 5), several(5, baseline_uv=base, peak_uv=[1.0, 2.0, 3.0, 4.0, 5.0]))
    assert shifts(at, (3, 0, 1)) == pytest.approx([0.0, 0.0, 2.0])
    peaks = [float(one.marks.peak_uv[0]) for one in with_common_baseline(at, (3, 0, 1), response="cmap")]
    assert peaks == pytest.approx([4.0, 1.0, 4.0])


def test_a_sweep_without_a_response_is_left_alone():
    found = several(4, baseline_uv=[16.0, 26.0, NAN, 36.0], onset_ms=[3.8, 3.8, NAN, 3.8])
    at = at_of(resting([10.0, 20.0, 20.0, 30.0], before_onset=[4.0] * 4), found)
    made = with_common_baseline(at, range(4), response="cmap")
    assert shifts(at)[:2] == pytest.approx([2.0, 2.0])
    assert made[2].marks.outcome.tolist() == [Outcome.NO_RESPONSE]
    assert np.isnan(made[2].marks.peak_uv).all()


@pytest.mark.parametrize("rests", [[10.0, 20.0], [10.0, 20.0, 30.0]])
def test_too_few_responses_or_an_unknown_rest_leave_the_marks_as_they_are(rests):
    n = len(rests)
    stimulus_ms = 10.0 if n == 2 else [10.0, 10.0, 0.2]
    trace = sweeps_of(np.zeros((n, 200)), stimulus_ms, rate_hz=RATE_HZ)
    assert shifts(at_of(trace, several(n, baseline_uv=rests))) == [0.0] * n


def test_an_unmarked_trace_has_no_single_responses():
    unmarked = marked("wrist", None, None)
    assert with_common_baseline(unmarked, (0,), response="cmap") == (unmarked,)
    at = at_of(resting([10.0] * 3), several(3), measured=marks())
    assert with_common_baseline(at, (), response="cmap") == ()
