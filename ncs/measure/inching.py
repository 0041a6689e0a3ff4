"""Inching: the nerve is stimulated every one or two centimetres, and a focal lesion shows as one step among equals.

What is reported is how latency, amplitude and area change from site to site. A velocity over so short a distance is
mostly the error of the tape and of the cursor, so there is none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from ncs.measure._study import (
    MarkedTrace,
    SitePair,
    StudyPart,
    Value,
    distal_to_proximal,
    edits_of,
    ratio,
    site_pairs,
)
from ncs.measure._technique import TechniqueMeasures
from ncs.model import Technique
from ncs.results import Reason

__all__ = ["TECHNIQUE", "measure"]

_PER_SITE = (("cmap_amplitude", "peak_uv", "peak_sd_uv"), ("cmap_area", "area_uv_ms", "area_sd_uv_ms"))
_RATIOS = (("cmap_amplitude_ratio", "peak_uv", "peak_sd_uv"), ("cmap_area_ratio", "area_uv_ms", "area_sd_uv_ms"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What happens between two neighbouring sites."""

    pair: SitePair
    latency: Value
    per_10_mm: Value
    drop: Value


def measure(part: StudyPart) -> None:
    """Append every quantity of an inching study to ``part``."""
    ordered, order_known = distal_to_proximal(part.study, _named(part.marked))
    for at in ordered:
        part.add("motor_latency", _latency(at), at=at)
        for name, mark, sd in _PER_SITE:
            part.add(name, at.value(mark, sd), at=at)
    pairs = site_pairs(part.study, ordered, order_known=order_known)[: max(len(ordered) - 1, 0)]
    steps = [_step(pair, part.study.distance_sd_mm, order_known=order_known) for pair in pairs]
    for step in steps:
        name, distance = step.pair.name, step.pair.distance_mm
        part.add("latency_step", step.latency, segment=name, distance_mm=distance)
        part.add("latency_step_per_10_mm", step.per_10_mm, segment=name, distance_mm=distance, note=step.pair.how)
        for quantity, mark, sd in _RATIOS:
            value = Value.missing(Reason.NO_SITE_ORDER)
            if order_known:
                value = ratio(step.pair.proximal.value(mark, sd), step.pair.distal.value(mark, sd))
            part.add(quantity, value, segment=name, distance_mm=distance)
    _largest(part, "latency_step_maximum", [(step, step.per_10_mm) for step in steps], "ms for 10 mm")
    _largest(part, "amplitude_step_maximum", [(step, step.drop) for step in steps], "%")


def _named(marked: Sequence[MarkedTrace]) -> tuple[MarkedTrace, ...]:
    """Return the traces with sites that tell them apart: where names do not, the distance is added to the name."""
    names = Counter((at.trace.stimulation_site or "").casefold() for at in marked)
    return tuple(_with_distance(at, names) for at in marked)


def _with_distance(at: MarkedTrace, names: Counter[str]) -> MarkedTrace:
    site, distance = at.trace.stimulation_site or "", at.trace.distance_mm
    if distance is None or (site and names[site.casefold()] == 1):
        return at
    return replace(at, trace=replace(at.trace, stimulation_site=f"{site} {distance:g} mm".strip()))


def _latency(at: MarkedTrace) -> Value:
    return at.value("onset_ms", "onset_sd_ms", absent=Reason.TOO_NOISY)


def _step(pair: SitePair, distance_sd_mm: float | None, *, order_known: bool) -> _Step:
    if not order_known:
        missing = Value.missing(Reason.NO_SITE_ORDER)
        return _Step(pair=pair, latency=missing, per_10_mm=missing, drop=missing)
    latency = _difference(_latency(pair.proximal), _latency(pair.distal))
    return _Step(pair=pair, latency=latency, per_10_mm=_per_10_mm(latency, pair, distance_sd_mm), drop=_drop(pair))


def _difference(far: Value, near: Value) -> Value:
    """Return how much longer the proximal latency is; a negative step is one, and no mistake."""
    for part in (near, far):
        if part.value is None:
            return part
    assert far.value is not None  # the loop above has returned otherwise
    assert near.value is not None
    sd = None if far.sd is None or near.sd is None else math.hypot(far.sd, near.sd)
    return Value(value=far.value - near.value, sd=sd, edits=edits_of(near, far))


def _per_10_mm(step: Value, pair: SitePair, distance_sd_mm: float | None) -> Value:
    r"""Return :math:`10 s / d`; over so short a distance the error of the tape weighs as much as that of the marks."""
    if step.value is None:
        return step
    if pair.distance_mm is None:
        return Value.missing(pair.reason or Reason.NO_DISTANCE)
    if not 0 < pair.distance_mm < math.inf:
        return Value.missing(Reason.IMPOSSIBLE_DISTANCE)
    factor = 10.0 / pair.distance_mm
    if step.sd is None:
        return step._replace(value=step.value * factor)
    from_tape = step.value * (distance_sd_mm or 0.0) / pair.distance_mm
    return step._replace(value=step.value * factor, sd=factor * math.hypot(step.sd, from_tape))


def _drop(pair: SitePair) -> Value:
    """Return the loss of amplitude from the distal to the proximal site, percent."""
    share = ratio(pair.proximal.value("peak_uv", "peak_sd_uv"), pair.distal.value("peak_uv", "peak_sd_uv"))
    if share.value is None:
        return share
    return share._replace(value=100.0 * (1.0 - share.value), sd=None if share.sd is None else 100.0 * share.sd)


def _largest(part: StudyPart, name: str, steps: Sequence[tuple[_Step, Value]], unit: str) -> None:
    """Append the largest of the steps, with its place and the middle of the others in the method."""
    known = [(value.value, step, value) for step, value in steps if value.value is not None]
    if not known:
        missing = steps[0][1] if steps else Value.missing(Reason.ONE_SITE)
        part.add(name, missing)
        return
    largest, step, value = max(known, key=lambda item: item[0])
    others = [number for number, other, _ in known if other is not step]
    note = f"at {step.pair.name}, {len(known)} of {len(steps)} steps known"
    if others:
        note += f", median of the others {median(others):.3g} {unit}"
    part.add(name, value._replace(value=largest), note=note)


TECHNIQUE = TechniqueMeasures(technique=Technique.INCHING, responses=("cmap",), measure=measure)
