"""Which sweeps of a file an entry of the sidecar means. Nothing is guessed: what does not match is a conflict.

Here traces are only cut, joined and handed out; what is filled into them is decided in ``_complete.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ncs.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncs.io.sidecar import Select, Sidecar, StudyEntry, TraceEntry
    from ncs.model import Study, Trace

__all__ = ["Conflicts", "Matched", "match"]

IndexArray = NDArray[np.intp]


@dataclass(slots=True)
class Conflicts:
    """Contradictions of one file and its sidecar as they are found."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, place: str, name: str, expected: str, found: str, hint: str = "") -> None:
        """Note one contradiction."""
        problem = Problem(file=self.file, place=place, field=name, expected=expected, found=found, hint=hint)
        if problem not in self.problems:
            self.problems.append(problem)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matched:
    """One study of the result: the file's study, the entry that describes it, and its traces with their entries."""

    study: Study
    entry: StudyEntry | None
    traces: tuple[tuple[Trace, TraceEntry | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """Some sweeps of one trace; ``numbers`` counts all sweeps of the channel from 1."""

    study: int
    position: int
    trace: Trace
    indices: IndexArray
    numbers: IndexArray

    def among(self, wanted: Sequence[int]) -> _Part:
        sought = set(wanted)  # a number of the sidecar may be larger than any integer of numpy
        chosen = np.array([number in sought for number in self.numbers.tolist()], dtype=bool)
        return replace(self, indices=self.indices[chosen], numbers=self.numbers[chosen])

    def without(self, taken: set[int]) -> _Part:
        kept = np.array([index not in taken for index in self.indices.tolist()], dtype=bool)
        return replace(self, indices=self.indices[kept], numbers=self.numbers[kept])

    def cut(self) -> Trace:
        """Return the trace with only these sweeps."""
        if len(self.indices) == self.trace.n_sweeps:
            return self.trace
        return _take(self.trace, self.indices)


def match(studies: Sequence[Study], sidecar: Sidecar, conflicts: Conflicts) -> list[Matched]:
    """Return the studies of the result; sweeps that no entry means stay as the file has them."""
    parts = _all_parts(studies)
    if sidecar.studies is None:
        entry = sidecar.study_entries()[0]
        if len(studies) > 1:
            _refuse_one_for_many(entry, parts, conflicts)
        return [
            Matched(study=study, entry=entry, traces=_traces([p for p in parts if p.study == i], entry, conflicts))
            for i, study in enumerate(studies)
        ]
    matched: list[tuple[int, Matched]] = []
    taken = _Taken(conflicts)
    for number, entry in enumerate(sidecar.study_entries()):
        place = f"$.studies[{number}]"
        reported = _reported_study(studies, entry)
        if reported is not None:
            matched.append((reported, Matched(study=studies[reported], entry=entry, traces=())))
            continue
        chosen = _study_parts(studies, parts, entry, place, conflicts)
        if not chosen:
            continue
        taken.claim(chosen, place)
        home = chosen[0].study
        traces = _traces(chosen, entry, conflicts, place)
        matched.append((home, Matched(study=studies[home], entry=entry, traces=traces)))
    for index, study in enumerate(studies):
        rest = [(part.cut(), None) for part in taken.rest(p for p in parts if p.study == index)]
        if rest or (not study.traces and index not in {home for home, _ in matched}):
            matched.append((index, Matched(study=study, entry=None, traces=tuple(rest))))
    return [entry for _, entry in sorted(matched, key=lambda pair: pair[0])]


class _Taken:
    """Sweeps already handed out; a sweep that two entries mean is a conflict."""

    def __init__(self, conflicts: Conflicts) -> None:
        self._conflicts = conflicts
        self._sweeps: dict[tuple[int, int], set[int]] = {}

    def claim(self, parts: Sequence[_Part], place: str) -> None:
        for part in parts:
            before = self._sweeps.setdefault((part.study, part.position), set())
            twice = [int(n) for n, i in zip(part.numbers, part.indices, strict=True) if int(i) in before]
            if twice:
                found = f"sweep{'s' if len(twice) > 1 else ''} {_listed(twice)} of an entry above"
                self._conflicts.add(place, "select", "each sweep in one entry", found)
            before.update(int(index) for index in part.indices)

    def rest(self, parts: Iterable[_Part]) -> list[_Part]:
        left = [part.without(self._sweeps.get((part.study, part.position), set())) for part in parts]
        return [part for part in left if len(part.indices)]


def _all_parts(studies: Sequence[Study]) -> list[_Part]:
    parts, counted = [], dict[str, int]()
    for index, study in enumerate(studies):
        for position, trace in enumerate(study.traces):
            channel = trace.channel.strip().casefold()
            before = counted.get(channel, 0)
            counted[channel] = before + trace.n_sweeps
            indices = np.arange(trace.n_sweeps, dtype=np.intp)
            parts.append(
                _Part(study=index, position=position, trace=trace, indices=indices, numbers=indices + before + 1)
            )
    return parts


def _selected(parts: Sequence[_Part], select: Select, place: str, conflicts: Conflicts) -> list[_Part]:
    chosen = list(parts)
    if select.channel is not None:
        chosen = [part for part in chosen if part.trace.channel.strip().casefold() == select.channel.casefold()]
        if not chosen:
            found = _channels(parts)
            conflicts.add(f"{place}.select", "channel", f"{select.channel!r} (the sidecar)", f"{found} (the file)")
            return []
    if select.label is not None:
        labelled = [p for p in chosen if p.trace.stimulus.label.strip().casefold() == select.label.casefold()]
        if not labelled:
            found = _quoted({part.trace.stimulus.label for part in chosen}, "no stimulus labels")
            conflicts.add(f"{place}.select", "label", f"{select.label!r} (the sidecar)", f"{found} (the file)")
            return []
        chosen = labelled
    if select.sweeps is None:
        return chosen
    absent = sorted(set(select.sweeps) - {int(number) for part in chosen for number in part.numbers})
    if absent:
        found = f"{sum(len(part.numbers) for part in chosen)} sweeps to choose from (the file)"
        conflicts.add(f"{place}.select", "sweeps", f"sweep {_listed(absent)} (the sidecar)", found)
    return [part for part in (part.among(select.sweeps) for part in chosen) if len(part.indices)]


def _study_parts(
    studies: Sequence[Study], parts: Sequence[_Part], entry: StudyEntry, place: str, conflicts: Conflicts
) -> list[_Part]:
    """Return the sweeps that an entry of ``studies`` means: by ``select``, else by what identifies the study."""
    if entry.select.model_fields_set:
        chosen = _selected(parts, entry.select, place, conflicts)
        if len({part.study for part in chosen}) > 1:
            hint = "State `select.channel` or `select.label`."
            conflicts.add(place, "select", "sweeps of one study", f"sweeps of several, {_channels(chosen)}", hint)
            return []
        return chosen
    fitting = [
        index for index, study in enumerate(studies) if _may_describe(entry, study) and _holds_channels(entry, study)
    ]
    if len(fitting) != 1:
        hint = f"State `select.channel`; the file has {_channels(parts)}."
        conflicts.add(place, "select", "one study of the file to be meant", f"{len(fitting)} that could be", hint)
        return []
    return [part for part in parts if part.study == fitting[0]]


def _may_describe(entry: StudyEntry, study: Study) -> bool:
    for name in ("nerve", "side", "technique", "recording_site"):
        stated, found = getattr(entry, name), getattr(study, name)
        if stated is not None and found is not None and str(stated).casefold() != str(found).casefold():
            return False
    return True


def _holds_channels(entry: StudyEntry, study: Study) -> bool:
    """Return whether a study has every channel that the traces of an entry select."""
    named = {trace.select.channel.casefold() for trace in entry.traces or () if trace.select.channel is not None}
    return named <= {trace.channel.strip().casefold() for trace in study.traces}


def _reported_study(studies: Sequence[Study], entry: StudyEntry) -> int | None:
    """Return the study without traces that an entry means, if it can only mean one."""
    if entry.select.model_fields_set or entry.traces is not None:
        return None
    fitting = [index for index, study in enumerate(studies) if _may_describe(entry, study)]
    return fitting[0] if len(fitting) == 1 and not studies[fitting[0]].traces else None


def _traces(
    parts: Sequence[_Part], entry: StudyEntry, conflicts: Conflicts, place: str = "$"
) -> tuple[tuple[Trace, TraceEntry | None], ...]:
    result: list[tuple[tuple[int, int], Trace, TraceEntry | None]] = []
    taken = _Taken(conflicts)
    for number, trace_entry in enumerate(entry.traces or ()):
        here = f"{place}.traces[{number}]"
        chosen = _trace_parts(parts, trace_entry, len(entry.traces or ()), here, conflicts)
        taken.claim(chosen, here)
        cuts = [part.cut() for part in chosen]
        if len(cuts) > 1 and trace_entry.select.model_fields_set and _alike(cuts):
            cuts = [_joined(cuts)]
        for part, cut in zip(chosen, cuts, strict=False):
            result.append(((part.position, int(part.indices[0])), cut, trace_entry))
    result.extend(((part.position, int(part.indices[0])), part.cut(), None) for part in taken.rest(parts))
    return tuple((trace, trace_entry) for _, trace, trace_entry in sorted(result, key=lambda item: item[0]))


def _trace_parts(
    parts: Sequence[_Part], entry: TraceEntry, entries: int, place: str, conflicts: Conflicts
) -> list[_Part]:
    """Return the sweeps that an entry of ``traces`` means: by ``select``, by site, or because there is one trace."""
    if entry.select.model_fields_set:
        return _selected(parts, entry.select, place, conflicts)
    same_site = [
        part
        for part in parts
        if entry.stimulation_site is not None
        and (part.trace.stimulation_site or "").casefold() == entry.stimulation_site
    ]
    if same_site:
        return same_site
    if entries == 1 and len(parts) == 1:
        return list(parts)
    sites = _quoted({part.trace.stimulation_site or "" for part in parts}, "no stimulation sites")
    labels = _quoted({part.trace.stimulus.label for part in parts}, "no stimulus labels")
    sweeps = sum(len(part.indices) for part in parts)
    hint = f"State `select`; the file has {sweeps} sweeps, {sites}, {labels}."
    conflicts.add(place, "select", "to be told which sweeps are meant", "nothing that decides it", hint)
    return []


def _refuse_one_for_many(entry: StudyEntry, parts: Sequence[_Part], conflicts: Conflicts) -> None:
    names = ("recording_site", "reference_site", "traces", "segments")
    for name in (name for name in names if getattr(entry, name) is not None):
        hint = "Describe each study in `studies`, with `select.channel`."
        conflicts.add("$", name, "a file with one study", f"a file with {_channels(parts)}", hint)


def _channels(parts: Sequence[_Part]) -> str:
    return _quoted({part.trace.channel for part in parts}, "no channel labels", "channels ")


def _quoted(texts: set[str], none: str, before: str = "") -> str:
    stated = sorted(text for text in texts if text)
    return before + ", ".join(repr(text) for text in stated[:8]) if stated else none


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers[:8]) + (" …" if len(numbers) > 8 else "")


def _take(trace: Trace, indices: IndexArray) -> Trace:
    return replace(
        trace,
        samples_uv=trace.samples_uv[indices],
        stimulus_ms=None if trace.stimulus_ms is None else trace.stimulus_ms[indices],
        elapsed_s=None if trace.elapsed_s is None else trace.elapsed_s[indices],
        stimulus=replace(
            trace.stimulus,
            intensity_ma=None if trace.stimulus.intensity_ma is None else trace.stimulus.intensity_ma[indices],
            intensity_v=None if trace.stimulus.intensity_v is None else trace.stimulus.intensity_v[indices],
        ),
    )


def _alike(traces: Sequence[Trace]) -> bool:
    """Whether traces can be joined without losing anything that one of them states."""
    shapes = {
        (t.n_samples, t.sampling_rate_hz, t.stimulation_site, t.distance_mm, t.averaged_count, t.filters)
        for t in traces
    }
    stated = {
        (t.stimulus_ms is None, t.elapsed_s is None, t.stimulus.intensity_ma is None, t.stimulus.intensity_v is None,
         t.stimulus.duration_ms)
        for t in traces
    }  # fmt: skip
    origins = {tuple(sorted(t.provenance.items())) for t in traces}
    return len(shapes) == len(stated) == len(origins) == 1


def _joined(traces: Sequence[Trace]) -> Trace:
    first = traces[0]

    def stacked(values: list[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
        known = [value for value in values if value is not None]
        return np.concatenate(known) if known else None

    return replace(
        first,
        samples_uv=np.concatenate([trace.samples_uv for trace in traces]),
        stimulus_ms=stacked([trace.stimulus_ms for trace in traces]),
        elapsed_s=stacked([trace.elapsed_s for trace in traces]),
        stimulus=replace(
            first.stimulus,
            intensity_ma=stacked([trace.stimulus.intensity_ma for trace in traces]),
            intensity_v=stacked([trace.stimulus.intensity_v for trace in traces]),
            label="; ".join(dict.fromkeys(trace.stimulus.label for trace in traces if trace.stimulus.label)),
        ),
        reported=tuple(value for trace in traces for value in trace.reported),
        notes=tuple(dict.fromkeys(note for trace in traces for note in trace.notes)),
    )
