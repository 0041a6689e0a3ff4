"""What a sidecar can say about one array of a MATLAB or NumPy file, and the units that all of a sidecar shares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from ncs.io._settings import SettingsModel, Text
from ncs.io._units import current_factor, voltage_factor

__all__ = ["ArrayEntry", "IntensityUnit", "Positive", "VoltageUnit"]


def _axes(value: object) -> tuple[str, ...]:
    expected = '"sample", and "sweep", "channel" or both, each once, in the order of the dimensions'
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError(expected)
    names = tuple(item.strip().lower() for item in value)
    if "sample" not in names or len(set(names)) != len(names) or not set(names) <= {"sample", "sweep", "channel"}:
        raise ValueError(expected)
    return names


def _unit(value: object) -> object:
    if not isinstance(value, str) or voltage_factor(value) is None:
        raise ValueError("a unit of voltage: nV, uV, mV or V")
    return value.strip()


def _intensity_unit(value: object) -> object:
    if not isinstance(value, str) or (current_factor(value) is None and voltage_factor(value) is None):
        raise ValueError("a unit of current or voltage: uA, mA, A, mV or V")
    return value.strip()


VoltageUnit = Annotated[str, BeforeValidator(_unit)]
IntensityUnit = Annotated[str, BeforeValidator(_intensity_unit)]
Positive = Annotated[float, Field(gt=0)]
Axes = Annotated[
    tuple[str, ...],
    BeforeValidator(_axes),
    WithJsonSchema({"type": "array", "items": {"enum": ["sweep", "sample", "channel"]}, "minItems": 1, "maxItems": 3}),
]


class ArrayEntry(SettingsModel):
    """One array of a MATLAB or NumPy file."""

    variable: Text | None = None
    """Name of the array in the file; not needed where the file holds a single one."""
    axes: Axes | None = None
    """What its dimensions are, in the order in which MATLAB or NumPy shows them: `sample`, and `sweep`, `channel` or
    both; such as `["sweep", "sample"]`. Not needed for a single row or column of samples."""
    unit: VoltageUnit | None = None
    """Unit of this array, where arrays differ."""
    sampling_rate_hz: Positive | None = None
    """Samples per second of this array, Hz, where arrays differ."""
    sampling_rate_variable: Text | None = None
    """Name of the number in the file that is the sampling rate, Hz."""
    time_variable: Text | None = None
    """Name of the array in the file that holds the time of each sample."""
    stimulus_variable: Text | None = None
    """Name of the number, or array with one per sweep, that is the time of the stimulus: after sample 0, or on the axis
    of `time_variable` where that is stated."""
    time_unit: Literal["s", "ms", "us"] | None = None
    """Unit of `time_variable` and `stimulus_variable`."""
    intensity_variable: Text | None = None
    """Name of the number, or array with one per sweep, that is the stimulus intensity."""
    intensity_unit: IntensityUnit | None = None
    """Unit of `intensity_variable`: `mA`, `uA`, `A`, `V` or `mV`."""

    @model_validator(mode="after")
    def _units_are_stated(self) -> ArrayEntry:
        if self.time_unit is None and (self.time_variable is not None or self.stimulus_variable is not None):
            raise ValueError("`time_unit` beside `time_variable` or `stimulus_variable`")
        if self.intensity_unit is None and self.intensity_variable is not None:
            raise ValueError("`intensity_unit` beside `intensity_variable`")
        if sum(value is not None for value in (self.sampling_rate_hz, self.sampling_rate_variable)) > 1:
            raise ValueError("one of `sampling_rate_hz` and `sampling_rate_variable`")
        return self
