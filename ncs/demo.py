"""The whole chain on a study with known truth: simulated, exported, analysed, compared over the visits, put on pages.

Nobody was examined: the study is that of ``ncs.simulate.PUBLISHED_SUMMARY``; change it there.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ncs.errors import FileAccessError, NcsError, Problem, StoreError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ncs.batch import BatchProgress
    from ncs.longitudinal import ChangeTable, Cohort, Covariate
    from ncs.results import VisitResult
    from ncs.simulate import CovariateValue, SimulatedCohort, SimulatedVisit
    from ncs.store import Store

__all__ = ["LABEL", "SEED", "Comparison", "Demo", "WrittenCohort", "run", "write_cohort"]

SEED = 20080315
LABEL = "SIMULATED DATA: nobody was examined."
_SHOWN = "S06"
"""Subject whose waveforms are on the pages: low and dispersed at first."""
_COVARIATE_COLUMNS = ("subject", "date", "name", "value", "unit", "upper_limit")
_TRUTH_COLUMNS = (
    "subject", "date", "nerve", "side", "technique", "segment", "distance_mm", "nominal_velocity_m_s",
    "true_velocity_m_s", "distal_latency_ms", "distal_amplitude_uv",
)  # fmt: skip
_ABOUT = f"""{LABEL}

Recordings (*.edf), covariates (covariates.csv) and what is true of the nerves (truth.csv) come from ncs.simulate.
nominal_velocity_m_s is that of the nerve; true_velocity_m_s is what flawless marks would give in that session, with the
distance that is stated there, and empty where there is no response.

The study of nine subjects is modelled on the published summary of Kuwabara et al., J Neurol Neurosurg Psychiatry
2008;79:1255-7: how many rose, fell and improved, and how long they were followed. That summary has no value of any
patient; all values here are made up, and so is the laboratory with its upper limit of VEGF.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCohort:
    """The files of a simulated cohort; ``covariates`` is ``None`` where the plan has none."""

    folder: Path
    recordings: tuple[Path, ...]
    covariates: Path | None
    truth: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The median motor conduction velocity of one visit as measured and as simulated; ``None`` where there is none."""

    subject: str
    date: dt.date
    visit: int
    measured_m_s: float | None
    sd_m_s: float | None
    true_m_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Demo:
    """What the demonstration made."""

    files: WrittenCohort
    store: Path
    simulated: SimulatedCohort
    comparisons: tuple[Comparison, ...]
    table: ChangeTable
    cohort: Cohort
    visit_page: Path
    cohort_page: Path


def write_cohort(simulated: SimulatedCohort, dest: str | os.PathLike[str]) -> WrittenCohort:
    """Write every study of every visit as one EDF+D file, the covariates and the truth as CSV.

    Raises
    ------
    FileAccessError
        When the folder cannot be made or written, or holds other recordings.
    """
    folder = Path(dest)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_others(simulated, folder)
        recordings = tuple(_write_recordings(simulated.visits, folder))
        truth = folder / "truth.csv"
        truth.write_text(_csv(_TRUTH_COLUMNS, _truths(simulated.visits)), encoding="utf-8")
        (folder / "SIMULATED.md").write_text(_ABOUT, encoding="utf-8")
        covariates = folder / "covariates.csv" if simulated.covariates else None
        if covariates is not None:
            covariates.write_text(_csv(_COVARIATE_COLUMNS, map(_covariate, simulated.covariates)), encoding="utf-8")
    except OSError as error:
        if isinstance(error, NcsError):
            raise
        raise _unusable(folder, "a folder that can be written", (error.strerror or str(error)).lower()) from error
    return WrittenCohort(folder=folder, recordings=recordings, covariates=covariates, truth=truth)


def _unusable(folder: Path, expected: str, found: str) -> FileAccessError:
    hint = "Name another folder."
    return FileAccessError([Problem(file=str(folder), place="", field="", expected=expected, found=found, hint=hint)])


def _names(visits: Iterable[SimulatedVisit]) -> Iterator[tuple[SimulatedVisit, int, str]]:
    for simulated in visits:
        for index, study in enumerate(simulated.visit.studies):
            name = f"{simulated.visit.subject}_{simulated.visit.date}_{study.nerve}_{study.technique}.edf"
            yield simulated, index, name


def _refuse_others(simulated: SimulatedCohort, folder: Path) -> None:
    """Never mix two studies: whoever analyses the folder would join their visits."""
    ours = {name for _, _, name in _names(simulated.visits)}
    others = sorted(path.name for path in folder.glob("*.edf") if path.name not in ours)
    if others:
        raise _unusable(folder, "a folder without other recordings", f"{others[0]} and {len(others) - 1} more")


def _write_recordings(visits: Sequence[SimulatedVisit], folder: Path) -> Iterator[Path]:
    from ncs.io.edf_write import write_edf

    for simulated, index, name in _names(visits):
        write_edf(simulated.visit, folder / name, study=index)
        yield folder / name


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue()


def _covariate(row: CovariateValue) -> tuple[object, ...]:
    limit = None if row.upper_limit is None else f"{row.upper_limit:g}"
    return (row.subject, row.date, row.name, row.value, row.unit, limit)


def _truths(visits: Iterable[SimulatedVisit]) -> Iterator[tuple[object, ...]]:
    for simulated in visits:
        for study, truth in zip(simulated.visit.studies, simulated.truth.studies, strict=True):
            segment, marks = truth.segments[0], truth.sites[0].marks
            latency, amplitude = float(marks.onset_ms[0]), float(marks.peak_uv[0])
            responds = bool(marks.has_response[0])
            yield (
                simulated.visit.subject, simulated.visit.date, study.nerve, study.side, study.technique,
                f"{segment.distal_site}-{segment.proximal_site}", f"{segment.distance_mm:g}",
                f"{segment.nominal_velocity_m_s:g}",
                None if segment.true_velocity_m_s is None else f"{segment.true_velocity_m_s:.3f}",
                f"{latency:.3f}" if responds else None, f"{amplitude:.1f}" if responds else None,
            )  # fmt: skip


def run(dest: str | os.PathLike[str], *, progress: Callable[[BatchProgress], object] | None = None) -> Demo:
    """Simulate the study, write it, analyse it, compare the visits, write the two pages.

    Parameters
    ----------
    dest
        Folder; made if there is none. It gets ``exports/``, ``ncs.db``, ``visit.html`` and ``cohort.html``. Running
        twice gives the same files and adds nothing to the store.
    progress
        As for ``ncs.analyze_files``.

    Raises
    ------
    FileAccessError
        When ``dest`` cannot be written, or holds other recordings.
    StoreError
        When its store holds other visits.
    NcsError
        When one of the recordings cannot be analysed.
    """
    from ncs import longitudinal, simulate
    from ncs.batch import analyze_files
    from ncs.store import open_store

    folder = Path(dest)
    simulated = simulate.cohort(seed=SEED)
    files = write_cohort(simulated, folder / "exports")
    assert files.covariates is not None  # the plan has some
    with open_store(folder / "ncs.db") as store:
        summary = analyze_files(files.recordings, store=store, progress=progress, jobs=1)  # too few for processes
        if summary.failures:
            raise NcsError("\n".join(failure.message for failure in summary.failures))
        _refuse_other_visits(store, simulated, folder)
        longitudinal.import_covariates(store, files.covariates)
        table = longitudinal.change(store, "motor_conduction_velocity", "median")
        covariates = longitudinal.covariates(store)
        cohort = longitudinal.cohort(table, covariates)
        comparisons = tuple(_comparisons(table, simulated))
        pages = _write_pages(folder, table, cohort, covariates, _results(store, simulated))
    return Demo(
        files=files, store=folder / "ncs.db", simulated=simulated, comparisons=comparisons, table=table, cohort=cohort,
        visit_page=pages[0], cohort_page=pages[1],
    )  # fmt: skip


def _refuse_other_visits(store: Store, simulated: SimulatedCohort, folder: Path) -> None:
    expected = {(str(each.visit.subject), str(each.visit.date)): len(each.visit.studies) for each in simulated.visits}
    frame = store.visits()
    found = {(row["subject"], row["date"]): row["files"] for row in frame.to_dict(orient="records")}
    if found != expected:
        subject, date = min(set(found.items()) ^ set(expected.items()))[0]
        raise StoreError(
            f"{folder / 'ncs.db'}: expected the visits of this simulation and no others, found another visit or other "
            f"recordings of {subject} on {date}. Name another folder: ncs demo DEST"
        )


def _comparisons(table: ChangeTable, simulated: SimulatedCohort) -> Iterator[Comparison]:
    measured = {(value.subject, value.date): value for series in table.series for value in series.visits}
    for each in simulated.visits:
        subject, date = str(each.visit.subject), each.visit.date
        assert date is not None  # simulated visits have one
        value = measured[subject, date]
        yield Comparison(
            subject=subject,
            date=date,
            visit=each.number,
            measured_m_s=value.value,
            sd_m_s=value.sd,
            true_m_s=each.true_velocity_m_s,
        )


def _results(store: Store, simulated: SimulatedCohort) -> list[tuple[VisitResult, ...]]:
    """Return the results of the subject that is shown, one tuple per visit."""
    dates = [each.visit.date for each in simulated.visits if each.visit.subject.id == _SHOWN]
    return [store.load_results(_SHOWN, str(date)) for date in dates]


def _write_pages(
    folder: Path,
    table: ChangeTable,
    cohort: Cohort,
    covariates: Sequence[Covariate],
    shown: list[tuple[VisitResult, ...]],
) -> tuple[Path, Path]:
    from ncs.io._in_one_step import write_in_one_step
    from ncs.report import cohort_page, visit_page

    results = [result for visit in shown for result in visit]
    texts = {
        folder / "visit.html": visit_page(shown[0], notice=LABEL),
        folder / "cohort.html": cohort_page(table, cohort, covariates=covariates, results=results, notice=LABEL),
    }
    for path, text in texts.items():
        try:
            write_in_one_step(path, text.encode())
        except OSError as error:
            raise _unusable(path, "a file that can be written", (error.strerror or str(error)).lower()) from error
    visit, together = texts
    return visit, together
