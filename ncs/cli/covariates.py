"""``ncs covariates``: scores, laboratory values and doses from a table to the visits they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ncs.cli._options import DEFAULT_STORE, OutputFormat, StoreOption, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.longitudinal import ImportSummary
    from ncs.store import Store

__all__ = ["run"]


def run(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE.csv", help="Columns subject,date,name,value,unit; what is stored if not given."),
    ] = None,
    *,
    within: Annotated[
        int | None, typer.Option(min=0, metavar="DAYS", help="Days between a value and its visit at most; 7.")
    ] = None,
    upper: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Upper limit of normal; may be given several times.")
    ] = None,
    output: Annotated[OutputFormat, typer.Option("--format", help="How to print what is stored.")] = OutputFormat.TABLE,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Keep covariates with the visits they belong to, or show them.

    Values such as <15 are kept as they are. Example: ncs covariates vegf.csv --within 14 --upper VEGF=38.3
    """
    from ncs.store import open_store

    limits = _limits(upper or [])
    with open_store(store, create=False) as opened:
        if file is None:
            if within is not None or upper:
                raise typer.BadParameter("--within and --upper need a file of covariates.")
            _show(opened, output, store)
            return
        from ncs.longitudinal import import_covariates
        from ncs.longitudinal._covariate_file import WITHIN_DAYS

        days = WITHIN_DAYS if within is None else within
        summary = import_covariates(opened, file, within_days=days, upper_limits=limits)
    _print_summary(summary, store)
    if summary.left_out:
        raise typer.Exit(1)


def _limits(words: Sequence[str]) -> dict[str, float]:
    from math import isfinite

    limits: dict[str, float] = {}
    for word in words:
        name, sign, number = word.rpartition("=")
        try:
            limit = float(number)
        except ValueError:
            limit = float("nan")
        if not sign or not name.strip() or not isfinite(limit):
            raise typer.BadParameter(f"--upper: expected NAME=VALUE, such as VEGF=38.3, found {word!r}.")
        if name.strip() in limits:
            raise typer.BadParameter(f"--upper: expected one limit of {name.strip()}, found two.")
        limits[name.strip()] = limit
    return limits


def _print_summary(summary: ImportSummary, store: str) -> None:
    from ncs.cli._errors import problem_lines
    from ncs.cli._output import clean, print_error

    for problem in summary.left_out:
        first, *rest = problem_lines([problem])
        print_error(f"left out: {clean(problem.file)}: {first}", *rest)
    moved = f", {summary.moved} of another date than their visit" if summary.moved else ""
    print_error(
        f"{clean(summary.file)}: {summary.lines} values of {summary.visits} visits, matched within "
        f"{summary.within_days} days{moved}.",
        f"{summary.stored} stored, {summary.unchanged} already stored, {len(summary.left_out)} left out.",
    )
    if summary.stored:
        print_error(f"See what is stored: {command('covariates', store=store)}")


def _show(opened: Store, output: OutputFormat, store: str) -> None:
    from ncs.cli._output import print_lines, print_table, table

    if output is not OutputFormat.TABLE:
        from ncs.cli._frames import print_frame

        print_frame(opened.covariates(), output, "covariates")
        return
    from ncs.longitudinal import covariates

    found = covariates(opened)
    if not found:
        print_lines("No covariates are stored yet.", f"Add some: {command('covariates', 'FILE.csv', store=store)}")
        return
    columns = [("subject", "left"), ("visit", "left"), ("name", "left"), ("value", "right"), ("unit", "left")]
    columns += [("upper limit", "right"), ("dated", "left"), ("source", "left")]
    rows = [
        [
            one.subject, str(one.date), one.name, one.text if one.number is None else f"{one.number:g}", one.unit,
            "" if one.upper_limit is None else f"{one.upper_limit:g}", str(one.stated_date or ""), one.source,
        ]
        for one in found
    ]  # fmt: skip
    print_table(table(columns, [[cell or "" for cell in row] for row in rows]))
