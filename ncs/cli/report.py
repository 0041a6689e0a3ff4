"""``ncs report``: one visit as a page that needs nothing beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ncs.cli._options import DEFAULT_STORE, StoreOption, command

if TYPE_CHECKING:
    from ncs.report import MarkEdit
    from ncs.results import VisitResult
    from ncs.store import Store

__all__ = ["run"]


def run(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Code of a subject.")],
    date: Annotated[str, typer.Argument(metavar="DATE", help="Date of a visit, YYYY-MM-DD.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE.html", help="Where to write the page; - for stdout.")
    ],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write one visit as a page: tables, waveforms with their marks, what is missing and why, file hashes.

    Example: ncs report S01 2020-03-02 -o visit.html
    """
    from ncs.cli._pages import write_page
    from ncs.report import visit_page

    results, edits = _load(store, subject, date)
    write_page(output, visit_page(results, edits=edits))


def _load(store: str, subject: str, date: str) -> tuple[tuple[VisitResult, ...], list[MarkEdit]]:
    """Return the results of a visit, and the marks in them that a person moved.

    Raises
    ------
    StoreError
        When the store has no such visit; it says how to see which there are.
    """
    from ncs.errors import StoreAccessError, StoreError
    from ncs.store import open_store

    with open_store(store, create=False) as opened:
        try:
            return opened.load_results(subject, date), _edits(opened, subject, date)
        except StoreAccessError:
            raise
        except StoreError as error:
            raise StoreError(f"{error}. List the visits: {command('show', store=store)}") from error


def _edits(store: Store, subject: str, date: str) -> list[MarkEdit]:
    from ncs.cli._history import mark_words, records
    from ncs.report import MarkEdit

    return [
        MarkEdit(
            nerve=row["nerve"],
            side=row["side"],
            technique=row["technique"],
            site=row["site"],
            mark=mark_words(row),
            old_ms=row["value_before"],
            new_ms=row["value"],
            author=row["author"],
            when=row["created_utc"].to_pydatetime(),
            why=row["reason"],
        )
        for row in records(store.history(subject, date))
        if row["applied"]
    ]
