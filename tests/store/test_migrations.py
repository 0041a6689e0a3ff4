"""Stores of every earlier revision, with data in them, come up to date step by step; nothing in them is lost."""

import dataclasses
import importlib
import io
import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

import ncs
from ncs.errors import Problem, StoreError, StoreVersionError
from ncs.store import Failure, _engine
from ncs.store._schema import REVISIONS, metadata
from tests.store.build import as_first_stored, build_result, build_visit, differences
from tests.store.compare import with_common
from tests.store.recorded import DATE, PERSON, WRIST, result

EARLIER = REVISIONS[:-1]
_VERSION = "alembic_version"


def made(path, *, with_edits):
    """Return the rows of a store that holds something of everything, by table, as the newest revision has them."""
    with ncs.open_store(path) as store:
        store.save_many([build_result(1, n_sweeps=3), build_result(2, subject="S2"), result()])
        store.save(build_result(1, onset_method="tangent", n_sweeps=3))
        store.add_covariates("S1", "2024-03-05", {"VEGF": 1520.0, "dose": "200 mg"}, source="old.csv")
        problem = Problem(file="x.edf", place="byte 3", field="version", expected="0", found="1")
        store.record_failures(
            [Failure(path="x.edf", error="ReadError", problems=(problem,), message=str(problem), sha256="e" * 64)]
        )
        if with_edits:
            store.edit_mark("P07", DATE, **WRIST, mark="onset", value=3.2, **PERSON)
    return rows_of(path)


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """What a store held before and since people could move marks."""
    folder = tmp_path_factory.mktemp("full")
    return {flag: made(folder / f"{flag}.db", with_edits=flag) for flag in (False, True)}


@pytest.fixture
def content(contents, request):
    """What a store of the test's revision can have held."""
    revision = request.node.callspec.params["revision"] if hasattr(request.node, "callspec") else REVISIONS[-1]
    return contents[revision >= "0003"]


def rows_of(path):
    """Return every table as rows, columns and values; those that refer to a kind or to parameters have them as well."""
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: [dict(row) for row in database.execute(f"SELECT * FROM {name}")] for name in names}
    database.close()
    return with_common(found)


def migrate(path, revision):
    engine = _engine._engine(_engine._url(path))
    _engine.upgrade(engine, revision)
    engine.dispose()


def fill(path, content):
    """Insert what the tables of an old revision can hold."""
    with sqlite3.connect(path) as database:
        for table in [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]:
            names = [column[1] for column in database.execute(f"PRAGMA table_info({table})")]
            if table == _VERSION:
                continue
            marks = ", ".join("?" * len(names))
            rows = [[row[name] for name in names] for row in content[table]]
            database.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
    database.close()


def only_columns(rows, names):
    return sorted(([(name, row[name]) for name in sorted(names)] for row in rows), key=repr)


def old_store(path, revision, content):
    migrate(path, revision)
    fill(path, content)
    return rows_of(path)


def check_nothing_is_lost(before, path):
    after = rows_of(path)
    for table, rows in before.items():
        if table == _VERSION or not rows:
            continue
        names = rows[0].keys()
        assert len(after[table]) == len(rows), table
        assert only_columns(after[table], names) == only_columns(rows, names), table


def version_of(path):
    with sqlite3.connect(path) as database:
        ((found,),) = database.execute("SELECT version_num FROM alembic_version").fetchall()
    database.close()
    return found


def test_the_full_store_has_rows_in_every_table_that_old_stores_had(content):
    for name in metadata.tables:
        if name not in {"seen_files", "run_parts"}:
            assert content[name], name


@pytest.mark.parametrize("revision", EARLIER)
def test_step_by_step_nothing_is_lost(tmp_path, revision, content):
    path = tmp_path / "old.db"
    before = old_store(path, revision, content)
    assert version_of(path) == revision
    assert before["marks"]
    for step in REVISIONS[REVISIONS.index(revision) + 1 :]:
        migrate(path, step)
        assert version_of(path) == step
        check_nothing_is_lost(before, path)


@pytest.mark.parametrize("revision", EARLIER)
def test_opening_an_old_store_brings_it_up_to_date(tmp_path, revision, content):
    path = tmp_path / "old.db"
    before = old_store(path, revision, content)
    with ncs.open_store(path, create=False) as store:
        assert version_of(path) == REVISIONS[-1]
        check_nothing_is_lost(before, path)
        saved = build_result(2, subject="S2")
        (loaded,) = store.load_results("S2", "2024-03-05")
        assert differences(saved.measurements, loaded.measurements) == []
        assert differences(saved.marks[0].sweeps, loaded.marks[0].sweeps) == []
        expected = as_first_stored(saved.visit) if revision < "0006" else saved.visit
        assert differences(expected, loaded.visit) == []
        assert not store.save(build_result(2, subject="S2")).saved
        assert store.save(build_result(7, subject="S3")).saved
        assert set(store.covariates("S1")["name"]) >= {"VEGF", "dose"}
        assert store.failures()["path"].tolist() == ["x.edf"]
        assert {"S1", "S2", "P07", "S3"} == set(store.visits()["subject"])
        store.withdraw(store.runs("S1")["run"].iloc[-1].item())


@pytest.mark.parametrize("revision", EARLIER)
def test_marks_of_an_old_store_can_be_edited(tmp_path, revision, content):
    path = tmp_path / "old.db"
    old_store(path, revision, content)
    with ncs.open_store(path, create=False) as store:
        runs = store.runs("P07")
        assert runs["current"].sum() == 1
        edit = store.edit_mark("P07", DATE, **WRIST, mark="onset", value=3.3, **PERSON)
        assert store.measurements("P07", quantity="distal_motor_latency")["value"].tolist() == [3.3]
        store.withdraw_edit(edit, "A. Author", "test")
        assert store.runs("P07")["current"].sum() == 1


@pytest.mark.parametrize("revision", EARLIER)
def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path, revision, content):
    path = tmp_path / "old.db"
    before = old_store(path, revision, content)
    with sqlite3.connect(path) as database:  # in the way of what a later revision makes
        new = [table.name for table in metadata.sorted_tables if table.name not in before] or ["marks_before"]
        for name in new[-1:]:
            database.execute(f"CREATE TABLE {name} (x)")
    database.close()
    with pytest.raises(StoreError, match="already"):
        ncs.open_store(path)
    assert version_of(path) == revision
    after = rows_of(path)
    assert {name: after[name] for name in before} == before
    assert set(after) == {*before, new[-1]}


def test_a_newer_store_is_refused_in_a_clear_sentence_and_left_alone(tmp_path):
    path = tmp_path / "new.db"
    with ncs.open_store(path) as store:
        store.save(build_result(1))
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    before = rows_of(path)
    with pytest.raises(StoreVersionError) as refused:
        ncs.open_store(path)
    assert str(refused.value) == (
        f"{path}: expected a store of revision {REVISIONS[-1]} or older, found '9999'. A newer ncs made it; "
        f"this is ncs {ncs.__version__}: upgrade ncs to open it."
    )
    assert rows_of(path) == before


@pytest.mark.slow
def test_two_programs_that_open_an_old_store_at_once_migrate_it_once(tmp_path, contents):
    path = tmp_path / "old.db"
    before = old_store(path, REVISIONS[0], contents[False])
    code = "import sys, ncs; ncs.open_store(sys.argv[1], create=False).close()"
    programs = [subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.PIPE) for _ in range(2)]
    errors = [program.communicate()[1].decode() for program in programs]
    assert [program.returncode for program in programs] == [0, 0], errors
    assert version_of(path) == REVISIONS[-1]
    check_nothing_is_lost(before, path)


def test_every_revision_is_valid_for_postgresql():
    written = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written})
    folder = _engine.Path(_engine.__file__).parent / "migrations" / "versions"
    with Operations.context(context):
        for file in sorted(folder.glob("[0-9]*.py")):
            importlib.import_module(f"ncs.store.migrations.versions.{file.stem}").upgrade()
    for name, table in metadata.tables.items():
        assert f"CREATE TABLE {name} (" in written.getvalue()
        for index in table.indexes:
            assert f"INDEX {index.name} ON {name}" in written.getvalue()


def test_a_store_made_now_can_be_read_by_sql_alone(tmp_path):
    with ncs.open_store(tmp_path / "a.db") as store:
        store.save(dataclasses.replace(build_result(1), visit=build_visit(1)))
        with store._reading() as connection:
            names = set(sa.inspect(connection).get_table_names())
    assert names == {*metadata.tables, _VERSION}


def test_postgresql_steps_from_revision_to_revision(postgres_database):
    from alembic.autogenerate import compare_metadata

    for step in REVISIONS:
        migrate(postgres_database, step)
    engine = _engine._engine(_engine._url(postgres_database))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    with ncs.open_store(postgres_database, create=False) as store:
        assert store.save(build_result(1)).saved
        assert len(store.measurements()) == 30
