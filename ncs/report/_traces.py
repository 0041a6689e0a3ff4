"""Traces made ready for drawing: aligned at the stimulus, baseline at zero, negative up.

The sign is turned in ``_curve`` and nowhere else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ncs.results import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.detect.marks import Marks
    from ncs.model import Study, Trace
    from ncs.results import TraceMarks, VisitResult

__all__ = ["MARK_FIELDS", "MARK_NAMES", "Curve", "DrawnMark", "DrawnTrace", "drawn_traces", "every_sweep"]

FloatArray = NDArray[np.float64]

MARK_NAMES: Final = ("onset", "negative peak", "end of negative peak", "positive peak", "end of last negative peak")
"""Marks are numbered in this order, from 1."""
MARK_FIELDS: Final = ("onset_ms", "peak_ms", "end_ms", "trough_ms", "last_end_ms")
"""Their fields in ``ncs.detect.Marks``."""
_MOST_SWEEPS: Final = 20
"""More single sweeps than this make a picture darker, not clearer."""
_LEAST_BASELINE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnMark:
    """One mark: its number, its time after the stimulus, and the standard deviation of that where it has one."""

    number: int
    at_ms: float
    sd_ms: float | None = None

    @property
    def name(self) -> str:
        """Name of the mark."""
        return MARK_NAMES[self.number - 1]

    @property
    def interval_ms(self) -> tuple[float, float] | None:
        """The 95 % interval of the time."""
        if self.sd_ms is None:
            return None
        return self.at_ms - 1.96 * self.sd_ms, self.at_ms + 1.96 * self.sd_ms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A line: times in ms and voltages in microvolts, negative up, from the baseline; shape ``(n_samples,)``."""

    time_ms: FloatArray
    uv: FloatArray

    def at(self, time_ms: float) -> float:
        """Return the voltage at a time; zero where the curve has none."""
        known = np.isfinite(self.uv)
        if not known.any():
            return 0.0
        return float(np.interp(time_ms, self.time_ms[known], self.uv[known]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnTrace:
    """One trace of a study.

    Parameters
    ----------
    trace, study
        Where it comes from.
    mean
        What was measured: the only sweep, or the mean of the measured ones. ``None`` where nothing was marked and there
        are several sweeps.
    sweeps
        Single sweeps, at the most twenty of them, evenly chosen.
    averaged
        How many sweeps ``mean`` is the mean of.
    marks
        In the order of their numbers.
    remark
        Why there are no marks; empty where there are.
    from_stimulus
        Whether time runs from the stimulus; else from the start of the record.
    """

    trace: Trace
    study: Study
    mean: Curve | None
    sweeps: tuple[Curve, ...]
    averaged: int
    marks: tuple[DrawnMark, ...]
    remark: str
    from_stimulus: bool

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The curves that scales are made for: the measured one, else every sweep."""
        return self.sweeps if self.mean is None else (self.mean,)

    def mark(self, number: int) -> DrawnMark | None:
        """Return the mark of a number."""
        return next((mark for mark in self.marks if mark.number == number), None)


def drawn_traces(result: VisitResult, study_index: int) -> tuple[DrawnTrace, ...]:
    """Return the traces of a study from distal to proximal, as far as distances tell; else in the order of the file."""
    study = result.visit.studies[study_index]
    marks = {found.trace_index: found for found in result.marks if found.study_index == study_index}
    drawn = [_drawn(study, trace, marks.get(position)) for position, trace in enumerate(study.traces)]
    if all(trace.distance_mm is not None for trace in study.traces):
        drawn.sort(key=lambda each: each.trace.distance_mm or 0.0)
    return tuple(drawn)


def _drawn(study: Study, trace: Trace, found: TraceMarks | None) -> DrawnTrace:
    starts = _starts(trace)
    sweeps = tuple(
        _curve(trace.samples_uv[i], trace, starts[i], found.sweeps if found is not None else None, i)
        for i in _some(np.flatnonzero(np.isfinite(starts)))
    )
    mean, averaged = None, 0
    if found is not None and found.measured_sweeps:
        averaged = len(found.measured_sweeps)
        mean = _mean(trace, found)
    elif trace.n_sweeps == 1 and sweeps:
        mean, averaged = sweeps[0], 1
    return DrawnTrace(
        trace=trace,
        study=study,
        mean=mean,
        sweeps=sweeps if trace.n_sweeps > 1 else (),
        averaged=averaged,
        marks=_marks(found.measured) if found is not None else (),
        remark=_remark(study, trace, found),
        from_stimulus=trace.stimulus_ms is not None,
    )


def every_sweep(trace: Trace) -> tuple[Curve, ...]:
    """Return all sweeps of a trace, each from its own baseline; times are NaN where the stimulus time is not known."""
    return tuple(_curve(trace.samples_uv[i], trace, start, None, 0) for i, start in enumerate(_starts(trace)))


def _starts(trace: Trace) -> FloatArray:
    """Return the time of the first sample of every sweep; NaN for a sweep whose stimulus time is not known."""
    return np.zeros(trace.n_sweeps) if trace.stimulus_ms is None else -trace.stimulus_ms


def _some(indices: Any) -> Sequence[int]:
    """Return at the most ``_MOST_SWEEPS`` of many, evenly chosen."""
    if len(indices) <= _MOST_SWEEPS:
        return [int(i) for i in indices]
    return [int(indices[i]) for i in np.linspace(0, len(indices) - 1, _MOST_SWEEPS).round().astype(int)]


def _mean(trace: Trace, found: TraceMarks) -> Curve:
    from ncs.analysis import mean_sweep

    if len(found.measured_sweeps) == 1:
        index = found.measured_sweeps[0]
        return _curve(trace.samples_uv[index], trace, _starts(trace)[index], found.measured, 0)
    samples, stimulus_ms = mean_sweep(trace, found.measured_sweeps)
    return _curve(samples[0], trace, -stimulus_ms, found.measured, 0)


def _curve(samples_uv: Any, trace: Trace, start_ms: float, marks: Marks | None, index: int) -> Curve:
    time_ms = start_ms + np.arange(samples_uv.shape[0]) * (1000.0 / trace.sampling_rate_hz)
    upward = -np.asarray(samples_uv, np.float64)  # negative up
    baseline = float(marks.baseline_uv[index]) if marks is not None else math.nan
    if not math.isfinite(baseline):
        baseline = _baseline(time_ms, upward)
    return Curve(time_ms=time_ms, uv=upward - baseline)


def _baseline(time_ms: FloatArray, uv: FloatArray) -> float:
    """Return the median before the stimulus, or of everything where too little was recorded before it."""
    known = np.isfinite(uv)
    before = known & (time_ms < 0)
    chosen = before if np.count_nonzero(before) >= _LEAST_BASELINE else known
    return float(np.median(uv[chosen])) if chosen.any() else 0.0


def _marks(measured: Marks) -> tuple[DrawnMark, ...]:
    found = []
    for number, name in enumerate(MARK_FIELDS, start=1):
        at_ms = float(getattr(measured, name)[0])
        sd_name = name.replace("_ms", "_sd_ms")
        sd = float(getattr(measured, sd_name)[0]) if hasattr(measured, sd_name) else math.nan
        same_as_first_end = name == "last_end_ms" and at_ms == float(measured.end_ms[0])
        if math.isfinite(at_ms) and not same_as_first_end:
            found.append(DrawnMark(number=number, at_ms=at_ms, sd_ms=sd if math.isfinite(sd) else None))
    return tuple(found)


def _remark(study: Study, trace: Trace, found: TraceMarks | None) -> str:
    from ncs.detect.marks import Outcome

    if found is not None:
        outcome = Outcome(int(found.measured.outcome[0]))
        if outcome is Outcome.FOUND:
            return ""
        reason = Reason.INVALID_SAMPLES if outcome is Outcome.INVALID_INPUT else Reason[outcome.name]
        return f"NR: {reason.sentence}" if reason is Reason.NO_RESPONSE else reason.sentence
    if study.technique is None:
        return Reason.NO_TECHNIQUE.sentence
    if trace.stimulus_ms is None or not np.isfinite(trace.stimulus_ms).any():
        return Reason.NO_STIMULUS_TIME.sentence
    return "this technique is not marked"
