"""Samples to the codes of their converter, in one pass: the one compiled part of the store.

Apart from the codec, because it loads the compiler, which only who writes samples needs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs.detect._compiled import kernel, unwarned
from ncs.model import SampleArray

__all__ = ["planes_of", "write_planes"]


def planes_of(samples: SampleArray, low: float, step: float, base: float) -> bytes | None:
    """Return codes that stand for the samples: low bytes, then high bytes, of each code minus the one before it.

    Parameters
    ----------
    samples
        C-contiguous.
    low, step, base
        A code stands for ``(code - low) * step + base`` microvolts.

    Returns
    -------
    bytes or None
        ``None`` unless 16-bit codes give every sample back to the last bit.
    """
    planes = np.empty(2 * samples.size, np.uint8)
    with unwarned():
        is_exact = write_planes(samples.reshape(-1), low, step, base, planes)
    return planes.tobytes() if is_exact else None


@kernel
def write_planes(samples: NDArray[Any], low: float, step: float, base: float, planes: NDArray[Any]) -> bool:
    """Fill ``planes``, twice as long as ``samples``; return whether the codes give back every sample.

    A code is decoded step by step as ``_codec`` does, so that the last bit agrees.
    """
    n = samples.shape[0]
    before = 0
    for i in range(n):
        sample = samples[i]
        place = np.rint((np.float64(sample) - base) / step + low)
        if not -32768.0 <= place <= 32767.0:  # nor is NaN
            return False
        code = int(place)
        back = np.float32((code - low) * step + base)
        if back != sample or math.copysign(1.0, back) != math.copysign(1.0, sample):  # zero has a sign
            return False
        change = (code - before) & 0xFFFF
        planes[i] = change & 0xFF
        planes[n + i] = change >> 8
        before = code
    return True
