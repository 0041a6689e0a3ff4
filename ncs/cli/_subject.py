"""All visits of one subject side by side: a table per nerve, a line per number, a column per date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncs.cli._output import clean, fits, print_lines, print_table, table
from ncs.quantities import QUANTITIES
from ncs.report.numbers import Notes, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from ncs.results import Measurement, VisitResult

__all__ = ["print_subject"]

_Numbers = dict[tuple[str, str], dict[str, list["Measurement"]]]


def print_subject(subject: str, visits: Mapping[str, Sequence[VisitResult]]) -> None:
    """Print every number of every visit; ``visits`` maps a date to the results of its files, oldest first."""
    studies: dict[str, _Numbers] = {}
    for date, results in visits.items():
        for m in (m for result in results for m in result.measurements):
            numbers = studies.setdefault(_study(m), {})
            numbers.setdefault((m.segment or m.site or "", m.quantity), {}).setdefault(date, []).append(m)
    notes = Notes()
    print_lines(clean(subject), "")
    for name, numbers in studies.items():
        _print_study(name, numbers, list(visits), notes)
    print_lines(*notes.lines())


def _study(m: Measurement) -> str:
    side = m.side.value if m.side is not None else "side?"
    technique = m.technique.value if m.technique is not None else "technique?"
    return f"{side} {m.nerve or 'nerve?'}, {technique}, recorded from {m.recording_site or '?'}"


def _print_study(name: str, numbers: _Numbers, dates: list[str], notes: Notes) -> None:
    """Print one study with as many visits side by side as the window is wide."""
    while dates:
        at_once = len(dates)
        made = _table(numbers, dates, notes)
        while at_once > 1 and not fits(made):
            at_once -= 1
            made = _table(numbers, dates[:at_once], notes)
        print_lines(clean(name), "")
        print_table(made)
        print_lines("")
        dates = dates[at_once:]


def _table(numbers: _Numbers, dates: Sequence[str], notes: Notes) -> Table:
    columns = [("where", "left"), ("quantity", "left"), ("unit", "left"), *((date, "right") for date in dates)]
    lines = []
    for (where, quantity), by_date in numbers.items():
        row = QUANTITIES[quantity]
        unit = "" if row.display_unit == "1" else row.display_unit
        cells = [" / ".join(number(m, notes) for m in by_date.get(date, ())) for date in dates]
        lines.append([where, row.label, unit, *cells])
    return table(columns, lines)
