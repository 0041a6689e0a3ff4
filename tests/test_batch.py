"""A batch: which files, who works on them, what is written, and what happens when something goes wrong."""

import dataclasses
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ncs
from ncs import _crew, batch
from ncs._finding import Tally, count, find
from ncs._memory import Identity
from ncs.batch import BatchProgress, Failure, analyze_files
from ncs.errors import FileAccessError, InvalidInputError, NcsWarning, Problem, ReadError, UnknownFormatError
from tests.store.build import build_result, build_visit, sha


@pytest.fixture
def store(tmp_path):
    with ncs.open_store(tmp_path / "results.db") as store:
        yield store


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


def make(folder, *seeds):
    """Write files that only the fake worker understands: their text is a seed."""
    for seed in seeds:
        (folder / f"file{seed:03}.edf").write_text(str(seed))
    return [str(folder / f"file{seed:03}.edf") for seed in seeds]


def fake_work(path, how):
    """Stand for reading and analysing: a number is a seed, a word is a mishap."""
    try:
        text = Path(path).read_text()
    except OSError as error:
        problem = Problem(file=path, place="", field="", expected="a readable file", found=error.strerror)
        raise FileAccessError([problem]) from error
    problem = Problem(file=Path(path).name, place="byte 0", field="version", expected="0", found=text)
    match text:
        case "unknown":
            raise UnknownFormatError([problem])
        case "bad":
            raise ReadError([problem, dataclasses.replace(problem, place="byte 8")])
        case "bug":
            raise ZeroDivisionError("division of nothing")
        case "die":
            os._exit(1)
        case "interrupt":
            raise KeyboardInterrupt
        case "nobody":
            return build_result(1, subject=None, name=Path(path).name)
    seed = int(text)
    return build_result(
        seed, onset_method=how.onset_method, subject=how.subject or f"S{seed % 5}", name=Path(path).name
    )


def fake_key(path, how):
    text = Path(path).read_text()
    if not text.isdigit():
        return None
    return Identity(sha(f"content {int(text)}"), build_result(0, onset_method=how.onset_method).fingerprint)


def run(paths, **options):
    return analyze_files(paths, _work=fake_work, _key=fake_key, **options)


# Which files


def found(*paths):
    tally = Tally()
    return [(Path(item.path).name, item.explicit) for item in find(paths, tally)], tally


def test_folders_are_searched_sorted_and_without_what_is_no_recording(folder):
    (folder / "b").mkdir()
    (folder / ".git").mkdir()
    (folder / "b" / ".git").mkdir()
    names = ["b/2.edf", "b/1.edf", "c.txt", "a.edf", ".hidden", ".git/x", "a.ncs.json", "lab.toml", "x.db", "x.db-wal"]
    for name in names:
        (folder / name).touch()
    items, tally = found(folder)
    assert items == [("a.edf", False), ("1.edf", False), ("2.edf", False), ("c.txt", False)]
    assert tally.ignored == 5
    assert not tally.failures


def test_patterns_names_and_folders_may_overlap(folder):
    make(folder, 1, 2)
    items, tally = found(
        str(folder / "*.edf"), folder, folder / "file002.edf", folder / "file002.edf", str(folder / "*.abc")
    )
    assert items == [("file001.edf", False), ("file002.edf", False)]
    assert [failure.path for failure in tally.failures] == [str(folder / "*.abc")]
    assert "expected files that match, found none" in tally.failures[0].message


def test_a_file_with_a_pattern_in_its_name_is_a_file(folder):
    (folder / "a[1].edf").touch()
    assert found(folder / "a[1].edf")[0] == [("a[1].edf", True)]


def test_a_loop_of_links_ends(folder):
    (folder / "again").symlink_to(folder)
    make(folder, 1)
    assert found(folder)[0] == [("file001.edf", False)]


# What becomes of them


def test_without_a_store_the_results_come_back_in_order(folder):
    make(folder, 2, 1, 3)
    summary = run(folder)
    assert (summary.n_done, summary.n_skipped, summary.failures) == (3, 0, ())
    assert [result.sources[0].name for result in summary.results] == ["file001.edf", "file002.edf", "file003.edf"]
    assert [subject for subject, _ in summary.visits] == ["S1", "S2", "S3"]
    assert [Path(problem.file).name for problem in summary.warnings] == ["file001.edf", "file002.edf", "file003.edf"]
    assert str(summary).startswith("3 analysed, 0 already stored, 0 failed, 0 ignored in 0.")


def test_one_path_need_not_be_a_list(folder):
    (path,) = make(folder, 1)
    assert run(path).n_done == run(Path(path)).n_done == 1


def test_a_second_batch_skips_what_is_stored(folder, store):
    make(folder, *range(10))
    first = run(folder, store=store)
    assert (first.n_done, first.n_skipped, first.results) == (10, 0, ())
    before = store.measurements()
    make(folder, 10)
    second = run(folder, store=store)
    assert (second.n_done, second.n_skipped) == (1, 10)
    assert second.visits == (("S0", build_visit(10).date),)
    assert len(store.measurements()) == len(before) + 30


def test_going_back_to_another_method_makes_its_runs_current(folder, store):
    make(folder, 1, 2)
    run(folder, store=store)
    assert run(folder, store=store, onset_method="tangent").n_done == 2
    assert set(store.measurements()["method"]) == {"onset tangent"}
    assert run(folder, store=store).n_skipped == 2
    assert set(store.measurements()["method"]) == {"onset changepoint"}


def test_another_subject_is_not_skipped(folder, store):
    make(folder, 1)
    run(folder, store=store, subject="wrong")
    assert run(folder, store=store, subject="right").n_done == 1
    assert set(store.measurements()["subject"]) == {"right"}


def test_two_files_of_one_content_are_stored_once(folder, store):
    make(folder, 1)
    (folder / "copy.edf").write_text("1")
    summary = run(folder, store=store)
    assert (summary.n_done, summary.n_skipped) == (1, 1)


def test_failures_name_everything_and_stop_nobody(folder, store):
    paths = make(folder, 1, 2, 3, 4)
    for name, text in (("bad", "bad"), ("bug", "bug"), ("nobody", "nobody"), ("notes", "unknown")):
        (folder / f"{name}.txt").write_text(text)
    summary = run([folder, folder / "missing.edf"], store=store)
    assert (summary.n_done, summary.n_ignored) == (4, 1)
    failures = {Path(failure.path).name: failure for failure in summary.failures}
    assert set(failures) == {"bad.txt", "bug.txt", "nobody.txt", "missing.edf"}
    assert [problem.place for problem in failures["bad.txt"].problems] == ["byte 0", "byte 8"]
    assert failures["bad.txt"].error == "ReadError"
    assert failures["bug.txt"].error == "ZeroDivisionError"
    assert "division of nothing at test_batch.py:" in failures["bug.txt"].message
    assert "in fake_work" in failures["bug.txt"].message
    assert "subject: expected a code, found none" in failures["nobody.txt"].message
    assert failures["missing.edf"].error == "FileAccessError"
    assert sorted(store.failures()["path"]) == sorted(failure.path for failure in summary.failures)
    (folder / "bad.txt").write_text("5")
    again = run(folder, store=store)
    assert (again.n_done, again.n_skipped, len(again.failures)) == (1, 4, 2)
    assert str(folder / "bad.txt") not in set(store.failures()["path"])
    assert len(paths) == 4


def test_a_skipped_file_settles_its_failure(folder, store):
    (path,) = make(folder, 1)
    run(folder, store=store)
    Path(path).write_text("bad")
    run(folder, store=store)
    assert store.failures()["path"].tolist() == [path]
    Path(path).write_text("1")
    assert run(folder, store=store).n_skipped == 1
    assert store.failures().empty


def test_a_named_file_that_nothing_recognises_fails(folder):
    path = folder / "notes.txt"
    path.write_text("unknown")
    assert [failure.error for failure in run(path).failures] == ["UnknownFormatError"]
    assert run(folder).n_ignored == 1
    (folder / "notes.ncs.json").write_text("{}")
    assert [failure.error for failure in run(folder).failures] == ["UnknownFormatError"]


def test_a_changed_file_is_told_of(folder, store):
    (path,) = make(folder, 1)
    run(folder, store=store)
    Path(path).write_text("6")
    (warning,) = [problem for problem in run(folder, store=store).warnings if problem.field == "content"]
    assert warning.file == path
    assert "store.withdraw(1)" in warning.hint


def test_a_result_that_does_not_fit_is_a_failure_and_the_others_stay(folder, store):
    make(folder, 1, 2, 3)

    def work(path, how):
        result = fake_work(path, how)
        if "002" in path:
            wrong = dataclasses.replace(result.measurements[0], study_index=9)
            return dataclasses.replace(result, measurements=(wrong,))
        return result

    summary = analyze_files(folder, store=store, _work=work, _key=fake_key)
    assert summary.n_done == 2
    assert [(Path(failure.path).name, failure.error) for failure in summary.failures] == [("file002.edf", "StoreError")]
    assert len(store.measurements()) == 60
    assert len(store.failures()) == 1


def test_progress_is_told_after_every_file(folder, store):
    make(folder, 1, 2, 3)
    (folder / "bad.edf").write_text("bad")
    (folder / "notes.txt").write_text("unknown")
    told = []
    run(folder, store=store, progress=told.append)
    assert all(isinstance(progress, BatchProgress) for progress in told)
    assert [progress.done + progress.failed for progress in told] == [1, 2, 3, 4, 4]
    last = told[-1]
    assert (last.done, last.failed, last.skipped, last.total) == (3, 1, 0, 4)
    again = []
    run(folder, store=store, progress=again.append)
    assert (again[-1].skipped, again[-1].total) == (3, 4)


def test_groups_are_committed_on_the_way(folder, store, monkeypatch):
    make(folder, *range(20))
    monkeypatch.setattr(batch, "_GROUP", 5)
    counts = []
    run(folder, store=store, progress=lambda told: counts.append((told.done, len(store.measurements()) // 30)))
    assert counts[-1] == (20, 15)
    assert all(stored == (done - 1) // 5 * 5 for done, stored in counts)


def test_ctrl_c_keeps_what_is_done(folder, store):
    make(folder, 1, 2)
    (folder / "later.edf").write_text("interrupt")
    (folder / "never.edf").write_text("3")
    summary = run(folder, store=store)
    assert summary.interrupted
    assert str(summary).endswith("(interrupted)")
    assert summary.n_done == 2
    assert len(store.measurements()) == 60


def test_wrong_arguments_are_refused_before_any_file_is_read(folder, tmp_path):
    make(folder, 1)
    with pytest.raises(InvalidInputError, match="jobs: expected 1 or more, found 0"):
        run(folder, jobs=0)
    with pytest.raises(InvalidInputError, match="onset"):
        run(folder, onset_method="by eye")
    with pytest.raises(FileAccessError):
        run(folder, protocol=tmp_path / "missing.toml")


# Who works


def test_the_order_of_the_files_does_not_matter(folder, tmp_path):
    paths = make(folder, *range(12))
    frames = []
    for name, order in (("a.db", paths), ("b.db", paths[::-1])):
        with ncs.open_store(tmp_path / name) as store:
            run(order, store=store)
            frame = store.measurements().drop(columns="run")
            frames.append(frame.sort_values(["subject", "sha256", "quantity", "value"], ignore_index=True))
    pd.testing.assert_frame_equal(*frames)


def test_an_executor_of_ones_own_is_used_and_left_open(folder, store):
    make(folder, *range(50))
    (folder / "bad.edf").write_text("bad")
    with ThreadPoolExecutor(2) as executor:
        summary = run(folder, store=store, executor=executor)
        assert executor.submit(sum, [1, 2]).result() == 3
    assert (summary.n_done, len(summary.failures)) == (50, 1)


def test_tasks_under_way_are_limited(folder, monkeypatch):
    make(folder, *range(60))
    monkeypatch.setattr(_crew, "_CHUNK", 2)
    monkeypatch.setattr(_crew, "_WORKERS_ELSEWHERE", 1)
    open_tasks, most = set(), []

    class Watched(ThreadPoolExecutor):
        def submit(self, *args, **options):
            future = super().submit(*args, **options)
            open_tasks.add(future)
            future.add_done_callback(open_tasks.discard)
            most.append(len(open_tasks))
            return future

    with Watched(1) as executor:
        assert run(folder, executor=executor).n_done == 60
    assert len(most) == 30
    assert max(most) <= 3


class Lossy(Executor):
    """Loses every task of more than one file, as a cluster does whose worker was lost."""

    def submit(self, function, *args):
        future = Future()
        if len(args[-1]) > 1:
            future.set_exception(ConnectionError("worker lost"))
        elif args[-1][0].endswith("7.edf"):
            future.set_exception(ConnectionError("lost again"))
        else:
            future.set_result(function(*args))
        return future


def test_lost_tasks_are_repeated_file_by_file(folder):
    make(folder, *range(20))
    summary = run(folder, executor=Lossy())
    assert summary.n_done == 18
    assert [Path(failure.path).name for failure in summary.failures] == ["file007.edf", "file017.edf"]
    assert "ConnectionError: lost again" in summary.failures[0].message


def test_an_executor_that_is_shut_down_is_told_of(folder):
    make(folder, 1)
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    (failure,) = run(folder, executor=executor).failures
    assert "after shutdown" in failure.message


@pytest.mark.slow
def test_a_worker_that_dies_fails_only_its_file(folder, store):
    make(folder, *range(40))
    (folder / "file011.edf").write_text("die")
    (folder / "file030.edf").write_text("die")
    summary = run(folder, store=store, jobs=2)
    assert [(Path(failure.path).name, failure.error) for failure in summary.failures] == [
        ("file011.edf", "WorkerDied"),
        ("file030.edf", "WorkerDied"),
    ]
    assert summary.n_done == 38
    assert len(store.measurements()) == 38 * 30


def test_where_no_process_can_start_the_batch_goes_on_without(folder, monkeypatch):
    make(folder, *range(40))

    class Dead(Executor):
        def submit(self, *args):
            raise BrokenExecutor("no processes here")

        def shutdown(self, **options):
            return None

    monkeypatch.setattr(_crew, "_pool", lambda jobs, stopping=None: Dead())
    summary = run(folder, jobs=2)
    assert summary.n_done == 40
    assert summary.warnings[0].field == "jobs"
    assert "__main__" in summary.warnings[0].hint


def test_failures_and_outcomes_can_be_sent_between_processes():
    problem = Problem(file="a", place="b", field="c", expected="d", found="e")
    failure = Failure(path="a", error="ReadError", problems=(problem,), message="m")
    assert pickle.loads(pickle.dumps(failure)) == failure
    result = pickle.loads(pickle.dumps(build_result(1)))
    assert result.visit.studies[0].traces[0].stimulus_ms is not None


# With real files


def write_recordings(folder, count):
    from ncs.io.edf_write import write_edf

    for seed in range(count):
        visit = build_visit(seed, subject=f"S{seed % 4}")
        write_edf(visit, folder / f"visit{seed:03}.edf")
    (folder / "readme.txt").write_text("Dear reader, these are not samples.\n")


@pytest.mark.slow
def test_processes_and_this_process_store_the_same(folder, tmp_path):
    write_recordings(folder, 40)
    frames = []
    for jobs in (1, 2):
        with ncs.open_store(tmp_path / f"{jobs}.db") as store:
            summary = analyze_files(folder, store=store, jobs=jobs)
            assert (summary.n_done, summary.n_ignored, summary.failures) == (40, 1, ())
            assert analyze_files(folder, store=store, jobs=jobs).n_skipped == 40
            frames.append(store.measurements())
    pd.testing.assert_frame_equal(*frames)


def test_a_stored_visit_analysed_again_gives_identical_numbers(folder, store):
    write_recordings(folder, 4)
    analyze_files(folder, store=store)
    for subject, date in zip(store.visits()["subject"], store.visits()["date"], strict=True):
        again = ncs.analyze(store.load_visit(subject, date))
        (stored,) = store.load_results(subject, date)
        assert again.measurements == stored.measurements
        assert again.fingerprint == stored.fingerprint
        for new, old in zip(again.marks, stored.marks, strict=True):
            np.testing.assert_array_equal(new.sweeps.onset_ms, old.sweeps.onset_ms)


def test_warnings_of_the_reader_are_listed_not_raised(folder):
    write_recordings(folder, 1)
    path = folder / "visit000.edf"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(NcsWarning):
        ncs.read(path)
    summary = analyze_files(path)
    assert summary.n_done == 1
    assert [problem.file for problem in summary.warnings] == [str(path)] * len(summary.warnings)
    assert summary.warnings


@contextmanager
def started(script, **options):
    """Run a script with its children in a group of their own, which never outlives the test."""
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, **options
    ) as process:
        watchdog = threading.Timer(150, os.killpg, (process.pid, signal.SIGKILL))
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()


@pytest.mark.slow
def test_ctrl_c_at_a_terminal_stops_the_processes_and_keeps_the_rest(folder, tmp_path):
    make(folder, *range(400))
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        import ncs
        from tests.test_batch import fake_work

        def slow(path, how):
            time.sleep(0.02)
            return fake_work(path, how)

        if __name__ == "__main__":
            with ncs.open_store({str(tmp_path / "a.db")!r}) as store:
                told = lambda progress: print(progress.done, flush=True)
                summary = ncs.analyze_files({str(folder)!r}, store=store, jobs=2, progress=told, _work=slow)
                print("\\nend", summary.interrupted, summary.n_done, flush=True)
        """)
    )
    with started(script, text=True) as process:
        for line in process.stdout:
            if line.strip() == "40":
                break
        os.killpg(process.pid, signal.SIGINT)
        stopped = time.monotonic()
        rest = process.stdout.read().split("\n")
        assert process.wait() == 0
        assert time.monotonic() - stopped < 10
    _, interrupted, done = rest[-2].split()
    assert interrupted == "True"
    assert 40 <= int(done) < 400
    with ncs.open_store(tmp_path / "a.db") as store:
        assert len(store.measurements()) == int(done) * 30


@pytest.mark.slow
def test_workers_end_with_a_writer_that_is_killed(folder, tmp_path):
    make(folder, *range(400))
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        import os, sys, time
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        import ncs
        from tests.test_batch import fake_work

        def slow(path, how):
            time.sleep(0.02)
            return fake_work(path, how)

        if __name__ == "__main__":
            told = lambda progress: progress.done == 20 and os._exit(9)
            ncs.analyze_files({str(folder)!r}, jobs=2, progress=told, _work=slow)
        """)
    )
    with started(script) as process:
        assert process.stdout.read() == b""  # ends when the last process that holds it has ended
        assert process.wait() == 9


def test_an_empty_recording_in_a_folder_is_a_failure_and_other_files_are_ignored(tmp_path):
    (tmp_path / "empty.edf").write_bytes(b"")
    (tmp_path / "notes.docx").write_bytes(b"")
    summary = ncs.analyze_files([tmp_path])
    assert [Path(failure.path).name for failure in summary.failures] == ["empty.edf"]
    assert summary.n_ignored == 1


def test_as_many_files_are_counted_as_found(tmp_path):
    for name in ("a.edf", "b.edf.ncs.json", ".hidden", "events.tsv", "deep/c.edf", "deep/deeper/d.txt", ".git/e.edf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link.edf").symlink_to("nowhere")
    (tmp_path / "deep" / "up").symlink_to(tmp_path, target_is_directory=True)
    for named in ([tmp_path], [str(tmp_path)], [tmp_path, tmp_path / "deep"], [tmp_path / "**" / "*.edf"], []):
        assert count(named) == len(list(find(named, Tally())))
    assert [Path(item.path).name for item in find([tmp_path], Tally())] == ["a.edf", "c.edf", "d.txt"]
