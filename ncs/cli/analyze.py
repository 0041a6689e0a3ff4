"""``ncs analyze``: files into the store, then the numbers of the visits they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ncs.cli._options import DEFAULT_STORE, StoreOption, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.analysis import TemperatureCorrection
    from ncs.batch import BatchSummary
    from ncs.results import VisitResult
    from ncs.store import Store

__all__ = ["run"]

_MOST_TABLES = 3
_MOST_LINES = 20
_EXAMPLE = "Example: ncs analyze exports/ --protocol lab.toml --store lab.db"


def run(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files, folders, or patterns in quotes.")],
    *,
    store: StoreOption = DEFAULT_STORE,
    protocol: Annotated[
        str | None, typer.Option(metavar="FILE.toml", help="What the laboratory always does: sites, distances, labels.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes to use; one per processor if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
    subject: Annotated[
        str | None, typer.Option(metavar="ID", help="Code of the subject, for files that state none.")
    ] = None,
    onset_method: Annotated[
        str | None, typer.Option(metavar="NAME", help="How the onset is found; changepoint if not given.")
    ] = None,
    find_stimulus: Annotated[
        bool,
        typer.Option("--find-stimulus", help="Take the artefact for the stimulus where nothing states its time."),
    ] = False,
    review: Annotated[
        bool, typer.Option("--review", help="Compare onsets with other rules; flag where they contradict each other.")
    ] = False,
    temperature: Annotated[
        float | None,
        typer.Option(
            "--correct-temperature",
            metavar="CELSIUS",
            help="Add velocities and latencies brought to this skin temperature; what was measured stays.",
        ),
    ] = None,
    keep_identifiers: Annotated[
        bool, typer.Option("--keep-identifiers", help="Keep names and dates of birth that stand in the files.")
    ] = False,
) -> None:
    """Analyse recordings and keep the results."""
    from ncs.batch import analyze_files
    from ncs.cli._progress import progress_bar
    from ncs.detect import DEFAULT_ONSET_METHOD
    from ncs.store import open_store

    correction = _correction(temperature)
    with open_store(store) as opened:
        with progress_bar("analysing") as tell:
            summary = analyze_files(
                paths,
                store=opened,
                protocol=protocol,
                jobs=jobs,
                onset_method=onset_method or DEFAULT_ONSET_METHOD,
                find_stimulus=find_stimulus,
                review=review,
                temperature_correction=correction,
                subject=subject,
                keep_identifiers=keep_identifiers,
                progress=tell,
            )
        visits = [results for visit in summary.visits if (results := _load(opened, visit))]
        if as_json:
            _print_document(summary, visits)
        else:
            _print_tables(visits, store)
    _print_remarks(summary, store)
    if summary.interrupted:
        raise typer.Exit(130)
    if summary.failures or _found_nothing(summary):
        raise typer.Exit(1)


run.__doc__ = f"{run.__doc__}\n\n{_EXAMPLE}"


def _correction(temperature: float | None) -> TemperatureCorrection | None:
    if temperature is None:
        return None
    from ncs.analysis import TemperatureCorrection

    return TemperatureCorrection(reference_c=temperature)


def _found_nothing(summary: BatchSummary) -> bool:
    return not (summary.n_done or summary.n_skipped or summary.failures or summary.interrupted)


def _load(store: Store, visit: tuple[object, object]) -> Sequence[VisitResult]:
    return store.load_results(str(visit[0]), str(visit[1]))


def _print_document(summary: BatchSummary, visits: Sequence[Sequence[VisitResult]]) -> None:
    from ncs.cli._documents import document, failure_entry, problem_entries, visit_entry
    from ncs.cli._output import print_json

    print_json(
        document(
            analysed=summary.n_done,
            already_stored=summary.n_skipped,
            ignored=summary.n_ignored,
            interrupted=summary.interrupted,
            visits=[visit_entry(results) for results in visits],
            warnings=problem_entries(summary.warnings),
            failures=[failure_entry(failure) for failure in summary.failures],
        )
    )


def _print_tables(visits: Sequence[Sequence[VisitResult]], store: str) -> None:
    from ncs.cli._output import clean, print_lines, print_table, table
    from ncs.cli._visit import print_visit

    if len(visits) <= _MOST_TABLES:
        for results in visits:
            print_visit(results)
            print_lines("")
        return
    columns = [("subject", "left"), ("date", "left"), ("files", "right"), ("numbers", "right"), ("missing", "right")]
    rows = []
    for results in visits[:_MOST_LINES]:
        numbers = [m for result in results for m in result.measurements]
        missing = sum(m.value is None for m in numbers)
        files = sum(len(result.sources) for result in results)
        subject, date = clean(results[0].subject), str(results[0].date)
        rows.append([subject, date, str(files), str(len(numbers) - missing), str(missing)])
    print_table(table(columns, rows))
    if len(visits) > _MOST_LINES:
        print_lines(f"… and {len(visits) - _MOST_LINES} more visits: {command('show', store=store)}")
    print_lines("", f"One visit in full: {command('show', rows[0][0], rows[0][1], store=store)}")


def _print_remarks(summary: BatchSummary, store: str) -> None:
    from ncs.cli._errors import problem_lines
    from ncs.cli._output import clean, print_error

    for problem in summary.warnings:
        first, *rest = problem_lines([problem])
        print_error(f"warning: {clean(problem.file)}: {first}", *rest)
    for failure in summary.failures:
        print_error(f"failed: {clean(failure.path)}", *problem_lines(failure.problems, indent="  "))
    print_error(f"{summary}.")
    if summary.interrupted:
        print_error("Stopped. What was analysed until then is stored; type the same command again to go on.")
    elif _found_nothing(summary):
        ignored = f" (other files, left alone: {summary.n_ignored})" if summary.n_ignored else ""
        print_error(f"No recordings were found{ignored}. To hear why a file is none, name it: ncs analyze FILE")
    elif summary.n_skipped and not summary.n_done and not summary.failures:
        print_error(f"Nothing new. See what is stored: {command('show', store=store)}")
