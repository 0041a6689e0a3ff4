"""Delimited text: every layout, nothing guessed, every fault with its line."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs.errors import NcsError, ReadError
from ncs.io._dialect import Dialect, Faults, Lines, _fast, _slow
from ncs.io._recording import HEAD_BYTES, ReadRequest
from ncs.io.delimited import TEXT
from ncs.io.sidecar import load_sidecar
from ncs.model import Origin

BARE = {"ncs_sidecar": 1, "unit": "uV", "polarity": "true", "stimulus_ms": 2.0}
FULL = {**BARE, "sampling_rate_hz": 1000}


def read(content, sidecar=FULL, **layout):
    if isinstance(content, str):
        content = content.encode()
    if sidecar is not None:
        stated = {**sidecar, "layout": layout} if layout else sidecar
        sidecar = load_sidecar(stated)
    return TEXT.read(ReadRequest(path=Path("rec.csv"), content=content, sidecar=sidecar))


def only_trace(visit):
    assert len(visit.studies) == 1
    assert len(visit.studies[0].traces) == 1
    return visit.studies[0].traces[0]


def samples(content, sidecar=FULL, **layout):
    return only_trace(read(content, sidecar, **layout)).samples_uv.tolist()


def faults(content, sidecar=FULL, **layout):
    with pytest.raises(ReadError) as caught:
        read(content, sidecar, **layout)
    assert all(problem.file == "rec.csv" for problem in caught.value.problems)
    return list(caught.value.problems)


# --- what must be stated


def test_a_table_without_a_sidecar_lists_everything_that_is_missing():
    problems = faults("1;2\n5;4\n3;6\n", None)
    assert [problem.field for problem in problems] == ["unit", "sampling_rate_hz", "polarity", "stimulus_ms"]
    assert "Create rec.ncs.json" in problems[-1].hint
    for field in ("ncs_sidecar", "unit", "sampling_rate_hz", "polarity", "stimulus_ms"):
        assert f'"{field}"' in problems[-1].hint


@pytest.mark.parametrize("field", ["unit", "sampling_rate_hz", "polarity", "stimulus_ms"])
def test_each_of_them_is_missed_alone(field):
    problems = faults("1;2\n5;4\n3;6\n", {name: value for name, value in FULL.items() if name != field})
    assert [problem.field for problem in problems] == [field]
    assert f'Add to its sidecar: "{field}"' in problems[0].hint


def test_faults_of_the_table_and_missing_statements_are_listed_together():
    problems = faults("1;2\n5;x\n3;6;7\n", {"ncs_sidecar": 1, "unit": "mV", "sampling_rate_hz": 1000})
    assert {problem.field for problem in problems} == {"row", "cell", "polarity", "stimulus_ms"}


def test_a_stimulus_time_of_a_trace_is_enough():
    sidecar = {**FULL, "stimulus_ms": None, "traces": [{"stimulus_ms": 1.0}]}
    assert only_trace(read("1;2\n5;4\n", sidecar)).stimulus_ms is None  # filled later, by complete()


def test_units_and_polarity_are_applied_and_their_origin_kept():
    trace = only_trace(read("1;2\n5;4\n", {**FULL, "unit": "mV", "polarity": "inverted"}))
    assert trace.samples_uv.tolist() == [[-1000, -5000], [-2000, -4000]]
    assert trace.calibration.unit == "mV"
    names = ("samples_uv", "calibration", "polarity", "sampling_rate_hz")
    assert {trace.provenance[name] for name in names} == {Origin.SIDECAR}


def test_units_in_the_header_are_statements_of_the_file():
    content = "time [ms];a_uV;b_uV\n0,0;3;4\n0,5;5;6\n1,0;7;9\n"
    trace = only_trace(read(content, {"ncs_sidecar": 1, "polarity": "true", "stimulus_ms": 0}))
    assert (trace.sampling_rate_hz, trace.calibration.unit) == (2000.0, "uV")
    assert trace.provenance["samples_uv"] is trace.provenance["sampling_rate_hz"] is Origin.FILE
    under_each_other = content.replace("time [ms];a_uV;b_uV", "time;a;b\nms;uV;uV")
    assert samples(under_each_other, BARE) == trace.samples_uv.tolist()


# --- layouts


def test_columns():
    assert samples("1 -2\n3 -4\n2 -6\n") == [[1, 3, 2], [-2, -4, -6]]


def test_rows():
    assert samples("1 -2 3\n3 -4 1\n", kind="rows") == [[1, -2, 3], [3, -4, 1]]


def test_rows_with_times_and_intensities():
    content = "mA;-0,5;0;0,5\n8,5;1;2;3\n9;4;5;7\n"
    layout = {"kind": "rows", "time_row": 1, "time_unit": "ms", "intensity_column": 1, "intensity_unit": "mA"}
    trace = only_trace(read(content, {**BARE, "stimulus_ms": "time_zero"}, **layout))
    assert trace.samples_uv.tolist() == [[1, 2, 3], [4, 5, 7]]
    assert trace.stimulus.intensity_ma.tolist() == [8.5, 9.0]
    assert trace.sampling_rate_hz == 2000.0
    assert trace.stimulus_ms.tolist() == [0.5, 0.5]
    assert trace.provenance["stimulus_ms"] is Origin.SIDECAR
    assert trace.provenance["intensity_ma"] is Origin.FILE


def test_a_row_of_intensities_in_volts():
    layout = {"intensity_row": 1, "intensity_unit": "mV", "time_column": 1, "time_unit": "s"}
    trace = only_trace(read("0,1500,2500\n0.001,1,2\n0.002,5,4\n", BARE, **layout))
    assert trace.stimulus.intensity_v.tolist() == [1.5, 2.5]
    assert trace.stimulus.intensity_ma is None
    assert trace.sampling_rate_hz == 1000.0


def test_some_columns_only():
    content = "t_ms,note,b,c,mean\n0.0,x,1,2,9\n0.1,y,5,4,9\n0.2,z,3,3,9\n"
    layout = {"delimiter": "comma", "decimal": ".", "header_rows": 1, "time_column": "t_ms", "sample_columns": ["b", 4]}
    trace = only_trace(read(content, BARE, **layout))
    assert trace.samples_uv.tolist() == [[1, 5, 3], [2, 4, 3]]
    assert trace.sampling_rate_hz == 10_000.0


LONG = {"kind": "long", "sweep_column": "sweep", "value_column": "v_mV"}


def test_a_long_table_in_any_order_of_rows():
    content = "sweep,ch,stim_V,t,v_mV\n2,B,3,0,1\n2,B,3,1,2\n1,B,4,0,3\n1,A,5,1,8\n1,B,4,1,4\n1,A,5,2,9\n"
    layout = {
        **LONG, "channel_column": "ch", "intensity_column": "stim_V", "time_column": "t", "time_unit": "ms",
        "delimiter": ",", "decimal": ".", "header_rows": 1,
    }  # fmt: skip
    visit = read(content, {"ncs_sidecar": 1, "polarity": "true", "stimulus_ms": "time_zero"}, **layout)
    second, first = (study.traces[0] for study in visit.studies)
    assert (second.channel, first.channel) == ("B", "A")
    assert second.samples_uv.tolist() == [[1000, 2000], [3000, 4000]]
    assert second.stimulus.intensity_v.tolist() == [3, 4]
    assert first.samples_uv.tolist() == [[8000, 9000]]
    assert first.stimulus_ms.tolist() == [-1.0]


def test_a_long_table_with_faults_names_the_line_of_each():
    sidecar = {**FULL, "unit": "mV"}
    uneven = faults("sweep,t,v_mV\n1,0,1\n1,1,2\n2,0,3\n3,0,1\n3,1,2\n", sidecar, **LONG)
    assert [(p.place, p.found) for p in uneven] == [("line 4", "1 samples")]
    changing = faults("sweep,s_V,v_mV\n1,3,1\n1,4,2\n", sidecar, **LONG, intensity_column=2)
    assert [(p.place, p.field) for p in changing] == [("line 2", "intensity")]
    timed = {**LONG, "time_column": "t", "time_unit": "ms"}
    jumping = faults("sweep,t,v_mV\n1,0,1\n1,1,2\n1,2,2\n2,0,3\n2,1,3\n2,3,3\n", sidecar, **timed)
    assert [(p.place, p.field) for p in jumping] == [("line 5", "time")]


def test_columns_that_are_not_there_are_named():
    problems = faults("sweep,t,v_mV\n1,0,1\n1,1,2\n", kind="long", sweep_column="Sweeps", value_column=7)
    assert {problem.field for problem in problems} == {"layout.sweep_column", "layout.value_column"}
    assert "sweep, t, v_mV" in problems[0].found


# --- the time axis


def test_uneven_times_are_refused_with_their_line():
    content = "0.0;1\n0.1;2\n0.2;3\n0.4;3\n0.5;5\n"
    problems = faults(content, BARE, time_column=1, time_unit="ms")
    assert [(p.place, p.expected) for p in problems] == [("line 4", "steps of 0.1 ms, forward")]
    problems = faults("5;1\n4;2\n3;3\n", BARE, time_column=1, time_unit="ms")
    assert [p.field for p in problems] == ["time"]


def test_a_rate_that_contradicts_the_times_is_refused():
    problems = faults("0.0;1\n0.1;2\n0.2;3\n", FULL, time_column=1, time_unit="ms")
    assert [p.field for p in problems] == ["sampling_rate_hz"]
    assert problems[0].expected == "1000 Hz (the sidecar)"
    assert problems[0].found == "10000 Hz (the time column)"


def test_rounded_times_are_remarked_on_unless_the_sidecar_states_the_rate():
    times = np.round(np.arange(40) / 30, 2)
    content = "".join(f"{time:.2f};{index % 7}\n" for index, time in enumerate(times))
    layout = {"time_column": 1, "time_unit": "ms"}
    visit = read(content, BARE, **layout)
    assert [problem.field for problem in visit.problems] == ["time"]
    assert only_trace(visit).sampling_rate_hz == pytest.approx(30_000, rel=0.01)
    exact = read(content, {**BARE, "sampling_rate_hz": 30_000}, **layout)
    assert exact.problems == ()
    assert only_trace(exact).sampling_rate_hz == 30_000
    assert [p.field for p in faults(content, {**BARE, "sampling_rate_hz": 31_000}, **layout)] == ["sampling_rate_hz"]


def test_an_evenly_rising_first_column_is_asked_about():
    content = "0.0;1\n0.1;2\n0.2;3\n"
    assert [p.field for p in faults(content)] == ["layout.time_column"]
    assert len(samples(content, time_column="none")) == 2
    assert len(samples(content, BARE, time_column=1, time_unit="ms")) == 1


def test_a_time_column_without_a_unit_is_asked_about():
    assert [p.field for p in faults("time;b\n0,0;3\n0,1;9\n", BARE)] == ["layout.time_unit"]
    assert [p.field for p in faults("0;3\n1;9\n", BARE, time_column=1)] == ["layout.time_unit"]
    assert [p.field for p in faults("t_s;b\n0;3\n1;9\n", BARE, time_unit="ms")] == ["layout.time_unit"]


def test_a_header_that_speaks_of_an_index_is_asked_about():
    content = "recording_index;time_ms;b\n1;1;3\n1;2;9\n"
    assert [p.field for p in faults(content)] == ["layout.kind"]
    assert len(samples(content, kind="columns")) == 3


def test_time_zero_needs_a_time_column():
    assert [p.field for p in faults("1;2\n5;4\n", {**FULL, "stimulus_ms": "time_zero"})] == ["stimulus_ms"]


def test_intensities_need_a_unit():
    assert [p.field for p in faults("1;2\n5;4\n2;2", FULL, intensity_row=1)] == ["layout.intensity_unit"]


@pytest.mark.parametrize("layout", [{"intensity_row": 9}, {"kind": "rows", "time_row": 4}])
def test_a_line_that_is_not_there_is_named(layout):
    problems = faults("1;2\n5;4\n2;2", **layout)
    assert [p.field for p in problems] == [f"layout.{next(name for name in layout if name.endswith('row'))}"]


# --- dialects


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1.5,2.5\n3.5,4.5\n", [[1.5, 3.5], [2.5, 4.5]]),
        ("1,5;2,5\n3,5;4\n", [[1.5, 3.5], [2.5, 4]]),
        ("1,5\t2,5\t\n3,5\t4\t\n", [[1.5, 3.5], [2.5, 4]]),
        ("1,5 2,5\n3,5   4\n", [[1.5, 3.5], [2.5, 4]]),
        ('"1,5","2,5"\n"3,5","4,5"\n', [[1.5, 3.5], [2.5, 4.5]]),
        ("1, 2, 3\n4, 6, 5\n", [[1, 4], [2, 6], [3, 5]]),
        ("1.5\n-2e-1\n", [[1.5, -0.2]]),
        ("# a comment\nleft, right\n.5,5.\n+1,\u22122\n", [[0.5, 1], [5, -2]]),
        ("a;b\r\n\r\n1;2\r\n3;5\r\n", [[1, 3], [2, 5]]),
    ],
)
def test_a_dialect_that_is_the_only_one_possible_is_found(content, expected):
    np.testing.assert_allclose(samples(content), np.float32(expected))


def test_an_ambiguous_comma_is_asked_about_and_the_answer_obeyed():
    content = "1,234\n2,345\n"
    problems = faults(content)
    assert [problem.field for problem in problems] == ["decimal mark"]
    assert "layout.delimiter" in problems[0].hint
    assert "one column" in problems[0].found
    assert samples(content, delimiter="comma") == [[1, 2], [234, 345]]
    np.testing.assert_allclose(samples(content, decimal=","), np.float32([[1.234, 2.345]]))


def test_a_comma_is_clear_when_any_line_of_the_file_makes_it_so():
    long = "1,234\n2,345\n" * 2000
    assert len(samples(long + "0.5,7\n")) == 2
    assert [problem.field for problem in faults(long + "5,7\n")] == ["decimal mark"]


def test_two_decimal_marks_in_one_file_are_refused_with_their_lines():
    problems = faults("1.5;2.5\n1,5;2,5\n3.0;4.0\n")
    assert [(problem.place, problem.field) for problem in problems] == [("line 2", "decimal mark")]
    assert problems[0].found == "',' in line 2, '.' in lines 1, 3"
    late = "1.5;2.5\n" * 3000 + "1,5;2,5\n"
    assert faults(late)[0].place == "line 3001"


def test_ragged_rows_and_cells_that_are_no_numbers_are_all_named():
    problems = faults("a,b,c\n1,2,3\n\n4,5\n6,x,8\n7,,9\n1,2,inf\n1,1,1\n")
    assert [(p.place, p.field, p.found) for p in problems] == [
        ("line 4", "row", "2"),
        ("line 5, column 2", "cell", "'x'"),
        ("line 6, column 2", "cell", "an empty cell"),
        ("line 7, column 3", "cell", "'inf'"),
    ]


def test_a_flood_of_faults_is_cut_short():
    problems = faults("1;2\n5;4\n" * 20 + "1;x\n" * 30)
    assert len(problems) == 10
    assert "20 more" in problems[0].hint


def test_nan_is_kept_and_remarked_on():
    visit = read("1;2\n5;NaN\n3;NA\n")
    assert np.isnan(only_trace(visit).samples_uv).tolist() == [[False, False, False], [False, True, True]]
    assert [(p.place, p.field) for p in visit.problems] == [("lines 2, 3", "sample")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings_are_found(encoding):
    content = "Überschrift;zwei\n1,5;2\n5;4\n".encode(encoding)
    assert samples(content) == [[1.5, 5], [2, 4]]
    assert TEXT.sniff(content, Path("x")) > 0


def test_a_stated_encoding_is_obeyed_or_refused():
    assert samples("Прочее;b\n1;2\n5;4\n".encode("cp1251"), encoding="cp1251") == [[1, 5], [2, 4]]
    assert [p.field for p in faults(b"\xff;b\n1;2\n", encoding="utf-8")] == ["content"]
    assert [p.place for p in faults(b"1;2\n\0;4\n")] == ["byte 4"]


@pytest.mark.parametrize("content", ["", "\n \n\t\n", "\ufeff"])
def test_an_empty_file(content):
    problems = faults(content)
    assert [(p.field, p.found) for p in problems] == [("content", "an empty file")]


def test_values_too_large_for_a_voltage_are_refused():
    assert [p.field for p in faults("1e38;2\n5;4\n", {**FULL, "unit": "V"})] == ["samples"]


def test_header_rows_may_be_stated():
    content = "2;2\n\n3;3\n1;2\n5;4\n"
    assert samples(content, header_rows=3) == [[1, 5], [2, 4]]
    assert [p.field for p in faults(content, header_rows=9)] == ["content"]


# --- sniffing


def test_the_claim_is_moderate_for_tables_and_zero_for_everything_else():
    path = Path("x.csv")
    assert 0.3 <= TEXT.sniff(b"1.0,2.0\n3.0,4.0\n", path) <= 0.6
    assert 0.3 <= TEXT.sniff(b"name,b\n1.0,2.0\n3.0,4.0\n", path) <= 0.6
    for content in (b"", b"\0\1\2", b"hello world\n", b'{"a": 1}', b"<xml/>", bytes(range(256)), b"0       X X X X"):
        assert TEXT.sniff(content, path) == 0.0


def test_a_head_that_ends_within_a_number_is_still_a_table():
    rows = ";".join(f"{value:.3e}" for value in np.linspace(0, 1, 20_000)).encode()
    assert TEXT.sniff(rows[:HEAD_BYTES], Path("x")) > 0.3
    columns = "\n".join(f"{value:.3e};{value:.2e}" for value in np.linspace(0, 1, 20_000)).encode()
    assert TEXT.sniff(columns[:HEAD_BYTES], Path("x")) > 0.5


# --- properties

DIALECTS = [Dialect(delimiter=d, decimal=m) for d in ",;\t " for m in ".," if d != m]


def numbers(rows, columns):
    cell = st.floats(-1e5, 1e5, allow_nan=False, width=32)
    return st.lists(st.lists(cell, min_size=columns, max_size=columns), min_size=rows, max_size=rows)


tables = st.tuples(st.integers(1, 6), st.integers(1, 5)).filter(lambda shape: shape != (1, 1)).flatmap(
    lambda shape: numbers(*shape)
)  # fmt: skip


def written(values, dialect, header=()):
    def cell(value):
        return f"{value:.9e}".replace(".", dialect.decimal)

    rows = [dialect.delimiter.join(header)] if header else []
    return "\n".join([*rows, *(dialect.delimiter.join(map(cell, row)) for row in values)]) + "\n"


@settings(max_examples=150, deadline=None)
@given(
    values=tables, dialect=st.sampled_from(DIALECTS), kind=st.sampled_from(["columns", "rows"]), header=st.booleans()
)
def test_a_written_table_is_read_back_in_every_layout(values, dialect, kind, header):
    names = [f"sweep {index}" if dialect.delimiter != " " else f"s{index}" for index in range(len(values[0]))]
    content = written(values, dialect, names if header else ())
    layout = {"kind": kind, "delimiter": dialect.delimiter, "decimal": dialect.decimal}
    if kind == "columns":
        layout["time_column"] = "none"
    expected = np.float32(values) if kind == "rows" else np.float32(values).T
    np.testing.assert_array_equal(only_trace(read(content, **layout)).samples_uv, expected)


@settings(max_examples=150, deadline=None)
@given(values=tables, dialect=st.sampled_from(DIALECTS))
def test_an_unstated_dialect_is_found_or_asked_about_but_never_misread(values, dialect):
    try:
        read_back = samples(written(values, dialect), time_column="none")
    except ReadError as error:
        asked = [problem.field for problem in error.problems]
    else:
        asked = []
        np.testing.assert_array_equal(np.float32(read_back), np.float32(values).T)
    assert asked in ([], ["decimal mark"])
    assert not asked or "," in {dialect.delimiter, dialect.decimal}


@settings(max_examples=150, deadline=None)
@given(values=tables, dialect=st.sampled_from(DIALECTS))
def test_the_fast_way_and_the_slow_way_agree(values, dialect):
    lines = Lines.of(written(values, dialect))
    fast, noted = _fast(lines.texts, dialect), Faults("x")
    slow = _slow(lines, dialect, frozenset(), noted)
    assert fast is not None
    assert not noted
    np.testing.assert_array_equal(fast, slow)


CELLS = st.sampled_from(
    [
        "1",
        "1.5",
        "1,5",
        "-2",
        "nan",
        "",
        "x",
        "1e5",
        "1e999",
        "1_0",
        "\u0663",
        '"',
        '"1,5"',
        "0x1",
        "1.",
        "1,",
        "-",
        "mV",
    ]
)
MESS = st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=6)
LAYOUTS = st.fixed_dictionaries(
    {},
    optional={
        "delimiter": st.sampled_from(["comma", "semicolon", "tab", "space"]),
        "decimal": st.sampled_from([".", ","]),
        "header_rows": st.integers(0, 4),
        "encoding": st.sampled_from(["utf-8", "utf-16", "latin-1"]),
    },
).flatmap(
    lambda common: st.sampled_from(
        [
            {},
            {"time_column": 1, "time_unit": "ms"},
            {"intensity_row": 2, "intensity_unit": "mA"},
            {"sample_columns": "1-2"},
            {"kind": "rows", "time_row": 1, "time_unit": "ms"},
            {"kind": "rows", "intensity_column": 1, "intensity_unit": "V"},
            {"kind": "long", "sweep_column": 1, "value_column": 2},
            {"kind": "long", "sweep_column": 1, "value_column": 2, "channel_column": 1, "time_column": 3},
        ]
    ).map(lambda special: {**common, **special})
)


@settings(max_examples=300, deadline=None)
@given(rows=MESS, joint=st.sampled_from([",", ";", "\t", " "]), layout=LAYOUTS, rate=st.booleans())
def test_only_errors_of_ncs_come_out_of_a_mess_of_cells(rows, joint, layout, rate):
    content = "\n".join(joint.join(row) for row in rows)
    with contextlib.suppress(NcsError):
        trace = read(content, FULL if rate else BARE, **layout).studies[0].traces[0]
        assert not np.isinf(trace.samples_uv).any()
        assert trace.n_sweeps >= 1


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=200), layout=LAYOUTS)
def test_only_errors_of_ncs_come_out_of_any_bytes(content, layout):
    assert 0.0 <= TEXT.sniff(content, Path("x")) <= 0.6
    with contextlib.suppress(NcsError):
        read(content, FULL, **layout)
    with contextlib.suppress(NcsError):
        read(content, None)


def test_hopeless_text_is_refused():
    content = ("1," + "1" * 200_000 + "x" + ",1" * 10_000 + "\n") * 2 + "1," * 50_000 + "\n"
    assert faults(content)


def test_a_first_row_with_a_bad_cell_is_not_taken_for_a_header():
    assert [(p.place, p.found) for p in faults("1,x,3\n4,6,5\n1,2,3\n")] == [("line 1, column 2", "'x'")]
    assert samples("label,1,2\n4,6,5\n1,2,3\n") == [[4, 1], [6, 2], [5, 3]]
    twice = "label,1,2\nx,1,3\n4,6,5\n1,2,3\n"
    assert [(p.place, p.field) for p in faults(twice)] == [("line 1, column 1", "cell")]
    assert samples(twice, header_rows=2) == [[4, 1], [6, 2], [5, 3]]
