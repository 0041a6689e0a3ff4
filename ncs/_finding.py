"""Which files a batch is about: folders, patterns and names become a fixed order of files. Nothing is read here.

A file's stamp says what its folder tells about it; two equal stamps mean a file that nobody has touched.
"""

from __future__ import annotations

import glob
import os
import re
import time
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ncs.errors import Problem
from ncs.store.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["Item", "Tally", "count", "find"]

_SIDECAR_ENDING = ".ncs.json"
_SETTLED_NS = 2_000_000_000
"""A file that changed less than two seconds ago may change again within one tick of a file system's clock."""
_NEVER_RECORDINGS = re.compile(
    r"^\.|\.ncs\.json$|\.toml$|\.(db|sqlite3?)(-wal|-shm|-journal)?$"
    # tables of a BIDS data set
    r"|^(participants|samples|dataset_description)\.(tsv|json)$"
    r"|^([a-z]+-[a-z0-9+]+_)*(channels|coordsystem|electrodes|emg|events|scans|sessions|marks|measurements)\.(tsv|json)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a batch.

    Parameters
    ----------
    path
        As it was named or found.
    explicit
        Whether the user named it.
    place
        The same as an absolute path.
    stamp
        Size, times and number of the file and its sidecar, taken before anything is read; empty where they cannot be
        had, or changed so recently that they prove nothing.
    """

    path: str
    explicit: bool
    place: str
    stamp: str = ""


@dataclass(slots=True)
class Tally:
    """What is found beside recordings."""

    ignored: int = 0
    failures: list[Failure] = field(default_factory=list)


def count(named: Sequence[str | os.PathLike[str]]) -> int:
    """Return how many files ``find`` will yield."""
    if len(named) == 1 and Path(named[0]).is_dir():
        return _count_below(os.fspath(named[0]))
    return sum(1 for _ in _find(named, Tally(), stamped=False))


def _count_below(folder: str) -> int:
    """Return how many files ``_walk`` will yield, without putting them in order."""
    below, files = [], 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if _is_searched(entry.name):
                        below.append(entry.path)
                elif _may_be_recording(entry):
                    files += 1
    except OSError:  # ``_walk`` will say so
        return 0
    return files + sum(map(_count_below, below))


def _is_searched(folder: str) -> bool:
    return not folder.startswith(".")


def _may_be_recording(entry: os.DirEntry[str]) -> bool:
    return not _NEVER_RECORDINGS.search(entry.name) and entry.is_file()


def find(named: Sequence[str | os.PathLike[str]], tally: Tally) -> Iterator[Item]:
    """Yield the files meant, each once, in a fixed order; what is no recording by its name is only counted."""
    return _find(named, tally, stamped=True)


def _find(named: Sequence[str | os.PathLike[str]], tally: Tally, *, stamped: bool) -> Iterator[Item]:
    seen: set[str] = set()
    for item in chain.from_iterable(_expand(os.fspath(path), tally, stamped=stamped) for path in named):
        if len(named) > 1:
            if item.place in seen:
                continue
            seen.add(item.place)
        yield item


def _expand(path: str, tally: Tally, *, stamped: bool) -> Iterator[Item]:
    if Path(path).is_dir():
        yield from _walk(path, os.path.abspath(path), tally, stamped=stamped)  # noqa: PTH100 - links stay as they are
    elif glob.has_magic(path) and not Path(path).exists():
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns
        if not matches:
            problem = Problem(file=path, place="", field="", expected="files that match", found="none")
            tally.failures.append(_failure(problem))
        for match in matches:
            if not Path(match).is_file():
                continue
            if _NEVER_RECORDINGS.search(os.path.basename(match)):  # noqa: PTH119 - once per file of a batch
                tally.ignored += 1
            else:
                yield _single(match, explicit=False, stamped=stamped)
    else:
        yield _single(path, explicit=True, stamped=stamped)


def _single(path: str, *, explicit: bool, stamped: bool) -> Item:
    place = os.path.abspath(path)  # noqa: PTH100 - as above
    if not stamped:
        return Item(path, explicit, place)
    try:
        status = os.stat(place)  # noqa: PTH116 - once per file of a batch
    except (OSError, ValueError):
        return Item(path, explicit, place)
    folder, name = os.path.split(place)
    return Item(path, explicit, place, _stamp(status, folder, name, beside=None))


def _walk(folder: str, place: str, tally: Tally, *, stamped: bool) -> Iterator[Item]:
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        tally.failures.append(_failure(_unreadable(folder, error)))
        return
    lowered = (entry.name.lower() for entry in inside)  # a file system may not tell cases apart
    sidecars = {name for name in lowered if name.endswith(_SIDECAR_ENDING)}
    for entry in inside:
        name = entry.name
        if entry.is_dir(follow_symlinks=False):
            if _is_searched(name):
                yield from _walk(entry.path, os.path.join(place, name), tally, stamped=stamped)  # noqa: PTH118
        elif not _may_be_recording(entry):
            tally.ignored += 1
        else:
            stamp = _stamp_of(entry, place, sidecars) if stamped else ""
            yield Item(entry.path, False, f"{place}{os.sep}{name}", stamp)  # noqa: FBT003


def _stamp_of(entry: os.DirEntry[str], folder: str, beside: Collection[str]) -> str:
    try:
        return _stamp(entry.stat(), folder, entry.name, beside)
    except OSError:
        return ""


def _stamp(status: os.stat_result, folder: str, name: str, beside: Collection[str] | None) -> str:
    """Return the stamp of a file; ``beside`` are the sidecars of its folder, ``None`` where they are not known."""
    parts = [_of(status)]
    if beside is None or beside:
        for sidecar in (name + _SIDECAR_ENDING, os.path.splitext(name)[0] + _SIDECAR_ENDING):  # noqa: PTH122
            if sidecar != name and (beside is None or sidecar.lower() in beside):
                try:
                    parts.append(_of(os.stat(os.path.join(folder, sidecar))))  # noqa: PTH116, PTH118
                except OSError:
                    continue
                parts.append(sidecar)
                break
    return " ".join(parts) if all(parts) else ""


def _of(status: os.stat_result) -> str:
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    if changed > time.time_ns() - _SETTLED_NS:
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def _unreadable(path: str, error: OSError) -> Problem:
    return Problem(file=path, place="", field="", expected="a readable folder", found=(error.strerror or "").lower())


def _failure(problem: Problem) -> Failure:
    return Failure(path=problem.file, error="FileAccessError", problems=(problem,), message=str(problem))
