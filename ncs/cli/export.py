"""``ncs export``: what is stored as tables with a dictionary, or its recordings as EDF files or a BIDS data set."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ncs.cli._options import DEFAULT_STORE, StoreOption, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.store import Store

__all__ = ["run"]


class _Form(StrEnum):
    """What an export is made of."""

    CSV = "csv"
    PARQUET = "parquet"
    EDF = "edf"
    BIDS = "bids"


def run(
    dest: Annotated[str, typer.Argument(metavar="DEST", help="Folder to write to: new, empty, or an earlier export.")],
    form: Annotated[_Form, typer.Option("--to", help="Tables (csv, parquet) or recordings (edf, bids).")],
    subject: Annotated[
        list[str] | None,
        typer.Option("--subject", metavar="ID", help="Only this subject; may be given several times."),
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="DATE", help="Only visits from this date on.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="Only visits up to this date.")] = None,
    file_names: Annotated[
        bool, typer.Option("--file-names/--no-file-names", help="Whether tables name the source files.")
    ] = True,
    keep_dates: Annotated[
        bool, typer.Option("--keep-dates", help="bids: the true days of visits; moved to 1900 without it.")
    ] = False,
    power_line: Annotated[
        float | None, typer.Option("--power-line", metavar="HZ", help="bids: mains frequency where it was recorded.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write what is stored for other programs; names and dates of birth are never written.

    csv and parquet: long.csv, wide.csv, marks.csv, covariates.csv, visits.csv and dictionary.csv, which says what every
    column means. edf and bids: the recordings. Example: ncs export --to csv tables
    """
    from ncs.store import open_store

    if not file_names and form in {_Form.EDF, _Form.BIDS}:
        raise typer.BadParameter("--no-file-names is for tables; recordings get names of their own.")
    if (keep_dates or power_line is not None) and form is not _Form.BIDS:
        raise typer.BadParameter("--keep-dates and --power-line are for bids.")
    with open_store(store, create=False) as opened:
        visits = opened.visits(subject or None, since=since, until=until)
        if visits.empty:
            _say_nothing_fits(store, has_choice=bool(subject or since or until))
            raise typer.Exit(1)
        if form in {_Form.CSV, _Form.PARQUET}:
            chosen = {"subject": subject or None, "since": since, "until": until, "file_names": file_names}
            _write_tables(opened, dest, form, chosen)
            return
        recorded = visits[visits["analysed_utc"].notna()]
        named = list(zip(recorded["subject"], recorded["date"], strict=True))
        of_bids = {"keep_dates": keep_dates, "power_line_hz": power_line}
        is_whole = _write_recordings(opened, dest, named, None if form is _Form.EDF else of_bids)
    if not is_whole:
        raise typer.Exit(1)


def _say_nothing_fits(store: str, *, has_choice: bool) -> None:
    from ncs.cli._output import print_error

    if has_choice:
        print_error(f"Nothing was written: no visit in {store} fits. List the visits: {command('show', store=store)}")
    else:
        print_error(
            f"Nothing was written: {store} holds no visits yet. Add some: {command('analyze', 'exports/', store=store)}"
        )


def _write_tables(store: Store, dest: str, form: _Form, chosen: dict[str, Any]) -> None:
    from ncs.cli._output import print_table, table
    from ncs.export import write_csv, write_parquet

    write = write_csv if form is _Form.CSV else write_parquet
    written = write(store, dest, **chosen)
    columns = [("file", "left"), ("rows", "right")]
    print_table(table(columns, [[str(one.path), str(one.rows)] for one in written]))


def _write_recordings(
    store: Store, dest: str, visits: Sequence[tuple[str, str]], of_bids: dict[str, Any] | None
) -> bool:
    """Write the recordings of visits, as EDF or, with its options, as BIDS; return whether all could be written."""
    from ncs.cli._errors import describe
    from ncs.cli._output import clean, print_error, print_lines
    from ncs.export.recordings import write_bids, write_edf

    if not visits:
        print_error("Nothing was written: the visits that fit have no recordings.")
        return False
    done = write_edf(store, dest, visits) if of_bids is None else write_bids(store, dest, visits, **of_bids)
    print_lines(*(clean(path) for path in done.paths))
    for name, text in done.notes:
        print_error(f"{clean(name)}: {clean(text)}")
    for name, error in done.failed:
        print_error(f"{clean(name)}: not written", *(f"  {line}" for line in describe(error)))
    return not done.failed
