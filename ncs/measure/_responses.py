"""Single responses of a trace, for techniques in which every sweep counts and not only their mean.

The detector subtracts from every response what the stimulus artefact leaves under its peak, found in that sweep alone;
where sweeps are compared with each other, the scatter of this estimate would count as a difference. Here all responses
share one estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ncs.measure._study import MarkedTrace
from ncs.model import Trace

__all__ = ["response_of", "resting_uv", "with_common_baseline"]

FloatArray = NDArray[np.float64]

_REST_MS = (8.0, 0.15)
_BEFORE_ONSET_MS = (0.7, 0.1)
_FEWEST = 3
_NUMBERS = ("onset_ms", "peak_ms", "peak_uv", "area_uv_ms", "duration_ms", "peak_to_peak_uv", "end_ms")


def response_of(at: MarkedTrace, sweep: int, *, response: str) -> MarkedTrace:
    """Return one sweep of a marked trace as if nothing else had been recorded.

    Parameters
    ----------
    at
        The trace; returned as it is where it was not marked.
    sweep
        Index of the sweep.
    response
        Which of the responses marked in it.
    """
    entry = at.found.get(response)
    if entry is None or at.marks is None:
        return at
    if entry.measured_sweeps == (sweep,) and entry.measured is at.marks:
        return replace(at, how="")
    said = tuple(words for words in at.sweep_edits.get(response, ()) if words.startswith(f"sweep {sweep + 1}:"))
    edits = dict.fromkeys(_NUMBERS, said) if said else {}
    return replace(at, marks=entry.sweeps.sweep(sweep), how="", edits=edits, left_out=frozenset())


def resting_uv(trace: Trace) -> FloatArray:
    """Return the mean voltage just before the stimulus of every sweep, microvolts, negative up; NaN where none is."""
    return _mean_before(trace, np.zeros(trace.n_sweeps), _REST_MS)


def _mean_before(trace: Trace, times_ms: FloatArray, reach_ms: tuple[float, float]) -> FloatArray:
    """Return the mean voltage of every sweep from so long to so long before a time after its stimulus, negative up."""
    means = np.full(trace.n_sweeps, np.nan)
    if trace.stimulus_ms is None:
        return means
    rate, times = trace.sampling_rate_hz / 1000, trace.stimulus_ms + times_ms
    for sweep in np.flatnonzero(np.isfinite(times)):
        first, last = (max(int((times[sweep] - before) * rate), 0) for before in reach_ms)
        before = trace.samples_uv[sweep, first:last]
        if before.size >= _FEWEST:
            means[sweep] = -before.mean(dtype=np.float64)
    return means


def with_common_baseline(at: MarkedTrace, sweeps: Sequence[int], *, response: str) -> tuple[MarkedTrace, ...]:
    """Return single responses whose amplitude and area are counted from baselines that make them comparable.

    The baseline of each is its rest before the stimulus, and on top of it what the artefact leaves under the peak: the
    median of what the detector found, but never more than what is left just before the onset, because it fades.

    Parameters
    ----------
    at
        The trace.
    sweeps
        Which of its sweeps: responses to the same stimulus. Where the rest is not known of all that were found, they
        are returned as they were marked.
    response
        Which of the responses marked in it.
    """
    single = tuple(response_of(at, sweep, response=response) for sweep in sweeps)
    onset, base = (np.array([_number(one, name) for one in single]) for name in ("onset_ms", "baseline_uv"))
    found = np.flatnonzero(np.isfinite(base))
    chosen = np.asarray(sweeps, np.intp)
    rest = resting_uv(at.trace)[chosen]
    if found.size < _FEWEST or not np.isfinite(rest[found]).all():
        return single
    onsets = np.full(at.trace.n_sweeps, np.nan)
    onsets[chosen] = onset
    before = _mean_before(at.trace, onsets, _BEFORE_ONSET_MS)[chosen] - rest
    left = float(np.median(before[np.isfinite(before)])) if np.isfinite(before).any() else 0.0
    common = float(np.clip(np.median((base - rest)[found]), min(left, 0.0), max(left, 0.0)))
    return tuple(
        _moved(one, float(base[i] - rest[i] - common)) if np.isfinite(base[i]) else one for i, one in enumerate(single)
    )


def _number(one: MarkedTrace, name: str) -> float:
    return float(getattr(one.marks, name)[0]) if one.marks is not None else np.nan


def _moved(one: MarkedTrace, by_uv: float) -> MarkedTrace:
    """Return a response counted from a baseline that lies lower by so much."""
    marks = one.marks
    assert marks is not None  # the caller has asked
    return replace(
        one,
        marks=replace(
            marks,
            baseline_uv=marks.baseline_uv - by_uv,
            peak_uv=marks.peak_uv + by_uv,
            area_uv_ms=marks.area_uv_ms + by_uv * marks.duration_ms,
        ),
    )
