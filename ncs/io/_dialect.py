"""Text to a table of numbers: encoding, delimiter, decimal mark, header. Nothing here knows what the numbers mean.

A dialect is accepted only when it is the one way to read the text; where two readings differ, the user is asked.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ncs.errors import Problem
from ncs.io._units import current_factor, time_factor, voltage_factor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Dialect",
    "Faults",
    "Lines",
    "Table",
    "column_names",
    "decode",
    "detect",
    "number",
    "numeric_share",
    "parse",
    "split",
    "unit_of",
]

FloatArray = NDArray[np.float64]

_MAX_REPORTED = 10
_SAMPLE_CHARACTERS = 8_000
_MAX_HEADER_ROWS = 100
_LARGEST = 1e100
"""Beyond it a number is damage, and what is computed from it would not be finite."""
_NOT_A_NUMBER = frozenset({"nan", "na", "n/a"})
_NUMBER = {
    ".": re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?", re.ASCII),
    ",": re.compile(r"[+-]?(?:\d++(?:,\d++)?|,\d++)(?:[eE][+-]?\d++)?", re.ASCII),
}
_DELIMITERS = ("\t", ";", ",", " ")
_NAMES = {"\t": "tab", ";": "semicolon", ",": "comma", " ": "space"}
_FAST_BYTES = b"0123456789+-.eE,; \t\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How columns and decimals are separated."""

    delimiter: str
    decimal: str


@dataclass(slots=True)
class Faults:
    """Problems of one file as they are found."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, place: str, name: str, expected: str, found: str, hint: str = "") -> None:
        """Note one problem."""
        self.problems.append(
            Problem(file=self.file, place=place, field=name, expected=expected, found=found, hint=hint)
        )

    def __bool__(self) -> bool:
        return bool(self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines of a text that are not blank, with their numbers in the file (from 1)."""

    texts: tuple[str, ...]
    numbers: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Lines:
        """Split a text; every line ending counts."""
        every = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        kept = [(number, line) for number, line in enumerate(every, start=1) if line and not line.isspace()]
        return cls(texts=tuple(line for _, line in kept), numbers=tuple(number for number, _ in kept))

    def __len__(self) -> int:
        return len(self.texts)

    def since(self, start: int) -> Lines:
        """Return the lines from an index on."""
        return Lines(texts=self.texts[start:], numbers=self.numbers[start:])

    def take(self, number: int) -> tuple[str | None, Lines]:
        """Return the line with a number in the file, and the lines without it."""
        if number not in self.numbers:
            return None, self
        index = self.numbers.index(number)
        rest = Lines(
            texts=(*self.texts[:index], *self.texts[index + 1 :]),
            numbers=(*self.numbers[:index], *self.numbers[index + 1 :]),
        )
        return self.texts[index], rest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Numbers of a text.

    Parameters
    ----------
    values
        Shape ``(n_rows, n_columns)``; NaN also in columns that were not asked to be numbers.
    line_numbers
        Line of each row in the file.
    """

    dialect: Dialect
    values: FloatArray
    line_numbers: tuple[int, ...]
    lines: tuple[str, ...]

    def texts(self, column: int) -> list[str]:
        """Return one column as text."""
        return [split(line, self.dialect.delimiter)[column] for line in self.lines]


def decode(content: bytes, encoding: str | None, faults: Faults) -> str | None:
    """Return the text, or ``None`` with a fault noted.

    Where no encoding is stated: by byte order mark, else UTF-8, else Latin-1 (numbers are the same in all of them).
    """
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    marked = next((name for mark, name in marks.items() if content.startswith(mark)), None)
    chosen = marked or encoding
    if chosen is None and b"\0" in content:
        faults.add(f"byte {content.index(0)}", "content", "text", "a zero byte", "This is no text file.")
        return None
    for name in (chosen,) if chosen else ("utf-8", "latin-1"):
        try:
            return content.decode(name).translate({0x2212: "-", 0xA0: " "})
        except UnicodeDecodeError as error:
            fault = error
    faults.add(f"byte {fault.start}", "content", f"{chosen} text", "other bytes", "State `layout.encoding`.")
    return None


def split(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line, without the spaces around them and without one delimiter at the end.

    >>> split('"a b"; 2 ;3;', ";")
    ['a b', '2', '3']
    """
    if delimiter == " ":
        return line.split() if '"' not in line else _quoted(" ".join(line.split()), delimiter)
    cells = _quoted(line, delimiter) if '"' in line else [cell.strip() for cell in line.split(delimiter)]
    if len(cells) > 1 and not cells[-1]:
        cells.pop()
    return cells


def _quoted(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]
    except (csv.Error, StopIteration):
        return [cell.strip() for cell in line.split(delimiter)]


def number(cell: str, decimal: str) -> float | None:
    """Return the number in a cell, NaN for ``nan`` or ``NA``, or ``None``.

    >>> number("-1,5", ","), number("1,5", "."), number("1e3", ".")
    (-1.5, None, 1000.0)
    """
    if _NUMBER[decimal].fullmatch(cell):
        return float(cell.replace(",", "."))
    return float("nan") if cell.lower() in _NOT_A_NUMBER else None


_UNIT = re.compile(r"(?:[\[(]\s*(?P<inside>[^\[\]()]+?)\s*[\])]|(?:_|\s(?=\S\S))(?P<after>[a-zA-Zµμ]+))\s*$")


def unit_of(name: str) -> str:
    """Return the unit at the end of a column's name, or empty text.

    >>> unit_of("amplitude_mV"), unit_of("Time [ms]"), unit_of("sweep 1")
    ('mV', 'ms', '')
    """
    match = _UNIT.search(name)
    unit = (match["inside"] or match["after"]) if match else ""
    return unit if any(known(unit) is not None for known in (voltage_factor, time_factor, current_factor)) else ""


def numeric_share(text: str) -> tuple[float, int]:
    """Return which share of the lines holds only numbers, in the best dialect, and how many columns they have."""
    lines = Lines.of(text).texts[: _MAX_HEADER_ROWS * 2]
    best = (0.0, 0)
    for dialect in _dialects(None, None, "".join(lines)):
        counts = Counter(
            len(cells) for cells in (split(line, dialect.delimiter) for line in lines) if _all_numbers(cells, dialect)
        )
        if counts:
            columns, count = counts.most_common(1)[0]
            best = max(best, (count / len(lines), columns))
    return best


def detect(
    lines: Lines, *, delimiter: str | None, decimal: str | None, header_rows: int | None, faults: Faults
) -> tuple[Dialect, int] | None:
    """Return the dialect and the index of the first line of numbers, or ``None`` with faults noted.

    Parameters
    ----------
    delimiter, decimal, header_rows
        As stated by the user; what is ``None`` is found out.
    """
    dialects = list(_dialects(delimiter, decimal, "\n".join(lines.texts)))
    skipped = None if header_rows is None else sum(number <= header_rows for number in lines.numbers)
    size = _sample_size(lines, skipped or 0)
    fitting = _fitting(lines.texts[:size], dialects, skipped)
    if size < len(lines) and (not fitting or len({dialect.decimal for dialect, _ in fitting}) > 1):
        fitting = _fitting(lines.texts, dialects, skipped) or fitting
    if not fitting:
        return _best_effort(lines, dialects, skipped, faults)
    readings = {_reading(lines.texts[start:size], dialect): dialect for dialect, start in reversed(fitting)}
    if len(readings) == 1:
        return fitting[0]
    words = "; or ".join(_in_words(reading, dialect) for reading, dialect in readings.items())
    place = f"line {lines.numbers[fitting[0][1]]}"
    hint = "State `layout.delimiter` and `layout.decimal` in the sidecar."
    faults.add(place, "decimal mark", "numbers that can be read in one way", f"two ways: {words}", hint)
    return None


def _in_words(reading: tuple[tuple[str, ...], ...], dialect: Dialect) -> str:
    columns = len(reading[0])
    if columns == 1:
        return f"one column with decimal mark {dialect.decimal!r}"
    return f"{columns} columns by {_NAMES[dialect.delimiter]} with decimal mark {dialect.decimal!r}"


def parse(lines: Lines, dialect: Dialect, start: int, faults: Faults, *, text_columns: Sequence[int] = ()) -> Table:
    """Return the table of numbers; every ragged row and every cell that is no number is noted.

    Parameters
    ----------
    lines, dialect, start
        As ``detect`` returns them.
    text_columns
        Columns (from 0) that need not be numbers.
    """
    data = lines.since(start)
    values = _fast(data.texts, dialect)
    if values is None:
        values = _slow(data, dialect, frozenset(text_columns), faults)
    return Table(dialect=dialect, values=values, line_numbers=data.numbers, lines=data.texts)


def _dialects(delimiter: str | None, decimal: str | None, body: str) -> Iterator[Dialect]:
    """Yield the possible dialects: a decimal comma where there is a comma, beside a comma between columns if quoted."""
    for mark in (decimal,) if decimal is not None else (".", ",") if "," in body else (".",):
        for separator in (delimiter,) if delimiter is not None else _DELIMITERS:
            if separator != mark or '"' in body:
                yield Dialect(delimiter=separator, decimal=mark)


def _sample_size(lines: Lines, skipped: int) -> int:
    size = 0
    for index, line in enumerate(lines.texts[skipped:], start=skipped):
        size += len(line)
        if size > _SAMPLE_CHARACTERS and index > skipped:
            return index + 1
    return len(lines)


def _all_numbers(cells: Sequence[str], dialect: Dialect) -> bool:
    return all(number(cell, dialect.decimal) is not None for cell in cells)


def _is_header(line: str, dialect: Dialect) -> bool:
    """Whether a line starts with a word, or has words and no number.

    A row of numbers with one bad cell is none: taking it for a header would drop a sample without a word.
    """
    words = [
        number(cell, ".") is None and number(cell, ",") is None and any(c.isalpha() or c in "#%" for c in cell)
        for cell in split(line, dialect.delimiter)
    ]
    if not words or words[0]:
        return bool(words)
    return any(words) and all(number(cell, dialect.decimal) is None for cell in split(line, dialect.delimiter))


def _fitting(lines: Sequence[str], dialects: Sequence[Dialect], skipped: int | None) -> list[tuple[Dialect, int]]:
    """Return the dialects in which all lines below the header are rows of one length, and where those start."""
    found = []
    for dialect in dialects:
        start = skipped
        if start is None:
            start = next((i for i, line in enumerate(lines) if not _is_header(line, dialect)), len(lines))
        if start < len(lines) and _fits(lines[start:], dialect):
            found.append((dialect, start))
    return found


def _fits(lines: Sequence[str], dialect: Dialect) -> bool:
    columns = -1
    for line in lines:
        cells = split(line, dialect.delimiter)
        if columns not in {-1, len(cells)} or not _all_numbers(cells, dialect):
            return False
        columns = len(cells)
    return True


def _reading(lines: Sequence[str], dialect: Dialect) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(repr(number(cell, dialect.decimal)) for cell in split(line, dialect.delimiter)) for line in lines
    )


def _best_effort(
    lines: Lines, dialects: Sequence[Dialect], skipped: int | None, faults: Faults
) -> tuple[Dialect, int] | None:
    """Choose the dialect that reads most lines, so that the faults of the others can be named."""
    scored = [(_score(lines.texts, dialect), -rank, dialect) for rank, dialect in enumerate(dialects)]
    (matching, columns), _, dialect = max(scored, default=((0, 0), 0, None), key=lambda entry: entry[:2])
    if dialect is None or matching == 0:
        found = f"{lines.texts[0][:40]!r}" if len(lines) else "nothing"
        hint = "State `layout.header_rows`, `layout.delimiter` and `layout.decimal` in the sidecar if this is a table."
        place = f"line {lines.numbers[0]}" if len(lines) else ""
        faults.add(place, "content", "rows of numbers", found, hint)
        return None
    start = skipped
    if start is None:
        start = next((i for i, line in enumerate(lines.texts) if _row_like(line, dialect, columns)), 0)
    return dialect, min(start, len(lines))


def _score(lines: Sequence[str], dialect: Dialect) -> tuple[int, int]:
    counts = Counter(
        len(cells) for cells in (split(line, dialect.delimiter) for line in lines) if _all_numbers(cells, dialect)
    )
    columns, count = max(counts.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    return count, columns


def _row_like(line: str, dialect: Dialect, columns: int) -> bool:
    """Whether most cells of a line are numbers in one of the two conventions: a faulty row rather than a header."""
    if _is_header(line, dialect):
        return False
    cells = split(line, dialect.delimiter)
    either = sum(number(cell, ".") is not None or number(cell, ",") is not None for cell in cells)
    return 2 * either > max(len(cells), 1) and (columns == 1 or len(cells) > 1)


def column_names(header: Sequence[str], dialect: Dialect, columns: int) -> tuple[str, ...] | None:
    """Return the last header line that has a cell for every column; a line of units is joined to the one above it.

    ``None`` where no header line has a cell for every column.
    """
    rows = [
        split(line.lstrip("#% ") if dialect.delimiter == " " else line.lstrip("#%"), dialect.delimiter)
        for line in header
    ]
    rows = [row for row in rows if len(row) == columns and any(number(cell, dialect.decimal) is None for cell in row)]
    if not rows:
        return None
    if len(rows) > 1 and all(unit_of(f"[{cell.strip('[]()')}]") for cell in rows[-1]):
        return tuple(f"{name} [{unit.strip('[]()')}]" for name, unit in zip(rows[-2], rows[-1], strict=True))
    return tuple(rows[-1])


def _fast(lines: Sequence[str], dialect: Dialect) -> FloatArray | None:
    """Return the table in one pass over its text, or ``None`` where anything in it is out of the ordinary."""
    joined = "\n".join(lines)
    # letters and underscores, which float() would accept in some numbers, are left to the slow way
    if not lines or not joined.isascii() or joined.encode().translate(None, _FAST_BYTES):
        return None
    if dialect.delimiter == " ":
        widths = {len(line.split()) for line in lines}
    else:
        widths = {line.count(dialect.delimiter) + 1 for line in lines}
    if len(widths) != 1 or dialect.decimal == dialect.delimiter or (dialect.decimal == "," and "." in joined):
        return None
    if dialect.decimal == ",":
        joined = joined.replace(",", ".")
    cells = (
        joined.split() if dialect.delimiter == " " else joined.replace("\n", dialect.delimiter).split(dialect.delimiter)
    )
    try:
        values = np.array(list(map(float, cells)), dtype=np.float64)
    except ValueError:
        return None
    return values.reshape(len(lines), widths.pop()) if (np.abs(values) <= _LARGEST).all() else None


def _slow(data: Lines, dialect: Dialect, text_columns: frozenset[int], faults: Faults) -> FloatArray:
    """Return the table cell by cell, noting what is wrong and where."""
    rows = [split(line, dialect.delimiter) for line in data.texts]
    if not rows:
        faults.add("", "content", "rows of numbers", "none", "State `layout.header_rows` if the header is shorter.")
        return np.empty((0, 0))
    columns = Counter(map(len, rows)).most_common(1)[0][0]
    ragged = [(line, len(row)) for line, row in zip(data.numbers, rows, strict=True) if len(row) != columns]
    for line, found in ragged[:_MAX_REPORTED]:
        faults.add(f"line {line}", "row", f"{columns} columns as in most rows", f"{found}", _more(ragged))
    values = np.full((len(rows), columns), np.nan)
    wrong: list[tuple[int, int, str]] = []
    for index, row in enumerate(rows):
        for column, cell in enumerate(row[:columns]):
            value = number(cell, dialect.decimal)
            if value is not None and not abs(value) > _LARGEST:  # NaN is a number here
                values[index, column] = value
            elif column not in text_columns:
                wrong.append((data.numbers[index], column, cell))
    _report_cells(wrong, data, dialect, faults)
    return values


def _report_cells(wrong: list[tuple[int, int, str]], data: Lines, dialect: Dialect, faults: Faults) -> None:
    other = "," if dialect.decimal == "." else "."
    swapped = [line for line, _, cell in wrong if dialect.delimiter != other and number(cell, other) is not None]
    if swapped:
        usual = [line for line in data.numbers if line not in set(swapped)]
        found = f"{other!r} in {_line_list(swapped)}, {dialect.decimal!r} in {_line_list(usual)}"
        hint = "Save the file again with one decimal mark."
        if not usual:
            found, hint = f"{other!r} in {_line_list(swapped)}", "Correct `layout.decimal` in the sidecar."
        faults.add(f"line {swapped[0]}", "decimal mark", f"{dialect.decimal!r} in every line", found, hint)
    others = [entry for entry in wrong if entry[0] not in set(swapped)]
    for line, column, cell in others[:_MAX_REPORTED]:
        found = f"{cell[:30]!r}" if cell else "an empty cell"
        expected = "a number" if number(cell, dialect.decimal) is None else f"a number below {_LARGEST:g}"
        faults.add(f"line {line}, column {column + 1}", "cell", expected, found, _more(others))


def _more(entries: Sequence[object]) -> str:
    extra = len(entries) - _MAX_REPORTED
    return f"({extra} more of this kind are not listed.)" if extra > 0 else ""


def _line_list(lines: Sequence[int]) -> str:
    unique = sorted(set(lines))
    shown = ", ".join(str(line) for line in unique[:5])
    return f"line{'s' if len(unique) > 1 else ''} {shown}{' …' if len(unique) > 5 else ''}"
