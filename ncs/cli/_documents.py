"""Results as documents for other programs: the shape of ``--json``. Names in it are part of the interface."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from ncs import __version__
from ncs.io.merging import split_studies
from ncs.report.reported import comparisons

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncs.errors import Problem
    from ncs.report.reported import Comparison
    from ncs.results import Measurement, VisitResult
    from ncs.store.failure import Failure

__all__ = ["document", "failure_entry", "frame_entries", "visit_entry"]


def document(**content: Any) -> dict[str, Any]:
    """Return a document that says which version wrote it."""
    return {"ncs_version": __version__, **content}


def visit_entry(results: Sequence[VisitResult]) -> dict[str, Any]:
    """Return one visit: subject, date, and per file the analysis and every measurement."""
    first = results[0]
    return {
        "subject": first.subject.id,
        "date": first.date.isoformat() if first.date is not None else None,
        "sex": next((result.subject.sex for result in results if result.subject.sex is not None), None),
        "covariates": {name: value for result in results for name, value in result.visit.covariates.items()},
        "warnings": problem_entries(split_studies([result.visit for result in results])[1]),
        "results": [_result(result) for result in results],
    }


def _result(result: VisitResult) -> dict[str, Any]:
    return {
        "files": [asdict(source) for source in result.sources],
        "version": result.version,
        "parameters": result.parameters,
        "fingerprint": result.fingerprint,
        "warnings": problem_entries(result.visit.problems),
        "measurements": [_measurement(m) for m in result.measurements],
        "reported": [_reported(one) for one in comparisons([result])],
    }


def _measurement(m: Measurement) -> dict[str, Any]:
    entry = asdict(m)
    entry["flags"] = list(m.flags)
    entry["reason_text"] = m.reason.sentence if m.reason is not None else None
    return entry


def _reported(one: Comparison) -> dict[str, Any]:
    """Return what the machine itself measured, with our number for it."""
    return {field.name: getattr(one, field.name) for field in fields(one) if field.name != "study"}


def problem_entries(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """Return problems with their six fields."""
    return [asdict(problem) for problem in problems]


def failure_entry(failure: Failure) -> dict[str, Any]:
    """Return one file that could not be analysed."""
    return {
        "file": failure.path,
        "error": failure.error,
        "sha256": failure.sha256,
        "problems": problem_entries(failure.problems),
    }


def frame_entries(frame: Any) -> list[dict[str, Any]]:
    """Return a data frame as one object per row; what is absent is null."""
    import pandas as pd

    return [{name: _plain(value, pd) for name, value in row.items()} for row in frame.to_dict(orient="records")]


def _plain(value: Any, pd: Any) -> Any:
    if isinstance(value, tuple):
        return problem_entries(value)
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):  # noqa: PLR0124 - NaN
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value
