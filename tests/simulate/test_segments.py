"""Inching and mixed studies: the lesion that was asked for is in the true onsets and amplitudes."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs import simulate
from ncs.errors import InvalidInputError
from ncs.model import Technique
from ncs.simulate import Contamination, FocalLesion, MotorNerve, Recording

QUIET = Recording(contamination=Contamination())


@given(
    where=st.integers(0, 4), delay=st.floats(0.0, 2.0), step=st.sampled_from([10.0, 20.0]), seed=st.integers(0, 2**32)
)
@settings(max_examples=25, deadline=None)
def test_the_delay_of_a_lesion_is_in_its_step_and_nowhere_else(where, delay, step, seed):
    lesion = FocalLesion(segment=where, delay_ms=delay)
    study, truth = simulate.inching_study(
        seed=seed, lesion=lesion, step_mm=step, n_sites=6, velocity_m_s=50.0, recording=QUIET
    )
    assert study.technique is Technique.INCHING
    onsets = [float(site.marks.onset_ms[0]) for site in truth.sites]
    for index, (near, far) in enumerate(pairwise(onsets)):
        assert far - near == pytest.approx(step / 50.0 + (delay if index == where else 0.0), abs=1e-6)


@pytest.mark.parametrize("where", [0, 3])
def test_blocked_units_stop_at_the_lesion(where):
    lesion = FocalLesion(segment=where, delay_ms=0.0, blocked_fraction=0.5)
    _, truth = simulate.inching_study(seed=1, lesion=lesion, recording=QUIET)
    shares = [far.marks.area_uv_ms[0] / near.marks.area_uv_ms[0] for near, far in pairwise(truth.sites)]
    assert shares[where] == pytest.approx(0.5, abs=0.12)
    assert all(share == pytest.approx(1.0, abs=0.03) for i, share in enumerate(shares) if i != where)


def test_a_lesion_beyond_the_last_site_is_refused():
    with pytest.raises(InvalidInputError, match=r"lesion\.segment"):
        simulate.InchingNerve(lesion=FocalLesion(segment=6), n_sites=7)


def test_blocked_shares_fit_the_segments():
    with pytest.raises(InvalidInputError, match="further_blocked_fractions"):
        MotorNerve(further_blocked_fractions=(0.5,))


def test_a_mixed_study_is_recorded_over_the_nerve():
    study, truth = simulate.mixed_study(seed=1, velocity_m_s=50.0)
    assert (study.technique, study.recording_site) == (Technique.MIXED, "wrist")
    assert [trace.stimulation_site for trace in study.traces] == ["palm"]
    assert truth.true_velocity_m_s == pytest.approx(50.0)
