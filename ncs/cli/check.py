"""``ncs check``: recordings with expected marks and measurements, analysed again; what moved."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ncs.regression import CheckReport, FileReport

__all__ = ["run"]


class CheckOutput(StrEnum):
    """How the result is written."""

    TABLE = "table"
    JSON = "json"


def run(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Recordings with *.expected.json and tolerances.json.")],
    update: Annotated[
        bool, typer.Option("--update", help="Show what moved, then make what is found now what is expected.")
    ] = False,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="FILE.html", help="Also write a page: waveforms with old and new marks."),
    ] = None,
    output: Annotated[CheckOutput, typer.Option("--format", help="How to print.")] = CheckOutput.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Analyse recordings again and say what moved against what is expected of them.

    Exit status 1 if anything moved farther than its tolerance, appeared, vanished or changed its reason.

    Example: ncs check fixtures/reference
    """
    from ncs import regression
    from ncs.cli._output import print_error

    report = regression.check(folder)
    if as_json or output is CheckOutput.JSON:
        _print_json(report)
    else:
        _print_moves(report)
    if html is not None:
        _write_page(html, report)
    print_error(f"{report}.")
    if update:
        written = regression.update(folder, report=report)
        print_error(f"{len(written)} expectations rewritten{': ' if written else ''}{', '.join(written)}.")
        unread = [file.name for file in report.files if file.result is None]
        if unread:
            print_error(f"Left as they were, because they cannot be analysed: {', '.join(unread)}.")
            raise typer.Exit(1)
    elif report.n_breaches:
        print_error(f"If all of this is meant to be so: ncs check {os.path.normpath(folder)} --update")
        raise typer.Exit(1)


def _print_moves(report: CheckReport) -> None:
    from ncs._moves import COLUMNS, cells
    from ncs.cli._output import clean, print_lines, print_table, table

    rows = [[file.name, *cells(move)] for file in report.files for move in file.moves]
    if rows:
        print_table(table([("recording", "left"), *COLUMNS], rows))
    for file in report.files:
        if file.problem:
            print_lines(f"{clean(file.name)}: {clean(file.problem)}")
    if not rows and not any(file.problem for file in report.files):
        print_lines("Nothing moved.")


def _print_json(report: CheckReport) -> None:
    from ncs.cli._documents import document
    from ncs.cli._output import print_json

    print_json(
        document(
            folder=str(report.folder),
            breaches=report.n_breaches,
            moved=report.n_moved,
            recordings=[_file_entry(file) for file in report.files],
        )
    )


def _file_entry(file: FileReport) -> dict[str, Any]:
    from dataclasses import asdict

    moves = [asdict(move) | {"where": move.place.words} for move in file.moves]
    return {"name": file.name, "compared": file.n_compared, "problem": file.problem or None, "moves": moves}


def _write_page(name: str, report: CheckReport) -> None:
    from ncs._moves import COLUMNS, cells
    from ncs.cli._pages import write_page
    from ncs.report.moved import MovedFile, OldMark, moved_page

    files = []
    for file in report.files:
        old: dict[tuple[int, int], list[OldMark]] = {}
        for move in file.moves:
            at = move.place
            is_drawn = move.what in {"value", "reason"} and at.trace is not None and at.sweep is None
            if is_drawn and at.quantity.endswith("_ms") and isinstance(move.old, float):
                old.setdefault((at.study, at.trace or 0), []).append(OldMark(field=at.quantity, at_ms=move.old))
        rows = tuple(tuple(cells(move)) for move in file.moves)
        if rows or file.problem:
            files.append(MovedFile(name=file.name, problem=file.problem, rows=rows, result=file.result, old=old))
    columns = tuple((heading, justify == "right") for heading, justify in COLUMNS)
    write_page(name, moved_page(files, columns=columns, summary=str(report)))
