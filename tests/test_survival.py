"""Never lost, never twice: whatever ends a batch, the same command once more gives the store of an undisturbed one."""

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import ncs
from ncs import batch
from ncs.errors import StoreAccessError, StoreLostError
from ncs.store import _engine
from tests import survivor
from tests.store.compare import assert_equal, content

KILLS = 50
KILLS_OF_PROCESSES = 3


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survival") / "exports"
    survivor.write_archive(folder)
    survivor.let_settle()
    return folder


@pytest.fixture(scope="module")
def undisturbed(archive, tmp_path_factory):
    """What a store holds after a batch that nobody has disturbed."""
    with ncs.open_store(tmp_path_factory.mktemp("undisturbed") / "a.db") as store:
        summary = ncs.analyze_files([archive], store=store, jobs=1)
        assert (summary.n_done, summary.n_skipped, summary.n_ignored, len(summary.failures)) == (19, 1, 2, 2)
        found = content(store, memory=True)
        assert {name: len(rows) for name, rows in found.items() if name in {"run_parts", "failures", "seen_files"}} == {
            "run_parts": 4, "failures": 2, "seen_files": 23,
        }  # fmt: skip
        return found


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(batch, "_GROUP", 3)


def stored(url):
    with ncs.open_store(url) as store:
        return content(store, memory=True)


def test_the_comparison_notices_what_is_missing(undisturbed, archive, tmp_path):
    with ncs.open_store(tmp_path / "a.db") as store:
        ncs.analyze_files([archive / "visit0-0.edf"], store=store)
        with pytest.raises(AssertionError, match="failures"):
            assert_equal(undisturbed, content(store, memory=True))


@pytest.mark.slow
@pytest.mark.campaign
def test_killed_at_any_instant(archive, undisturbed, tmp_path):
    """Fifty instants spread over the whole of a batch; every third store is hit a second time."""
    random_numbers = random.Random(20240305)
    survivor.start(archive, tmp_path / "first.db").join()  # starts the server
    began = time.monotonic()
    survivor.start(archive, tmp_path / "timed.db").join()
    duration = time.monotonic() - began
    partial = 0
    for number in range(KILLS):
        url = tmp_path / f"{number}.db"
        for again in range(1 + (number % 3 == 0)):
            process = survivor.start(archive, url)
            process.join(
                duration * ((number + random_numbers.random()) / KILLS if not again else random_numbers.random())
            )
            process.kill()
            process.join()
        if url.exists():
            with sqlite3.connect(url) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            database.close()
        partial += is_partial(url)
        survivor.analyse(archive, url)
        assert_equal(undisturbed, stored(url))
        url.unlink()
    assert partial >= KILLS // 10  # the instants did fall into the work


def is_partial(url):
    try:
        with ncs.open_store(url, create=False) as store:
            return 0 < len(store.visits()) < 7
    except StoreAccessError:
        return False


def command(archive, url, *options):
    return [sys.executable, "-m", "ncs", "analyze", str(archive), "--store", str(url), *options]


@pytest.mark.slow
def test_killed_with_all_its_processes(archive, undisturbed, tmp_path):
    random_numbers = random.Random(1)
    began = time.monotonic()
    subprocess.run(command(archive, tmp_path / "timed.db", "--jobs", "2"), check=False, capture_output=True)
    duration = time.monotonic() - began
    for number in range(KILLS_OF_PROCESSES):
        url = tmp_path / f"{number}.db"
        with subprocess.Popen(
            command(archive, url, "--jobs", "2"),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(duration * (0.3 + 0.7 * (number + random_numbers.random()) / KILLS_OF_PROCESSES))
            os.killpg(process.pid, signal.SIGKILL)
        survivor.analyse(archive, url)
        assert_equal(undisturbed, stored(url))


@pytest.mark.slow
def test_killed_while_writing_to_postgresql(archive, undisturbed, postgres_url, tmp_path):
    import psycopg

    random_numbers = random.Random(2)
    survivor.start(archive, tmp_path / "first.db").join()
    for number in range(8):
        name = f"survival_{os.getpid()}_{number}"
        url = postgres_url.replace("/postgres?", f"/{name}?")
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        process = survivor.start(archive, url)
        process.join(0.1 + random_numbers.random())
        process.kill()
        process.join()
        survivor.analyse(archive, url)
        assert_equal(undisturbed, stored(url))
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def when(done, act):
    """Return a progress function that acts once, when so many files are done."""
    acted = []

    def tell(progress):
        if progress.done >= done and not acted:
            acted.append(progress.done)
            act()

    return tell


@pytest.mark.slow
def test_a_server_that_is_started_anew_is_waited_for(
    archive, undisturbed, postgres_server, postgres_database, monkeypatch
):
    monkeypatch.setattr(batch, "_PAUSE_SECONDS", 0.05)
    postgres_server.stop()
    postgres_server.start()
    threads = []

    def restart():
        postgres_server.stop()
        threads.append(threading.Timer(0.5, postgres_server.start))
        threads[0].start()

    with ncs.open_store(postgres_database) as store:
        summary = ncs.analyze_files([archive], store=store, jobs=1, progress=when(8, restart))
        threads[0].join()
        assert (summary.n_done + summary.n_skipped, len(summary.failures)) == (20, 2)
        assert_equal(undisturbed, content(store, memory=True))


def test_a_server_that_stays_away_ends_the_batch(archive, undisturbed, postgres_server, postgres_database, monkeypatch):
    monkeypatch.setattr(batch, "_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(batch, "_PAUSE_SECONDS", 0.05)
    with ncs.open_store(postgres_database) as store:
        with pytest.raises(StoreLostError, match="then start again: what was committed is kept"):
            ncs.analyze_files([archive], store=store, jobs=1, progress=when(8, postgres_server.stop))
        postgres_server.start()
        summary = ncs.analyze_files([archive], store=store, jobs=1)
        assert summary.n_skipped >= 6
        assert_equal(undisturbed, content(store, memory=True))


@pytest.mark.slow
def test_two_batches_write_to_one_server(archive, undisturbed, postgres_database):
    run = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command(archive, postgres_database, "--jobs", "1"), **run) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [1, 1], said  # two files fail
    with ncs.open_store(postgres_database) as store:
        found = content(store, memory=True)
    assert_equal(undisturbed, found)


@pytest.mark.slow
def test_two_batches_write_to_one_file(archive, undisturbed, tmp_path):
    run = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command(archive, tmp_path / "a.db", "--jobs", "1"), **run) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [1, 1], said
    assert_equal(undisturbed, stored(tmp_path / "a.db"))


def test_a_store_that_is_locked_ends_the_batch(archive, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(_engine, "_BUSY_MS", 50)
    url = tmp_path / "a.db"
    with ncs.open_store(url) as store:
        other = sqlite3.connect(url, isolation_level=None, check_same_thread=False)
        with pytest.raises(StoreAccessError, match=r"one that another program holds .* What was committed is kept\."):
            ncs.analyze_files(
                [archive], store=store, jobs=1, progress=when(8, lambda: other.execute("BEGIN IMMEDIATE"))
            )
        other.rollback()
        other.close()
        kept = len(store.visits())
        assert kept > 0
        ncs.analyze_files([archive], store=store, jobs=1)
        assert_equal(undisturbed, content(store, memory=True))


def test_a_full_disk_ends_the_batch(archive, undisturbed, small_disk):
    folder = small_disk("600k")
    url = folder / "a.db"
    with pytest.raises(StoreAccessError) as caught:
        survivor.analyse(archive, url)
    assert "Free some space, then start again: what was committed is kept." in str(caught.value)
    subprocess.run(["mount", "-o", "remount,size=20m", str(folder)], check=True)
    assert 0 < len(stored(url)["runs"]) < len(undisturbed["runs"])
    survivor.analyse(archive, url)
    assert_equal(undisturbed, stored(url))


def test_a_quota_ends_the_command_with_what_to_do(archive, undisturbed, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    url = tmp_path / "a.db"
    done = subprocess.run(
        command(archive, url, "--jobs", "1"), preexec_fn=limit, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "start again: what was committed is kept." in done.stderr
    assert "Traceback" not in done.stderr
    survivor.analyse(archive, url)
    assert_equal(undisturbed, stored(url))


def test_a_file_name_that_is_no_text_is_stored(archive, tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    for source, name in (("visit0-0.edf", b"M\xfcller.edf"), ("cut.edf", b"cut\xfc.edf")):
        shutil.copy(archive / source, Path(os.fsdecode(os.fsencode(folder) + b"/" + name)))
    with ncs.open_store(tmp_path / "a.db") as store:
        summary = ncs.analyze_files(folder, store=store, jobs=1)
        assert (summary.n_done, len(summary.failures)) == (1, 1)
        assert [Path(path).name for path in store.failures()["path"]] == ["cut\\udcfc.edf"]
        again = ncs.analyze_files(folder, store=store, jobs=1)
        assert (again.n_skipped, len(again.failures)) == (1, 1)
