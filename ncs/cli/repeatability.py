"""``ncs repeatability``: how far repeated recordings of unchanged nerves differ in this laboratory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ncs.cli._options import DEFAULT_STORE, NerveOption, OutputFormat, QuantityOption, StoreOption, command

if TYPE_CHECKING:
    from ncs.longitudinal import Repeatability

__all__ = ["run"]


def run(
    *,
    nerve: NerveOption = "median",
    quantity: QuantityOption = "motor_conduction_velocity",
    within: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="DAYS", help="Visits so near to each other are repeats; 14. 0: files of one visit."
        ),
    ] = None,
    side: Annotated[str | None, typer.Option(help="left or right; both if not given.")] = None,
    segment: Annotated[str | None, typer.Option(help="Such as wrist-elbow; all if not given.")] = None,
    site: Annotated[str | None, typer.Option(help="Stimulation site; all if not given.")] = None,
    output: Annotated[OutputFormat, typer.Option("--format", help="How to print.")] = OutputFormat.TABLE,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Estimate the repeatability from own repeated recordings.

    Nothing should have changed between them. Example: ncs repeatability --nerve median --within 14
    """
    from ncs.longitudinal import repeatability
    from ncs.longitudinal._repeatability import WITHIN_DAYS
    from ncs.store import open_store

    days = WITHIN_DAYS if within is None else within
    with open_store(store, create=False) as opened:
        found = repeatability(opened, quantity, nerve, within_days=days, side=side, segment=segment, site=site)
    if output is OutputFormat.TABLE:
        _print(found, quantity, nerve)
        again = ["change", "--nerve", nerve, "--quantity", quantity, "--repeatability", "own", "--within", str(days)]
        from ncs.cli._output import print_lines

        print_lines("", f"Compare visits with it: {command(*again, store=store)}")
        return
    import pandas as pd

    from ncs.cli._frames import print_frame

    names = ("cv_percent", "cv_low", "cv_high", "sd", "sd_low", "sd_high", "n", "degrees_of_freedom", "source")
    row = {"nerve": nerve, "quantity": quantity, "within_days": days} | {name: getattr(found, name) for name in names}
    print_frame(pd.DataFrame([row]), output, "repeatability")


def _print(found: Repeatability, quantity: str, nerve: str) -> None:
    from ncs.cli._output import clean, print_lines
    from ncs.longitudinal._words import amount, quantity_in_words

    assert found.cv_percent is not None  # an estimate has both, with their intervals
    assert found.sd is not None
    low, high = (f"{bound or 0:.2f}" for bound in (found.cv_low, found.cv_high))
    sd_low, sd_high = (amount(quantity, bound or 0, unit=False) for bound in (found.sd_low, found.sd_high))
    print_lines(
        f"{clean(nerve)} {quantity_in_words(quantity)}: {clean(found.source)}",
        "",
        f"coefficient of variation   {found.cv_percent:.2f} % (95 % interval {low} to {high})",
        f"within-subject sd          {amount(quantity, found.sd)} (95 % interval {sd_low} to {sd_high})",
        f"degrees of freedom         {found.degrees_of_freedom}",
    )
