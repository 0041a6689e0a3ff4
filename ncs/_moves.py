"""What moved between two results: every measurement and mark by its place, old against new, and the rows of a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from ncs._expectations import MEASURED_MARKS, Content, Entry, Place, Tolerances, mark_unit

if TYPE_CHECKING:
    from ncs.results import Measurement, TraceMarks, VisitResult

__all__ = ["COLUMNS", "Move", "cells", "content", "entries", "exceeds", "measurement_entries", "moves"]

_NOTHING: Final = 1e-3
"""A difference below this share of the tolerance is arithmetic, and no movement."""
_DIGITS: Final = 9
_ROUNDING: Final = 1e-9
_SWEEP_MARKS: Final = ("onset_ms", "peak_uv")

COLUMNS: Final = (
    ("quantity", "left"), ("where", "left"), ("expected", "right"), ("now", "right"), ("moved", "right"),
    ("tolerance", "right"), ("true", "right"), ("", "left"),
)  # fmt: skip
"""Headings of a table of moves, and to which side their columns are set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One thing that is not as it was expected.

    Parameters
    ----------
    what
        ``"value"`` and ``"sd"`` moved by some amount; a ``"reason"`` (or outcome), ``"flags"`` or the ``"unit"``
        changed; something expected is ``"missing"``, or something is there that was not expected (``"extra"``).
    place
        Where.
    old, new
        Expected and found.
    unit, truth
        As in `Entry`.
    tolerance
        How far a value or standard deviation may move; ``None`` where the set states none.
    breach
        Whether it moved farther than that. What is not a number breaches whenever it changes.
    """

    what: Literal["value", "sd", "reason", "flags", "unit", "missing", "extra"]
    place: Place
    old: Content
    new: Content
    unit: str = ""
    truth: Content = None
    tolerance: float | None = None
    breach: bool = True


def moves(expected: Mapping[Place, Entry], found: Mapping[Place, Entry], tolerances: Tolerances) -> Iterator[Move]:
    """Yield what is not as it was expected, measurements before marks."""
    for place in sorted({**expected, **found}, key=lambda at: at.is_mark):
        old, new = expected.get(place), found.get(place)
        if new is None and old is not None:
            yield Move(what="missing", place=place, old=content(old), new=None, unit=old.unit, truth=old.truth)
        elif old is None and new is not None:
            yield Move(what="extra", place=place, old=None, new=content(new), unit=new.unit)
        elif old is not None and new is not None:
            yield from _changes(place, old, new, tolerances.of(place))


def _changes(place: Place, old: Entry, new: Entry, tolerance: float | None) -> Iterator[Move]:
    if old.unit != new.unit:
        yield Move(what="unit", place=place, old=old.unit, new=new.unit)
        return
    if (old.value is None) != (new.value is None) or old.word != new.word:
        yield Move(what="reason", place=place, old=content(old), new=content(new), unit=old.unit, truth=old.truth)
    elif old.value is not None and new.value is not None:
        move = Move(what="value", place=place, old=old.value, new=new.value, unit=old.unit, truth=old.truth)
        yield from _numbers(move, old.value, new.value, tolerance)
        if old.sd is not None and new.sd is not None:
            sd = Move(what="sd", place=place, old=old.sd, new=new.sd, unit=old.unit)
            yield from _numbers(sd, old.sd, new.sd, tolerance)
        elif old.sd is not new.sd:
            yield Move(what="sd", place=place, old=old.sd, new=new.sd, unit=old.unit, tolerance=tolerance)
    if old.flags != new.flags:
        yield Move(what="flags", place=place, old=" ".join(old.flags), new=" ".join(new.flags))


def _numbers(move: Move, old: float, new: float, tolerance: float | None) -> Iterator[Move]:
    """Yield a move of a number that is more than arithmetic; without a tolerance nothing may move."""
    by = abs(new - old)
    least = 10.0 ** (1 - _DIGITS) * abs(old)
    if by > max(_NOTHING * (tolerance or 0.0), least):
        yield replace(move, tolerance=tolerance, breach=tolerance is None or exceeds(by, tolerance))


def exceeds(by: float, tolerance: float) -> bool:
    """Return whether a number moved farther than it may; what differs in the last digits is no more than allowed.

    >>> exceeds(3.42 - 3.40, 0.02), exceeds(0.0201, 0.02)
    (False, True)
    """
    return by > tolerance * (1 + _ROUNDING)


def content(entry: Entry) -> Content:
    """Return the value of an entry, or the word in its place."""
    return entry.word if entry.value is None else entry.value


def entries(result: VisitResult) -> dict[Place, Entry]:
    """Return everything that an analysis gave, by its place."""
    found = measurement_entries(result.measurements)
    for marks in result.marks:
        site = result.visit.studies[marks.study_index].traces[marks.trace_index].stimulation_site
        found |= _of_trace(marks, site)
    return found


def measurement_entries(measurements: Iterable[Measurement]) -> dict[Place, Entry]:
    """Return measurements by their places; those of one place are counted."""
    found: dict[Place, Entry] = {}
    times: Counter[Place] = Counter()
    for m in measurements:
        at = Place(quantity=m.quantity, study=m.study_index, site=m.site, segment=m.segment)
        found[replace(at, number=times[at])] = _measurement(m)
        times[at] += 1
    return found


def _measurement(m: Measurement) -> Entry:
    word = "" if m.reason is None else m.reason.value
    return Entry(value=_rounded(m.value), sd=_rounded(m.sd), word=word, unit=m.unit, flags=tuple(sorted(m.flags)))


def _of_trace(marks: TraceMarks, site: str | None) -> Iterator[tuple[Place, Entry]]:
    from ncs.detect.marks import Outcome

    sweeps = range(len(marks.sweeps)) if len(marks.sweeps) > 1 else range(0)
    kinds = [(marks.measured, None, 0, MEASURED_MARKS)]
    kinds_of_sweeps = [(marks.sweeps, sweep, sweep, _SWEEP_MARKS) for sweep in sweeps]
    for source, sweep, index, names in [*kinds, *kinds_of_sweeps]:
        place = Place(
            quantity="outcome", study=marks.study_index, site=site, trace=marks.trace_index, response=marks.response,
            sweep=sweep,
        )  # fmt: skip
        yield place, Entry(word=Outcome(int(source.outcome[index])).name.lower())
        for name in names:
            value = float(getattr(source, name)[index])
            yield replace(place, quantity=name), Entry(value=_rounded(value), unit=mark_unit(name) or "")


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")


def cells(move: Move) -> list[str]:
    """Return what a line says of one move, under ``COLUMNS``."""
    quantity = move.place.quantity + ("" if move.what in {"value", "reason"} else f" ({move.what})")
    unit = f" {move.unit}" if move.unit and move.unit != "1" else ""
    is_amount = isinstance(move.old, float) and isinstance(move.new, float)
    return [
        quantity,
        move.place.words,
        _word(move.old),
        _word(move.new) + (unit if isinstance(move.new, float) else ""),
        f"{move.new - move.old:+.4g}" if isinstance(move.old, float) and isinstance(move.new, float) else "",
        "" if move.tolerance is None else f"{move.tolerance:g}",
        "" if move.truth is None else _word(move.truth),
        "BREACH" if move.breach else ("within" if is_amount else ""),
    ]


def _word(content: float | str | None) -> str:
    if content is None:
        return "-"
    return content or "-" if isinstance(content, str) else f"{content:.6g}"
