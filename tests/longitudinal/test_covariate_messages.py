"""Every message about a file of covariates in full, and which rows the rules let through."""

import datetime as dt
from dataclasses import fields

import pytest

import ncs
from ncs.errors import FileAccessError, InvalidInputError, Problem, ReadError
from ncs.longitudinal import covariates, import_covariates
from ncs.longitudinal._covariate_file import read_covariates
from tests.longitudinal.build import START, course, day, recording, store_of

HEADER = "subject,date,name,value,unit"
NAMES = "The first line names the columns: subject,date,name,value,unit and, if wanted, upper_limit."
NUMBER = "expected a number, or one with < or > before it"


@pytest.fixture
def write(tmp_path):
    def written(*lines, header=HEADER, name="c.csv"):
        path = tmp_path / name
        path.write_bytes("\n".join([header, *lines, ""]).encode("utf-8"))
        return path

    return written


@pytest.fixture(scope="module")
def empty():
    """A store that nothing is written into: subjects S1 (three visits) and S2 (one)."""
    with store_of(*course("S1", 35.0, 36.0, 41.0), *course("S2", 30.0)) as opened:
        yield opened


@pytest.fixture
def store():
    with store_of(*course("S1", 35.0, 36.0, 41.0), *course("S2", 30.0)) as opened:
        yield opened


def in_words(problems):
    """Return what each problem says of itself, without the general advice that a message may end with."""
    told = []
    for one in problems:
        assert all(isinstance(getattr(one, f.name), str) for f in fields(Problem))
        where = ": ".join(part for part in (one.file, one.place, one.field) if part)
        told.append(f"{where}: expected {one.expected}, found {one.found}" + (f". {one.hint}" if one.hint else ""))
        assert str(one).startswith(told[-1])
    return told


def mistakes(path):
    with pytest.raises(ReadError) as caught:
        read_covariates(path)
    return in_words(caught.value.problems)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (
            "subject,date,name,result",
            [f"c.csv: line 1: expected a column value, unit, found subject, date, name, result. {NAMES}"],
        ),
        ("", [f"c.csv: line 1: expected a column subject, date, name, value, unit, found none. {NAMES}"]),
        (
            f"{HEADER},remark,Note",
            [
                f"c.csv: line 1: expected known columns, found 'remark'. {NAMES}",
                f"c.csv: line 1: expected known columns, found 'note'. {NAMES}",
            ],
        ),
        (
            f"{HEADER},upper_limit,unit,Upper_Limit,unit",
            [
                "c.csv: line 1: unit: expected the column once, found it twice",
                "c.csv: line 1: upper_limit: expected the column once, found it twice",
            ],
        ),
    ],
)
def test_a_wrong_header_in_full(write, header, told):
    assert mistakes(write(header=header)) == told


def test_columns_may_stand_in_any_order(write):
    path = write(" 38 ; pg/mL; 12,5 ;VEGF;2020-03-02; S1 ", header="Upper_Limit; UNIT ;value;name;date;subject")
    (line,) = read_covariates(path)
    assert (line.subject, line.date, line.name, line.value, line.unit, line.upper_limit, line.line) == (
        "S1", START, "VEGF", 12.5, "pg/mL", 38.0, 2,
    )  # fmt: skip


def test_a_file_without_values(write):
    hint = "Put one value on each line below the header."
    for lines in ((), ("", ",,,,", "  ")):
        assert mistakes(write(*lines)) == [f"c.csv: line 2: expected at least one value, found none. {hint}"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("S1,2020-03-02,x,3", "expected 5 columns, found 4. A decimal comma needs semicolons between the columns."),
        ("S1,2020-03-02,x,3,5,u", "expected 5 columns, found 6. A decimal comma needs semicolons between the columns."),
        (" ,2020-03-02,x,3,u", "subject: expected a code, found none"),
        ("S1,2020-03-02, ,3,u", "name: expected a name, found none"),
        ("S1,2020-3-2,x,3,u", "date: expected a date as YYYY-MM-DD, found '2020-3-2'"),
        ("S1,2020-02-30,x,3,u", "date: expected a date as YYYY-MM-DD, found '2020-02-30'"),
        ("S1,2020-03-02,x,,u", f"value: {NUMBER}, found none. Leave the line out where nothing was measured."),
        ('S1,2020-03-02,x,"3,5",u', f"value: {NUMBER}, found '3,5'"),
        ("S1,2020-03-02,x,1e999,u", f"value: {NUMBER}, found '1e999'"),
        ("S1,2020-03-02,x,<-3,u", f"value: {NUMBER}, found '<-3'"),
    ],
)
def test_a_wrong_line_in_full(write, row, told):
    good = "S1,2020-04-02,x,3,u"
    assert mistakes(write(good, row)) == [f"c.csv: line 3: {told}"]


def test_a_comma_is_a_decimal_only_between_other_separators(write):
    """A limit with a comma is a mistake in a file with commas, and a number in one with semicolons or tabs."""
    row = ["S1", "2020-03-02", "x", "1,5", "u", "2,5"]
    for delimiter in (";", "\t"):
        (line,) = read_covariates(
            write(delimiter.join(row), header=delimiter.join([*HEADER.split(","), "upper_limit"]))
        )
        assert (line.value, line.upper_limit) == (1.5, 2.5)
    quoted = ",".join([*row[:3], "1.5", "u", '"2,5"'])
    assert mistakes(write(quoted, header=f"{HEADER},upper_limit")) == [
        "c.csv: line 2: upper_limit: expected a number or nothing, found '2,5'"
    ]


def test_only_a_comma_is_warned_of_decimal_commas(write):
    header, row = HEADER.replace(",", ";"), "S1;2020-03-02;x;3"
    assert mistakes(write(row, header=header)) == ["c.csv: line 2: expected 5 columns, found 4"]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("< 15", "<15"), (" >  2000 ", ">2000"), ("<1.5e1", "<1.5e1"), (".5", 0.5), ("5.", 5.0), ("-3", -3.0),
        ("+3", 3.0), ("1E3", 1000.0), ("0", 0.0), ("1e-3", 0.001),
    ],
)  # fmt: skip
def test_numbers_as_they_are_written(write, cell, value):
    assert read_covariates(write(f"S1,2020-03-02,x,{cell},u"))[0].value == value


def test_the_limit_of_detection_with_a_decimal_comma(write):
    (line,) = read_covariates(write("S1;2020-03-02;x;< 1,5;u", header=HEADER.replace(",", ";")))
    assert line.value == "<1.5"


def test_a_file_that_cannot_be_read_in_full(tmp_path):
    path = tmp_path / "c.csv"
    with pytest.raises(FileAccessError) as caught:
        read_covariates(path)
    assert in_words(caught.value.problems) == [
        f"{path}: expected a file that can be opened, found no such file or directory"
    ]
    path.write_bytes(b"subject\xe9")
    assert mistakes(path) == ["c.csv: byte 7: expected text in UTF-8, found byte 0xe9. Save the table as CSV in UTF-8."]
    path.write_bytes(b"\x05\x85")
    assert "found byte 0x85" in mistakes(path)[0]


def test_each_name_has_its_own_unit_and_limit(write):
    header = f"{HEADER},upper_limit"
    good = ("S1,2020-03-02,a,1,u,5", "S1,2020-03-02,b,1,v,6", "S2,2020-03-02,a,1,u,5", "S2,2020-03-02,b,1,v,")
    assert [line.upper_limit for line in read_covariates(write(*good, header=header))] == [5.0, 6.0, 5.0, None]
    bad = ("S2,2020-03-03,A,1,w,", "S2,2020-03-04,B,1,v,7")
    assert mistakes(write(*good, *bad, header=header)) == [
        "c.csv: line 6: name: expected 'a' as in line 2, found 'A'",
        "c.csv: line 6: unit: expected 'u' as in line 2, found 'w'",
        "c.csv: line 7: name: expected 'b' as in line 3, found 'B'",
        "c.csv: line 7: upper_limit: expected 6 as in line 3, found 7",
    ]


def test_a_repeated_line_counts_once_and_a_contradiction_is_told(write):
    line = "S1,2020-03-02,a,1,u"
    others = ("S2,2020-03-02,a,2,u", "S1,2020-03-03,a,3,u", "S1,2020-03-02,b,4,u")
    assert [one.line for one in read_covariates(write(line, *others, line))] == [2, 3, 4, 5]
    assert mistakes(write(line, *others, "S1,2020-03-02,a,<1,u")) == [
        "c.csv: line 6: value: expected one value of a for S1 on 2020-03-02, found '<1', and 1.0 in line 2"
    ]


def test_mistakes_stand_in_the_order_of_the_lines(write):
    rows = ("S1,2020-03-02,a,1,u", "S1,2020-03-02,A,1,u", "S1,2020-03-02,a,x,u")
    assert [told.split(": ")[1] for told in mistakes(write(*rows))] == ["line 3", "line 4"]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"x": float("inf")}, "upper limit of x: expected a number, found inf"),
        ({"z": 3.0}, "upper limit: expected a name in c.csv (x, y), found 'z'"),
        ({"X": 3.5}, "upper limit of X: expected 4.5 as in line 3 of c.csv, found 3.5. Change one of them."),
    ],
)
def test_wrong_upper_limits_in_full(empty, write, limits, told):
    path = write(f"S1,{START},x,1,u,", f"S2,{START},x,1,u,4.5", f"S2,{START},y,1,u,", header=f"{HEADER},upper_limit")
    with pytest.raises(InvalidInputError) as caught:
        import_covariates(empty, path, upper_limits=limits)
    assert str(caught.value) == told


def test_upper_limits_fill_what_the_file_leaves_open(store, write):
    path = write(f"S1,{START},x,1,u,", f"S2,{START},x,1,u,4.5", f"S1,{START},y,1,u,", header=f"{HEADER},upper_limit")
    import_covariates(store, path, upper_limits={"X": 4.5})
    assert [(one.subject, one.name, one.upper_limit) for one in covariates(store)] == [
        ("S1", "x", 4.5), ("S1", "y", None), ("S2", "x", 4.5)
    ]  # fmt: skip


def test_days_below_zero_are_refused(empty, write):
    with pytest.raises(InvalidInputError) as caught:
        import_covariates(empty, write(f"S1,{START},x,1,u"), within_days=-1)
    assert str(caught.value) == "within_days: expected 0 or more, found -1"


def test_the_summary_of_an_import(store, write):
    at = [START, START + dt.timedelta(days=7), START - dt.timedelta(days=7), START + dt.timedelta(days=8)]
    path = write(
        f"S1,{at[0]},a,1,u", f"S1,{at[1]},b,2,u", f"S2,{at[2]},a,3,u", f"S2,{at[3]},b,4,u", f"S3,{at[0]},a,5,u"
    )
    found = import_covariates(store, path)
    assert (found.file, found.lines, found.stored, found.unchanged, found.moved, found.visits, found.within_days) == (
        str(path), 5, 3, 0, 2, 2, 7,
    )  # fmt: skip
    assert str(found) == f"{path}: 5 values; 3 stored, 0 already stored, 2 left out"
    far, unknown = in_words(found.left_out)
    assert far == (
        f"c.csv: line 5: date: expected a visit of S2 within 7 days of {at[3]}, found the nearest on {START}, 8 days "
        "away. Allow more days: --within 8"
    )
    assert unknown == (
        "c.csv: line 6: subject: expected a subject with a visit in the store, found 'S3'. The store holds visits of "
        "S1, S2."
    )
    kept = covariates(store)
    assert [(one.subject, one.name, one.number, one.date, one.stated_date, one.source, one.unit) for one in kept] == [
        ("S1", "a", 1.0, START, None, "c.csv", "u"),
        ("S1", "b", 2.0, START, at[1], "c.csv", "u"),
        ("S2", "a", 3.0, START, at[2], "c.csv", "u"),
    ]
    again = import_covariates(store, path, within_days=0)
    assert (again.stored, again.unchanged, again.moved, again.visits, len(again.left_out)) == (0, 1, 0, 1, 4)


def test_the_nearest_visit_is_found_on_both_sides(write):
    """Half way between two visits the earlier one; of several values the nearest, and the earlier of two as near."""
    first, second = START, START + dt.timedelta(days=10)
    before, after, near = (second + dt.timedelta(days=days) for days in (-2, 2, 1))
    path = write(
        f"S1,{START + dt.timedelta(days=5)},a,1,u", f"S1,{after},a,2,u", f"S1,{before},a,3,u", f"S1,{after},b,4,u",
        f"S1,{near},b,5,u",
    )  # fmt: skip
    with store_of(recording("S1", first, 35.0), recording("S1", second, 35.0)) as store:
        found = import_covariates(store, path, within_days=100)
        kept = [(one.name, one.number, one.date) for one in covariates(store)]
    assert kept == [("a", 1.0, first), ("a", 3.0, second), ("b", 5.0, second)]
    visit = f"for the visit of {second}"
    assert in_words(found.left_out) == [
        f"c.csv: line 3: date: expected one a {visit}, found {after}, and a nearer value of {before} in line 4",
        f"c.csv: line 5: date: expected one b {visit}, found {after}, and a nearer value of {near} in line 6",
    ]


@pytest.mark.parametrize(("n", "more"), [(7, " and 2 more"), (6, " and 1 more"), (5, "")])
def test_many_subjects_are_not_all_listed(write, n, more):
    with store_of(*(course(f"S{k}", 35.0)[0] for k in range(n))) as store:
        hint = import_covariates(store, write(f"X,{START},a,1,u")).left_out[0].hint
    assert hint == f"The store holds visits of S0, S1, S2, S3, S4{more}."


@pytest.mark.parametrize(
    "changed",
    [
        {"value": "2"}, {"value": "<1"}, {"unit": "v"}, {"upper_limit": "9"}, {"upper_limit": ""},
        {"date": str(START + dt.timedelta(days=1))},
    ],
)  # fmt: skip
def test_whatever_differs_from_what_is_in_force_is_stored(store, write, changed):
    usual = {"subject": "S1", "date": str(START), "name": "a", "value": "1", "unit": "u", "upper_limit": "8"}
    header = ",".join(usual)
    path = write(",".join(usual.values()), header=header)
    assert [import_covariates(store, path).stored for _ in range(2)] == [1, 0]
    other = write(",".join({**usual, **changed}.values()), header=header, name="other.csv")
    assert [import_covariates(store, other).stored for _ in range(2)] == [1, 0]
    assert covariates(store)[0].source == "other.csv"


def test_values_without_unit_limit_or_number_are_recognised_as_well(store, write):
    path = write(f"S1,{START},a,<3,", f"S2,{START + dt.timedelta(days=2)},a,5,")
    assert [import_covariates(store, path).stored for _ in range(2)] == [2, 0]


def test_other_units_and_spellings_in_the_store_in_full(store, write):
    import_covariates(store, write(f"S1,{START},a,1,u", f"S1,{START},b,1,", f"S1,{day(6)},c,1,w"))

    def told(*rows):
        with pytest.raises(ReadError) as caught:
            import_covariates(store, write(*rows))
        return in_words(caught.value.problems)

    where = f"as for S1 on {START} in the store"
    assert told(f"S2,{START},a,1,x") == [f"c.csv: line 2: unit: expected 'u' {where}, found 'x'"]
    assert told(f"S2,{START},z,1,x", f"S2,{START},A,1,x", f"S2,{START},b,1,x", f"S2,{START},c,1,y") == [
        f"c.csv: line 3: name: expected 'a' {where}, found 'A'",
        f"c.csv: line 5: unit: expected 'w' as for S1 on {day(6)} in the store, found 'y'",
    ]
    assert import_covariates(store, write(f"S2,{START},b,1,x")).stored == 1  # no unit is stated for the other


def test_covariates_come_in_order_and_by_name(store):
    for subject, date, name in (("S2", day(0), "b"), ("S1", day(6), "b"), ("S1", day(0), "b"), ("S1", day(6), "A")):
        store.add_covariates(subject, date, {name: 1.0}, source="x")

    def found(*names, **more):
        return [(one.subject, one.name, one.date) for one in covariates(store, *names, **more)]

    everything = [("S1", "A", day(6)), ("S1", "b", day(0)), ("S1", "b", day(6)), ("S2", "b", day(0))]
    assert found() == everything
    assert found("a") == found(["a"]) == everything[:1]
    assert found(["B", "a"]) == everything
    assert found("B", subject="S2") == everything[3:]
    assert found([]) == []


def test_an_empty_store_asks_for_recordings(write):
    with ncs.open_store(":memory:") as store:
        (problem,) = import_covariates(store, write(f"S1,{START},a,1,u")).left_out
    assert in_words([problem])[0] == (
        "c.csv: line 2: subject: expected a subject with a visit in the store, found 'S1'. Analyse recordings first."
    )
