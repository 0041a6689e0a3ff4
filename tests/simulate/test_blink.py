"""The blink reflex with known truth: which component is on which side, and when it begins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs import simulate
from ncs.errors import InvalidInputError
from ncs.model import Side, Technique
from ncs.simulate import BlinkReflex, Contamination, Recording

QUIET = Recording(n_sweeps=4, duration_ms=110.0, stimulus_ms=10.0, contamination=Contamination())


def begins(trace, share, first_ms=0.0, last_ms=100.0):
    """When each sweep first exceeds a share of its largest deflection in a window."""
    time = np.arange(trace.n_samples) / 20 - trace.stimulus_ms[0]
    inside = (time >= first_ms) & (time < last_ms)
    size = np.abs(trace.samples_uv[:, inside])
    return time[inside][(size >= share * size.max(axis=1, keepdims=True)).argmax(axis=1)]


@given(r1=st.floats(8.0, 18.0), r2=st.floats(40.0, 60.0), seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_components_begin_where_the_truth_says(r1, r2, seed):
    (near, far), (near_truth, far_truth) = simulate.blink_study(
        seed=seed, r1_ms=r1, r2_ipsilateral_ms=r2, r2_contralateral_ms=r2, recording=QUIET, r1_spread_ms=1.0
    )
    assert near_truth.r1_ms.min() >= r1
    assert near_truth.r2_ms.min() == pytest.approx(r2)
    assert begins(near.traces[0], 0.05, last_ms=30.0) == pytest.approx(near_truth.r1_ms, abs=0.1)
    assert begins(far.traces[0], 0.05) == pytest.approx(far_truth.r2_ms, abs=0.1)


def test_r1_is_on_the_stimulated_side_only_and_r2_is_another_one_every_time():
    (near, far), (near_truth, far_truth) = simulate.blink_study(seed=3, stimulated=Side.LEFT, recording=QUIET)
    assert (near.side, far.side) == (Side.LEFT, Side.RIGHT)
    assert near.technique is far.technique is Technique.BLINK_REFLEX
    assert near_truth.is_ipsilateral
    assert not far_truth.is_ipsilateral
    assert np.isnan(far_truth.r1_ms).all()
    assert {trace.stimulus.label for study in (near, far) for trace in study.traces} == {"Stimulus left supraorbital"}
    sweeps = far.traces[0].samples_uv
    assert np.corrcoef(sweeps[0], sweeps[1])[0, 1] < 0.8


@pytest.mark.parametrize("component", ["r1", "r2_ipsilateral", "r2_contralateral"])
def test_an_absent_component_leaves_nothing(component):
    (near, far), (near_truth, far_truth) = simulate.blink_study(seed=1, absent=(component,), recording=QUIET)
    times = {"r1": near_truth.r1_ms, "r2_ipsilateral": near_truth.r2_ms, "r2_contralateral": far_truth.r2_ms}
    assert {name for name, values in times.items() if np.isnan(values).all()} == {component}
    assert far.traces[0].samples_uv.any() == (component != "r2_contralateral")
    assert near.traces[0].samples_uv.any()


def test_impossible_reflexes_are_refused():
    with pytest.raises(InvalidInputError, match="r1_ms"):
        BlinkReflex(r1_ms=-1.0)
