"""Recordings with expected marks and measurements: what moved since they were frozen, against truth and tolerance.

``check`` reads and compares, ``update`` alone rewrites expectations. What a set looks like on disk: ``docs/check.md``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ncs._expectations import (
    EXPECTED,
    MEASURED_MARKS,
    TOLERANCES,
    Content,
    Entry,
    Place,
    Tolerances,
    digest,
    expected_path,
    load,
    mark_unit,
    no_access,
    read_entries,
    read_tolerances,
    recording_of,
    write_entries,
)
from ncs.errors import InvalidInputError, NcsError

if TYPE_CHECKING:
    import os

    from ncs.results import Measurement, TraceMarks, VisitResult

__all__ = [
    "EXPECTED", "TOLERANCES", "CheckReport", "Entry", "FileReport", "Move", "Place", "Tolerances", "check",
    "read_tolerances", "record", "update",
]  # fmt: skip

_NOTHING = 1e-3
"""A difference below this share of the tolerance is arithmetic, and no movement."""
_DIGITS = 9
_SWEEP_MARKS = ("onset_ms", "peak_uv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One thing that is not as it was expected.

    Parameters
    ----------
    what
        ``"value"`` and ``"sd"`` moved by some amount; a ``"reason"`` (or outcome), ``"flags"`` or the ``"unit"``
        changed; something expected is ``"missing"``, or something is there that was not expected (``"extra"``).
    place
        Where.
    old, new
        Expected and found.
    unit, truth
        As in `Entry`.
    tolerance
        How far a value or standard deviation may move; ``None`` where the set states none.
    breach
        Whether it moved farther than that. What is not a number breaches whenever it changes.
    """

    what: Literal["value", "sd", "reason", "flags", "unit", "missing", "extra"]
    place: Place
    old: Content
    new: Content
    unit: str = ""
    truth: Content = None
    tolerance: float | None = None
    breach: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileReport:
    """What became of one recording.

    Parameters
    ----------
    name
        Name of the recording in its folder.
    n_compared
        Places that are expected.
    moves
        What moved, measurements before marks.
    problem
        Why nothing could be compared, or not the same recording; empty where all is well. A problem is a breach.
    result, expected
        What the analysis gave (``None`` where it failed), and what was expected.
    """

    name: str
    n_compared: int
    moves: tuple[Move, ...]
    problem: str
    result: VisitResult | None
    expected: Mapping[Place, Entry]

    @property
    def n_breaches(self) -> int:
        """How many breaches there are."""
        return sum(move.breach for move in self.moves) + bool(self.problem)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckReport:
    """What became of a set; files in the order of their names."""

    folder: Path
    files: tuple[FileReport, ...]

    @property
    def n_breaches(self) -> int:
        """How many breaches there are."""
        return sum(file.n_breaches for file in self.files)

    @property
    def n_moved(self) -> int:
        """How much moved, breaches included."""
        return sum(len(file.moves) for file in self.files)

    def __str__(self) -> str:
        compared = sum(file.n_compared for file in self.files)
        return (
            f"{len(self.files)} recordings, {compared} numbers and marks compared: {self.n_moved} moved, "
            f"{self.n_breaches} breaches"
        )


def check(folder: str | os.PathLike[str]) -> CheckReport:
    """Analyse the recordings of a folder again and compare them with what is expected of them.

    Parameters
    ----------
    folder
        Holds ``tolerances.json``, recordings with the sidecars they need, and ``STEM.expected.json`` for each.

    Returns
    -------
    CheckReport
        What moved, per file. A recording that cannot be read, has changed, or lies there without an expectation is a
        breach.

    Raises
    ------
    FileAccessError
        When the folder or one of its JSON files cannot be read.
    InvalidInputError
        When one of them is not as it must be, or there is nothing to check.
    """
    place = Path(folder)
    tolerances = read_tolerances(place)
    names = _recordings(place)
    if not names:
        raise InvalidInputError(f"{place}: expected recordings with STEM{EXPECTED} beside them, found none")
    return CheckReport(folder=place, files=tuple(_check_file(place, name, tolerances) for name in names))


def update(folder: str | os.PathLike[str], *, report: CheckReport | None = None) -> tuple[str, ...]:
    """Make what a check found what is expected from now on.

    Truth and description of every expectation stay. Nothing is written for a recording in which nothing moved, nor for
    one that could not be analysed.

    Parameters
    ----------
    folder
        As for ``check``.
    report
        What a check of this folder has just found, so that exactly what was shown is written; default: check now.

    Returns
    -------
    tuple of str
        Names of the recordings whose expectation was written.

    Raises
    ------
    FileAccessError, InvalidInputError
        As ``check``, and when an expectation cannot be written.
    """
    report = check(folder) if report is None else report
    written = []
    for file in report.files:
        if file.result is None or not (file.moves or file.problem):
            continue
        path = expected_path(report.folder / file.name)
        about = str(load(path).get("about", "")) if path.exists() else ""
        truth = {at: entry.truth for at, entry in file.expected.items() if entry.truth is not None}
        write_entries(report.folder / file.name, about, _with_truth(_entries(file.result), truth))
        written.append(file.name)
    return tuple(written)


def record(recording: str | os.PathLike[str], *, about: str, truth: Mapping[Place, float | str]) -> None:
    """Analyse one recording and write what is expected of it from now on.

    Parameters
    ----------
    recording
        The recording; ``STEM.expected.json`` is written beside it.
    about
        What it is, in a sentence.
    truth
        What is true, as far as it is known.

    Raises
    ------
    InvalidInputError
        When something is said to be true of a place that the analysis does not have.
    ReadError, FileAccessError
        When the recording cannot be read, or the expectation cannot be written.
    """
    from ncs.analysis import analyze
    from ncs.io import read

    path = Path(recording)
    found = _entries(analyze(read(path)))
    if lost := [f"{at.quantity} ({at.words})" for at in truth if at not in found]:
        raise InvalidInputError(f"{path.name}: truth of what is not measured there: {', '.join(lost)}")
    write_entries(path, about, _with_truth(found, truth))


def _recordings(folder: Path) -> list[str]:
    """Return the names of all recordings: those of which something is expected, and those that merely lie there."""
    from ncs.io.registry import readers

    try:
        there = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise no_access(folder, "a folder that can be read", error) from error
    expected = {recording_of(folder / name) for name in there if name.endswith(EXPECTED)}
    endings = {ending for each in readers() if each.reader is not None for ending in each.reader.extensions}
    endings -= {".json", ".txt", ".csv", ".tsv"}
    return sorted(expected | {name for name in there if Path(name).suffix.lower() in endings})


def _check_file(folder: Path, name: str, tolerances: Tolerances) -> FileReport:
    from ncs.analysis import analyze
    from ncs.io import read

    path = folder / name
    beside = expected_path(path)
    document = load(beside) if beside.exists() else {}
    expected = dict(read_entries(beside, document))
    try:
        result = analyze(read(path))
    except NcsError as error:
        return FileReport(
            name=name, n_compared=len(expected), moves=(), problem=f"cannot be analysed: {error}", result=None,
            expected=expected,
        )  # fmt: skip
    problem = ""
    if not document:
        problem = f"no {beside.name} says what is expected; write it with --update"
    elif document.get("sha256") != digest(path):
        problem = "the recording is not the one that the expectation was made from (SHA-256 differs)"
    moves = tuple(_moves(expected, _entries(result), tolerances)) if document else ()
    return FileReport(
        name=name, n_compared=len(expected), moves=moves, problem=problem, result=result, expected=expected
    )


def _moves(expected: Mapping[Place, Entry], found: Mapping[Place, Entry], tolerances: Tolerances) -> Iterator[Move]:
    for place in sorted({**expected, **found}, key=lambda at: at.is_mark):
        old, new = expected.get(place), found.get(place)
        if new is None and old is not None:
            yield Move(what="missing", place=place, old=_content(old), new=None, unit=old.unit, truth=old.truth)
        elif old is None and new is not None:
            yield Move(what="extra", place=place, old=None, new=_content(new), unit=new.unit)
        elif old is not None and new is not None:
            yield from _changes(place, old, new, tolerances.of(place))


def _changes(place: Place, old: Entry, new: Entry, tolerance: float | None) -> Iterator[Move]:
    if old.unit != new.unit:
        yield Move(what="unit", place=place, old=old.unit, new=new.unit)
        return
    if (old.value is None) != (new.value is None) or old.word != new.word:
        yield Move(what="reason", place=place, old=_content(old), new=_content(new), unit=old.unit, truth=old.truth)
    elif old.value is not None and new.value is not None:
        move = Move(what="value", place=place, old=old.value, new=new.value, unit=old.unit, truth=old.truth)
        yield from _numbers(move, old.value, new.value, tolerance)
        if old.sd is not None and new.sd is not None:
            sd = Move(what="sd", place=place, old=old.sd, new=new.sd, unit=old.unit)
            yield from _numbers(sd, old.sd, new.sd, tolerance)
        elif old.sd is not new.sd:
            yield Move(what="sd", place=place, old=old.sd, new=new.sd, unit=old.unit, tolerance=tolerance)
    if old.flags != new.flags:
        yield Move(what="flags", place=place, old=" ".join(old.flags), new=" ".join(new.flags))


def _numbers(move: Move, old: float, new: float, tolerance: float | None) -> Iterator[Move]:
    """Yield a move of a number that is more than arithmetic; without a tolerance nothing may move."""
    by = abs(new - old)
    least = 10.0 ** (1 - _DIGITS) * abs(old)
    if by > max(_NOTHING * (tolerance or 0.0), least):
        yield replace(move, tolerance=tolerance, breach=tolerance is None or by > tolerance)


def _content(entry: Entry) -> Content:
    return entry.word if entry.value is None else entry.value


def _with_truth(found: Mapping[Place, Entry], truth: Mapping[Place, Any]) -> dict[Place, Entry]:
    return {at: replace(entry, truth=truth.get(at)) for at, entry in found.items()}


def _entries(result: VisitResult) -> dict[Place, Entry]:
    """Return everything that an analysis gave, by its place."""
    entries: dict[Place, Entry] = {}
    times: Counter[Place] = Counter()
    for m in result.measurements:
        at = Place(quantity=m.quantity, study=m.study_index, site=m.site, segment=m.segment)
        entries[replace(at, number=times[at])] = _measurement(m)
        times[at] += 1
    for marks in result.marks:
        site = result.visit.studies[marks.study_index].traces[marks.trace_index].stimulation_site
        entries |= _of_trace(marks, site)
    return entries


def _measurement(m: Measurement) -> Entry:
    word = "" if m.reason is None else m.reason.value
    return Entry(value=_rounded(m.value), sd=_rounded(m.sd), word=word, unit=m.unit, flags=tuple(sorted(m.flags)))


def _of_trace(marks: TraceMarks, site: str | None) -> Iterator[tuple[Place, Entry]]:
    from ncs.detect.marks import Outcome

    sweeps = range(len(marks.sweeps)) if len(marks.sweeps) > 1 else range(0)
    kinds = [(marks.measured, None, 0, MEASURED_MARKS)]
    kinds_of_sweeps = [(marks.sweeps, sweep, sweep, _SWEEP_MARKS) for sweep in sweeps]
    for source, sweep, index, names in [*kinds, *kinds_of_sweeps]:
        place = Place(
            quantity="outcome", study=marks.study_index, site=site, trace=marks.trace_index, response=marks.response,
            sweep=sweep,
        )  # fmt: skip
        yield place, Entry(word=Outcome(int(source.outcome[index])).name.lower())
        for name in names:
            value = float(getattr(source, name)[index])
            yield replace(place, quantity=name), Entry(value=_rounded(value), unit=mark_unit(name) or "")


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")
