"""Reviewed visits of a store, frozen: a folder for ``ncs check`` in which nothing says who was examined, or when.

What may leave the house is known in ``ncs.io._anonymous``; what a set looks like on disk, in ``ncs.regression``.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from ncs import __version__, regression
from ncs._freezing import FrozenStudy, bare_visit, lost_numbers
from ncs._moves import entries
from ncs.analysis import Edit
from ncs.errors import FileAccessError, NcsError, Problem, StoreAccessError, StoreError
from ncs.export._folder import explained
from ncs.report.tables import study_name, technique_words

if TYPE_CHECKING:
    from ncs.results import VisitResult
    from ncs.store import Store

__all__ = ["FrozenVisit", "ReferenceSet", "make"]

_ABOUT = f"""Reference recordings of `ncs check`, made by `ncs reference make` (ncs {__version__}) from reviewed visits.

S01_V2_*.edf       recordings of the second visit of subject 1; identifiers, dates and free texts were left out
*.expected.json    measurements and marks as ncs made them; where a person had moved a mark, that is their truth
tolerances.json    how far each quantity may move before it is a breach, in its own unit

Check it with `ncs check` and the name of this folder. Only `ncs check FOLDER --update` rewrites expectations.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenVisit:
    """A visit and what became of it. Only this says who was examined and when; nothing of it is in the set.

    Parameters
    ----------
    subject, date
        In the store.
    name
        In the set: ``"S01_V1"`` is the first visit there of the first subject there.
    recordings
        Names of its files.
    n_edits
        Marks that a person moved; they stand as truth.
    """

    subject: str
    date: str
    name: str
    recordings: tuple[str, ...]
    n_edits: int


@dataclass(slots=True, kw_only=True)
class ReferenceSet:
    """What was made.

    Parameters
    ----------
    folder
        Where; it exists only if ``visits`` is not empty.
    visits
        What it holds.
    failed
        What could not be written, each with its error.
    notes
        Numbers that the store has and the set does not, with the reason.
    texts
        Every name of a nerve and of a site that stands in the set, for a person to look through.
    """

    folder: Path
    visits: list[FrozenVisit] = field(default_factory=list)
    failed: list[tuple[str, NcsError]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)


def make(
    store: Store,
    dest: str | os.PathLike[str],
    visits: Iterable[tuple[str, str | None]] | None = None,
    *,
    progress: Callable[[int, int], object] | None = None,
) -> ReferenceSet:
    """Freeze visits as a reference set: all of what can be written or, on an error of the disk, nothing.

    Every study becomes an EDF+D file (or several, where its traces do not fit into one) that is read back, analysed as
    ``ncs check`` does, and given an expectation. Where a person moved marks, what follows from these marks is recorded
    as truth beside what the analysis gives by itself.

    Parameters
    ----------
    store
        An open store.
    dest
        A new or an empty folder.
    visits
        Subject and date of each; without a date all visits of the subject. Default: every visit with recordings.
    progress
        Called with the number of visits done, and of all.

    Raises
    ------
    FileAccessError
        When the folder holds anything, or cannot be written.
    """
    place = Path(os.path.realpath(dest))
    _refuse(place, os.fspath(dest))
    made = ReferenceSet(folder=Path(dest))
    chosen = _chosen(store, visits, made)
    if not chosen:
        return made
    with explained(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        apart = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
        apart.mkdir()
        try:
            for number, visit in enumerate(chosen, start=1):
                _freeze_visit(store, visit, apart, made)
                if progress is not None:
                    progress(number, len(chosen))
            if made.visits:
                _settle(apart, place)
        finally:
            shutil.rmtree(apart, ignore_errors=True)
    return made


def _settle(apart: Path, place: Path) -> None:
    """Let what was made take its name in one step."""
    (apart / regression.TOLERANCES).write_text(regression.tolerances_text(), encoding="utf-8", newline="\n")
    (apart / "README.md").write_text(_ABOUT, encoding="utf-8", newline="\n")
    if place.exists():
        place.rmdir()  # it was empty
    apart.rename(place)


def _refuse(place: Path, named: str) -> None:
    """Refuse a folder that holds anything, above all another set."""
    with explained(place):
        if not place.exists():
            return
        there = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
        is_set = any(name == regression.TOLERANCES or name.endswith(regression.EXPECTED) for name in there)
    if place.is_dir() and not there and place != Path.cwd():
        return
    found = f"one that holds {there[0]}" if there else "the current folder" if place.is_dir() else "a file"
    hint = "Nothing was written. Name another folder."
    if is_set:
        found = "one that holds a reference set already"
        hint = (
            f"Nothing was written. `ncs check {named}` checks it, and with --update makes what is found what is "
            "expected; to make another set, name a new folder."
        )
    problem = Problem(file=named, place="", field="", expected="a new or an empty folder", found=found, hint=hint)
    raise FileAccessError([problem])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """A visit of the store, and what subject and visit are called in the set."""

    subject: str
    date: str
    code: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.code}_V{self.number}"

    @property
    def words(self) -> str:
        return f"{self.subject}, {self.date}"


def _chosen(store: Store, wanted: Iterable[tuple[str, str | None]] | None, made: ReferenceSet) -> list[_Chosen]:
    """Return the visits to freeze, subjects in the order of their codes and visits in that of their dates."""
    frame = store.visits()
    recorded: dict[str, list[str]] = {subject: [] for subject in frame["subject"]}
    for subject, date, analysed in zip(frame["subject"], frame["date"], frame["analysed_utc"].notna(), strict=True):
        if analysed:
            recorded[subject].append(str(date))
    if wanted is not None:
        recorded = _named(store, wanted, recorded, made)
    subjects = [subject for subject in sorted(recorded) if recorded[subject]]
    return [
        _Chosen(subject=subject, date=date, code=f"S{code:02d}", number=number)
        for code, subject in enumerate(subjects, start=1)
        for number, date in enumerate(sorted(recorded[subject]), start=1)
    ]


def _named(
    store: Store, wanted: Iterable[tuple[str, str | None]], recorded: Mapping[str, Sequence[str]], made: ReferenceSet
) -> dict[str, list[str]]:
    """Return the dates of the visits that are named; what there is not is noted as failed."""
    found: dict[str, list[str]] = {}
    for subject, date in wanted:
        dates = recorded.get(subject)
        if dates is None:
            text = f"subject: expected one of the store, found none called {subject!r}. List the visits: ncs show"
            made.failed.append((subject, StoreError(text)))
        elif date is None and not dates:
            made.failed.append((subject, StoreError("visits: expected recordings, found only covariates")))
        elif date is None:
            found.setdefault(subject, []).extend(dates)
        elif date in dates:
            found.setdefault(subject, []).append(date)
        else:
            try:
                store.load_results(subject, date)
            except NcsError as error:
                made.failed.append((f"{subject}, {date}", error))
    return {subject: list(dict.fromkeys(dates)) for subject, dates in found.items()}


def _freeze_visit(store: Store, visit: _Chosen, folder: Path, made: ReferenceSet) -> None:
    try:
        results = store.load_results(visit.subject, visit.date)
    except StoreAccessError:
        raise
    except NcsError as error:
        made.failed.append((visit.words, error))
        return
    names: list[str] = []
    n_edits = 0
    for result in results:
        edits = _edits(result)
        for frozen in _freeze(result, edits, visit, folder, made):
            names += frozen.names
            n_edits += len(frozen.edits)
    if names:
        frozen_visit = FrozenVisit(
            subject=visit.subject, date=visit.date, name=visit.name, recordings=tuple(names), n_edits=n_edits
        )
        made.visits.append(frozen_visit)


def _freeze(
    result: VisitResult, edits: Sequence[Edit], visit: _Chosen, folder: Path, made: ReferenceSet
) -> list[FrozenStudy]:
    """Write the studies of one result; return those that could be written."""
    bare, stored = bare_visit(result.visit, visit.code), entries(result)
    done = []
    for index, study in enumerate(bare.studies):
        label = f"{visit.words}, {study_name(study)}, {technique_words(study.technique)}"
        own = [edit for edit in edits if edit.study_index == index]
        frozen = FrozenStudy(visit=bare, study=index, edits=own, folder=folder, stem=visit.name)
        try:
            frozen.write()
        except FileAccessError:
            raise
        except NcsError as error:
            made.failed.append((label, error))
            continue
        done.append(frozen)
        made.texts.update(frozen.texts)
        lost = lost_numbers(stored, index, frozen.found)
        if lost:
            text = "not in the set, where a recording is analysed by itself and with the usual settings"
            made.notes.append((label, f"{text}: {', '.join(lost)}"))
    return done


def _edits(result: VisitResult) -> list[Edit]:
    """Return what people did to the marks of a result, without who they are."""
    known = {each.name for each in fields(Edit)}
    return [
        Edit(**{name: value for name, value in said.items() if name in known} | {"author": "a person"})
        for said in result.parameters.get("edits", ())
    ]
