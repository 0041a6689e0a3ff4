"""LabChart text to blocks of numbers: header lines, rows, comments. Nothing here knows what a stimulus is.

A file is a sequence of blocks; each starts with lines such as ``Interval=`` and ``ChannelTitle=``, and its rows hold
a time (if it was exported), one number per channel and, after them, comments (``#* text``, ``#2 text``).
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io import _dialect
from ncs.io._dialect import Dialect, Lines, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.io._faults import Faults

__all__ = ["HEADER_KEYS", "Block", "Channel", "Comment", "header_key", "read_blocks"]

FloatArray = NDArray[np.float64]

HEADER_KEYS = frozenset(
    {"bottomvalue", "channeltitle", "dateformat", "exceldatetime", "interval", "range", "timeformat", "topvalue",
     "unitname"}
)  # fmt: skip
_HEADER_LINE = re.compile(r"\s*([A-Za-z]+)=(.*)")
_NUMBER = r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?"
_INTERVAL = re.compile(rf"({_NUMBER})\s*([A-Za-zµμ]*)\Z")
_RANGE = re.compile(rf"{_NUMBER}\s*(?P<unit>.*)\Z")
_COMMENT = re.compile(r"(?:^|(?<=\s))#(\*|\d{1,2})(?=\s|$)")
_CLOCK = re.compile(r"(?:(?P<hours>\d{1,4}):)?(?P<minutes>\d{1,2}):(?P<seconds>\d{1,2}(?:[.,]\d+)?)\Z")
_SECONDS = {
    "us": Decimal("1e-6"), "ms": Decimal("1e-3"), "s": Decimal(1), "sec": Decimal(1), "min": Decimal(60),
    "hr": Decimal(3600),
}  # fmt: skip
_MICRO = str.maketrans({"µ": "u", "μ": "u"})
_EXCEL_DAY_ZERO = dt.date(1899, 12, 30)
_EXCEL_DAYS = range(1, 110_000)
_NOT_SET = "*"
_MOST_BLOCKS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What the header says about one channel.

    ``unit`` is the unit of the numbers in the rows, empty where the header does not state it: the name given to
    converted units goes before the unit of the amplifier's range, which says nothing about converted numbers.
    """

    title: str
    unit: str
    top: float | None
    bottom: float | None


class Comment(NamedTuple):
    """One comment: index of its row, its text, its line in the file, and its channel from 1 (``None``: all)."""

    row: int
    text: str
    line: int
    channel: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Rows recorded without a break.

    Parameters
    ----------
    number
        From 1, as LabChart counts.
    line
        Its first line in the file.
    interval_s
        Time between samples.
    date
        Day of the block; ``None`` where the header does not state it.
    values
        Shape ``(n_rows, n_channels)``, in the units of the channels; NaN where the file has no number.
    first_s
        Time of the first row on the file's own time axis; ``None`` without a time column.
    """

    number: int
    line: int
    interval_s: Decimal
    date: dt.date | None
    channels: tuple[Channel, ...]
    values: FloatArray
    first_s: float | None
    comments: tuple[Comment, ...]


class _Header(NamedTuple):
    line: int
    cells: dict[str, tuple[str, ...]]
    lines: dict[str, int]


class _Rows(NamedTuple):
    """Rows of one block without their comments."""

    texts: list[str]
    numbers: list[int]
    comments: list[Comment]


def header_key(line: str) -> str | None:
    r"""Return the keyword that a line starts with, in lower case, or ``None`` if it is no header line.

    >>> header_key("Interval=\t0.01 s"), header_key("0.01\t3.2")
    ('interval', None)
    """
    match = _HEADER_LINE.match(line)
    key = match[1].lower() if match else ""
    return key if key in HEADER_KEYS else None


def read_blocks(content: bytes, encoding: str | None, faults: Faults) -> list[Block]:
    """Return the blocks of a file; everything wrong with them is noted, with its line.

    Parameters
    ----------
    content
        The file.
    encoding
        As the sidecar states it; found from the content where it is ``None``.
    """
    told = _dialect.Faults(faults.file)
    text = decode(content, encoding, told)
    faults.fatal.extend(told.problems)
    if text is None:
        return []
    lines = Lines.of(text)
    if not len(lines):
        faults.add("", "content", "a LabChart header and rows of numbers", "an empty file")
        return []
    parts = _split_blocks(lines, faults)
    decimal = _decimal_mark([row for _, rows in parts for row in rows.texts])
    blocks = [_read_block(n, header, rows, decimal, faults) for n, (header, rows) in enumerate(parts, start=1)]
    return [block for block in blocks if block is not None]


def _split_blocks(lines: Lines, faults: Faults) -> list[tuple[_Header, _Rows]]:
    parts: list[tuple[_Header, _Rows]] = []
    is_header = False
    for text, number in zip(lines.texts, lines.numbers, strict=True):
        match = _HEADER_LINE.match(text) if "=" in text else None
        if match is None:
            if not parts:
                faults.add(f"line {number}", "header", "Interval= before the first row", "another line")
                return []
            is_header = False
            _take_row(text, number, parts[-1][1])
            continue
        key = match[1].lower()
        if not is_header or key in parts[-1][0].cells:
            if len(parts) >= _MOST_BLOCKS:
                faults.add(f"line {number}", "blocks", f"at most {_MOST_BLOCKS} in one file", "more")
                return parts
            parts.append((_Header(number, {}, {}), _Rows([], [], [])))
            is_header = True
        if key not in HEADER_KEYS:
            expected = "a keyword of LabChart, such as Range="
            faults.note(f"line {number}", "header", expected, f"{match[1][:30]}=", "the line was not used")
        parts[-1][0].cells[key] = _cells(match[2])
        parts[-1][0].lines[key] = number
    return parts


def _cells(text: str) -> tuple[str, ...]:
    cells = [cell.strip().strip('"').strip() for cell in text.split("\t")]
    return tuple(cells[1:] if len(cells) > 1 and not cells[0] else cells)


def _take_row(text: str, number: int, rows: _Rows) -> None:
    """Keep a row: its numbers, an empty cell as ``nan``, and the comments after them."""
    if "#" in text:
        match = _COMMENT.search(text)
        if match is not None:
            rows.comments.extend(_comments(text[match.start() :], len(rows.texts), number))
            text = text[: match.start()].rstrip(" ").removesuffix("\t")
    if "\t\t" in text or text[-1:] == "\t" or text[:1] == "\t":
        text = "\t".join(cell.strip() or "nan" for cell in text.split("\t"))
    rows.texts.append(text)
    rows.numbers.append(number)


def _comments(text: str, row: int, line: int) -> list[Comment]:
    """Return the comments of a row; the same text on several channels is one comment for all."""
    pieces = _COMMENT.split(text)
    found: dict[str, list[str]] = {}
    for channel, words in zip(pieces[1::2], pieces[2::2], strict=True):
        if words.strip():
            found.setdefault(" ".join(words.split()), []).append(channel)
    return [
        Comment(row, words, line, int(channels[0]) if len(channels) == 1 and channels[0] != _NOT_SET else None)
        for words, channels in found.items()
    ]


def _decimal_mark(rows: Sequence[str]) -> str:
    """Return the decimal mark that most rows use; those with the other one are reported when they are parsed."""
    commas = sum("," in row for row in rows)
    return "," if commas > sum("." in row for row in rows) else "."


def _read_block(number: int, header: _Header, rows: _Rows, decimal: str, faults: Faults) -> Block | None:
    place = f"line {header.line}"
    interval = _read_interval(header, faults)
    channels = _read_channels(header, faults)
    if not rows.texts:
        faults.note(place, f"block {number}", "rows of numbers", "none", "the block was left out")
        return None
    if not channels or interval is None:
        return None
    is_clock = ":" in rows.texts[0].split("\t", 1)[0]
    if is_clock and not _clock_to_seconds(rows, decimal, faults):
        return None
    told = _dialect.Faults(faults.file)
    widths = Counter(text.count("\t") + 1 for text in rows.texts)
    width = widths.most_common(1)[0][0]
    if width not in {len(channels), len(channels) + 1}:
        expected = f"{len(channels)} numbers, one for each title in ChannelTitle=, and before them at most a time"
        faults.add(f"line {rows.numbers[0]}", "row", expected, f"{width} cells")
        return None
    lines = Lines(texts=tuple(rows.texts), numbers=tuple(rows.numbers))
    table = _dialect.parse(lines, Dialect(delimiter="\t", decimal=decimal), 0, told)
    faults.fatal.extend(told.problems)
    if told:
        return None
    values = table.values
    first_s = None
    if width == len(channels) + 1:
        _check_times(values[:, 0], float(interval), rows.numbers, faults)
        first_s = float(values[0, 0])
        values = values[:, 1:]
    _note_absent(values, channels, rows.numbers, faults)
    return Block(
        number=number, line=header.line, interval_s=interval, date=_read_date(header, faults), channels=channels,
        values=values, first_s=first_s, comments=tuple(rows.comments),
    )  # fmt: skip


def _read_interval(header: _Header, faults: Faults) -> Decimal | None:
    if "interval" not in header.cells:
        faults.add(f"line {header.line}", "Interval", "the time between samples", "none", "export it with its header")
        return None
    text = header.cells["interval"][0]
    place = f"line {header.lines['interval']}"
    match = _INTERVAL.match(text)
    factor = _SECONDS.get(match[2].translate(_MICRO).lower()) if match else None
    value = Decimal(match[1].replace(",", ".")) * factor if match and factor is not None else Decimal(0)
    if not Decimal("1e-9") <= value <= Decimal(3600):
        expected = "a time with its unit, hr, min, s, ms or us, such as 0.0001 s"
        faults.add(place, "Interval", expected, f"{text[:30]!r}")
        return None
    return value


def _read_channels(header: _Header, faults: Faults) -> tuple[Channel, ...]:
    titles = header.cells.get("channeltitle", ())
    if not titles or titles == ("",):
        faults.add(f"line {header.line}", "ChannelTitle", "the titles of the channels", "none",
                   "export it with its header")  # fmt: skip
        return ()
    lists = {}
    for key, name in (("range", "Range"), ("unitname", "UnitName"), ("topvalue", "TopValue"),
                      ("bottomvalue", "BottomValue")):  # fmt: skip
        cells = header.cells.get(key, (_NOT_SET,) * len(titles))
        if len(cells) != len(titles):
            expected = f"{len(titles)} entries, as many as in ChannelTitle="
            faults.add(f"line {header.lines[key]}", name, expected, f"{len(cells)}")
            return ()
        lists[key] = cells
    return tuple(
        Channel(
            title=title, unit=_unit(range_, name, top), top=_limit(top), bottom=_limit(bottom),
        )
        for title, range_, name, top, bottom in zip(titles, *lists.values(), strict=True)
    )  # fmt: skip


def _unit(range_: str, name: str, top: str) -> str:
    """Return the unit of the numbers, or empty text.

    ``*`` as a name says that units were not converted. An empty name beside a number in TopValue= says that they were,
    to a unit without a name.
    """
    if name not in {_NOT_SET, ""}:
        return name
    if not name and top != _NOT_SET:
        return ""
    match = _RANGE.match(range_)
    return match["unit"].strip() if match else ""


def _limit(text: str) -> float | None:
    match = re.fullmatch(_NUMBER, text)
    return float(text.replace(",", ".")) if match else None


def _read_date(header: _Header, faults: Faults) -> dt.date | None:
    """Return the day of ``ExcelDateTime``: days since 30 December 1899; the readable date beside it is ambiguous."""
    cells = header.cells.get("exceldatetime", ())
    if not cells or not cells[0]:
        return None
    match = re.fullmatch(_NUMBER, cells[0])
    days = float(cells[0].replace(",", ".")) if match else -1.0
    if not days < _EXCEL_DAYS.stop or int(days) not in _EXCEL_DAYS:
        place = f"line {header.lines['exceldatetime']}"
        faults.note(place, "ExcelDateTime", "days since 1899-12-30", f"{cells[0][:30]!r}", "the date was not used")
        return None
    return _EXCEL_DAY_ZERO + dt.timedelta(days=int(days))


def _clock_to_seconds(rows: _Rows, decimal: str, faults: Faults) -> bool:
    """Replace times such as 2:03:50.1 by seconds; report the first that is of another form."""
    for index, text in enumerate(rows.texts):
        cell, tab, rest = text.partition("\t")
        match = _CLOCK.match(cell.strip())
        if match is None:
            hint = "export the times as seconds"
            faults.add(f"line {rows.numbers[index]}, column 1", "time", "a time such as 2:03:50.1",
                       f"{cell[:30]!r}", hint)  # fmt: skip
            return False
        seconds = int(match["hours"] or 0) * 3600 + int(match["minutes"]) * 60
        exact = seconds + Decimal(match["seconds"].replace(",", "."))
        rows.texts[index] = f"{exact}".replace(".", decimal) + tab + rest
    return True


def _check_times(times: FloatArray, interval_s: float, numbers: Sequence[int], faults: Faults) -> None:
    """Report the first step of the time column that is not the interval: a lost or doubled row."""
    bad = np.flatnonzero(~np.isfinite(times))
    if len(bad):
        faults.add(f"line {numbers[int(bad[0])]}, column 1", "time", "a number", "none")
        return
    steps = np.diff(times)
    place = _last_place(times)
    is_exact = place <= 0.5 * interval_s or abs(interval_s / place - round(interval_s / place)) < 1e-6
    if is_exact:
        odd = np.flatnonzero(np.abs(steps - interval_s) > 0.5 * interval_s)
    else:
        # times rounded this coarsely show a lost row only in the long run
        drift = times[1:] - times[0] - interval_s * np.arange(1, len(times))
        odd = np.flatnonzero(np.abs(drift) > 1.01 * place)
    if len(odd):
        index = int(odd[0])
        found = f"{steps[index]:.6g} s" + (f", and {len(odd) - 1} more such steps" if len(odd) > 1 else "")
        expected = f"steps of {interval_s:g} s, as Interval= says"
        hint = "export without downsampling, and each block with its own header"
        faults.add(f"line {numbers[index + 1]}, column 1", "time", expected, found, hint)


def _last_place(times: FloatArray) -> float:
    """Return the last decimal place of the times, in seconds: they are rounded to it."""
    for decimals in range(10):
        if np.abs(times * 10.0**decimals - np.round(times * 10.0**decimals)).max() < 1e-3:
            return float(10.0**-decimals)
    return 0.0


def _note_absent(values: FloatArray, channels: Sequence[Channel], numbers: Sequence[int], faults: Faults) -> None:
    for column, channel in enumerate(channels):
        rows = np.flatnonzero(np.isnan(values[:, column]))
        if not len(rows) or len(rows) == len(values):
            continue
        shown = ", ".join(str(numbers[int(row)]) for row in rows[:5])
        place = f"line{'s' if len(rows) > 1 else ''} {shown}{' …' if len(rows) > 5 else ''}"
        hint = "sweeps with such samples are kept, but no response can be marked in them"
        faults.note(place, channel.title, "a number in every row", f"{len(rows)} without one", hint)
