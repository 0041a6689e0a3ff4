"""CMAP scan from hand-made sweeps: points of the curve, plateau, noise, currents, steps, and what is said of them."""

import math

import numpy as np
import pytest

from ncs.detect.marks import Outcome
from ncs.measure import cmap_scan
from ncs.measure._study import MarkedTrace, Value
from ncs.measure.cmap_scan import ScanCurve, curve_of, rising
from ncs.model import Stimulus, Technique
from ncs.results import Reason
from tests.measure.build import entry, marked, part, pick, several, sweeps_of

NAN = math.nan


def scan(current, amplitude, *, sd=1.0, base=0.0, baseline_uv=0.0, left_uv=0.0, site="wrist", outcome=None, **more):
    """A site; NaN is a sweep in which nothing answers.

    Every sweep rests at ``base`` uV (negative up) before the stimulus at 2 ms; at the time of the peaks, 6 ms after it,
    the artefact leaves ``left_uv``. ``baseline_uv`` is what the detector counted its amplitudes from.
    """
    heights = np.array(amplitude, float)
    n = heights.size
    usual = np.where(np.isnan(heights), Outcome.NO_RESPONSE, Outcome.FOUND)
    found = several(
        n, peak_uv=heights, peak_sd_uv=np.full(n, sd), baseline_uv=np.full(n, baseline_uv),
        outcome=usual if outcome is None else outcome,
    )  # fmt: skip
    samples = np.full((n, 200), -float(base))
    samples[:, 80] -= left_uv
    trace = sweeps_of(
        samples, 2.0, rate_hz=10_000.0, stimulation_site=site,
        stimulus=Stimulus(intensity_ma=None if current is None else np.array(current, float)),
    )  # fmt: skip
    made = entry(found, "cmap")
    return MarkedTrace(trace=trace, marks=made.measured, found={"cmap": made}, how="not shown", **more)


def stairs(n_silent=10, n_rising=10, n_top=10, top=10_000.0):
    """Currents 1, 2, … mA: silence, then a straight rise to the top, then the plateau."""
    rise = np.arange(1, n_rising + 1) * top / (n_rising + 1)
    amplitude = np.concatenate([np.full(n_silent, NAN), rise, np.full(n_top, top)])
    return np.arange(1.0, amplitude.size + 1), amplitude


def test_the_points_of_a_curve():
    current, amplitude = stairs()
    curve = curve_of([scan(current, amplitude)])
    assert curve.current_ma.tolist() == current.tolist()
    assert curve.amplitude_uv == pytest.approx(np.nan_to_num(amplitude))
    assert (curve.maximum_uv, curve.noise_uv, curve.plateau) == (10_000.0, 1.0, 10)
    assert curve.steps_uv.sum() == pytest.approx(10_000.0)


def test_points_are_put_in_the_order_of_their_currents_and_then_of_their_size():
    current, amplitude = stairs()
    turned = np.random.default_rng(3).permutation(current.size)
    mixed = curve_of([scan(current[turned], amplitude[turned])])
    assert mixed.amplitude_uv == pytest.approx(np.nan_to_num(amplitude))
    twice = curve_of([scan([*current, 15.0], [*amplitude, 10.0])])
    at = np.flatnonzero(twice.current_ma == 15.0)
    assert twice.amplitude_uv[at].tolist() == [10.0, pytest.approx(amplitude[14])]


def test_sweeps_that_cannot_be_judged_take_no_part():
    current, amplitude = stairs()
    amplitude[25] = NAN
    outcome = np.where(np.isnan(amplitude), Outcome.NO_RESPONSE, Outcome.FOUND)
    outcome[25] = Outcome.CLIPPED
    current[26] = NAN
    curve = curve_of([scan(current, amplitude, outcome=outcome)])
    assert curve.current_ma.size == 28
    assert not {26.0, 27.0} & set(curve.current_ma.tolist())


def test_amplitudes_are_counted_from_rest_and_from_what_the_artefact_leaves():
    """The detector counted from 30 uV above zero; the sweeps rest at 20 uV, and silent ones stand 6 uV above that."""
    current, amplitude = stairs()
    curve = curve_of([scan(current, amplitude, base=20.0, baseline_uv=30.0, left_uv=6.0)])
    answered = ~np.isnan(amplitude)
    assert curve.amplitude_uv[answered] == pytest.approx(amplitude[answered] + 30.0 - 20.0 - 6.0)
    assert curve.amplitude_uv[~answered].tolist() == [0.0] * 10


def test_an_amplitude_is_never_below_nothing():
    current, amplitude = stairs()
    amplitude[10] = 3.0
    curve = curve_of([scan(current, amplitude, left_uv=6.0)])
    assert curve.amplitude_uv[10] == 0.0


def test_without_a_rest_before_the_stimulus_the_detectors_baseline_counts():
    current, amplitude = stairs()
    at = scan(current, amplitude, baseline_uv=30.0)
    early = sweeps_of(np.zeros((30, 200)), 0.0, rate_hz=10_000.0, stimulus=at.trace.stimulus)
    curve = curve_of([MarkedTrace(trace=early, marks=at.marks, found=at.found)])
    assert curve.amplitude_uv == pytest.approx(np.nan_to_num(amplitude))


def test_a_sweep_that_ends_before_the_peaks_is_read_at_its_last_sample():
    current, amplitude = stairs()
    at = scan(current, amplitude)
    samples = np.zeros((30, 70))  # 5 ms after the stimulus
    samples[:, -1] = -6.0
    short = sweeps_of(samples, 2.0, rate_hz=10_000.0, stimulus=at.trace.stimulus)
    assert curve_of([MarkedTrace(trace=short, marks=at.marks, found=at.found)]).maximum_uv == 10_000.0 - 6.0


def test_all_traces_of_a_site_are_one_curve():
    current, amplitude = stairs()
    whole = curve_of([scan(current, amplitude, left_uv=6.0)])
    halves = curve_of(
        [scan(current[:15], amplitude[:15], left_uv=6.0), scan(current[15:], amplitude[15:], left_uv=6.0)]
    )
    unstated = scan(None, [5.0, 6.0])
    unmarked = marked("wrist", None, None, reason=Reason.NO_STIMULUS_TIME)
    with_more = curve_of([unstated, unmarked, scan(current, amplitude, left_uv=6.0)])
    for one in (halves, with_more):
        assert one.current_ma.tolist() == whole.current_ma.tolist()
        assert one.amplitude_uv.tolist() == whole.amplitude_uv.tolist()


@pytest.mark.parametrize(
    ("traces", "reason"),
    [
        ([scan(None, [1.0] * 30)], Reason.NO_INTENSITY),
        ([scan([NAN] * 30, [1.0] * 30)], Reason.TOO_FEW_RESPONSES),
        ([marked("wrist", None, None, reason=Reason.NO_STIMULUS_TIME)], Reason.NO_STIMULUS_TIME),
        ([scan(None, [1.0]), marked("a", None, None, reason=Reason.NO_TECHNIQUE)], Reason.NO_TECHNIQUE),
        ([scan(np.arange(19.0), [1.0] * 19)], Reason.TOO_FEW_RESPONSES),
        ([scan([*np.arange(19.0), 5.0, 6.0], [1.0] * 21)], Reason.TOO_FEW_RESPONSES),
        ([scan(np.arange(20.0), [NAN] * 20)], Reason.NO_RESPONSE),
    ],
)
def test_why_there_is_no_curve(traces, reason):
    assert curve_of(traces) is reason


def test_twenty_currents_are_a_scan():
    assert isinstance(curve_of([scan(np.arange(20.0), [NAN] * 10 + [1000.0] * 10)]), ScanCurve)


def test_the_noise_is_that_of_the_plateau_and_never_below_that_of_the_marks():
    """Amplitudes on the plateau scatter around 10 000 with a median deviation of 30, hence an SD of 44.5."""
    current, amplitude = stairs(n_top=21)
    amplitude[-21:] = 10_000.0 + np.tile([-30.0, 0.0, 30.0, -60.0, 60.0, 30.0, -30.0], 3)
    curve = curve_of([scan(current, amplitude)])
    assert (curve.maximum_uv, curve.plateau) == (10_000.0, 21)
    assert curve.noise_uv == pytest.approx(1.4826 * 30.0)
    assert curve_of([scan(current, amplitude, sd=80.0)]).noise_uv == 80.0
    assert curve_of([scan(current, amplitude, sd=NAN)]).noise_uv == pytest.approx(1.4826 * 30.0)


@pytest.mark.parametrize(("n_top", "plateau"), [(5, 5), (6, 6), (30, 30)])
def test_five_stimuli_are_a_plateau(n_top, plateau):
    curve = curve_of([scan(*stairs(n_top=n_top))])
    assert (curve.plateau, curve.maximum_uv) == (plateau, 10_000.0)


def test_a_curve_that_rises_to_its_end_has_no_plateau():
    current, amplitude = stairs(n_rising=40, n_top=1)
    curve = curve_of([scan(current, amplitude)])
    assert curve.plateau == 0
    assert curve.maximum_uv == pytest.approx(np.median(amplitude[-5:]))  # of the strongest five
    slow = np.concatenate([np.full(10, NAN), np.linspace(1000.0, 9000.0, 10), np.linspace(9500.0, 9600.0, 40)])
    still = curve_of([scan(np.arange(1.0, 61.0), slow)])
    assert still.plateau in {0, *range(5, 41)}
    steep = np.concatenate([np.full(10, NAN), np.linspace(500.0, 10_000.0, 30)])
    assert curve_of([scan(np.arange(1.0, 41.0), steep)]).plateau == 0


@pytest.mark.parametrize(("noise", "plateau"), [(0.1, 0), (0.12, 6)])
def test_a_plateau_rises_by_no_more_than_three_times_its_noise(noise, plateau):
    amplitude = np.array([0.0] * 5 + [10.0] * 3 + [10.35] * 3)
    assert cmap_scan._plateau(amplitude, 10.2, noise) == plateau


def test_the_strongest_twentieth_sets_the_level():
    """200 stimuli: the median of the strongest ten, not of the strongest five."""
    current = np.arange(1.0, 201.0)
    amplitude = np.concatenate(
        [np.full(20, NAN), np.linspace(100.0, 9000.0, 170), np.full(6, 9990.0), np.full(4, 9000.0)]
    )
    curve = curve_of([scan(current, amplitude, sd=200.0)])
    assert (curve.maximum_uv, curve.plateau) == (9990.0, 0)  # the last four lie too low for a plateau


def curve(amplitude, *, current=None, maximum=10_000.0, noise=10.0, plateau=5):
    amplitude = np.array(amplitude, float)
    current = np.arange(1.0, amplitude.size + 1) if current is None else np.array(current, float)
    return ScanCurve(current_ma=current, amplitude_uv=amplitude, maximum_uv=maximum, noise_uv=noise, plateau=plateau)


def test_the_current_for_a_share_of_the_maximum():
    straight = curve([0.0, 2500.0, 5000.0, 7500.0, 10_000.0])
    assert [straight.current_at(share) for share in (0.05, 0.25, 0.5, 0.625, 1.0)] == pytest.approx(
        [1.2, 2.0, 3.0, 3.5, 5.0]
    )
    assert curve([6000.0, 7000.0]).current_at(0.5) == 1.0  # the first is above already
    bent = curve([0.0, 6000.0, 4000.0, 10_000.0])  # 6000 and 4000 stand at their mean of 5000
    assert bent.current_at(0.5) == pytest.approx(2.0)
    assert bent.current_at(0.75) == pytest.approx(3.5)
    repeated = curve([0.0, 4000.0, 6000.0, 10_000.0], current=[1.0, 2.0, 2.0, 3.0])
    assert (repeated.current_at(0.5), repeated.current_at(0.25)) == pytest.approx((2.0, 1.5))


def test_the_rising_curve_weighs_what_it_pools():
    assert rising(np.array([3.0, 1.0]), np.array([3.0, 1.0])).tolist() == [2.5, 2.5]
    assert rising(np.array([5.0, 4.0, 3.0, 9.0]), np.array([1.0, 1.0, 2.0, 1.0])).tolist() == [3.75] * 3 + [9.0]
    assert rising(np.array([1.0, 5.0, 3.0, 2.0]), np.array([1.0, 1.0, 1.0, 2.0])).tolist() == [1.0] + [3.0] * 3
    assert rising(np.array([2.0, 2.0]), np.array([1.0, 9.0])).tolist() == [2.0, 2.0]


def rows(*traces):
    made = part(*traces, technique=Technique.CMAP_SCAN)
    cmap_scan.measure(made)
    return made.rows


STIMULI = "by hand; 30 stimuli from 1 to 30 mA"
PLATEAU = f"{STIMULI}; plateau of 10"


def test_every_row_of_a_scan():
    """Silence up to 10 mA, ten equal steps of 10000 / 11 to the maximum at 21 mA."""
    found = rows(scan(*stairs(), sd=10.0))
    step = 10_000 / 11
    steps = f"{STIMULI}; steps above 5 times the noise, 50 uV"
    s5, s50, s95 = (10 + 11 * share for share in (0.05, 0.5, 0.95))
    expected = [
        ("scan_maximum_amplitude", 10_000.0, 1.2533 * 10.0 / math.sqrt(10), PLATEAU),
        ("scan_noise", 10.0, None, PLATEAU),
        ("scan_s0", 10.5, None, PLATEAU),
        ("scan_s5", s5, None, PLATEAU),
        ("scan_s50", s50, None, PLATEAU),
        ("scan_s95", s95, None, PLATEAU),
        ("scan_s100", 20.5, None, PLATEAU),
        ("scan_range", 100 * (s95 - s5) / s50, None, PLATEAU),
        ("scan_step_count", 11.0, None, steps),
        ("scan_largest_step", step, math.sqrt(2) * 10.0, None),
        ("scan_step_share", 100.0, None, steps),
        ("scan_d50", 6.0, None, steps),
    ]
    assert {row.quantity for row in found} == {name for name, *_ in expected}
    for name, value, sd, method in expected:
        row = pick(found, name)
        assert (row.value, row.sd, row.site) == (pytest.approx(value), pytest.approx(sd), "wrist"), name
        assert method is None or row.method == method, name
    assert pick(found, "scan_largest_step").method.startswith(f"{steps}; up to ")


def test_the_largest_step_is_told_with_the_response_above_it():
    current, amplitude = stairs()
    amplitude[15] = amplitude[14] + 2000.0  # the current of 16 mA
    amplitude[16:20] = amplitude[15] + np.arange(1, 5) * 100.0
    row = pick(rows(scan(current, amplitude, sd=10.0)), "scan_largest_step")
    assert row.value == pytest.approx(10_000.0 - amplitude[19])
    assert row.method.endswith("; up to 10000 uV at 21 mA")
    amplitude[15] += 2500.0
    amplitude[16:20] += 2500.0
    row = pick(rows(scan(current, amplitude, sd=10.0)), "scan_largest_step")
    assert row.value == pytest.approx(4500.0)
    assert row.method.endswith(f"; up to {amplitude[15]:.0f} uV at 16 mA")


def test_steps_within_the_noise_are_none():
    found = rows(scan(*stairs(), sd=200.0))
    assert pick(found, "scan_step_count").value == 0.0
    assert pick(found, "scan_step_share").value == 0.0
    largest = pick(found, "scan_largest_step")
    assert (largest.value, largest.reason) == (None, Reason.NO_STEPS)
    assert largest.method == f"{STIMULI}; steps above 5 times the noise, 1000 uV"
    assert pick(found, "scan_d50").value == 6.0  # half of the maximum in steps of a tenth
    exact = cmap_scan._steps(curve([0.0, 50.0, 10_000.0], noise=10.0))
    assert exact["scan_step_count"][0].value == 1.0  # a step of five times the noise is none


def test_half_of_the_maximum_may_not_be_reached():
    found = cmap_scan._steps(curve([4000.0, 4100.0, 8000.0], maximum=10_000.0))
    assert found["scan_d50"] == (Value.missing(Reason.NO_STEPS), "")
    half = cmap_scan._steps(curve([0.0, 5000.0, 6000.0], maximum=10_000.0))
    assert half["scan_d50"][0].value == 1.0
    assert half["scan_step_share"][0].value == pytest.approx(60.0)


def test_a_scan_without_silence_has_no_s0_and_one_on_the_plateau_no_s100():
    found = rows(scan(*stairs(n_silent=0, n_rising=20)))
    assert pick(found, "scan_s0").reason is Reason.NO_SILENT_STIMULUS
    assert pick(found, "scan_s100").value == 20.5
    flat = cmap_scan._places(curve([10_000.0] * 6, plateau=6))
    assert flat["scan_s100"] == Value.missing(Reason.NO_PLATEAU)
    last = cmap_scan._places(curve([0.0, *[10_000.0] * 5], plateau=5))
    assert last["scan_s100"].value == last["scan_s0"].value == 1.5


def test_without_a_plateau_steps_are_told_alone():
    found = rows(scan(*stairs(n_rising=40, n_top=1)))
    steps = {"scan_step_count", "scan_largest_step", "scan_step_share", "scan_d50"}
    assert {row.quantity for row in found if row.reason is not Reason.NO_PLATEAU} == steps
    for row in found:
        assert "plateau" not in row.method
        assert row.method.startswith("by hand; 51 stimuli from 1 to 51 mA")


def test_sites_are_scans_of_their_own_and_without_a_curve_all_rows_say_why():
    found = rows(scan(*stairs()), scan([1.0, 2.0], [NAN, 5.0], site="elbow"), scan(None, [1.0], site=None))
    for site, reason in (("elbow", Reason.TOO_FEW_RESPONSES), (None, Reason.NO_INTENSITY)):
        here = [row for row in found if row.site == site]
        assert len(here) == 12
        assert {(row.reason, row.method) for row in here} == {(reason, "by hand")}
    assert pick(found, "scan_s50", site="wrist").value == pytest.approx(15.5)


def test_edits_of_sweeps_are_said_in_every_row():
    current, amplitude = stairs()
    said = {"cmap": ("sweep 2: negative peak moved by A",), "other": ("nothing of this",)}
    found = rows(scan(current[:20], amplitude[:20]), scan(current[20:], amplitude[20:], sweep_edits=said))
    for row in found:
        assert row.method.endswith("; sweep 2: negative peak moved by A"), row.quantity
        assert "edited" in row.flags
    assert {row.method.split("; ")[1] for row in found} == {"30 stimuli from 1 to 30 mA"}
