"""The way out to tables: selections of stored rows as pandas data frames. Columns are part of the interface."""

from __future__ import annotations

import datetime as dt
import difflib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ncs.errors import InvalidInputError, Problem
from ncs.quantities import QUANTITIES
from ncs.results import COLUMNS, in_one_cell
from ncs.store import _schema as s
from ncs.store._rows import KIND_COLUMNS, MARK_COLUMNS, MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

__all__ = [
    "as_date", "as_table", "covariates", "failures", "marks", "measurements", "visit_conditions", "visits",
]  # fmt: skip

_FLOATS = {"value", "value_before", "sd", "distance_mm", "skin_temperature_c", "number", "upper_limit", *MARK_COLUMNS}
_MOMENTS = {"analysed_utc", "failed_utc", "resolved_utc", "created_utc"}
_COUNTS = {"files", "measurements", "run", "run_id", "position", "study_index", "trace_index", "outcome_code"}
_DATES = {"date", "stated_date"}

_ROWS_AT_ONCE = 2000

Cells = dict[str, list[Any]]
"""What a query gave, column by column."""


def as_date(value: dt.date | str, name: str = "date") -> dt.date:
    """Return a date given as one or as ``YYYY-MM-DD``.

    Raises
    ------
    InvalidInputError
        When the text is no such date.
    """
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{name}: expected a date as YYYY-MM-DD, found {value!r}") from None


def measurements(connection: sa.Connection, *, quantity: Any = None, segment: Any = None, **where: Any) -> pd.DataFrame:
    """Return measurements, columns ``ncs.results.COLUMNS`` and ``run``."""
    for name in _several(quantity):
        _check_quantity(name)
    wanted = {"quantity": quantity, "segment": segment, **{name: where.get(name) for name in ("nerve", "side", "site")}}
    k, m = s.kinds.c, s.measurements.c
    chosen = [condition for name, value in wanted.items() for condition in _equal(k[name], value)]
    of_kind = [m.kind_id.in_(sa.select(k.id).where(*chosen))] if chosen else []
    of_visits = visit_conditions(where)
    # What rows have in common is fetched once, not with every row: their kinds, and where they come from.
    kinds = _cells(connection, sa.select(k.id, *(k[name] for name in KIND_COLUMNS)).where(*chosen))
    origins = _origins(connection, of_visits, sa.select(m.run_id).where(*of_kind) if of_kind else None)
    own = sa.select(m.run_id, m.position, m.kind_id, *(m[name] for name in COLUMNS if name in m)).where(*of_kind)
    if not of_kind or any(where.get(name) is not None for name in ("subject", "date", "since", "until", "run")):
        own = own.where(m.run_id.in_(_runs(of_visits)))
    return _joined(_cells(connection, own), kinds, origins)


def _runs(conditions: list[Any]) -> Any:
    """Return the query for the numbers of runs."""
    return sa.select(s.runs.c.id).select_from(s.runs.join(s.visits).join(s.subjects)).where(*conditions)


def _origins(connection: sa.Connection, conditions: list[Any], runs: Any) -> Cells:
    """Return where the rows of runs come from, one row for each ``run``, in the order in which they are wanted."""
    x = s.run_sources.c
    query = sa.select(s.runs.c.id.label("run"), *_ORIGIN).select_from(
        s.runs.join(s.visits, s.visits.c.id == s.runs.c.visit_id)
        .join(s.subjects, s.subjects.c.id == s.visits.c.subject_id)
        .outerjoin(s.run_sources, x.run_id == s.runs.c.id)
        .outerjoin(s.source_files, s.source_files.c.id == x.source_id)
    )
    query = query.where(*conditions)
    if runs is not None:
        query = query.where(s.runs.c.id.in_(runs))
    found = _cells(connection, query.order_by(s.subjects.c.code, s.visits.c.date, s.runs.c.id, x.position))
    return found if len(set(found["run"])) == len(found["run"]) else _with_all_files(found)


def _with_all_files(origins: Cells) -> Cells:
    """Return one row for every run, with all its files, where runs over several files have a row for each."""
    first: dict[int, int] = {}
    files: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for index, run in enumerate(origins["run"]):
        first.setdefault(run, index)
        files[run].append((origins["source"][index], origins["sha256"][index]))
    rows = {name: [values[index] for index in first.values()] for name, values in origins.items()}
    for index, several in enumerate(files.values()):
        if len(several) > 1:
            rows["source"][index], rows["sha256"][index] = map(in_one_cell, zip(*several, strict=True))
    return rows


def _joined(own: Cells, kinds: Cells, origins: Cells) -> pd.DataFrame:
    """Return the frame of measurements; rows of runs that are not among the origins are left out."""
    import numpy as np
    import pandas as pd

    place = _positions(origins.pop("run"), own["run_id"])
    order = np.lexsort((np.array(own["position"], np.int64), place))
    order = order[place[order] >= 0]
    kind = _positions(kinds.pop("id"), own.pop("kind_id"))[order]
    columns: dict[str, Any] = {}
    for cells, places in ((origins, place[order]), (kinds, kind), (own | {"run": own["run_id"]}, order)):
        # the texts of the few rows that many have in common become pandas' own before they are multiplied
        columns |= {name: pd.Series(_typed(name, values)).array.take(places) for name, values in cells.items()}
    return pd.DataFrame({name: columns[name] for name in (*COLUMNS, "run")})


def _positions(known: list[int], wanted: list[int]) -> Any:
    """Return where each wanted number stands among the known ones, -1 where it does not."""
    import numpy as np

    if not known:
        return np.full(len(wanted), -1, np.int64)
    numbers, sought = np.array(known, np.int64), np.array(wanted, np.int64)
    order = np.argsort(numbers)
    found = order[np.minimum(np.searchsorted(numbers, sought, sorter=order), len(numbers) - 1)]
    return np.where(numbers[found] == sought, found, -1)


def marks(connection: sa.Connection, **where: Any) -> pd.DataFrame:
    """Return marks: one row per sweep and one per trace (``kind`` ``"measured"``) that the measurements rest on."""
    from ncs.detect.marks import Flag, Outcome

    k, study, trace = s.marks.c, s.studies.c, s.traces.c
    names = ("nerve", "side", "technique", "recording_site")
    same_study = (study.run_id == k.run_id) & (study.study_index == k.study_index)
    same_trace = (
        (trace.run_id == k.run_id) & (trace.study_index == k.study_index) & (trace.trace_index == k.trace_index)
    )
    of_visits = visit_conditions(where)
    query = (
        sa.select(
            *(study[name] for name in names),
            trace.stimulation_site.label("site"),
            *(k[name] for name in ("study_index", "trace_index", "response", "sweep", *MARK_COLUMNS)),
            k.outcome.label("outcome_code"),
            k.flags.label("flag_bits"),
            k.run_id.label("run"),
        )
        .select_from(s.marks.join(s.studies, same_study).join(s.traces, same_trace))
        .where(k.run_id.in_(_runs(of_visits)))
        .where(*_equal(study.nerve, where.get("nerve")), *_equal(study.side, where.get("side")))
        .where(*_equal(trace.stimulation_site, where.get("site")))
        .order_by(*s.marks.primary_key.columns)
    )
    columns = ("subject", "date", *names, "site", "response", "kind", "sweep", *MARK_COLUMNS, *_MARKS_END)
    own, origins = _cells(connection, query), _origins(connection, of_visits, None)
    place = _positions(origins.pop("run"), own["run"])
    own |= {name: [values[index] for index in place] for name, values in origins.items()}
    frame = _built(("outcome_code", "flag_bits", *columns), own)
    frame = frame.take(place.argsort(kind="stable")).reset_index(drop=True)
    frame["kind"] = ["measured" if sweep == MEASURED else "sweep" for sweep in frame["sweep"]]
    frame["sweep"] = frame["sweep"].where(frame["sweep"] != MEASURED).astype("Int64")
    frame["outcome"] = [Outcome(code).name.lower() for code in frame["outcome_code"]]
    frame["flags"] = [";".join((flag.name or "").lower() for flag in Flag(bits)) for bits in frame["flag_bits"]]
    return frame[list(columns)]


_MARKS_END = ("outcome", "flags", "source", "sha256", "version", "run", "study_index", "trace_index")


def visits(connection: sa.Connection, **where: Any) -> pd.DataFrame:
    """Return one row per visit."""
    v, r = s.visits.c, s.runs.c
    chosen = visit_conditions({**where, "run": None, "all_runs": True})
    current = (r.visit_id == v.id) & r.current.is_(sa.true())
    query = (
        sa.select(v.id, s.subjects.c.code.label("subject"), v.date, r.id.label("run"), r.sex, r.version, r.created_utc)
        .select_from(s.visits.join(s.subjects).outerjoin(s.runs, current))
        .where(*chosen)
        .order_by(s.subjects.c.code, v.date, r.id)
    )
    counted = [r.current.is_(sa.true())]
    if chosen:
        counted.append(r.visit_id.in_(sa.select(v.id).select_from(s.visits.join(s.subjects)).where(*chosen)))
    nerves = _nerves(connection, counted)
    files, counts = (_counts(connection, table, counted) for table in (s.run_sources, s.measurements))
    rows: dict[int, dict[str, Any]] = {}
    parts: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        rows.setdefault(row.id, {"subject": row.subject, "date": row.date})
        if row.run is not None:
            parts[row.id].append(row)
    for visit, cells in rows.items():
        found = parts[visit]
        sexes = {row.sex for row in found if row.sex is not None}
        cells["sex"] = sexes.pop() if len(sexes) == 1 else None
        cells["files"] = files.get(visit, 0)
        cells["nerves"] = ", ".join(sorted(nerves.get(visit, ())))
        cells["measurements"] = counts.get(visit, 0)
        cells["version"] = ", ".join(sorted({row.version for row in found}))
        cells["analysed_utc"] = max((row.created_utc for row in found), default=None)
    columns = ("subject", "date", "sex", "files", "nerves", "measurements", "version", "analysed_utc")
    return as_table(columns, rows.values())


def covariates(connection: sa.Connection, **where: Any) -> pd.DataFrame:
    """Return the covariates in force: per visit and name the one stated last."""
    c = s.covariates.c
    # Where people's marks are applied, the covariates stay with the run without them.
    e, edited = s.edited_runs.c, s.runs.alias("edited")
    has_current = sa.select(e.run_id).join(edited, edited.c.id == e.run_id)
    has_current = has_current.where(e.base_run_id == c.run_id, edited.c.current.is_(sa.true()))
    represented = has_current.correlate(s.covariates).exists()
    in_force = c.run_id.is_(None) | s.runs.c.current.is_(sa.true()) | represented
    query = (
        sa.select(s.subjects.c.code.label("subject"), s.visits.c.date, *(c[name] for name in _COVARIATE))
        .select_from(
            s.covariates.join(s.visits, s.visits.c.id == c.visit_id)
            .join(s.subjects)
            .outerjoin(s.runs, s.runs.c.id == c.run_id)
        )
        .where(in_force, *visit_conditions({**where, "all_runs": True}))
        .order_by(s.subjects.c.code, s.visits.c.date, c.name, c.id)
    )
    last = {(row.subject, row.date, row.name): row for row in connection.execute(query).mappings()}
    return as_table(("subject", "date", *_COVARIATE), map(dict, last.values()))


_COVARIATE = ("name", "number", "text", "source", "created_utc", "unit", "upper_limit", "stated_date")


def failures(connection: sa.Connection, *, include_resolved: bool) -> pd.DataFrame:
    """Return the files that failed; ``problems`` holds a tuple of ``Problem`` in every row."""
    f = s.failures.c
    query = sa.select(s.failures).order_by(f.path, f.id)
    if not include_resolved:
        query = query.where(f.resolved_utc.is_(None))
    columns = ("path", "sha256", "error", "message", "problems", "version", "failed_utc", "resolved_utc")
    frame = as_table(columns, connection.execute(query).mappings())
    # Set from a list of tuples, which pandas would otherwise try to spread over columns.
    found = [tuple(Problem(**problem) for problem in problems or ()) for problems in frame["problems"]]
    frame["problems"] = _objects(found)
    return frame


def _objects(values: Sequence[Any]) -> Any:
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


_ORIGIN = (
    s.subjects.c.code.label("subject"), s.visits.c.date, s.run_sources.c.name.label("source"), s.source_files.c.sha256,
    s.runs.c.version,
)  # fmt: skip


def visit_conditions(where: dict[str, Any]) -> list[Any]:
    """Return the conditions on subject, date and run; only current runs fulfil them unless runs are named."""
    conditions = _equal(s.subjects.c.code, where.get("subject"))
    conditions += _equal(s.visits.c.date, [as_date(value) for value in _several(where.get("date"))] or None)
    if where.get("since") is not None:
        conditions.append(s.visits.c.date >= as_date(where["since"], "since"))
    if where.get("until") is not None:
        conditions.append(s.visits.c.date <= as_date(where["until"], "until"))
    if where.get("run") is not None:
        conditions += _equal(s.runs.c.id, where["run"])
    elif not where.get("all_runs"):
        conditions.append(s.runs.c.current.is_(sa.true()))
    return conditions


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str | int | dt.date) else list(value)


def _equal(column: Any, value: Any) -> list[Any]:
    if value is None:
        return []
    values = _several(value)
    return [column == values[0] if len(values) == 1 else column.in_(values)]


def _check_quantity(name: str) -> None:
    if name not in QUANTITIES:
        close = difflib.get_close_matches(name, QUANTITIES, n=1, cutoff=0.4)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InvalidInputError(f"quantity: expected a name in ncs.quantities.QUANTITIES, found {name!r}.{hint}")


def _nerves(connection: sa.Connection, conditions: Sequence[Any]) -> dict[int, set[str]]:
    """Return the nerves of visits, by the visit's number."""
    query = sa.select(s.runs.c.visit_id, s.studies.c.nerve).select_from(_with_runs(s.studies))
    found: dict[int, set[str]] = defaultdict(set)
    for visit, nerve in connection.execute(query.where(*conditions, s.studies.c.nerve.is_not(None)).distinct()):
        found[visit].add(nerve)
    return found


def _counts(connection: sa.Connection, table: sa.Table, conditions: Sequence[Any]) -> dict[int, int]:
    """Return how many rows of a table visits have, by the visit's number."""
    query = sa.select(s.runs.c.visit_id, sa.func.count()).select_from(_with_runs(table))
    found = connection.execute(query.where(*conditions).group_by(s.runs.c.visit_id))
    return {visit: count for visit, count in found}  # noqa: C416 - rows are not pairs to mypy


def _with_runs(table: sa.Table) -> Any:
    return s.runs.join(table, table.c.run_id == s.runs.c.id)


def _cells(connection: sa.Connection, query: Any) -> Cells:
    """Return numbers, texts and dates as the driver gives them: they need nothing that SQLAlchemy does to a row."""
    result = connection.execute(query)
    names, cursor = tuple(result.keys()), result.cursor
    cells: tuple[list[Any], ...] = tuple([] for _ in names)
    # In parts, because Python's garbage collector looks through all tuples that live at once, again and again.
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        for column, values in zip(cells, zip(*rows, strict=True), strict=True):
            column.extend(values)
    result.close()
    return dict(zip(names, cells, strict=True))


def as_table(columns: tuple[str, ...], rows: Iterable[Mapping[Any, Any]]) -> pd.DataFrame:
    """Return rows as a frame of some columns with their types; what a row lacks is empty."""
    rows = list(rows)
    return _built(columns, {name: [row.get(name) for row in rows] for name in columns})


def _built(columns: tuple[str, ...], cells: Mapping[str, list[Any]]) -> pd.DataFrame:
    """Return columns as a frame with their types; a column that the query does not have is empty."""
    import pandas as pd

    n_rows = len(next(iter(cells.values())))
    made = {name: _typed(name, cells.get(name, [None] * n_rows)) for name in columns}
    return pd.DataFrame(made, columns=list(columns))


def _typed(name: str, values: list[Any]) -> Any:
    """Return the values of a column as an array, or for moments a series, of its type."""
    import numpy as np
    import pandas as pd

    if name in _FLOATS:
        return np.array(values, np.float64)
    if name in _COUNTS:
        return np.array(values, np.int64)
    if name in _MOMENTS:
        return pd.to_datetime(pd.Series(values, dtype=object), utc=True)
    if name in _DATES:
        values = [value.isoformat() if isinstance(value, dt.date) else value for value in values]
    return _objects(values)
