"""A scan with known truth: units fire above their thresholds, and the sum of those that fire is what is recorded."""

import numpy as np
import pytest

from ncs import simulate
from ncs.errors import InvalidInputError
from ncs.model import Technique
from ncs.simulate import Contamination, Recording, ScanNerve

QUIET = Recording(contamination=Contamination())


def test_sweeps_show_their_true_amplitude_and_the_strongest_the_maximum():
    study, truth = simulate.cmap_scan_study(seed=4, n_stimuli=150, recording=QUIET)
    (trace,) = study.traces
    assert study.technique is Technique.CMAP_SCAN
    assert -trace.samples_uv.min(axis=1) == pytest.approx(truth.peak_uv, rel=2e-3, abs=1e-3)
    assert truth.peak_uv[0] == pytest.approx(9000.0)
    assert truth.peak_uv[-1] == 0.0
    assert (np.diff(trace.stimulus.intensity_ma) < 0).all()


def test_certain_units_fire_exactly_above_their_threshold():
    study, truth = simulate.cmap_scan_study(seed=1, n_units=8, uncertainty=1e-4, n_stimuli=300, recording=QUIET)
    current = study.traces[0].stimulus.intensity_ma
    assert truth.thresholds_ma.size == truth.unit_uv.size == 8
    clear = np.abs(current[:, np.newaxis] / truth.thresholds_ma - 1).min(axis=1) > 1e-3
    firing = (current[:, np.newaxis] > truth.thresholds_ma).sum(axis=1)
    assert (truth.peak_uv[clear & (firing == 0)] == 0.0).all()
    for count in range(1, 9):
        same = truth.peak_uv[clear & (firing == count)]
        assert same.size == 0 or np.ptp(same) == pytest.approx(0.0, abs=1e-6)
    first = truth.peak_uv[clear & (firing == 1)]
    assert first == pytest.approx(truth.unit_uv[0], rel=1e-2)


def test_currents_of_the_truth_are_ordered():
    for seed in range(10):
        _, truth = simulate.cmap_scan_study(seed=seed, n_stimuli=20)
        assert truth.s5_ma < truth.s50_ma < truth.s95_ma
        assert truth.s0_ma < truth.s50_ma < truth.s100_ma


def test_a_scan_needs_two_stimuli():
    with pytest.raises(InvalidInputError, match="n_stimuli"):
        ScanNerve(n_stimuli=1)
