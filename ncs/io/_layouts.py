"""A table of numbers to sweeps: one function per layout of a text file, and the time axis.

A new layout is one function here, one word in ``ncs.io.sidecar.Layout.kind``, and one example in docs/sidecar.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io._dialect import Dialect, Faults, Lines, Table, column_names, detect, number, parse, split, unit_of
from ncs.io._units import time_factor, voltage_factor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncs.io.sidecar import Layout

__all__ = ["Block", "Sweeps", "read_sweeps"]

FloatArray = NDArray[np.float64]

_TIME_NAME = re.compile(r"(time|t|zeit|temps|tiempo|tempo)([ _-]?points?)?\s*([\[(_ ].*)?", re.IGNORECASE)
_INDEX_NAME = re.compile(r"[a-z _]*(index|recording|trial|channel|stimulus)[a-z _]*", re.IGNORECASE)
_COARSE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Sweeps of one channel: ``samples`` has shape ``(n_sweeps, n_samples)`` in the unit of the file."""

    channel: str
    samples: FloatArray
    first_ms: FloatArray | None = None
    """Time of sample 0 of each sweep on the file's own time axis, shape ``(n_sweeps,)``."""
    intensity: FloatArray | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Sweeps:
    """Everything a text file states."""

    blocks: tuple[Block, ...] = ()
    rate_hz: float | None = None
    rate_sd_hz: float = 0.0
    """How far the time axis, as it is rounded in the file, leaves the rate open."""
    unit: str = ""
    intensity_unit: str = ""
    remarks: Faults
    """What did not stop the reading."""


class _LongColumns(NamedTuple):
    """Indices of the columns of a long table; ``factor`` takes its times to milliseconds."""

    value: int
    sweep: int
    time: int | None
    level: int | None
    channel: int | None
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Columns of a table by number (from 1) or name."""

    count: int
    names: tuple[str, ...] | None
    faults: Faults

    def index(self, reference: int | str | None, name: str) -> int | None:
        """Return the index of a column, or ``None`` where none is stated or (with a fault) there is no such column."""
        if reference is None:
            return None
        if isinstance(reference, int):
            if reference <= self.count:
                return reference - 1
        else:
            fitting = [i for i, known in enumerate(self.names or ()) if known.casefold() == reference.casefold()]
            if len(fitting) == 1:
                return fitting[0]
        found = f"{self.count} columns" + (f": {', '.join(self.names[:12])}" if self.names else " without names")
        self.faults.add("", f"layout.{name}", f"the column {reference!r} once", found)
        return None

    def name(self, index: int | None) -> str:
        """Return the name of a column, or empty text."""
        return self.names[index] if self.names is not None and index is not None else ""


def read_sweeps(lines: Lines, layout: Layout, faults: Faults) -> Sweeps | None:
    """Return the sweeps of a text, or ``None`` with faults noted.

    Parameters
    ----------
    lines
        Lines of the text that are not blank.
    layout
        What the sidecar says about it.
    """
    row_number = layout.intensity_row or layout.time_row
    row, lines = (None, lines) if row_number is None else lines.take(row_number)
    if row_number is not None and row is None:
        which = "intensity_row" if layout.intensity_row is not None else "time_row"
        faults.add(f"line {row_number}", f"layout.{which}", "a line of numbers", "no such line, or a blank one")
        return None
    found = _dialect(lines, layout, faults)
    if found is None:
        return None
    dialect, start = found
    count = len(split(lines.texts[start], dialect.delimiter)) if start < len(lines) else 0
    if layout.header_rows is None:
        _ask_about_labelled_rows(lines, dialect, start, count, faults)
    columns = _Columns(count=count, names=column_names(lines.texts[:start], dialect, count), faults=faults)
    read = {"columns": _read_columns, "rows": _read_rows, "long": _read_long}[layout.kind or "columns"]
    sweeps = read(_Text(lines=lines, dialect=dialect, start=start, row=row, columns=columns), layout, faults)
    return None if faults else sweeps


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    lines: Lines
    dialect: Dialect
    start: int
    row: str | None
    """The line of intensities or times, taken out of ``lines``."""
    columns: _Columns

    def table(self, used: Iterable[int], faults: Faults) -> Table:
        """Parse; columns that are not used need not be numbers."""
        unused = set(range(self.columns.count)) - set(used)
        return parse(self.lines, self.dialect, self.start, faults, text_columns=sorted(unused))

    def row_numbers(self, wanted: Sequence[int], name: str, faults: Faults) -> FloatArray | None:
        """Return the cells of the line of intensities or times that belong to some columns."""
        if self.row is None:
            return None
        cells = split(self.row, self.dialect.delimiter)
        if len(cells) != self.columns.count:
            faults.add("", f"layout.{name}", f"a line of {self.columns.count} cells", f"{len(cells)} cells")
            return None
        values = [number(cells[index], self.dialect.decimal) for index in wanted]
        bad = [index for index, value in zip(wanted, values, strict=True) if value is None or not np.isfinite(value)]
        if bad:
            place = f"column {bad[0] + 1}"
            faults.add(place, f"layout.{name}", "a number", f"{cells[bad[0]][:30]!r}")
            return None
        return np.array(values, dtype=np.float64)


def _dialect(lines: Lines, layout: Layout, faults: Faults) -> tuple[Dialect, int] | None:
    if layout.delimiter is None or layout.decimal is None or layout.header_rows is None:
        stated = {"delimiter": layout.delimiter, "decimal": layout.decimal, "header_rows": layout.header_rows}
        return detect(lines, **stated, faults=faults)  # type: ignore[arg-type]  # mypy joins the types of the values
    if layout.delimiter == layout.decimal and not any('"' in line for line in lines.texts):
        faults.add("", "layout", "a delimiter that is not the decimal mark", f"{layout.decimal!r} for both")
        return None
    start = sum(line <= layout.header_rows for line in lines.numbers)
    return Dialect(delimiter=layout.delimiter, decimal=layout.decimal), start


def _read_columns(text: _Text, layout: Layout, faults: Faults) -> Sweeps | None:
    columns = text.columns
    time = _stated_time_column(layout, columns, faults)
    if layout.sample_columns is not None:
        data = _indices(layout.sample_columns, columns)
    else:
        data = [index for index in range(columns.count) if index != time]
    if time in data:
        faults.add("", "layout.sample_columns", "columns of samples", "the time column among them")
    _ask_about_header(layout, columns, faults)
    table = text.table([*data, *([time] if time is not None else [])], faults)
    intensity = text.row_numbers(data, "intensity_row", faults)
    if faults:
        return None
    if not data:
        faults.add("", "layout.sample_columns", "columns of samples", "none beside the time column")
        return None
    sweeps = Sweeps(
        remarks=Faults(faults.file),
        unit=_common_unit(columns, data, faults),
        intensity_unit=layout.intensity_unit or "",
    )
    _ask_about_first_column(layout, table.values, time, faults)
    first = None
    if time is not None:
        times = table.values[:, time] * _time_factor(layout, columns.name(time), faults)
        first = _take_time_axis(sweeps, times, [f"line {n}" for n in table.line_numbers], faults)
    samples = np.ascontiguousarray(table.values[:, data].T)
    _remark_on_nan(sweeps, table, data)
    starts = None if first is None else np.full(len(data), first)
    sweeps.blocks = (Block(channel="", samples=samples, first_ms=starts, intensity=intensity),)
    return sweeps


def _read_rows(text: _Text, layout: Layout, faults: Faults) -> Sweeps | None:
    columns = text.columns
    level = columns.index(layout.intensity_column, "intensity_column")
    if layout.sample_columns is not None:
        data = _indices(layout.sample_columns, columns)
    else:
        data = [index for index in range(columns.count) if index != level]
    table = text.table([*data, *([level] if level is not None else [])], faults)
    times = text.row_numbers(data, "time_row", faults)
    if faults or not data:
        return None
    sweeps = Sweeps(remarks=Faults(faults.file), intensity_unit=layout.intensity_unit or unit_of(columns.name(level)))
    first = None
    if times is not None:
        times = times * _time_factor(layout, "", faults)
        first = _take_time_axis(sweeps, times, [f"column {i + 1}" for i in data], faults)
    _remark_on_nan(sweeps, table, data)
    n_sweeps = table.values.shape[0]
    sweeps.blocks = (
        Block(
            channel="",
            samples=np.ascontiguousarray(table.values[:, data]),
            first_ms=None if first is None else np.full(n_sweeps, first),
            intensity=None if level is None else table.values[:, level].copy(),
        ),
    )
    return sweeps


def _read_long(text: _Text, layout: Layout, faults: Faults) -> Sweeps | None:
    columns = text.columns
    value = columns.index(layout.value_column, "value_column")
    sweep = columns.index(layout.sweep_column, "sweep_column")
    channel = columns.index(layout.channel_column, "channel_column")
    level = columns.index(layout.intensity_column, "intensity_column")
    time = columns.index(layout.time_column, "time_column")
    table = text.table([index for index in (value, level, time) if index is not None], faults)
    if faults or value is None or sweep is None:
        return None
    unit = unit_of(columns.name(value))
    sweeps = Sweeps(
        remarks=Faults(faults.file),
        unit=unit if voltage_factor(unit) is not None else "",
        intensity_unit=layout.intensity_unit or unit_of(columns.name(level)),
    )
    factor = _time_factor(layout, columns.name(time), faults) if time is not None else 1.0
    where = _LongColumns(value, sweep, time, level, channel, factor)
    blocks = []
    channels = np.zeros(len(table.values), dtype=np.intp) if channel is None else _keys(table, channel)
    for key in range(int(channels.max()) + 1):
        rows = np.flatnonzero(channels == key)
        block = _long_block(table, rows, where, sweeps, faults)
        if block is not None:
            blocks.append(block)
    _remark_on_nan(sweeps, table, [value])
    sweeps.blocks = tuple(blocks)
    return sweeps


def _long_block(
    table: Table, rows: NDArray[np.intp], where: _LongColumns, sweeps: Sweeps, faults: Faults
) -> Block | None:
    """Put the rows of one channel together to sweeps of equal length."""
    keys = _keys(table, where.sweep)[rows]
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    starts = np.flatnonzero(np.r_[True, np.diff(keys) != 0])
    lengths = np.diff(np.r_[starts, len(keys)])
    usual = int(np.bincount(lengths).argmax())
    for start, length in zip(starts[lengths != usual][:5], lengths[lengths != usual][:5], strict=True):
        place = f"line {table.line_numbers[int(rows[start])]}"
        faults.add(place, "sweep", f"{usual} samples as in most sweeps", f"{length} samples")
    if (lengths != usual).any():
        return None
    grid = rows.reshape(-1, usual)
    first = None
    if where.time is not None:
        times = table.values[grid, where.time] * where.factor
        odd = np.flatnonzero(
            np.abs((times - times[:, :1]) - (times[0] - times[0, 0])).max(axis=1) > 1e-3 * _step(times[0])
        )
        for index in odd[:5]:
            faults.add(
                f"line {table.line_numbers[int(grid[index, 0])]}", "time", "the time steps of the first sweep", "others"
            )
        _take_time_axis(sweeps, times[0], [f"line {table.line_numbers[int(row)]}" for row in grid[0]], faults)
        first = times[:, 0].copy()
    intensity = None
    if where.level is not None:
        levels = table.values[grid, where.level]
        for index in np.flatnonzero((levels != levels[:, :1]).any(axis=1))[:5]:
            place = f"line {table.line_numbers[int(grid[index, 0])]}"
            faults.add(place, "intensity", "one intensity in a sweep", "several")
        intensity = levels[:, 0].copy()
    name = "" if where.channel is None else split(table.lines[int(rows[0])], table.dialect.delimiter)[where.channel]
    return Block(channel=name, samples=table.values[grid, where.value].copy(), first_ms=first, intensity=intensity)


def _keys(table: Table, column: int) -> NDArray[np.intp]:
    """Return, for each row, the number of its value among the different values in order of first appearance."""
    values = table.values[:, column]
    kinds = values if not np.isnan(values).any() else np.array(table.texts(column))
    _, first, inverse = np.unique(kinds, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return np.asarray(rank[inverse], dtype=np.intp)


def _indices(references: Iterable[int | str], columns: _Columns) -> list[int]:
    found = [columns.index(reference, "sample_columns") for reference in references]
    return [index for index in found if index is not None]


def _stated_time_column(layout: Layout, columns: _Columns, faults: Faults) -> int | None:
    """Return the time column that the sidecar states, or that the header of the first column states with its unit."""
    if layout.time_column == "none":
        return None
    if layout.time_column is not None:
        return columns.index(layout.time_column, "time_column")
    name = columns.name(0) if columns.count else ""
    if not _TIME_NAME.fullmatch(name.strip()):
        return None
    if layout.time_unit is None and time_factor(unit_of(name)) is None:
        faults.add("", "layout.time_unit", "the unit of the time column", f"a column named {name!r}")
    return 0


def _ask_about_labelled_rows(lines: Lines, dialect: Dialect, start: int, count: int, faults: Faults) -> None:
    """One line with a word and numbers may be a header; several look like samples with a faulty first cell."""
    labelled = []
    for line, line_number in zip(lines.texts[:start], lines.numbers, strict=False):
        cells = split(line, dialect.delimiter)
        if len(cells) == count > 1 and all(number(cell, dialect.decimal) is not None for cell in cells[1:]):
            labelled.append((line_number, cells[0]))
    if len(labelled) > 1:
        hint = "State `layout.header_rows` in the sidecar if these lines are the header."
        found = f"{labelled[0][1][:30]!r}, and {len(labelled) - 1} more such lines"
        faults.add(f"line {labelled[0][0]}, column 1", "cell", "a number, or one line of names", found, hint)


def _ask_about_header(layout: Layout, columns: _Columns, faults: Faults) -> None:
    """Names that speak of an index or a time do not belong to columns of sweeps: ask rather than read nonsense."""
    if layout.kind is not None or layout.sample_columns is not None or columns.names is None:
        return
    odd = [name for name in columns.names if _INDEX_NAME.fullmatch(name.strip())]
    odd += [name for name in columns.names[1:] if _TIME_NAME.fullmatch(name.strip()) and layout.time_column is None]
    if odd:
        hint = 'State `layout.kind` in the sidecar: "columns", "rows" or "long".'
        faults.add("", "layout.kind", "a header that names sweeps", f"columns named {', '.join(odd[:5])}", hint)


def _ask_about_first_column(layout: Layout, values: FloatArray, time: int | None, faults: Faults) -> None:
    if time is not None or layout.time_column is not None or layout.sample_columns is not None:
        return
    if values.shape[0] < 3 or values.shape[1] < 2:
        return
    steps = np.diff(values[:, 0])
    if np.isfinite(steps).all() and steps.min() > 0 and np.ptp(steps) <= 1e-3 * float(np.median(steps)):
        hint = 'State `layout.time_column` in the sidecar: 1, or "none" if it is a sweep.'
        found = "an evenly rising column that nothing names"
        faults.add("column 1", "layout.time_column", "samples, or a stated time column", found, hint)


def _time_factor(layout: Layout, name: str, faults: Faults) -> float:
    """Return the factor to milliseconds."""
    named = time_factor(unit_of(name))
    stated = time_factor(layout.time_unit) if layout.time_unit is not None else None
    if named is not None and stated is not None and named != stated:
        faults.add("", "layout.time_unit", f"{layout.time_unit} (the sidecar)", f"{unit_of(name)} (the header)")
    factor = named if named is not None else stated
    if factor is None:
        faults.add("", "layout.time_unit", "the unit of the time column: s, ms or us", "nothing")
        return 1.0
    return factor


def _common_unit(columns: _Columns, data: Sequence[int], faults: Faults) -> str:
    """Return the unit that the header gives to all columns, or empty text."""
    units = {unit for unit in (unit_of(columns.name(index)) for index in data) if voltage_factor(unit) is not None}
    if len({voltage_factor(unit) for unit in units}) > 1:
        faults.add("", "unit", "one unit for all columns", ", ".join(sorted(units)))
    return min(units, default="")


def _step(times: FloatArray) -> float:
    return float(np.median(np.abs(np.diff(times)))) if len(times) > 1 else 1.0


def _take_time_axis(sweeps: Sweeps, times: FloatArray, places: Sequence[str], faults: Faults) -> float | None:
    """Set the rate from a time axis (milliseconds) and return its first time, or ``None`` with a fault noted."""
    if len(times) < 2 or not np.isfinite(times).all():
        faults.add(places[0] if places else "", "time", "at least two times, all of them numbers", f"{len(times)}")
        return None
    steps = np.diff(times)
    typical = float(np.median(steps))
    unit = _last_place(times)
    even = max(1e-5 * abs(typical), 4 * float(np.spacing(np.abs(times).max())))
    # below half a step, unevenness of one unit of the last place is rounding; above, it could hide a lost sample
    allowed = max(even, 1.02 * unit) if unit < 0.48 * abs(typical) else even
    odd = np.flatnonzero(np.abs(steps - typical) > allowed)
    if typical <= 0 or len(odd):
        index = int(odd[0]) if len(odd) else 0
        found = f"{steps[index]:.6g} ms" + (f", and {len(odd) - 1} more uneven steps" if len(odd) > 1 else "")
        faults.add(places[index + 1], "time", f"steps of {abs(typical):.6g} ms, forward", found)
        return None
    span = float(times[-1] - times[0])
    rate = 1e3 * len(steps) / span
    # float noise of a computed time axis must not become a rate of 9999.999999999989 Hz
    sweeps.rate_hz = float(round(rate)) if abs(rate - round(rate)) <= 1e-9 * rate else rate
    if np.abs(steps - typical).max() > even:
        sweeps.rate_sd_hz = rate * unit / span
    if sweeps.rate_sd_hz > _COARSE * rate:
        between = f"{rate - sweeps.rate_sd_hz:.6g} to {rate + sweeps.rate_sd_hz:.6g} Hz"
        hint = f"The rate may be {between}: state `sampling_rate_hz` in the sidecar."
        sweeps.remarks.add(places[0], "time", "times that fix the rate", f"times rounded to {unit:g} ms", hint)
    return float(times[0])


def _last_place(times: FloatArray) -> float:
    """Return the last decimal place that the times use, in their unit; the float's own precision where they use all."""
    noise = float(np.abs(times).max()) * 1e-12
    for decimals in range(10):
        unit = 10.0**-decimals
        if np.abs(times / unit - np.round(times / unit)).max() <= max(noise / unit, 1e-9):
            return unit
    return noise


def _remark_on_nan(sweeps: Sweeps, table: Table, data: Sequence[int]) -> None:
    rows = np.flatnonzero(np.isnan(table.values[:, data]).any(axis=1))
    if len(rows):
        places = ", ".join(str(table.line_numbers[int(row)]) for row in rows[:5])
        place = f"line{'s' if len(rows) > 1 else ''} {places}{' …' if len(rows) > 5 else ''}"
        hint = "Sweeps with such samples are kept, but no response can be marked in them."
        sweeps.remarks.add(place, "sample", "a number", "NaN", hint)
