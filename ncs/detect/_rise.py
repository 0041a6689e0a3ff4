"""The learned shapes of a rising edge; made by ``benchmarks/learn_rise.py``, never edited by hand."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["rise_model"]


@cache
def rise_model(response: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the rise model of a response.

    Returns
    -------
    table
        Shape ``(n_u, 3 + 2 * n_modes)``: standard deviation of what the modes leave, slope of the mean rise, the
        mean rise, the modes, their slopes, over the scaled time ``u`` (0 at 2 % of the summit, 1 at 60 %).
    prior_sd
        Shape ``(n_modes,)``: standard deviation of each mode's weight.
    grid
        First ``u`` and its step.
    """
    with files("ncs.detect").joinpath("rise.npz").open("rb") as stream, np.load(stream) as data:
        return tuple(np.ascontiguousarray(data[f"{response}_{part}"]) for part in ("table", "prior_sd", "grid"))  # type: ignore[return-value]
