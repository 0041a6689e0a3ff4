"""One study of a store on its way into a reference set: its files without identity, and what is expected and true.

A study becomes EDF files that are read back before anything is said of them; ``ncs.reference`` puts a set together.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs import regression
from ncs._moves import content, entries
from ncs.analysis import Edit, analyze, edited
from ncs.errors import InvalidInputError
from ncs.io._anonymous import without_free_text, without_identity
from ncs.io.edf_write import export_visit
from ncs.io.reading import read_quietly
from ncs.measure._study import EDITED
from ncs.measure._visit import technique_of
from ncs.measure.blink_reflex import stimulated_side
from ncs.measure.repetitive_stimulation import condition
from ncs.model import Origin, Technique
from ncs.report.tables import study_name, technique_words
from ncs.results import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from ncs.model import Study, Trace, Visit
    from ncs.regression import Entry, Place
    from ncs.results import VisitResult

__all__ = ["FrozenStudy", "bare_visit", "lost_numbers", "truth_of"]


def bare_visit(visit: Visit, code: str) -> Visit:
    """Return a visit as it may leave the house, with all that the analysis needs."""
    return without_free_text(without_identity(visit, code), _words)


def _words(study: Study, trace: Trace) -> str:
    """Return what the analysis takes from texts of a trace, in words of ours."""
    if study.technique is Technique.REPETITIVE_STIMULATION:
        return condition(trace) or ""
    if study.technique is Technique.BLINK_REFLEX:
        side = stimulated_side(trace)
        return "" if side is None else side.value
    return ""


@dataclass(slots=True, kw_only=True)
class FrozenStudy:
    """A study and its files in a set.

    Parameters
    ----------
    visit
        As ``bare_visit`` returns it.
    study
        Index of the study in it.
    edits
        What people did to its marks, oldest first.
    folder
        Of the set.
    stem
        How the names of its files begin, in the place of the subject's code.
    names, found
        The files, and what the analysis gives of them; filled by ``write``.
    """

    visit: Visit
    study: int
    edits: Sequence[Edit]
    folder: Path
    stem: str
    names: list[str] = field(default_factory=list)
    found: dict[Place, Entry] = field(default_factory=dict)

    @property
    def _study(self) -> Study:
        return self.visit.studies[self.study]

    @property
    def texts(self) -> Iterator[str]:
        """The names of nerves and sites that its files hold."""
        study = self._study
        sites = [trace.stimulation_site for trace in study.traces]
        ends = [site for segment in study.segments for site in (segment.distal_site, segment.proximal_site)]
        yield from (text for text in (study.nerve, study.recording_site, *sites, *ends) if text)

    def write(self) -> None:
        """Write the recordings of the study and what is expected of them; nothing stays of a study that fails.

        Raises
        ------
        InvalidInputError
            When EDF cannot hold it, or would not give it back.
        OSError
            When a file cannot be written.
        """
        try:
            self._write()
        except BaseException:
            self._remove()
            raise

    def _write(self) -> None:
        traces = self._study.traces
        if not traces:
            raise InvalidInputError("study: expected waveforms, found results only: there is nothing to analyse again")
        inner = self.folder / ".study"
        try:
            for path in export_visit(replace(self.visit, studies=(self._study,)), inner):
                stem = path.stem.replace(self.visit.subject.id or "", self.stem, 1)
                path.replace(self.folder / self._free(stem, path.suffix))
        finally:
            shutil.rmtree(inner, ignore_errors=True)
        unread = list(range(len(traces)))
        for name in self.names:
            self._record(self.folder / name, unread)
        if unread:
            site = traces[unread[0]].stimulation_site or "?"
            raise InvalidInputError(f"samples_uv: expected EDF to give back what was written, found others at {site}")

    def _free(self, stem: str, ending: str) -> str:
        """Return a name that no recording of the set has, and whose expectation has a name of its own."""
        number, free = 1, stem
        while any((self.folder / f"{free}{each}").exists() for each in (".edf", ".bdf")):
            number += 1
            free = f"{stem}_{number}"
        self.names.append(f"{free}{ending}")
        return self.names[-1]

    def _record(self, path: Path, unread: list[int]) -> None:
        """Write what is expected of one file; the traces found in it are no longer unread."""
        read = read_quietly(path)
        places = _places(read, self._study, unread)
        edits = [
            replace(edit, study_index=places[edit.trace_index][0], trace_index=places[edit.trace_index][1])
            for edit in self.edits
            if edit.trace_index in places
        ]
        result = analyze(read)
        self.found |= {replace(at, study=self.study): entry for at, entry in entries(result).items()}
        about = f"Reviewed: {study_name(self._study)}, {technique_words(self._study.technique)} study."
        if any(trace.provenance["stimulus_ms"] is Origin.ARTEFACT for trace in self._study.traces):
            about += " The times of the stimuli were taken from the artefact."
        if edits:
            about += " A person moved marks: what follows from them is the truth."
        regression.record(path, about=about, truth=truth_of(result, edits), result=result)

    def _remove(self) -> None:
        for name in self.names:
            path = self.folder / name
            path.unlink(missing_ok=True)
            path.with_name(path.stem + regression.EXPECTED).unlink(missing_ok=True)


def _places(read: Visit, study: Study, unread: list[int]) -> dict[int, tuple[int, int]]:
    """Return where the traces of a study are in what was read of it; the samples tell them apart, then the sites."""
    found = {}
    for at, other in enumerate(read.studies):
        for position, trace in enumerate(other.traces):
            same = [index for index in unread if _is_same(study.traces[index], trace)]
            at_site = [index for index in same if study.traces[index].stimulation_site == trace.stimulation_site]
            for index in (at_site or same)[:1]:
                unread.remove(index)
                found[index] = (at, position)
    return found


def _is_same(one: Trace, other: Trace) -> bool:
    """Return whether two traces have the same samples, but for what 16 bits cannot hold."""
    if one.samples_uv.shape != other.samples_uv.shape:
        return False
    largest = float(np.abs(one.samples_uv).max(initial=0.0))
    return bool(np.allclose(one.samples_uv, other.samples_uv, rtol=0.0, atol=1e-4 * largest + 1e-6))


def truth_of(result: VisitResult, edits: Sequence[Edit]) -> dict[Place, Any]:
    """Return what is true because a person said so: her marks, and every number that follows from them.

    Parameters
    ----------
    result
        With automatic marks.
    edits
        Of this result, oldest first.

    Returns
    -------
    dict
        By places that the result has. A mark that she took away is true to be ``"not_marked"``; one that the analysis
        drops because it contradicts hers is not known.
    """
    if not edits:
        return {}
    before = entries(result)
    truth: dict[Place, Any] = {}
    for place, entry in entries(edited(result, edits)).items():
        old, new = before.get(place), content(entry)
        if old is None:
            continue
        is_said = _is_said(place, result, edits) if place.is_mark else EDITED in entry.flags
        if new == "":
            new = Reason.NOT_MARKED.value if is_said else new
        if is_said or (place.is_mark and new not in {"", content(old)}):
            truth[place] = new
    return truth


def _is_said(place: Place, result: VisitResult, edits: Sequence[Edit]) -> bool:
    """Return whether an edit is about this very mark, or about whether there is a response."""
    technique = technique_of(result.visit.studies[place.study])
    first = technique.responses[0] if technique is not None else ""
    return any(
        (edit.study_index, edit.trace_index, edit.response or first, edit.sweep)
        == (place.study, place.trace, place.response, place.sweep)
        and place.quantity in {"outcome", edit.mark}
        for edit in edits
    )


def lost_numbers(stored: Mapping[Place, Entry], study: int, found: Mapping[Place, Entry]) -> list[str]:
    """Return the numbers of a study that the store has and its recordings do not give, each by themselves."""
    given = {
        (at.quantity, at.site, at.segment) for at, entry in found.items() if not at.is_mark and entry.value is not None
    }
    lost = [
        at
        for at, entry in stored.items()
        if at.study == study and not at.is_mark and entry.value is not None and EDITED not in entry.flags
        and (at.quantity, at.site, at.segment) not in given
    ]  # fmt: skip
    return list(dict.fromkeys(f"{at.quantity} ({at.words})" if at.words else at.quantity for at in lost))
