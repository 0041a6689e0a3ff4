"""Change over visits as text and as JSON: the table, the sentences, the rule."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ncs.cli._documents import document, frame_entries
from ncs.cli._output import clean, print_json, print_lines, print_table, table
from ncs.longitudinal._words import amount, p_value, quantity_in_words
from ncs.quantities import QUANTITIES
from ncs.report.numbers import Notes

if TYPE_CHECKING:
    from ncs.longitudinal import Change, ChangeTable, Cohort, VisitValue

__all__ = ["print_change", "print_change_document"]

_WIDTH = 110


def print_change(changes: ChangeTable, together: Cohort) -> None:
    """Print a line per later visit, then what all subjects show, then the rule."""
    row = QUANTITIES[changes.quantity]
    unit = "" if row.display_unit == "1" else f", {row.display_unit}"
    name = clean(f"{changes.nerve} {quantity_in_words(changes.quantity)}{unit}")
    print_lines(f"{name[:1].upper()}{name[1:]}", "")
    notes = Notes()
    if changes.rows:
        _print_rows(changes, notes)
        print_lines("")
    _print_wrapped(*together.sentences)
    for warning in (*together.warnings, *changes.notes):
        _print_wrapped(f"Note: {warning}.")
    if len(together.tests) > 1:
        _print_tests(together)
    print_lines("")
    _print_wrapped(changes.rule)
    if any(value.recordable is False for one in changes.series for value in one.visits):
        print_lines("NR not recordable: no response above the noise")
    print_lines(*notes.lines())


def _print_rows(changes: ChangeTable, notes: Notes) -> None:
    last = {id(row) for row in changes.last()}
    several = len({row.series.place for row in changes.rows}) > 1
    columns = [("subject", "left"), *([("place", "left")] if several else []), ("baseline", "left"), ("visit", "left")]
    columns += [("months", "right"), ("first", "right"), ("now", "right"), ("change", "right"), ("%", "right")]
    columns += [("limit", "right"), ("", "left")]
    lines = []
    for row in changes.rows:
        place = [row.series.place] if several else []
        counted = "*" if several and id(row) in last else ""
        lines.append(
            [
                row.subject, *place, str(row.baseline.date), str(row.visit.date), f"{row.months:.1f}",
                _value(row.baseline, row.quantity, notes), _value(row.visit, row.quantity, notes),
                *_difference(row), _verdict(row, notes) + counted,
            ]
        )  # fmt: skip
    print_table(table(columns, lines))
    if several:
        print_lines("* counted: one line per subject, its last visit")


def _value(value: VisitValue, quantity: str, notes: Notes) -> str:
    if value.value is None:
        return "NR" if value.recordable is False else notes.mark(value.reason_text or "no value")
    text = amount(quantity, value.value, unit=False)
    if value.sd is None:
        return text
    notes.has_sd = True
    sd = amount(quantity, value.sd, unit=False)
    return f"{text} ±{sd}" if float(sd) else f"{text} ±<{10.0 ** -QUANTITIES[quantity].decimals:g}"


def _difference(row: Change) -> tuple[str, str, str]:
    if row.difference is None or row.error_95 is None:
        return "", "", ""
    percent = "" if row.percent is None else f"{row.percent:+.0f}"
    percent = percent if percent not in {"+0", "-0"} else "0"
    change = amount(row.quantity, row.difference, sign=True, unit=False)
    return change, percent, amount(row.quantity, row.error_95, unit=False)


def _verdict(row: Change, notes: Notes) -> str:
    marks = "".join(f" {notes.mark(clean(note))}" for note in row.notes)
    return f"{row.verdict.value}{f': {row.why}' if row.why else ''}{marks}"


def _print_tests(together: Cohort) -> None:
    print_lines("")
    columns = [("p value", "left"), ("uncorrected", "right"), ("Holm", "right")]
    rows = [
        [test.name, *(p_value(p).removeprefix("p ").removeprefix("= ") for p in (test.p, test.p_holm))]
        for test in together.tests
    ]
    print_table(table(columns, rows))


def _print_wrapped(*texts: str) -> None:
    for text in texts:
        print_lines(*textwrap.wrap(clean(text), _WIDTH, break_long_words=False, break_on_hyphens=False))


def print_change_document(changes: ChangeTable, together: Cohort) -> None:
    """Print everything as one JSON document."""
    entry: dict[str, Any] = {
        "quantity": changes.quantity,
        "nerve": changes.nerve,
        "unit": changes.unit,
        "repeatability": asdict(changes.repeatability),
        "factor": changes.factor,
        "temperature_limit_c": changes.temperature_limit_c,
        "distance_tolerance_percent": changes.distance_tolerance_percent,
        "rule": changes.rule,
        "notes": list(changes.notes),
        "visits": frame_entries(changes.to_dataframe()),
    }
    print_json(document(change=entry, cohort=_plain(asdict(together))))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (tuple, list)) else value
