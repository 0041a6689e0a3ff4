"""What people did to marks, and the runs that came of it, as tables."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ncs.store import _schema as s
from ncs.store._frames import as_table, visit_conditions
from ncs.store._rows import MEASURED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

__all__ = ["history", "runs"]

_EDIT_COLUMNS = (
    "edit", "subject", "date", "nerve", "side", "technique", "recording_site", "site", "response", "sweep", "mark",
    "value_before", "value", "author", "reason", "created_utc", "withdraws", "withdrawn_by", "in_force", "applied",
    "source", "waveform_sha256",
)  # fmt: skip
_RUN_COLUMNS = (
    "run", "subject", "date", "source", "files", "onset_method", "version", "measurements", "edits", "base_run",
    "created_utc", "current", "fingerprint",
)  # fmt: skip
_PLACE = ("visit_id", "waveform_sha256", "study_index", "trace_index", "response", "sweep", "mark")


def history(connection: sa.Connection, **where: Any) -> pd.DataFrame:
    """Return one row per edit and per withdrawal, oldest first."""
    e = s.mark_edits.c
    query = (
        sa.select(s.mark_edits, e.id.label("edit"), s.subjects.c.code.label("subject"), s.visits.c.date)
        .select_from(s.mark_edits.join(s.visits, s.visits.c.id == e.visit_id).join(s.subjects))
        .where(*visit_conditions({**where, "all_runs": True}))
        .order_by(e.id)
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    withdrawn_by = {row["withdraws"]: row["edit"] for row in rows if row["withdraws"] is not None}
    last = {
        tuple(row[name] for name in _PLACE): row["edit"]
        for row in rows
        if row["withdraws"] is None and row["edit"] not in withdrawn_by
    }
    applied, sources = _applied(connection, rows), _sources(connection, rows)
    for row in rows:
        row["withdrawn_by"] = withdrawn_by.get(row["edit"])
        row["in_force"] = last.get(tuple(row[name] for name in _PLACE)) == row["edit"]
        row["applied"] = row["in_force"] and _said(row) in applied[row["waveform_sha256"]]
        row["source"] = sources.get(row["content_key"])
        row["sweep"] = None if row["sweep"] == MEASURED else row["sweep"]
    return _with_integers(as_table(_EDIT_COLUMNS, rows), "sweep", "withdraws", "withdrawn_by")


def _said(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return an edit as the parameters of a run have it, without its place and its time."""
    sweep = row["sweep"]
    return row["mark"], None if sweep in {None, MEASURED} else sweep, row["author"], row["response"]


def _applied(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, set[tuple[Any, ...]]]:
    """Return by waveform what current runs have of people's edits."""
    r, x = s.runs.c, s.traces.c
    found: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    visits = sorted({row["visit_id"] for row in rows})
    contents = sorted({row["content_key"] for row in rows})
    if not visits:
        return found
    query = (
        sa.select(s.analyses.c.parameters, x.study_index, x.trace_index, x.waveform_sha256)
        .select_from(
            s.traces.join(s.runs, r.id == x.run_id)
            .join(s.edited_runs, s.edited_runs.c.run_id == r.id)
            .join(s.analyses, s.analyses.c.id == r.analysis_id)
        )
        .where(r.current.is_(sa.true()), r.visit_id.in_(visits) | r.content_key.in_(contents))
    )
    for row in connection.execute(query):
        for edit in row.parameters.get("edits", ()):
            if (edit["study_index"], edit["trace_index"]) == (row.study_index, row.trace_index):
                found[row.waveform_sha256].add(_said(edit))
    return found


def _sources(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the name of the (first) file by content."""
    r, x = s.runs.c, s.run_sources.c
    contents = sorted({row["content_key"] for row in rows})
    query = sa.select(r.content_key, x.name).join(s.run_sources, (x.run_id == r.id) & (x.position == 0))
    return {key: name for key, name in connection.execute(query.where(r.content_key.in_(contents)).order_by(r.id))}  # noqa: C416 - rows are not pairs to mypy


def runs(connection: sa.Connection, **where: Any) -> pd.DataFrame:
    """Return one row per run, current or not."""
    r, x, m = s.runs.c, s.run_sources.c, s.measurements.c
    files = sa.select(sa.func.count()).where(x.run_id == r.id).correlate(s.runs).scalar_subquery()
    count = sa.select(sa.func.count()).where(m.run_id == r.id).correlate(s.runs).scalar_subquery()
    first = s.run_sources.alias("first_source")
    query = (
        sa.select(
            r.id.label("run"), s.subjects.c.code.label("subject"), s.visits.c.date, first.c.name.label("source"),
            files.label("files"), s.analyses.c.parameters, r.version, count.label("measurements"),
            s.edited_runs.c.base_run_id.label("base_run"), r.created_utc, r.current, r.fingerprint,
        )
        .select_from(
            s.runs.join(s.visits, s.visits.c.id == r.visit_id)
            .join(s.subjects, s.subjects.c.id == s.visits.c.subject_id)
            .join(s.analyses, s.analyses.c.id == r.analysis_id)
            .outerjoin(first, (first.c.run_id == r.id) & (first.c.position == 0))
            .outerjoin(s.edited_runs, s.edited_runs.c.run_id == r.id)
        )
        .where(*visit_conditions({**where, "all_runs": True}))
        .order_by(s.subjects.c.code, s.visits.c.date, r.id)
    )  # fmt: skip
    rows = [dict(row) for row in connection.execute(query).mappings()]
    for row in rows:
        row["onset_method"] = row["parameters"].get("onset_method")
        row["edits"] = len(row["parameters"].get("edits", ()))
    return _with_integers(as_table(_RUN_COLUMNS, rows), "base_run")


def _with_integers(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return a frame in which numbers that may be absent are integers all the same."""
    return frame.astype(dict.fromkeys(names, "Int64"))
