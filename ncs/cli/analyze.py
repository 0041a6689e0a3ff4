"""``ncs analyze``: files into the store, then the numbers of the visits they belong to."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from ncs.cli._options import DEFAULT_STORE, StoreOption, command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

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
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Let a dask.distributed cluster do the work: tcp://host:8786"),
    ] = None,
    check_content: Annotated[
        bool,
        typer.Option("--check-content", help="Read every file again, even where size and times are as they were."),
    ] = False,
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
        bool,
        typer.Option(
            "--keep-identifiers",
            help="Keep names and dates of birth that stand in the files (of files that are not stored yet).",
        ),
    ] = False,
) -> None:
    """Analyse recordings and keep the results."""
    from ncs.batch import analyze_files
    from ncs.cli._progress import progress_bar
    from ncs.detect import DEFAULT_ONSET_METHOD
    from ncs.store import open_store

    if dask is not None and jobs is not None:
        raise typer.BadParameter("the cluster says how many tasks it works on; leave --jobs or --dask out.")
    correction = _correction(temperature)
    with open_store(store) as opened:
        with _workers(dask, paths, jobs) as (executor, workers), progress_bar("analysing") as tell:
            summary = analyze_files(
                paths,
                store=opened,
                executor=executor,
                protocol=protocol,
                jobs=workers,
                onset_method=onset_method or DEFAULT_ONSET_METHOD,
                find_stimulus=find_stimulus,
                review=review,
                temperature_correction=correction,
                subject=subject,
                keep_identifiers=keep_identifiers,
                check_content=check_content,
                progress=tell,
            )
        if as_json:
            _print_document(summary, opened)
        else:
            _print_tables(summary, opened, store)
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


@contextmanager
def _workers(
    address: str | None, paths: Sequence[str], jobs: int | None
) -> Iterator[tuple[Executor | None, int | None]]:
    """Give the executor of a cluster and how many tasks it works on, or neither where there is no cluster."""
    if address is None:
        yield None, jobs
        return
    from ncs._cluster import connected

    with connected(address, paths) as cluster:
        yield cluster


def _found_nothing(summary: BatchSummary) -> bool:
    return not (summary.n_done or summary.n_skipped or summary.failures or summary.interrupted)


def _results(summary: BatchSummary, store: Store) -> Iterator[Sequence[VisitResult]]:
    """Load visit after visit: the waveforms of all visits may not fit into memory."""
    for subject, date in summary.visits:
        results = store.load_results(str(subject), str(date))
        if results:
            yield results


def _print_document(summary: BatchSummary, store: Store) -> None:
    from ncs.cli._documents import document, failure_entry, problem_entries, visit_entry
    from ncs.cli._output import print_json_list

    print_json_list(
        document(
            analysed=summary.n_done,
            already_stored=summary.n_skipped,
            ignored=summary.n_ignored,
            interrupted=summary.interrupted,
            warnings=problem_entries(summary.warnings),
            failures=[failure_entry(failure) for failure in summary.failures],
        ),
        "visits",
        map(visit_entry, _results(summary, store)),
    )


def _print_tables(summary: BatchSummary, store: Store, name: str) -> None:
    from ncs.cli._output import clean, print_lines, print_table, table
    from ncs.cli._visit import print_visit

    visits = list(islice(_results(summary, store), _MOST_LINES))
    if len(visits) <= _MOST_TABLES:
        for results in visits:
            print_visit(results)
            print_lines("")
        return
    columns = [("subject", "left"), ("date", "left"), ("files", "right"), ("numbers", "right"), ("missing", "right")]
    rows = []
    for results in visits:
        numbers = [m for result in results for m in result.measurements]
        missing = sum(m.value is None for m in numbers)
        files = sum(len(result.sources) for result in results)
        subject, date = clean(results[0].subject), str(results[0].date)
        rows.append([subject, date, str(files), str(len(numbers) - missing), str(missing)])
    print_table(table(columns, rows))
    if len(summary.visits) > _MOST_LINES:
        print_lines(f"… and {len(summary.visits) - _MOST_LINES} more visits: {command('show', store=name)}")
    print_lines("", f"One visit in full: {command('show', rows[0][0], rows[0][1], store=name)}")


def _print_remarks(summary: BatchSummary, store: str) -> None:
    from ncs.cli._errors import problem_lines
    from ncs.cli._output import clean, print_error

    for problem in summary.warnings:
        first, *rest = problem_lines([problem])
        print_error(f"warning: {clean(problem.file)}: {first}", *rest)
    for failure in summary.failures:
        print_error(
            f"failed: {clean(failure.path)}", *problem_lines(failure.problems, indent="  ", error=failure.error)
        )
    print_error(f"{summary}.")
    if summary.n_not_retried:
        print_error(
            f"Not tried again: {summary.n_not_retried}, because neither these files nor ncs nor what was asked has "
            "changed. Try them anyway: --check-content"
        )
    if summary.interrupted:
        print_error("Stopped. What was analysed until then is stored; type the same command again to go on.")
    elif _found_nothing(summary):
        ignored = f" (other files, left alone: {summary.n_ignored})" if summary.n_ignored else ""
        print_error(f"No recordings were found{ignored}. To hear why a file is none, name it: ncs analyze FILE")
    elif summary.n_skipped and not summary.n_done and not summary.failures:
        print_error(f"Nothing new. See what is stored: {command('show', store=store)}")
