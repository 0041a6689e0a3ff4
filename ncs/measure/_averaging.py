"""Which sweeps of a nerve potential are averaged, and what their mean still shows when the detector sees nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ncs.detect.averaging import AVERAGING_RULE, choose_sweeps
from ncs.detect.marks import Marks, Outcome
from ncs.detect.weak import find_weak_snap
from ncs.measure._sweeps import aligned_sweeps, measured_sweeps
from ncs.model import Trace

__all__ = ["averaging_words", "kept_sweeps", "n_rejected", "with_weak_response"]


def kept_sweeps(trace: Trace, chosen: tuple[int, ...]) -> tuple[int, ...]:
    """Return those of the chosen sweeps that are neither saturated nor artefacts; all where none would be left."""
    if len(chosen) < 2:
        return chosen
    assert trace.stimulus_ms is not None  # sweeps are chosen by it
    rows = list(chosen)
    choice = choose_sweeps(trace.samples_uv[rows], trace.sampling_rate_hz, stimulus_ms=trace.stimulus_ms[rows])
    kept = tuple(index for index, is_kept in zip(chosen, choice.kept, strict=True) if is_kept)
    return kept or chosen


def with_weak_response(
    trace: Trace, chosen: tuple[int, ...], measured: Marks, mark_smoothly: Callable[[], Marks]
) -> Marks:
    """Return the marks of a mean, with a response in it that only the single sweeps prove.

    ``mark_smoothly`` marks the mean with more smoothing; its marks are taken where it times the onset of that response.
    """
    if int(measured.outcome[0]) != Outcome.NO_RESPONSE:
        return measured
    sweeps, stimulus_ms = aligned_sweeps(trace, chosen)
    weak = find_weak_snap(sweeps, trace.sampling_rate_hz, stimulus_ms=stimulus_ms, marks=measured)
    if weak is measured:
        return measured
    smooth = mark_smoothly()
    is_same = int(smooth.outcome[0]) == Outcome.FOUND and bool(np.abs(smooth.peak_ms[0] - weak.peak_ms[0]) < 1.0)
    return smooth if is_same else weak


def n_rejected(trace: Trace, averaged: tuple[int, ...]) -> int:
    """Return how many sweeps of the same stimulus were left out of a mean."""
    return max(0, len(measured_sweeps(trace)) - len(averaged))


def averaging_words(trace: Trace, averaged: tuple[int, ...], rejected: int) -> str:
    """Return which sweeps of a trace are measured, and what was rejected; nothing where there is only one."""
    if trace.n_sweeps == 1:
        return ""
    if len(averaged) == 1:
        words = f"sweep {averaged[0] + 1} of {trace.n_sweeps}"
    else:
        words = f"mean of {len(averaged)} of {trace.n_sweeps} sweeps"
    return f"{words}, {rejected} rejected ({AVERAGING_RULE})" if rejected else words
