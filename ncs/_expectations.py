"""The files of a set for ``ncs check``: what is expected of a recording, and how far each quantity may move.

How they look stands in ``docs/check.md``; whoever changes the form here makes the frozen sets anew.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from ncs.errors import FileAccessError, InvalidInputError, Problem
from ncs.io._in_one_step import write_in_one_step

__all__ = [
    "EXPECTED", "MEASURED_MARKS", "TOLERANCES", "Content", "Entry", "Place", "Tolerances", "digest", "expected_path",
    "load", "mark_unit", "no_access", "read_entries", "read_tolerances", "recording_of",
    "write_entries",
]  # fmt: skip

EXPECTED: Final = ".expected.json"
"""Ending of the file beside a recording that says what is expected of it; it replaces the recording's own ending."""
TOLERANCES: Final = "tolerances.json"
"""Name of the file that says how far each quantity may move."""

MEASURED_MARKS = ("onset_ms", "peak_ms", "end_ms", "trough_ms", "peak_uv")
_UNITS = {"ms": "ms", "uv": "uV"}
_FORM = 1

Content: TypeAlias = "float | str | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What was measured or marked, and where.

    Parameters
    ----------
    quantity
        Name of a measurement, or field of a mark (``"onset_ms"``, ``"outcome"``).
    study
        Index into the studies of the file.
    site, segment
        As in `Measurement`.
    trace, response
        Of a mark: index of the trace in its study, and what was marked; ``None`` for a measurement.
    sweep
        Of a mark: index of the sweep; ``None`` for the response that the measurements rest on.
    number
        Tells places apart that are alike otherwise; from 0.
    """

    quantity: str
    study: int = 0
    site: str | None = None
    segment: str | None = None
    trace: int | None = None
    response: str | None = None
    sweep: int | None = None
    number: int = 0

    @property
    def is_mark(self) -> bool:
        """Whether this is a mark of a trace, and no measurement."""
        return self.trace is not None

    @property
    def words(self) -> str:
        """The place without the quantity, for people."""
        site, segment = self.site or "", self.segment or ""
        words = [segment] if site in segment else [site, segment]
        if self.response is not None:
            words.append(self.response)
        if self.sweep is not None:
            words.append(f"sweep {self.sweep + 1}")
        return ", ".join(word for word in words if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What stands at a place.

    Parameters
    ----------
    value, sd
        In ``unit``; ``None`` where there is none.
    word
        Why there is no value, or the outcome of a mark; empty where there is nothing to say.
    unit, flags
        As in `Measurement`.
    truth
        What is true there; ``None`` where nobody knows.
    """

    value: float | None = None
    sd: float | None = None
    word: str = ""
    unit: str = ""
    flags: tuple[str, ...] = ()
    truth: Content = None


_PLACES = tuple(Place.__dataclass_fields__)
_CONTENTS = tuple(Entry.__dataclass_fields__)
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(("quantity", "site", "segment", "response", "word", "unit"), (str,)),
    **dict.fromkeys(("study", "trace", "sweep", "number"), (int,)),
    **dict.fromkeys(("value", "sd"), (int, float)),
    "truth": (int, float, str),
    "flags": (list,),
}
"""What may stand in an entry of the file, by name; what is absent is left out, never null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How far each quantity may move, in its own unit; marks by field, measurements by quantity."""

    measurements: Mapping[str, float]
    marks: Mapping[str, float]

    def of(self, place: Place) -> float | None:
        """Return the tolerance of a place."""
        return (self.marks if place.is_mark else self.measurements).get(place.quantity)


def read_tolerances(folder: Path) -> Tolerances:
    """Return the tolerances of a set.

    Raises
    ------
    FileAccessError
        When they cannot be read.
    InvalidInputError
        When one is not a number above zero, or its unit is not that of the quantity.
    """
    from ncs.quantities import QUANTITIES

    path = folder / TOLERANCES
    document = load(path)
    units = {name: row.unit for name, row in QUANTITIES.items()}
    tables, faults = [], []
    for section in ("measurements", "marks"):
        table = {}
        for name, row in _table(path, document, section).items():
            tolerance = row.get("tolerance") if isinstance(row, dict) else None
            unit = units.get(name) if section == "measurements" else mark_unit(name)
            if not isinstance(tolerance, int | float) or isinstance(tolerance, bool) or not 0 < tolerance < math.inf:
                faults.append(f"{section}.{name}.tolerance: expected a number above 0, found {tolerance!r}")
            elif row.get("unit") != unit:
                faults.append(f"{section}.{name}.unit: expected {unit}, found {row.get('unit')!r}")
            else:
                table[name] = float(tolerance)
        tables.append(table)
    if faults:
        raise InvalidInputError(f"{path}: " + "; ".join(faults))
    return Tolerances(measurements=tables[0], marks=tables[1])


def expected_path(recording: Path) -> Path:
    """Return the path of the expectation of a recording."""
    return recording.with_name(recording.stem + EXPECTED)


def recording_of(path: Path) -> str:
    """Return the name of the recording that an expectation belongs to.

    Raises
    ------
    FileAccessError
        When the expectation cannot be read.
    InvalidInputError
        When it is of another form, or does not name the recording beside which it lies.
    """
    document = load(path)
    if document.get("ncs_expected") != _FORM:
        raise InvalidInputError(f"{path}: $.ncs_expected: expected {_FORM}, found {document.get('ncs_expected')!r}")
    name = document.get("recording")
    if not isinstance(name, str) or Path(name).name != name or expected_path(Path(name)).name != path.name:
        stem = path.name.removesuffix(EXPECTED)
        raise InvalidInputError(f"{path}: $.recording: expected the name of a file {stem}.*, found {name!r}")
    return name


def mark_unit(name: str) -> str | None:
    """Return the unit of a field of a mark; ``None`` where there is no such field."""
    return _UNITS.get(name.rpartition("_")[2]) if name in MEASURED_MARKS else None


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_entries(path: Path, document: Mapping[str, Any]) -> Iterator[tuple[Place, Entry]]:
    """Yield what an expectation says; nothing where the document is empty.

    Raises
    ------
    InvalidInputError
        When an entry is not as it must be.
    """
    for section in ("measurements", "marks") if document else ():
        rows = document.get(section)
        if not isinstance(rows, list):
            raise InvalidInputError(f"{path}: $.{section}: expected a list, found {type(rows).__name__}")
        for number, row in enumerate(rows):
            if fault := _fault(row):
                raise InvalidInputError(f"{path}: $.{section}[{number}]{fault}")
            content = {name: row[name] for name in _CONTENTS if name in row}
            for name in ("value", "sd"):
                content[name] = None if row.get(name) is None else float(row[name])
            content["flags"] = tuple(row.get("flags", ()))
            yield Place(**{name: row[name] for name in _PLACES if name in row}), Entry(**content)


def _fault(row: Any) -> str:
    """Return what is wrong with an entry as it stands in the file; empty where nothing is."""
    if not isinstance(row, dict):
        return f": expected an object, found {type(row).__name__}"
    if not isinstance(row.get("quantity"), str):
        return f".quantity: expected a name, found {row.get('quantity')!r}"
    for name, value in row.items():
        kinds = _KINDS.get(name)
        if kinds is None:
            return f".{name}: expected one of {', '.join(_KINDS)}, found another name"
        is_odd = isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value))
        if is_odd or not isinstance(value, kinds):
            return f".{name}: expected {' or '.join(kind.__name__ for kind in kinds)}, found {value!r}"
    if not all(isinstance(flag, str) for flag in row.get("flags", ())):
        return f".flags: expected names, found {row['flags']!r}"
    return ""


def write_entries(recording: Path, about: str, entries: Mapping[Place, Entry]) -> None:
    """Write an expectation, one line per entry, so that a difference between two versions can be read."""
    head = {"ncs_expected": _FORM, "recording": recording.name, "sha256": digest(recording), "about": about}
    parts = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    for section, is_mark in (("measurements", False), ("marks", True)):
        rows = [_row(at, entry) for at, entry in entries.items() if at.is_mark is is_mark]
        parts.append(f' "{section}": [\n' + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n ]")
    path = expected_path(recording)
    try:
        write_in_one_step(path, ("{\n" + ",\n".join(parts) + "\n}\n").encode())
    except OSError as error:
        hint = "What was expected stays as it was. Free some space, or check the permissions, then update again."
        raise no_access(path, "a file that can be written", error, hint) from error


def _row(place: Place, entry: Entry) -> dict[str, Any]:
    """Return an entry as it stands in the file: what is absent is left out."""
    row = asdict(place) | asdict(entry)
    row["flags"] = list(entry.flags)
    absent: Sequence[Any] = (None, "", [])
    return {name: value for name, value in row.items() if value not in absent and (name, value) != ("number", 0)}


def load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise no_access(path, "a JSON file that can be read", error) from error
    except ValueError as error:
        raise InvalidInputError(f"{path}: expected JSON, found something else: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInputError(f"{path}: expected a JSON object, found {type(document).__name__}")
    return document


def _table(path: Path, document: Mapping[str, Any], section: str) -> dict[str, Any]:
    table = document.get(section)
    if not isinstance(table, dict):
        raise InvalidInputError(f"{path}: $.{section}: expected an object, found {type(table).__name__}")
    return table


def no_access(path: Path, expected: str, error: OSError, hint: str = "") -> FileAccessError:
    found = (error.strerror or str(error)).lower()
    hint = hint or f"A set for `ncs check` holds {TOLERANCES}, recordings, and STEM{EXPECTED} for each."
    return FileAccessError([Problem(file=str(path), place="", field="", expected=expected, found=found, hint=hint)])
