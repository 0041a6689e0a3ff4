# ruff: noqa: ARG001  # a mutation is given all three arguments, whatever it uses
"""Ways to damage a file: bytes that know nothing of its format, and changes that keep most of its structure.

A mutation takes a random source, the content and another content of the same format, and returns a new content. A
format that hides its structure from plain bytes (archives, compressed parts) gets a mutation of its own.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random

__all__ = ["GENERIC", "TEXTUAL", "Mutation", "edf_field", "json_tree", "mat5_element", "mutate", "npz_member"]

Mutation = Callable[[Random, bytes, bytes], bytes]

MOST_BYTES = 300_000
_NUMBERS = (
    b"0", b"-0", b"-1", b"1", b"2", b"255", b"256", b"32767", b"32768", b"65535", b"65536", b"2147483647",
    b"2147483648", b"4294967296", b"9223372036854775807", b"9" * 18, b"9" * 40, b"1" + b"0" * 400, b"1e308", b"1e309",
    b"-1e308", b"1e-320", b"1e99999", b"0.1", b"0,1", b".5", b"5.", b"1.5.2", b"1,2,3", b"nan", b"NaN", b"inf",
    b"-inf", b"Infinity", b"1_0", b"0x10", b"1e", b"+", b"-", b"", b"\xc2\xb2", b"\xd9\xa3", b"\xef\xbc\x91",
    b"\xe2\x88\x921",
)  # fmt: skip
_INTEGERS = (0, 1, 2, 3, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**62, -1, -2)
_DIGITS = re.compile(rb"[-+]?\d[\d.,eE+-]*")
_SCRAPS = (
    b"\0", b"\xff", b"\r", b"\n", b"\r\n", b"\t", b" ", b",", b";", b"/", b"=", b"[", b"]", b"{", b"}", b'"', b"'",
    b"#", b"<", b">", b"&", b"\x14", b"\x15", b"\x1a", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe2\x80\xa8", b"\xc2\x85",
    b"\xed\xa0\x80",
)  # fmt: skip


def _span(random: Random, size: int, longest: int = 64) -> tuple[int, int]:
    start = random.randrange(size + 1)
    return start, min(size, start + 1 + int(random.expovariate(1 / 8)) % longest)


def truncate(random: Random, content: bytes, other: bytes) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def flip(random: Random, content: bytes, other: bytes) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def change(random: Random, content: bytes, other: bytes) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[random.randrange(len(changed))] = random.choice((0, 32, 48, 57, 127, 128, 255, random.randrange(256)))
    return bytes(changed)


def remove(random: Random, content: bytes, other: bytes) -> bytes:
    start, end = _span(random, len(content))
    return content[:start] + content[end:]


def insert(random: Random, content: bytes, other: bytes) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + random.choice(_SCRAPS) * random.choice((1, 1, 1, 2, 3, 60)) + content[at:]


def duplicate(random: Random, content: bytes, other: bytes) -> bytes:
    start, end = _span(random, len(content), 4096)
    times = random.choice((1,) * 30 + (2, 5, 50, 3000))
    times = min(times, max(1, (MOST_BYTES - len(content)) // max(1, end - start)))
    return content[:end] + content[start:end] * times + content[end:]


def swap(random: Random, content: bytes, other: bytes) -> bytes:
    width = random.choice((1, 2, 4, 8, 16, 24, 80))
    if len(content) < 2 * width:
        return content
    first, second = sorted(random.randrange(len(content) // width) * width for _ in range(2))
    changed = bytearray(content)
    changed[first : first + width], changed[second : second + width] = (
        content[second : second + width], content[first : first + width],
    )  # fmt: skip
    return bytes(changed)


def splice(random: Random, content: bytes, other: bytes) -> bytes:
    start, end = _span(random, len(other), 2048)
    at = random.randrange(len(content) + 1)
    return content[:at] + other[start:end] + content[at + random.choice((0, end - start)) :]


def integer(random: Random, content: bytes, other: bytes) -> bytes:
    """Put a telling number where a binary format may keep a size or a position."""
    width = random.choice((1, 2, 4, 4, 8))
    if len(content) < width:
        return content
    near = random.choice((len(content), len(content) // 2, len(content) + 1))
    value = random.choice((*_INTEGERS, near, random.randrange(2 ** (8 * width))))
    at = random.randrange(len(content) - width + 1)
    packed = (value % 2 ** (8 * width)).to_bytes(width, random.choice(("little", "little", "big")))
    return content[:at] + packed + content[at + width :]


def real(random: Random, content: bytes, other: bytes) -> bytes:
    """Put a telling fraction where a binary format may keep a scale."""
    form = random.choice(("<f", "<d"))
    width = struct.calcsize(form)
    if len(content) < width:
        return content
    value = random.choice((0.0, -0.0, 1e-38, 3e38, -1.0, float("nan"), float("inf"), 1e-300, 1e300))
    at = random.randrange(len(content) - width + 1)
    packed = struct.pack(form, value if form == "<d" or not 3e38 < abs(value) < 1e301 else 3e38)
    return content[:at] + packed + content[at + width :]


def number(random: Random, content: bytes, other: bytes) -> bytes:
    """Put another number in place of a written one."""
    found = [match.span() for match in _DIGITS.finditer(content[:20_000])]
    if not found:
        return content
    start, end = random.choice(found)
    new = random.choice(_NUMBERS)
    if random.random() < 0.5:  # fields of fixed width keep it
        new = new[: end - start].ljust(end - start)
    return content[:start] + new + content[end:]


def line(random: Random, content: bytes, other: bytes) -> bytes:
    """Drop, repeat, exchange or borrow whole lines."""
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    kind, at = random.randrange(5), random.randrange(len(lines))
    if kind == 0:
        del lines[at]
    elif kind == 1:
        room = max(1, (MOST_BYTES - len(content)) // max(1, len(lines[at])))
        lines[at:at] = [lines[at]] * min(random.choice((1,) * 20 + (2, 40, 3000)), room)
    elif kind == 2:
        to = random.randrange(len(lines))
        lines[at], lines[to] = lines[to], lines[at]
    elif kind == 3:
        lines[at] = random.choice(other.splitlines(keepends=True) or [b""])
    else:
        lines[at] = lines[at].rstrip(b"\r\n")
    return b"".join(lines)


def cell(random: Random, content: bytes, other: bytes) -> bytes:
    """Change one cell of one line: another number, nothing, a word, or one cell more or less."""
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    at = random.randrange(len(lines))
    mark = random.choice([mark for mark in (b"\t", b",", b";", b" ", b"=", b":") if mark in lines[at]] or [b","])
    cells = lines[at].split(mark)
    which = random.randrange(len(cells))
    kind = random.randrange(5)
    if kind == 0:
        cells[which] = random.choice(_NUMBERS)
    elif kind == 1:
        cells[which] = b""
    elif kind == 2:
        del cells[which]
    elif kind == 3:
        cells.insert(which, random.choice(cells))
    else:
        cells[which] = cells[which] + random.choice(_SCRAPS)
    lines[at] = mark.join(cells)
    return b"".join(lines)


def encoding(random: Random, content: bytes, other: bytes) -> bytes:
    """Write the same text in another encoding."""
    text = content.decode(random.choice(("utf-8", "latin-1", "utf-16")), "replace")
    return text.encode(random.choice(("utf-8-sig", "utf-16-le", "utf-16-be", "utf-16", "cp1252", "utf-32")), "replace")


GENERIC: tuple[Mutation, ...] = (
    truncate, flip, change, change, remove, insert, duplicate, swap, splice, integer, integer, real, number,
)  # fmt: skip
TEXTUAL: tuple[Mutation, ...] = (
    truncate, flip, change, remove, insert, duplicate, splice, number, number, line, line, cell, cell, encoding,
)  # fmt: skip

_EDF_FIELDS = (8, 80, 80, 8, 8, 8, 44, 8, 8, 4)
_EDF_COLUMNS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)


def edf_field(random: Random, content: bytes, other: bytes) -> bytes:
    """Write a telling number into one field of an EDF header, or exchange two fields of one width."""
    stated = content[252:256].strip()
    signals = min(int(stated), 8) if stated.isdigit() else 1
    spans, at = [], 0
    for width in _EDF_FIELDS + tuple(width for width in _EDF_COLUMNS for _ in range(signals)):
        spans.append((at, width))
        at += width
    start, width = random.choice(spans)
    new = random.choice(_NUMBERS)
    if random.random() < 0.3:
        other_start, _ = random.choice([span for span in spans if span[1] == width])
        new = content[other_start : other_start + width]
    return content[:start] + new[:width].ljust(width) + content[start + width :]


def npz_member(random: Random, content: bytes, other: bytes) -> bytes:
    """Damage an array inside its archive, whose own checks stay right."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # noqa: BLE001  # an archive that is damaged already has no members to damage
        return change(random, content, other)
    if not members:
        return content
    at = random.randrange(len(members))
    name, inner = members[at]
    if random.random() < 0.2:
        name = random.choice((name + "x", "", name.upper(), "../" + name, members[0][0]))
    members[at] = (name, random.choice((*GENERIC, number))(random, inner, inner))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for member, inner in dict(members).items():
            archive.writestr(zipfile.ZipInfo(member), inner)
    return made.getvalue()


def mat5_element(random: Random, content: bytes, other: bytes) -> bytes:
    """Damage an element of a MATLAB file inside its compression, whose own checks stay right."""
    at, spans = 128, []
    while at + 8 <= len(content):
        kind, size = struct.unpack_from("<II", content, at)
        if at + 8 + size > len(content):
            break
        spans.append((at, kind, size))
        at += 8 + size
    if not spans:
        return content
    at, kind, size = random.choice(spans)
    inner = content[at + 8 : at + 8 + size]
    if kind == 15:
        try:
            inner = zlib.decompress(inner)
        except zlib.error:
            return content
    changed = random.choice(GENERIC)(random, inner, inner)
    if kind == 15 or random.random() < 0.2:
        kind, changed = 15, zlib.compress(changed)
    return content[:at] + struct.pack("<II", kind, len(changed)) + changed + content[at + 8 + size :]


_VALUES = (
    None, True, False, 0, 1, -1, 1.5, 1e308, -1e308, 10**400, 2**63, "", " ", "left", "nan", "time_zero", "x" * 300,
    "\ud800", "2024-02-30", "9999-12-31", [], {}, [[]], [None], [0] * 2000, {"": ""}, float("nan"), float("inf"),
)  # fmt: skip


def json_tree(random: Random, content: bytes, other: bytes) -> bytes:
    """Change one value, name or place of a JSON document."""
    try:
        tree, donor = json.loads(content), json.loads(other)
    except (ValueError, RecursionError):
        return change(random, content, other)
    nodes = [([tree], 0)]
    for holder, key in nodes:
        value = holder[key]
        inner = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        nodes += [(value, name) for name in inner]
        if len(nodes) > 2000:
            break
    root = nodes[0][0]
    holder, key = random.choice(nodes)
    kind = random.randrange(6)
    if kind < 2:
        holder[key] = random.choice(_VALUES)
    elif kind == 2:
        holder[key] = random.choice(([holder[key]] * random.choice((1, 2, 500)), {"a": holder[key]}))
    elif kind == 3 and isinstance(holder, dict):
        del holder[key]
    elif kind == 4 and isinstance(holder, dict):
        holder[random.choice((str(key) + "x", "ncs_sidecar", "traces", "studies", "layout"))] = holder[key]
    elif isinstance(donor, dict) and donor and isinstance(root[0], dict):
        name = random.choice(list(donor))
        root[0][name] = donor[name]
    try:
        return json.dumps(root[0]).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return content


def mutate(random: Random, content: bytes, other: bytes, mutations: tuple[Mutation, ...]) -> bytes:
    """Apply a few mutations, one after the other."""
    for _ in range(1 + int(random.expovariate(0.7))):
        changed = random.choice(mutations)(random, content, other)
        if len(changed) <= MOST_BYTES:
            content = changed
    return content
