"""Covariates from a CSV file into the store: read with every mistake at once, matched to visits, kept once."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncs.errors import FileAccessError, InvalidInputError, Problem, ReadError
from ncs.longitudinal._covariates import beyond_limit

if TYPE_CHECKING:
    from ncs.store import Store

__all__ = ["WITHIN_DAYS", "CovariateLine", "ImportSummary", "import_covariates", "read_covariates"]

WITHIN_DAYS = 7

_NEEDED = ("subject", "date", "name", "value", "unit")
_OPTIONAL = ("upper_limit",)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CovariateLine:
    """One line of the file; ``value`` is text where it is below or above what is detected."""

    line: int
    subject: str
    date: dt.date
    name: str
    value: float | str
    unit: str = ""
    upper_limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What became of a file of covariates.

    Parameters
    ----------
    lines
        Values in the file.
    stored, unchanged
        Values that are new, and that were in force already.
    moved
        Values that carry another date than their visit.
    visits
        Visits that got or had a value.
    left_out
        One problem per value that belongs to no visit; nothing of it is stored.
    """

    file: str
    lines: int
    stored: int
    unchanged: int
    moved: int
    visits: int
    within_days: int
    left_out: tuple[Problem, ...]

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.lines} values; {self.stored} stored, {self.unchanged} already stored, "
            f"{len(self.left_out)} left out"
        )


def import_covariates(
    store: Store,
    path: str | Path,
    *,
    within_days: int = WITHIN_DAYS,
    upper_limits: Mapping[str, float] | None = None,
) -> ImportSummary:
    """Read a file of covariates and keep them with the visits they belong to; again changes nothing.

    Parameters
    ----------
    store
        As returned by ``ncs.open_store``.
    path
        CSV with the columns ``subject, date, name, value, unit`` and, if wanted, ``upper_limit``.
    within_days
        A value belongs to the nearest visit of its subject, at most so many days away; of two equally near visits to
        the earlier one. Where several values of a name belong to one visit, the nearest counts.
    upper_limits
        Name to upper limit of normal, for values that state none themselves.

    Raises
    ------
    FileAccessError
        When the file cannot be opened.
    ReadError
        When it has mistakes; all of them are listed, and nothing is stored.
    InvalidInputError
        When an upper limit is given for a name that the file does not have.
    """
    if within_days < 0:
        raise InvalidInputError(f"within_days: expected 0 or more, found {within_days}")
    file = Path(path)
    lines = _with_limits(read_covariates(file), upper_limits or {}, file.name)
    matched, left_out = _match(lines, _visit_dates(store), within_days, file.name)
    in_force = {
        (row["subject"], dt.date.fromisoformat(row["date"]), row["name"]): row
        for row in store.covariates().to_dict(orient="records")
    }
    _check_units(lines, matched, in_force, file.name)
    new = [
        (visit, one) for visit, one in matched if not _same(one, visit, in_force.get((one.subject, visit, one.name)))
    ]
    with store.transaction():
        for visit, one in new:
            store.add_covariates(
                one.subject,
                visit,
                {one.name: one.value},
                source=file.name,
                units={one.name: one.unit},
                upper_limits={} if one.upper_limit is None else {one.name: one.upper_limit},
                stated_date=None if one.date == visit else one.date,
            )
    return ImportSummary(
        file=str(path),
        lines=len(lines),
        stored=len(new),
        unchanged=len(matched) - len(new),
        moved=sum(visit != one.date for visit, one in matched),
        visits=len({(one.subject, visit) for visit, one in matched}),
        within_days=within_days,
        left_out=tuple(left_out),
    )


def read_covariates(path: Path) -> tuple[CovariateLine, ...]:
    """Read the file; columns may be separated by commas, semicolons or tabs.

    Raises
    ------
    FileAccessError, ReadError
        As ``import_covariates``.
    """
    text = _text(path)
    header = next(iter(text.splitlines()), "")
    delimiter = max(",;\t", key=header.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    faults = _Faults(path.name)
    columns = _header(next(table, []), faults)
    faults.stop()
    lines = [
        _line(cells, columns, table.line_num, delimiter, faults)
        for cells in table
        if any(cell.strip() for cell in cells)
    ]
    known = [line for line in lines if line is not None]
    if not lines:
        faults.add(2, "", "at least one value", "none", "Put one value on each line below the header.")
    _check_names(known, faults)
    kept = _check_repeats(known, faults)
    faults.stop()
    return tuple(kept)


class _Faults:
    """Every mistake of one file, in the order of its lines."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._problems: list[tuple[int, Problem]] = []

    def add(self, line: int, field: str, expected: str, found: str, hint: str = "") -> None:
        problem = Problem(file=self._file, place=f"line {line}", field=field, expected=expected, found=found, hint=hint)
        self._problems.append((line, problem))

    def stop(self) -> None:
        """Raise if there is any mistake."""
        if self._problems:
            raise ReadError(problem for _, problem in sorted(self._problems, key=lambda pair: pair[0]))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8").removeprefix("\ufeff")
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        problem = Problem(file=str(path), place="", field="", expected="a file that can be opened", found=found)
        raise FileAccessError([problem]) from error
    except UnicodeDecodeError as error:
        problem = Problem(
            file=path.name, place=f"byte {error.start}", field="", expected="text in UTF-8",
            found=f"byte 0x{error.object[error.start]:02x}", hint="Save the table as CSV in UTF-8.",
        )  # fmt: skip
        raise ReadError([problem]) from error


def _header(cells: list[str], faults: _Faults) -> dict[str, int]:
    names = [cell.strip().casefold() for cell in cells]
    hint = f"The first line names the columns: {','.join(_NEEDED)} and, if wanted, {_OPTIONAL[0]}."
    missing = [name for name in _NEEDED if name not in names]
    unknown = [name for name in names if name not in (*_NEEDED, *_OPTIONAL)]
    if missing:
        faults.add(1, "", f"a column {', '.join(missing)}", ", ".join(names) or "none", hint)
    for name in unknown if not missing else ():
        faults.add(1, "", "known columns", repr(name), hint)
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add(1, name, "the column once", "it twice")
    return {name: index for index, name in enumerate(names)}


def _line(
    cells: list[str], columns: Mapping[str, int], number: int, delimiter: str, faults: _Faults
) -> CovariateLine | None:
    if len(cells) != len(columns):
        hint = "" if delimiter != "," else "A decimal comma needs semicolons between the columns."
        faults.add(number, "", f"{len(columns)} columns", str(len(cells)), hint)
        return None
    cell = {name: cells[index].strip() for name, index in columns.items()}
    for name in ("subject", "name"):
        if not cell[name]:
            faults.add(number, name, "a code" if name == "subject" else "a name", "none")
    date = _date(cell["date"], number, faults)
    value = _value(cell["value"], number, delimiter, faults)
    limit = _limit(cell.get("upper_limit", ""), number, delimiter, faults)
    if date is None or value is None or not cell["subject"] or not cell["name"]:
        return None
    return CovariateLine(
        line=number,
        subject=cell["subject"],
        date=date,
        name=cell["name"],
        value=value,
        unit=cell["unit"],
        upper_limit=limit,
    )


def _date(text: str, number: int, faults: _Faults) -> dt.date | None:
    try:
        if _DATE.fullmatch(text):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    faults.add(number, "date", "a date as YYYY-MM-DD", repr(text))
    return None


def _value(text: str, number: int, delimiter: str, faults: _Faults) -> float | str | None:
    plain = text if delimiter == "," else text.replace(",", ".")
    found = _as_number(plain)
    if found is not None:
        return found
    below, above = beyond_limit(plain)
    if below is not None:
        return f"<{plain.strip()[1:].strip()}"
    if above is not None:
        return f">{plain.strip()[1:].strip()}"
    hint = "" if text else "Leave the line out where nothing was measured."
    faults.add(number, "value", "a number, or one with < or > before it", repr(text) if text else "none", hint)
    return None


def _limit(text: str, number: int, delimiter: str, faults: _Faults) -> float | None:
    if not text:
        return None
    found = _as_number(text if delimiter == "," else text.replace(",", "."))
    if found is None:
        faults.add(number, "upper_limit", "a number or nothing", repr(text))
    return found


def _as_number(text: str) -> float | None:
    found = float(text) if _NUMBER.fullmatch(text) else math.inf
    return found if math.isfinite(found) else None


def _check_names(lines: Iterable[CovariateLine], faults: _Faults) -> None:
    """One name has one spelling, one unit and one upper limit all through the file."""
    first: dict[str, CovariateLine] = {}
    limits: dict[str, CovariateLine] = {}
    for one in lines:
        known = first.setdefault(one.name.casefold(), one)
        if one.name != known.name:
            faults.add(one.line, "name", f"{known.name!r} as in line {known.line}", repr(one.name))
        if one.unit != known.unit:
            faults.add(one.line, "unit", f"{known.unit!r} as in line {known.line}", repr(one.unit))
        if one.upper_limit is not None:
            stated = limits.setdefault(one.name.casefold(), one)
            if one.upper_limit != stated.upper_limit:
                faults.add(
                    one.line, "upper_limit", f"{stated.upper_limit:g} as in line {stated.line}", f"{one.upper_limit:g}"
                )


def _check_repeats(lines: Iterable[CovariateLine], faults: _Faults) -> list[CovariateLine]:
    first: dict[tuple[str, dt.date, str], CovariateLine] = {}
    for one in lines:
        known = first.setdefault((one.subject, one.date, one.name), one)
        if one.value != known.value:
            faults.add(
                one.line, "value", f"one value of {one.name} for {one.subject} on {one.date}",
                f"{one.value!r}, and {known.value!r} in line {known.line}",
            )  # fmt: skip
    return list(first.values())


def _with_limits(lines: Iterable[CovariateLine], limits: Mapping[str, float], file: str) -> tuple[CovariateLine, ...]:
    lines = tuple(lines)
    given = {name.casefold(): limit for name, limit in limits.items()}
    for name, limit in limits.items():
        if not math.isfinite(limit):
            raise InvalidInputError(f"upper limit of {name}: expected a number, found {limit}")
        stated = [one for one in lines if one.name.casefold() == name.casefold()]
        if not stated:
            names = ", ".join(dict.fromkeys(one.name for one in lines))
            raise InvalidInputError(f"upper limit: expected a name in {file} ({names}), found {name!r}")
        other = next((one for one in stated if one.upper_limit not in {None, limit}), None)
        if other is not None:
            raise InvalidInputError(
                f"upper limit of {name}: expected {other.upper_limit:g} as in line {other.line} of {file}, "
                f"found {limit:g}. Change one of them."
            )
    return tuple(
        one if one.upper_limit is not None else replace(one, upper_limit=given.get(one.name.casefold()))
        for one in lines
    )


def _visit_dates(store: Store) -> dict[str, list[dt.date]]:
    """Return the dates of all visits with recordings."""
    dates: dict[str, list[dt.date]] = defaultdict(list)
    for row in store.visits().to_dict(orient="records"):
        if row["files"]:
            dates[row["subject"]].append(dt.date.fromisoformat(row["date"]))
    return dates


def _match(
    lines: Iterable[CovariateLine], visits: Mapping[str, list[dt.date]], within_days: int, file: str
) -> tuple[list[tuple[dt.date, CovariateLine]], list[Problem]]:
    best: dict[tuple[str, dt.date, str], CovariateLine] = {}
    left_out: list[tuple[int, Problem]] = []
    for one in lines:
        visit = min(visits.get(one.subject, ()), key=lambda date: (abs(date - one.date), date), default=None)
        if visit is None or abs((visit - one.date).days) > within_days:
            left_out.append((one.line, _homeless(one, visit, visits, within_days, file)))
            continue
        key = (one.subject, visit, one.name)
        rival = best.setdefault(key, one)
        if rival is not one:
            nearer, other = sorted((rival, one), key=lambda line: (abs(visit - line.date), line.date))
            best[key] = nearer
            found = f"{other.date}, and a nearer value of {nearer.date} in line {nearer.line}"
            left_out.append(
                (other.line, _problem(other, file, "date", f"one {one.name} for the visit of {visit}", found))
            )
    matched = [(key[1], one) for key, one in best.items()]
    return matched, [problem for _, problem in sorted(left_out, key=lambda pair: pair[0])]


def _homeless(
    one: CovariateLine, nearest: dt.date | None, visits: Mapping[str, list[dt.date]], within_days: int, file: str
) -> Problem:
    if nearest is None:
        known = sorted(visits)
        shown = ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")
        hint = f"The store holds visits of {shown}." if known else "Analyse recordings first."
        return _problem(one, file, "subject", "a subject with a visit in the store", repr(one.subject), hint)
    days = abs((nearest - one.date).days)
    return _problem(
        one, file, "date", f"a visit of {one.subject} within {within_days} days of {one.date}",
        f"the nearest on {nearest}, {days} days away", f"Allow more days: --within {days}",
    )  # fmt: skip


def _problem(one: CovariateLine, file: str, field: str, expected: str, found: str, hint: str = "") -> Problem:
    return Problem(file=file, place=f"line {one.line}", field=field, expected=expected, found=found, hint=hint)


def _same(one: CovariateLine, visit: dt.date, row: Mapping[Any, Any] | None) -> bool:
    """Return whether a value is in force already, whatever the file it came from."""
    if row is None:
        return False
    value = row["text"] if isinstance(row["text"], str) else row["number"]
    taken = None if one.date == visit else one.date.isoformat()
    limit = None if row["upper_limit"] is None or math.isnan(row["upper_limit"]) else row["upper_limit"]
    unit = row["unit"] if isinstance(row["unit"], str) else ""
    stated = row["stated_date"] if isinstance(row["stated_date"], str) else None
    return (value, unit, limit, stated) == (one.value, one.unit, one.upper_limit, taken)


def _check_units(
    lines: Iterable[CovariateLine],
    matched: Iterable[tuple[dt.date, CovariateLine]],
    in_force: Mapping[tuple[str, dt.date, str], Mapping[Any, Any]],
    file: str,
) -> None:
    """Refuse a file that would leave one name with two units or spellings in the store."""
    replaced = {(one.subject, visit, one.name) for visit, one in matched}
    first = {one.name.casefold(): one for one in reversed(tuple(lines))}
    problems: dict[str, Problem] = {}
    for key, row in in_force.items():
        one = first.get(row["name"].casefold())
        if one is None or key in replaced:
            continue
        where = f"as for {row['subject']} on {row['date']} in the store"
        unit = row["unit"] if isinstance(row["unit"], str) else None
        if row["name"] != one.name:
            problems[one.name] = _problem(one, file, "name", f"{row['name']!r} {where}", repr(one.name))
        elif unit is not None and unit != one.unit:
            problems[one.name] = _problem(one, file, "unit", f"{unit!r} {where}", repr(one.unit))
    if problems:
        raise ReadError(problems.values())
