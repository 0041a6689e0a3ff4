"""A store in PostgreSQL is the same store: same tables, same moments, same refusals; several writers at once."""

import datetime as dt
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

import ncs
from ncs.errors import Problem, StoreAccessError, StoreError, StoreLostError
from ncs.store import Failure, _engine
from ncs.store._schema import REVISIONS, alembic_version, metadata
from ncs.store.seen import Seen
from tests.store.build import DATE, as_first_stored, build_result, build_visit, differences
from tests.store.compare import with_common


@pytest.fixture
def engine(postgres_database):
    engine = sa.create_engine(_engine._url(postgres_database))
    yield engine
    engine.dispose()


def revision(engine):
    with engine.connect() as connection:
        return connection.execute(sa.select(alembic_version.c.version_num)).scalar_one()


def test_migrations_make_the_tables_of_the_metadata(postgres_database, engine):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    _engine.upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    with ncs.open_store(postgres_database, create=False) as store:
        assert store.save(build_result(1)).saved


def test_a_filled_store_of_the_first_revision_is_migrated(postgres_database, engine, tmp_path):
    """The rows of a store of today, as far as the first revision had columns for them, go into one of that revision."""
    with ncs.open_store(tmp_path / "full.db") as full:
        full.save(build_result(1))
        full.add_covariates("S1", DATE, {"VEGF": 1520.0, "dose": "200 mg"}, source="old.csv")
        expected = full.load_results("S1", DATE)[0]
    source = sa.create_engine(f"sqlite:///{tmp_path / 'full.db'}")
    _engine.upgrade(engine, "0001")
    old = sa.MetaData()
    old.reflect(engine)
    with source.connect() as reading, engine.begin() as writing:
        stored = {name: reading.execute(sa.select(table)).mappings() for name, table in metadata.tables.items()}
        content = with_common({name: [dict(row) for row in rows] for name, rows in stored.items()})
        known = {column.name: column.type for table in metadata.sorted_tables for column in table.columns}
        for table in old.sorted_tables:
            if content.get(table.name):
                names = [column.name for column in table.columns]
                now = {column.name: column.type for column in metadata.tables[table.name].columns}
                columns = [sa.column(name, now.get(name, known[name])) for name in names]
                rows = [{name: row[name] for name in names} for row in content[table.name]]
                writing.execute(sa.table(table.name, *columns).insert(), rows)
    source.dispose()
    assert revision(engine) == "0001"
    with ncs.open_store(postgres_database, create=False) as store:
        assert revision(engine) == REVISIONS[-1]
        loaded = store.load_results("S1", DATE)[0]
        assert differences(as_first_stored(expected.visit), loaded.visit) == []
        assert differences(expected.measurements, loaded.measurements) == []
        assert differences(expected.marks, loaded.marks) == []
        found = store.covariates().set_index("name")
        assert found.loc["VEGF", ["number", "source"]].tolist() == [1520.0, "old.csv"]
        assert found["unit"].isna().all()
        assert not store.save(build_result(1)).saved


def test_covariates_keep_unit_limit_and_their_own_date(postgres_database):
    with ncs.open_store(postgres_database) as store:
        store.add_covariates(
            "S1", DATE, {"VEGF": 1520.0, "IL6": "<15"}, source="lab.csv", units={"VEGF": "pg/mL"},
            upper_limits={"VEGF": 38.3}, stated_date="2024-03-01",
        )  # fmt: skip
        store.add_covariates("S1", DATE, {"IL6": 22.0}, source="new.csv")
        found = store.covariates().set_index("name")
    assert found.loc["VEGF", ["number", "unit", "upper_limit"]].tolist() == [1520.0, "pg/mL", 38.3]
    assert found.loc["VEGF", ["date", "stated_date"]].tolist() == ["2024-03-05", "2024-03-01"]
    assert found.loc["IL6", "number"] == 22.0


def test_moments_are_utc_whatever_zone_the_server_keeps(postgres_database, engine, tmp_path):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f"ALTER DATABASE \"{engine.url.database}\" SET timezone = 'Asia/Tokyo'"))
    before = dt.datetime.now(dt.UTC)
    frames = []
    for place in (postgres_database, tmp_path / "a.db"):
        with ncs.open_store(place) as store:
            store.save(build_result(1))
            store.add_covariates("S1", DATE, {"VEGF": 1520.0}, source="old.csv")
            moments = [*store.visits()["analysed_utc"], *store.covariates()["created_utc"]]
            assert all(before <= moment <= dt.datetime.now(dt.UTC) for moment in moments)
            assert {str(moment.tzinfo) for moment in moments} == {"UTC"}
            frames.append((store.visits().drop(columns="analysed_utc"), store.measurements()))
    for left, right in zip(*frames, strict=True):
        pd.testing.assert_frame_equal(left, right)


def test_what_text_cannot_hold_is_written_as_escapes(postgres_database, tmp_path):
    name = b"M\xfcller.edf".decode("utf-8", "surrogateescape")
    problem = Problem(file=name, place="", field="", expected="text", found="a\0b")
    failure = Failure(path=name, error="ReadError", problems=(problem,), message=str(problem))
    for place in (postgres_database, tmp_path / "a.db"):
        with ncs.open_store(place) as store:
            store.record_failures([failure])
            store.remember([Seen(name, "1 2 3 4", "failed", circumstances="x" * 64)])
            assert store.failures()["path"].tolist() == ["M\\udcfcller.edf"]
            assert store.failures()["problems"][0][0].found == "a\0b"
            assert store.failures_at([name])["M\\udcfcller.edf"].error == "ReadError"
            assert store.seen([name]).files["M\\udcfcller.edf"].stamp == "1 2 3 4"
            store.resolve_failures([name])
            assert store.failures().empty
            assert store.save(build_result(1, visit=build_visit(1, name=name))).saved
            assert store.load_visit("S1", DATE).sources[0].name == "M\\udcfcller.edf"


def test_text_that_does_not_fit_is_no_fault_of_the_database(postgres_database):
    with ncs.open_store(postgres_database) as store:
        with pytest.raises(StoreError, match="expected rows that fit together") as caught:
            store.save(build_result(1, subject="S\0"))
        assert not isinstance(caught.value, StoreAccessError)
        assert store.save(build_result(1)).saved


def test_other_tables_are_left_alone(postgres_database, engine):
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE bookmarks (id integer)"))
    with pytest.raises(StoreAccessError, match="other tables: bookmarks"):
        ncs.open_store(postgres_database)


def test_what_is_wrong_with_an_address_is_said(postgres_database, tmp_path):
    with pytest.raises(StoreAccessError, match=r'^postgresql://.*"no_test_\w+" does not exist\. Check the address'):
        ncs.open_store(postgres_database.replace("/test_", "/no_test_"))
    with pytest.raises(StoreLostError, match="expected a server that answers"):
        ncs.open_store(f"postgresql://postgres:secret@/postgres?host={tmp_path}")
    with pytest.raises(StoreAccessError) as caught:
        ncs.open_store(f"postgresql://postgres:secret@/postgres?host={tmp_path}")
    assert "secret" not in str(caught.value)


def save_around(store, cut):
    with store.transaction():
        store.save(build_result(3))
        cut()
        store.save(build_result(4))


def test_a_store_outlives_its_connection(postgres_database, engine):
    with ncs.open_store(postgres_database) as store:
        store.save(build_result(1))

        def cut():
            with engine.connect() as connection:
                connection.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )

        cut()
        assert len(store.measurements()) == 30
        cut()
        with pytest.raises(StoreLostError, match="what was committed is kept"):
            store.save(build_result(2))
        assert store.save(build_result(2)).saved
        with pytest.raises(StoreLostError):
            save_around(store, cut)
        assert len(store.measurements()) == 60
        assert [store.save(build_result(seed)).saved for seed in (2, 3)] == [False, True]


_WRITER = """
import sys
sys.path.insert(0, {root!r})
import ncs
from tests.store.build import build_result

with ncs.open_store({url!r}) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for seed in range({first}, {first} + 60):
        store.save(build_result(seed, subject=f"S{{seed % 7}}"))
"""


@pytest.mark.slow
def test_two_processes_write_at_once(postgres_database, tmp_path):
    root = str(Path(__file__).parents[2])
    writers = []
    for first in (0, 30):
        script = tmp_path / f"{first}.py"
        script.write_text(textwrap.dedent(_WRITER.format(root=root, url=postgres_database, first=first)))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        writers.append(subprocess.Popen([sys.executable, script], **pipes))
    assert [writer.stdout.readline().strip() for writer in writers] == ["ready", "ready"]
    started = time.monotonic()
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.close()
    for writer in writers:
        writer.stdout.close()
        assert writer.wait(timeout=60) == 0
    assert time.monotonic() - started < 60
    with ncs.open_store(postgres_database) as store:
        assert len(store.measurements()) == 90 * 30
        assert sorted(store.visits()["subject"]) == [f"S{number}" for number in range(7)]
        assert not any(store.save(build_result(seed, subject=f"S{seed % 7}")).saved for seed in range(90))
