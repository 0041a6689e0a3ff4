"""Trigger channels: samples to the moments of stimuli. Arrays only; which channel it is, is decided in ``_stimuli.py``.

A pulse channel gives the edges of its pulses, between two samples where the edge is sampled; a code channel
(``Status``) gives the samples at which its code changes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io._remembered import remembered

__all__ = ["Edges", "find_codes", "find_edges", "is_trigger_label"]

FloatArray = NDArray[np.float64]

_LABEL = re.compile(
    r"(?:(?:stim(?:ulus|ulator)?|sti)(?:[\s_-]*trig(?:ger)?)?|trig(?:ger)?)"
    r"(?:[\s_-]*(?:in|out|input|output|ch|chan|channel))?[\s_-]*\d{0,3}",
    re.IGNORECASE,
)
_UNDECIDED = 0.5
_SETTLED = 0.05
_NOISE_SHARE = 0.25
_MOST_EDGES = 100_000


class Edges(NamedTuple):
    """Positions of the edges in samples, or in words why there are none that could be trusted."""

    positions: FloatArray
    fault: str = ""


@remembered
def is_trigger_label(label: str) -> bool:
    """Return whether a label can only mean a trigger channel.

    Examples
    --------
    >>> [is_trigger_label(text) for text in ("TRIG", "STI 014", "Stim", "trigger in 2", "Stimulated muscle", "APB")]
    [True, True, True, True, False, False]
    """
    return _LABEL.fullmatch(label.strip()) is not None


def find_edges(values: FloatArray, *, threshold: float | None = None, edge: str | None = None) -> Edges:
    """Return where a pulse channel leaves its resting level.

    Parameters
    ----------
    values
        Shape ``(n_samples,)``, in the unit of the channel.
    threshold
        Level that a pulse crosses; half of the way from the resting level (the median) to the height of the pulses
        where it is ``None``.
    edge
        ``"rising"`` or ``"falling"``; where it is ``None``, the edge that leaves the resting level, which must then be
        the same for all pulses.

    Returns
    -------
    Edges
        Where an edge has samples on its slope, its crossing of the threshold between two samples; where it is a jump
        from one sample to the next, the first sample after it.

    Examples
    --------
    >>> find_edges(np.array([0.0, 0, 0, 5, 5, 0, 0, 0, 0])).positions
    array([3.])
    >>> find_edges(np.array([0.0, 0, 0, 2, 4, 4, 0, 0, 0, 0])).positions
    array([3.])
    """
    none = np.empty(0)
    if len(values) < 2 or not np.isfinite(values).all():
        return Edges(none, "samples that are no numbers" if len(values) > 1 else "too few samples")
    rest = float(np.median(values))
    high, low = float(values.max()) - rest, rest - float(values.min())
    if max(high, low) == 0.0:
        return Edges(none, "a constant signal")
    rising = high >= low if edge is None else edge == "rising"
    if threshold is None:
        if edge is None and min(high, low) > _UNDECIDED * max(high, low):
            return Edges(none, f"pulses upwards ({high:g}) and downwards ({low:g}) from the resting level")
        quiet = float(np.median(np.abs(values - rest)))
        if quiet > _NOISE_SHARE * max(high, low):
            return Edges(none, "a signal without a resting level")
        threshold = (float(values.max()) + float(values.min())) / 2 if edge is not None else (
            rest + (high if rising else -low) / 2
        )  # fmt: skip
    above = values >= threshold if rising else values <= threshold
    after = _rearmed(values, np.flatnonzero(above[1:] & ~above[:-1]) + 1, threshold, rising=rising)
    if len(after) > _MOST_EDGES:
        return Edges(none, f"{len(after)} crossings of {threshold:g}")
    if not len(after):
        return Edges(none, f"no crossing of {threshold:g}")
    return Edges(_between_samples(values, after, threshold))


def _rearmed(values: FloatArray, after: NDArray[np.intp], threshold: float, *, rising: bool) -> NDArray[np.intp]:
    """Return the crossings before which the signal had gone half of the way back: noise on a slope crosses often."""
    ready = (threshold + float(values.min() if rising else values.max())) / 2
    armed = np.cumsum(values <= ready if rising else values >= ready)
    times_armed = armed[after]
    is_new = np.diff(times_armed, prepend=-1) > 0
    return after[is_new]


def _between_samples(values: FloatArray, after: NDArray[np.intp], threshold: float) -> FloatArray:
    """Return the crossings, interpolated where the edge has a sample on its slope."""
    left, right = values[after - 1], values[after]
    height = right - left
    before = values[np.maximum(after - 2, 0)]
    beyond = values[np.minimum(after + 1, len(values) - 1)]
    is_jump = (np.abs(left - before) <= _SETTLED * np.abs(height)) & ((beyond - right) / height <= _SETTLED)
    crossing = after - 1 + (threshold - left) / height
    return np.asarray(np.where(is_jump, after, crossing), np.float64)


def find_codes(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return sample and new code of every change of a code channel to a code other than 0.

    Examples
    --------
    >>> find_codes(np.array([0, 0, 1, 1, 0, 2, 0]))
    [(2, 1), (5, 2)]
    """
    changed = np.flatnonzero(np.diff(values)) + 1
    return [(int(at), int(values[at])) for at in changed[:_MOST_EDGES] if values[at] != 0]
