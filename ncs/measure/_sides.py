"""Right against left: what a visit measured on both sides in the same way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from ncs.measure._study import Value
from ncs.model import Side
from ncs.quantities import COMPARED_BETWEEN_SIDES, quantity
from ncs.results import Measurement, Reason, VisitResult

__all__ = ["side_differences"]

_SAME_DISTANCE_MM: Final = 10.0
"""Latencies over distances that differ by more are not compared: 10 mm are 0.2 ms at 50 m/s."""
_FROM_ONSET: Final = frozenset({"sensory_onset_latency", "sensory_conduction_velocity"})


def side_differences(results: Iterable[VisitResult]) -> tuple[Measurement, ...]:
    """Return right minus left for every quantity of which both sides of a visit were measured.

    Parameters
    ----------
    results
        Of all files of one visit, as ``analyze`` or ``Store.load_results`` return them.

    Returns
    -------
    tuple of Measurement
        Quantities ``…_side_difference``, without a side; the method has both values. ``study_index`` is that of the
        right side in its own result. What was measured on one side only is not among them; what cannot be compared is
        there with its reason.

    Notes
    -----
    Compared are distal motor latency, CMAP amplitude of the distal site, conduction velocities, sensory latencies and
    SNAP amplitude of the same nerve, recording site and stimulation site or segment. Latencies are compared only where
    both distances are stated and differ by no more than 10 mm, or neither is stated; an onset at the initial
    positive peak, and a velocity from it, only with another such.
    """
    found: dict[tuple[str | None, ...], dict[Side, list[Measurement]]] = {}
    for m in _compared([m for result in results for m in result.measurements]):
        if m.side is not None:
            found.setdefault(_key(m), {}).setdefault(m.side, []).append(m)
    return tuple(_difference(by_side[Side.RIGHT], by_side[Side.LEFT]) for by_side in found.values() if len(by_side) > 1)


def _compared(measurements: Sequence[Measurement]) -> Iterable[Measurement]:
    """Return what is compared; of CMAP amplitudes those of the site that has the distal latency."""
    distal = {(m.study_index, m.nerve, m.side, m.site) for m in measurements if m.quantity == "distal_motor_latency"}
    for m in measurements:
        is_distal = (m.study_index, m.nerve, m.side, m.site) in distal
        if m.quantity in COMPARED_BETWEEN_SIDES and (m.quantity != "cmap_amplitude" or is_distal):
            yield m


def _key(m: Measurement) -> tuple[str | None, ...]:
    places = (m.nerve, m.recording_site, m.site if m.segment is None else None, m.segment)
    return (m.quantity, m.technique, *(place.casefold() if place is not None else None for place in places))


def _difference(right: Sequence[Measurement], left: Sequence[Measurement]) -> Measurement:
    first, second = right[0], left[0]
    value = _value(right, left)
    name = f"{first.quantity}_side_difference"
    words = f"right {_words(first)}, left {_words(second)}" if len(right) == len(left) == 1 else ""
    return Measurement(
        quantity=name,
        value=value.value,
        sd=value.sd,
        unit=quantity(name).unit,
        reason=value.reason,
        method="; ".join(filter(None, ("right minus left", words))),
        nerve=first.nerve,
        technique=first.technique,
        recording_site=first.recording_site,
        site=first.site,
        segment=first.segment,
        flags=tuple(dict.fromkeys((*first.flags, *second.flags))),
        study_index=first.study_index,
    )


def _value(right: Sequence[Measurement], left: Sequence[Measurement]) -> Value:
    if len(right) > 1 or len(left) > 1:
        return Value.missing(Reason.SEVERAL_OF_A_SIDE)
    first, second = right[0], left[0]
    for m in (first, second):
        if m.value is None:
            return Value.missing(m.reason or Reason.NOT_MARKED)
    if first.quantity in _FROM_ONSET and _is_at_positive_peak(first) != _is_at_positive_peak(second):
        return Value.missing(Reason.DIFFERENT_ONSETS)
    is_latency = quantity(first.quantity).unit == "ms"
    if is_latency and not _is_same_distance(first.distance_mm, second.distance_mm):
        return Value.missing(Reason.DIFFERENT_DISTANCES)
    assert first.value is not None  # the loop above has returned otherwise
    assert second.value is not None
    sd = math.hypot(first.sd, second.sd) if first.sd is not None and second.sd is not None else None
    return Value(value=first.value - second.value, sd=sd)


def _is_at_positive_peak(m: Measurement) -> bool:
    return "onset_at_positive_peak" in m.flags


def _is_same_distance(right_mm: float | None, left_mm: float | None) -> bool:
    if right_mm is None or left_mm is None:
        return right_mm is None and left_mm is None
    return abs(right_mm - left_mm) <= _SAME_DISTANCE_MM


def _words(m: Measurement) -> str:
    row = quantity(m.quantity)
    distance = f" over {m.distance_mm:g} mm" if m.distance_mm is not None else ""
    value = "none" if m.value is None else f"{m.value * row.display_factor:.{row.decimals}f} {row.display_unit}"
    return f"{value}{distance}"
