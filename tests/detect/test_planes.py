"""Samples are packed as the codes of their converter exactly where these give them back to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ncs.store import _planes
from tests.detect import plane_twins

CODES = hnp.arrays(np.int16, st.integers(0, 40))
LOW = st.sampled_from([-32768.0, -32767.0, -2048.0, 0.0, 1.0, 70_000.0])
STEP = st.one_of(st.sampled_from([0.0, 1.0, -0.5, 1e-320]), st.floats(1e-6, 1e3))
BASE = st.one_of(st.sampled_from([0.0, -3276.8, 1e12, -1e308]), st.floats(-1e5, 1e5))
ODD = st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 0.1, 1e30, 1e-45])


def decoded(codes, low, step, base):
    with np.errstate(all="ignore"):
        return ((codes - low) * step + base).astype(np.float32)


def check(samples, low, step, base):
    planes, expected = np.empty((2, 2 * samples.size), np.uint8)
    found = _planes.write_planes(samples, low, step, base, planes)
    assert found == plane_twins.write_planes(samples, low, step, base, expected)
    assert _planes.planes_of(samples, low, step, base) == (expected.tobytes() if found else None)
    return found


@given(codes=CODES, low=LOW, step=STEP, base=BASE, odd=ODD, where=st.integers(0, 39))
@settings(deadline=None)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_write_planes(codes, low, step, base, odd, where):
    samples = decoded(codes, low, step, base)
    planes, expected = np.empty((2, 2 * samples.size), np.uint8)
    found = _planes.write_planes(samples, low, step, base, planes)
    assert found == plane_twins.write_planes(samples, low, step, base, expected)
    assert _planes.planes_of(samples, low, step, base) == (expected.tobytes() if found else None)
    if where < samples.size:
        samples[where] = odd
        check(samples, low, step, base)


@given(samples=hnp.arrays(np.float32, st.integers(0, 20)), low=LOW, step=STEP, base=BASE)
@settings(deadline=None)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_samples_are_packed_as_the_twin_packs_them(samples, low, step, base):
    check(samples, low, step, base)


def test_what_a_converter_gives_is_packed_and_what_it_cannot_give_is_not():
    codes = np.array([-32768, 32767, 0, 5, 5, -1])
    exact = decoded(codes, -32768.0, 0.1, -3276.8)
    assert check(exact, -32768.0, 0.1, -3276.8)
    for at, value in ((0, np.nan), (1, np.inf), (2, 3277.0), (3, np.nextafter(exact[3], np.float32(0)))):
        other = exact.copy()
        other[at] = value
        assert not check(other, -32768.0, 0.1, -3276.8)
    assert check(np.zeros(3, np.float32), 0.0, 1.0, 0.0)
    assert not check(np.full(3, -0.0, np.float32), 0.0, 1.0, 0.0)
    assert check(np.empty(0, np.float32), 0.0, 1.0, 0.0)
