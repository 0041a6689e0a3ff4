"""What the file leaves open is filled from the sidecar, then from the protocol; contradictions are collected.

The one place where precedence is decided (file, sidecar, protocol, unset) and provenance of filled fields is written.
A new sidecar or protocol field gets one line here.
"""

from __future__ import annotations

import datetime as dt
import operator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from ncs.errors import ConflictError, Problem
from ncs.io._match import Conflicts, Matched, match
from ncs.io._stimuli import is_same_marker
from ncs.io._study_words import direction_of
from ncs.io._units import voltage_factor
from ncs.model import Direction, Origin, Segment, Side, SourceFile, Study, Technique, Trace, Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.io.protocol import Protocol, ProtocolStudy
    from ncs.io.sidecar import Sidecar, StudyEntry, TraceEntry

__all__ = ["complete", "ordered_study"]

Noun = TypeVar("Noun", Study, Visit)

_TOLERANCE = 1e-6
_AUTHORITY = (Origin.PROTOCOL, Origin.SIDECAR, Origin.FILE)


def complete(
    visit: Visit,
    sidecar: Sidecar | None,
    protocol: Protocol | None,
    *,
    file: str = "",
    sources: tuple[SourceFile, ...] = (),
    remarks: tuple[Problem, ...] = (),
) -> Visit:
    """Return the visit with absent fields filled and the traces of each study ordered from distal to proximal.

    Parameters
    ----------
    visit
        What the file states.
    sidecar
        Fills what is absent; a different value for something the file states is a conflict (numbers agree within a
        relative 1e-6, text without regard to capitals).
    protocol
        Fills what is still absent; never contradicts.
    file
        The file as the user named it, for problems; the name in ``visit.sources`` where it is empty.
    sources
        Stand in for those of the visit.
    remarks
        Go before the problems of the visit.

    Returns
    -------
    Visit
        ``provenance`` of every noun names the origin of what was filled. ``provenance["site_order"]`` of a study says
        what its order of traces rests on: the origin of the distances, or the protocol's list of sites; it is unset
        where nothing gives an order.

    Raises
    ------
    ConflictError
        With all contradictions at once.
    """
    file = file or (visit.sources[0].name if visit.sources else "")
    conflicts = Conflicts(file)
    directed = tuple([_with_direction(study) for study in visit.studies])
    if any(map(operator.is_not, directed, visit.studies)):
        visit = replace(visit, studies=directed)
    if sidecar is not None:
        visit = _with_sidecar(visit, sidecar, conflicts)
    if conflicts.problems:
        raise ConflictError(conflicts.problems)
    if protocol is not None:
        visit = replace(visit, studies=tuple(_with_protocol(study, protocol) for study in visit.studies))
    problems: list[Problem] = [*remarks, *visit.problems]
    studies = tuple([ordered_study(study, protocol, problems, file) for study in visit.studies])
    if not sources and len(problems) == len(visit.problems) and not any(map(operator.is_not, studies, visit.studies)):
        return visit
    return _with(visit, studies=studies, problems=tuple(problems), sources=sources or visit.sources)


def _with(noun: Noun, **values: Any) -> Noun:
    """Return what ``dataclasses.replace`` does, in less time: it is done to every visit and to most studies."""
    names = noun.__dataclass_fields__
    return type(noun)(**dict(zip(names, operator.attrgetter(*names)(noun), strict=True), **values))


def _with_direction(study: Study) -> Study:
    """Take the direction of a study from the labels of its channel and its stimuli."""
    if study.direction is not None:
        return study
    labels = dict.fromkeys([text for trace in study.traces for text in (trace.channel, trace.stimulus.label) if text])
    direction = direction_of(" ".join(labels))
    if direction is None:
        return study
    return replace(study, direction=direction, provenance=study.provenance.with_origins(direction=Origin.FILE))


class _Spot(NamedTuple):
    conflicts: Conflicts
    place: str


@dataclass(slots=True)
class _Changes:
    """What will be filled into one noun."""

    conflicts: Conflicts
    place: str
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    def take(self, name: str, current: Any, stated: Any, *, called: str = "") -> None:
        """Fill from the sidecar, or note a contradiction; ``called`` names the field as the sidecar does."""
        if stated is None:
            return
        if current is None:
            self.values[name] = stated
            self.origins[name] = Origin.SIDECAR
        elif not _agree(current, stated):
            called = called or name
            hint = f"Correct `{called}` in the sidecar, or remove it there."
            self.conflicts.add(
                self.place, called, f"{_shown(stated)} (the sidecar)", f"{_shown(current)} (the file)", hint
            )


def _agree(current: Any, stated: Any) -> bool:
    if isinstance(current, str) and isinstance(stated, str):
        return current.strip().casefold() == stated.strip().casefold()
    if isinstance(current, dt.date) or isinstance(stated, (dt.date, str)):
        return bool(current == stated)
    return bool(np.allclose(current, stated, rtol=_TOLERANCE, atol=1e-12))


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        distinct = np.unique(value)
        return (
            f"{distinct[0]:g}"
            if len(distinct) == 1
            else f"{len(value)} values from {distinct[0]:g} to {distinct[-1]:g}"
        )
    return f"{value:g}" if isinstance(value, float) else str(value)


def _with_sidecar(visit: Visit, sidecar: Sidecar, conflicts: Conflicts) -> Visit:
    person, whole = _Changes(conflicts, ""), _Changes(conflicts, "")
    person.take("id", visit.subject.id, sidecar.subject, called="subject")
    person.take("sex", visit.subject.sex, sidecar.sex)
    whole.take("date", visit.date, sidecar.date)
    if "id" in person.origins:
        person.origins["subject"] = person.origins.pop("id")
    covariates = dict(visit.covariates)
    for name, value in (sidecar.covariates or {}).items():
        stated = _Changes(conflicts, "")
        stated.take(name, covariates.get(name), value, called=f"covariates.{name}")
        covariates.update(stated.values)
        if stated.origins:
            whole.origins[f"covariates.{name}"] = Origin.SIDECAR
    named = [_with_named_sites(study, sidecar, conflicts) for study in visit.studies]
    studies = [
        _with_entry(matched, sidecar, f"study {number}", conflicts)
        for number, matched in enumerate(match(named, sidecar, conflicts), start=1)
    ]
    return replace(
        visit,
        subject=replace(visit.subject, **person.values),
        studies=tuple(studies),
        covariates=covariates,
        provenance=visit.provenance.with_origins(**person.origins, **whole.origins),
        **whole.values,
    )


def _with_named_sites(study: Study, sidecar: Sidecar, conflicts: Conflicts) -> Study:
    """Fill the stimulation sites that the sidecar gives to markers, codes and times."""
    sites = sidecar.stimuli.sites() if sidecar.stimuli is not None else {}
    if not sites:
        return study
    traces = []
    for trace in study.traces:
        label = trace.stimulus.label
        changes = _Changes(conflicts, f"stimulus {label!r}")
        site = next((site for text, site in sites.items() if is_same_marker(text, label)), None)
        changes.take("stimulation_site", trace.stimulation_site, site)
        origins = trace.provenance.with_origins(**changes.origins)
        traces.append(replace(trace, provenance=origins, **changes.values) if changes.values else trace)
    return replace(study, traces=tuple(traces))


def _with_entry(matched: Matched, sidecar: Sidecar, place: str, conflicts: Conflicts) -> Study:
    study, entry = matched.study, matched.entry
    changes = _Changes(conflicts, place)
    if entry is not None:
        changes.take("nerve", study.nerve, entry.nerve)
        changes.take("side", study.side, None if entry.side is None else Side(entry.side))
        changes.take("technique", study.technique, None if entry.technique is None else Technique(entry.technique))
        changes.take("direction", study.direction, None if entry.direction is None else Direction(entry.direction))
        changes.take("recording_site", study.recording_site, entry.recording_site)
        changes.take("skin_temperature_c", study.skin_temperature_c, entry.skin_temperature_c)
        changes.take("temperature_site", study.temperature_site, entry.temperature_site)
    traces = tuple(
        _with_trace_entry(trace, trace_entry, entry, sidecar, _Spot(conflicts, f"{place}, trace {number}"))
        for number, (trace, trace_entry) in enumerate(matched.traces, start=1)
    )
    if entry is not None and entry.segments is not None:
        changes.values["segments"] = _segments(study, entry, traces, place, conflicts)
        changes.origins["segments"] = Origin.SIDECAR
    return replace(study, traces=traces, provenance=study.provenance.with_origins(**changes.origins), **changes.values)


def _segments(
    study: Study, entry: StudyEntry, traces: Sequence[Trace], place: str, conflicts: Conflicts
) -> tuple[Segment, ...]:
    sites = {trace.stimulation_site.casefold() for trace in traces if trace.stimulation_site is not None}
    known = {(segment.distal_site, segment.proximal_site): segment for segment in study.segments}
    for number, stated in enumerate(entry.segments or ()):
        for name in ("distal", "proximal"):
            site = getattr(stated, name)
            if site not in sites:
                found = ", ".join(sorted(sites)) or "none"
                conflicts.add(
                    place, f"segments[{number}].{name}", f"{site} (the sidecar)", f"stimulation sites: {found}"
                )
        here = known.get((stated.distal, stated.proximal))
        changes = _Changes(conflicts, place)
        changes.take(
            f"segments[{number}].distance_mm", here.distance_mm if here is not None else None, stated.distance_mm
        )
        if here is None:
            known[stated.distal, stated.proximal] = Segment(
                distal_site=stated.distal, proximal_site=stated.proximal, distance_mm=stated.distance_mm
            )
    return tuple(known.values())


def _with_trace_entry(
    trace: Trace, entry: TraceEntry | None, study_entry: StudyEntry | None, sidecar: Sidecar, spot: _Spot
) -> Trace:
    changes, pulse, filters = (_Changes(spot.conflicts, spot.place) for _ in range(3))
    if entry is not None:
        changes.take("stimulation_site", trace.stimulation_site, entry.stimulation_site)
        changes.take("distance_mm", trace.distance_mm, entry.distance_mm)
        for name in ("intensity_ma", "intensity_v"):
            _take_intensity(name, getattr(entry, name), trace, pulse)
    described = [source for source in (entry, study_entry) if source is not None]
    pulse.take(
        "duration_ms", trace.stimulus.duration_ms, _first(described, "pulse_duration_ms"), called="pulse_duration_ms"
    )
    if "duration_ms" in pulse.origins:
        pulse.origins["stimulus_duration_ms"] = pulse.origins.pop("duration_ms")
    changes.take("averaged_count", trace.averaged_count, _first(described, "averaged_count"))
    _take_stimulus_time(trace, _first(described, "stimulus_ms"), changes)
    settings = _first(described, "filters")
    for name in ("low_cut_hz", "high_cut_hz", "notch_hz") if settings is not None else ():
        filters.take(name, getattr(trace.filters, name), getattr(settings, name), called=f"filters.{name}")
    if filters.values:
        known = trace.provenance["filters"] is not Origin.UNSET
        filters.origins = {f"filters.{n}" if known else "filters": Origin.SIDECAR for n in filters.values}
    changes.take("sampling_rate_hz", trace.sampling_rate_hz, sidecar.sampling_rate_hz)
    _check_unit(trace, sidecar, changes)
    _take_polarity(trace, sidecar, changes)
    if study_entry is not None and study_entry.reference_site is not None:
        changes.values["notes"] = (*trace.notes, f"reference electrode: {study_entry.reference_site}")
    if not (changes.values or pulse.values or filters.values):
        return trace
    return replace(
        trace,
        stimulus=replace(trace.stimulus, **pulse.values) if pulse.values else trace.stimulus,
        filters=replace(trace.filters, **filters.values) if filters.values else trace.filters,
        provenance=trace.provenance.with_origins(**changes.origins, **pulse.origins, **filters.origins),
        **changes.values,
    )


def _first(sources: Sequence[Any], name: str) -> Any:
    return next((getattr(source, name) for source in sources if getattr(source, name) is not None), None)


def _per_sweep(values: tuple[float, ...] | None, trace: Trace, name: str, changes: _Changes) -> Any:
    """Return one value per sweep, or ``None``."""
    if values is None:
        return None
    if len(values) not in {1, trace.n_sweeps}:
        expected = f"{len(values)} values (the sidecar)"
        is_whole = name == "stimulus_ms" and trace.n_sweeps == 1
        hint = "Times of the stimuli of a continuous recording are `times_ms` in `stimuli`." if is_whole else ""
        changes.conflicts.add(changes.place, name, expected, f"{trace.n_sweeps} sweeps (the file)", hint)
        return None
    return np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), (trace.n_sweeps,)))


def _take_intensity(name: str, stated: tuple[float, ...] | None, trace: Trace, changes: _Changes) -> None:
    """Fill intensities; in an array of the file NaN marks the sweeps for which it states none."""
    values = _per_sweep(stated, trace, name, changes)
    current = getattr(trace.stimulus, name)
    if values is None or current is None or not np.isnan(current).any():
        changes.take(name, current, values)
        return
    known = ~np.isnan(current)
    changes.take(name, current[known], values[known])
    changes.values[name] = np.where(known, current, values)
    changes.origins[name] = Origin.SIDECAR


def _take_stimulus_time(trace: Trace, stated: tuple[float, ...] | str | None, changes: _Changes) -> None:
    if stated == "time_zero":
        if trace.stimulus_ms is None:
            found = "a format without one"
            changes.conflicts.add(changes.place, "stimulus_ms", 'a time column, for "time_zero"', found)
    elif not isinstance(stated, str):
        times = _per_sweep(stated, trace, "stimulus_ms", changes)
        changes.take("stimulus_ms", trace.stimulus_ms, times)


def _check_unit(trace: Trace, sidecar: Sidecar, changes: _Changes) -> None:
    """Compare units; none is filled here, because samples are already microvolts."""
    if sidecar.unit is None or trace.calibration is None or not trace.calibration.unit:
        return
    found = voltage_factor(trace.calibration.unit)
    if found is not None and found != voltage_factor(sidecar.unit):
        hint = "Correct `unit` in the sidecar, or remove it there."
        expected = f"{sidecar.unit} (the sidecar)"
        changes.conflicts.add(changes.place, "unit", expected, f"{trace.calibration.unit} (the file)", hint)


def _take_polarity(trace: Trace, sidecar: Sidecar, changes: _Changes) -> None:
    """Apply the polarity, unless the reader has already done so (then ``provenance["polarity"]`` is set)."""
    if sidecar.polarity is None or trace.provenance["polarity"] is Origin.SIDECAR:
        return
    if sidecar.polarity == "inverted":
        changes.values["samples_uv"] = -trace.samples_uv
    changes.origins["polarity"] = Origin.SIDECAR
    changes.values.setdefault("samples_uv", trace.samples_uv)


def _with_protocol(study: Study, protocol: Protocol) -> Study:
    values: dict[str, Any] = {}
    label = next((trace.channel for trace in study.traces if trace.channel), "")
    channel = protocol.channel(label) if label else None
    if channel is not None:
        kinds = {"nerve": str, "side": Side, "technique": Technique, "recording_site": str}
        for name, kind in kinds.items():
            if getattr(study, name) is None and getattr(channel, name) is not None:
                values[name] = kind(getattr(channel, name))
    named = replace(study, **values)
    habits = protocol.study(named.nerve, named.technique, named.recording_site)
    if named.distance_sd_mm is None and protocol.distance_sd_mm is not None:
        values["distance_sd_mm"] = protocol.distance_sd_mm
    if named.temperature_site is None and named.skin_temperature_c is not None and habits is not None:
        values.update({"temperature_site": habits.temperature_site} if habits.temperature_site is not None else {})
    traces = tuple(_trace_with_protocol(trace, protocol, habits) for trace in study.traces)
    origins = study.provenance.with_origins(**dict.fromkeys(values, Origin.PROTOCOL))
    return replace(study, traces=traces, provenance=origins, **values)


def _trace_with_protocol(trace: Trace, protocol: Protocol, habits: ProtocolStudy | None) -> Trace:
    values: dict[str, Any] = {}
    site = trace.stimulation_site
    if site is None and trace.stimulus.label:
        site = protocol.site_of_label(trace.stimulus.label, habits)
        if site is not None:
            values["stimulation_site"] = site
    if trace.distance_mm is None and habits is not None and site is not None:
        distance = habits.distances_mm.get(site.casefold())
        if distance is not None:
            values["distance_mm"] = distance
    if not values:
        return trace
    origins = trace.provenance.with_origins(**dict.fromkeys(values, Origin.PROTOCOL))
    return replace(trace, provenance=origins, **values)


def ordered_study(study: Study, protocol: Protocol | None, problems: list[Problem], file: str) -> Study:
    """Order the traces by distance, or where distances are missing, by the protocol's sites."""
    if not study.traces:
        return study
    distances = [trace.distance_mm for trace in study.traces]
    habits = protocol.study(study.nerve, study.technique, study.recording_site) if protocol is not None else None
    ranks: list[int | None] = [None] * len(study.traces)
    if habits is not None:
        sites = map(_site, study.traces)
        ranks = [habits.sites.index(site) if site in habits.sites else None for site in sites]
    if len(ranks) == 1:
        if ranks[0] != 0:
            return study
        # of a single site the order says only that it is the distal one
        return replace(study, provenance=study.provenance.with_origins(site_order=Origin.PROTOCOL))
    measured = [distance for distance in distances if distance is not None]
    keys: Sequence[float]
    if len(measured) == len(distances):
        keys = measured
        used = {trace.provenance["distance_mm"] for trace in study.traces}
        origin = next((origin for origin in _AUTHORITY if origin in used), Origin.FILE)
    elif all(rank is not None for rank in ranks):
        keys = [rank for rank in ranks if rank is not None]
        origin = Origin.PROTOCOL
    else:
        return study
    order = sorted(range(len(keys)), key=keys.__getitem__)
    known = [rank for index in order if (rank := ranks[index]) is not None]
    if habits is not None and known != sorted(known):
        found = ", ".join(str(study.traces[index].stimulation_site) for index in order)
        expected = f"the protocol's order of sites ({', '.join(habits.sites)})"
        hint = "Check the distances; the traces are ordered by distance."
        problems.append(Problem(file=file, place="", field="distance_mm", expected=expected, found=found, hint=hint))
    traces = tuple([study.traces[index] for index in order])
    return _with(study, traces=traces, provenance=study.provenance.with_origins(site_order=origin))


def _site(trace: Trace) -> str:
    return (trace.stimulation_site or "").casefold()
