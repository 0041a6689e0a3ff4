"""Natus and Nicolet text to sections of ``key=value`` and lists of numbers. Nothing here knows what a trace is.

Commas separate the numbers, and in many locales are the decimal mark as well; only the count in a key, as in
``Averaged Data(mV)<1920>=``, tells the two readings apart. A list is read in the one way that gives this count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io._dialect import Faults as TextFaults
from ncs.io._dialect import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ncs.io._faults import Faults

__all__ = [
    "DataKey",
    "Entry",
    "Export",
    "Numbers",
    "Section",
    "decode_export",
    "key_of",
    "read_numbers",
    "split_data_key",
]

FloatArray = NDArray[np.float64]

_SECTION = re.compile(r"(?:(?P<path>\d+(?:\.\d+)*) ?- ?)?(?P<name>[^\[]+)\Z")
_DATA_KEY = re.compile(r"(?P<kind>\w*data)(?:\((?P<unit>[^()<>]*)\))?(?:<(?P<count>[^<>]*)>)?\Z")
_IN_NUMBERS = frozenset("0123456789 \t.,;+-eE/")
_DOT = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
_COMMA = re.compile(r"[+-]?\d++(?:,\d++)?(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d++\Z", re.ASCII)
_HALF = re.compile(r"-0\Z|[+-]?0\d", re.ASCII)
_FRACTION = re.compile(r"\d++(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
_MICRO = str.maketrans({"µ": "u", "μ": "u"})
_LONGEST_NUMBER = 40
_LONGEST_KEY = 200

SWEEPS = frozenset({"averageddata", "data", "sweepdata"})
"""Kinds of lists that hold one sweep."""
CONTINUOUS = frozenset({"liveplaydata", "longtracedata"})
"""Kinds of lists that hold a recording without stimuli."""


class Entry(NamedTuple):
    """One ``key=value``; the value of a list of numbers has one part for each of its lines, with its number."""

    key: str
    line: int
    parts: tuple[tuple[int, str], ...]
    is_open: bool
    """Whether the text ends before the list does."""

    @property
    def value(self) -> str:
        """The value of an entry of one line."""
        return self.parts[0][1]


@dataclass(slots=True, kw_only=True, eq=False)
class Section:
    """``[1.2.1 - Store Data]`` and its entries; path and name are empty above the first section."""

    path: str
    name: str
    line: int
    entries: list[Entry] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Path and name as the file words them."""
        return " - ".join(part for part in (self.path, self.name) if part)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Export:
    """All sections of a file, in its order."""

    sections: tuple[Section, ...]

    def find(self, section: Section, keys: Sequence[str], *, is_elsewhere: bool = True) -> list[Entry]:
        """Return the entries with one of the keys that hold for a section.

        The section itself goes before the sections above it in its path, and these, where ``is_elsewhere``, before
        everything else: what a file states only once then holds for all of it.
        """
        parts = section.path.split(".") if section.path else []
        paths = [".".join(parts[:size]) for size in range(len(parts), 0, -1)]
        circles = [[section], *([other for other in self.sections if other.path == path] for path in paths)]
        for circle in (*circles, self.sections if is_elsewhere else ()):
            found = [entry for one in circle for entry in one.entries if key_of(entry.key) in keys]
            if found:
                return found
        return []

    def everywhere(self, keys: Sequence[str]) -> list[Entry]:
        """Return the entries with one of the keys, wherever they stand."""
        return [entry for section in self.sections for entry in section.entries if key_of(entry.key) in keys]


class DataKey(NamedTuple):
    """The key of a list of numbers: what it holds, its unit, and how many there are, as far as the key states it."""

    kind: str
    unit: str
    size: int | None
    is_size_wrong: bool


class Numbers(NamedTuple):
    """A list of numbers, the decimal mark they use (empty where all are whole), and a line that uses it."""

    values: FloatArray
    decimal: str
    line: int


def key_of(text: str) -> str:
    """Return a key in the form in which keys are compared.

    >>> key_of("Sweep  Data(mV)<960>"), key_of("One ADC unit (µV)")
    ('sweepdata(mv)<960>', 'oneadcunit(uv)')
    """
    return "".join(text.translate(_MICRO).split()).lower()


def split_data_key(text: str) -> DataKey | None:
    """Return the parts of the key of a list of numbers, or ``None`` if it is another key.

    >>> split_data_key("Averaged Data(mV)<1920>")
    DataKey(kind='averageddata', unit='mv', size=1920, is_size_wrong=False)
    """
    match = _DATA_KEY.match(key_of(text[:_LONGEST_KEY]))
    if match is None or (match["kind"] not in SWEEPS | CONTINUOUS and match["unit"] is match["count"] is None):
        return None
    count = match["count"]
    is_number = count is not None and _WHOLE.match(count) is not None and len(count) < 10 and int(count) > 0
    return DataKey(match["kind"], match["unit"] or "", int(count) if is_number else None,
                   count is not None and not is_number)  # fmt: skip


def decode_export(content: bytes, encoding: str | None, faults: Faults) -> Export:
    """Take a text apart; whatever does not fit its grammar is noted, with its line.

    Parameters
    ----------
    content
        The file, in UTF-16 (with or without a byte order mark), UTF-8 or an 8-bit encoding.
    encoding
        As the sidecar states it; found from the content where it is ``None``.
    """
    told = TextFaults(faults.file)
    text = decode_text(content, encoding, told)
    faults.fatal.extend(told.problems)
    top = Section(path="", name="", line=1)
    sections = [top]
    lines = iter(list(enumerate((text or "").replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1)))
    for number, line in lines:
        stripped = line.strip()
        if _is_skipped(stripped):
            continue
        if stripped.startswith("["):
            stripped = _open_section(stripped, number, sections, faults)
            if not stripped:
                continue
        key, equals, value = stripped.partition("=")
        if equals:
            sections[-1].entries.append(_entry(key.strip(), value.strip(), number, lines))
        elif set(stripped) <= _IN_NUMBERS and any(map(str.isdigit, stripped)):
            hint = 'a line that goes on ends with "/"'
            faults.add(f"line {number}", "line", "a section or key=value", "numbers that belong to no key", hint)
        else:
            faults.note(
                f"line {number}", "line", "a section, key=value or a comment", "another line", "it was not used"
            )
    _note_missing_end(sections[-1], text or "", faults)
    return Export(sections=tuple(section for section in sections if section is not top or section.entries))


def _note_missing_end(last: Section, text: str, faults: Faults) -> None:
    """Say that a list which ends with the file, in the middle of a line, may have lost digits of its last number."""
    if not last.entries or text.endswith(("\n", "\r")) or split_data_key(last.entries[-1].key) is None:
        return
    entry = last.entries[-1]
    if not entry.is_open and entry.parts[-1][0] == text.count("\n" if "\n" in text else "\r") + 1:
        place = f"line {entry.parts[-1][0]}"
        faults.note(place, entry.key, "the end of the line", "the end of the file", "the last number may be cut short")


def decode_text(content: bytes, encoding: str | None, faults: TextFaults) -> str | None:
    """Return the text; UTF-16 is also known by its zero bytes, and may have lost the last byte."""
    start = content[:64]
    if encoding is None and b"\0" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        evens, odds = start[0::2].count(0), start[1::2].count(0)
        mark = b"\xff\xfe" if odds > evens else b"\xfe\xff"
        content = mark + content
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content[: len(content) - len(content) % 2]
    return decode(content, encoding, faults)


def _is_skipped(line: str) -> bool:
    return not line or line.startswith((";", "..."))


def _open_section(line: str, number: int, sections: list[Section], faults: Faults) -> str:
    """Start a section; return the key=value that may follow on its line."""
    head, bracket, rest = line[1:].partition("]")
    match = _SECTION.match(" ".join(head.split()))
    if match is None or not bracket:
        faults.add(f"line {number}", "section", "a section such as [1.1.1 - Store Data]", f"{line[:40]!r}")
        return ""
    sections.append(Section(path=match["path"] or "", name=match["name"], line=number))
    return rest.strip()


def _entry(key: str, value: str, number: int, lines: Iterator[tuple[int, str]]) -> Entry:
    """Return an entry; a list of numbers goes on for as long as its lines end with a slash."""
    if split_data_key(key) is None:
        return Entry(key, number, ((number, value),), is_open=False)
    parts = [(number, value.removesuffix("/"))]
    is_open = value.endswith("/")
    while is_open:
        number, line = next(lines, (0, ""))
        if not number:
            break
        stripped = line.strip()
        if not _is_skipped(stripped):
            parts.append((number, stripped.removesuffix("/")))
            is_open = stripped.endswith("/")
    return Entry(key, parts[0][0], tuple(parts), is_open)


def read_numbers(entry: Entry, count: int | None, faults: Faults) -> Numbers | None:
    """Return a list of numbers, or ``None`` with a fault noted.

    Parameters
    ----------
    entry
        The list.
    count
        How many numbers it has to have; without it, only a list that can be read in one way is accepted.
    """
    place, name = f"line {entry.line}", entry.key
    if entry.is_open:
        found = "the end of the file after a line that goes on"
        faults.add(f"line {entry.parts[-1][0]}", name, "the rest of the numbers", found, "export the file again")
        return None
    if not _are_all_numbers(entry, faults):
        return None
    text = _joined([text for _, text in entry.parts])
    readings = [reading for reading in (_with_dots(text), _with_spaces(text), _in_pairs(text)) if reading]
    fitting = {tuple(texts): mark for texts, mark in readings if count is None or len(texts) == count}
    if len(fitting) == 1:
        texts, mark = next(iter(fitting.items()))
        values = np.array([float(number) for number in texts])
        if np.isinf(values).any():
            faults.add(place, name, "voltages of ordinary size", f"{texts[int(np.isinf(values).argmax())][:20]}")
            return None
        return Numbers(values, mark, entry.line)
    _report_count(entry, text, readings, count, faults)
    return None


def _joined(parts: Sequence[str]) -> str:
    trimmed = [" ".join(part.split()).strip(" ,;") for part in parts]
    body = " ".join(trimmed)
    is_spaced = any(" " in part for part in trimmed)
    separator = ", " if ", " in body else ";" if ";" in body else " " if is_spaced else ","
    return separator.join(part for part in trimmed if part)


_Reading = tuple[list[str], str]
"""Numbers as text that ``float`` reads, and the decimal mark they were written with."""


def _with_dots(text: str) -> _Reading | None:
    """Read ``0.12,-0.45`` or ``3,-7``: every separator separates.

    Whole numbers are never written ``-0`` or ``07``: these are halves of numbers with a decimal comma, of a list that
    was cut short.
    """
    fields = re.split(r"\s*[,;]\s*|\s+", text)
    if not all(_DOT.match(one) or _is_nan(one) for one in fields):
        return None
    if "." in text:
        return fields, "."
    return None if any(_HALF.match(one) for one in fields) else (fields, "")


def _with_spaces(text: str) -> _Reading | None:
    """Read ``0,12;-0,45`` or ``0,12 -0,45``: commas are decimal marks where something else separates."""
    if not re.search(r"[;\s]", text):
        return None
    fields = re.split(r"\s*;\s*|,?\s+", text)
    if not all(_COMMA.match(one) or _is_nan(one) for one in fields):
        return None
    return [one.replace(",", ".") for one in fields], "," if any("," in one for one in fields) else ""


def _in_pairs(text: str) -> _Reading | None:
    """Read ``0,12,-0,45``: commas are both; every number has a whole part, which has the sign, and decimals."""
    fields = re.split(r"\s*,\s*", text)
    numbers: list[str] = []
    at = 0
    while at < len(fields):
        if _is_nan(fields[at]):
            numbers.append("nan")
            at += 1
            continue
        if at + 1 == len(fields) or not _WHOLE.match(fields[at]) or not _FRACTION.match(fields[at + 1]):
            return None
        numbers.append(f"{fields[at]}.{fields[at + 1]}")
        at += 2
    return numbers, ","


def _is_nan(text: str) -> bool:
    return text.lower() == "nan"


def _are_all_numbers(entry: Entry, faults: Faults) -> bool:
    """Report the first thing of each line that can be part of no number."""
    wrong = []
    for line, text in entry.parts:
        for one in re.split(r"[,;\s]+", text.strip(" \t,;")):
            if one and (len(one) > _LONGEST_NUMBER or not (_DOT.match(one) or _is_nan(one))):
                wrong.append((line, one))
                break
    for line, one in wrong[:10]:
        faults.add(f"line {line}", entry.key, "a number", f"{one[:30]!r}")
    if not wrong and not any(text.strip(" \t,;") for _, text in entry.parts):
        faults.add(f"line {entry.line}", entry.key, "numbers", "none")
        return False
    return not wrong


def _report_count(entry: Entry, text: str, readings: Sequence[_Reading], count: int | None, faults: Faults) -> None:
    place, name = f"line {entry.line}", entry.key
    ways = "; or ".join(f"{len(texts)} with decimal mark {mark!r}" if mark else f"{len(texts)} whole numbers"
                        for texts, mark in readings)  # fmt: skip
    if count is None:
        hint = "the key has to state the count, such as Averaged Data(mV)<1920>="
        faults.add(place, name, "numbers that can be read in one way", ways or "a mixture", hint)
        return
    fields = re.split(r"[,;\s]+", text)
    dotted = next((line for line, part in entry.parts if "." in part), None)
    if dotted is not None and len(fields) != count:
        paired = next((line for line, part in entry.parts if re.search(r"(?<![\d.])\d+,\d+(?![\d.])", part)), None)
        if paired is not None:
            found = f"'.' in line {dotted} and, by the count of {count}, ',' in line {paired}"
            faults.add(place, "decimal mark", "one decimal mark", found)
            return
    found = ways or f"{len(fields)} fields, which is neither {count} nor twice as many"
    faults.add(place, name, f"{count} numbers, as its key says", found, "the file may be cut short or damaged")
