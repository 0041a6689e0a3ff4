"""``ncs demo``: a simulated study from recordings to the change between visits, beside the truth it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ncs.cli._options import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.demo import Comparison, Demo
    from ncs.longitudinal import Cohort

__all__ = ["run"]


def run(
    dest: Annotated[str, typer.Argument(metavar="DEST", help="Folder to write into; made if there is none.")] = "demo",
) -> None:
    """Simulate a study, analyse it, and say which nerves changed.

    Writes recordings, covariates, a store and two pages into DEST, and compares what was measured with the truth.

    Example: ncs demo nine-subjects
    """
    from ncs import demo
    from ncs.cli._output import clean, print_lines
    from ncs.cli._progress import progress_bar

    with progress_bar("simulating and analysing") as tell:
        made = demo.run(dest, progress=tell)
    print_lines(demo.LABEL, "")
    _print_changes(made)
    _print_accuracy(made.comparisons)
    _print_paths(made)
    print_lines("", clean(made.cohort.sentence), *_outcomes(made.cohort))
    print_lines(
        "",
        f"one visit   {clean(made.visit_page)}",
        f"the cohort  {clean(made.cohort_page)}",
    )


def _outcomes(cohort: Cohort) -> list[str]:
    """Return what the cohort says about the score and the laboratory value that its model reports."""
    from ncs.cli._output import clean

    return [clean(words) for words in cohort.sentences if words.startswith(("ONLS ", "VEGF "))]


def _print_changes(made: Demo) -> None:
    from ncs.cli._output import print_lines, print_table, table

    true = {(c.subject, c.date): c.true_m_s for c in made.comparisons}
    columns = [("subject", "left"), ("months", "right"), ("first", "right"), ("last", "right")]
    columns += [("change", "right"), ("truth", "right"), ("limit", "right"), ("", "left")]
    rows = []
    for row in made.table.last():
        before, now = (true[row.subject, value.date] for value in (row.baseline, row.visit))
        rows.append(
            [
                row.subject,
                f"{row.months:.0f}",
                _value(row.baseline.value, row.baseline.sd),
                _value(row.visit.value, row.visit.sd),
                _signed(row.difference),
                _signed(None if before is None or now is None else now - before),
                "" if row.error_95 is None else f"{row.error_95:.1f}",
                row.verdict.value,
            ]
        )
    print_lines("Median motor conduction velocity, wrist to elbow, m/s: last visit against the first")
    print_table(table(columns, rows))
    print_lines("limit: what a change has to exceed, from the noise and from how far sessions differ")
    for row in made.table.rows:
        if row.why:
            print_lines(f"not compared: {row.subject} on {row.visit.date}, {row.why}")


def _value(value: float | None, sd: float | None) -> str:
    if value is None:
        return "NR"
    return f"{value:.1f}" if sd is None else f"{value:.1f} ±{sd:.1f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}"


def _print_accuracy(comparisons: Sequence[Comparison]) -> None:
    from ncs.cli._output import print_lines

    errors = [
        (abs(c.measured_m_s - c.true_m_s), c)
        for c in comparisons
        if c.measured_m_s is not None and c.true_m_s is not None
    ]
    silent = sum(c.true_m_s is None for c in comparisons)
    largest, where = max(errors, key=lambda pair: pair[0])
    print_lines(
        "",
        f"Measured {len(errors)} of {len(comparisons)} visits; {silent} has no response. "
        f"Largest difference from the truth {largest:.1f} m/s ({where.subject}, {where.date}).",
    )


def _print_paths(made: Demo) -> None:
    from ncs.cli._output import clean, print_lines

    store = str(made.store)
    print_lines(
        "",
        f"recordings  {clean(made.files.folder)}",
        f"covariates  {clean(made.files.covariates)}",
        f"store       {clean(store)}",
        f"go on with  {command('change', '--nerve', 'median', store=store)}",
        f"            {command('show', 'S06', store=store)}",
    )
