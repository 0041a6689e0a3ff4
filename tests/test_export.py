"""Tables out of a store and back: the same numbers to the last bit, the same reasons, nothing personal."""

import csv
import dataclasses
import datetime as dt
import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import ncs
from ncs.errors import FileAccessError, InvalidInputError, MissingDependencyError, ReadError, StoreError
from ncs.export import _columns as columns
from ncs.export import read_table, tables, write_csv, write_parquet
from ncs.export._folder import DICTIONARY_HEADER
from ncs.export._wide import Place, wide_columns
from ncs.quantities import QUANTITIES
from ncs.results import COLUMNS, Reason
from ncs.store._rows import MARK_COLUMNS
from tests.store.build import DATE, build_result, build_visit

WRITERS = pytest.mark.parametrize(("write", "suffix"), [(write_csv, "csv"), (write_parquet, "parquet")])
KEYS = ["subject", "date", "nerve", "side", "technique", "recording_site", "recording"]


def single(result):
    """Return a result whose measurements are one per quantity and place, as an analysis gives them."""
    kept = {}
    for m in result.measurements:
        kept.setdefault((m.quantity, m.site, m.segment), m)
    return dataclasses.replace(result, measurements=tuple(kept.values()))


@pytest.fixture
def store(tmp_path):
    with ncs.open_store(tmp_path / "ncs.db") as opened:
        opened.save_many(
            single(build_result(seed, subject=f"S{seed % 2}", date=dt.date(2024, seed, 1), n_sweeps=2))
            for seed in (1, 2, 3)
        )
        opened.add_covariates("S1", "2024-01-01", {"VEGF": "<15"}, source="vegf.csv", units={"VEGF": "pg/mL"})
        yield opened


def read_all(folder, suffix):
    return {name: read_table(folder / f"{name}.{suffix}") for name in ("long", "wide", "marks", "covariates", "visits")}


@WRITERS
def test_reading_back_gives_what_the_store_holds(store, tmp_path, write, suffix):
    written = write(store, tmp_path / "out")
    read = read_all(tmp_path / "out", suffix)
    stored = {
        "long": store.measurements(), "marks": store.marks(), "covariates": store.covariates(), "visits": store.visits()
    }  # fmt: skip
    for name, frame in stored.items():
        pd.testing.assert_frame_equal(read[name], frame, check_exact=True, obj=name)
    assert {one.name: one.rows for one in written if one.name in read} == {n: len(f) for n, f in read.items()}
    assert all(one.path.is_file() for one in written)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(one.path.name for one in written)


@WRITERS
def test_the_wide_table_has_every_number_of_the_long_one_once(store, tmp_path, write, suffix):
    write(store, tmp_path / "out")
    wide, long = read_table(tmp_path / "out" / f"wide.{suffix}"), store.measurements()
    names = {}
    for m in long.itertuples():
        unit = {"ms": "_ms", "uV": "_uv", "uV.ms": "_uv_ms", "m/s": "_m_s"}[m.unit]
        names[m.Index] = f"{m.quantity}{unit}.{m.segment if isinstance(m.segment, str) else m.site}"
    assert not wide.duplicated(KEYS).any()
    assert list(wide["run"]) == list(dict.fromkeys(long["run"]))
    by_run = wide.set_index("run")
    for m in long.itertuples():
        name = names[m.Index]
        value, sd = by_run.loc[m.run, name], by_run.loc[m.run].get(f"{name}.sd", math.nan)
        reason = by_run.loc[m.run].get(f"{name}.reason")
        assert value == m.value or (math.isnan(value) and reason == m.reason)
        assert sd == m.sd or (math.isnan(sd) and math.isnan(m.sd))
    filled = wide[sorted(set(names.values()))].notna().to_numpy().sum()
    assert filled == long["value"].notna().sum()


@WRITERS
def test_floats_that_are_hard_to_write_are_written_exactly(tmp_path, write, suffix):
    hard = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -2.5, 123456789.12345679, 1e22, 2.0]
    result = build_result(1)
    made = [dataclasses.replace(result.measurements[0], value=v, reason=None, site=f"{v!r}") for v in hard]
    with ncs.open_store(tmp_path / "ncs.db") as store:
        store.save(dataclasses.replace(result, measurements=tuple(made)))
        write(store, tmp_path / "out")
    back = read_table(tmp_path / "out" / f"long.{suffix}")["value"].to_numpy()
    assert back.tobytes() == np.array(hard).tobytes()


def test_pandas_reads_the_csv_exactly_too(store, tmp_path):
    write_csv(store, tmp_path / "out")
    frame = pd.read_csv(tmp_path / "out" / "long.csv")
    np.testing.assert_array_equal(frame["value"], store.measurements()["value"])
    assert (frame["value"].isna() == frame["reason"].notna()).all()


def test_the_csv_is_plain(store, tmp_path):
    write_csv(store, tmp_path / "out")
    raw = (tmp_path / "out" / "long.csv").read_bytes()
    assert raw.startswith(b"subject,date,")
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    header, *lines = raw.decode("utf-8").splitlines()
    assert header.split(",") == [*COLUMNS, "run"]
    assert len(lines) == len(store.measurements())


TEXTS = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-2",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "'quoted",
    "a,b",
    'say "x"',
    "two\nlines",
    "Ülna µ",
    " ",
]


@WRITERS
def test_texts_from_files_come_back_and_are_never_formulas(tmp_path, write, suffix):
    result = build_result(1)
    made = [dataclasses.replace(result.measurements[0], site=text) for text in TEXTS]
    with ncs.open_store(tmp_path / "ncs.db") as store:
        store.save(dataclasses.replace(result, measurements=tuple(made)))
        write(store, tmp_path / "out")
    assert list(read_table(tmp_path / "out" / f"long.{suffix}")["site"]) == TEXTS
    for table in (tmp_path / "out").glob("*.csv"):
        with table.open(encoding="utf-8", newline="") as stream:
            cells = [cell for row in csv.reader(stream) for cell in row]
        assert [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))] == []
        assert [cell for cell in cells if cell.startswith("-") and not cell[1:2].isdigit() and cell != "-inf"] == []


def test_every_column_is_in_the_dictionary_with_its_definition(store, tmp_path):
    write_csv(store, tmp_path / "out")
    with (tmp_path / "out" / "dictionary.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == DICTIONARY_HEADER
    for name in columns.TABLES:
        with (tmp_path / "out" / f"{name}.csv").open(encoding="utf-8") as stream:
            header = next(csv.reader(stream))
        described = [row for row in rows if row["table"] == name]
        assert [row["column"] for row in described] == header
        assert all(row["definition"] and row["source"] for row in described)
    words = {
        kind: {row["column"] for row in rows if row["table"] == f"values of {kind}"} for kind in ("quantity", "reason")
    }
    assert words == {"quantity": set(QUANTITIES), "reason": {reason.value for reason in Reason}}
    (velocity,) = [row for row in rows if row["column"] == "motor_conduction_velocity_m_s.wrist-elbow"]
    assert (velocity["unit"], velocity["type"]) == ("m/s", "float")
    assert velocity["definition"].startswith(QUANTITIES["motor_conduction_velocity"].definition)
    assert velocity["source"] == QUANTITIES["motor_conduction_velocity"].source


def test_the_columns_are_those_of_the_store(store):
    assert [c.name for c in columns.LONG] == list(store.measurements().columns)
    assert [c.name for c in columns.MARKS] == list(store.marks().columns)
    assert [c.name for c in columns.VISITS] == list(store.visits().columns)
    assert [c.name for c in columns.COVARIATES] == list(store.covariates().columns)
    assert {c.name for c in columns.MARKS} >= set(MARK_COLUMNS)


def test_parquet_carries_types_units_and_definitions(store, tmp_path):
    from pyarrow import parquet

    write_parquet(store, tmp_path / "out")
    schema = parquet.read_schema(tmp_path / "out" / "marks.parquet")
    assert str(schema.field("date").type) == "date32[day]"
    assert schema.field("peak_uv").metadata[b"unit"] == b"uV"
    assert b"negative peak" in schema.field("peak_uv").metadata[b"definition"]
    value = parquet.read_table(tmp_path / "out" / "long.parquet")["value"]
    assert value.null_count == store.measurements()["value"].isna().sum() > 0


@WRITERS
def test_nothing_personal_is_written(tmp_path, write, suffix):
    visit = build_visit(1, name="Erika_Mustermann.edf")
    named = dataclasses.replace(visit.subject, name="Erika Mustermann", birth_date=dt.date(1957, 8, 14))
    result = build_result(1, visit=dataclasses.replace(visit, subject=named))
    with ncs.open_store(tmp_path / "ncs.db") as store:
        store.save(result)
        write(store, tmp_path / "out", file_names=False)
        assert "source" not in read_table(tmp_path / "out" / f"long.{suffix}").columns
    content = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert b"S1" in content
    for secret in (b"Erika", b"Mustermann", b"1957-08", b"birth"):
        assert secret not in content


def test_who_edited_a_mark_is_not_written(tmp_path):
    visit, _ = ncs.simulate.visit("S1", DATE, seed=1)
    with ncs.open_store(tmp_path / "ncs.db") as store:
        store.save(ncs.analyze(visit))
        where = {"nerve": "median", "technique": "motor", "site": "wrist"}
        store.edit_mark("S1", DATE, mark="onset", value=4.0, author="Ada; Lovelace", reason="a step", **where)
        store.edit_mark("S1", DATE, mark="end", value=9.0, author="Ada", reason="a tail", **where)
        write_csv(store, tmp_path / "out")
        stored = store.measurements()
    assert b"Ada" not in b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    read = read_table(tmp_path / "out" / "long.csv")
    edited = stored["flags"].str.contains("edited")
    assert edited.sum() > 2
    words = {
        "onset moved by Ada; Lovelace": "onset moved by a person",
        "end of negative peak moved by Ada": "end of negative peak moved by a person",
    }
    expected = stored["method"].copy()
    for name, anonymous in words.items():
        expected = expected.str.replace(name, anonymous, regex=False)
    assert read["method"].tolist() == expected.tolist()
    assert read.drop(columns="method").equals(stored.drop(columns="method"))


@WRITERS
def test_visits_can_be_chosen_and_come_in_pieces(store, tmp_path, monkeypatch, write, suffix):
    write(store, tmp_path / "whole")
    for name, limit in (("_MEASUREMENTS_AT_ONCE", 1), ("_SUBJECTS_AT_ONCE", 1)):
        monkeypatch.setattr(tables, name, limit)
    write(store, tmp_path / "pieces")
    whole, pieces = read_all(tmp_path / "whole", suffix), read_all(tmp_path / "pieces", suffix)
    for name, frame in whole.items():
        pd.testing.assert_frame_equal(pieces[name], frame)
    write(store, tmp_path / "some", subject="S1", since="2024-01-02", until=dt.date(2024, 3, 1))
    some = read_all(tmp_path / "some", suffix)
    for frame in some.values():
        assert set(zip(frame["subject"], frame["date"], strict=True)) == {("S1", "2024-03-01")}


@WRITERS
def test_an_empty_choice_gives_tables_without_rows(store, tmp_path, write, suffix):
    write(store, tmp_path / "out", subject="nobody")
    read = read_all(tmp_path / "out", suffix)
    assert {name: len(frame) for name, frame in read.items()} == dict.fromkeys(read, 0)
    assert list(read["long"].columns) == [*COLUMNS, "run"]


def test_several_recordings_of_one_nerve_keep_their_own_rows(tmp_path):
    results = [single(build_result(seed)) for seed in (1, 2)]
    with ncs.open_store(tmp_path / "ncs.db") as store:
        store.save_many(results)
        write_csv(store, tmp_path / "out")
    wide = read_table(tmp_path / "out" / "wide.csv")
    assert wide["recording"].tolist() == [1, 2]
    for row, result in zip(wide.itertuples(index=False), results, strict=True):
        (amplitude,) = [m for m in result.measurements if (m.quantity, m.site) == ("cmap_amplitude", "elbow")]
        assert row[wide.columns.get_loc("cmap_amplitude_uv.elbow")] == amplitude.value


def test_two_like_studies_of_one_file_are_not_mixed(tmp_path):
    visit = build_visit(1)
    one = single(build_result(1, visit=dataclasses.replace(visit, studies=visit.studies * 2)))
    values = [
        [dataclasses.replace(m, study_index=study, value=study + 1.0, reason=None) for m in one.measurements]
        for study in (0, 1)
    ]
    # the second study lacks what the first has at its beginning
    result = dataclasses.replace(one, measurements=(*values[0], *values[1][2:]))
    with ncs.open_store(tmp_path / "ncs.db") as store:
        store.save(result)
        write_csv(store, tmp_path / "out")
    wide = read_table(tmp_path / "out" / "wide.csv")
    places = [c.column.name for c in wide_columns({(p, "value") for p in map(place_of, one.measurements)})]
    for row, value, missing in ((0, 1.0, 0), (1, 2.0, 2)):
        cells = wide.loc[row, places].astype(float)
        assert set(cells.dropna()) == {value}
        assert cells.isna().sum() == missing


def place_of(m):
    return Place(quantity=m.quantity, unit=m.unit, site=m.site, segment=m.segment)


def test_columns_at_one_segment_and_several_sites_have_different_names():
    both = {
        (Place(quantity="sensory_conduction_velocity", unit="m/s", site=site, segment="finger II-wrist"), "value")
        for site in ("wrist", "palm")
    }
    assert [c.column.name for c in wide_columns(both)] == [
        "sensory_conduction_velocity_m_s.palm.finger II-wrist",
        "sensory_conduction_velocity_m_s.wrist.finger II-wrist",
    ]
    odd = {(Place(quantity="superexcitability", unit="%", site=None, segment=None), "value")}
    assert [c.column.name for c in wide_columns(odd)] == ["superexcitability_percent"]


@WRITERS
def test_an_earlier_export_is_replaced(store, tmp_path, write, suffix):
    write(store, tmp_path / "out", subject="S1")
    (tmp_path / "out" / f".long.{suffix}.0123abcd.part").write_text("left by a run that was killed")
    written = write(store, tmp_path / "out")
    assert len(read_table(tmp_path / "out" / f"long.{suffix}")) == len(store.measurements())
    assert len(list((tmp_path / "out").iterdir())) == len(written)


def test_what_belongs_to_somebody_else_is_left_alone(store, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "covariates.csv").write_text("subject,date,name,value\n")
    with pytest.raises(FileAccessError, match=r"found covariates\.csv without the dictionary\.csv of an export"):
        write_csv(store, folder)
    (folder / "dictionary.csv").write_text("word,meaning\n")
    with pytest.raises(FileAccessError, match=r"found covariates\.csv, dictionary\.csv without"):
        write_csv(store, folder)
    (folder / "letter.txt").touch()
    with pytest.raises(FileAccessError, match=r"or an earlier export of the same kind, found letter\.txt\."):
        write_csv(store, folder)
    assert len(list(folder.iterdir())) == 3
    write_csv(store, tmp_path / "out")
    with pytest.raises(FileAccessError, match=r"found covariates\.csv, long\.csv, marks\.csv and 2 more"):
        write_parquet(store, tmp_path / "out")
    with pytest.raises(FileAccessError, match="expected a folder, found a file"):
        write_csv(store, tmp_path / "ncs.db")


@pytest.mark.parametrize("was_there", [True, False])
def test_an_export_that_fails_half_way_changes_nothing(store, tmp_path, monkeypatch, was_there):
    folder = tmp_path / "out"
    if was_there:
        write_csv(store, folder, subject="S1")
    before = {path.name: path.read_bytes() for path in folder.glob("*")}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "wide_columns", fail)
    with pytest.raises(FileAccessError, match=r"found no space left on device\. Check the permissions and the free"):
        write_csv(store, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_store_that_changes_meanwhile_is_noticed(store, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "wide_columns", lambda found: wide_columns({next(iter(found))}))
    with pytest.raises(StoreError, match="another program writes to it"):
        write_csv(store, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_without_pyarrow_the_extra_is_named(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'ncs\[parquet\]'"):
        write_parquet(store, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_date_that_is_none_is_refused(store, tmp_path):
    with pytest.raises(InvalidInputError, match="since: expected a date"):
        write_csv(store, tmp_path / "out", since="last year")
    assert not (tmp_path / "out").exists()


def test_tables_that_do_not_fit_their_dictionary_are_refused(store, tmp_path):
    folder = tmp_path / "out"
    write_csv(store, folder)
    assert list(read_table(folder / "dictionary.csv").columns) == list(DICTIONARY_HEADER)
    (folder / "long.csv").write_text("subject,value\nS1,3\n")
    with pytest.raises(ReadError, match=r"long\.csv: expected the columns of dictionary\.csv, found subject, value"):
        read_table(folder / "long.csv")
    (folder / "visits.csv").write_text("subject,date\nS1\n")
    with pytest.raises(ReadError, match="expected 2 cells, found 1 in row 1"):
        read_table(folder / "visits.csv")
    with pytest.raises(FileAccessError, match="no such file"):
        read_table(folder / "absent.csv")
    write_parquet(store, tmp_path / "p")
    (tmp_path / "p" / "long.parquet").write_bytes(b"not parquet")
    with pytest.raises(ReadError, match="expected a Parquet file"):
        read_table(tmp_path / "p" / "long.parquet")


def test_importing_is_light():
    code = (
        "import sys, json, ncs.export, ncs.export.tables, ncs.export.reading, ncs.export.recordings\n"
        "print(json.dumps(sorted({'pandas', 'pyarrow', 'sqlalchemy', 'scipy'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == []
