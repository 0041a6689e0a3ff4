"""Which files a batch is about: folders, patterns and names become a fixed order of files. Nothing is read here."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ncs.errors import Problem
from ncs.store.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Item", "Tally", "find"]

_NEVER_RECORDINGS = re.compile(r"^\.|\.ncs\.json$|\.toml$|\.(db|sqlite3?)(-wal|-shm|-journal)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Item:
    """One file, and whether the user named it."""

    path: str
    explicit: bool


@dataclass(slots=True)
class Tally:
    """What is found beside recordings."""

    ignored: int = 0
    failures: list[Failure] = field(default_factory=list)


def find(named: Sequence[str | os.PathLike[str]], tally: Tally) -> Iterator[Item]:
    """Yield the files meant, each once, in a fixed order; what is no recording by its name is only counted."""
    seen: set[str] = set()
    for item in chain.from_iterable(_expand(os.fspath(path), tally) for path in named):
        if len(named) > 1:
            place = os.path.abspath(item.path)  # noqa: PTH100 - once per file of a batch
            if place in seen:
                continue
            seen.add(place)
        yield item


def _expand(path: str, tally: Tally) -> Iterator[Item]:
    if Path(path).is_dir():
        yield from _walk(path, tally)
    elif glob.has_magic(path) and not Path(path).exists():
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns
        if not matches:
            problem = Problem(file=path, place="", field="", expected="files that match", found="none")
            tally.failures.append(_failure(problem))
        for match in matches:
            if Path(match).is_file():
                yield from _candidate(match, tally)
    else:
        yield Item(path, explicit=True)


def _candidate(path: str, tally: Tally) -> Iterator[Item]:
    if _NEVER_RECORDINGS.search(os.path.basename(path)):  # noqa: PTH119 - once per file of a batch
        tally.ignored += 1
    else:
        yield Item(path, explicit=False)


def _walk(folder: str, tally: Tally) -> Iterator[Item]:
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        tally.failures.append(_failure(_unreadable(folder, error)))
        return
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith("."):
                yield from _walk(entry.path, tally)
        elif entry.is_file():
            yield from _candidate(entry.path, tally)
        else:
            tally.ignored += 1


def _unreadable(path: str, error: OSError) -> Problem:
    return Problem(file=path, place="", field="", expected="a readable folder", found=(error.strerror or "").lower())


def _failure(problem: Problem) -> Failure:
    return Failure(path=problem.file, error="FileAccessError", problems=(problem,), message=str(problem))
