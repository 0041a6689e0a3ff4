"""H reflex from hand-made sweeps: latencies, thresholds, curves, and what is said of them."""

import math

import numpy as np
import pytest

from ncs.detect.marks import Outcome
from ncs.measure import h_reflex
from ncs.measure._study import MarkedTrace, Value
from ncs.measure.h_reflex import Recruitment, boundary_ms, fit_sigmoid, recruitment_of
from ncs.model import Stimulus, Study, Technique
from ncs.results import Reason
from tests.measure.build import blank, entry, marked, part, pick, several

NAN = math.nan


def sweeps(heights, *, onset_ms=30.0, sd=0.1, outcome=None, peak_uv=NAN):
    """Marks by peak-to-peak amplitude; NaN is a sweep without a response."""
    heights = np.array(heights, float)
    n = heights.size
    usual = np.where(np.isnan(heights), Outcome.NO_RESPONSE, Outcome.FOUND)
    return several(
        n, peak_to_peak_uv=heights, onset_ms=np.broadcast_to(onset_ms, n), onset_sd_ms=np.broadcast_to(sd, n),
        peak_uv=np.broadcast_to(peak_uv, n), outcome=usual if outcome is None else outcome,
    )  # fmt: skip


def series(m, h, intensity, *, nerve="tibial", **more):
    trace = blank(
        len(m), stimulation_site="popliteal fossa",
        stimulus=Stimulus(intensity_ma=None if intensity is None else np.array(intensity, float)),
    )  # fmt: skip
    found = {"cmap": entry(m, "cmap"), "h_reflex": entry(h, "h_reflex")}
    at = MarkedTrace(trace=trace, marks=found["cmap"].measured, found=found, how="not shown", **more)
    made = part(at, technique=Technique.H_REFLEX, nerve=nerve)
    h_reflex.measure(made)
    return made.rows


def recruited(m, h, intensity):
    stimulus = Stimulus(intensity_ma=np.array(intensity, float))
    return recruitment_of(blank(len(intensity), stimulus=stimulus), m, h)


METHOD = "onset at the first deflection of either polarity"
INTENSITY = [1.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 7.0, 8.0]
H = [NAN, 100.0, 800.0, 2000.0, 1800.0, 1000.0, 500.0, 100.0, NAN]
M = [NAN, NAN, NAN, 200.0, NAN, 1000.0, 3000.0, 3900.0, 4000.0]
ONSET = [NAN, 33.0, 31.0, 30.2, 30.4, 30.0, 29.5, 28.0, NAN]
SD = [NAN, 0.5, 0.2, 0.3, 0.4, 0.1, 0.6, 0.2, NAN]


def test_every_row_of_a_series():
    rows = series(sweeps(M), sweeps(H, onset_ms=ONSET, sd=SD), INTENSITY)
    how = f"{METHOD}; 9 stimuli; M wave before 22 ms, H reflex after"
    expected = {
        "h_latency": (30.3, math.sqrt((0.3**2 + 0.4**2) / 2 / 2), "; median of 2 at 4 mA, where it is largest"),
        "h_minimum_latency": (29.5, 0.6, "; sweep 7"),  # the earlier one is of a reflex that is too small
        "h_maximum_amplitude": (1900.0, None, ""),
        "m_maximum_amplitude": (4000.0, None, ""),
        "h_m_ratio": (47.5, None, ""),
        "h_threshold": (2.0, None, ""),
        "m_threshold": (4.0, None, ""),  # one of two stimuli
    }
    for name, (value, sd, note) in expected.items():
        row = pick(rows, name)
        assert (row.value, row.sd, row.method) == (pytest.approx(value), pytest.approx(sd), how + note), name
        assert (row.site, row.flags) == ("popliteal fossa", ())
    curves = recruited(sweeps(M), sweeps(H), INTENSITY)
    for letter, fit in (("m", curves.m_fit), ("h", curves.h_fit)):
        half, slope = pick(rows, f"{letter}_half_maximum_intensity"), pick(rows, f"{letter}_recruitment_slope")
        if fit is None:
            assert half.reason is slope.reason is Reason.NO_SIGMOID
            continue
        assert (half.value, half.sd) == (fit.half_ma, fit.half_sd_ma)
        assert slope.value == pytest.approx(100 * fit.slope_per_ma / 4)  # the steepest slope, percent of the maximum
    assert {row.quantity for row in rows} == {*expected, *(
        f"{letter}_{name}" for letter in "mh" for name in ("half_maximum_intensity", "recruitment_slope")
    )}  # fmt: skip
    assert curves.m_fit is not None
    assert curves.h_fit is None  # four intensities on the rising limb


def test_the_curves_average_equal_stimuli_and_count_nothing_as_zero():
    curves = recruited(sweeps(M), sweeps(H), INTENSITY)
    assert curves.intensity_ma.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert curves.h_uv.tolist() == [0, 100, 800, 1900, 1000, 500, 100, 0]
    assert curves.m_uv.tolist() == [0, 0, 0, 100, 1000, 3000, 3900, 4000]
    assert curves.sweep_intensity_ma.tolist() == INTENSITY
    assert (curves.sweep_h_uv.tolist(), curves.sweep_m_uv.tolist()) == (
        np.nan_to_num(H).tolist(),
        np.nan_to_num(M).tolist(),
    )
    assert curves.largest_h == 3


def test_sweeps_that_cannot_be_judged_are_left_out_of_both_curves():
    outcome = [Outcome.FOUND, Outcome.CLIPPED, Outcome.FOUND, Outcome.FOUND]
    invalid = [Outcome.FOUND, Outcome.FOUND, Outcome.INVALID_INPUT, Outcome.FOUND]
    curves = recruited(
        sweeps([1.0, 2.0, 3.0, 4.0], outcome=outcome), sweeps([5.0, 6.0, 7.0, 8.0], outcome=invalid), [1, 2, 3, 4]
    )
    assert (curves.intensity_ma.tolist(), curves.m_uv.tolist(), curves.h_uv.tolist()) == ([1, 4], [1, 4], [5, 8])
    unstated = recruited(sweeps([1.0, 2.0]), sweeps([5.0, 6.0]), [NAN, 2.0])
    assert unstated.intensity_ma.tolist() == [2.0]


@pytest.mark.parametrize(
    ("intensity", "outcome", "reason"),
    [
        (None, Outcome.FOUND, Reason.NO_INTENSITY), ([NAN, NAN], Outcome.FOUND, Reason.NO_INTENSITY),
        ([1.0, 2.0], Outcome.CLIPPED, Reason.INVALID_SAMPLES),
        ([1.0, 2.0], Outcome.INVALID_INPUT, Reason.INVALID_SAMPLES),
    ],
)  # fmt: skip
def test_why_there_are_no_curves(intensity, outcome, reason):
    stimulus = Stimulus(intensity_ma=None if intensity is None else np.array(intensity))
    trace = blank(2, stimulus=stimulus)
    good, other = sweeps([1.0, 2.0]), sweeps([1.0, 2.0], outcome=[outcome] * 2)
    assert recruitment_of(trace, good, other) is reason
    assert recruitment_of(trace, other, good) is reason


def test_a_response_without_positive_peak_counts_with_its_negative_one():
    found = sweeps([NAN, 100.0, NAN], peak_uv=[40.0, 50.0, NAN], outcome=[Outcome.FOUND] * 3)
    curves = recruited(found, found, [1, 2, 3])
    assert curves.m_uv.tolist() == [40.0, 100.0, 0.0]


def test_without_intensities_the_largest_sweeps_count():
    rows = series(sweeps(M), sweeps(H, onset_ms=ONSET, sd=SD), None)
    latency = pick(rows, "h_latency")
    assert (latency.value, latency.sd) == (pytest.approx(30.2), pytest.approx(0.3))
    assert latency.method.endswith("; largest H reflex")
    assert pick(rows, "h_maximum_amplitude").value == 2000.0
    assert pick(rows, "m_maximum_amplitude").value == 4000.0
    assert pick(rows, "h_m_ratio").value == pytest.approx(50.0)
    missing = {row.quantity for row in rows if row.reason is Reason.NO_INTENSITY}
    assert missing == {
        "h_threshold", "m_threshold", "h_half_maximum_intensity", "m_half_maximum_intensity", "h_recruitment_slope",
        "m_recruitment_slope",
    }  # fmt: skip


def test_without_an_m_wave_there_is_no_ratio():
    nothing = sweeps([NAN] * 9)
    for intensity in (INTENSITY, None):
        rows = series(nothing, sweeps(H, onset_ms=ONSET, sd=SD), intensity)
        assert pick(rows, "m_maximum_amplitude").value == 0.0
        assert pick(rows, "h_m_ratio").reason is Reason.NO_RESPONSE
    assert pick(series(nothing, sweeps(H), INTENSITY), "m_threshold").reason is Reason.NO_RESPONSE


@pytest.mark.parametrize(
    ("heights", "onset", "sd", "reason"),
    [
        ([NAN] * 3, NAN, NAN, Reason.NO_RESPONSE),
        ([50.0] * 3, 30.0, 1.01, Reason.TOO_NOISY),
        ([50.0] * 3, NAN, 0.1, Reason.TOO_NOISY),
        ([50.0] * 3, 30.0, 1.0, None),
    ],
)
def test_a_latency_needs_an_onset_known_within_a_millisecond(heights, onset, sd, reason):
    rows = series(sweeps([1.0] * 3), sweeps(heights, onset_ms=onset, sd=sd), [1.0, 2.0, 3.0])
    for name in ("h_latency", "h_minimum_latency"):
        row = pick(rows, name)
        assert (row.value is None, row.reason) == (reason is not None, reason)
        assert reason is None or row.method == f"{METHOD}; 3 stimuli; M wave before 22 ms, H reflex after"


def test_where_the_largest_mean_cannot_be_timed_the_largest_sweep_is():
    """At 2 mA the reflex is largest and its onset unknown; of the others that at 1 mA is the larger one."""
    h = sweeps([500.0, 900.0, 400.0], onset_ms=[31.0, NAN, 32.0], sd=[0.2, NAN, 0.1])
    row = pick(series(sweeps([1.0] * 3), h, [1.0, 2.0, 3.0]), "h_latency")
    assert (row.value, row.sd) == (31.0, 0.2)
    assert row.method.endswith("; largest H reflex")


def test_a_small_reflex_gives_no_shortest_latency():
    for height, shortest, number in ((100.0, 28.0, 1), (99.0, 30.0, 2)):
        h = sweeps([height, 1000.0], onset_ms=[28.0, 30.0], sd=[0.2, 0.1])
        row = pick(series(sweeps([1.0] * 2), h, [1.0, 2.0]), "h_minimum_latency")
        assert row.value == shortest
        assert row.method.endswith(f"; sweep {number}")


@pytest.mark.parametrize(
    ("heights", "intensity", "threshold"),
    [
        ([NAN, 5.0, 9.0, 4.0], [1, 2, 3, 4], 2.0), ([5.0, NAN, 9.0, 9.0], [1, 2, 3, 4], 3.0),
        ([0.5, 5.0, 9.0], [1, 2, 3], 1.0), ([NAN, 5.0, 9.0, 9.0], [2, 2, 3, 4], 2.0),
        ([NAN, NAN, 5.0, 9.0], [2, 2, 2, 4], 4.0), ([NAN, 1.0, NAN, 9.0], [1, 4, 2, 3], 3.0),
    ],
)  # fmt: skip
def test_the_threshold_reaches_down_to_where_half_of_the_stimuli_evoke_a_response(heights, intensity, threshold):
    rows = series(sweeps([1.0] * len(heights)), sweeps(heights), intensity)
    assert pick(rows, "h_threshold").value == threshold


def test_a_trace_that_lacks_one_of_the_responses_has_no_values():
    at = marked("knee", None, None, reason=Reason.NO_TECHNIQUE, how="said")
    only_m = {"cmap": entry(sweeps([1.0]), "cmap")}
    for one, reason in (
        (at, Reason.NO_TECHNIQUE),
        (MarkedTrace(trace=blank(1), marks=only_m["cmap"].measured, found=only_m), Reason.NO_STIMULUS_TIME),
    ):
        made = part(one, technique=Technique.H_REFLEX)
        h_reflex.measure(made)
        assert len(made.rows) == 11
        assert {row.reason for row in made.rows} == {reason}
    assert {row.method for row in made.rows} == {METHOD}


def test_edits_of_sweeps_are_said_in_every_row():
    said = {"h_reflex": ("sweep 1: onset moved by A",), "cmap": ("sweep 2: onset moved by B",), "r1": ("none",)}
    for intensity in (INTENSITY, None):
        rows = series(sweeps(M), sweeps(H, onset_ms=ONSET, sd=SD), intensity, sweep_edits=said)
        for row in rows:
            assert row.method.endswith("; sweep 2: onset moved by B; sweep 1: onset moved by A"), row.quantity
            assert "edited" in row.flags


def test_the_boundary_is_said_and_is_where_the_windows_meet():
    assert "M wave before 13 ms" in pick(series(sweeps(M), sweeps(H), INTENSITY, nerve="median"), "h_threshold").method
    for nerve, boundary in (("tibial", 22.0), (None, 22.0), ("median", 13.0)):
        study, trace = Study(traces=(), nerve=nerve), blank(1)
        assert boundary_ms(nerve) == boundary
        assert h_reflex.TECHNIQUE.window(study, trace, "cmap") == (0.6, boundary)
        assert h_reflex.TECHNIQUE.window(study, trace, "h_reflex") == (boundary, 80.0)


def sigmoid(x, maximum, half, slope):
    return maximum / (1 + np.exp(-slope * (x - half)))


@pytest.mark.parametrize(("maximum", "half", "slope"), [(4000.0, 4.2, 1.5), (300.0, 7.5, 4.0), (900.0, 2.0, 0.8)])
def test_a_sigmoid_is_found_with_its_deviation(maximum, half, slope):
    x = np.linspace(0.0, 10.0, 21)
    noise = 0.01 * maximum * np.random.default_rng(1).standard_normal((40, x.size))
    fits = [fit_sigmoid(x, sigmoid(x, maximum, half, slope) + one) for one in noise]
    assert np.mean([fit.half_ma for fit in fits]) == pytest.approx(half, abs=0.05)
    assert np.mean([fit.maximum_uv for fit in fits]) == pytest.approx(maximum, rel=0.01)
    assert np.mean([fit.slope_per_ma for fit in fits]) == pytest.approx(slope, rel=0.05)
    spread = np.std([fit.half_ma for fit in fits])
    assert np.median([fit.half_sd_ma for fit in fits]) == pytest.approx(spread, rel=0.4)


def test_five_intensities_make_a_sigmoid():
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert fit_sigmoid(x, sigmoid(x, 100.0, 3.0, 2.0)) is not None
    assert fit_sigmoid(x[:4], sigmoid(x[:4], 100.0, 3.0, 2.0)) is None


def test_a_sigmoid_may_lie_partly_outside_what_was_stimulated():
    x = np.linspace(5.0, 9.0, 9)
    late = fit_sigmoid(x, sigmoid(x, 1000.0, 9.5, 1.2))
    assert (late.maximum_uv, late.half_ma) == pytest.approx((1000.0, 9.5), rel=1e-3)
    early = fit_sigmoid(x, sigmoid(x, 1000.0, 4.5, 1.2))
    assert (early.maximum_uv, early.half_ma) == pytest.approx((1000.0, 4.5), rel=1e-3)


def test_a_rise_without_end_is_not_drawn_on_for_ever():
    x = np.linspace(0.0, 10.0, 11)
    fit = fit_sigmoid(x, 100.0 * np.exp(0.5 * (x - 10.0)))
    assert 100.0 < fit.maximum_uv <= 300.0
    assert 10.0 < fit.half_ma <= 20.0


def test_responses_that_do_not_rise_with_the_stimulus_have_no_sigmoid():
    """Every stimulus was above the plateau: the middle may lie anywhere below."""
    assert fit_sigmoid(np.linspace(0.0, 10.0, 11), np.full(11, 100.0)) is None


def test_a_curve_that_is_none_still_has_amplitudes():
    curves = Recruitment(
        intensity_ma=np.array([1.0, 2.0]), m_uv=np.array([10.0, 40.0]), h_uv=np.array([20.0, 10.0]),
        sweep_intensity_ma=np.array([1.0, 2.0]), sweep_m_uv=np.array([10.0, 40.0]), sweep_h_uv=np.array([20.0, 10.0]),
        m_fit=None, h_fit=None,
    )  # fmt: skip
    values = h_reflex._curve_values(curves)
    assert values["h_m_ratio"] == Value(value=50.0)
    assert values["m_half_maximum_intensity"] == Value.missing(Reason.NO_SIGMOID)
