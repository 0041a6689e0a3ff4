"""``ncs simulate``: recordings and covariates of people who do not exist, with what is true of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["run"]


class What(StrEnum):
    """What can be simulated."""

    COHORT = "cohort"


def run(
    what: Annotated[What, typer.Argument(metavar="WHAT", help="What to simulate: cohort.")],
    dest: Annotated[str, typer.Argument(metavar="DEST", help="Folder to write into; made if there is none.")],
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Other noise and other nerves; the plan stays.")
    ] = None,
    session_cv: Annotated[
        float | None,
        typer.Option(
            "--session-cv", min=0.0, max=10.0, metavar="PERCENT", help="How far sessions differ; 1 if not given."
        ),
    ] = None,
    rise: Annotated[
        float | None, typer.Option(metavar="M/S", help="Let every velocity rise by so much instead; 0 for no change.")
    ] = None,
    subjects: Annotated[int, typer.Option(min=1, max=999, metavar="N", help="How many, with --rise.")] = 9,
    visits: Annotated[int, typer.Option(min=2, max=20, metavar="N", help="How many of each, with --rise.")] = 3,
) -> None:
    """Simulate a study over several visits: recordings, covariates, and what is true.

    Nine subjects, modelled on a published summary; with --rise, any number of subjects who all change alike.

    Example: ncs simulate cohort nine-subjects
    """
    from ncs import simulate
    from ncs.cli._output import print_lines
    from ncs.demo import SEED, write_cohort

    del what  # there is only one so far
    if rise is None and (subjects, visits) != (9, 3):
        raise typer.BadParameter("--subjects and --visits need --rise, which says how much the velocities change.")
    plan = simulate.PUBLISHED_SUMMARY
    if rise is not None:
        plan = simulate.steady_plan(subjects, rise_m_s=rise, n_visits=visits)
    made = simulate.cohort(
        plan, seed=SEED if seed is None else seed, session_cv_percent=1.0 if session_cv is None else session_cv
    )
    written = write_cohort(made, dest)
    print_lines("SIMULATED DATA: nobody was examined.", "")
    print_lines(f"recordings (EDF+D)  {len(written.recordings)} in {written.folder}")
    if written.covariates is not None:
        print_lines(f"covariates          {written.covariates}")
    print_lines(f"truth               {written.truth}")
