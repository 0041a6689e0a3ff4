"""What is true of a simulated response: onset, peak, return to baseline, trough and area, from the noise-free waveform.

The definitions are those of the detectors' marks; both are voltages negative up. Change one only with the other.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ncs.simulate._bank import DT_MS
from ncs.simulate._compose import FineResponse, read_at

__all__ = ["ONSET_FRACTION", "Truth", "first_sign_ms"]

FloatArray = NDArray[np.float64]

ONSET_FRACTION = 0.02
"""Share of the negative peak to which a response has risen at its onset."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """True marks of ``n_sweeps`` sweeps; every field has shape ``(n_sweeps,)``; NaN where there is no response.

    Times are milliseconds after the stimulus that really happened; voltages are microvolts **negative up**, as in
    `ncs.detect.Marks` (the samples themselves keep their true sign). All come from the noise-free, artefact-free
    waveform on a grid of 0.02 ms, interpolated between its points, and so do not depend on the sampling rate.

    Parameters
    ----------
    onset_ms
        First moment at which the negative-going response reaches 2 % of its largest negative peak. Where the
        response begins with a positive dip, that moment lies after the dip: on the crossing from positive to negative.
        Where it has several peaks, it lies before the first of them, even if that is not the largest.
    peak_ms, peak_uv
        The largest negative peak; ``peak_uv`` is positive.
    end_ms
        First return to baseline after that peak.
    trough_ms, trough_uv
        The largest positive deflection after ``end_ms``; ``trough_uv`` is negative.
    area_uv_ms
        Area from onset to ``end_ms``.
    has_response
        False where nothing was evoked.
    """

    onset_ms: FloatArray
    peak_ms: FloatArray
    peak_uv: FloatArray
    end_ms: FloatArray
    trough_ms: FloatArray
    trough_uv: FloatArray
    area_uv_ms: FloatArray
    has_response: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for field in fields(self):
            getattr(self, field.name).flags.writeable = False

    def __len__(self) -> int:
        return int(self.has_response.shape[0])

    def sweep(self, index: int) -> Truth:
        """Return the truth of one sweep, as arrays of length one."""
        return Truth(**{field.name: getattr(self, field.name)[index : index + 1] for field in fields(self)})

    @classmethod
    def absent(cls, n_sweeps: int) -> Truth:
        """Return the truth of sweeps without a response."""
        times = {f.name: np.full(n_sweeps, np.nan) for f in fields(cls) if f.name != "has_response"}
        return cls(has_response=np.zeros(n_sweeps, np.bool_), **times)

    @classmethod
    def concatenated(cls, parts: list[Truth]) -> Truth:
        """Return the truth of several groups of sweeps as one."""
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})

    @classmethod
    def of(cls, response: FineResponse) -> Truth:
        """Return the truth of noise-free responses, all of which must have a negative peak.

        Times are on the time axis of ``response``.
        """
        flipped = FineResponse(samples_uv=-response.samples_uv, start_ms=response.start_ms)
        y = flipped.samples_uv
        peak_at, peak_uv = _summit(flipped, y.argmax(axis=1), sign=1.0)
        level = ONSET_FRACTION * peak_uv
        onset_at = _crossing(flipped, (y >= level[:, np.newaxis]).argmax(axis=1), level)
        index = np.arange(y.shape[1])
        after = index > peak_at[:, np.newaxis]
        end_index = (after & (y <= 0.0)).argmax(axis=1)
        end_at = _crossing(flipped, end_index, np.zeros_like(level))
        low = np.where(index >= end_index[:, np.newaxis], y, np.inf).argmin(axis=1)
        trough_at, trough_uv = _summit(flipped, low, sign=-1.0)
        start = response.start_ms
        return cls(
            onset_ms=start + onset_at * DT_MS,
            peak_ms=start + peak_at * DT_MS,
            peak_uv=peak_uv,
            end_ms=start + end_at * DT_MS,
            trough_ms=start + trough_at * DT_MS,
            trough_uv=trough_uv,
            area_uv_ms=DT_MS * (_integral(y, end_at) - _integral(y, onset_at)),
            has_response=np.ones(level.size, np.bool_),
        )

    def scaled(self, factor: FloatArray) -> Truth:
        """Return the truth with every voltage multiplied with its factor, shape ``(n_sweeps,)``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Truth(**(values | {name: value * factor for name, value in values.items() if "_uv" in name}))

    def moved(self, by_ms: FloatArray) -> Truth:
        """Return the truth with every time moved by so much, shape ``(n_sweeps,)``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        moved = {name: value + by_ms for name, value in values.items() if name.endswith("_ms") and "_uv" not in name}
        return Truth(**(values | moved))


def first_sign_ms(response: FineResponse) -> FloatArray:
    """Return when a response first differs from nothing by a two-hundredth of its largest deflection."""
    size = np.abs(response.samples_uv)
    seen = size >= 0.005 * size.max(axis=1, keepdims=True)
    return np.asarray(response.start_ms + seen.argmax(axis=1) * DT_MS)


def _between(response: FineResponse, position: FloatArray) -> FloatArray:
    """Return the waveform at positions between grid points, shape ``(n_sweeps, n_positions)``."""
    return read_at(response, response.start_ms + position * DT_MS)


def _summit(response: FineResponse, near: NDArray[np.intp], *, sign: float) -> tuple[FloatArray, FloatArray]:
    """Return position and height of the highest (lowest) point within a step of a grid point."""
    offsets = np.linspace(-1.0, 1.0, 41)
    rows = np.arange(near.size)
    around = sign * _between(response, near[:, np.newaxis] + offsets)
    top = np.clip(around.argmax(axis=1), 1, offsets.size - 2)
    before, at, after = around[rows, top - 1], around[rows, top], around[rows, top + 1]
    bend = before - 2.0 * at + after
    shift = np.clip(0.5 * (before - after) / np.where(bend == 0.0, 1.0, bend), -1.0, 1.0)
    height = at - 0.25 * (before - after) * shift
    return near + offsets[top] + shift * (offsets[1] - offsets[0]), sign * height


def _crossing(response: FineResponse, index: NDArray[np.intp], level: FloatArray) -> FloatArray:
    """Return where the waveform meets the level between the grid points ``index - 1`` and ``index``."""
    right = np.maximum(index, 1)
    low, high = (right - 1).astype(np.float64), right.astype(np.float64)
    at_low, at_high = (_between(response, end[:, np.newaxis])[:, 0] - level for end in (low, high))
    middle = high
    for _ in range(4):
        step = at_high - at_low
        share = np.where(step == 0.0, 1.0, -at_low / np.where(step == 0.0, 1.0, step))
        middle = low + np.clip(share, 0.0, 1.0) * (high - low)
        at_middle = _between(response, middle[:, np.newaxis])[:, 0] - level
        same_side = np.sign(at_middle) == np.sign(at_low)
        low, at_low = np.where(same_side, middle, low), np.where(same_side, at_middle, at_low)
        high, at_high = np.where(same_side, high, middle), np.where(same_side, at_high, at_middle)
    return middle


def _integral(y: FloatArray, until: FloatArray) -> FloatArray:
    """Return the trapezoid integral from the first grid point to a position between grid points, in grid steps."""
    rows = np.arange(y.shape[0])
    whole = np.clip(np.floor(until).astype(np.intp), 0, y.shape[1] - 2)
    share = until - whole
    running = np.cumsum(y, axis=1)
    to_grid = running[rows, whole] - 0.5 * (y[:, 0] + y[rows, whole])
    here, following = y[rows, whole], y[rows, whole + 1]
    return np.asarray(to_grid + share * (here + 0.5 * share * (following - here)))
