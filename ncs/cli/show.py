"""``ncs show``: what is stored, as visits, as one subject's numbers over time, or as one visit's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncs.cli._options import DEFAULT_STORE, OutputFormat, StoreOption, command

if TYPE_CHECKING:
    from ncs.store import Store

__all__ = ["run"]

_MOST_NAMED = 10


def run(
    subject: Annotated[
        str | None, typer.Argument(metavar="SUBJECT", help="Code of a subject; all visits if not given.")
    ] = None,
    date: Annotated[str | None, typer.Argument(metavar="DATE", help="Date of a visit, YYYY-MM-DD.")] = None,
    output: Annotated[OutputFormat, typer.Option("--format", help="How to print.")] = OutputFormat.TABLE,
    failures: Annotated[bool, typer.Option("--failures", help="Show the files that could not be analysed.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Show which marks people moved, when and why.")] = False,
    runs: Annotated[bool, typer.Option("--runs", help="List the analyses of a visit, current or not.")] = False,
    number: Annotated[
        int | None, typer.Option("--run", metavar="N", help="Show one analysis of the visit, current or not.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Show what is stored: visits, a subject, or one visit.

    Example: ncs show S01 2020-03-02
    """
    from ncs.store import open_store

    if failures and subject is not None:
        raise typer.BadParameter("--failures lists the files of the whole store; leave the subject out.")
    if failures + history + runs + (number is not None) > 1:
        raise typer.BadParameter("--failures, --history, --runs and --run are four different things; choose one.")
    if (runs or number is not None) and date is None:
        raise typer.BadParameter("--runs and --run are about one visit; give SUBJECT and DATE.")
    with open_store(store, create=False) as opened:
        if failures:
            _show_failures(opened, output)
        elif history:
            _show_history(opened, subject, date, output, store)
        elif runs:
            _show_runs(opened, subject or "", date or "", output, store)
        elif subject is None:
            _show_visits(opened, output, store)
        elif date is None:
            _show_subject(opened, subject, output, store)
        else:
            _show_visit(opened, subject, date, output, store, number)


def _show_visits(store: Store, output: OutputFormat, name: str) -> None:
    from ncs.cli._frames import print_frame

    visits = store.visits()
    if output is not OutputFormat.TABLE:
        print_frame(visits, output, "visits")
        return
    from ncs.cli._output import print_lines, print_table, table

    if visits.empty:
        print_lines("No visits are stored yet.", f"Add some: {command('analyze', 'exports/', store=name)}")
        return
    columns = [("subject", "left"), ("date", "left"), ("files", "right"), ("nerves", "left"), ("numbers", "right")]
    rows = [
        [str(v[name] or "") for name in ("subject", "date", "files", "nerves", "measurements")]
        for v in visits.to_dict(orient="records")
    ]
    print_table(table(columns, rows))
    print_lines("", f"One of them in full: {command('show', rows[0][0], rows[0][1], store=name)}")


def _check_subject(store: Store, subject: str, name: str) -> list[str]:
    """Return the dates of a subject's visits.

    Raises
    ------
    StoreError
        When the store has no such subject.
    """
    from ncs.errors import StoreError

    dates = store.visits(subject)["date"].tolist()
    if dates:
        return [str(date) for date in dates]
    known = list(dict.fromkeys(store.visits()["subject"].tolist()))
    named = ", ".join(known[:_MOST_NAMED]) + (
        f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    )
    found = f"the store holds {named}" if known else "the store holds no visits"
    raise StoreError(
        f"There is no subject {subject!r} in {name}; {found}. List the visits: {command('show', store=name)}"
    )


def _show_subject(store: Store, subject: str, output: OutputFormat, name: str) -> None:
    from ncs.cli._frames import print_csv

    dates = _check_subject(store, subject, name)
    visits = {date: store.load_results(subject, date) for date in dates}
    if output is OutputFormat.CSV:
        from ncs.report.reported import with_reported

        print_csv(with_reported(store.measurements(subject), [each for results in visits.values() for each in results]))
        return
    if output is OutputFormat.JSON:
        _print_visits(list(visits.values()))
        return
    from ncs.cli._subject import print_subject

    print_subject(subject, visits)


def _show_history(store: Store, subject: str | None, date: str | None, output: OutputFormat, name: str) -> None:
    from ncs.cli._history import print_history

    if subject is not None and date is not None:
        _check_visit(store, subject, date, name)
    elif subject is not None:
        _check_subject(store, subject, name)
    print_history(store.history(subject, date), output, name)


def _show_runs(store: Store, subject: str, date: str, output: OutputFormat, name: str) -> None:
    from ncs.cli._history import print_runs

    _check_visit(store, subject, date, name)
    print_runs(store.runs(subject, date), output, name)


def _check_visit(store: Store, subject: str, date: str, name: str) -> None:
    """Raise ``StoreError`` when the store has no such visit, ``InvalidInputError`` when the date is none."""
    from ncs.errors import StoreError

    dates = _check_subject(store, subject, name)
    if date not in dates:
        store.measurements(subject, date)  # says so where it is no date at all
        raise StoreError(f"There is no visit of {subject} on {date} in {name}; there are {', '.join(dates)}.")


def _check_run(store: Store, subject: str, date: str, number: int, name: str) -> None:
    from ncs.errors import StoreError

    known = store.runs(subject, date)["run"].tolist()
    if number not in known:
        listed = command("show", subject, date, "--runs", store=name)
        raise StoreError(
            f"There is no run {number} of {subject} on {date} in {name}; there are {', '.join(map(str, known))}. "
            f"List them: {listed}"
        )


def _show_visit(
    store: Store, subject: str, date: str, output: OutputFormat, name: str, number: int | None = None
) -> None:
    from ncs.cli._frames import print_csv

    _check_visit(store, subject, date, name)
    if number is not None:
        _check_run(store, subject, date, number, name)
    results = store.load_results(subject, date) if number is None else (store.load_run(number),)
    if output is OutputFormat.CSV:
        from ncs.report.reported import with_reported

        print_csv(with_reported(store.measurements(subject, date, run=number), results))
        return
    if output is OutputFormat.JSON:
        _print_visits([results])
        return
    from ncs.cli._visit import print_visit

    print_visit(results)


def _print_visits(visits: list[Any]) -> None:
    from ncs.cli._documents import document, visit_entry
    from ncs.cli._output import print_json

    print_json(document(visits=[visit_entry(results) for results in visits]))


def _show_failures(store: Store, output: OutputFormat) -> None:
    from ncs.cli._frames import print_csv, print_frame

    failures = store.failures()
    if output is OutputFormat.JSON:
        print_frame(failures, output, "failures")
        return
    if output is OutputFormat.CSV:
        print_csv(failures.drop(columns="problems"))
        return
    from ncs.cli._errors import problem_lines
    from ncs.cli._output import clean, print_lines

    if failures.empty:
        print_lines("Nothing has failed.")
    for failure in failures.to_dict(orient="records"):
        when = f"{failure['failed_utc']:%Y-%m-%d %H:%M} UTC"
        print_lines(f"{clean(failure['path'])}  ({when}, ncs {clean(failure['version'])})")
        print_lines(*problem_lines(failure["problems"], indent="  ", error=failure["error"]), "")
