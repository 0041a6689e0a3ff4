"""All visits of one subject side by side: a line per number, a column per date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncs.cli._numbers import Notes, number
from ncs.cli._output import clean, print_lines, print_table, stdout, table
from ncs.quantities import QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncs.results import Measurement, VisitResult

__all__ = ["print_subject"]

_Key = tuple[str, str, str, str]
_COLUMN_WIDTH = 16


def print_subject(subject: str, visits: Mapping[str, Sequence[VisitResult]]) -> None:
    """Print every number of every visit; ``visits`` maps a date to the results of its files, oldest first."""
    numbers: dict[_Key, dict[str, list[Measurement]]] = {}
    for date, results in visits.items():
        for m in (m for result in results for m in result.measurements):
            numbers.setdefault(_key(m), {}).setdefault(date, []).append(m)
    notes = Notes()
    print_lines(clean(subject), "")
    dates = list(visits)
    at_once = max(1, (stdout().width - 70) // _COLUMN_WIDTH)
    for start in range(0, len(dates), at_once):
        some = dates[start : start + at_once]
        columns = [(name, "left") for name in ("nerve", "where", "quantity", "unit")]
        lines = [
            [*_words(key), *(" / ".join(number(m, notes) for m in by_date.get(date, ())) for date in some)]
            for key, by_date in numbers.items()
        ]
        print_table(table([*columns, *((date, "right") for date in some)], lines))
        print_lines("")
    print_lines(*notes.lines())


def _key(m: Measurement) -> _Key:
    nerve = f"{m.side.value if m.side is not None else 'side?'} {m.nerve or 'nerve?'}"
    technique = m.technique.value if m.technique is not None else "technique?"
    return (nerve, technique, m.segment or m.site or "", m.quantity)


def _words(key: _Key) -> tuple[str, str, str, str]:
    nerve, technique, where, quantity = key
    row = QUANTITIES[quantity]
    unit = "" if row.display_unit == "1" else row.display_unit
    return (f"{nerve} {technique}", where, quantity.replace("_", " "), unit)
