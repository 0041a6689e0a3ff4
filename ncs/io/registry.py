"""Which readers exist, and which of them recognises a content.

A new machine is one module with a reader and one line in ``_BUILTIN``; or, in somebody else's package, an entry point
of the group ``ncs.readers`` that names a reader instance. Every reader is imported on first use.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ncs.errors import AmbiguousFormatError, InvalidInputError, MissingDependencyError, Problem, UnknownFormatError
from ncs.io._recording import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ENTRY_POINT_GROUP", "FormatInfo", "RegisteredReader", "choose", "formats", "named", "readers"]

ENTRY_POINT_GROUP = "ncs.readers"

_BUILTIN = (
    "ncs.io.edf:EDF",
    "ncs.io.cfs:CFS",
    "ncs.io.qtrac:QTRAC",
    "ncs.io.numpy_files:NUMPY",
    "ncs.io.matlab:MATLAB",
    "ncs.io.delimited:TEXT",
    "ncs.io.labchart:LABCHART",
    "ncs.io.natus:NATUS",
    "ncs.io.through_mne:MNE",
    "ncs.io.through_neo:NEO",
    "ncs.io.acq:ACQ",
    "ncs.io.abf:ABF",
    "ncs.io.dicom:DICOM",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatInfo:
    """One line of ``ncs formats``.

    Parameters
    ----------
    name
        As given to ``ncs.read(format=…)``.
    carries
        What the format can state; see ``ncs.io._recording.Reader``.
    available, reason
        Whether it can be used here, and if not, why not.
    origin
        ``"builtin"``, or ``"entry point"`` with the name of the package that provides it.
    """

    name: str
    description: str
    extensions: tuple[str, ...]
    carries: Mapping[str, str]
    available: bool
    reason: str
    experimental: bool
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredReader:
    """A reader, or the reason why it cannot be used."""

    name: str
    origin: str
    reader: Reader | None
    reason: str = ""


@cache
def readers() -> tuple[RegisteredReader, ...]:
    """Return all readers, the built-in ones first; a broken one from elsewhere stands there with its reason."""
    found = [_checked(_builtin(home), origin="builtin") for home in _BUILTIN]
    points = importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        found.append(_from_entry_point(point, taken={entry.name for entry in found}))
    return tuple(found)


def formats() -> tuple[FormatInfo, ...]:
    """Return what ``ncs formats`` shows, one entry per reader.

    Examples
    --------
    >>> [info.available for info in formats() if info.name == "text"]
    [True]
    """
    return tuple(_info(entry) for entry in readers())


def named(name: str) -> RegisteredReader:
    """Return the reader of a format that the user named.

    Raises
    ------
    InvalidInputError
        When no format has this name; the message lists all names.
    MissingDependencyError
        When the reader cannot be used here; the message says why.
    """
    for entry in readers():
        if entry.name == name:
            if entry.reader is None or entry.reason:
                raise MissingDependencyError(f"format {name!r} cannot be used: {entry.reason}")
            return entry
    known = ", ".join(entry.name for entry in readers())
    raise InvalidInputError(f"format: expected one of {known}, found {name!r}")


def choose(head: bytes, path: Path) -> RegisteredReader:
    """Return the reader that claims the content most; the file name decides only between equal claims.

    Raises
    ------
    UnknownFormatError
        When no reader claims it.
    MissingDependencyError
        When the reader that claims it most lacks an optional package; the message names it.
    AmbiguousFormatError
        When two claim it equally and the file name does not decide.
    """
    usable = [entry for entry in readers() if entry.reader is not None and not entry.reason]
    claims = [(_claim(entry.reader, head, path), entry) for entry in usable if entry.reader is not None]
    highest = max((claim for claim, _ in claims), default=0.0)
    _refuse_without_extra(head, path, above=highest)
    best = [entry for claim, entry in claims if claim == highest > 0.0]
    if len(best) > 1:
        best = [entry for entry in best if entry.reader and path.suffix.lower() in entry.reader.extensions] or best
    if len(best) == 1:
        return best[0]
    if best:
        names = " and ".join(entry.name for entry in best)
        hint = f"Say which with format={best[0].name!r} or format={best[1].name!r}."
        raise AmbiguousFormatError(
            [_problem(path, "content of one format", f"content that {names} claim equally ({highest:g})", hint)]
        )
    tried = ", ".join(entry.name for entry in usable)
    hint = f"Tried: {tried}. `ncs formats` lists every format and what it needs."
    raise UnknownFormatError([_problem(path, "a known format", _content_in_words(head), hint)])


def _refuse_without_extra(head: bytes, path: Path, *, above: float) -> None:
    """Say what is missing where a reader that cannot be used knows the content better than all that can."""
    for entry in readers():
        if entry.reader is not None and entry.reason and _claim(entry.reader, head, path) > above:
            raise MissingDependencyError(f"{path}: a recording of format {entry.name!r} {entry.reason}")


def _builtin(home: str) -> Reader:
    module, _, attribute = home.partition(":")
    reader: Reader = getattr(importlib.import_module(module), attribute)
    return reader


def _from_entry_point(point: importlib.metadata.EntryPoint, *, taken: set[str]) -> RegisteredReader:
    package = f" of {point.dist.name}" if point.dist is not None else ""
    origin = f"entry point{package}"
    try:
        reader = point.load()
    except Exception as error:  # noqa: BLE001  # somebody else's package may fail in any way; the others must go on
        return RegisteredReader(name=point.name, origin=origin, reader=None, reason=f"{type(error).__name__}: {error}")
    if isinstance(reader, type) or not isinstance(reader, Reader):
        reason = f"{point.value} is not a reader instance (see ncs.io._recording.Reader)"
        return RegisteredReader(name=point.name, origin=origin, reader=None, reason=reason)
    if reader.name in taken:
        reason = f"the name {reader.name!r} is already taken"
        return RegisteredReader(name=point.name, origin=origin, reader=None, reason=reason)
    return _checked(reader, origin=origin)


def _checked(reader: Reader, *, origin: str) -> RegisteredReader:
    """Return the entry of a reader, which may name optional modules that it needs in an attribute ``requires``."""
    needed: tuple[str, ...] = getattr(reader, "requires", ())
    missing = [module for module in needed if importlib.util.find_spec(module) is None]
    reason = f"needs {', '.join(missing)}: pip install 'ncs[recorders]'" if missing else ""
    return RegisteredReader(name=reader.name, origin=origin, reader=reader, reason=reason)


def _info(entry: RegisteredReader) -> FormatInfo:
    reader = entry.reader
    return FormatInfo(
        name=entry.name,
        description=reader.description if reader is not None else "",
        extensions=reader.extensions if reader is not None else (),
        carries=reader.carries if reader is not None else {},
        available=reader is not None and not entry.reason,
        reason=entry.reason,
        experimental=reader.experimental if reader is not None else False,
        origin=entry.origin,
    )


def _claim(reader: Reader, head: bytes, path: Path) -> float:
    try:
        claim = float(reader.sniff(head, path))
    except Exception:  # noqa: BLE001  # a sniffer that fails has recognised nothing, and must not stop the others
        return 0.0
    return claim if 0.0 <= claim <= 1.0 else 0.0


def _content_in_words(head: bytes) -> str:
    if not head:
        return "an empty file"
    start = head[:24]
    if start.isascii() and b"\0" not in start:
        return f"content that starts with {start.decode('ascii')!r}"
    return f"content that starts with the bytes {start[:12].hex(' ')}"


def _problem(path: Path, expected: str, found: str, hint: str) -> Problem:
    return Problem(file=str(path), place="", field="format", expected=expected, found=found, hint=hint)
