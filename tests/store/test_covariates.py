"""Covariates in a store: unit, upper limit, own date; and stores made before they had any."""

import datetime as dt
import io
import sqlite3

import pytest
import sqlalchemy as sa

import ncs
from ncs.errors import InvalidInputError
from ncs.store import _engine
from ncs.store._schema import REVISIONS
from tests.store.build import build_result
from tests.store.compare import with_common

DATE = dt.date(2024, 3, 5)


def rows(store):
    frame = store.covariates()
    return {row["name"]: row for row in frame.astype(object).where(frame.notna(), None).to_dict(orient="records")}


def test_unit_limit_and_date_are_kept(tmp_path):
    with ncs.open_store(tmp_path / "a.db") as store:
        store.add_covariates(
            "S1", DATE, {"VEGF": 1520.0, "IL6": "<15"}, source="lab.csv", units={"VEGF": "pg/mL"},
            upper_limits={"VEGF": 38.3}, stated_date="2024-03-01",
        )  # fmt: skip
    with ncs.open_store(tmp_path / "a.db") as store:
        found = rows(store)
    vegf, il6 = found["VEGF"], found["IL6"]
    assert (vegf["number"], vegf["text"], vegf["unit"], vegf["upper_limit"]) == (1520.0, None, "pg/mL", 38.3)
    assert (vegf["date"], vegf["stated_date"], vegf["source"]) == ("2024-03-05", "2024-03-01", "lab.csv")
    assert (il6["number"], il6["text"], il6["unit"], il6["upper_limit"]) == (None, "<15", None, None)


def test_without_the_facts_it_is_called_as_before():
    with ncs.open_store(":memory:") as store:
        store.add_covariates("S1", "2024-03-05", {"grip": 21.5}, source="a person")
        grip = rows(store)["grip"]
        assert (grip["number"], grip["unit"], grip["stated_date"]) == (21.5, None, None)
        with pytest.raises(InvalidInputError, match="stated_date: expected a date"):
            store.add_covariates("S1", DATE, {"grip": 1.0}, source="x", stated_date="March")


def test_the_last_one_stated_is_in_force_with_its_own_facts():
    with ncs.open_store(":memory:") as store:
        store.add_covariates(
            "S1", DATE, {"VEGF": 1.5}, source="a", units={"VEGF": "ng/mL"}, upper_limits={"VEGF": 0.04}
        )
        store.add_covariates("S1", DATE, {"VEGF": 1520.0}, source="b", units={"VEGF": "pg/mL"})
        vegf = rows(store)["VEGF"]
        assert (vegf["number"], vegf["unit"], vegf["upper_limit"]) == (1520.0, "pg/mL", None)
        assert len(store.covariates()) == 1


def old_store(path):
    """Make a store of revision 0001 that holds a result and covariates, as ncs wrote it then."""
    with ncs.open_store(path) as store:
        store.save(build_result(1))
        store.add_covariates("S1", DATE, {"VEGF": 1520.0, "dose": "200 mg"}, source="old.csv")
    full = sqlite3.connect(path)
    full.row_factory = sqlite3.Row
    names = [row[0] for row in full.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    content = with_common({name: [dict(row) for row in full.execute(f"SELECT * FROM {name}")] for name in names})
    full.close()
    path.unlink()
    for rest in path.parent.glob(f"{path.name}-*"):
        rest.unlink()
    engine = _engine._engine(_engine._url(path))
    _engine.upgrade(engine, "0001")
    engine.dispose()
    old = sqlite3.connect(path)
    for table, lines in content.items():
        kept = [c[1] for c in old.execute(f"PRAGMA table_info({table})")]
        if table == "alembic_version" or not kept:
            continue
        marks = ", ".join("?" * len(kept))
        chosen = [[line[name] for name in kept] for line in lines]
        old.executemany(f"INSERT INTO {table} ({', '.join(kept)}) VALUES ({marks})", chosen)
    old.commit()
    old.close()


def test_a_filled_store_of_the_first_revision_is_migrated(tmp_path):
    path = tmp_path / "old.db"
    old_store(path)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
        assert "upper_limit" not in {c[1] for c in database.execute("PRAGMA table_info(covariates)")}
    database.close()
    with ncs.open_store(path, create=False) as store:
        found = rows(store)
        assert (found["VEGF"]["number"], found["VEGF"]["unit"], found["VEGF"]["stated_date"]) == (1520.0, None, None)
        assert found["dose"]["text"] == "200 mg"
        assert found["vegf_pg_ml"]["source"] == "file1.edf"
        assert len(store.measurements()) == 30
        assert not store.save(build_result(1)).saved
        store.add_covariates("S1", DATE, {"VEGF": 22.0}, source="new.csv", upper_limits={"VEGF": 38.3})
        assert rows(store)["VEGF"]["upper_limit"] == 38.3
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == (REVISIONS[-1],)
    database.close()


def test_the_migration_is_valid_for_postgresql():
    import importlib

    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    written = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written})
    revision = importlib.import_module("ncs.store.migrations.versions.0002_covariates")
    with Operations.context(context):
        revision.upgrade()
    assert [line for line in written.getvalue().splitlines() if line] == [
        "ALTER TABLE covariates ADD COLUMN unit TEXT;",
        "ALTER TABLE covariates ADD COLUMN upper_limit DOUBLE PRECISION;",
        "ALTER TABLE covariates ADD COLUMN stated_date DATE;",
    ]


def test_reading_does_not_need_the_facts():
    with ncs.open_store(":memory:") as store:
        store.save(build_result(2))
        assert store.load_visit("S1", DATE).covariates["dose"] == "200 mg"
        with store._reading() as connection:
            assert connection.execute(sa.text("SELECT count(*) FROM covariates WHERE unit IS NOT NULL")).scalar() == 0
