"""``ncs edit``: a person moves a mark, or takes that back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncs.cli._options import DEFAULT_STORE, StoreOption, command

if TYPE_CHECKING:
    from ncs.store import Store

__all__ = ["run"]

_ABSENT = "none"
_WHERE = ("nerve", "side", "technique", "site", "recording_site", "source", "study_index", "trace_index")


def run(
    subject: Annotated[str | None, typer.Argument(metavar="SUBJECT", help="Code of a subject.")] = None,
    date: Annotated[str | None, typer.Argument(metavar="DATE", help="Date of a visit, YYYY-MM-DD.")] = None,
    mark: Annotated[
        str | None, typer.Option("--mark", metavar="NAME", help="onset, peak, end, last-end, trough, or response.")
    ] = None,
    value: Annotated[
        str | None,
        typer.Option("--value", metavar="MS", help="Milliseconds after the stimulus; none takes the mark away."),
    ] = None,
    author: Annotated[str, typer.Option("--author", metavar="NAME", help="Who does it.")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    nerve: Annotated[str | None, typer.Option("--nerve", metavar="NAME", help="Nerve.")] = None,
    side: Annotated[str | None, typer.Option("--side", metavar="SIDE", help="left or right.")] = None,
    technique: Annotated[str | None, typer.Option("--technique", metavar="NAME", help="motor, sensory, …")] = None,
    site: Annotated[str | None, typer.Option("--site", metavar="NAME", help="Stimulation site.")] = None,
    recording_site: Annotated[
        str | None, typer.Option("--recording-site", metavar="NAME", help="Where it was recorded.")
    ] = None,
    source: Annotated[str | None, typer.Option("--file", metavar="NAME", help="Name of the file.")] = None,
    study_index: Annotated[
        int | None, typer.Option("--study", metavar="N", help="Number of the study in its file, from 0.")
    ] = None,
    trace_index: Annotated[
        int | None, typer.Option("--trace", metavar="N", help="Number of the trace in its study, from 0.")
    ] = None,
    response: Annotated[
        str, typer.Option("--response", metavar="NAME", help="Which response, where a trace has several.")
    ] = "",
    sweep: Annotated[
        int | None, typer.Option("--sweep", metavar="N", help="One sweep, from 1, instead of what is measured.")
    ] = None,
    seen: Annotated[
        str | None,
        typer.Option("--seen", metavar="MS", help="Where you saw the mark: refuse if somebody has moved it since."),
    ] = None,
    withdraw: Annotated[
        int | None, typer.Option("--withdraw", metavar="EDIT", help="Take back an edit, by its number in the history.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Move a mark by hand, take it away, or take an earlier edit back.

    Every number that rests on the mark is derived again. The automatic mark is kept, and comes back when the edit is
    withdrawn; analysing the file again keeps the edit. ncs show --history lists who did what.

    Example: ncs edit S01 2020-03-02 --nerve median --technique motor --site wrist --mark onset --value 3.45
    --author "A. Author" --reason "shoulder of the artefact"
    """
    if withdraw is not None:
        if mark is not None or value is not None:
            raise typer.BadParameter("--withdraw takes back a whole edit; leave --mark and --value out.")
        _withdraw(store, withdraw, (author, reason), (subject, date))
        return
    missing = [
        name
        for name, given in (("SUBJECT", subject), ("DATE", date), ("--mark", mark), ("--value", value))
        if given is None
    ]
    if missing:
        raise typer.BadParameter(f"expected SUBJECT, DATE, --mark and --value; {', '.join(missing)} missing.")
    assert subject is not None  # the list above would have named it
    assert date is not None
    choice: dict[str, Any] = dict(
        zip(_WHERE, (nerve, side, technique, site, recording_site, source, study_index, trace_index), strict=True)
    )
    choice |= {"mark": mark, "value": _milliseconds(value, "--value"), "response": response}
    choice["sweep"] = None if sweep is None else sweep - 1
    if seen is not None:
        choice["seen"] = _milliseconds(seen, "--seen")
    _edit(store, subject, date, choice, (author, reason))


def _milliseconds(text: str | None, option: str) -> float | None:
    if text is None or text.strip().lower() == _ABSENT:
        return None
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{option}: expected milliseconds or {_ABSENT}, found {text!r}.") from None


def _edit(name: str, subject: str, date: str, choice: dict[str, Any], person: tuple[str, str]) -> None:
    from ncs.store import open_store

    with open_store(name, create=False) as opened:
        before = opened.measurements(subject, date)
        number = opened.edit_mark(subject, date, **choice, author=person[0], reason=person[1])
        _print_edit(opened, number, f"Edit {number}", name)
        _print_changes(before, opened.measurements(subject, date))


def _withdraw(name: str, edit: int, person: tuple[str, str], visit: tuple[str | None, str | None]) -> None:
    from ncs.errors import InvalidInputError
    from ncs.store import open_store

    with open_store(name, create=False) as opened:
        history = opened.history()
        found = history[history["edit"] == edit]
        subject, date = (found["subject"].iloc[0], found["date"].iloc[0]) if len(found) else visit
        if (visit[0] or subject, visit[1] or date) != (subject, date):
            raise InvalidInputError(
                f"edit: expected one of {visit[0]} on {visit[1]}, found {edit} of {subject} on {date}"
            )
        before = opened.measurements(subject, date)
        number = opened.withdraw_edit(edit, *person)
        _print_edit(opened, number, f"Edit {edit} withdrawn (as {number})", name)
        _print_changes(before, opened.measurements(subject, date))


def _print_edit(store: Store, number: int, what: str, name: str) -> None:
    from ncs.cli._history import mark_words, milliseconds, records, study_words
    from ncs.cli._output import clean, print_lines

    row = next(row for row in records(store.history()) if row["edit"] == number)
    change = f"{milliseconds(row['value_before'])} -> {milliseconds(row['value'])}"
    print_lines(clean(f"{what}: {mark_words(row)} of {study_words(row)}, {row['site'] or '?'}: {change} ms"))
    if row["withdraws"] is None:
        again = command("edit", "--withdraw", str(number), "--author", "NAME", "--reason", "TEXT", store=name)
        print_lines(f"To take it back: {again}")
    print_lines("")


def _print_changes(before: Any, after: Any) -> None:
    """Print every number that an edit has changed."""
    from ncs.cli._output import print_lines, print_table, table
    from ncs.quantities import QUANTITIES

    places = ("nerve", "side", "technique", "recording_site", "site", "segment", "quantity")
    shared = before.groupby(list(places), dropna=False, sort=False).cumcount()
    then = before.assign(_nth=shared).set_index([*places, "_nth"])
    now = after.assign(_nth=after.groupby(list(places), dropna=False, sort=False).cumcount()).set_index(
        [*places, "_nth"]
    )
    rows = []
    for place in now.index:
        old, new = (then["value"].get(place), now["value"].get(place))
        if old == new or (_is_absent(old) and _is_absent(new)):
            continue
        row = QUANTITIES[place[6]]
        cells = ["-" if _is_absent(x) else f"{x * row.display_factor:.{row.decimals}f}" for x in (old, new)]
        unit = "" if row.display_unit == "1" else row.display_unit
        named = [str(part) for part in (place[5], place[4]) if isinstance(part, str)]
        rows.append([f"{place[1]} {place[0]}, {place[2]}", named[0] if named else "", row.label, unit, *cells])
    if not rows:
        print_lines("No number has changed.")
        return
    columns = [("study", "left"), ("where", "left"), ("quantity", "left"), ("unit", "left")]
    print_table(table([*columns, ("before", "right"), ("now", "right")], rows))


def _is_absent(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN
