"""What sensory and mixed studies share: onset and peak latency, two amplitudes, velocity from and between the sites."""

from __future__ import annotations

from dataclasses import dataclass

from ncs.detect.marks import Flag
from ncs.measure._study import (
    MarkedTrace,
    StudyPart,
    Value,
    distal_to_proximal,
    short_segment,
    site_pairs,
    velocity,
)
from ncs.model import Direction, Study, Technique
from ncs.results import Reason

__all__ = ["NervePotential"]

_AT_STIMULUS = Value(value=0.0, sd=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NervePotential:
    """Names under which the quantities of a nerve potential are stored."""

    onset_latency: str
    peak_latency: str
    amplitude: str
    peak_to_peak_amplitude: str
    velocity: str

    def measure(self, part: StudyPart) -> None:
        """Append every quantity of a study to ``part``."""
        ordered, order_known = distal_to_proximal(part.study, part.marked)
        for at in ordered:
            self._site(part, at)
        for pair in site_pairs(part.study, ordered, order_known=order_known):
            speed = velocity(
                pair.distance_mm,
                _onset(pair.distal),
                _onset(pair.proximal),
                distance_sd_mm=part.study.distance_sd_mm,
                reason=pair.reason,
            )
            flags = short_segment(pair.distance_mm)
            part.add(self.velocity, speed, segment=pair.name, distance_mm=pair.distance_mm, note=pair.how, flags=flags)

    def _site(self, part: StudyPart, at: MarkedTrace) -> None:
        onset = _onset(at)
        note, flags = _onset_words(part.study, at, onset)
        part.add(self.onset_latency, onset, at=at, note=note, flags=flags)
        no_limits = ("distance_not_stated",) if at.trace.distance_mm is None else ()
        part.add(self.peak_latency, at.value("peak_ms", "peak_sd_ms"), at=at, flags=no_limits)
        part.add(self.amplitude, at.value("peak_uv", "peak_sd_uv"), at=at)
        peak_to_peak = at.value("peak_to_peak_uv", "peak_to_peak_sd_uv", absent=Reason.NO_POSITIVE_PEAK)
        part.add(self.peak_to_peak_amplitude, peak_to_peak, at=at)
        distance = at.trace.distance_mm
        speed = velocity(distance, _AT_STIMULUS, onset, distance_sd_mm=part.study.distance_sd_mm)
        name = f"{part.study.recording_site or 'recording electrode'}-{at.trace.stimulation_site or '?'}"
        how = f"distance over onset latency; {note}" if note else "distance over onset latency"
        part.add(self.velocity, speed, at=at, segment=name, note=how, flags=flags + short_segment(distance))


def _onset_words(study: Study, at: MarkedTrace, onset: Value) -> tuple[str, tuple[str, ...]]:
    """Return what has to be said of an onset: where it was taken, and what speaks against it."""
    if at.has(Flag.ONSET_AT_POSITIVE_PEAK):
        return "orthodromic: onset at the initial positive peak", ()
    if study.technique is not Technique.SENSORY:
        return "", ()
    if "onset_ms" in at.edits:
        return "", ()
    if study.direction is Direction.ORTHODROMIC and onset.value is not None:
        return "orthodromic, without an initial positive peak above the noise", ("no_initial_positive_peak",)
    is_open = study.direction is None and at.has(Flag.INITIAL_POSITIVITY)
    return "", ("direction_not_stated",) if is_open else ()


def _onset(at: MarkedTrace) -> Value:
    return at.value("onset_ms", "onset_sd_ms", absent=Reason.TOO_NOISY)
