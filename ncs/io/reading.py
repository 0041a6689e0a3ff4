"""``ncs.read``: one file, read once, becomes a ``Visit``.

The walk is: bytes, reader, sidecar and protocol, warnings. What a format needs belongs into its reader; how absent
fields are filled belongs into ``_complete.py``.
"""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncs.errors import (
    ConflictError,
    FileAccessError,
    InvalidInputError,
    NcsError,
    NcsWarning,
    Problem,
    ReadError,
    UnknownFormatError,
)
from ncs.io._companions import companions, content_hash_of
from ncs.io._complete import complete
from ncs.io._recording import HEAD_BYTES, ReadRequest
from ncs.io.registry import RegisteredReader, choose, named
from ncs.model import Origin, SourceFile, Visit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncs.io.protocol import Protocol
    from ncs.io.sidecar import Sidecar

__all__ = ["find_sidecar", "read", "read_quietly"]

_SIDECAR_ENDING = ".ncs.json"
_READ_NOW = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""A pipe is opened without waiting for somebody to write into it, and then found to be none of ours."""


def read(
    path: str | os.PathLike[str],
    format: str | None = None,  # noqa: A002  # the public interface names it so
    sidecar: str | os.PathLike[str] | Mapping[str, Any] | Sidecar | None = None,
    protocol: str | os.PathLike[str] | Mapping[str, Any] | Protocol | None = None,
    *,
    keep_identifiers: bool = False,
    subject: str | None = None,
) -> Visit:
    """Read one recording.

    Parameters
    ----------
    path
        The file.
    format
        Name of the format (``ncs formats`` lists them); found from the content where it is not given.
    sidecar
        What the file does not state: a path, its content as a mapping, or a ``Sidecar``. Where it is not given,
        ``<name>.ncs.json`` and then ``<stem>.ncs.json`` are looked for beside the file.
    protocol
        What the laboratory always does: a path of a TOML file, its content, or a ``Protocol``.
    keep_identifiers
        Whether names and dates of birth may enter the result.
    subject
        Code of the subject, for a file and a sidecar that state none. It counts as the sidecar's statement.

    Returns
    -------
    Visit
        Values of the file go before those of the sidecar, and those before the protocol's. ``provenance`` of every
        noun says which it was. Faults that did not stop the reading are in ``problems`` and are warned of.

    Raises
    ------
    FileAccessError
        When the file, sidecar or protocol cannot be opened.
    UnknownFormatError, AmbiguousFormatError
        When no reader, or more than one, recognises the content.
    ReadError
        When the content cannot be used; lists everything that is wrong with it.
    SidecarError
        When sidecar or protocol are wrong; lists every mistake.
    ConflictError
        When file, sidecar and ``subject`` contradict each other.
    InvalidInputError
        When an argument is wrong, such as an unknown format.
    """
    visit = read_quietly(path, format, sidecar, protocol, keep_identifiers=keep_identifiers, subject=subject)
    for problem in visit.problems:
        warnings.warn(str(problem), NcsWarning, stacklevel=2)
    return visit


def read_quietly(
    path: str | os.PathLike[str],
    format: str | None = None,  # noqa: A002  # as in ``read``
    sidecar: str | os.PathLike[str] | Mapping[str, Any] | Sidecar | None = None,
    protocol: str | os.PathLike[str] | Mapping[str, Any] | Protocol | None = None,
    *,
    keep_identifiers: bool = False,
    subject: str | None = None,
) -> Visit:
    """Read one recording as ``read`` does, but warn of nothing: for many files, whose problems are listed together."""
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidInputError(f"path: expected str or PathLike, found {type(path).__name__}")
    file = Path(os.fsdecode(path))
    content = _read_bytes(file)
    statement = _load_sidecar(file, sidecar)
    habits = _load_protocol(protocol)
    entry = named(format) if format is not None else _recognise(content[:HEAD_BYTES], file, statement)
    request = ReadRequest(
        path=file, content=content, sidecar=statement, keep_identifiers=keep_identifiers, protocol=habits
    )
    stated = _read_with(entry, request)
    source = _source(file, content, entry, statement, habits)
    visit = complete(stated, statement, habits, file=str(file), sources=(source,), remarks=_doubt(entry, file))
    return _with_subject(visit, subject, file)


def find_sidecar(path: Path) -> Path | None:
    """Return the sidecar beside a file, or ``None``; ``<name>.ncs.json`` goes before ``<stem>.ncs.json``."""
    whole = os.fspath(path)
    for stem in (whole, os.path.splitext(whole)[0]):  # noqa: PTH122 - once per file of a batch
        candidate = stem + _SIDECAR_ENDING
        if candidate != whole and os.path.isfile(candidate):  # noqa: PTH113 - as above
            return Path(candidate)
    return None


def _read_bytes(path: Path) -> bytes:
    try:
        number = os.open(path, _READ_NOW)
        try:
            status = os.fstat(number)
            if stat.S_ISREG(status.st_mode):
                return _read_all(number, status.st_size)
        finally:
            os.close(number)
        found = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FileAccessError([_unreadable(path, reason.lower())]) from error
    raise FileAccessError([_unreadable(path, found)])


def _read_all(number: int, size: int) -> bytes:
    content = os.read(number, size + 1)
    if len(content) == size:
        return content
    parts = [content]  # it has grown, or is too large for one call
    while part := os.read(number, 1 << 24):
        parts.append(part)
    return b"".join(parts)


def _unreadable(path: Path, found: str) -> Problem:
    hint = "Name a file in it, or give the folder to ncs analyze" if found == "a folder" else "Check name and folder"
    return Problem(file=str(path), place="", field="", expected="a readable file", found=found, hint=hint)


def _load_sidecar(path: Path, given: str | os.PathLike[str] | Mapping[str, Any] | Sidecar | None) -> Sidecar | None:
    source = given if given is not None else find_sidecar(path)
    if source is None:
        return None
    from ncs.io.sidecar import load_sidecar

    return load_sidecar(source)


def _load_protocol(given: str | os.PathLike[str] | Mapping[str, Any] | Protocol | None) -> Protocol | None:
    if given is None:
        return None
    from ncs.io.protocol import load_protocol

    return load_protocol(given)


def _read_with(entry: RegisteredReader, request: ReadRequest) -> Visit:
    assert entry.reader is not None  # neither ``named`` nor ``choose`` gives one that cannot be used
    if entry.origin == "builtin":
        return entry.reader.read(request)
    try:
        return entry.reader.read(request)
    except NcsError:
        raise
    except Exception as error:
        # a reader from elsewhere may fail in any way; a batch must still be able to name the file and go on
        found = f"{type(error).__name__}: {error}"
        problem = _unreadable(request.path, f"a failure of the reader {entry.name} ({entry.origin}): {found}")
        raise ReadError([problem]) from error


def _recognise(head: bytes, path: Path, sidecar: Sidecar | None) -> RegisteredReader:
    """Return the reader that claims the content; where none does, a sidecar that describes a table makes it text."""
    try:
        return choose(head, path)
    except UnknownFormatError:
        layout = sidecar.layout if sidecar is not None else None
        if layout is None or not layout.describes_table:
            raise
        return named("text")


def _doubt(entry: RegisteredReader, path: Path) -> tuple[Problem, ...]:
    """Return the remark that goes with everything an experimental reader reads."""
    if entry.reader is None or not entry.reader.experimental:
        return ()
    return (
        Problem(
            file=str(path),
            place="",
            field="format",
            expected="a format whose reader was confirmed with real recordings",
            found=f"{entry.name}, whose reader is experimental",
            hint="Compare curves and latencies with the machine's before you use the numbers.",
        ),
    )


def _source(
    path: Path, content: bytes, entry: RegisteredReader, sidecar: Sidecar | None, protocol: Protocol | None
) -> SourceFile:
    hashes = ["", ""]
    for index, settings in enumerate((sidecar, protocol)):
        if settings is not None:
            from ncs.io._settings import content_sha256

            hashes[index] = content_sha256(settings)
    parts = [content, *map(_read_bytes, companions(path, content[:HEAD_BYTES]))]
    return SourceFile(
        name=path.name,
        sha256=content_hash_of([hashlib.sha256(part).hexdigest() for part in parts]),
        size_bytes=sum(map(len, parts)),
        format=entry.name,
        sidecar_sha256=hashes[0],
        protocol_sha256=hashes[1],
    )


def _with_subject(visit: Visit, subject: str | None, path: Path) -> Visit:
    if subject is None:
        return visit
    if not subject.strip():
        raise InvalidInputError("subject: expected text that is not empty")
    stated = visit.subject.id
    if stated is None:
        origins = visit.provenance.with_origins(subject=Origin.SIDECAR)
        return replace(visit, subject=replace(visit.subject, id=subject.strip()), provenance=origins)
    if stated == subject.strip():
        return visit
    origin = visit.provenance["subject"].value
    problem = Problem(
        file=str(path),
        place="",
        field="subject",
        expected=f"{subject.strip()!r} (the argument)",
        found=f"{stated!r} (from the {'file' if origin == 'unset' else origin})",
        hint="Leave the argument out, or correct it.",
    )
    raise ConflictError([problem])
