"""``ncs reference make``: reviewed visits of a store as a folder for ``ncs check``, without who and when."""

from __future__ import annotations

import re
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ncs.cli._options import DEFAULT_STORE, StoreOption, command

if TYPE_CHECKING:
    from collections.abc import Callable

    from ncs.batch import BatchProgress
    from ncs.reference import ReferenceSet
    from ncs.store import Store

__all__ = ["run"]

_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")


class What(StrEnum):
    """What can be done with a reference set here; ``ncs check`` does the rest."""

    MAKE = "make"


def run(
    what: Annotated[What, typer.Argument(metavar="make", help="What to do.")],
    dest: Annotated[str, typer.Argument(metavar="DEST", help="Folder to make; there must be none, or an empty one.")],
    visits: Annotated[
        list[str] | None,
        typer.Argument(metavar="SUBJECT [DATE]...", help="Only these; without a date all visits of a subject."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Freeze reviewed visits as reference recordings that ncs check reads anywhere.

    Subjects become S01, S02, ..., their visits V1, V2, ...; dates, notes and all other free texts are left out. What is
    expected is what ncs makes of the recordings now; where a person had moved a mark, it stands beside it as truth.

    Example: ncs reference make lab-reference --store lab.db
    """
    from ncs.cli._output import print_error
    from ncs.cli._progress import progress_bar
    from ncs.store import open_store

    del what  # there is only one so far
    wanted = _pairs(visits or [])
    with open_store(store, create=False) as opened, progress_bar("freezing") as tell:
        made = _make(opened, dest, wanted, tell)
    if not made.visits and not made.failed:
        say = command("analyze", "exports/", store=store)
        print_error(f"Nothing was written: {store} holds no recordings yet. Add some: {say}")
        raise typer.Exit(1)
    _print(made, dest)
    if made.failed:
        raise typer.Exit(1)


def _pairs(words: list[str]) -> list[tuple[str, str | None]] | None:
    """Return subject and date of each visit that is named; a date belongs to the subject before it."""
    pairs: list[tuple[str, str | None]] = []
    subject: str | None = None
    for position, word in enumerate(words):
        if not _DATE.fullmatch(word):
            subject = word
            if position + 1 == len(words) or not _DATE.fullmatch(words[position + 1]):
                pairs.append((word, None))
        elif subject is None:
            raise typer.BadParameter(f"expected SUBJECT before DATE, found {word} first.")
        else:
            pairs.append((subject, word))
    return pairs or None


def _make(
    store: Store,
    dest: str,
    wanted: list[tuple[str, str | None]] | None,
    tell: Callable[[BatchProgress], object] | None,
) -> ReferenceSet:
    import time

    from ncs.batch import BatchProgress
    from ncs.reference import make

    start = time.monotonic()

    def progress(done: int, total: int) -> None:
        if tell is not None:
            seconds = time.monotonic() - start
            tell(BatchProgress(done=done, failed=0, skipped=0, total=total, seconds=seconds))

    return make(store, dest, wanted, progress=progress)


def _print(made: ReferenceSet, dest: str) -> None:
    from ncs.cli._errors import describe
    from ncs.cli._output import clean, print_error, print_lines, print_table, table

    if made.visits:
        columns = [
            ("subject", "left"), ("date", "left"), ("in the set", "left"), ("recordings", "right"),
            ("marks by hand", "right"),
        ]  # fmt: skip
        rows = [
            [each.subject, each.date, each.name, str(len(each.recordings)), str(each.n_edits)] for each in made.visits
        ]
        print_table(table(columns, rows))
        texts = ", ".join(sorted(map(clean, made.texts), key=str.casefold))
        print_lines(
            "",
            "This list is not in the set: keep it if you need to know who is who.",
            f"Texts that are in the set: {texts}. Do they name anybody?",
            f"Check it: {shlex.join(['ncs', 'check', dest])}",
        )
    for name, text in made.notes:
        print_error(f"{clean(name)}: {clean(text)}")
    for name, error in made.failed:
        print_error(f"{clean(name)}: not written", *(f"  {line}" for line in describe(error)))
    if not made.visits:
        print_error("Nothing was written.")
