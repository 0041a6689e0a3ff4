"""The content of a store, freed of what the store numbers and of moments: what two stores must have in common."""

import datetime as dt

import sqlalchemy as sa

from ncs.store._schema import metadata

_NUMBERED = {
    "visit_id": "visits", "subject_id": "subjects", "source_id": "source_files", "withdraws": "mark_edits",
    "kind_id": "kinds", "analysis_id": "analyses",
}  # fmt: skip
_RUNS = {"run_id", "part_run_id", "base_run_id"}


def content(store, *, memory=False):
    """Return every table as a sorted list of rows, each as text; runs, visits and files under their natural names.

    What is remembered of files is left out unless asked for: it depends on how long ago they were written.
    """
    names = {}
    found = {}
    with store._reading() as connection:
        for table in metadata.sorted_tables:
            if table.name == "seen_files" and not memory:
                continue
            rows = [row._asdict() for row in connection.execute(sa.select(table))]
            for row in rows:
                for column in row:
                    if column in _RUNS or column in _NUMBERED:
                        kind = _NUMBERED.get(column, "runs")
                        row[column] = row[column] and names[kind, row[column]]
            for row in rows:
                if "id" in row:
                    number = row.pop("id")
                    names[table.name, number] = repr({k: v for k, v in row.items() if not _is_moment(v)})
            found[table.name] = sorted(repr([(k, v) for k, v in row.items() if not _is_moment(v)]) for row in rows)
    return found


def with_common(tables):
    """Return tables of rows in which those that refer to a kind or to parameters have its columns as well."""
    found = dict(tables)
    for table, key, other in (("measurements", "kind_id", "kinds"), ("runs", "analysis_id", "analyses")):
        common = {row.get("id"): {n: v for n, v in row.items() if n != "id"} for row in found.get(other, ())}
        found[table] = [common.get(row.get(key), {}) | row for row in found.get(table, ())]
    return found


def _is_moment(value):
    return isinstance(value, dt.datetime)


def assert_equal(left, right):
    """Compare table by table, so that a difference is named."""
    assert left.keys() == right.keys()
    for table in left:
        assert left[table] == right[table], table
