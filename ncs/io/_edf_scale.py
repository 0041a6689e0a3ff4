"""How microvolts become the stored numbers of a written EDF or BDF file."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs.errors import InvalidInputError
from ncs.io._units import voltage_factor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ncs.model import Study

__all__ = ["LARGEST_DIGITAL", "WIDTH", "Scale", "choose_scale", "own_scale"]

WIDTH = 8
"""Characters of a number in the header."""
LARGEST_DIGITAL = {2: 32767, 3: 8388607}
"""By the number of bytes of a sample: EDF has two, BDF three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How microvolts become stored numbers; texts are what stands in the header."""

    unit: str
    factor: float
    physical_min: str
    physical_max: str
    digital_min: int
    digital_max: int

    def digital(self, samples_uv: NDArray[Any]) -> NDArray[np.float64]:
        """Return whole numbers as the file stores them."""
        low, high = float(self.physical_min) * self.factor, float(self.physical_max) * self.factor
        span = self.digital_max - self.digital_min
        return np.rint((samples_uv.astype(np.float64) - low) * span / (high - low) + self.digital_min)


def choose_scale(study: Study, sample_bytes: int) -> Scale:
    """Return the recording's own scale where that is possible, else one that just holds its samples."""
    own = own_scale(study, sample_bytes)
    if own is not None:
        return own
    largest = max(float(np.abs(trace.samples_uv).max()) for trace in study.traces if trace.samples_uv.size)
    return _scale_to_data(largest, LARGEST_DIGITAL[sample_bytes])


def own_scale(study: Study, sample_bytes: int) -> Scale | None:
    """Return the recording's own scale, if all traces share one and the file can hold it and its numbers."""
    known = {trace.calibration for trace in study.traces}
    calibration = known.pop() if len(known) == 1 else None
    if calibration is None or None in (
        calibration.digital_min, calibration.digital_max, calibration.physical_min, calibration.physical_max
    ):  # fmt: skip
        return None
    factor = voltage_factor(calibration.unit)
    low, high = _exact_number(calibration.physical_min), _exact_number(calibration.physical_max)
    unit = calibration.unit.replace("µ", "u").replace("μ", "u")
    if factor is None or low is None or high is None or len(unit) > WIDTH or not unit.isascii():
        return None
    least, most = int(calibration.digital_min or 0), int(calibration.digital_max or 0)
    scale = Scale(unit=unit, factor=factor, physical_min=low, physical_max=high, digital_min=least, digital_max=most)
    limit = LARGEST_DIGITAL[sample_bytes]
    stored = [scale.digital(trace.samples_uv) for trace in study.traces if trace.samples_uv.size]
    lowest, highest = min([least, *map(np.min, stored)]), max([most, *map(np.max, stored)])
    return scale if -limit - 1 <= lowest and highest <= limit and least < most else None


def _exact_number(value: float | None) -> str | None:
    """Return the shortest text of a number if it is exact and fits the field."""
    if value is None:
        return None
    for text in (repr(value), f"{value:g}", repr(value).removesuffix(".0")):
        if len(text) <= WIDTH and float(text) == value:
            return text
    return None


def _scale_to_data(largest_uv: float, limit_digital: int) -> Scale:
    """Return a range around 0 whose limit is the smallest number of the field's width not below the largest sample."""
    if largest_uv >= 999_999:
        if largest_uv >= 999_999e6:
            raise InvalidInputError(f"samples_uv: expected less than 999999 V, found {largest_uv:g} uV")
        unit, factor = "V", 1e6
    else:
        unit, factor = "uV", 1.0
    largest = largest_uv / factor
    limit = "1"
    if largest > 0:
        decimals = max(0, min(5, 5 - len(str(int(largest)))))
        step = Decimal(1).scaleb(-decimals)
        above = (Decimal(largest) / step).to_integral_value(rounding="ROUND_CEILING") * step
        limit = format(above.normalize(), "f")
    return Scale(unit=unit, factor=factor, physical_min=f"-{limit}", physical_max=limit,
                  digital_min=-limit_digital, digital_max=limit_digital)  # fmt: skip
