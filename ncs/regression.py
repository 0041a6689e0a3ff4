"""Recordings with expected marks and measurements: what moved since they were frozen, against truth and tolerance.

``check`` reads and compares, ``update`` alone rewrites expectations. What a set looks like on disk: ``docs/check.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncs._expectations import (
    EXPECTED,
    TOLERANCES,
    Entry,
    Place,
    Tolerances,
    digest,
    expected_path,
    load,
    no_access,
    read_entries,
    read_tolerances,
    recording_of,
    write_entries,
)
from ncs._moves import Move, entries, moves
from ncs._tolerances import tolerances_text, usual_tolerances
from ncs.errors import InvalidInputError, NcsError

if TYPE_CHECKING:
    import os

    from ncs.results import VisitResult

__all__ = [
    "EXPECTED", "TOLERANCES", "CheckReport", "Entry", "FileReport", "Move", "Place", "Tolerances", "check",
    "check_recording", "read_tolerances", "record", "recordings", "tolerances_text", "update", "usual_tolerances",
]  # fmt: skip


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
    names = recordings(place)
    if not names:
        raise InvalidInputError(f"{place}: expected recordings with STEM{EXPECTED} beside them, found none")
    return CheckReport(folder=place, files=tuple(check_recording(place, name, tolerances) for name in names))


def check_recording(folder: str | os.PathLike[str], name: str, tolerances: Tolerances | None = None) -> FileReport:
    """Analyse one recording of a folder again and compare it with what is expected of it.

    Parameters
    ----------
    folder, name
        Where it is, and its name there, as ``recordings`` gives it.
    tolerances
        Of the set; default those that its folder states.

    Raises
    ------
    FileAccessError, InvalidInputError
        As ``check``, for the tolerances and for the expectation of this recording.
    """
    from ncs.analysis import analyze
    from ncs.io.reading import read_quietly

    place = Path(folder)
    tolerances = read_tolerances(place) if tolerances is None else tolerances
    path = place / name
    beside = expected_path(path)
    document = load(beside) if beside.exists() else {}
    expected = dict(read_entries(beside, document))
    try:
        result = analyze(read_quietly(path))  # a fault that did not stop the reading is as old as the recording
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
    moved = tuple(moves(expected, entries(result), tolerances)) if document else ()
    return FileReport(
        name=name, n_compared=len(expected), moves=moved, problem=problem, result=result, expected=expected
    )


def recordings(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of all recordings of a set: those of which something is expected, and those that lie there.

    Raises
    ------
    FileAccessError
        When the folder or an expectation in it cannot be read.
    InvalidInputError
        When an expectation is of another form, or is not that of the recording beside which it lies.
    """
    from ncs.io.registry import readers

    place = Path(folder)
    try:
        there = sorted(path.name for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise no_access(place, "a folder that can be read", error) from error
    expected = {recording_of(place / name) for name in there if name.endswith(EXPECTED)}
    endings = {ending for each in readers() if each.reader is not None for ending in each.reader.extensions}
    endings -= {".json", ".txt", ".csv", ".tsv"}
    return tuple(sorted(expected | {name for name in there if Path(name).suffix.lower() in endings}))


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
        write_entries(report.folder / file.name, about, _with_truth(entries(file.result), truth))
        written.append(file.name)
    return tuple(written)


def record(
    recording: str | os.PathLike[str],
    *,
    about: str,
    truth: Mapping[Place, float | str],
    result: VisitResult | None = None,
) -> None:
    """Analyse one recording and write what is expected of it from now on.

    Parameters
    ----------
    recording
        The recording; ``STEM.expected.json`` is written beside it.
    about
        What it is, in a sentence.
    truth
        What is true, as far as it is known.
    result
        What ``ncs.analyze`` has just made of it; default: analyse it now.

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
    found = entries(analyze(read(path)) if result is None else result)
    if lost := [f"{at.quantity} ({at.words})" for at in truth if at not in found]:
        raise InvalidInputError(f"{path.name}: truth of what is not measured there: {', '.join(lost)}")
    write_entries(path, about, _with_truth(found, truth))


def _with_truth(found: Mapping[Place, Entry], truth: Mapping[Place, Any]) -> dict[Place, Entry]:
    return {at: replace(entry, truth=truth.get(at)) for at, entry in found.items()}
