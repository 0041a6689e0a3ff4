"""Velocities and latencies as they might be at another skin temperature: beside what was measured, never instead.

Nothing is corrected unless an analysis is asked to, and a corrected value is a quantity of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ncs.errors import InvalidInputError
from ncs.quantities import TEMPERATURE_CORRECTED, quantity
from ncs.results import Measurement, Reason

__all__ = ["TemperatureCorrection", "corrected"]

_WARNING = "a linear rule of healthy nerves, which may be invalid in demyelination"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureCorrection:
    """A linear rule for limbs that were cooler than they should have been.

    Parameters
    ----------
    reference_c
        Skin temperature to which values are brought; what was measured at this temperature or above stays as it is.
    velocity_m_s_per_c
        What a velocity gains per degree. Published factors go from 1.5 to 2.5, in demyelinated median nerves from 0.1
        to 1.8 (Wu 1993), smaller the slower the nerve; the relation is not linear (Todnem 1989).
    latency_ms_per_c
        What a latency loses per degree.
    """

    reference_c: float
    velocity_m_s_per_c: float = 2.0
    latency_ms_per_c: float = 0.2

    def __post_init__(self) -> None:
        limits = {"reference_c": (15.0, 45.0), "velocity_m_s_per_c": (0.0, 5.0), "latency_ms_per_c": (0.0, 1.0)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise InvalidInputError(
                    f"temperature_correction.{name}: expected {low:g} to {high:g}, found {getattr(self, name)!r}"
                )

    @property
    def parameters(self) -> dict[str, float]:
        """What goes into the parameters and the fingerprint of an analysis."""
        return asdict(self)

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> TemperatureCorrection | None:
        """Return the correction that the parameters of an analysis state, ``None`` where there was none."""
        stated = parameters.get("temperature_correction")
        return None if stated is None else cls(**stated)


def corrected(measurements: Iterable[Measurement], rule: TemperatureCorrection) -> tuple[Measurement, ...]:
    """Return a corrected measurement for every one whose quantity has a corrected form.

    Examples
    --------
    >>> cool = Measurement(quantity="motor_conduction_velocity", value=48.0, unit="m/s", skin_temperature_c=30.0)
    >>> corrected([cool], TemperatureCorrection(reference_c=32.0))[0].value
    52.0
    """
    return tuple(_corrected(m, rule) for m in measurements if m.quantity in TEMPERATURE_CORRECTED)


def _corrected(m: Measurement, rule: TemperatureCorrection) -> Measurement:
    row = replace(m, quantity=TEMPERATURE_CORRECTED[m.quantity])
    if m.value is None:
        return row
    if m.skin_temperature_c is None:
        return replace(row, value=None, sd=None, reason=Reason.NO_TEMPERATURE)
    missing_c = rule.reference_c - m.skin_temperature_c
    if missing_c <= 0:
        how = f"not cooler than {rule.reference_c:g} °C: unchanged"
        return replace(row, method="; ".join(filter(None, (m.method, how))))
    is_velocity = quantity(m.quantity).unit == "m/s"
    factor = rule.velocity_m_s_per_c if is_velocity else -rule.latency_ms_per_c
    how = (
        f"corrected from {m.skin_temperature_c:.1f} to {rule.reference_c:g} °C "
        f"by {factor:+g} {m.unit} per °C, {_WARNING}"
    )
    value = m.value + factor * missing_c
    if value <= 0:
        return replace(row, value=None, sd=None, reason=Reason.IMPOSSIBLE_CORRECTION)
    return replace(row, value=value, method="; ".join(filter(None, (m.method, how))))
