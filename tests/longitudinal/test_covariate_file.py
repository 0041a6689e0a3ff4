"""Covariates from a file: every mistake at once, matched to visits, stored once."""

import datetime as dt

import pytest

import ncs
from ncs.errors import FileAccessError, InvalidInputError, ReadError
from ncs.longitudinal import covariates, import_covariates
from ncs.longitudinal._covariate_file import read_covariates
from tests.longitudinal.build import START, course, covariate_csv, day, paper_store, store_of

HEADER = "subject,date,name,value,unit\n"


@pytest.fixture
def write(tmp_path):
    def written(text, name="c.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return path

    return written


@pytest.fixture
def store():
    with store_of(*course("S1", 35.0, 36.0, 41.0), *course("S2", 30.0)) as opened:
        yield opened


def test_numbers_and_values_beyond_detection(write):
    lines = read_covariates(write(HEADER + "S1,2020-03-02,VEGF, 1.5e3 ,pg/mL\nS1,2020-09-01,VEGF,< 15,pg/mL\n"
                                  "\nS1,2021-03-02,VEGF,>2000,pg/mL\nS1,2020-03-02,ONLS,6,\n"))  # fmt: skip
    assert [line.value for line in lines] == [1500.0, "<15", ">2000", 6.0]
    assert [line.line for line in lines] == [2, 3, 5, 6]
    assert lines[0].date == dt.date(2020, 3, 2)


def test_every_mistake_is_told_at_once(write):
    path = write(
        HEADER.replace("unit", "unit,upper_limit")
        + "S1,2020-03-02,VEGF,abc,pg/mL,\n"
        + ",2020-03-02,VEGF,3,pg/mL,\n"
        + "S1,02.03.2020,VEGF,3,pg/mL,\n"
        + "S1,2020-02-30,VEGF,3,pg/mL,x\n"
        + "S1,2020-03-02,VEGF,,pg/mL,38\n"
        + "S1,2020-03-02,VEGF,3\n"
        + "S1,2020-03-02,VEGF,3,pg/mL,38\n"
        + "S1,2020-03-03,VEGF,3,ng/mL,39\n"
        + "S1,2020-03-02,vegf,3,pg/mL,\n"
        + "S1,2020-03-02,VEGF,4,pg/mL,\n"
        + "S1,2020-03-02,VEGF,nan,pg/mL,\n"
    )
    with pytest.raises(ReadError) as caught:
        read_covariates(path)
    told = [str(problem) for problem in caught.value.problems]
    number = "expected a number, or one with < or > before it"
    for expected in (
        "c.csv: line 2: value: expected a number, or one with < or > before it, found 'abc'",
        "c.csv: line 3: subject: expected a code, found none",
        "c.csv: line 4: date: expected a date as YYYY-MM-DD, found '02.03.2020'",
        "c.csv: line 5: date: expected a date as YYYY-MM-DD, found '2020-02-30'",
        "c.csv: line 5: upper_limit: expected a number or nothing, found 'x'",
        f"c.csv: line 6: value: {number}, found none. Leave the line out where nothing was measured.",
        "c.csv: line 7: expected 6 columns, found 4. A decimal comma needs semicolons between the columns.",
        "c.csv: line 9: unit: expected 'pg/mL' as in line 8, found 'ng/mL'",
        "c.csv: line 9: upper_limit: expected 38 as in line 8, found 39",
        "c.csv: line 10: name: expected 'VEGF' as in line 8, found 'vegf'",
        "c.csv: line 11: value: expected one value of VEGF for S1 on 2020-03-02, found 4.0, and 3.0 in line 8",
        "c.csv: line 12: value: expected a number, or one with < or > before it, found 'nan'",
    ):
        assert expected in told
    assert len(told) == 12
    lines = [int(problem.place.split()[1]) for problem in caught.value.problems]
    assert lines == sorted(lines)


def test_a_wrong_header_is_explained(write):
    with pytest.raises(ReadError, match=r"line 1: expected a column value, unit, found subject, date, name, result"):
        read_covariates(write("subject,date,name,result\nS1,2020-03-02,VEGF,3\n"))
    with pytest.raises(ReadError, match=r"line 1: expected known columns, found 'remark'\. The first line names"):
        read_covariates(write("subject,date,name,value,unit,remark\n"))
    with pytest.raises(ReadError, match="line 1: unit: expected the column once, found it twice"):
        read_covariates(write("subject,date,name,value,unit,unit\n"))
    for empty in ("", "\n"):
        with pytest.raises(ReadError, match="line 1: expected a column subject"):
            read_covariates(write(empty))
    with pytest.raises(ReadError, match="line 2: expected at least one value, found none"):
        read_covariates(write(HEADER))


def test_files_as_spreadsheets_write_them(write):
    text = "\ufeffSubject;Date;Name;Value;Unit;Upper_Limit\r\nS1;2020-03-02;VEGF;1520,5;pg/mL;38,3\r\n"
    (line,) = read_covariates(write(text))
    assert (line.value, line.unit, line.upper_limit) == (1520.5, "pg/mL", 38.3)
    (tabbed,) = read_covariates(write("subject\tdate\tname\tvalue\tunit\nS1\t2020-03-02\tONLS\t<2\t\n"))
    assert tabbed.value == "<2"
    latin = "\ufeff".encode() + HEADER.encode() + b"S1,2020-03-02,x,\xb5,m\n"
    with pytest.raises(ReadError, match=rf"byte {latin.index(0xB5)}: expected text in UTF-8, found byte 0xb5"):
        read_covariates(write(latin))
    with pytest.raises(FileAccessError, match="expected a file that can be opened, found no such file"):
        read_covariates(write("").parent / "none.csv")


def test_values_find_the_nearest_visit_within_the_days(store, write):
    path = write(HEADER + f"S1,{day(0) + dt.timedelta(days=6)},VEGF,1,u\nS1,{day(6) - dt.timedelta(days=9)},VEGF,2,u\n")
    summary = import_covariates(store, path)
    assert (summary.lines, summary.stored, summary.moved, len(summary.left_out)) == (2, 1, 1, 1)
    assert str(summary.left_out[0]) == (
        "c.csv: line 3: date: expected a visit of S1 within 7 days of 2020-08-23, found the nearest on 2020-09-01, "
        "9 days away. Allow more days: --within 9"
    )
    (kept,) = covariates(store)
    assert (kept.date, kept.stated_date, kept.number) == (START, START + dt.timedelta(days=6), 1.0)
    wider = import_covariates(store, path, within_days=10)
    assert (wider.stored, wider.unchanged, wider.left_out) == (1, 1, ())


def test_unknown_subjects_are_listed_and_the_rest_is_stored(store, write):
    path = write(HEADER + f"S7,{START},VEGF,1,u\nS1,{START},VEGF,2,u\n")
    summary = import_covariates(store, path)
    assert summary.stored == 1
    (problem,) = summary.left_out
    assert (problem.place, problem.field, problem.found) == ("line 2", "subject", "'S7'")
    assert "The store holds visits of S1, S2." in problem.hint
    assert str(summary).endswith("2 values; 1 stored, 0 already stored, 1 left out")


def test_of_several_values_the_nearest_counts_and_the_others_are_listed(store, write):
    dates = [START + dt.timedelta(days=d) for d in (5, -2, 2)]
    path = write(HEADER + "".join(f"S1,{date},VEGF,{k},u\n" for k, date in enumerate(dates)))
    summary = import_covariates(store, path)
    (kept,) = covariates(store)
    assert kept.number == 1.0  # two days before, as near as two days after: the earlier one
    assert [problem.place for problem in summary.left_out] == ["line 2", "line 4"]
    assert "and a nearer value of 2020-02-29 in line 3" in summary.left_out[0].found


def test_the_same_file_twice_changes_nothing(tmp_path):
    path = covariate_csv(tmp_path / "c.csv")
    with paper_store() as store:
        first = import_covariates(store, path, upper_limits={"VEGF": 38.3})
        before = store.covariates()
        second = import_covariates(store, path, upper_limits={"VEGF": 38.3})
        after = store.covariates()
        with store._reading() as connection:
            import sqlalchemy as sa

            count = connection.execute(sa.text("SELECT count(*) FROM covariates")).scalar()
    assert (first.stored, first.unchanged, second.stored, second.unchanged) == (36, 0, 0, 36)
    assert count == 36
    assert before.equals(after)


def test_a_corrected_value_takes_over(store, write):
    import_covariates(store, write(HEADER + f"S1,{START},VEGF,1520,pg/mL\n"))
    again = import_covariates(store, write(HEADER + f"S1,{START},VEGF,1250,pg/mL\n"))
    assert (again.stored, covariates(store)[0].number) == (1, 1250.0)


def test_one_name_has_one_unit_in_the_store(store, write):
    import_covariates(store, write(HEADER + f"S1,{START},VEGF,1520,pg/mL\n"))
    with pytest.raises(
        ReadError, match=r"line 2: unit: expected 'pg/mL' as for S1 on 2020-03-02 in the store, found 'ng/mL'"
    ):
        import_covariates(store, write(HEADER + f"S2,{START},VEGF,1.2,ng/mL\n"))
    with pytest.raises(ReadError, match="line 2: name: expected 'VEGF' as for S1"):
        import_covariates(store, write(HEADER + f"S2,{START},vegf,1200,pg/mL\n"))
    both = HEADER + f"S1,{START},VEGF,1.52,ng/mL\nS2,{START},VEGF,1.2,ng/mL\n"  # all of them corrected
    assert import_covariates(store, write(both)).stored == 2


def test_upper_limits_come_from_the_file_or_the_user(store, write):
    plain = write(HEADER + f"S1,{START},VEGF,1520,pg/mL\nS1,{START},ONLS,3,\n")
    import_covariates(store, plain, upper_limits={"vegf": 38.3})
    assert [(one.name, one.upper_limit) for one in covariates(store)] == [("ONLS", None), ("VEGF", 38.3)]
    stated = write(HEADER.replace("unit", "unit,upper_limit") + f"S2,{START},VEGF,15,pg/mL,40\n")
    with pytest.raises(
        InvalidInputError, match=r"upper limit of VEGF: expected 40 as in line 2 of c\.csv, found 38\.3"
    ):
        import_covariates(store, stated, upper_limits={"VEGF": 38.3})
    with pytest.raises(InvalidInputError, match=r"expected a name in c\.csv \(VEGF\), found 'IL6'"):
        import_covariates(store, stated, upper_limits={"IL6": 1.0})
    with pytest.raises(InvalidInputError, match="found nan"):
        import_covariates(store, stated, upper_limits={"VEGF": float("nan")})
    with pytest.raises(InvalidInputError, match="within_days: expected 0 or more"):
        import_covariates(store, stated, within_days=-1)
    import_covariates(store, stated)
    assert covariates(store, "vegf", subject="S2")[0].upper_limit == 40.0


def test_a_visit_without_recordings_is_no_visit_to_match(write):
    with ncs.open_store(":memory:") as store:
        store.add_covariates("S1", START, {"age": 50}, source="x")
        summary = import_covariates(store, write(HEADER + f"S1,{START},VEGF,1520,pg/mL\n"))
    assert summary.stored == 0
    assert summary.left_out[0].hint == "Analyse recordings first."


def test_covariates_of_sidecars_are_there_as_well(store):
    store.add_covariates("S1", START, {"IL6": "<5", "dose": "200 mg", "grip": 21.5}, source="S1.ncs.json")
    dose, grip, il6 = covariates(store)
    assert (il6.below, il6.bound, str(il6)) == (5.0, 5.0, "<5")
    assert (dose.bound, str(dose)) == (None, "200 mg")
    assert (grip.bound, str(grip)) == (21.5, "21.5")
