"""Which readers exist, and which of them recognises a content.

A new machine is one module with a reader and one line in ``_BUILTIN``; or, in somebody else's package, an entry point
of the group ``ncs.readers`` that names a reader instance. A reader of ncs is imported when a content may be of its
format.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ncs.errors import AmbiguousFormatError, InvalidInputError, MissingDependencyError, Problem, UnknownFormatError
from ncs.io._recording import Reader
from ncs.io._unread import unread_format_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.metadata import EntryPoint
    from pathlib import Path

__all__ = ["ENTRY_POINT_GROUP", "FormatInfo", "RegisteredReader", "choose", "forget", "formats", "named", "readers"]

ENTRY_POINT_GROUP = "ncs.readers"


class _Builtin(NamedTuple):
    """A reader of ncs: its name, its home, and what holds for every content and path that its ``sniff`` claims.

    The condition only spares an import; it may let pass what ``sniff`` refuses, never the other way round. No claim is
    higher than ``most``.
    """

    name: str
    home: str
    may_claim: Callable[[bytes, Path], object]
    most: float = 1.0


def _may_be_text(head: bytes, path: Path) -> bool:
    del path
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" not in head[:-1]


_BUILTIN = (
    _Builtin("edf", "ncs.io.edf:EDF", lambda head, _: head.startswith((b"0", b"\xff"))),
    _Builtin("bids", "ncs.io.bids:BIDS", lambda head, path: head.startswith((b"0", b"\xff"))
             and "sub-" in os.fspath(path).lower()),
    _Builtin("cfs", "ncs.io.cfs:CFS", lambda head, _: head.startswith(b"CED")),
    # rfind, because in bytes without a match it takes half of the time that ``in`` takes
    _Builtin("qtrac", "ncs.io.qtrac:QTRAC", lambda head, _: head.rfind(b"S/R sites:") >= 0
             or head.rfind(b" DATA") >= 0 or head.rfind(b"EXCITABILITY") >= 0),
    _Builtin("numpy", "ncs.io.numpy_files:NUMPY", lambda head, _: head.startswith((b"\x93NUMPY", b"PK\3\4"))),
    _Builtin("matlab", "ncs.io.matlab:MATLAB", lambda head, path: head[126:128] in {b"IM", b"MI"}
             or os.fspath(path).lower().endswith(".mat")),
    _Builtin("text", "ncs.io.delimited:TEXT", _may_be_text, most=0.6),
    _Builtin("labchart", "ncs.io.labchart:LABCHART", lambda head, path: _may_be_text(head, path)
             and any(key in head.replace(b"\0", b"").lower() for key in (b"interval", b"channeltitle")), most=0.95),
    _Builtin("natus", "ncs.io.natus:NATUS", lambda head, path: b"[" in head
             and (_may_be_text(head, path) or b"\0" in head[:64]), most=0.95),
    _Builtin("mne", "ncs.io.through_mne:MNE", lambda head, _: head.startswith((b"GDF", b"EEG-", b"QI-", b"DAE-", b"\0"))
             or (b"\0" not in head and b"brain" in head.lower()), most=0.8),
    _Builtin("neo", "ncs.io.through_neo:NEO", lambda head, _: b"CED" in head[:12] or b"MICROMED" in head[:64]
             or head.startswith((b"VER=", b"\x02\x27", b"\xac\x27", b"NEURAL", b"BRSMP")), most=0.8),
    _Builtin("acq", "ncs.io.acq:ACQ", lambda head, _: b"\0" in head[:6], most=0.7),
    _Builtin("abf", "ncs.io.abf:ABF", lambda head, _: head.startswith(b"ABF")),
    _Builtin("dicom", "ncs.io.dicom:DICOM", lambda head, _: head[128:132] == b"DICM"),
)  # fmt: skip


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

    @property
    def is_usable(self) -> bool:
        """Whether there is a reader, and all that it needs."""
        return self.reader is not None and not self.reason


def readers() -> tuple[RegisteredReader, ...]:
    """Return all readers, the built-in ones first; a broken one from elsewhere stands there with its reason."""
    return (*(_builtin(row) for row in _BUILTIN), *_from_elsewhere())


def forget() -> None:
    """Forget what was found, for a process in which packages were installed meanwhile."""
    _builtin.cache_clear()
    _from_elsewhere.cache_clear()


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
    found = [_builtin(row) for row in _BUILTIN if row.name == name]
    for entry in found or _from_elsewhere():
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
    claims = _claims(head, path)
    highest = max([claim for claim, entry in claims if entry.is_usable], default=0.0)
    best = [entry for claim, entry in claims if entry.is_usable and claim == highest > 0.0]
    if len(claims) == len(best) == 1:
        return best[0]
    _refuse_without_extra(claims, path, above=highest)
    best = _without_refined(best)
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
    tried = ", ".join(entry.name for entry in readers() if entry.is_usable)
    hint = f"Tried: {tried}. `ncs formats` lists every format and what it needs."
    unread = unread_format_of(path)
    if unread is not None:
        hint = f"This looks like {unread.name}, which ncs does not read: {unread.reason}. Instead, {unread.instead}."
    raise UnknownFormatError([_problem(path, "a known format", _content_in_words(head), hint)])


def _without_refined(best: list[RegisteredReader]) -> list[RegisteredReader]:
    """Leave out a reader whose format another of them reads as well, with what lies beside the file."""
    refined = {name for entry in best for name in getattr(entry.reader, "refines", ())}
    return [entry for entry in best if entry.name not in refined]


def _claims(head: bytes, path: Path) -> list[tuple[float, RegisteredReader]]:
    """Return readers with their claims; one of ncs that cannot claim as much as one before it is not asked."""
    claims: list[tuple[float, RegisteredReader]] = []
    highest = 0.0
    for row in _BUILTIN:
        if row.most >= highest and row.may_claim(head, path):
            entry = _builtin(row)
            claim = _claim(entry, head, path)
            claims.append((claim, entry))
            if entry.is_usable and claim > highest:
                highest = claim
    claims += [(_claim(entry, head, path), entry) for entry in _from_elsewhere()]
    return claims


def _refuse_without_extra(claims: Sequence[tuple[float, RegisteredReader]], path: Path, *, above: float) -> None:
    """Say what is missing where a reader that cannot be used knows the content better than all that can."""
    for claim, entry in claims:
        if entry.reason and claim > above:
            raise MissingDependencyError(f"{path}: a recording of format {entry.name!r} {entry.reason}")


@cache
def _builtin(row: _Builtin) -> RegisteredReader:
    module, _, attribute = row.home.partition(":")
    return _checked(getattr(importlib.import_module(module), attribute), origin="builtin")


@cache
def _from_elsewhere() -> tuple[RegisteredReader, ...]:
    from importlib import metadata

    found: list[RegisteredReader] = []
    points = metadata.entry_points(group=ENTRY_POINT_GROUP)
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        taken = {row.name for row in _BUILTIN} | {entry.name for entry in found}
        found.append(_from_entry_point(point, taken=taken))
    return tuple(found)


def _from_entry_point(point: EntryPoint, *, taken: set[str]) -> RegisteredReader:
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
        available=entry.is_usable,
        reason=entry.reason,
        experimental=reader.experimental if reader is not None else False,
        origin=entry.origin,
    )


def _claim(entry: RegisteredReader, head: bytes, path: Path) -> float:
    if entry.reader is None:
        return 0.0
    try:
        claim = float(entry.reader.sniff(head, path))
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
