"""What a detector returns: one array per mark, one element per sweep, and the outcome codes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Flag", "Marks", "MarksDraft", "Outcome"]

FloatArray = NDArray[np.float64]


class Outcome(IntEnum):
    """What became of a sweep. Codes are stored in databases: never renumber."""

    FOUND = 0
    NO_RESPONSE = 1
    CLIPPED = 2
    AT_WINDOW_EDGE = 3
    TOO_NOISY = 4
    INVALID_INPUT = 5


class Flag(IntFlag):
    """Remarks beside an outcome."""

    NONE = 0
    INITIAL_POSITIVITY = 1
    NO_BASELINE_BEFORE_STIMULUS = 2
    MULTIPLE_PEAKS = 8
    REPEATER = 4
    """The late response is that of an earlier sweep once more."""
    A_WAVE = 64
    """A wave of constant latency and shape was taken away before the late response was sought."""
    ONSET_AT_POSITIVE_PEAK = 16
    METHODS_DISAGREE = 32


class _Written:
    """Room beside the fields of marks for the arrays that a kernel has written, of which the fields are columns."""

    __slots__ = ("_codes", "_numbers")
    _numbers: FloatArray
    _codes: NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marks(_Written):
    """Marks of ``n_sweeps`` sweeps; every field has shape ``(n_sweeps,)``.

    Times are milliseconds after the stimulus; voltages are microvolts above the baseline, **negative up** (the CMAP's
    negative peak is a positive number here). NaN where there is none.

    Parameters
    ----------
    onset_ms, onset_sd_ms
        Onset (2 % of the noise-free negative peak) and its standard deviation.
    peak_ms, peak_uv
        The (largest) negative peak.
    peak_sd_ms, peak_sd_uv
        Standard deviations of the two.
    end_ms
        First return to baseline after the negative peak.
    last_end_ms
        Return to baseline of the last negative peak that exceeds the peak threshold.
    trough_ms, trough_uv
        The positive peak that follows; ``trough_uv`` is negative.
    area_uv_ms
        Area from onset to ``end_ms``.
    peak_to_peak_uv, peak_to_peak_sd_uv
        From the negative peak to the positive peak that follows.
    area_sd_uv_ms
        Standard deviation of the area.
    duration_ms, total_duration_ms, duration_sd_ms
        From onset to ``end_ms`` and to ``last_end_ms``; one standard deviation serves both.
    peak_threshold_uv
        Voltage below which a later negative peak is not counted for ``last_end_ms``.
    baseline_uv
        Baseline, negative up, before subtraction.
    noise_uv
        Standard deviation of the noise.
    outcome
        ``Outcome`` codes, int8.
    flags
        ``Flag`` bits, int8.
    """

    onset_ms: FloatArray
    onset_sd_ms: FloatArray
    peak_ms: FloatArray
    peak_sd_ms: FloatArray
    peak_uv: FloatArray
    peak_sd_uv: FloatArray
    end_ms: FloatArray
    last_end_ms: FloatArray
    trough_ms: FloatArray
    trough_uv: FloatArray
    area_uv_ms: FloatArray
    area_sd_uv_ms: FloatArray
    peak_to_peak_uv: FloatArray
    peak_to_peak_sd_uv: FloatArray
    duration_ms: FloatArray
    duration_sd_ms: FloatArray
    total_duration_ms: FloatArray
    peak_threshold_uv: FloatArray
    baseline_uv: FloatArray
    noise_uv: FloatArray
    outcome: NDArray[np.int8]
    flags: NDArray[np.int8]

    def __len__(self) -> int:
        return int(self.outcome.shape[0])

    def sweep(self, index: int) -> Marks:
        """Return the marks of one sweep, as arrays of length one."""
        return Marks(**{f.name: getattr(self, f.name)[index : index + 1] for f in fields(self)})

    def rows(self) -> list[tuple[float | int, ...]]:
        """Return the values of every sweep in the order of the fields."""
        if hasattr(self, "_numbers"):
            tables = zip(self._numbers.tolist(), self._codes.tolist(), strict=True)
            return [(*numbers, *codes) for numbers, codes in tables]
        return list(zip(*[column.tolist() for column in _columns_of(self)], strict=True))


_columns_of = attrgetter(*Marks.__slots__)


class MarksDraft(_Written):
    """Marks whose fields are still being set; all of them have to be.

    For where many are made: the frozen class takes several times as long, because it sets every field through a call.
    """

    __slots__ = Marks.__slots__

    def finished(self, numbers: FloatArray, codes: NDArray[np.int8]) -> Marks:
        """Return this object as marks; Python lets it change its class, because the slots are the same.

        Parameters
        ----------
        numbers, codes
            The arrays whose columns the fields are, in their order: floats, and outcome and flags.
        """
        self._numbers, self._codes = numbers, codes
        made: Any = self
        made.__class__ = Marks
        return made  # type: ignore[no-any-return]
