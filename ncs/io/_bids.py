"""Files of a BIDS data set by their names: which belong to a recording, and what their tables say.

Names follow the Brain Imaging Data Structure: ``sub-<label>[_ses-<label>]_task-<label>…_emg.edf``, with tables and JSON
files of the same beginning beside it or, for what holds for several recordings, in a folder above.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncs.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "ABSENT", "Row", "entities", "is_named_as_recording", "is_recording", "metadata", "metadata_files", "number",
    "participant", "read_table", "recorded", "table_beside",
]  # fmt: skip

ABSENT = "n/a"
_NAME = re.compile(r"sub-[A-Za-z0-9+]+(?:_[a-z]+-[A-Za-z0-9+]+)*_emg\.(?:edf|bdf)\Z", re.IGNORECASE)
_ENTITY = re.compile(r"([a-z]+)-([A-Za-z0-9+]+)\Z")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z", re.ASCII)
_TABLES = (("channels", ".tsv"), ("events", ".tsv"), ("emg", ".json"))
_MOST_BYTES = 64 << 20

Row = dict[str, str | None]
"""Column to cell; ``None`` stands for ``n/a`` and for nothing at all."""


def is_named_as_recording(path: Path) -> bool:
    """Return whether a file has the name of an EMG recording of a BIDS data set."""
    return _NAME.match(path.name) is not None


def is_recording(path: Path) -> bool:
    """Return whether a file has the name of an EMG recording of a BIDS data set, and lies in one.

    That is shown by a table of channels or a JSON file that belongs to it.
    """
    return bool(metadata_files(path))


def entities(name: str) -> dict[str, str]:
    """Return the pairs of a file name.

    >>> entities("sub-01_ses-2_task-motor_emg.edf")
    {'sub': '01', 'ses': '2', 'task': 'motor'}
    """
    found = (_ENTITY.match(part) for part in name.partition(".")[0].split("_"))
    return {match[1]: match[2] for match in found if match}


def metadata_files(path: Path) -> tuple[Path, ...]:
    """Return the files that say something about this recording and no other, or few others; sorted."""
    if not is_named_as_recording(path):
        return ()
    found = [file for suffix, ending in _TABLES for file in _belonging(path, suffix, ending)]
    return tuple(sorted(found))


def _belonging(path: Path, suffix: str, ending: str) -> Iterator[Path]:
    """Yield files of a suffix that hold for a recording, the most general first."""
    stated = entities(path.name)
    for folder in reversed(_folders(path)):
        fitting = []
        for file in folder.glob(f"*{suffix}{ending}"):
            stem = file.name.removesuffix(ending)
            is_of_suffix = stem == suffix or stem.endswith(f"_{suffix}")
            if is_of_suffix and entities(file.name).items() <= stated.items():
                fitting.append((len(entities(file.name)), file))
        yield from (file for _, file in sorted(fitting))


def _folders(path: Path) -> list[Path]:
    """Return the folders from that of a recording up to the root of its data set."""
    folders = [path.parent]
    for folder in path.parent.parents:
        if not (folders[-1].name == "emg" or folders[-1].name.startswith(("ses-", "sub-"))):
            break
        folders.append(folder)
    return folders


def table_beside(path: Path, suffix: str) -> Path | None:
    """Return the nearest table of a suffix, or ``None``."""
    return next(reversed(list(_belonging(path, suffix, ".tsv"))), None)


def metadata(path: Path, problems: list[Problem]) -> dict[str, Any]:
    """Return what the JSON files of a recording say; the nearest has the last word."""
    merged: dict[str, Any] = {}
    for file in _belonging(path, "emg", ".json"):
        try:
            content = json.loads(file.read_bytes().decode("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            problems.append(_problem(file, "", "JSON", str(error)[:100]))
            continue
        if isinstance(content, dict):
            merged.update(content)
        else:
            problems.append(_problem(file, "", "an object with named fields", type(content).__name__))
    return merged


def read_table(file: Path | None, problems: list[Problem]) -> list[Row]:
    """Return the rows of a tab-separated table; what is wrong with it is noted, and such rows are left out."""
    if file is None:
        return []
    try:
        content = file.read_bytes()
        if len(content) > _MOST_BYTES:
            problems.append(_problem(file, "", f"at most {_MOST_BYTES} bytes", f"{len(content)}"))
            return []
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(_problem(file, "", "text in UTF-8", str(error)[:100]))
        return []
    if not lines:
        return []
    names = [name.strip() for name in lines[0].split("\t")]
    rows = []
    for number_, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != len(names):
            problems.append(_problem(file, f"line {number_}", f"{len(names)} columns", str(len(cells))))
            continue
        rows.append({name: None if cell in {"", ABSENT} else cell for name, cell in zip(names, cells, strict=True)})
    return rows


def participant(path: Path, problems: list[Problem]) -> Mapping[str, str | None]:
    """Return the row of ``participants.tsv`` of a recording's subject, empty where there is none."""
    wanted = f"sub-{entities(path.name).get('sub', '')}"
    for folder in _folders(path):
        file = folder / "participants.tsv"
        if file.is_file():
            return next((row for row in read_table(file, problems) if row.get("participant_id") == wanted), {})
    return {}


def recorded(path: Path, problems: list[Problem]) -> str | None:
    """Return when a recording was made, as its table of scans or of sessions says."""
    stated = entities(path.name)
    for folder in _folders(path):
        for row in (row for file in sorted(folder.glob("*_scans.tsv")) for row in read_table(file, problems)):
            named = row.get("filename")
            if named is not None and (folder / named) == path:
                return row.get("acq_time")
        sessions = folder / f"sub-{stated.get('sub', '')}_sessions.tsv"
        if sessions.is_file():
            rows = read_table(sessions, problems)
            return next(
                (row.get("acq_time") for row in rows if row.get("session_id") == f"ses-{stated.get('ses')}"), None
            )
    return None


def number(text: str | None) -> float | None:
    """Return a number, ``None`` where the text is none."""
    return float(text) if text is not None and _NUMBER.match(text) else None


def _problem(file: Path, place: str, expected: str, found: str) -> Problem:
    return Problem(file=str(file), place=place, field="BIDS", expected=expected, found=found, hint="It was not used.")
