"""Opening a store: quick, of the right version, and clear about what is wrong."""

import datetime as dt
import re
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

import ncs
from ncs.errors import InvalidInputError, MissingDependencyError, StoreAccessError, StoreError, StoreVersionError
from ncs.store import _engine
from ncs.store._schema import REVISIONS, UtcDateTime, metadata
from tests.store.build import build_result


def definition(path):
    """Return the words of every object of a database, freed of layout and of the order inside a table."""
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    database.close()
    # A column that was added later names the table it refers to beside itself, not at the end.
    words = {row[:3]: re.sub(r"FOREIGN KEY ?\((\w+)\) REFERENCES", "REFERENCES", row[3] or "") for row in rows}
    return {key: sorted(re.findall(r"\w+|[^\w\s,]", text)) for key, text in words.items()}


def migrated(path):
    engine = _engine._engine(_engine._url(path))
    _engine.upgrade(engine)
    engine.dispose()


def test_migrations_make_the_tables_of_the_metadata(tmp_path):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrated(tmp_path / "migrated.db")
    ncs.open_store(tmp_path / "made.db").close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    assert definition(tmp_path / "migrated.db") == definition(tmp_path / "made.db")
    with ncs.open_store(tmp_path / "migrated.db", create=False) as store:
        assert store.save(build_result(1)).saved


def test_known_revisions_are_those_of_the_migrations():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(Path(_engine.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS


def test_an_older_store_is_migrated(tmp_path, monkeypatch):
    path = tmp_path / "old.db"
    ncs.open_store(path).close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '0000'")
    database.close()
    upgraded = []
    monkeypatch.setattr(_engine, "REVISIONS", ("0000", *REVISIONS))
    monkeypatch.setattr(_engine, "upgrade", upgraded.append)
    ncs.open_store(path).close()
    assert len(upgraded) == 1


def test_a_newer_store_is_refused(tmp_path):
    path = tmp_path / "new.db"
    ncs.open_store(path).close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(StoreVersionError, match=r"found '9999'\. A newer ncs made it"):
        ncs.open_store(path)


def test_neither_importing_nor_opening_loads_alembic(tmp_path):
    code = (
        "import sys, ncs.store; assert 'sqlalchemy' not in sys.modules; import ncs, ncs.batch\n"
        "assert 'sqlalchemy' not in sys.modules\n"
        f"ncs.open_store({str(tmp_path / 'a.db')!r}).close()\n"
        "bad = {'alembic', 'pandas', 'numba'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "letter.db"
    path.write_text("Dear colleague, " * 100)
    with pytest.raises(StoreAccessError, match=r"letter\.db: expected a store, found a file of another kind"):
        ncs.open_store(path)
    assert path.read_text().startswith("Dear colleague")


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE bookmarks (id)")
    database.close()
    with pytest.raises(StoreAccessError, match="other tables: bookmarks"):
        ncs.open_store(path)


def test_places_without_a_store_are_refused(tmp_path):
    with pytest.raises(StoreAccessError, match=r"found a folder\. Name a file"):
        ncs.open_store(tmp_path)
    with pytest.raises(StoreAccessError, match="expected a file in an existing folder"):
        ncs.open_store(tmp_path / "nowhere" / "a.db")
    with pytest.raises(StoreAccessError, match="found no file"):
        ncs.open_store(tmp_path / "a.db", create=False)
    assert not (tmp_path / "a.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreAccessError, match="found an empty database"):
        ncs.open_store(tmp_path / "empty.db", create=False)
    with pytest.raises(InvalidInputError, match="found 'mysql://localhost/x'"):
        ncs.open_store("mysql://localhost/x")
    with pytest.raises(InvalidInputError, match="found 'x://'"):
        ncs.open_store("x://")


def test_a_read_only_store_can_be_read_but_not_written(tmp_path):
    path = tmp_path / "a.db"
    with ncs.open_store(path) as store:
        store.save(build_result(1))
    with ncs.open_store(f"sqlite:///file:{path}?mode=ro&uri=true") as store:
        assert len(store.measurements()) == 30
        with pytest.raises(StoreAccessError, match="found a read-only one"):
            store.save(build_result(2))


def test_a_locked_store_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(_engine, "_BUSY_MS", 50)
    path = tmp_path / "a.db"
    with ncs.open_store(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreAccessError, match="one that another program holds"):
            store.save(build_result(1))
        other.rollback()
        other.close()
        assert store.save(build_result(1)).saved


def test_postgresql_without_its_driver_names_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'ncs\[postgres\]'"):
        ncs.open_store("postgresql://localhost/ncs")


def test_statements_are_made_for_postgresql_as_well():
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    from ncs.store._write import Writer

    writer = Writer(PGDialect_psycopg())
    assert "ON CONFLICT (sha256) DO NOTHING" in writer._new_waveform.sql
    assert "?" not in writer._new_run.sql
    assert writer._new_run.sql.count("%s") == 12


def test_a_closed_store_says_so(tmp_path):
    store = ncs.open_store(tmp_path / "a.db")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="found a closed one"):
        store.visits()
    with pytest.raises(StoreError, match="found a closed one"):
        store.save(build_result(1))


def test_url_and_path_mean_the_same_store(tmp_path):
    with ncs.open_store(str(tmp_path / "a.db")) as store:
        store.save(build_result(1))
    with ncs.open_store(f"sqlite:///{tmp_path / 'a.db'}", create=False) as store:
        assert len(store.visits()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


def test_a_reader_sees_whole_groups_while_a_writer_writes(tmp_path):
    path = tmp_path / "a.db"
    seen = []
    with ncs.open_store(path) as writer, ncs.open_store(path) as reader:
        stop = threading.Event()

        def watch():
            while not stop.is_set():
                seen.append(len(reader.measurements()))

        thread = threading.Thread(target=watch)
        thread.start()
        for group in range(8):
            writer.save_many([build_result(10 * group + seed) for seed in range(4)])
        stop.set()
        thread.join()
        seen.append(len(reader.measurements()))
    assert seen[-1] == 8 * 4 * 30
    assert {count % 120 for count in seen} == {0}
    assert seen == sorted(seen)


def test_what_is_saved_is_seen_inside_the_transaction(tmp_path):
    for url in (tmp_path / "a.db", ":memory:"):
        with ncs.open_store(url) as store:
            with store.transaction():
                store.save(build_result(1))
                assert len(store.measurements()) == 30
                assert len(store.visits()) == 1
            assert not store.is_empty


def open_and_save(path, seed):
    with ncs.open_store(path) as store:
        store.save(build_result(seed))


def test_threads_may_open_and_write_at_once(tmp_path):
    path = tmp_path / "a.db"
    threads = [threading.Thread(target=open_and_save, args=(path, seed)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ncs.open_store(path) as store:
        assert len(store.measurements()) == 6 * 30


def test_a_killed_writer_leaves_whole_files(tmp_path):
    path = tmp_path / "a.db"
    code = (
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "import ncs; from tests.store.build import build_result\n"
        f"store = ncs.open_store({str(path)!r}); store.save(build_result(1))\n"
        "with store.transaction():\n    store.save(build_result(2)); os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    with ncs.open_store(path, create=False) as store:
        assert len(store.measurements()) == 30
        assert store.save(build_result(2)).saved
        assert len(store.measurements()) == 60


def test_moments_need_a_zone_and_keep_utc():
    kind, dialect = UtcDateTime(), sa.create_engine("sqlite://").dialect
    with pytest.raises(ValueError, match="with a zone"):
        kind.process_bind_param(dt.datetime.fromisoformat("2024-01-01"), dialect)
    eastern = dt.datetime(2024, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=9)))
    stored = kind.process_bind_param(eastern, dialect)
    assert stored.hour == 3
    assert kind.process_result_value(stored.replace(tzinfo=None), dialect) == eastern
    assert kind.process_result_value(None, dialect) is None
