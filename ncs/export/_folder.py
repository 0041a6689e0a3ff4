"""Where an export may go: an empty folder, or an earlier export of the same kind; and how it gets there, whole or not.

Nothing of somebody else's is ever replaced: a folder is taken for an earlier export only if its dictionary says so.
"""

from __future__ import annotations

import re
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ncs.errors import FileAccessError, NcsError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["DICTIONARY", "DICTIONARY_HEADER", "empty_folder", "explained", "staged"]

DICTIONARY = "dictionary.csv"
DICTIONARY_HEADER = ("table", "column", "unit", "type", "absent", "definition", "source")
_NAMED = 3
_PART = re.compile(r"\.(?P<name>[\w.]+)\.[0-9a-f]{8}\.part")


@contextmanager
def staged(folder: Path, names: Collection[str]) -> Iterator[Callable[[str], Path]]:
    """Give places to write files to; they get their names when all is written, and vanish if it is not.

    Parameters
    ----------
    folder
        Made if there is none.
    names
        Every file of the export; others in the folder are somebody else's.

    Raises
    ------
    FileAccessError
        When the folder holds anything else, or cannot be written.
    """
    with explained(folder):
        leftovers = _check(folder, names)
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
    mark = secrets.token_hex(4)
    places = {name: folder / f".{name}.{mark}.part" for name in names}
    try:
        with explained(folder):
            yield places.__getitem__
            for name, place in places.items():
                place.replace(folder / name)
    finally:
        for place in places.values():
            place.unlink(missing_ok=True)


def empty_folder(folder: Path) -> None:
    """Make a folder, or accept one that is empty.

    Raises
    ------
    FileAccessError
        When it holds anything, or cannot be made.
    """
    with explained(folder):
        _check_is_folder(folder)
        present = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        if present:
            raise _refusal(folder, "a new or an empty folder", _listed(present))
        folder.mkdir(parents=True, exist_ok=True)


def _check(folder: Path, names: Collection[str]) -> list[Path]:
    """Return what an earlier export left unfinished, or refuse the folder."""
    _check_is_folder(folder)
    present = {path.name: path for path in folder.iterdir()} if folder.exists() else {}
    parts = {name for name in present if (found := _PART.fullmatch(name)) and found["name"] in names}
    foreign = sorted(set(present) - set(names) - parts)
    expected = "a new folder, an empty one, or an earlier export of the same kind"
    if foreign:
        raise _refusal(folder, expected, _listed(foreign))
    ours = set(present) - parts
    if ours and not _is_dictionary(present.get(DICTIONARY)):
        raise _refusal(folder, expected, f"{_listed(sorted(ours))} without the {DICTIONARY} of an export")
    return [present[name] for name in parts]


def _check_is_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise _refusal(folder, "a folder", "a file")


def _is_dictionary(path: Path | None) -> bool:
    if path is None:
        return False
    with path.open("rb") as stream:
        return stream.readline(200).strip() == ",".join(DICTIONARY_HEADER).encode()


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _refusal(folder: Path, expected: str, found: str) -> FileAccessError:
    problem = Problem(
        file=str(folder),
        place="",
        field="",
        expected=expected,
        found=found,
        hint="Nothing was written. Name another folder.",
    )
    return FileAccessError([problem])


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the system says about a folder into a sentence."""
    try:
        yield
    except NcsError:
        raise
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        hint = "Check the permissions and the free space, or name another folder."
        problem = Problem(
            file=str(folder), place="", field="", expected="a folder that can be written", found=found, hint=hint
        )
        raise FileAccessError([problem]) from error
