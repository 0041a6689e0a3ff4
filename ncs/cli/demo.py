"""``ncs demo``: a small simulated study from recordings to velocities, beside the truth it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ncs.cli._options import command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ncs.demo import Comparison

__all__ = ["run"]


def run(
    dest: Annotated[str, typer.Argument(metavar="DEST", help="Folder to write into; made if there is none.")] = "demo",
) -> None:
    """Simulate a small study, analyse it, and compare with the truth.

    Example: ncs demo nine-subjects
    """
    from ncs import demo
    from ncs.cli._output import print_lines
    from ncs.cli._progress import progress_bar
    from ncs.cli._visit import print_visit
    from ncs.store import open_store

    with progress_bar("simulating and analysing") as tell:
        made = demo.run(dest, progress=tell)
    last = made.visits[0]
    with open_store(made.store) as store:
        results = store.load_results(str(last.visit.subject), str(last.visit.date))
    print_lines("SIMULATED DATA: nobody was examined.", "")
    print_visit(results)
    print_lines("")
    _print_comparison(made.comparisons)
    _print_paths(made.exports, made.store, str(last.visit.subject), str(last.visit.date))


def _print_comparison(comparisons: Sequence[Comparison]) -> None:
    from ncs.cli._output import print_lines, print_table, table

    visits = max(comparison.visit for comparison in comparisons)
    columns = [("subject", "left")]
    columns += [
        (f"visit {number}\n{what}", "right") for number in range(1, visits + 1) for what in ("measured", "truth")
    ]
    rows: dict[str, list[str]] = {}
    for c in comparisons:
        measured = _measured(c)
        rows.setdefault(c.subject, [c.subject]).extend([measured, f"{c.true_m_s:.1f}"])
    print_lines("Median motor conduction velocity, wrist to elbow, m/s (simulated data)")
    print_table(table(columns, rows.values()))
    errors = [abs(c.measured_m_s - c.true_m_s) for c in comparisons if c.measured_m_s is not None]
    missing = len(comparisons) - len(errors)
    words = [f"Measured {len(errors)} of {len(comparisons)}"]
    words += [f"largest difference from the truth {max(errors):.1f} m/s"] if errors else []
    words += [f"could not be measured {missing}"] if missing else []
    print_lines("", f"{'; '.join(words)}.")


def _measured(c: Comparison) -> str:
    if c.measured_m_s is None:
        return "none"
    return f"{c.measured_m_s:.1f}" if c.sd_m_s is None else f"{c.measured_m_s:.1f} ±{c.sd_m_s:.1f}"


def _print_paths(exports: Path, store: Path, subject: str, date: str) -> None:
    from ncs.cli._output import print_lines

    print_lines(
        "",
        f"recordings (EDF+D)  {exports}",
        f"store               {store}",
        f"go on with          {command('show', subject, store=str(store))}",
        f"                    {command('show', subject, date, '--format', 'csv', store=str(store))}",
    )
