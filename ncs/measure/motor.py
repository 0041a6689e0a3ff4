"""Motor studies: latency, amplitude, area, duration of every site; ratios and velocity of every segment."""

from __future__ import annotations

import math

from ncs.detect.marks import Flag
from ncs.measure._patterns import pattern_of
from ncs.measure._study import (
    MarkedTrace,
    SitePair,
    StudyPart,
    Value,
    distal_to_proximal,
    edits_of,
    ratio,
    short_segment,
    site_pairs,
    velocity,
)
from ncs.measure._technique import TechniqueMeasures
from ncs.model import Technique
from ncs.results import Reason

__all__ = ["TECHNIQUE", "measure"]

_PER_SITE = (
    ("cmap_amplitude", "peak_uv", "peak_sd_uv"),
    ("cmap_peak_to_peak_amplitude", "peak_to_peak_uv", "peak_to_peak_sd_uv"),
    ("cmap_area", "area_uv_ms", "area_sd_uv_ms"),
    ("cmap_duration", "duration_ms", "duration_sd_ms"),
    ("cmap_total_duration", "total_duration_ms", "duration_sd_ms"),
)
_RATIOS = (
    ("cmap_amplitude_ratio", "peak_uv", "peak_sd_uv"),
    ("cmap_area_ratio", "area_uv_ms", "area_sd_uv_ms"),
    ("cmap_duration_ratio", "duration_ms", "duration_sd_ms"),
)


def latency(at: MarkedTrace) -> Value:
    """Return the onset latency of one site."""
    return at.value("onset_ms", "onset_sd_ms", absent=Reason.TOO_NOISY)


def measure(part: StudyPart) -> None:
    """Append every motor quantity of a study to ``part``."""
    ordered, order_known = distal_to_proximal(part.study, part.marked)
    for at in ordered:
        part.add("motor_latency", latency(at), at=at)
        for name, mark, sd in _PER_SITE:
            absent = Reason.NO_POSITIVE_PEAK if "peak_to_peak" in name else Reason.NO_RETURN
            value = at.value(mark, sd, absent=absent)
            part.add(name, value, at=at, note=_peak_threshold(name, at), flags=_of_duration(name, at))
    if not ordered:
        return
    distal = ordered[0]
    dml = latency(distal) if order_known else Value.missing(Reason.NO_SITE_ORDER)
    no_limits = ("distance_not_stated",) if distal.trace.distance_mm is None else ()
    part.add("distal_motor_latency", dml, at=distal if order_known else None, flags=no_limits)
    pairs = site_pairs(part.study, ordered, order_known=order_known)
    for pair in pairs:
        _segment(part, pair, order_known=order_known)
    if not pairs:
        part.add("motor_conduction_velocity", Value.missing(Reason.ONE_SITE))
    _distal_indices(part, distal, dml, pairs[0] if pairs else None)


def _peak_threshold(name: str, at: MarkedTrace) -> str:
    if name != "cmap_total_duration" or at.marks is None:
        return ""
    return f"peaks above {float(at.marks.peak_threshold_uv[0]):.0f} uV counted"


def _of_duration(name: str, at: MarkedTrace) -> tuple[str, ...]:
    """Return the flags of a duration: later peaks in it; no limit holds for it, because limits go with the filter."""
    if name not in {"cmap_duration", "cmap_total_duration"} or at.marks is None:
        return ()
    has_later_peak = name == "cmap_total_duration" and bool(at.marks.last_end_ms[0] > at.marks.end_ms[0])
    later = ("multiple_peaks",) if has_later_peak and not at.has(Flag.MULTIPLE_PEAKS) else ()
    return later + (("low_cut_not_stated",) if at.trace.filters.low_cut_hz is None else ())


def _segment(part: StudyPart, pair: SitePair, *, order_known: bool) -> None:
    ratios = {
        name: ratio(pair.proximal.value(mark, sd), pair.distal.value(mark, sd))
        if order_known
        else Value.missing(Reason.NO_SITE_ORDER)
        for name, mark, sd in _RATIOS
    }
    pattern = pattern_of(part.study, pair, ratios["cmap_amplitude_ratio"], ratios["cmap_area_ratio"])
    segment, distance = pair.name, pair.distance_mm
    for name, value in ratios.items():
        flags, note = pattern if name == "cmap_amplitude_ratio" else ((), "")
        part.add(name, value, segment=segment, distance_mm=distance, note=note, flags=flags)
    speed = velocity(
        distance,
        latency(pair.distal),
        latency(pair.proximal),
        distance_sd_mm=part.study.distance_sd_mm,
        reason=pair.reason,
    )
    flags = short_segment(distance)
    part.add("motor_conduction_velocity", speed, segment=segment, distance_mm=distance, note=pair.how, flags=flags)


def _distal_indices(part: StudyPart, distal: MarkedTrace, dml: Value, pair: SitePair | None) -> None:
    """Append terminal latency index and residual latency."""
    near = distal.trace.distance_mm
    note = f"distal distance {near:g} mm" if near is not None else ""
    index = residual = Value.missing(Reason.ONE_SITE)
    if pair is not None:
        index, residual = _terminal(near, pair, dml)
    part.add("terminal_latency_index", index, distance_mm=near, note=note)
    part.add("residual_latency", residual, distance_mm=near, note=note)


def _terminal(near_mm: float | None, pair: SitePair, dml: Value) -> tuple[Value, Value]:
    r"""Return terminal latency index and residual latency.

    With the distal distance :math:`d`, the segment :math:`D` and the latencies :math:`t_1, t_2`:
    :math:`TLI = d (t_2 - t_1) / (D t_1)` and :math:`RL = t_1 - d (t_2 - t_1) / D`; standard deviations to first order,
    because both share :math:`t_1` with the velocity.
    """
    far = latency(pair.proximal)
    speed = velocity(pair.distance_mm, dml, far, distance_sd_mm=None, reason=pair.reason)
    if speed.value is None:
        return speed, speed
    if near_mm is None or not 0 < near_mm < math.inf:
        missing = Value.missing(Reason.NO_DISTAL_DISTANCE if near_mm is None else Reason.IMPOSSIBLE_DISTANCE)
        return missing, missing
    assert dml.value is not None  # a velocity exists, hence both latencies do
    assert far.value is not None
    index = near_mm / (speed.value * dml.value)
    residual = dml.value - near_mm / speed.value
    edits = edits_of(dml, far)
    if speed.sd is None or dml.sd is None or far.sd is None or pair.distance_mm is None:
        return Value(value=index, edits=edits), Value(value=residual, edits=edits)
    share = near_mm / pair.distance_mm
    index_sd = share / dml.value * math.hypot(far.sd, far.value / dml.value * dml.sd)
    residual_sd = math.hypot((1 + share) * dml.sd, share * far.sd)
    return Value(value=index, sd=index_sd, edits=edits), Value(value=residual, sd=residual_sd, edits=edits)


TECHNIQUE = TechniqueMeasures(technique=Technique.MOTOR, responses=("cmap",), measure=measure)
