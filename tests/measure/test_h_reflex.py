"""H-reflex figures: recruitment curves with their sigmoids, latency, thresholds."""

import math
from dataclasses import replace

import numpy as np
import pytest
from lxml import etree

import ncs
from ncs.errors import InvalidInputError
from ncs.measure.h_reflex import Recruitment, boundary_ms, fit_sigmoid, recruitment_of
from ncs.model import Stimulus, Subject, Trace, Visit
from ncs.report.recruitment import recruitment_svg
from ncs.results import Reason
from ncs.simulate.late import H_RECORDING, h_reflex_study
from tests.measure.build import pick
from tests.measure.test_f_wave import sweep_marks

SOLEUS = {
    "ncs_sidecar": 1, "subject": "soleus", "date": "2000-01-01", "nerve": "tibial", "technique": "h_reflex",
    "recording_site": "soleus", "unit": "mV", "polarity": "true", "stimulus_ms": "time_zero",
    "layout": {"time_column": 1, "time_unit": "ms", "intensity_row": 1, "intensity_unit": "mA"},
}  # fmt: skip


def analyzed(study):
    return ncs.analyze(Visit(subject=Subject(id="P1"), date=None, studies=(study,)))


@pytest.fixture(scope="module")
def simulated():
    contamination = replace(H_RECORDING.contamination, noise_uv=15.0)
    study, truth = h_reflex_study(seed=21, recording=replace(H_RECORDING, contamination=contamination))
    return study, truth, analyzed(study)


def test_latency_and_amplitudes_of_a_simulated_series(simulated):
    _, truth, result = simulated
    rows = result.measurements
    largest = int(truth.h_reflex.peak_to_peak_uv.argmax())
    assert pick(rows, "h_latency").value == pytest.approx(truth.h_reflex.onset_ms[largest], abs=0.3)
    large = truth.h_reflex.peak_to_peak_uv > 0.1 * truth.h_maximum_uv
    shortest = truth.h_reflex.onset_ms[large].min()
    assert pick(rows, "h_minimum_latency").value == pytest.approx(shortest, abs=0.6)
    assert pick(rows, "h_maximum_amplitude").value == pytest.approx(truth.h_maximum_uv, rel=0.05)
    assert pick(rows, "m_maximum_amplitude").value == pytest.approx(truth.m_maximum_uv, rel=0.05)
    ratio = 100 * truth.h_maximum_uv / truth.m_maximum_uv
    assert pick(rows, "h_m_ratio").value == pytest.approx(ratio, rel=0.08)


def test_thresholds_and_sigmoids_of_a_simulated_series(simulated):
    _, truth, result = simulated
    rows = result.measurements
    first = truth.intensity_ma[(truth.h_reflex.peak_to_peak_uv > 60.0).argmax()]
    assert pick(rows, "h_threshold").value == pytest.approx(first, abs=1.0)
    assert pick(rows, "h_threshold").value < pick(rows, "m_threshold").value
    half = truth.intensity_ma[(truth.m_wave.peak_to_peak_uv > 0.5 * truth.m_maximum_uv).argmax()]
    found = pick(rows, "m_half_maximum_intensity")
    assert found.value == pytest.approx(half, abs=0.6)
    assert 0 < found.sd < 0.5
    assert pick(rows, "m_recruitment_slope").value > 0
    assert pick(rows, "h_half_maximum_intensity").value < found.value


def test_the_human_soleus(recordings):
    visit = ncs.read(recordings / "m_h_reflex_soleus" / "example-waveforms.csv", sidecar=SOLEUS)
    result = ncs.analyze(visit)
    rows = result.measurements
    assert 29.0 < pick(rows, "h_latency").value < 33.0
    assert 2000.0 < pick(rows, "h_maximum_amplitude").value < 3000.0
    assert 3500.0 < pick(rows, "m_maximum_amplitude").value < 5000.0
    assert 50.0 < pick(rows, "h_m_ratio").value < 75.0
    assert pick(rows, "h_threshold").value == 2.0
    assert pick(rows, "m_threshold").value == 4.5
    assert 2.0 < pick(rows, "h_half_maximum_intensity").value < 3.0
    assert 4.0 < pick(rows, "m_half_maximum_intensity").value < 5.5
    text = recruitment_svg(result, 0)
    assert "M wave" in text
    assert "H reflex" in text


def test_without_intensities_there_are_amplitudes_and_no_curve(simulated):
    study, _, _ = simulated
    blind = replace(study, traces=(replace(study.traces[0], stimulus=Stimulus()),))
    rows = analyzed(blind).measurements
    assert pick(rows, "h_m_ratio").value > 0
    assert pick(rows, "h_latency").value > 20.0
    for name in ("h_threshold", "m_threshold", "h_half_maximum_intensity", "m_recruitment_slope"):
        assert pick(rows, name).reason is Reason.NO_INTENSITY


def test_no_reflex_is_no_latency_and_an_amplitude_of_zero():
    study, _ = h_reflex_study(seed=3, reflex_share=0.0)
    rows = analyzed(study).measurements
    assert pick(rows, "h_latency").reason is Reason.NO_RESPONSE
    assert pick(rows, "h_maximum_amplitude").value == 0.0
    assert pick(rows, "h_threshold").reason is Reason.NO_RESPONSE
    assert pick(rows, "h_half_maximum_intensity").reason is Reason.NO_SIGMOID


def test_the_boundary_depends_on_the_nerve():
    assert boundary_ms("tibial") == 22.0
    assert boundary_ms("median") == 13.0
    assert boundary_ms(None) == 22.0


def test_a_sigmoid_is_found_again():
    x = np.linspace(0.0, 10.0, 21)
    y = 4000.0 / (1.0 + np.exp(-1.5 * (x - 4.2)))
    fit = fit_sigmoid(x, y)
    assert (fit.maximum_uv, fit.half_ma, fit.slope_per_ma) == pytest.approx((4000.0, 4.2, 1.5), rel=1e-3)
    np.testing.assert_allclose(fit.at(x), y, rtol=1e-3)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.arange(3.0), np.arange(3.0)),
        (np.arange(10.0), np.zeros(10)),
        (np.full(10, 2.0), np.ones(10)),
    ],
    ids=["few", "nothing", "one intensity"],
)
def test_no_sigmoid_where_none_is_determined(x, y):
    assert fit_sigmoid(x, y) is None


def test_equal_stimuli_are_averaged_and_nothing_counts_as_zero():
    intensity = np.array([1.0, 1.0, 2.0, 2.0, 3.0])
    trace = Trace(samples_uv=np.zeros((5, 10)), sampling_rate_hz=1e4, stimulus=Stimulus(intensity_ma=intensity))
    nan = math.nan
    h = sweep_marks([nan, 30.0, 30.0, 30.0, nan], height=[nan, 100.0, 300.0, 500.0, nan])
    m = sweep_marks([nan, nan, nan, 5.0, 5.0], height=[nan, nan, nan, 200.0, 1000.0])
    curves = recruitment_of(trace, m, h)
    assert isinstance(curves, Recruitment)
    assert curves.intensity_ma.tolist() == [1.0, 2.0, 3.0]
    assert curves.h_uv.tolist() == [50.0, 400.0, 0.0]
    assert curves.m_uv.tolist() == [0.0, 100.0, 1000.0]
    assert curves.largest_h == 1


def test_the_picture_is_an_svg_with_both_curves(simulated):
    study, _, result = simulated
    text = recruitment_svg(result, 0)
    root = etree.fromstring(text.encode())
    assert root.tag.endswith("svg")
    assert "sigmoid, half at" in text
    assert "stimulus intensity (mA)" in text
    with pytest.raises(InvalidInputError, match="H-reflex study"):
        recruitment_svg(result, 5)
    blind = replace(study, traces=(replace(study.traces[0], stimulus=Stimulus()),))
    with pytest.raises(InvalidInputError, match="not stated"):
        recruitment_svg(analyzed(blind), 0)
