"""Sensory studies: onset and peak latency, two amplitudes, velocity from each site and between sites."""

from __future__ import annotations

from ncs.measure._study import MarkedTrace, StudyPart, Value, distal_to_proximal, site_pairs, velocity
from ncs.measure._technique import TechniqueMeasures
from ncs.model import Technique
from ncs.results import Reason

__all__ = ["TECHNIQUE", "measure"]

_AT_STIMULUS = Value(value=0.0, sd=0.0)


def _onset(at: MarkedTrace) -> Value:
    return at.value("onset_ms", "onset_sd_ms", absent=Reason.TOO_NOISY)


def measure(part: StudyPart) -> None:
    """Append every sensory quantity of a study to ``part``."""
    ordered, order_known = distal_to_proximal(part.study, part.marked)
    for at in ordered:
        _site(part, at)
    for pair in site_pairs(part.study, ordered, order_known=order_known):
        speed = velocity(
            pair.distance_mm,
            _onset(pair.distal),
            _onset(pair.proximal),
            distance_sd_mm=part.study.distance_sd_mm,
            reason=pair.reason,
        )
        part.add("sensory_conduction_velocity", speed, segment=pair.name, distance_mm=pair.distance_mm, note=pair.how)


def _site(part: StudyPart, at: MarkedTrace) -> None:
    part.add("sensory_onset_latency", _onset(at), at=at)
    part.add("sensory_peak_latency", at.value("peak_ms", "peak_sd_ms"), at=at)
    part.add("snap_amplitude", at.value("peak_uv", "peak_sd_uv"), at=at)
    peak_to_peak = at.value("peak_to_peak_uv", "peak_to_peak_sd_uv", absent=Reason.NO_POSITIVE_PEAK)
    part.add("snap_peak_to_peak_amplitude", peak_to_peak, at=at)
    distance = at.trace.distance_mm
    speed = velocity(distance, _AT_STIMULUS, _onset(at), distance_sd_mm=part.study.distance_sd_mm)
    name = f"{part.study.recording_site or 'recording electrode'}-{at.trace.stimulation_site or '?'}"
    part.add("sensory_conduction_velocity", speed, at=at, segment=name, note="distance over onset latency")


TECHNIQUE = TechniqueMeasures(technique=Technique.SENSORY, responses=("snap",), measure=measure)
