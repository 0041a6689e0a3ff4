"""LabChart text: header and blocks, stimuli from comments, trigger and sidecar, and a real recording of two blocks."""

import contextlib
import csv
import datetime as dt
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncs
from ncs.errors import NcsError, NcsWarning, ReadError
from ncs.io import registry
from ncs.io._recording import ReadRequest
from ncs.io.labchart import LABCHART
from ncs.io.protocol import load_protocol
from ncs.io.sidecar import load_sidecar
from ncs.model import Origin, Side, Technique
from ncs.simulate import motor_study
from ncs.simulate.nerves import Recording

TRUE = {"ncs_sidecar": 1, "polarity": "true"}
ENCODINGS = {"utf-8": b"", "utf-8-sig": b"", "cp1252": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
REAL = "labchart_text/labchart_file.example.txt"


def header(titles=("EMG",), interval="0.001 s", ranges=None, **lists):
    """Write the header of a block: the six lines every export has, and those of ``lists``."""
    ranges = ranges or ["10.000 mV"] * len(titles)
    lines = [
        f"Interval=\t{interval}", "ExcelDateTime=\t4.5855649139942347e+04\t07/17/25 15:34:45.691019",
        "TimeFormat=\tStartOfBlock", "DateFormat=\t", "ChannelTitle=\t" + "\t".join(titles),
        "Range=\t" + "\t".join(ranges),
    ]  # fmt: skip
    return "\r\n".join([*lines, *(f"{name}=\t" + "\t".join(cells) for name, cells in lists.items())]) + "\r\n"


def block(values, *, comments=None, step=0.001, first=0.0, time=True, **more):
    """Write one block; ``comments`` maps rows to their text."""
    rows = np.asarray(values, dtype=float).reshape(len(values), -1)
    titles = more.pop("titles", [f"EMG {n}" for n in range(1, rows.shape[1] + 1)] if rows.shape[1] > 1 else ["EMG"])
    lines = []
    for index, row in enumerate(rows.tolist()):
        cells = [f"{first + index * step:.10g}"] if time else []
        cells += [f"{value:.7g}" for value in row]
        lines.append("\t".join([*cells, *([comments[index]] if comments and index in comments else [])]))
    return header(titles, f"{step:.10g} s", **more) + "\r\n".join(lines) + "\r\n"


def read(content, sidecar=TRUE, protocol=None):
    if isinstance(content, str):
        content = content.encode()
    return LABCHART.read(
        ReadRequest(
            path=Path("rec.txt"),
            content=content,
            sidecar=None if sidecar is None else load_sidecar(sidecar),
            protocol=None if protocol is None else load_protocol(protocol),
        )
    )


def traces(visit):
    return [trace for study in visit.studies for trace in study.traces]


def faults(content, sidecar=TRUE):
    with pytest.raises(ReadError) as caught:
        read(content, sidecar)
    assert all(problem.file == "rec.txt" for problem in caught.value.problems)
    return list(caught.value.problems)


RAMP = np.arange(400) / 100.0  # 400 ms at 1 kHz, in mV
AT_ZERO = {**TRUE, "stimulus_ms": 0.0}


# --- header and rows


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
@pytest.mark.parametrize("comma", [False, True])
def test_both_decimal_marks_in_every_encoding(encoding, comma):
    text = block([1.5, -2.25, 3.0], ranges=["200.0 µV"], comments={1: "#* réflexe"})
    if comma:
        text = text.replace(".", ",")
    visit = read(ENCODINGS[encoding] + text.encode(encoding), AT_ZERO)
    (trace,) = traces(visit)
    assert trace.samples_uv.tolist() == [[1.5, -2.25, 3.0]]
    assert (trace.sampling_rate_hz, trace.calibration.unit, trace.channel) == (1000.0, "µV", "EMG")
    assert trace.notes == ("réflexe",)
    assert visit.date == dt.date(2025, 7, 17)
    assert visit.problems == ()
    names = ("samples_uv", "calibration", "sampling_rate_hz", "channel")
    assert {trace.provenance[name] for name in names} == {visit.provenance["date"]} == {Origin.FILE}


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n"])
def test_line_endings(ending):
    text = block([1, -2, 3]).replace("\r\n", ending)
    assert traces(read(text, AT_ZERO))[0].samples_uv.tolist() == [[1000, -2000, 3000]]


@pytest.mark.parametrize(
    ("interval", "rate_hz"),
    [("0.00005 s", 20_000.0), ("0,05 ms", 20_000.0), ("5e-05 s", 20_000.0), ("50 µs", 20_000.0), ("1 min", 1 / 60)],
)
def test_the_interval_has_a_unit(interval, rate_hz):
    text = header(interval=interval) + "1\r\n-2\r\n"
    assert traces(read(text, AT_ZERO))[0].sampling_rate_hz == rate_hz


@pytest.mark.parametrize("interval", ["0.001", "0 s", "-1 s", "soon", "1 parsec", "1e999 s", ""])
def test_an_interval_that_is_none(interval):
    assert [problem.field for problem in faults(header(interval=interval) + "1\r\n2\r\n")] == ["Interval"]


def test_titles_in_quotes_and_lists_without_a_tab():
    text = 'Interval=0.001 s\nChannelTitle="R APB"\t"median nerve"\nRange=10 mV\t10 mV\n0\t1\t2\n0.001\t3\t4\n'
    visit = read(text, AT_ZERO)
    assert [trace.channel for trace in traces(visit)] == ["R APB", "median nerve"]
    assert (visit.studies[0].recording_site, visit.studies[0].side) == ("APB", Side.RIGHT)
    assert (visit.studies[1].recording_site, visit.studies[1].nerve) == (None, "median")


def test_units_of_range_and_unit_name():
    lists = {
        "UnitName": ["*", "mV", "N", "", ""],
        "TopValue": ["*", "5.00", "80", "12.00", "*"],
        "BottomValue": ["*", "-5.00", "-80", "-12.00", "*"],
    }
    titles = ["range", "converted", "force", "nameless", "empty"]
    text = block(np.ones((3, 5)), titles=titles, ranges=["10.000 V"] * 4 + ["200 uV"], **lists)
    visit = read(text, AT_ZERO)
    found = {trace.channel: (trace.samples_uv[0, 0], trace.calibration.unit) for trace in traces(visit)}
    assert found == {"range": (1e6, "V"), "converted": (1e3, "mV"), "empty": (1.0, "uV")}
    limits = traces(visit)[1].calibration
    assert (limits.physical_min, limits.physical_max) == (-5.0, 5.0)
    assert [(problem.field, problem.found) for problem in visit.problems] == [
        ("channel 'force'", "'N'"),
        ("channel 'nameless'", "none"),
    ]
    # the unit of the amplifier's range says nothing about numbers that were converted
    stated = read(text, {**AT_ZERO, "unit": "uV"})
    (trace,) = [trace for trace in traces(stated) if trace.channel == "nameless"]
    assert (trace.samples_uv[0, 0], trace.provenance["samples_uv"]) == (1.0, Origin.SIDECAR)


def test_a_file_without_any_voltage():
    (problem,) = faults(block([1, 2], ranges=["5.0 N"]))
    assert (problem.place, problem.field, problem.found) == ("line 1", "channel 'EMG'", "'N'")


def test_without_a_time_column():
    visit = read(block([[1, 2], [3, 4], [5, 6]], time=False), AT_ZERO)
    assert [trace.samples_uv.tolist() for trace in traces(visit)] == [[[1000, 3000, 5000]], [[2000, 4000, 6000]]]


def test_cells_with_spaces_and_times_of_day():
    text = header() + "2:03:50.100\t   1\r\n2:03:50.101\t  -2\r\n"
    assert traces(read(text, AT_ZERO))[0].samples_uv.tolist() == [[1000, -2000]]
    (problem,) = faults(header() + "2:03:50.100\t1\r\n02:03 pm\t2\r\n")
    assert (problem.place, problem.field) == ("line 8, column 1", "time")


def test_a_lost_row_is_found_by_the_time_column():
    lines = block(RAMP).split("\r\n")
    del lines[106]
    (problem,) = faults("\r\n".join(lines))
    assert (problem.place, problem.found) == ("line 107, column 1", "0.002 s")


def test_times_rounded_coarser_than_the_interval():
    rows = [f"{round(index * 0.00012, 4):.10g}\t1" for index in range(2000)]
    text = header(interval="0.00012 s") + "\r\n".join(rows)
    assert traces(read(text, AT_ZERO))[0].n_samples == 2000
    del rows[1000]
    assert faults(header(interval="0.00012 s") + "\r\n".join(rows))[0].field == "time"


def test_absent_samples_are_nan_and_said():
    text = header(("A", "B", "C")).replace("10.000 mV", "1.0 uV")
    visit = read(text + "0\t1\t4\t\r\n0.001\tNaN\t5\t\r\n0.002\t3\t\t\r\n", AT_ZERO)
    found = {trace.channel: trace.samples_uv for trace in traces(visit)}
    np.testing.assert_array_equal(found["A"], [[1, np.nan, 3]])
    np.testing.assert_array_equal(found["B"], [[4, 5, np.nan]])
    assert "C" not in found
    assert [(problem.place, problem.field) for problem in visit.problems] == [
        ("line 8", "A"), ("line 9", "B"), ("line 1", "channel 'C'"),
    ]  # fmt: skip


def test_a_mixture_of_decimal_marks():
    (problem,) = faults(header() + "0,001\t1,5\r\n0,002\t2,5\r\n0.003\t3.5\r\n")
    assert (problem.place, problem.field) == ("line 9", "decimal mark")
    assert "',' in lines 7, 8" in problem.found


def test_everything_wrong_is_listed_at_once_with_its_line():
    text = header(interval="1 parsec") + "0\t1\r\n" + header(("A", "B"), ranges=["1 mV"]) + "0\t1\t2\r\n"
    text += header() + "0\t1\r\n0.001\tx\r\n0.002\t1\t2\r\n" + header(titles=("EMG", "X")) + "0\t1\t2\t3\t4\r\n"
    assert [(problem.place, problem.field) for problem in faults(text)] == [
        ("line 1", "Interval"),
        ("line 13", "Range"),
        ("line 23", "row"),
        ("line 22, column 2", "cell"),
        ("line 30", "row"),
    ]


@pytest.mark.parametrize("missing", ["Interval", "ChannelTitle"])
def test_a_header_without_what_is_needed(missing):
    text = "".join(line for line in block([1, 2]).splitlines(keepends=True) if not line.startswith(missing))
    assert [problem.field for problem in faults(text)] == [missing]


def test_rows_before_any_header_and_files_without_rows():
    assert faults("0\t1\r\n" + block([1, 2]))[0].expected == "Interval= before the first row"
    assert faults("")[0].found == "an empty file"
    assert "rows of numbers" in faults(header())[0].expected


def test_an_unknown_keyword_is_said():
    visit = read(block([1, 2], Flavour=["plum"]), AT_ZERO)
    assert [problem.found for problem in visit.problems] == ["Flavour="]


def test_a_date_that_is_none_is_not_used():
    visit = read(block([1, 2]).replace("4.5855649139942347e+04", "-1"), AT_ZERO)
    assert visit.date is None
    assert visit.problems[0].field == "ExcelDateTime"


# --- where the stimuli are

WRIST = "#* Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site"
ELBOW = "#* Stimulus right elbow 0.2ms x 15.3mA at 28.5cm from recording site"


def test_comments_that_name_a_stimulus_are_cut_around():
    comments = {50: WRIST, 60: "#* good", 150: WRIST, 250: ELBOW, 390: "#* coughs"}
    visit = read(block(RAMP, comments=comments))
    wrist, elbow = traces(visit)
    assert visit.problems == ()
    assert (wrist.samples_uv.shape, elbow.samples_uv.shape) == ((2, 100), (1, 105))
    assert wrist.stimulus_ms.tolist() == [5.0, 5.0]
    np.testing.assert_allclose(wrist.samples_uv[:, 5], [500, 1500])
    np.testing.assert_allclose(elbow.samples_uv[0, 5], 2500)
    assert (wrist.stimulation_site, elbow.stimulation_site) == ("wrist", "elbow")
    assert (wrist.distance_mm, elbow.distance_mm) == (65.0, 285.0)
    assert wrist.stimulus.intensity_ma.tolist() == [8.2, 8.2]
    assert wrist.stimulus.duration_ms == 0.2
    assert visit.studies[0].side is Side.RIGHT
    assert {wrist.provenance[name] for name in ("stimulus_ms", "distance_mm", "intensity_ma")} == {Origin.FILE}
    assert {"good", "coughs"} <= set(wrist.notes) | set(elbow.notes)


def test_several_blocks_with_comments_are_cut_alike():
    text = block(RAMP, comments={100: WRIST}) + block(-RAMP, comments={200: WRIST, 300: ELBOW})
    wrist, elbow = traces(read(text))
    np.testing.assert_allclose(wrist.samples_uv[:, 5], [1000, -2000])
    np.testing.assert_allclose(elbow.samples_uv[0, 5], -3000)


def test_a_block_without_a_stimulus_is_kept_and_said():
    text = block(RAMP, comments={100: WRIST}) + block(RAMP[:50])
    visit = read(text)
    timed, bare = traces(visit)
    assert (timed.stimulus_ms.tolist(), bare.stimulus_ms) == ([5.0], None)
    assert bare.samples_uv.shape == (1, 50)
    (problem,) = visit.problems
    assert (problem.place, problem.field) == ("line 407", "stimulus")


def test_without_any_stimulus_there_is_no_stimulus_time():
    visit = read(block(RAMP, comments={3: "#* INSPI"}) + block(RAMP))
    (trace,) = traces(visit)
    assert trace.samples_uv.shape == (2, 400)
    assert trace.stimulus_ms is None
    (problem,) = visit.problems
    assert (problem.place, problem.field) == ("line 1", "stimulus")
    assert "'INSPI'" in problem.found


def test_comments_that_the_sidecar_or_protocol_names_are_stimuli():
    text = block(RAMP, comments={100: "#* S1", 200: "#2 S1 #1 S2", 300: "#* Stimulus off the record"})
    visit = read(text, {**TRUE, "stimuli": {"markers": {"S1": "wrist", "S2": None}}})
    assert [(trace.stimulus.label, trace.n_sweeps) for trace in traces(visit)] == [("S1", 1), ("S2", 1)]
    lab = {"ncs_protocol": 1, "stimuli": {"markers": ["S1"]}}
    assert [trace.stimulus.label for trace in traces(read(text, protocol=lab))] == ["S1"]


def test_times_of_the_sidecar():
    visit = read(block(RAMP), {**TRUE, "stimuli": {"times_ms": {"wrist": [50, 150], "elbow": 250.5}}})
    wrist, elbow = traces(visit)
    assert wrist.stimulus_ms.tolist() == [5.0, 5.0]
    assert elbow.stimulus_ms[0] == pytest.approx(4.5)  # between two samples
    assert wrist.provenance["stimulus_ms"] is Origin.SIDECAR
    (problem,) = faults(block(RAMP) + block(RAMP), {**TRUE, "stimuli": {"times_ms": [50]}})
    assert problem.found == "2 blocks"


def test_a_trigger_channel():
    pulses = np.zeros(400)
    pulses[[100, 101, 220, 221]] = 5.0
    text = block(np.c_[RAMP, pulses], titles=["EMG", "Stim"], ranges=["10 mV", "10 V"])
    visit = read(text)
    (trace,) = traces(visit)
    np.testing.assert_allclose(trace.samples_uv[:, 5], [1000, 2200])
    assert trace.stimulus_ms.tolist() == [5.0, 5.0]
    named = read(text.replace("Stim", "Relay"), {**TRUE, "stimuli": {"trigger_channel": "relay"}})
    assert [trace.channel for trace in traces(named)] == ["EMG"]
    problem = faults(text, {**TRUE, "stimuli": {"trigger_channel": "Relay"}})[0]
    assert problem.found == "channels EMG, Stim"


def test_a_stimulus_time_of_the_sidecar_makes_every_block_a_sweep():
    text = block(RAMP[:50], comments={40: WRIST}) + block(-RAMP[:50], comments={2: WRIST}) + block(RAMP[:50])
    visit = read(text, {**TRUE, "stimulus_ms": 2.0})
    wrist, rest = traces(visit)
    assert (wrist.samples_uv.shape, rest.samples_uv.shape) == ((2, 50), (1, 50))
    assert (wrist.stimulation_site, wrist.distance_mm, wrist.stimulus_ms) == ("wrist", 65.0, None)  # filled later
    assert visit.problems == ()
    (problem,) = faults(block(RAMP, comments={4: WRIST, 90: ELBOW}), AT_ZERO)
    assert problem.field == "block 1"


def test_the_zero_of_the_time_column():
    sidecar = {**TRUE, "stimulus_ms": "time_zero"}
    (trace,) = traces(read(block(RAMP[:20], first=-0.005) + block(RAMP[:20], first=-0.004), sidecar))
    assert trace.stimulus_ms.tolist() == [5.0, 4.0]
    assert trace.provenance["stimulus_ms"] is Origin.SIDECAR
    (problem,) = faults(block(RAMP, time=False), sidecar)
    assert problem.found == "no time column"


def test_blocks_of_another_rate_or_length_are_other_traces():
    text = block(RAMP[:20]) + block(RAMP[:30]) + block(RAMP[:20], step=0.0005) + block(RAMP[:20])
    found = [(trace.samples_uv.shape, trace.sampling_rate_hz) for trace in traces(read(text, AT_ZERO))]
    assert found == [((2, 20), 1000.0), ((1, 30), 1000.0), ((1, 20), 2000.0)]


def test_a_distance_for_all_channels_belongs_to_none_of_them():
    two = np.c_[RAMP, RAMP]
    visit = read(block(two, comments={100: WRIST}))
    assert [trace.distance_mm for trace in traces(visit)] == [None, None]
    assert [trace.stimulation_site for trace in traces(visit)] == ["wrist", "wrist"]
    assert [problem.field for problem in visit.problems] == ["comment"]
    one = read(block(two, comments={100: WRIST.replace("#*", "#2")}))
    assert [trace.distance_mm for trace in traces(one)] == [None, 65.0]
    assert traces(one)[0].stimulus_ms is None


def test_a_comment_that_contradicts_the_channel():
    (problem,) = faults(block(RAMP, titles=["L APB"], comments={100: WRIST}))
    assert (problem.field, problem.hint) == ("side", "The file contradicts itself.")


def test_the_polarity_is_asked_for():
    (problem,) = read(block(RAMP, comments={100: WRIST}), None).problems
    assert problem.field == "polarity"
    assert '"polarity": "inverted"' in problem.hint


# --- recognising it


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_it_is_recognised_by_its_content(encoding):
    content = ENCODINGS[encoding] + block(RAMP).encode(encoding)
    assert LABCHART.sniff(content[:301], Path("x")) == 0.95
    assert registry.choose(content, Path("x.csv")).name == "labchart"


@pytest.mark.parametrize(
    "content", [b"", b"\0\xff\0", b"1\t2\n3\t4\n", b"Range=\t1\n1\t2\n", b"time\tEMG\n0\t1\n", b"a=1\n"]
)
def test_nothing_else_is(content):
    assert LABCHART.sniff(content, Path("x.txt")) == 0.0


# --- damaged files


@lru_cache
def contents():
    text = block(RAMP[:12], comments={3: WRIST, 5: "#1 a #2 b"}) + block(-RAMP[:9], UnitName=["*"], TopValue=["*"])
    return tuple(mark + text.encode(name) for name, mark in ENCODINGS.items())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_bytes_give_a_visit_or_a_clear_error(data):
    content = bytearray(data.draw(st.sampled_from(contents())))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["change", "drop", "insert"]))
        byte = data.draw(st.sampled_from(b"\0\n\r\t#*=.,- 09eNV:\xff") | st.integers(0, 255))
        content[at : at + (kind != "insert")] = b"" if kind == "drop" else bytes([byte])
    LABCHART.sniff(bytes(content), Path("x"))
    sidecar = data.draw(st.sampled_from([TRUE, AT_ZERO, {**TRUE, "stimulus_ms": "time_zero"}, None]))
    with contextlib.suppress(NcsError):
        read(bytes(content), sidecar)


def test_a_file_cut_anywhere_keeps_its_whole_rows():
    whole = block(RAMP[:12]).encode()
    for size in range(len(whole)):
        visit = None
        with contextlib.suppress(ReadError):
            visit = read(whole[:size], AT_ZERO)
        if visit is not None:
            rows = traces(visit)[0].samples_uv[0]
            np.testing.assert_array_equal(rows[:-1], np.float32(RAMP[: len(rows) - 1] * 1000))


# --- a real recording


def test_the_real_recording_against_another_parse(recordings):
    with (recordings / REAL).open(newline="", encoding="latin-1") as stream:
        rows = [row for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    starts = [index for index, row in enumerate(rows) if row[0] == "Interval="]
    blocks = [
        np.array([[float(cell) for cell in row[:10]] for row in rows[first + 9 : end]])
        for first, end in zip(starts, [*starts[1:], len(rows)], strict=True)
    ]
    with pytest.warns(NcsWarning) as caught:
        visit = ncs.read(recordings / REAL)
    assert {str(problem) for problem in visit.problems} == {str(warning.message) for warning in caught}
    assert visit.sources[0].format == "labchart"
    assert visit.date == dt.date(2025, 7, 17)
    push, emg = (study.traces[0] for study in visit.studies)
    assert (push.channel, emg.channel) == ("PushSWE", "EMG")
    np.testing.assert_array_equal(push.samples_uv, np.float32([part[:, 1] * 1e6 for part in blocks]))
    np.testing.assert_array_equal(emg.samples_uv, np.float32([part[:, 3] * 1e3 for part in blocks]))
    assert emg.samples_uv.shape == (2, 6000)
    assert emg.sampling_rate_hz == 100.0
    # read off the file: lines 10, 11 and 12018
    np.testing.assert_allclose(emg.samples_uv[[0, 0, 1], [0, 1, -1]], [647.6563, 103.5156, 77.96875], rtol=1e-6)
    np.testing.assert_allclose(push.samples_uv[0, :2], [3202508, 3202531], rtol=1e-6)
    assert {"INSPI", "EXPI", "Dia1", "OBE"} == set(emg.notes)
    assert emg.stimulus_ms is None
    fields = {problem.field for problem in visit.problems}
    assert {"stimulus", "polarity", "channel 'Pressure'", "channels 'Flow', 'Inspi cyclic', 'Expi cyclic'"} <= fields


def test_the_real_recording_cut_at_its_comments(recordings):
    text = (recordings / REAL).read_text(encoding="latin-1").splitlines()
    marked = [line.split("\t") for line in text if line.rstrip().endswith("#* INSPI")]
    sidecar = {**TRUE, "stimuli": {"markers": ["INSPI"]}}
    with pytest.warns(NcsWarning):
        visit = ncs.read(recordings / REAL, sidecar=sidecar)
    (emg,) = [trace for trace in traces(visit) if trace.channel == "EMG"]
    assert emg.n_sweeps == len(marked)
    np.testing.assert_array_equal(emg.samples_uv[:, 0], np.float32([float(row[3]) * 1e3 for row in marked]))
    np.testing.assert_array_equal(emg.stimulus_ms, 0.0)


# --- end to end


@lru_cache
def simulated():
    return motor_study(seed=5, recording=Recording(n_sweeps=3, duration_ms=60.0, stimulus_ms=10.0))


def continuous(study, *, comments):
    """Put all sweeps of a study one after the other into one block; comments stand at the stimuli."""
    sweeps = [(trace, sweep) for trace in study.traces for sweep in trace.samples_uv]
    rate, size = study.traces[0].sampling_rate_hz, study.traces[0].n_samples
    marks = {
        number * size + round(0.010 * rate): f"#* Stimulus {trace.stimulation_site} 0.2ms x 30mA "
        f"at {trace.distance_mm:g}mm from recording site"
        for number, (trace, _) in enumerate(sweeps)
    }
    values = np.concatenate([sweep for _, sweep in sweeps]) / 1000
    return block(values, step=1 / rate, comments=marks if comments else None), sorted(marks)


def assert_same_results(found, study):
    whole = ncs.model.Visit(subject=ncs.model.Subject(id="x"), date=None, studies=(study,))
    expected = {(m.quantity, m.site): m.value for m in ncs.analyze(whole).measurements}
    results = {(m.quantity, m.site): m.value for m in ncs.analyze(found).measurements}
    for site in ("wrist", "elbow"):
        assert results["motor_latency", site] == pytest.approx(expected["motor_latency", site], abs=0.03)
        assert results["cmap_amplitude", site] == pytest.approx(expected["cmap_amplitude", site], rel=0.01)
    velocity = expected["motor_conduction_velocity", None]
    assert results["motor_conduction_velocity", None] == pytest.approx(velocity, rel=0.01)


NAMES = {"nerve": "median", "side": "right", "technique": "motor", "recording_site": "APB"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("comma", [False, True])
def test_a_continuous_recording_with_comments(tmp_path, encoding, comma):
    study, truth = simulated()
    text, _ = continuous(study, comments=True)
    path = tmp_path / "visit.txt"
    head, _, rows = text.partition("Range=")
    if comma:
        lines = [line.partition("#") for line in rows.split("\r\n")]
        rows = "\r\n".join(numbers.replace(".", ",") + mark + words for numbers, mark, words in lines)
        head = head.replace(".", ",")
    path.write_bytes(ENCODINGS[encoding] + (head + "Range=" + rows).encode(encoding))
    visit = ncs.read(path, sidecar={**TRUE, **NAMES})
    assert [trace.n_sweeps for trace in traces(visit)] == [3, 3]
    assert_same_results(visit, study)
    (velocity,) = [m for m in ncs.analyze(visit).measurements if m.quantity == "motor_conduction_velocity"]
    assert velocity.value == pytest.approx(truth.true_velocity_m_s, rel=0.03)


def test_a_continuous_recording_with_times_of_the_sidecar(tmp_path):
    study, _ = simulated()
    text, rows = continuous(study, comments=False)
    path = tmp_path / "visit.txt"
    path.write_text(text, newline="")
    rate = study.traces[0].sampling_rate_hz
    times = [row / rate for row in rows]
    distances = {trace.stimulation_site: trace.distance_mm for trace in study.traces}
    sidecar = {
        **TRUE, **NAMES, "stimuli": {"times_s": {"wrist": times[:3], "elbow": times[3:]}},
        "traces": [{"stimulation_site": site, "distance_mm": mm} for site, mm in distances.items()],
    }  # fmt: skip
    assert_same_results(ncs.read(path, sidecar=sidecar), study)


def test_one_block_for_each_stimulus(tmp_path):
    study, _ = simulated()
    rate = study.traces[0].sampling_rate_hz
    blocks = [block(sweep / 1000, step=1 / rate) for trace in study.traces for sweep in trace.samples_uv]
    path = tmp_path / "visit.txt"
    path.write_text("".join(blocks), newline="")
    sidecar = {
        **TRUE, **NAMES, "stimulus_ms": 10.0,
        "traces": [
            {"select": {"sweeps": sweeps}, "stimulation_site": trace.stimulation_site, "distance_mm": trace.distance_mm}
            for sweeps, trace in zip(("1-3", "4-6"), study.traces, strict=True)
        ],
    }  # fmt: skip
    assert_same_results(ncs.read(path, sidecar=sidecar), study)


def test_without_a_stimulus_there_is_no_latency_and_a_reason(tmp_path):
    study, _ = simulated()
    path = tmp_path / "visit.txt"
    path.write_text(continuous(study, comments=False)[0], newline="")
    with pytest.warns(NcsWarning, match="stimulus"):
        visit = ncs.read(path, sidecar={**TRUE, **NAMES})
    assert visit.studies[0].technique is Technique.MOTOR
    latencies = [m for m in ncs.analyze(visit).measurements if m.quantity == "motor_latency"]
    assert latencies
    assert {(m.value, str(m.reason)) for m in latencies} == {(None, "no_stimulus_time")}


# --- the documentation, and what is left


def test_the_sidecar_of_the_documentation_is_valid():
    text = (Path(__file__).parents[2] / "docs" / "formats" / "labchart.md").read_text(encoding="utf-8")
    sidecar = load_sidecar(json.loads(text.partition("```json")[2].partition("```")[0]))
    assert sidecar.stimuli.sites() == {"wrist": "wrist", "elbow": "elbow"}


def test_a_comment_that_cannot_be_used_is_said_in_blocks_as_well():
    visit = read(block(RAMP, comments={100: "#* Stimulus wrist at 65"}), AT_ZERO)
    assert [(problem.place, problem.field) for problem in visit.problems] == [("line 107", "distance")]
    (problem,) = faults(block(RAMP, comments={100: "#* Stimulus left wrist", 101: "#* Stimulus left wrist"}) .replace(
        "EMG", "R APB"), AT_ZERO)  # fmt: skip
    assert problem.field == "side"


def test_blocks_of_two_days():
    visit = read(block(RAMP[:5]) + block(RAMP[:5]).replace("4.5855", "4.5856"), AT_ZERO)
    assert visit.date == dt.date(2025, 7, 17)
    assert [(problem.place, problem.field) for problem in visit.problems] == [("line 12", "ExcelDateTime")]
