"""Work on a cluster: two real worker processes, one of which may die."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import pytest

import ncs
from ncs import _cluster
from ncs.batch import analyze_files
from ncs.errors import ClusterError, MissingDependencyError
from tests.store.build import build_visit
from tests.store.compare import assert_equal, content
from tests.test_batch import fake_work, make

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of workers that died
]


@contextmanager
def local_cluster():
    """Start two workers with one thread each, which are started again when they die; the second death fails a task."""
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1, "distributed.admin.tick.limit": "1h"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
    ):
        yield cluster


@contextmanager
def connected(cluster):
    import distributed

    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture(scope="module")
def cluster():
    with local_cluster() as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with connected(cluster) as client:
        yield client


@pytest.fixture
def mortal_client():
    """Of a cluster that nobody else needs."""
    with local_cluster() as cluster, connected(cluster) as client:
        yield client


def write_recordings(folder, count):
    from ncs.io.edf_write import write_edf

    for seed in range(count):
        write_edf(build_visit(seed, subject=f"S{seed % 4}"), folder / f"visit{seed:03}.edf")


def slow(path, how):
    time.sleep(0.05)
    return fake_work(path, how)


def test_a_cluster_stores_what_this_process_stores(client, tmp_path, monkeypatch):
    folder = tmp_path / "exports"
    folder.mkdir()
    write_recordings(folder, 40)
    (folder / "bad.edf").write_bytes((folder / "visit000.edf").read_bytes()[:300])
    monkeypatch.chdir(tmp_path)
    stores = []
    for name, options in (("here.db", {"jobs": 1}), ("there.db", {"executor": client.get_executor()})):
        with ncs.open_store(tmp_path / name) as store:
            summary = ncs.analyze_files("exports", store=store, **options)
            assert (summary.n_done, len(summary.failures)) == (40, 1)
            assert summary.failures[0].path == str(Path("exports") / "bad.edf")
            stores.append(content(store))
    assert_equal(*stores)


def test_a_file_that_has_changed_is_not_answered_from_memory(client, tmp_path):
    (path,) = make(tmp_path, 1)
    executor = client.get_executor()
    first = analyze_files(path, executor=executor, _work=fake_work)
    Path(path).write_text("2")
    second = analyze_files(path, executor=executor, _work=fake_work)
    assert [each.results[0].subject.id for each in (first, second)] == ["S1", "S2"]


def test_a_worker_that_dies_loses_nothing(mortal_client, tmp_path):
    client = mortal_client
    make(tmp_path, *range(120))
    victims = client.run(os.getpid)
    killer = threading.Timer(0.5, os.kill, (min(victims.values()), signal.SIGKILL))
    killer.start()
    with ncs.open_store(tmp_path / "a.db") as store:
        summary = analyze_files(tmp_path, store=store, executor=client.get_executor(), _work=slow)
        assert (summary.n_done, summary.failures) == (120, ())
        assert len(store.measurements()) == 120 * 30
    killer.join()
    assert client.run(os.getpid) != victims


def test_a_file_that_kills_its_workers_fails_alone(mortal_client, tmp_path):
    make(tmp_path, *range(6))
    (tmp_path / "file004.edf").write_text("die")
    summary = analyze_files(tmp_path, executor=mortal_client.get_executor(), _work=fake_work)
    assert [(Path(failure.path).name, failure.error) for failure in summary.failures] == [("file004.edf", "WorkerDied")]
    assert summary.n_done == 5


def test_a_cluster_that_goes_away_ends_the_batch_and_keeps_what_is_done(tmp_path):
    distributed = pytest.importorskip("distributed")
    make(tmp_path, *range(200))
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", silence_logs=50
    )
    client = distributed.Client(cluster, set_as_default=False)

    def close(progress):
        if progress.done == 40:
            threading.Thread(target=client.close).start()

    with ncs.open_store(tmp_path / "a.db") as store:
        with pytest.raises(ClusterError, match="start the same command again"):
            analyze_files(tmp_path, store=store, executor=client.get_executor(), progress=close, _work=slow)
        kept = len(store.measurements()) // 30
        assert 40 <= kept < 200
        assert analyze_files(tmp_path, store=store, jobs=1, _work=fake_work).n_done >= 200 - kept
        assert len(store.measurements()) == 200 * 30
    cluster.close()


def test_the_command_line_hands_the_work_to_a_cluster(cluster, tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    write_recordings(folder, 8)

    def ncs_analyze(*options):
        command = [sys.executable, "-m", "ncs", "analyze", "exports", *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = ncs_analyze("--dask", cluster.scheduler_address)
    assert done.returncode == 0, done.stderr
    assert "8 analysed" in done.stderr
    refused = ncs_analyze("--dask", cluster.scheduler_address, "--jobs", "2")
    assert refused.returncode == 2
    assert "leave --jobs or --dask out" in refused.stderr


def test_what_a_cluster_lacks_is_said(cluster, client, monkeypatch):
    with (
        pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:9: expected a scheduler"),
        _cluster.connected("tcp://127.0.0.1:9", timeout_s=0.5),
    ):
        pass
    monkeypatch.setattr(_cluster, "__version__", "0.0.1")
    with (
        pytest.raises(ClusterError, match=r"expected ncs 0\.0\.1, as here, found"),
        _cluster.connected(cluster.scheduler_address),
    ):
        pass


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with (
        pytest.raises(MissingDependencyError, match=r"pip install 'ncs\[cluster\]'"),
        _cluster.connected("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (("0.0.0", []), "found 0.0.0"),
        ((ncs.__version__, ["/data/x"]), "the workers need the same shared folder"),
        (ModuleNotFoundError("No module named 'ncs'"), "No module named 'ncs'"),
        ((ncs.__version__, []), ""),
    ],
)
def test_what_a_worker_answers_is_judged(answer, words):
    fault = _cluster._fault(answer)
    assert words in fault
    assert bool(fault) == bool(words)


def test_an_executor_whose_client_is_closed_is_a_cluster_that_is_gone(tmp_path):
    """Submitting to it raises what is no RuntimeError; it depended on the moment whether that came out as it was."""

    class ClosedClientError(Exception):
        pass

    class Closed(Executor):
        def submit(self, *_, **__):
            raise ClosedClientError("Client is closed. Can't send update-graph message.")

    make(tmp_path, 1, 2)
    with ncs.open_store(tmp_path / "a.db") as store, pytest.raises(ClusterError, match="start the same command again"):
        analyze_files(tmp_path, store=store, executor=Closed(), _work=fake_work)
