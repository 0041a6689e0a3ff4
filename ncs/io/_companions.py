"""Which further files a recording consists of, beside the one that is named: a change in any of them is a change.

A new several-file format is one function and one line in ``_FORMATS``.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ncs.io._bids import is_named_as_recording, metadata_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "BRAINVISION", "NIHON_KOHDEN", "READERS", "companions", "content_hash_of", "is_part", "may_have_companions",
]  # fmt: skip

BRAINVISION = re.compile(
    rb"\xef?\xbb?\xbf?\s*Brain\s?Vision (?:Core|V-Amp)? ?Data(?: Exchange)? Header File", re.IGNORECASE
)
NIHON_KOHDEN = re.compile(
    rb"(?:EEG-1100[ABC]  ?V01\.00|QI-403A   V0[12]\.00|EEG-2100  V0[12]\.00|DAE-2100D V0[12]\.[03]0|EEG-1200A V01\.00)"
)
READERS = frozenset({"bids", "mne", "neo"})
"""Names of the readers of all formats here."""
_NAMED = re.compile(rb"^\s*(?:Data|Marker)File\s*=\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_NIHON_KOHDEN_PARTS = {".log", ".pnt", ".21e"}
_INTAN = {b"\xac\x27\x91\xd6", b"\x02\x27\x91\xc6"}
_HEADS = (".vhdr", ".eeg", ".ns1", ".ns2", ".ns3", ".ns4", ".ns5", ".ns6")
_BLACKROCK = {b"NEURALSG", b"NEURALCD", b"BRSMPGRP"}


def companions(path: Path, head: bytes) -> tuple[Path, ...]:
    """Return the other files of a recording that exist, sorted by name.

    Parameters
    ----------
    path
        The file that was named.
    head
        Its first bytes, the whole header of a BrainVision recording included.
    """
    if tables := metadata_files(path):
        return tables
    for recognises, find in _FORMATS:
        if recognises(head):
            found = {other for other in find(path, head) if other != path and other.is_file()}
            return tuple(sorted(found))
    return ()


def may_have_companions(path: Path, head: bytes) -> bool:
    """Return whether a recording of this name that begins so can consist of several files."""
    return is_named_as_recording(path) or any(recognises(head) for recognises, _ in _FORMATS)


def is_part(path: Path, head_bytes: int) -> bool:
    """Return whether a file belongs to a recording beside it that has another file as its head."""
    heads = [other for ending in _HEADS for other in (path.with_suffix(ending), path.with_suffix(ending.upper()))]
    for head in (*heads, path.with_name("info.rhd"), path.with_name("info.rhs")):
        if head != path and head.is_file():
            with head.open("rb") as file:
                if path in companions(head, file.read(head_bytes)):
                    return True
    return False


def content_hash_of(hashes: Iterable[str]) -> str:
    """Return what identifies a recording: the hash of its only file, or the SHA-256 over the hashes of all of them."""
    ordered = sorted(hashes)
    return ordered[0] if len(ordered) == 1 else hashlib.sha256("\n".join(ordered).encode()).hexdigest()


def _brainvision(path: Path, head: bytes) -> Iterable[Path]:
    for name in _NAMED.findall(head):
        text = name.decode("utf-8", "replace").strip().replace("$b", path.stem)
        yield path.with_name(Path(text.replace("\\", "/")).name or path.name)


def _same_stem(path: Path, endings: set[str]) -> Iterable[Path]:
    return (other for other in path.parent.glob("*.*") if other.stem == path.stem and other.suffix.lower() in endings)


def _nihon_kohden(path: Path, head: bytes) -> Iterable[Path]:
    del head
    return _same_stem(path, _NIHON_KOHDEN_PARTS)


def _blackrock(path: Path, head: bytes) -> Iterable[Path]:
    del head
    return _same_stem(path, {".nev"})


def _intan(path: Path, head: bytes) -> Iterable[Path]:
    del head
    return path.parent.glob("*.dat") if path.stem.lower() == "info" else ()


_FORMATS: tuple[tuple[Callable[[bytes], object], Callable[[Path, bytes], Iterable[Path]]], ...] = (
    (BRAINVISION.match, _brainvision),
    (NIHON_KOHDEN.match, _nihon_kohden),
    (lambda head: head[:8] in _BLACKROCK, _blackrock),
    (lambda head: head[:4] in _INTAN, _intan),
)
