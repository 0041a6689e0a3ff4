"""What need not be read again, and everything that makes a batch look again."""

import dataclasses
import os
from pathlib import Path

import pytest

import ncs
from ncs import _finding, _memory
from ncs.batch import analyze_files
from ncs.errors import MissingDependencyError
from ncs.io import _companions
from tests.store.build import build_result, build_visit
from tests.test_batch import fake_key, fake_work, make


@pytest.fixture
def store(tmp_path):
    with ncs.open_store(tmp_path / "results.db") as store:
        yield store


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def long_ago(monkeypatch):
    """Let files count as settled as soon as they are written."""
    monkeypatch.setattr(_finding, "_SETTLED_NS", -(10**15))


class Watch:
    """A worker and a hash function that note which files they are given."""

    def __init__(self, work=fake_work):
        self.worked, self.hashed = [], []
        self._work = work

    def run(self, paths, **options):
        self.worked, self.hashed = [], []

        def work(path, how):
            self.worked.append(Path(path).name)
            return self._work(path, how)

        def key(path, how):
            self.hashed.append(Path(path).name)
            return fake_key(path, how)

        return analyze_files(paths, _work=work, _key=key, **options)


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture(autouse=True)
def fake_fingerprints(monkeypatch):
    """The fake worker's fingerprints know the onset method and the sidecar only."""

    def fingerprint(how, sidecar_sha256):
        return build_result(0, onset_method=how.onset_method, sidecar=sidecar_sha256).fingerprint

    monkeypatch.setattr(_memory, "fingerprint_of", fingerprint)


def test_an_untouched_file_is_neither_read_nor_hashed(folder, store, watch):
    make(folder, *range(5))
    assert watch.run(folder, store=store).n_done == 5
    assert (len(watch.worked), watch.hashed) == (5, [])
    summary = watch.run(folder, store=store)
    assert (summary.n_done, summary.n_skipped) == (0, 5)
    assert (watch.worked, watch.hashed) == ([], [])


def test_a_touched_file_is_hashed_once(folder, store, watch):
    (path,) = make(folder, 1)
    watch.run(folder, store=store)
    os.utime(path, (1, 1))
    assert watch.run(folder, store=store).n_skipped == 1
    assert (watch.worked, watch.hashed) == ([], ["file001.edf"])
    assert watch.run(folder, store=store).n_skipped == 1
    assert (watch.worked, watch.hashed) == ([], [])


def test_content_changed_behind_the_back_of_the_clock_is_noticed(folder, store, watch):
    """Size and time of modification are as before; the file system knows better."""
    (path,) = make(folder, 1)
    before = Path(path).stat()
    watch.run(folder, store=store)
    Path(path).write_text("2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert watch.run(folder, store=store).n_done == 1


def test_content_is_checked_where_that_is_asked_for(folder, store, watch, monkeypatch):
    monkeypatch.setattr(_finding, "_of", lambda status: "as ever")
    (path,) = make(folder, 1)
    watch.run(folder, store=store)
    Path(path).write_text("2")
    assert watch.run(folder, store=store).n_skipped == 1
    assert watch.run(folder, store=store, check_content=True).n_done == 1
    assert watch.run(folder, store=store).n_skipped == 1


def test_what_was_written_a_moment_ago_is_not_trusted(folder, store, watch, monkeypatch):
    monkeypatch.setattr(_finding, "_SETTLED_NS", 10**15)
    make(folder, 1)
    watch.run(folder, store=store)
    assert watch.run(folder, store=store).n_skipped == 1
    assert watch.hashed == ["file001.edf"]


@pytest.mark.parametrize("name", ["file001.edf.ncs.json", "file001.ncs.json"])
def test_a_sidecar_that_comes_changes_or_goes_is_noticed(folder, store, watch, name):
    make(folder, 1, 2)
    watch.run(folder, store=store)
    sidecar = folder / name
    for act in (lambda: sidecar.write_text("{}"), lambda: sidecar.write_text("{ }"), sidecar.unlink):
        act()
        watch.run(folder, store=store)
        assert watch.hashed == ["file001.edf"]
    watch.run([folder / "file001.edf", str(folder / "*2.edf")], store=store)
    assert watch.hashed == []


def test_the_stamp_of_a_file_does_not_depend_on_how_it_is_named(folder, store, watch, monkeypatch):
    make(folder, 1)
    (folder / "file001.ncs.json").write_text("{}")
    watch.run(folder, store=store)
    monkeypatch.chdir(folder)
    for named in (".", "file001.edf", "*.edf", Path("..") / "exports", folder / "file001.edf"):
        assert watch.run(named, store=store).n_skipped == 1
        assert watch.hashed == []


def test_another_way_needs_no_hash_either(folder, store, watch):
    make(folder, 1, 2)
    watch.run(folder, store=store)
    assert watch.run(folder, store=store, onset_method="tangent").n_done == 2
    assert watch.run(folder, store=store).n_skipped == 2
    assert set(store.measurements()["method"]) == {"onset changepoint"}
    assert watch.run(folder, store=store, onset_method="tangent").n_skipped == 2
    assert set(store.measurements()["method"]) == {"onset tangent"}
    assert watch.hashed == []


def test_a_subject_corrected_stays_corrected(folder, store, watch):
    make(folder, 1)
    watch.run(folder, store=store, subject="wrong")
    assert watch.run(folder, store=store, subject="right").n_done == 1
    for _ in range(2):
        assert watch.run(folder, store=store).n_skipped == 1
        assert set(store.measurements()["subject"]) == {"right"}
    assert watch.run(folder, store=store, subject="right").n_skipped == 1
    assert watch.run(folder, store=store, subject="wrong").n_skipped == 1
    assert set(store.measurements()["subject"]) == {"wrong"}


def test_a_recording_of_several_files_is_always_looked_at(folder, store):
    def work(path, how):
        visit = build_visit(int(Path(path).read_text()))
        source = dataclasses.replace(visit.sources[0], format="mne")
        return build_result(1, visit=dataclasses.replace(visit, sources=(source,)))

    watch = Watch(work)
    make(folder, 1)
    watch.run(folder, store=store)
    watch.run(folder, store=store)
    assert watch.hashed == ["file001.edf"]


def test_a_recording_whose_tables_may_come_later_is_always_looked_at(folder, store, watch):
    (folder / "sub-01_task-motor_emg.edf").write_text("1")
    watch.run(folder, store=store)
    watch.run(folder, store=store)
    assert watch.hashed == ["sub-01_task-motor_emg.edf"]


def test_the_readers_of_several_files_are_called_as_they_are():
    from ncs.io.registry import readers

    assert {entry.name for entry in readers()} >= _companions.READERS


# Failures


def test_a_failed_file_is_not_tried_again_as_long_as_nothing_changes(folder, store, watch):
    make(folder, 1)
    (folder / "bad.edf").write_text("bad")
    (folder / "nobody.edf").write_text("nobody")
    first = watch.run(folder, store=store)
    failed = store.failures()
    second = watch.run(folder, store=store)
    assert watch.worked == []
    assert second.n_not_retried == 2
    assert second.failures == first.failures
    assert "2 failed (2 as before)" in str(second)
    assert store.failures().equals(failed)


def change_file(folder):
    (folder / "bad.edf").write_text("7")
    return {}


def add_sidecar(folder):
    (folder / "bad.edf.ncs.json").write_text("{}")
    return {}


@pytest.mark.parametrize(
    "change",
    [
        change_file,
        add_sidecar,
        lambda folder: {"subject": "S9"},
        lambda folder: {"onset_method": "tangent"},
        lambda folder: {"check_content": True},
    ],
)
def test_a_failed_file_is_tried_again_when_something_has_changed(folder, store, watch, change):
    (folder / "bad.edf").write_text("bad")
    watch.run(folder, store=store)
    options = change(folder)
    summary = watch.run(folder, store=store, **options)
    assert watch.worked == ["bad.edf"]
    assert summary.n_not_retried == 0
    if change is change_file:
        assert store.failures().empty


def test_a_failed_file_is_tried_again_by_another_version(folder, store, watch, monkeypatch):
    (folder / "bad.edf").write_text("bad")
    watch.run(folder, store=store)
    monkeypatch.setattr(_memory, "__version__", "99.0")
    watch.run(folder, store=store)
    assert watch.worked == ["bad.edf"]


def test_what_can_end_by_itself_is_tried_again(folder, store):
    mishaps = [MissingDependencyError("needs neo"), MemoryError("full")]

    def work(path, how):
        if mishaps:
            raise mishaps.pop()
        return fake_work(path, how)

    make(folder, 1)
    watch = Watch(work)
    assert [len(watch.run(folder, store=store).failures) for _ in range(3)] == [1, 1, 0]
    assert store.failures().empty


def test_a_failed_file_whose_companion_comes_later_is_tried_again(folder, store, watch):
    def work(path, how):
        return fake_work(folder / "bad", how)

    (folder / "bad").write_text("bad")
    (folder / "a.vhdr").write_text("Brain Vision Data Exchange Header File Version 1.0\n")
    watch = Watch(work)
    watch.run(folder / "a.vhdr", store=store)
    watch.run(folder / "a.vhdr", store=store)
    assert watch.worked == ["a.vhdr"]


def test_what_is_no_recording_is_not_opened_again_unless_it_is_named(folder, store, watch):
    make(folder, 1)
    (folder / "notes.txt").write_text("unknown")
    told = []
    assert watch.run(folder, store=store).n_ignored == 1
    summary = watch.run(folder, store=store, progress=told.append)
    assert (summary.n_ignored, summary.n_skipped, watch.worked) == (1, 1, [])
    assert told[-1].total == 1
    summary = watch.run(folder / "notes.txt", store=store)
    assert [failure.error for failure in summary.failures] == ["UnknownFormatError"]
    assert watch.worked == ["notes.txt"]


def test_a_failure_is_healed_whatever_the_file_is_called(folder, store, watch, monkeypatch):
    (folder / "bad.edf").write_text("bad")
    monkeypatch.chdir(folder)
    watch.run("bad.edf", store=store)
    assert store.failures()["path"].tolist() == [str(folder / "bad.edf")]
    (folder / "bad.edf").write_text("7")
    monkeypatch.chdir(folder.parent)
    watch.run("exports", store=store)
    assert store.failures().empty


def test_real_files_are_remembered_with_sidecar_and_protocol(folder, store, monkeypatch):
    from ncs.io.edf_write import write_edf

    monkeypatch.undo()
    monkeypatch.setattr(_finding, "_SETTLED_NS", -(10**15))
    for seed in range(3):
        write_edf(build_visit(seed), folder / f"{seed}.edf")
    (folder / "1.ncs.json").write_text('{"ncs_sidecar": 1, "covariates": {"onls": 2}}')
    protocol = folder / "lab.toml"
    protocol.write_text('ncs_protocol = 1\nname = "A"\n')
    assert analyze_files(folder, store=store).n_done == 3
    hashed = []
    monkeypatch.setattr(_memory, "sha256_of", lambda path: hashed.append(path) or "0" * 64)
    assert analyze_files(folder, store=store).n_skipped == 3
    assert analyze_files(folder, store=store, protocol=protocol).n_done == 3
    assert analyze_files(folder, store=store, protocol=protocol).n_skipped == 3
    assert analyze_files(folder, store=store, find_stimulus=True).n_done == 3
    assert hashed == []
    (folder / "1.ncs.json").write_text('{"ncs_sidecar": 1, "covariates": {"onls": 30}}')
    assert analyze_files(folder, store=store).n_done == 1
    assert hashed == [str(folder / "1.edf")]
