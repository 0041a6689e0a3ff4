"""Headers of a CED Filing System file: fields, variables and data sections, checked, not interpreted.

All numbers are little-endian and texts are length-counted. Layout: file header (178 bytes), 48 bytes per channel,
descriptors (36 bytes) of the file variables and of the data section variables, each with one more than there are
variables, values of the file variables; then data sections, and a table of the positions of their headers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io._faults import Faults, quoted

__all__ = [
    "EQUALLY_SPACED",
    "MARKER",
    "CfsHeader",
    "Channel",
    "Sections",
    "Variable",
    "counted_text",
    "decode_header",
    "decode_sections",
]

MARKER = b'CEDFILE"'
EQUALLY_SPACED = 0
_FILE_HEADER = struct.Struct("<8s14si8s8s5hiHH74si40s")
_CHANNEL = struct.Struct("<22s10s10sBBhh")
_VARIABLE = struct.Struct("<22sh10sh")
_SECTION_BYTES = 30
_PART_BYTES = 24
_MOST = 100
"""Channels, file variables and data section variables each, as CED's own library allows."""
_TYPES = ("i1", "u1", "<i2", "<u2", "<i4", "<f4", "<f8")
_TEXT_TYPE = 7
_PART = np.dtype([
    ("offset", "<i4"), ("points", "<i4"), ("scale_y", "<f4"), ("offset_y", "<f4"), ("scale_x", "<f4"),
    ("offset_x", "<f4"),
])  # fmt: skip


class Channel(NamedTuple):
    """What the file header states of a channel; ``spacing`` is the distance between its samples, in bytes."""

    number: int
    name: str
    unit: str
    time_unit: str
    kind: int
    dtype: np.dtype[Any] | None
    spacing: int

    @property
    def place(self) -> str:
        """The channel in words."""
        return f"channel {self.number} ({self.name})"


class Variable(NamedTuple):
    """Description of a variable; ``dtype`` is ``None`` for text, ``size`` the bytes set aside for it."""

    name: str
    unit: str
    dtype: np.dtype[Any] | None
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CfsHeader:
    """The file header."""

    time: str
    date: str
    comment: str
    channels: tuple[Channel, ...]
    file_variables: tuple[Variable, ...]
    section_variables: tuple[Variable, ...]
    header_bytes: int
    section_header_bytes: int
    last_section: int
    n_sections: int
    table: int
    values_at: int
    """Where the values of the file variables begin."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sections:
    """Headers of all data sections, in order.

    Parameters
    ----------
    positions
        Byte of each header in the file, shape ``(n_sections,)``.
    headers
        Structured array ``(n_sections,)`` with fields ``last, start, size, flags`` and ``parts`` (one per channel).
    raw
        The headers' bytes one after the other, for the values of variables.
    """

    positions: NDArray[np.int64]
    headers: NDArray[Any]
    raw: bytes

    def values(self, variable: Variable, channels: int) -> NDArray[Any]:
        """Return the value of a variable in every section, shape ``(n_sections,)``; bytes where it is text."""
        dtype = variable.dtype if variable.dtype is not None else np.dtype(f"V{variable.size}")
        stride = len(self.raw) // len(self.positions)
        first = _SECTION_BYTES + _PART_BYTES * channels + variable.offset
        return np.ndarray((len(self.positions),), dtype, self.raw, first, (stride,))


def counted_text(field: bytes) -> str:
    r"""Return a text with its length in the first byte; what is longer than the field ends with it.

    >>> counted_text(b"\x02mV\0\0\0\0\0\0\0")
    'mV'
    """
    return field[1 : 1 + field[0]].split(b"\0")[0].decode("cp1252", "replace").strip() if field else ""


def decode_header(content: bytes, faults: Faults) -> CfsHeader | None:
    """Return the file header, or ``None`` with faults noted."""
    if len(content) < _FILE_HEADER.size or not content.startswith(MARKER):
        found = f"{len(content)} bytes" if content.startswith(MARKER) else quoted(content[:8].decode("latin-1"))
        expected = f'a header of {_FILE_HEADER.size} bytes that starts with CEDFILE"'
        faults.add("byte 0", "file header", expected, found)
        return None
    fields = _FILE_HEADER.unpack_from(content)
    _, _, file_bytes, time, date, n_channels, n_file, n_section, header_bytes, section_bytes = fields[:10]
    last_section, n_sections, _, comment, table = fields[10:15]
    counts = ((42, "channels", n_channels, 1), (44, "file variables", n_file, 0),
              (46, "data section variables", n_section, 0))  # fmt: skip
    for at, name, count, least in counts:
        if not least <= count <= _MOST:
            faults.add(f"byte {at}", f"number of {name}", f"{least} to {_MOST}", str(count))
    if faults.fatal:
        return None
    values_at = _FILE_HEADER.size + _CHANNEL.size * n_channels + _VARIABLE.size * (n_file + n_section + 2)
    if not values_at <= header_bytes <= len(content):
        faults.add("byte 48", "size of the file header", f"{values_at} to {len(content)} bytes", str(header_bytes))
    least = _SECTION_BYTES + _PART_BYTES * n_channels
    if section_bytes < least:
        faults.add("byte 50", "size of a data section header", f"at least {least} bytes", str(section_bytes))
    if n_sections == 0:
        faults.add("byte 56", "number of data sections", "at least one", "0")
    if file_bytes != len(content):
        faults.note("byte 22", "size of the file", f"{file_bytes} bytes, as the header says", str(len(content)))
    if values_at > len(content):
        return None
    at = _FILE_HEADER.size + _CHANNEL.size * n_channels
    file_room, section_room = header_bytes - values_at, section_bytes - least
    file_variables = _variables(content, at, n_file, "file variable", file_room, faults)
    at += _VARIABLE.size * (n_file + 1)
    return CfsHeader(
        time=time.decode("cp1252", "replace").strip("\0 "),
        date=date.decode("cp1252", "replace").strip("\0 "),
        comment=counted_text(comment),
        channels=tuple(_channel(content, number, faults) for number in range(n_channels)),
        file_variables=file_variables,
        section_variables=_variables(content, at, n_section, "data section variable", section_room, faults),
        header_bytes=header_bytes,
        section_header_bytes=section_bytes,
        last_section=last_section,
        n_sections=n_sections,
        table=table,
        values_at=values_at,
    )


def _channel(content: bytes, number: int, faults: Faults) -> Channel:
    at = _FILE_HEADER.size + _CHANNEL.size * number
    name, unit, time_unit, stored, kind, spacing, _ = _CHANNEL.unpack_from(content, at)
    dtype = np.dtype(_TYPES[stored]) if stored < len(_TYPES) else None
    channel = Channel(number + 1, counted_text(name), counted_text(unit), counted_text(time_unit), kind, dtype, spacing)
    if kind > 2:
        faults.add(f"byte {at + 43}", f"{channel.place}: kind of data", "0, 1 or 2", str(kind))
    if stored > _TEXT_TYPE:
        faults.add(f"byte {at + 42}", f"{channel.place}: type of data", f"0 to {_TEXT_TYPE}", str(stored))
    elif kind == EQUALLY_SPACED and dtype is None:
        faults.add(f"byte {at + 42}", f"{channel.place}: type of data", "numbers", "text")
    elif kind == EQUALLY_SPACED and dtype is not None and spacing < dtype.itemsize:
        expected = f"at least {dtype.itemsize} bytes"
        faults.add(f"byte {at + 44}", f"{channel.place}: distance of samples", expected, str(spacing))
    return channel


def _variables(content: bytes, at: int, count: int, what: str, room: int, faults: Faults) -> tuple[Variable, ...]:
    """Return the descriptors of variables; the one after the last holds where the values end."""
    rows = [_VARIABLE.unpack_from(content, at + _VARIABLE.size * number) for number in range(count + 1)]
    found = []
    for number, (name, stored, unit, offset) in enumerate(rows[:count]):
        dtype = np.dtype(_TYPES[stored]) if 0 <= stored < len(_TYPES) else None
        size = dtype.itemsize if dtype is not None else rows[number + 1][3] - offset
        title = counted_text(name)
        if not 0 <= stored <= _TEXT_TYPE or offset < 0 or size < 1 or offset + size > room:
            place = f"byte {at + _VARIABLE.size * number}"
            expected = f"a value within the {max(room, 0)} bytes set aside"
            faults.note(place, f"{what} {number} ({title})", expected, f"type {stored} at byte {offset} of them",
                        "it was not read")  # fmt: skip
            continue
        found.append(Variable(title, counted_text(unit), dtype, offset, size))
    return tuple(found)


def decode_sections(content: bytes, header: CfsHeader, faults: Faults) -> Sections | None:
    """Return the headers of the data sections, or ``None`` with faults noted; sizes that are wrong lead nowhere."""
    if faults.fatal:
        return None
    positions = _positions(content, header, faults)
    if positions is None:
        return None
    size = header.section_header_bytes
    outside = np.flatnonzero((positions < header.header_bytes) | (positions > len(content) - size))
    for index in outside[:_MOST]:
        expected = f"a position from {header.header_bytes} to {len(content) - size}"
        hint = "the file is truncated or damaged" if positions[index] > 0 else ""
        faults.add(_table_place(header, int(index)), f"data section {index + 1}", expected, str(positions[index]), hint)
    crowded = np.flatnonzero(np.diff(np.sort(positions)) < size)
    if len(crowded) and not len(outside):
        at = np.sort(positions)[crowded[0]]
        faults.add(f"byte {at}", "data sections", "headers that do not overlap", f"{len(crowded)} that do")
    if faults.fatal:
        return None
    raw = b"".join([content[at : at + size] for at in positions.tolist()])
    spare = size - _SECTION_BYTES - _PART_BYTES * len(header.channels)
    fields = [("last", "<i4"), ("start", "<i4"), ("size", "<i4"), ("flags", "<u2"), ("reserved", "V16"),
              ("parts", _PART, (len(header.channels),))]  # fmt: skip
    dtype = np.dtype([*fields, ("values", f"V{spare}")] if spare else fields)
    sections = Sections(positions=positions, headers=np.frombuffer(raw, dtype), raw=raw)
    _check_sections(content, header, sections, faults)
    return None if faults.fatal else sections


def _positions(content: bytes, header: CfsHeader, faults: Faults) -> NDArray[np.int64] | None:
    """Return where the section headers are: from the table, or without a usable one along the chain from the last."""
    end = header.table + 4 * header.n_sections
    if header.table >= header.header_bytes and end <= len(content):
        return np.frombuffer(content, "<i4", header.n_sections, header.table).astype(np.int64)
    if header.table != 0:
        expected = f"a table of {4 * header.n_sections} bytes within the file"
        faults.note("byte 134", "table of data sections", expected, f"one at byte {header.table}",
                    "the sections were looked for from the last one backwards")  # fmt: skip
    found: list[int] = []
    seen: set[int] = set()
    at = header.last_section
    while len(found) < header.n_sections:
        place = f"byte {found[-1]}" if found else "byte 52"
        if not header.header_bytes <= at <= len(content) - header.section_header_bytes:
            expected = f"the position of data section {header.n_sections - len(found)}"
            faults.add(place, "previous data section", expected, str(at), "the file is truncated or damaged")
            return None
        if at in seen:
            faults.add(place, "previous data section", "one that was not met before", f"byte {at}, a loop")
            return None
        seen.add(at)
        found.append(at)
        (at,) = struct.unpack_from("<i", content, at)
    return np.array(found[::-1], np.int64)


def _table_place(header: CfsHeader, index: int) -> str:
    return f"byte {header.table + 4 * index}" if header.table else f"data section {index + 1}"


def _check_sections(content: bytes, header: CfsHeader, sections: Sections, faults: Faults) -> None:
    """Report sections that reach out of the file, and channels that reach out of their section.

    What passes is disjoint, so that nothing that is read can be larger than the file.
    """
    start, size = (sections.headers[name].astype(np.int64) for name in ("start", "size"))
    for index in np.flatnonzero((start < header.header_bytes) | (size < 0) | (start + size > len(content)))[:_MOST]:
        expected = f"data within bytes {header.header_bytes} to {len(content)}"
        found = f"{size[index]} bytes from byte {start[index]}"
        hint = "the file is truncated or damaged"
        faults.add(f"byte {sections.positions[index] + 4}", f"data section {index + 1}", expected, found, hint)
    used = np.zeros(len(start), np.int64)
    for channel in header.channels:
        if channel.kind != EQUALLY_SPACED or channel.dtype is None:
            continue
        part = sections.headers["parts"][:, channel.number - 1]
        offset, points = part["offset"].astype(np.int64), part["points"].astype(np.int64)
        end = np.where(points > 0, offset + (points - 1) * channel.spacing + channel.dtype.itemsize, 0)
        used += np.maximum(points, 0) * channel.dtype.itemsize
        for index in np.flatnonzero((points < 0) | (offset < 0) | (end > size))[:_MOST]:
            at = sections.positions[index] + _SECTION_BYTES + _PART_BYTES * (channel.number - 1)
            found = f"{points[index]} from byte {offset[index]} of them"
            faults.add(f"byte {at}", f"data section {index + 1}, {channel.place}",
                       f"samples within the section's {size[index]} bytes", found)  # fmt: skip
    if faults.fatal:
        return
    for index in np.flatnonzero(used > size)[:_MOST]:
        faults.add(f"byte {sections.positions[index]}", f"data section {index + 1}",
                   f"channels that share its {size[index]} bytes", f"samples of {used[index]} bytes")  # fmt: skip
    order = np.argsort(start, kind="stable")
    overlapping = np.flatnonzero(start[order][1:] < (start + size)[order][:-1])
    for index in order[1:][overlapping][:_MOST]:
        expected = "data that no other section holds"
        faults.add(f"byte {sections.positions[index] + 4}", f"data section {index + 1}", expected, "an overlap")
