"""Recordings of stored visits as files for other programs; how a file is written is known in ``ncs.io``."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ncs.errors import InvalidInputError, NcsError, NcsWarning
from ncs.export._folder import empty_folder, explained

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from ncs.model import Visit
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
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", NcsWarning)
            written = export_visit(visit, apart)
        said = [str(one.message) for one in caught]
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


def write_bids(store: Store, folder: str | os.PathLike[str], visits: Iterable[tuple[str, str]]) -> Recordings:
    """Write visits as a data set in the form of BIDS; a visit that cannot be loaded does not stop the others.

    Parameters, result and errors are those of ``write_edf``.
    """
    from ncs.io.bids_write import write_dataset

    place = Path(folder)
    empty_folder(place)
    done = Recordings()
    write_dataset([visit for _, visit in _loaded(store, visits, done)], place)
    done.paths += sorted(path for path in place.rglob("*") if path.is_file())
    return done


def _loaded(store: Store, visits: Iterable[tuple[str, str]], done: Recordings) -> Iterator[tuple[str, Visit]]:
    for subject, date in visits:
        name = f"{subject}, {date}"
        try:
            visit = store.load_visit(subject, date)
        except NcsError as error:
            done.failed.append((name, error))
        else:
            yield name, visit
