"""What a store cannot do is said in its own words: addresses, rights, damage, and marks that find no place."""

import dataclasses
import datetime as dt
import json
import sqlite3

import numpy as np
import pytest
import sqlalchemy as sa

import ncs
import ncs.store
from ncs.analysis import analyze
from ncs.errors import InvalidInputError, StoreAccessError, StoreError
from ncs.store import _engine, _store, _write
from ncs.store._codec import decode_samples, dumps
from ncs.store._schema import UtcDateTime, runs
from ncs.store.failure import Failure
from ncs.store.seen import Seen
from tests.store.build import DATE, build_result, build_visit, sha
from tests.store.recorded import PERSON, WRIST, examined, result, several_sweeps, the, with_trace

VISIT = ("P07", examined().date)


# Addresses and rights


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://someone:secret@host:port/ncs", "postgresql://someone:***@host:port/ncs"),
        ("postgresql://someone:sec:ret@host:port/ncs", "postgresql://someone:***@host:port/ncs"),
        ("postgresql://someone:sec/r@et@host:port/ncs", "postgresql://someone:***@host:port/ncs"),
        ("my sql://someone:secret@host/ncs", "my sql://someone:***@host/ncs"),
        ("mysql://someone:secret@host/ncs", "mysql://someone:***@host/ncs"),
    ],
)
def test_an_address_that_is_none_is_shown_without_its_password(address, shown):
    with pytest.raises(InvalidInputError) as caught:
        ncs.open_store(address)
    assert repr(shown) in str(caught.value)


def test_a_store_shows_where_it_is(tmp_path):
    with ncs.open_store(tmp_path / "a.db") as store:
        assert repr(store) == f"Store({store.url!r})"
        assert str(tmp_path / "a.db") in repr(store)


def test_the_names_of_the_package_are_those_of_its_store():
    assert ncs.store.Store is _store.Store
    assert ncs.store.SaveOutcome is _store.SaveOutcome


class Journal:
    """A cursor that fails as often as it is told, then switches its journal."""

    def __init__(self, *failures):
        self.failures, self.asked, self.mode = list(failures), 0, "delete"

    def execute(self, statement):
        self.asked += 1
        if self.failures:
            raise sqlite3.OperationalError(self.failures.pop(0))
        self.mode = "wal" if "=" in statement else self.mode
        return self

    def fetchone(self):
        return (self.mode,)


def test_two_that_switch_the_journal_at_once_wait_for_each_other(monkeypatch):
    waiting = Journal("database is locked", "database is locked")
    _engine._use_write_ahead_log(waiting)
    assert (waiting.mode, waiting.asked) == ("wal", 5)
    monkeypatch.setattr(_engine, "_BUSY_MS", -1)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        _engine._use_write_ahead_log(Journal("database is locked"))


def test_a_journal_that_cannot_be_switched_is_left_where_that_is_no_harm():
    read_only = Journal("attempt to write a readonly database")
    _engine._use_write_ahead_log(read_only)
    assert read_only.mode == "delete"
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        _engine._use_write_ahead_log(Journal("disk I/O error"))


def test_a_store_that_somebody_else_made_in_the_meantime_is_used_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "a.db"
    with ncs.open_store(path) as store:
        store.save(build_result(1))
    revision, asked = _engine._revision, []

    def at_first_none(connection):
        asked.append(connection)
        return None if len(asked) == 1 else revision(connection)

    monkeypatch.setattr(_engine, "_revision", at_first_none)
    with ncs.open_store(path, create=False) as store:
        assert len(store.measurements()) == 30
    assert len(asked) == 2


def test_a_postgresql_that_may_only_be_read_says_so(postgres_database):
    with ncs.open_store(postgres_database) as store:
        store.save(build_result(1))
    address = f"{postgres_database}&options=-c%20default_transaction_read_only%3Don"
    with ncs.open_store(address) as store:
        assert len(store.measurements()) == 30
        with pytest.raises(StoreAccessError, match=r"found a read-only one .*Ask who runs the server"):
            store.save(build_result(2))


def test_a_postgresql_that_may_not_be_read_is_no_store_of_another_version(postgres_database):
    """The refusal names the table of versions, and was taken for its absence: a newer ncs was said to have made it."""
    ncs.open_store(postgres_database).close()
    engine = sa.create_engine(_engine._url(postgres_database))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP ROLE IF EXISTS visitor"))
        connection.execute(sa.text("CREATE ROLE visitor"))
    engine.dispose()
    address = f"{postgres_database}&options=-c%20role%3Dvisitor"
    with pytest.raises(StoreAccessError, match=r"expected rights .*found none .*Ask who runs the server to grant them"):
        ncs.open_store(address)


def test_a_postgresql_in_which_a_table_is_missing_cannot_be_used(postgres_database):
    with ncs.open_store(postgres_database) as store:
        store.save(build_result(1))
        engine = sa.create_engine(_engine._url(postgres_database))
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE measurements CASCADE"))
        engine.dispose()
        with pytest.raises(StoreAccessError, match=r"expected a database that can be used, found: .*measurements"):
            store.measurements()


# Values


def test_samples_packed_by_a_newer_version_or_damaged_are_not_unpacked():
    with pytest.raises(StoreError, match=r"encoding: expected one of f4, .*found 'f8-zstd'"):
        decode_samples("f8-zstd", b"", (1, 2))
    for encoding, data in (("f4", bytes(7)), ("f4-zlib", b"no zlib"), ("i2-delta-zlib", b"short")):
        with pytest.raises(StoreError, match=rf"expected \(1, 2\) samples as {encoding}, found damage"):
            decode_samples(encoding, data, (1, 2))


def test_parameters_of_any_kind_become_json():
    value = {1: np.float32(2.5), "rate": float("nan"), "rows": np.arange(2), "day": DATE, "pair": (True, None)}
    assert json.loads(dumps(value)) == {
        "1": 2.5, "rate": "nan", "rows": [0, 1], "day": "2024-03-05", "pair": [True, None]
    }  # fmt: skip


def test_a_moment_that_has_not_come_stays_none():
    assert UtcDateTime().process_bind_param(None, None) is None


def test_a_date_may_be_given_with_its_hour(tmp_path):
    with ncs.open_store(tmp_path / "a.db") as store:
        store.save(build_result(1))
        assert store.load_visit("S1", dt.datetime(2024, 3, 5, 17, 30, tzinfo=dt.UTC)).date == DATE


def test_a_failure_reads_as_its_message():
    failure = Failure(path="/a.edf", error="ReadError", problems=(), message="a.edf: expected EDF, found nothing")
    assert str(failure) == "a.edf: expected EDF, found nothing"


def test_a_statement_whose_parameters_are_in_another_order_is_never_run(tmp_path):
    with ncs.open_store(tmp_path / "a.db") as store:
        clause = sa.update(runs).where(runs.c.id == sa.bindparam("run")).values(current=sa.bindparam("flag"))
        dialect = store._open_engine.dialect
        assert "UPDATE" in _write.Statement(clause, dialect, ("flag", "run")).sql
        with pytest.raises(RuntimeError, match=r"expected parameters \('run', 'flag'\), found \['flag', 'run'\]"):
            _write.Statement(clause, dialect, ("run", "flag"))


def test_marks_without_what_was_measured_are_damage(tmp_path):
    with ncs.open_store(tmp_path / "a.db") as store:
        store.save(build_result(1))
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("DELETE FROM marks WHERE sweep = -1")
    database.close()
    expected = "expected the measured marks of run 1, study 0, trace 0, found none"
    with ncs.open_store(tmp_path / "a.db") as store, pytest.raises(StoreError, match=expected):
        store.load_results("S1", DATE)


# Writing much


def contents(path, **limits):
    """Everything that a reader sees of twelve results, saved with other limits of what is kept in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_store, "_ROWS_AT_ONCE", limits.get("rows", 10**6))
        patch.setattr(_write, "_MOST_ANALYSES", limits.get("analyses", 10**6))
        with ncs.open_store(path) as store:
            outcomes = store.save_many(
                [
                    build_result(seed, onset_method=f"rule {seed % 4}", date=DATE + dt.timedelta(seed))
                    for seed in range(12)
                ]
            )
            assert all(outcome.saved for outcome in outcomes)
            loaded = [store.load_results("S1", DATE + dt.timedelta(seed))[0].parameters for seed in range(12)]
            return loaded, store.measurements().drop(columns="run").to_csv()


def test_what_is_written_does_not_depend_on_how_much_is_kept_in_memory(tmp_path):
    whole = contents(tmp_path / "a.db")
    assert contents(tmp_path / "b.db", rows=1, analyses=1) == whole
    assert [parameters["onset_method"] for parameters in whole[0]] == [f"rule {seed % 4}" for seed in range(12)]


def test_a_file_that_only_a_joined_run_held_has_no_run_when_that_gives_way():
    first, second = build_visit(1), build_visit(2)
    whole = dataclasses.replace(first, studies=first.studies + second.studies, sources=first.sources + second.sources)
    with ncs.open_store(":memory:") as store:
        joined = store.save(build_result(3, visit=whole))
        newer = store.save(build_result(1, onset_method="tangent"))
        assert newer.superseded == (joined.run,)
        assert set(store.measurements()["run"]) == {newer.run}


def test_what_is_remembered_of_a_file_knows_the_runs_of_its_content():
    with ncs.open_store(":memory:") as store:
        first, second = build_result(1), build_result(1, subject="S2", onset_method="tangent")
        store.save_many([first, second])
        key = first.visit.sources[0].sha256
        store.remember([Seen(path="/a.edf", stamp="4768 bytes", outcome="stored", content_key=key)])
        both, one = store.seen(["/a.edf", "/b.edf"]), store.seen(["/a.edf"], subject="S2")
    assert list(both.files) == list(one.files) == ["/a.edf"]
    assert set(both.runs) == {(key, first.fingerprint), (key, second.fingerprint)}
    assert list(one.runs) == [(key, second.fingerprint)]


# Marks that find no place


@pytest.fixture
def store():
    with ncs.open_store(":memory:") as store:
        store.save(result())
        yield store


def again(visit):
    return dataclasses.replace(analyze(visit), fingerprint=sha("another sidecar"))


def test_a_mark_in_changed_samples_at_a_changed_time_is_lost_and_told(store):
    """Its place in the sweep is known by the samples, its latency by the stimulus: neither is left."""
    edit = store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, **PERSON)
    trace = examined().studies[0].traces[0]
    changed = with_trace(
        examined(), 0, 0, samples_uv=trace.samples_uv * np.float32(2), stimulus_ms=trace.stimulus_ms + 0.5
    )
    outcome = store.save(again(changed))
    assert (outcome.lost_edits, outcome.edited) == ((edit,), None)
    automatic = analyze(changed).measurements
    (latency,) = [m.value for m in automatic if m.quantity == "motor_latency" and m.site == "wrist"]
    assert the(store.measurements(), "motor_latency", site="wrist")["value"] == latency
    withdrawn = store.withdraw_edit(edit, "A. Author", "it is gone")
    last = store.history().iloc[-1]
    assert (last["edit"], np.isnan(last["value"]), np.isnan(last["value_before"])) == (withdrawn, True, True)


def test_a_mark_in_a_sweep_that_is_gone_is_lost_and_told():
    with ncs.open_store(":memory:") as store:
        store.save(analyze(several_sweeps(examined(), 0, 0)))
        edit = store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.0, sweep=2, **PERSON)
        outcome = store.save(again(several_sweeps(examined(), 0, 0, n_sweeps=2)))
        assert outcome.lost_edits == (edit,)
        assert store.history()["applied"].tolist() == [False]


def test_whoever_saw_no_mark_is_told_that_there_is_one(store):
    with pytest.raises(StoreError, match=r"expected it at none, as you saw it, found it at \d+\.\d+ ms\. Look at it"):
        store.edit_mark(*VISIT, **WRIST, mark="onset", value=3.2, seen=None, **PERSON)
    assert store.history().empty
