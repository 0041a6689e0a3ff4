"""CMAP scan: curve, currents and step candidates against simulated truth, and what is missing."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncs
from ncs import simulate
from ncs.measure.cmap_scan import ScanCurve, rising
from ncs.model import Study, Subject, Visit
from ncs.results import Reason
from tests.measure.build import pick


def analysed(study: Study):
    return ncs.analyze(Visit(subject=Subject(id="P01"), date=dt.date(2021, 3, 9), studies=(study,))).measurements


def changed(study: Study, **fields):
    return replace(study, traces=(replace(study.traces[0], **fields),))


def strongest(study: Study, below_ma: float, above_ma: float = 0.0) -> Study:
    """The same scan with only the stimuli in between."""
    (trace,) = study.traces
    current = trace.stimulus.intensity_ma
    kept = np.flatnonzero((current < below_ma) & (current > above_ma))
    return changed(
        study, samples_uv=trace.samples_uv[kept], stimulus_ms=trace.stimulus_ms[kept],
        stimulus=replace(trace.stimulus, intensity_ma=current[kept]),
    )  # fmt: skip


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=60))
def test_the_rising_curve_never_falls_and_keeps_the_mean(values):
    fitted = rising(np.array(values), np.ones(len(values)))
    assert (np.diff(fitted) >= -1e-9).all()
    assert fitted.mean() == pytest.approx(np.mean(values), abs=1e-6)
    if (np.diff(values) >= 0).all():
        assert fitted == pytest.approx(values)


def test_currents_of_a_curve_made_by_hand():
    current = np.arange(1.0, 31.0)
    amplitude = np.clip((current - 10.0) * 1000.0, 0.0, 10_000.0)
    curve = ScanCurve(current_ma=current, amplitude_uv=amplitude, maximum_uv=10_000.0, noise_uv=5.0, plateau=11)
    assert curve.current_at(0.5) == pytest.approx(15.0)
    assert curve.current_at(0.05) == pytest.approx(10.5)
    assert curve.current_at(0.95) == pytest.approx(19.5)
    assert curve.steps_uv.sum() == pytest.approx(10_000.0)


def test_currents_of_simulated_scans():
    for seed in range(6):
        study, truth = simulate.cmap_scan_study(seed=seed, population="test", n_stimuli=250)
        rows = analysed(study)
        assert pick(rows, "scan_maximum_amplitude").value == pytest.approx(truth.maximum_uv, rel=0.01)
        assert pick(rows, "scan_s50").value == pytest.approx(truth.s50_ma, rel=0.015)
        assert pick(rows, "scan_s5").value == pytest.approx(truth.s5_ma, rel=0.03)
        assert pick(rows, "scan_s95").value == pytest.approx(truth.s95_ma, rel=0.03)
        assert pick(rows, "scan_s0").value == pytest.approx(truth.s0_ma, rel=0.05)
        assert pick(rows, "scan_s100").value == pytest.approx(truth.s100_ma, rel=0.05)
        assert "250 stimuli from" in pick(rows, "scan_s50").method


def test_large_units_are_steps_and_many_small_ones_are_not():
    few, few_truth = simulate.cmap_scan_study(seed=3, n_units=6, size_spread=0.8, amplitude_uv=3000.0, n_stimuli=250)
    many, _ = simulate.cmap_scan_study(seed=3, n_units=150, size_spread=0.3, amplitude_uv=3000.0, n_stimuli=250)
    loss, healthy = analysed(few), analysed(many)
    gap = np.diff(np.sort(few_truth.peak_uv)).max()
    assert pick(loss, "scan_largest_step").value == pytest.approx(gap, abs=30.0)
    assert pick(loss, "scan_step_share").value > 85.0
    assert pick(loss, "scan_d50").value < pick(healthy, "scan_d50").value
    assert pick(healthy, "scan_largest_step").value < 0.1 * 3000.0
    assert "steps above 5 times the noise" in pick(loss, "scan_step_count").method


def test_every_stimulus_in_a_trace_of_its_own_is_the_same_scan():
    """Machines that write the current into the stimulus text make one trace of every current."""
    study, _ = simulate.cmap_scan_study(seed=1, n_stimuli=60)
    (trace,) = study.traces
    single = tuple(
        replace(
            trace, samples_uv=trace.samples_uv[i : i + 1], stimulus_ms=trace.stimulus_ms[i : i + 1],
            stimulus=replace(trace.stimulus, intensity_ma=trace.stimulus.intensity_ma[i : i + 1]),
        )
        for i in range(trace.n_sweeps)
    )  # fmt: skip
    together, apart = analysed(study), analysed(replace(study, traces=single))
    assert len(apart) == len(together)
    for one, other in zip(together, apart, strict=True):
        assert one.value == other.value


def test_without_currents_there_is_no_curve():
    study, _ = simulate.cmap_scan_study(seed=1, n_stimuli=40)
    rows = analysed(changed(study, stimulus=replace(study.traces[0].stimulus, intensity_ma=None)))
    assert {row.reason for row in rows} == {Reason.NO_INTENSITY}


def test_a_few_stimuli_are_no_scan():
    study, _ = simulate.cmap_scan_study(seed=1, n_stimuli=12)
    assert {row.reason for row in analysed(study)} == {Reason.TOO_FEW_RESPONSES}


def test_a_curve_that_still_rises_has_no_maximum_and_no_currents():
    study, truth = simulate.cmap_scan_study(seed=2, n_stimuli=300)
    rows = analysed(strongest(study, below_ma=truth.s50_ma))
    for name in ("scan_maximum_amplitude", "scan_s50", "scan_s100"):
        assert pick(rows, name).reason is Reason.NO_PLATEAU
    assert pick(rows, "scan_step_count").value is not None


def test_a_scan_that_does_not_reach_silence_has_no_s0():
    study, truth = simulate.cmap_scan_study(seed=2, n_stimuli=300)
    rows = analysed(strongest(study, below_ma=1e3, above_ma=truth.s5_ma * 1.02))
    assert pick(rows, "scan_s0").reason is Reason.NO_SILENT_STIMULUS
    assert pick(rows, "scan_s50").value == pytest.approx(truth.s50_ma, rel=0.02)


def test_nothing_but_noise_has_no_curve():
    study, _ = simulate.cmap_scan_study(seed=2, n_stimuli=40, amplitude_uv=1e-3)
    rows = analysed(study)
    assert all(row.value is None for row in rows)
