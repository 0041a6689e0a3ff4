"""Recordings of stored visits as files for other programs; how a file is written is known in ``ncs.io``."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ncs.errors import InvalidInputError, NcsError, NcsWarning
from ncs.export._authors import anonymous
from ncs.export._folder import empty_folder, explained

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from ncs.model import Visit
    from ncs.results import VisitResult
    from ncs.store import Store

__all__ = ["Recordings", "write_bids", "write_edf"]


@dataclass(slots=True, kw_only=True)
class Recordings:
    """What was written.

    Parameters
    ----------
    paths
        The files.
    failed
        Visits that could not be written, each with its error.
    notes
        What was left out of visits that were written.
    """

    paths: list[Path] = field(default_factory=list)
    failed: list[tuple[str, NcsError]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


def write_edf(store: Store, folder: str | os.PathLike[str], visits: Iterable[tuple[str, str]]) -> Recordings:
    """Write the studies of visits as EDF files; a visit that EDF cannot hold does not stop the others.

    Parameters
    ----------
    store
        An open store.
    folder
        New or empty.
    visits
        Subject and date of each.

    Raises
    ------
    FileAccessError
        When the folder holds anything, or cannot be written.
    """
    place = Path(folder)
    empty_folder(place)
    done = Recordings()
    with explained(place):
        for name, visit in _loaded(store, visits, done):
            try:
                paths, said = _write_visit(visit, place)
            except NcsError as error:
                done.failed.append((name, error))
            else:
                done.paths += paths
                done.notes += [(name, text) for text in said]
    return done


def _write_visit(visit: Visit, folder: Path) -> tuple[list[Path], list[str]]:
    """Write one visit; return its files and what was said. No file of another visit is replaced.

    Raises
    ------
    InvalidInputError
        When EDF cannot hold it, or it has no waveforms.
    """
    from ncs.io.edf_write import export_visit

    apart = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=folder))
    try:
        with _warnings_noted() as said:
            written = export_visit(visit, apart)
        if not written:
            raise InvalidInputError("; ".join(said) or "expected waveforms, found none")
        return [path.replace(_free(folder / path.name)) for path in written], said
    finally:
        shutil.rmtree(apart, ignore_errors=True)


def _free(path: Path) -> Path:
    """Return the path, with a number where another subject's code gives the same file name."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return free


def write_bids(
    store: Store,
    folder: str | os.PathLike[str],
    visits: Iterable[tuple[str, str]],
    *,
    keep_dates: bool = False,
    power_line_hz: float | None = None,
) -> Recordings:
    """Write visits with their results as a BIDS data set: the whole of it or, on an error, nothing.

    Parameters
    ----------
    store
        An open store.
    folder
        New or empty.
    visits
        Subject and date of each.
    keep_dates, power_line_hz
        As in ``ncs.io.bids_write.write_dataset``.

    Raises
    ------
    FileAccessError
        When the folder holds anything, or cannot be written.
    InvalidInputError
        When a data set cannot hold a visit.
    StoreError
        When a visit cannot be loaded.
    """
    from ncs.io.bids_write import write_dataset

    place = Path(folder)
    empty_folder(place)
    done = Recordings()
    results = (_results(store, subject, date) for subject, date in visits)
    with explained(place), tempfile.TemporaryDirectory(prefix=".", suffix=".part", dir=place) as apart:
        with _warnings_noted() as said:
            written = write_dataset(results, apart, keep_dates=keep_dates, power_line_hz=power_line_hz)
        for path in Path(apart).iterdir():
            path.replace(place / path.name)
    done.paths += [place / path.relative_to(apart) for path in written]
    done.notes += [("data set", text) for text in said]
    return done


def _results(store: Store, subject: str, date: str) -> list[VisitResult]:
    """Return the results of a visit without the names of those who edited its marks."""
    authors = set(store.history(subject, date)["author"])
    return [anonymous(result, authors) for result in store.load_results(subject, date)]


@contextmanager
def _warnings_noted() -> Iterator[list[str]]:
    """Collect what is said about an input instead of printing it."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NcsWarning)
        yield said
    said += [str(one.message) for one in caught]


def _loaded(store: Store, visits: Iterable[tuple[str, str]], done: Recordings) -> Iterator[tuple[str, Visit]]:
    for subject, date in visits:
        name = f"{subject}, {date}"
        try:
            visit = store.load_visit(subject, date)
        except NcsError as error:
            done.failed.append((name, error))
        else:
            yield name, visit
