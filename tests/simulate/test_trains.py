"""Trains with known truth: the course that was asked for is the course of the noise-free responses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs import simulate
from ncs.errors import InvalidInputError
from ncs.model import Technique
from ncs.simulate import Contamination, Recording, Train

QUIET = Recording(contamination=Contamination())


@given(decrement=st.floats(-60.0, 80.0), recovery=st.floats(0.0, 1.0), n=st.integers(1, 30), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_responses_that_shrink_alike_lose_what_was_asked_for(decrement, recovery, n, seed):
    train = Train(decrement_percent=decrement, recovery_share=recovery, n_responses=n)
    study, (truth,) = simulate.repetitive_study(seed=seed, trains=(train,), unevenness=0.0, recording=QUIET)
    assert truth.decrement_percent == pytest.approx(100 * train.loss(), abs=1e-6)
    assert truth.area_decrement_percent == pytest.approx(100 * train.loss(), abs=1e-6)
    assert truth.decrement_percent[0] == 0.0
    if n >= 4:
        assert truth.decrement_percent[3] == pytest.approx(decrement, abs=1e-6)
    shown = -study.traces[0].samples_uv.min(axis=1)
    assert shown == pytest.approx(truth.marks.peak_uv, rel=2e-3)


def test_uneven_transmission_changes_the_shape_but_keeps_the_sum_of_the_units():
    trains = (Train(decrement_percent=40.0),)
    _, (even,) = simulate.repetitive_study(seed=3, trains=trains, unevenness=0.0, recording=QUIET)
    _, (uneven,) = simulate.repetitive_study(seed=3, trains=trains, unevenness=1.0, recording=QUIET)
    assert even.marks.peak_ms[3] == pytest.approx(even.marks.peak_ms[0])
    assert uneven.marks.peak_ms[3] != pytest.approx(uneven.marks.peak_ms[0], abs=1e-3)
    assert uneven.area_decrement_percent[3] == pytest.approx(40.0, abs=6.0)


def test_synchrony_raises_the_amplitude_and_not_the_area():
    _, (truth,) = simulate.repetitive_study(seed=2, trains=(Train(synchrony=0.6),), recording=QUIET)
    assert truth.decrement_percent[-1] < -5.0
    assert abs(truth.area_decrement_percent[-1]) < 0.5 * abs(truth.decrement_percent[-1])


def test_trains_follow_each_other_and_know_their_clock():
    trains = (Train(rate_hz=3.0), Train(condition="after exercise 30 s", rate_hz=30.0, n_responses=40))
    study, truths = simulate.repetitive_study(seed=1, trains=trains)
    assert study.technique is Technique.REPETITIVE_STIMULATION
    assert [trace.n_sweeps for trace in study.traces] == [10, 40]
    assert [truth.train for truth in truths] == list(trains)
    for trace, rate in zip(study.traces, (3.0, 30.0), strict=True):
        assert np.diff(trace.elapsed_s) == pytest.approx(1 / rate)
    assert study.traces[1].elapsed_s[0] > study.traces[0].elapsed_s[-1] + 60.0


def test_first_share_is_that_of_a_full_response():
    trains = (Train(), Train(first_share=0.2))
    _, (rest, weak) = simulate.repetitive_study(seed=1, trains=trains, recording=QUIET)
    assert weak.marks.peak_uv[0] / rest.marks.peak_uv[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("field", "value"), [("n_responses", 0), ("decrement_percent", 99.0), ("recovery_share", 1.5), ("rate_hz", 0.0)]
)
def test_impossible_trains_are_refused(field, value):
    with pytest.raises(InvalidInputError, match=field):
        Train(**{field: value})
