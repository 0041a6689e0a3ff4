"""Whether the statements of one file agree, and what they say together."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ncs.io._study_words import StudyWords, technique_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.io._faults import Faults
    from ncs.io._stimulus_notes import Statement
    from ncs.io._sweeps import Group
    from ncs.model import Technique, Trace

__all__ = ["agreed", "agreed_word", "check_distances", "technique"]


def agreed(said: Sequence[Statement], names: Sequence[str], faults: Faults) -> list[Any]:
    """Return what all statements say of some fields; where they differ the first, and that is noted."""
    values = []
    for name in names:
        first = None
        for value in map(attrgetter(name), said):
            if value is None or value == first:
                continue
            if first is not None:
                faults.note("annotations", name, f"one value for the study, {first}", str(value), "the first was used")
                break
            first = value
        values.append(first)
    return values


def agreed_word(stated: str | None, *words: str | None) -> str | None:
    """Return the word stated, or the only one that is found."""
    if stated:
        return stated.lower()
    found = {word for word in words if word is not None}
    return found.pop() if len(found) == 1 else None


def technique(stated: str | None, *words: StudyWords) -> Technique | None:
    """Return the technique stated, or the only one that words name."""
    found = {technique_of(stated)} if stated else {one.technique for one in words if one.technique is not None}
    return found.pop() if len(found) == 1 else None


def check_distances(traces: Sequence[Trace], members: Sequence[tuple[Group, Trace]], faults: Faults) -> None:
    """Report two distances of one site."""
    known: dict[str, tuple[float, str]] = {}
    for trace, (group, _) in zip(traces, members, strict=True):
        site, distance, place = trace.stimulation_site, trace.distance_mm, group.sweeps[0].place if group.sweeps else ""
        if site is None or distance is None:
            continue
        before, where = known.setdefault(site, (distance, place))
        if before != distance:
            expected = f"{before:g} mm, as for the same site ({site}) at {where}"
            faults.add(place, "distance", expected, f"{distance:g} mm", "the file contradicts itself")
