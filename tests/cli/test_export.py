"""``ncs export``: tables and recordings out of a store, with sentences where there is nothing or no place for it."""

import dataclasses
import warnings

import pytest

import ncs as package
from ncs.export import read_table, recordings


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables(stored, tmp_path, form):
    done = stored("export", "--to", form, "tables")
    assert done.status == 0, done.err
    with package.open_store(tmp_path / "ncs.db") as store:
        long, visits = store.measurements(), store.visits()
    assert read_table(tmp_path / "tables" / f"long.{form}").equals(long)
    lines = {line.split()[0]: line.split()[1] for line in done.out.splitlines() if line.startswith("tables")}
    assert lines[f"tables/long.{form}"] == str(len(long))
    assert lines[f"tables/visits.{form}"] == str(len(visits)) == "3"
    assert set(lines) == {
        *(f"tables/{name}.{form}" for name in ("long", "wide", "marks", "covariates", "visits")),
        "tables/dictionary.csv",
    }
    assert stored("export", "--to", form, "tables").status == 0  # the same folder again


def test_choices(stored, tmp_path):
    assert stored("export", "--to", "csv", "one", "--subject", "P1", "--until", "2021-06-30").status == 0
    assert set(read_table(tmp_path / "one" / "long.csv")["date"]) == {"2021-03-01"}
    assert stored("export", "--to", "csv", "two", "--subject", "P1", "--subject", "P2", "--no-file-names").status == 0
    table = read_table(tmp_path / "two" / "wide.csv")
    assert set(table["subject"]) == {"P1", "P2"}
    assert "source" not in table.columns


def test_a_missing_number_has_its_reason_beside_it(stored, tmp_path):
    assert stored("export", "--to", "csv", "tables").status == 0
    wide = read_table(tmp_path / "tables" / "wide.csv").set_index(["date", "technique"])
    lost = wide.loc[("2021-09-06", "sensory")]
    assert lost["snap_amplitude_uv.wrist.reason"] == "no_response"
    assert str(lost["snap_amplitude_uv.wrist"]) == "nan"


def test_recordings_as_edf_read_as_they_were(stored, tmp_path):
    done = stored("export", "--to", "edf", "recordings", "--subject", "P1")
    assert done.status == 0, done.err
    paths = done.out.splitlines()
    assert len(paths) == 4
    with package.open_store(tmp_path / "ncs.db") as store:
        stored_visits = [store.load_visit("P1", date) for date in ("2021-03-01", "2021-09-06")]
    samples = {trace.samples_uv.tobytes() for v in stored_visits for study in v.studies for trace in study.traces}
    read = {
        trace.samples_uv.tobytes()
        for path in paths
        for study in package.read(tmp_path / path).studies
        for trace in study.traces
    }
    assert read == samples


def test_a_visit_that_edf_cannot_hold_does_not_stop_the_others(stored, tmp_path, monkeypatch):
    from ncs.io import edf_write

    write = edf_write.export_visit

    def choosy(visit, folder):
        if str(visit.date) == "2021-09-06":
            raise package.errors.InvalidInputError("samples_uv: EDF holds finite samples only")
        if visit.subject.id == "P2":
            warnings.warn("median motor: no waveforms, not written", package.errors.NcsWarning, stacklevel=2)
            return ()
        warnings.warn("left sural: no waveforms, not written", package.errors.NcsWarning, stacklevel=2)
        return write(visit, folder)

    monkeypatch.setattr(edf_write, "export_visit", choosy)
    done = stored("export", "--to", "edf", "recordings")
    assert done.status == 1
    assert len(done.out.splitlines()) == len(list((tmp_path / "recordings").iterdir())) == 2
    assert "P1, 2021-03-01: left sural: no waveforms, not written" in done.err
    assert "P1, 2021-09-06: not written\n  samples_uv: EDF holds finite samples only" in done.err
    assert "P2, 2021-05-03: not written\n  median motor: no waveforms, not written" in done.err


def test_a_bids_data_set(stored, tmp_path):
    where = (
        "--nerve",
        "median",
        "--technique",
        "motor",
        "--site",
        "wrist",
        "--author",
        "A. Author",
        "--reason",
        "foot",
    )
    assert stored("edit", "P1", "2021-03-01", "--mark", "onset", "--value", "3.9", *where).status == 0
    done = stored("export", "--to", "bids", "dataset", "--subject", "P1", "--power-line", "50")
    assert done.status == 0, done.err
    paths = [tmp_path / line for line in done.out.splitlines()]
    assert sorted(paths) == sorted(path for path in (tmp_path / "dataset").rglob("*") if path.is_file())
    assert len([path for path in paths if path.suffix == ".edf"]) == 4
    content = b"".join(path.read_bytes() for path in paths)
    assert b"onset moved by a person" in content
    assert b"A. Author" not in content
    assert b"2021-03-01" not in content
    assert stored("export", "--to", "bids", "true", "--keep-dates").status == 0
    assert any("ses-20210301" in path.name for path in (tmp_path / "true" / "sub-P1").iterdir())


def test_a_data_set_that_fails_leaves_nothing(stored, tmp_path):
    with package.open_store(tmp_path / "ncs.db") as store:
        visit = store.load_visit("P1", "2021-03-01")
        like = dataclasses.replace(visit, subject=package.Subject(id="P-1"), sources=())
        store.save(package.analyze(like))
    done = stored("export", "--to", "bids", "dataset")
    assert done.status == 2
    assert "would both be sub-P1" in done.err
    assert list((tmp_path / "dataset").iterdir()) == []


def test_two_visits_never_share_a_file(stored, tmp_path, monkeypatch):
    from ncs.io import edf_write

    def careless(visit, folder):
        path = folder / "same.edf"
        path.write_text(f"{visit.subject} {visit.date}")
        return (path,)

    monkeypatch.setattr(edf_write, "export_visit", careless)
    done = stored("export", "--to", "edf", "recordings")
    assert done.status == 0, done.err
    texts = {path.read_text() for path in (tmp_path / "recordings").iterdir()}
    assert texts == {"P1 2021-03-01", "P1 2021-09-06", "P2 2021-05-03"}


def test_what_cannot_be_done_is_said(stored, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    (tmp_path / "file").touch()
    for words, status, text in [
        (["--to", "csv", "full"], 2, "an earlier export of the same kind, found letter.txt"),
        (["--to", "edf", "full"], 2, "expected a new or an empty folder, found letter.txt"),
        (["--to", "csv", "file"], 2, "expected a folder, found a file"),
        (["--to", "csv", "out", "--subject", "P9"], 1, "no visit in ncs.db fits. List the visits: ncs show"),
        (["--to", "csv", "out", "--since", "2030-01-01"], 1, "no visit in ncs.db fits"),
        (["--to", "csv", "out", "--since", "soon"], 2, "since: expected a date as YYYY-MM-DD, found 'soon'"),
        (["--to", "edf", "out", "--no-file-names"], 2, "--no-file-names is for tables"),
        (["--to", "edf", "out", "--keep-dates"], 2, "--keep-dates and --power-line are for bids"),
        (["--to", "xls", "out"], 2, "'xls'"),
        (["out"], 2, "--to"),
        (["--to", "csv", "out", "--store", "absent.db"], 2, "found no file"),
    ]:
        done = stored("export", *words)
        assert done.status == status, words
        assert done.out == ""
        assert text.lower() in " ".join(done.err.lower().split()), words
        assert not (tmp_path / "out").exists()


def test_an_empty_store_says_how_to_fill_it(ncs):
    assert ncs("analyze", "x").status == 1  # makes the store
    done = ncs("export", "--to", "csv", "out")
    assert done.status == 1
    assert "ncs.db holds no visits yet. Add some: ncs analyze exports/" in done.err


def test_visits_without_recordings_give_no_recordings(ncs, tmp_path):
    with package.open_store(tmp_path / "ncs.db") as store:
        store.add_covariates("P1", "2021-03-01", {"ONLS": 4.0}, source="scores.csv")
    done = ncs("export", "--to", "edf", "out")
    assert done.status == 1
    assert "the visits that fit have no recordings" in done.err
    assert ncs("export", "--to", "csv", "tables").status == 0
    assert read_table(tmp_path / "tables" / "covariates.csv")["number"].tolist() == [4.0]
    assert recordings.Recordings().paths == []
