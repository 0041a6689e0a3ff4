"""Several files of one visit become one ``Visit``; parts of one study in different files become one study.

A machine that writes a file per stimulation site leaves the wrist in one file and the elbow in another; only together
do they have a velocity. Whether two parts may be joined is decided here, in ``_RULES``, and nowhere else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ncs.errors import InvalidInputError, Problem
from ncs.io._complete import ordered_study
from ncs.model import Provenance, Segment, Study, Subject, Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ncs.io.protocol import Protocol
    from ncs.model import Trace

__all__ = ["merge", "split_studies"]


class _Part(NamedTuple):
    """A study, and where it is: index of its visit, and of the study in it."""

    visit: int
    number: int
    study: Study
    label: str


class _Obstacle(NamedTuple):
    """Why parts of a study stay apart: the field, and what two of the files say."""

    field: str
    expected: str
    found: str
    hint: str = "The studies stay apart."


def merge(visits: Iterable[Visit], *, protocol: Protocol | None = None) -> Visit:
    """Put a visit together from its files.

    Studies of the same nerve, side, technique and recording site become one study where every part is in a file of its
    own, their stimulation sites differ, and nothing that they state contradicts each other. What contradicts stays
    apart and is named in ``problems``; a study that was done twice stays two studies.

    Parameters
    ----------
    visits
        What was read from the files, in any order: the result does not depend on it.
    protocol
        The laboratory's protocol: its order of sites counts where distances are missing.

    Returns
    -------
    Visit
        Of one visit, that visit itself.

    Raises
    ------
    InvalidInputError
        When there is no visit, or they are not of one subject and one day.
    """
    ordered = sorted(visits, key=_rank)
    _check_identity(ordered)
    if len(ordered) == 1:
        return ordered[0]
    problems = [problem for visit in ordered for problem in visit.problems]
    agreed: dict[str, Any] = {}
    for name in ("sex", "name", "birth_date"):
        stated = [(_label(visit), getattr(visit.subject, name)) for visit in ordered]
        agreed[name] = _agreed(f"subject.{name}", stated, problems)
    covariates = {
        name: _agreed(name, [(_label(visit), visit.covariates.get(name)) for visit in ordered], problems)
        for name in dict.fromkeys(name for visit in ordered for name in visit.covariates)
    }
    return Visit(
        subject=Subject(id=ordered[0].subject.id, **agreed),
        date=ordered[0].date,
        studies=_merged_studies(ordered, protocol, problems),
        covariates={name: value for name, value in covariates.items() if value is not None},
        sources=tuple(source for visit in ordered for source in visit.sources),
        problems=tuple(problems),
        provenance=Provenance({key: origin for visit in reversed(ordered) for key, origin in visit.provenance.items()}),
    )


def split_studies(visits: Sequence[Visit]) -> tuple[list[tuple[int, ...]], list[Problem]]:
    """Return which visits hold parts of one study that can be joined, and why others cannot.

    Returns
    -------
    list of tuple
        Indices into ``visits``, ascending: those that belong together, through one study or through several.
    list of Problem
        One for each study whose parts stay apart although they might have been meant as one.
    """
    groups, problems = _split(visits)
    together: list[set[int]] = []
    for parts in groups:
        members = {part.visit for part in parts}
        touching = [known for known in together if known & members]
        together = [known for known in together if not known & members] + [members.union(*touching)]
    return sorted(tuple(sorted(members)) for members in together), problems


def _rank(visit: Visit) -> tuple[Any, ...]:
    """Return what orders the files of a visit, whatever order they come in."""
    return [(source.name, source.sha256) for source in visit.sources], [_first_words(study) for study in visit.studies]


def _first_words(study: Study) -> tuple[str, ...]:
    words = (study.nerve, study.side, study.technique, study.recording_site)
    return tuple(str(word or "") for word in (*words, *(trace.stimulation_site for trace in study.traces)))


def _check_identity(visits: Sequence[Visit]) -> None:
    if not visits:
        raise InvalidInputError("visits: expected at least one, found none")
    for name in ("subject", "date"):
        stated: dict[Any, str] = {}
        for visit in visits:
            stated.setdefault(visit.subject.id if name == "subject" else visit.date, _label(visit))
        if len(stated) > 1:
            found = ", ".join(f"{value} ({label})" for value, label in stated.items())
            raise InvalidInputError(f"{name}: expected visits of one {name}, found {found}")


def _label(visit: Visit) -> str:
    return ", ".join(source.name for source in visit.sources) or "(no file)"


def _agreed(field: str, stated: list[tuple[str, Any]], problems: list[Problem]) -> Any:
    told = [(name, value) for name, value in stated if value is not None]
    if not told:
        return None
    first, rest = told[0], [other for other in told if other[1] != told[0][1]]
    if not rest:
        return first[1]
    hint = "One of the files may belong to another subject or visit; the value is left out."
    found = f"{rest[0][1]!r} in {rest[0][0]}"
    problems.append(
        Problem(file=first[0], place="", field=field, expected=f"{first[1]!r}, as here", found=found, hint=hint)
    )
    return None


def _merged_studies(visits: Sequence[Visit], protocol: Protocol | None, problems: list[Problem]) -> tuple[Study, ...]:
    groups, obstacles = _split(visits)
    problems += [problem for problem in obstacles if problem not in problems]
    first = {(parts[0].visit, parts[0].number): parts for parts in groups}
    others = {(part.visit, part.number) for parts in groups for part in parts[1:]}
    studies = []
    for at, visit in enumerate(visits):
        for index, study in enumerate(visit.studies):
            if (at, index) in first:
                studies.append(_joined(first[at, index], protocol, problems))
            elif (at, index) not in others:
                studies.append(study)
    return tuple(studies)


def _split(visits: Sequence[Visit]) -> tuple[list[list[_Part]], list[Problem]]:
    """Return the groups of parts that become one study each, and why other groups do not."""
    by_study: dict[tuple[str, ...], list[_Part]] = defaultdict(list)
    for at, visit in enumerate(visits):
        for index, study in enumerate(visit.studies):
            if study.traces and study.nerve and study.side and study.technique:
                key = (study.nerve.casefold(), study.side.value, study.technique.value)
                by_study[key].append(_Part(at, index, study, _label(visit)))
    groups: list[list[_Part]] = []
    problems: list[Problem] = []
    for parts in by_study.values():
        for same in _by_recording_site(parts):
            if not _are_parts(same):
                continue
            obstacle = next((found for rule in _RULES if (found := rule(same)) is not None), None)
            if obstacle is None:
                groups.append(same)
            else:
                problems.append(_problem(same, obstacle))
    return groups, problems


def _by_recording_site(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Return parts with one recording site; where some state none, all of them, for a rule to say so."""
    if not all(part.study.recording_site for part in parts):
        return [list(parts)]
    found: dict[str, list[_Part]] = defaultdict(list)
    for part in parts:
        found[(part.study.recording_site or "").casefold()].append(part)
    return list(found.values())


def _sites(study: Study) -> frozenset[str]:
    return frozenset((trace.stimulation_site or "").casefold() for trace in study.traces)


def _are_parts(parts: Sequence[_Part]) -> bool:
    """Return whether studies may be parts of one: each in a file of its own, and not the same sites every time."""
    files = Counter(part.visit for part in parts)
    return len(files) > 1 and max(files.values()) == 1 and len({_sites(part.study) for part in parts}) > 1


def _problem(parts: Sequence[_Part], obstacle: _Obstacle) -> Problem:
    study = parts[0].study
    words = [str(word) for word in (study.side, study.nerve, study.technique) if word]
    sites = ", ".join(sorted({trace.stimulation_site or "?" for part in parts for trace in part.study.traces}))
    place = f"{' '.join(words)} study, sites {sites}, in {', '.join(dict.fromkeys(part.label for part in parts))}"
    return Problem(
        file=parts[0].label, place=place, field=obstacle.field, expected=obstacle.expected, found=obstacle.found,
        hint=obstacle.hint,
    )  # fmt: skip


def _recording_site(parts: Sequence[_Part]) -> _Obstacle | None:
    without = next((part for part in parts if not part.study.recording_site), None)
    if without is None:
        return None
    hint = "The studies stay apart, without a velocity between them; state `recording_site` in a sidecar."
    return _Obstacle("recording_site", "one that is stated, in all parts of a study", f"none in {without.label}", hint)


def _stimulation_sites(parts: Sequence[_Part]) -> _Obstacle | None:
    for part in parts:
        if "" in _sites(part.study):
            hint = "The studies stay apart, without a velocity between them; state `stimulation_site` in a sidecar."
            return _Obstacle("stimulation_site", "a stimulation site in all parts", f"none in {part.label}", hint)
    where: dict[str, str] = {}
    for part in parts:
        for site in sorted(_sites(part.study)):
            if site in where:
                found = f"{site} in {where[site]} and in {part.label}"
                hint = "Nothing says which belongs to the other sites: the studies stay apart. Withdraw one."
                return _Obstacle("stimulation_site", "each site once", found, hint)
            where[site] = part.label
    return None


def _same_value(field: str, of: Callable[[Study], Any]) -> Callable[[Sequence[_Part]], _Obstacle | None]:
    def rule(parts: Sequence[_Part]) -> _Obstacle | None:
        told = [(part.label, value) for part in parts if (value := of(part.study)) is not None]
        for label, value in told[1:]:
            if value != told[0][1]:
                return _Obstacle(field, f"{told[0][1]}, as in {told[0][0]}", f"{value} in {label}")
        return None

    return rule


def _folded(text: str | None) -> str | None:
    return text.casefold() if text is not None else None


def _filters(parts: Sequence[_Part]) -> _Obstacle | None:
    """Other filters delay a response otherwise, and the difference would pass for conduction."""
    for name in ("low_cut_hz", "high_cut_hz", "notch_hz"):
        told = [
            (part, value)
            for part in parts
            for trace in part.study.traces
            if (value := getattr(trace.filters, name)) is not None
        ]
        for part, value in told[1:]:
            if value != told[0][1] and part.visit != told[0][0].visit:
                expected = f"{told[0][1]:g} Hz, as in {told[0][0].label}"
                return _Obstacle(f"filters.{name}", expected, f"{value:g} Hz in {part.label}")
    return None


def _segments(parts: Sequence[_Part]) -> _Obstacle | None:
    known: dict[frozenset[str], tuple[float, str]] = {}
    for part in parts:
        for segment in part.study.segments:
            ends = frozenset((segment.distal_site.casefold(), segment.proximal_site.casefold()))
            before, label = known.setdefault(ends, (segment.distance_mm, part.label))
            if before != segment.distance_mm:
                found = f"{segment.distance_mm:g} mm in {part.label}"
                return _Obstacle("segments", f"{before:g} mm, as in {label}", found)
    return None


_RULES: tuple[Callable[[Sequence[_Part]], _Obstacle | None], ...] = (
    _recording_site,
    _stimulation_sites,
    _same_value("skin_temperature_c", lambda study: study.skin_temperature_c),
    _same_value("temperature_site", lambda study: _folded(study.temperature_site)),
    _same_value("direction", lambda study: study.direction),
    _same_value("distance_sd_mm", lambda study: study.distance_sd_mm),
    _filters,
    _segments,
)


def _joined(parts: Sequence[_Part], protocol: Protocol | None, problems: list[Problem]) -> Study:
    studies = [part.study for part in parts]
    values: dict[str, Any] = {
        name: next((value for study in studies if (value := getattr(study, name)) is not None), None)
        for name in ("skin_temperature_c", "temperature_site", "distance_sd_mm", "direction")
    }
    segments = {_ends(segment): segment for study in reversed(studies) for segment in study.segments}
    origins = {key: origin for study in reversed(studies) for key, origin in study.provenance.items()}
    origins.pop("site_order", None)  # each part knew its own order only
    traces: tuple[Trace, ...] = tuple(trace for study in studies for trace in study.traces)
    whole = replace(
        studies[0],
        traces=traces,
        segments=tuple(segments.values()),
        reported=tuple(value for study in studies for value in study.reported),
        curves=tuple(curve for study in studies for curve in study.curves),
        provenance=Provenance(origins),
        **values,
    )
    return ordered_study(whole, protocol, problems, parts[0].label)


def _ends(segment: Segment) -> frozenset[str]:
    return frozenset((segment.distal_site.casefold(), segment.proximal_site.casefold()))
