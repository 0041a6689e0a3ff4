"""``ncs report``: one visit as a page that needs nothing beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ncs.cli._options import DEFAULT_STORE, StoreOption, command

if TYPE_CHECKING:
    from ncs.results import VisitResult

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

    write_page(output, visit_page(_load(store, subject, date)))


def _load(store: str, subject: str, date: str) -> tuple[VisitResult, ...]:
    """Return the results of a visit.

    Raises
    ------
    StoreError
        When the store has no such visit; it says how to see which there are.
    """
    from ncs.errors import StoreAccessError, StoreError
    from ncs.store import open_store

    with open_store(store, create=False) as opened:
        try:
            return opened.load_results(subject, date)
        except StoreAccessError:
            raise
        except StoreError as error:
            raise StoreError(f"{error}. List the visits: {command('show', store=store)}") from error
