"""``ncs change``: every later visit against the baseline, and what all subjects show together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from ncs.cli._options import DEFAULT_STORE, NerveOption, OutputFormat, QuantityOption, StoreOption, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.longitudinal import ChangeTable, Cohort, Covariate, Repeatability
    from ncs.results import VisitResult
    from ncs.store import Store

__all__ = ["run"]

_MOST_WAVEFORMS = 20


def run(
    *,
    nerve: NerveOption = "median",
    quantity: QuantityOption = "motor_conduction_velocity",
    side: Annotated[str | None, typer.Option(help="left or right; both if not given.")] = None,
    segment: Annotated[str | None, typer.Option(help="Such as wrist-elbow; all if not given.")] = None,
    site: Annotated[str | None, typer.Option(help="Stimulation site; all if not given.")] = None,
    repeatability: Annotated[
        str | None,
        typer.Option(
            metavar="CV|own",
            help="Compare with this coefficient of variation in percent, or this many units (1.2m/s), or the "
            "laboratory's own repeated recordings; a published figure if not given.",
        ),
    ] = None,
    cite: Annotated[str | None, typer.Option(metavar="TEXT", help="Where that figure comes from.")] = None,
    within: Annotated[
        int | None, typer.Option(min=0, metavar="DAYS", help="Of --repeatability own: see ncs repeatability.")
    ] = None,
    temperature_limit: Annotated[
        float | None, typer.Option(metavar="C", help="Compare no visits further apart in skin temperature; 2.")
    ] = None,
    distance_tolerance: Annotated[
        float | None, typer.Option(metavar="PERCENT", help="Compare no visits further apart in distance; 8.")
    ] = None,
    covariate: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Covariate to report; all if not given. Repeatable.")
    ] = None,
    limit: Annotated[
        float | None, typer.Option(metavar="VALUE", help="Limit of normal to draw, in the unit that is printed.")
    ] = None,
    limit_label: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Whose limit that is; stands in the figures.")
    ] = None,
    html: Annotated[str | None, typer.Option(metavar="FILE.html", help="Write a page with figures as well.")] = None,
    output: Annotated[OutputFormat, typer.Option("--format", help="How to print.")] = OutputFormat.TABLE,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Say which subjects changed beyond error since their first visit.

    Example: ncs change --nerve median --segment wrist-elbow --covariate VEGF
    """
    if (limit is None and limit_label is not None) or (limit is not None and html is None):
        raise typer.BadParameter("--limit-label belongs to --limit, and --limit to --html.")
    from ncs.longitudinal import change, cohort
    from ncs.longitudinal._change import DISTANCE_TOLERANCE_PERCENT, TEMPERATURE_LIMIT_C
    from ncs.quantities import QUANTITIES
    from ncs.store import open_store

    with open_store(store, create=False) as opened:
        compared_with = _repeatability(
            opened, repeatability, cite, within, place=(quantity, nerve, side, segment, site)
        )
        table = change(
            opened,
            quantity,
            nerve,
            side=side,
            segment=segment,
            site=site,
            repeatability=compared_with,
            temperature_limit_c=TEMPERATURE_LIMIT_C if temperature_limit is None else temperature_limit,
            distance_tolerance_percent=DISTANCE_TOLERANCE_PERCENT if distance_tolerance is None else distance_tolerance,
        )
        covariates = _covariates(opened, covariate)
        if not table.series:
            _print_nothing(opened, table, store)
            raise typer.Exit(1)
        together = cohort(table, covariates)
        if html is not None:
            from ncs.cli._pages import write_page
            from ncs.report import cohort_page

            drawn = None if limit is None else limit / QUANTITIES[table.quantity].display_factor
            results = _recordings(opened, table)
            page = cohort_page(
                table, together, covariates=covariates, results=results, limit=drawn, limit_label=limit_label or ""
            )
            write_page(html, page)
    _print(table, together, output)


def _repeatability(
    opened: Store,
    words: str | None,
    cite: str | None,
    within: int | None,
    *,
    place: tuple[str, str, str | None, str | None, str | None],
) -> Repeatability | None:
    from ncs.longitudinal import repeatability

    quantity, nerve, side, segment, site = place
    if words == "own":
        from ncs.longitudinal._repeatability import WITHIN_DAYS

        if cite is not None:
            raise typer.BadParameter("--cite belongs to a figure; own recordings name themselves.")
        days = WITHIN_DAYS if within is None else within
        return repeatability(opened, quantity, nerve, within_days=days, side=side, segment=segment, site=site)
    if within is not None:
        raise typer.BadParameter("--within belongs to --repeatability own.")
    if words is None:
        if cite is not None:
            raise typer.BadParameter("--cite belongs to --repeatability.")
        return None
    return _stated(words, cite, quantity)


def _stated(words: str, cite: str | None, quantity: str) -> Repeatability:
    from ncs.longitudinal import Repeatability
    from ncs.longitudinal._series import checked_quantity

    row = checked_quantity(quantity)
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(.*?)\s*", words)
    factors = {"": None, "%": None, row.display_unit: row.display_factor, row.unit: 1.0}
    if match is None or float(match[1]) <= 0 or match[2] not in factors:
        raise typer.BadParameter(
            f"--repeatability: expected a percentage such as 4.2, an amount such as 1.2{row.display_unit}, or own; "
            f"found {words!r}."
        )
    source, factor = cite or "given by the user without a source", factors[match[2]]
    if factor is None:
        return Repeatability(cv_percent=float(match[1]), source=source)
    return Repeatability(sd=float(match[1]) / factor, source=source)


def _covariates(opened: Store, names: Sequence[str] | None) -> tuple[Covariate, ...]:
    from ncs.longitudinal import covariates

    everything = covariates(opened)
    known = {one.name.casefold(): one.name for one in everything}
    missing = [name for name in names or () if name.casefold() not in known]
    if missing:
        there = ", ".join(sorted(known.values())) or "none"
        raise typer.BadParameter(f"--covariate: expected names that are stored ({there}), found {', '.join(missing)}.")
    wanted = {name.casefold() for name in names or known}
    return tuple(one for one in everything if one.name.casefold() in wanted)


def _print_nothing(opened: Store, table: ChangeTable, store: str) -> None:
    from ncs.cli._output import clean, print_error

    nerves = opened.measurements(quantity=table.quantity)["nerve"].dropna().unique().tolist()
    there = f"there is {clean(', '.join(sorted(nerves)))}" if nerves else "there is none of any nerve"
    print_error(
        f"No {table.quantity} of the {clean(table.nerve)} nerve at such a place is stored in {clean(store)}; {there}.",
        f"See what is stored: {command('show', store=store)}",
    )


def _print(table: ChangeTable, together: Cohort, output: OutputFormat) -> None:
    if output is OutputFormat.CSV:
        from ncs.cli._frames import print_frame

        print_frame(table.to_dataframe(), output, "change")
    elif output is OutputFormat.JSON:
        from ncs.cli._change_table import print_change_document

        print_change_document(table, together)
    else:
        from ncs.cli._change_table import print_change

        print_change(table, together)


def _recordings(opened: Store, table: ChangeTable) -> list[VisitResult]:
    """Return the results behind the page's waveforms, of as many subjects as a reader will look at."""
    from ncs.cli._output import print_error

    chosen = table.chosen()
    if len(chosen) > _MOST_WAVEFORMS:
        print_error(f"The page shows the waveforms of the first {_MOST_WAVEFORMS} of {len(chosen)} subjects.")
    visits = [(one.subject, visit.date) for one in chosen[:_MOST_WAVEFORMS] for visit in one.visits]
    return [result for subject, date in visits for result in opened.load_results(subject, date)]
