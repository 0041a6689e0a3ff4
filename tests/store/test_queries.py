"""The questions a store is asked most often find their rows by an index, whatever the size of the store."""

import datetime as dt
import re

import pandas as pd
import pytest
import sqlalchemy as sa

import ncs
from ncs.results import COLUMNS
from ncs.store import _frames
from tests.store.build import build_result

MONTH = {"since": "2024-03-01", "until": "2024-03-31"}
GROWING = ("measurements", "marks", "traces", "studies", "runs", "run_sources", "source_files", "visits", "subjects")


@pytest.fixture
def store(tmp_path):
    with ncs.open_store(tmp_path / "ncs.db") as opened:
        opened.save_many(
            build_result(seed, subject=f"S{seed % 3}", date=dt.date(2024, 1 + seed % 4, 1 + seed)) for seed in range(12)
        )
        yield opened


def plans(store, ask):
    """Return how SQLite finds the rows of every statement that a question consists of."""
    statements = []

    def note(connection, cursor, statement, parameters, context, executemany):
        statements.append((statement, parameters))

    sa.event.listen(store._engine, "before_cursor_execute", note)
    try:
        frame = ask(store)
    finally:
        sa.event.remove(store._engine, "before_cursor_execute", note)
    selects = [(text, values) for text, values in statements if text.startswith("SELECT")]
    assert selects
    assert not frame.empty
    with store._engine.connect() as connection:
        return [
            [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
            for text, values in selects
        ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.measurements("S1", "2024-02-02"),
        lambda store: store.measurements(quantity="motor_conduction_velocity"),
        lambda store: store.measurements(quantity="motor_conduction_velocity", nerve="median", side="left"),
        lambda store: store.measurements(**MONTH),
        lambda store: store.measurements(run=3),
        lambda store: store.visits(**MONTH),
        lambda store: store.visits("S1"),
        lambda store: store.marks("S1", "2024-02-02"),
    ],
    ids=[
        "visit",
        "quantity",
        "quantity and nerve",
        "month",
        "run",
        "visits of a month",
        "visits of a subject",
        "marks",
    ],
)
def test_no_table_that_grows_is_read_from_end_to_end(store, ask):
    for plan in plans(store, ask):
        scans = [step for step in plan if re.match(rf"SCAN ({'|'.join(GROWING)})\b", step)]
        assert scans == [], plan


def of_growing_tables(found):
    """Return the first step of every plan; the table of kinds is small, and read as a whole."""
    return [plan[0] for plan in found if plan != ["SCAN kinds"]]


def test_one_quantity_is_found_by_its_index(store):
    found = plans(store, lambda store: store.measurements(quantity="motor_conduction_velocity", nerve="median"))
    origins, own = of_growing_tables(found)
    assert origins == "SEARCH runs USING INTEGER PRIMARY KEY (rowid=?)"
    assert own == "SEARCH measurements USING INDEX ix_measurements_kind_id (kind_id=?)"


def test_a_month_is_found_by_its_dates(store):
    found = plans(store, lambda store: store.measurements(**MONTH))
    origins, own = of_growing_tables(found)
    assert origins == "SEARCH visits USING INDEX ix_visits_date (date>? AND date<?)"
    assert own == "SEARCH measurements USING PRIMARY KEY (run_id=?)"
    assert all(origins in plan for plan in found if plan != ["SCAN kinds"])


def test_what_visits_count_is_what_measurements_have(store):
    def counted(measurements):
        by_visit = measurements.groupby(["subject", "date"])
        return {visit: (len(rows), rows["run"].nunique()) for visit, rows in by_visit}

    for choice in ({}, {"subject": ["S0", "S2"]}, MONTH):
        visits = store.visits(**choice)
        found = {(v.subject, v.date): (v.measurements, v.files) for v in visits.itertuples()}
        assert found == counted(store.measurements(**choice))
        assert set(visits["nerves"]) == {"median"}


def test_a_visit_whose_runs_are_withdrawn_or_that_has_none_counts_nothing(store):
    run = int(store.measurements("S1", "2024-02-02")["run"].iloc[0])
    store.withdraw(run)
    store.add_covariates("S1", "2024-12-24", {"grip_kg": 20.0}, source="grip.csv")
    visits = store.visits("S1").set_index("date")
    for date in ("2024-02-02", "2024-12-24"):
        assert visits.loc[date, ["files", "measurements"]].tolist() == [0, 0]
        assert visits.loc[date, "nerves"] == ""
    assert visits["files"].sum() == 3


def test_many_rows_come_in_parts_that_fit_together(store, monkeypatch):
    whole = store.measurements()
    monkeypatch.setattr(_frames, "_ROWS_AT_ONCE", 7)
    pd.testing.assert_frame_equal(store.measurements(), whole)


def test_an_empty_table_has_the_columns_and_types_of_a_full_one(store):
    full, empty = store.measurements(), store.measurements("nobody")
    assert tuple(empty.columns) == (*COLUMNS, "run")
    numbers = full.select_dtypes("number").dtypes
    pd.testing.assert_series_equal(empty.dtypes[numbers.index], numbers)


def test_tables_are_the_same_out_of_postgresql(store, postgres_database):
    with ncs.open_store(postgres_database) as other:
        other.save_many(store.load_run(run) for run in sorted(set(store.measurements()["run"].tolist())))
        for choice in ({}, MONTH, {"subject": "S2"}):
            pd.testing.assert_frame_equal(other.measurements(**choice), store.measurements(**choice))
            moment = "analysed_utc"
            ours, theirs = store.visits(**choice), other.visits(**choice)
            assert ours[moment].dtype == theirs[moment].dtype
            pd.testing.assert_frame_equal(theirs.drop(columns=moment), ours.drop(columns=moment))
        pd.testing.assert_frame_equal(other.marks("S1"), store.marks("S1"))
        pd.testing.assert_frame_equal(
            other.covariates().drop(columns="created_utc"), store.covariates().drop(columns="created_utc")
        )
