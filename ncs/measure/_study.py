"""What all techniques share: a study with its marks, and how a mark becomes a measurement or a reason."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, NamedTuple

from ncs.detect.marks import Flag, Marks, Outcome
from ncs.model import Origin, Segment, Study, Trace
from ncs.quantities import QUANTITIES
from ncs.results import Measurement, MeasurementDraft, Reason, TraceMarks

__all__ = [
    "EDITED", "STIMULUS_FROM_ARTEFACT", "MarkedTrace", "SitePair", "StudyPart", "Value", "distal_to_proximal",
    "edits_of", "known_sd", "ratio", "short_segment", "site_pairs", "velocity",
]  # fmt: skip

_REASONS = {
    Outcome.NO_RESPONSE: Reason.NO_RESPONSE,
    Outcome.CLIPPED: Reason.CLIPPED,
    Outcome.AT_WINDOW_EDGE: Reason.AT_WINDOW_EDGE,
    Outcome.TOO_NOISY: Reason.TOO_NOISY,
    Outcome.INVALID_INPUT: Reason.INVALID_SAMPLES,
}
_FLAG_NAMES = {
    Flag.INITIAL_POSITIVITY: "initial_positivity",
    Flag.MULTIPLE_PEAKS: "multiple_peaks",
    Flag.NO_BASELINE_BEFORE_STIMULUS: "no_baseline_before_stimulus",
    Flag.ONSET_AT_POSITIVE_PEAK: "onset_at_positive_peak",
    Flag.METHODS_DISAGREE: "methods_disagree",
}
_OF_ONSET = Flag.ONSET_AT_POSITIVE_PEAK | Flag.METHODS_DISAGREE
STIMULUS_FROM_ARTEFACT = "stimulus_from_artefact"
"""Flag of every number that rests on a stimulus time nobody stated."""
EDITED = "edited"
"""Flag of every number that rests on a mark that a person moved."""


@cache
def _flag_names(bits: int) -> tuple[str, ...]:
    flags = Flag(bits)
    if Flag.ONSET_AT_POSITIVE_PEAK in flags:
        flags &= ~Flag.INITIAL_POSITIVITY
    return tuple(name for flag, name in _FLAG_NAMES.items() if flag in flags)


class Value(NamedTuple):
    """A number with its standard deviation, or the reason why there is none.

    ``edits`` says in words which marks that a person moved it rests on.
    """

    value: float | None
    sd: float | None = None
    reason: Reason | None = None
    edits: tuple[str, ...] = ()

    @classmethod
    def missing(cls, reason: Reason) -> Value:
        """Return an absent value."""
        return cls(value=None, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedTrace:
    """One trace with the marks (length one) that are measured, or ``None`` and the reason why it was not marked.

    ``edits`` has, for every field of the marks that a person's edits changed, those edits in words; ``left_out`` the
    fields that are absent because of them.
    """

    trace: Trace
    marks: Marks | None
    how: str = ""
    reason: Reason | None = None
    edits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    found: Mapping[str, TraceMarks] = field(default_factory=dict)
    """What was marked, by response."""
    sweep_edits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Edits of single sweeps in words, by response: for ``Value.edits`` of what is measured sweep by sweep."""
    more_flags: tuple[str, ...] = ()
    """Flags of what is measured here, beside those of the marks."""
    flags: tuple[str, ...] = field(init=False)
    """Names of the flags of the measured marks, and of the trace itself."""

    def __post_init__(self) -> None:
        flags: tuple[str, ...] = ()
        if self.marks is not None:
            flags = _flag_names(self._bits) + self.more_flags + self.trace_flags
        object.__setattr__(self, "flags", flags)

    def value(self, field_name: str, sd_name: str = "", *, absent: Reason = Reason.NO_RETURN) -> Value:
        """Return one mark; ``absent`` is the reason given when a found response lacks just this mark."""
        if self.marks is None:
            return Value.missing(self.reason or Reason.NO_STIMULUS_TIME)
        number = float(getattr(self.marks, field_name)[0])
        edits = self.edits.get(field_name, ())
        if math.isnan(number):
            outcome = Outcome(int(self.marks.outcome[0]))
            reason = Reason.NOT_MARKED if field_name in self.left_out else _REASONS.get(outcome, absent)
            return Value(None, None, reason, edits)
        sd = float(getattr(self.marks, sd_name)[0]) if sd_name and not edits else math.nan
        return Value(number, None if math.isnan(sd) else sd, None, edits)

    def has(self, flag: Flag) -> bool:
        """Return whether the measured marks carry a flag."""
        wanted = int(flag)
        return self.marks is not None and self._bits & wanted == wanted

    @property
    def _bits(self) -> int:
        """Flags of the measured marks, without those of an onset that a person has moved."""
        assert self.marks is not None  # the callers have asked
        bits = int(self.marks.flags[0])
        return int(Flag(bits) & ~_OF_ONSET) if "onset_ms" in self.edits else bits

    @property
    def trace_flags(self) -> tuple[str, ...]:
        """Names of the flags that everything measured in the trace has, a velocity between two traces too."""
        return (STIMULUS_FROM_ARTEFACT,) if self.trace.provenance["stimulus_ms"] is Origin.ARTEFACT else ()


def known_sd(sd: float) -> float | None:
    """Return a standard deviation, ``None`` for NaN: a mark that a person set has none."""
    return None if math.isnan(sd) else float(sd)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPart:
    """A study on its way to measurements; ``row`` makes a measurement that carries the study's facts."""

    study: Study
    study_index: int
    marked: tuple[MarkedTrace, ...]
    method: str
    covariates: Mapping[str, float | str] = field(default_factory=dict)
    """Of the visit."""
    others: Sequence[Measurement] = ()
    """What was measured in other studies of the visit, for a technique that needs it."""
    rows: list[Measurement] = field(default_factory=list)
    shared_flags: tuple[str, ...] = field(init=False)
    """Flags of what is measured between traces."""

    def __post_init__(self) -> None:
        shared = tuple(dict.fromkeys(flag for at in self.marked for flag in at.trace_flags))
        object.__setattr__(self, "shared_flags", shared)

    def add(
        self,
        name: str,
        value: Value,
        *,
        at: MarkedTrace | None = None,
        segment: str | None = None,
        distance_mm: float | None = None,
        note: str = "",
        flags: tuple[str, ...] = (),
    ) -> None:
        """Append one measurement; ``flags`` are those beside the ones of its marks."""
        study, how = self.study, self.method
        number, sd, reason, edits = value
        if note or edits or (at is not None and at.how):
            how = "; ".join(filter(None, (how, at.how if at is not None else "", note, *edits)))
        flags = (at.flags if at is not None else self.shared_flags) + flags
        row: Any = MeasurementDraft()
        row.quantity = name
        row.value = number
        row.sd = sd
        row.unit = QUANTITIES[name].unit
        row.reason = reason
        row.method = how
        row.nerve = study.nerve
        row.side = study.side
        row.technique = study.technique
        row.recording_site = study.recording_site
        row.site = at.trace.stimulation_site if at is not None else None
        row.segment = segment
        row.distance_mm = distance_mm if at is None else at.trace.distance_mm
        row.skin_temperature_c = study.skin_temperature_c
        row.flags = (*flags, EDITED) if edits else flags
        row.study_index = self.study_index
        self.rows.append(row.finished())


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePair:
    """Two stimulation sites of a study and the distance between them, or the reason why it is not known."""

    distal: MarkedTrace
    proximal: MarkedTrace
    distance_mm: float | None
    reason: Reason | None
    how: str

    @property
    def name(self) -> str:
        """Name of the segment, distal site first."""
        return f"{self.distal.trace.stimulation_site or '?'}-{self.proximal.trace.stimulation_site or '?'}"


_DISTAL_SITES = frozenset({"wrist", "ankle"})
"""Sites that are the distal one of a motor study when they stand alone; an elbow alone is half of a study."""


def distal_to_proximal(study: Study, marked: Sequence[MarkedTrace]) -> tuple[tuple[MarkedTrace, ...], bool]:
    """Return the traces from distal to proximal, and whether that order is known.

    Distances order the sites; without them the protocol does, in whose order ``ncs.io`` has put the traces already, and
    without that the directly measured segments, where they form one chain through all sites.
    """
    if len(marked) == 1:
        by_protocol = study.provenance["site_order"] is not Origin.UNSET
        return tuple(marked), by_protocol or _key(marked[0]) in _DISTAL_SITES
    distances = [at.trace.distance_mm for at in marked]
    if all(distance is not None for distance in distances):
        ordered = tuple(sorted(marked, key=lambda at: at.trace.distance_mm or 0.0))
        return ordered, all(_distinct(near, far) for near, far in pairwise(ordered))
    if study.provenance["site_order"] is not Origin.UNSET:
        return tuple(marked), True
    chain = _chain(study)
    if all(_key(at) in chain for at in marked):
        return tuple(sorted(marked, key=lambda at: chain.index(_key(at)))), True
    return tuple(marked), False


def _key(at: MarkedTrace) -> str:
    """Return the site in the form in which sites are compared."""
    return (at.trace.stimulation_site or "").casefold()


def _distinct(near: MarkedTrace, far: MarkedTrace) -> bool:
    """Return whether the order of two neighbours by distance is an order; equal distances of two sites are not."""
    return near.trace.distance_mm != far.trace.distance_mm or _key(near) == _key(far)


def _chain(study: Study) -> list[str]:
    """Return the sites of the measured segments from distal to proximal; empty where they leave the order open."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for segment in study.segments:
        sorter.add(segment.proximal_site.casefold(), segment.distal_site.casefold())
    chain: list[str] = []
    try:
        sorter.prepare()
    except CycleError:
        return []
    while sorter.is_active():
        ready = sorter.get_ready()
        if len(ready) > 1:
            return []
        chain += ready
        sorter.done(*ready)
    return chain


def site_pairs(study: Study, ordered: Sequence[MarkedTrace], *, order_known: bool) -> tuple[SitePair, ...]:
    """Return neighbouring pairs of sites, then every other pair whose distance was measured directly.

    Where the order is not known, a pair is put in the order of its own distances or of its measured segment.
    """
    stated = {(s.distal_site.casefold(), s.proximal_site.casefold()): s for s in study.segments}
    pairs = list(pairwise(ordered))
    if stated:
        pairs += _measured_pairs(stated, ordered)
    if not order_known:
        pairs = [_oriented(stated, near, far) for near, far in pairs]
    return tuple([_site_pair(stated, near, far) for near, far in pairs])


def _measured_pairs(
    stated: Mapping[tuple[str, str], Segment], ordered: Sequence[MarkedTrace]
) -> Iterator[tuple[MarkedTrace, MarkedTrace]]:
    """Yield the pairs of sites that are not neighbours and have a measured distance, each once."""
    by_site = {_key(at): at for at in reversed(ordered)}
    rank = {_key(at): i for i, at in reversed(list(enumerate(ordered)))}
    seen = {frozenset((_key(near), _key(far))) for near, far in pairwise(ordered)}
    for names in stated:
        if frozenset(names) not in seen and all(name in by_site for name in names):
            near, far = sorted(names, key=rank.__getitem__)
            yield by_site[near], by_site[far]
            seen.add(frozenset(names))


def _oriented(
    stated: Mapping[tuple[str, str], Segment], near: MarkedTrace, far: MarkedTrace
) -> tuple[MarkedTrace, MarkedTrace]:
    first, second = near.trace.distance_mm, far.trace.distance_mm
    if first is not None and second is not None and first != second:
        swapped = first > second
    else:
        swapped = (_key(far), _key(near)) in stated
    return (far, near) if swapped else (near, far)


def _site_pair(stated: Mapping[tuple[str, str], Segment], distal: MarkedTrace, proximal: MarkedTrace) -> SitePair:
    direct = None
    if stated:
        direct = stated.get((_key(distal), _key(proximal))) or stated.get((_key(proximal), _key(distal)))
    near, far = distal.trace.distance_mm, proximal.trace.distance_mm
    distance, reason, how = None, None, ""
    if direct is not None:
        distance, how = direct.distance_mm, "distance measured between the sites"
    elif distal.trace.stimulation_site is None or proximal.trace.stimulation_site is None:
        reason = Reason.NO_SITE
    elif near is None or far is None:
        reason = Reason.NO_DISTANCE
    elif far <= near:
        reason = Reason.SAME_DISTANCE
    else:
        distance, how = far - near, "distance from the two cathode distances"
    return SitePair(distal=distal, proximal=proximal, distance_mm=distance, reason=reason, how=how)


SHORT_SEGMENT_MM = 100.0


def short_segment(distance_mm: float | None) -> tuple[str, ...]:
    """Return the flag of a velocity over less than 10 cm, where errors of distance and latency weigh much."""
    return ("short_segment",) if distance_mm is not None and distance_mm < SHORT_SEGMENT_MM else ()


def edits_of(*values: Value) -> tuple[str, ...]:
    """Return the edits that several values rest on, each once."""
    said: tuple[str, ...] = ()
    for value in values:
        said += value.edits
    return tuple(dict.fromkeys(said))


def ratio(proximal: Value, distal: Value) -> Value:
    r"""Return proximal over distal; its standard deviation from the relative ones of the two.

    Examples
    --------
    >>> ratio(Value(value=3000.0), Value(value=6000.0)).value
    0.5
    """
    if distal.value is None:
        return distal
    if proximal.value is None:
        return proximal
    quotient, edits = proximal.value / distal.value, edits_of(proximal, distal)
    if proximal.sd is None or distal.sd is None:
        return Value(value=quotient, edits=edits)
    relative = math.hypot(proximal.sd / proximal.value, distal.sd / distal.value)
    return Value(value=quotient, sd=abs(quotient) * relative, edits=edits)


def velocity(
    distance_mm: float | None, near: Value, far: Value, *, distance_sd_mm: float | None, reason: Reason | None = None
) -> Value:
    r"""Return the velocity over a distance between two latencies.

    .. math:: v = d / (t_{far} - t_{near}), \quad
        \sigma_v = v \sqrt{(\sigma_{near}^2 + \sigma_{far}^2) / (t_{far} - t_{near})^2 + \sigma_d^2 / d^2}

    Millimetres over milliseconds are metres per second.

    Examples
    --------
    >>> velocity(220.0, Value(value=3.8), Value(value=7.8), distance_sd_mm=None).value
    55.0
    """
    if near.value is None:
        return near
    if far.value is None:
        return far
    if distance_mm is None:
        return Value.missing(reason or Reason.NO_DISTANCE)
    if not (0 < distance_mm < math.inf):
        return Value.missing(Reason.IMPOSSIBLE_DISTANCE)
    delay, edits = far.value - near.value, edits_of(near, far)
    if delay <= 0:
        return Value(value=None, reason=Reason.LATENCY_ORDER, edits=edits)
    speed = distance_mm / delay
    if near.sd is None or far.sd is None:
        return Value(value=speed, edits=edits)
    relative = (near.sd**2 + far.sd**2) / delay**2 + ((distance_sd_mm or 0.0) / distance_mm) ** 2
    return Value(value=speed, sd=speed * math.sqrt(relative), edits=edits)
