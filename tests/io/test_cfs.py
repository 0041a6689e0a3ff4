"""CED Filing System files: the real one, files built byte by byte, and damage."""

import datetime as dt
import json
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ncs
from ncs.errors import ConflictError, NcsError, NcsWarning, ReadError
from ncs.io._dates import possible_dates
from ncs.io._recording import ReadRequest
from ncs.io.cfs import CFS
from ncs.io.sidecar import load_sidecar
from ncs.model import Origin

INT2, RL4, LSTR = 2, 5, 7
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 8}
DTYPES = {0: "i1", 1: "u1", 2: "<i2", 3: "<u2", 4: "<i4", 5: "<f4", 6: "<f8"}


def counted(text, size):
    data = text.encode("cp1252")
    return bytes([len(data)]) + data.ljust(size - 1, b"\0")[: size - 1]


def variables(described, values):
    """Return the descriptors (with the one that ends them) and the bytes of the values."""
    descriptors, data = b"", b""
    for (name, kind, unit), value in zip(described, values, strict=True):
        descriptors += struct.pack("<22sh10sh", counted(name, 22), kind, counted(unit, 10), len(data))
        data += counted(value, 24) if kind == LSTR else np.array(value, DTYPES[kind]).tobytes()
    return descriptors + struct.pack("<22sh10sh", b"", 0, b"", len(data)), data


def cfs(channels, sections, *, file_variables=(), file_values=(), section_variables=(), table=True, date="21/08/2017",
        comment="", size=None):  # fmt: skip
    """Build a file.

    ``channels``: name, unit, unit of time, type, kind. ``sections``: per section the values of its variables and per
    channel (raw samples, scale y, offset y, scale x, offset x); the channels of a section follow each other.
    """
    file_descriptors, file_data = variables(file_variables, file_values)
    section_descriptors, _ = variables(section_variables, sections[0][0] if section_variables else ())
    header_bytes = 178 + 48 * len(channels) + len(file_descriptors) + len(section_descriptors) + len(file_data)
    body, positions, previous = b"", [], 0
    section_bytes = 0
    for values, parts in sections:
        data, table_rows = b"", b""
        for (_, _, _, kind, _), (samples, scale_y, offset_y, scale_x, offset_x) in zip(channels, parts, strict=True):
            raw = np.asarray(samples, DTYPES[kind])
            table_rows += struct.pack("<iiffff", len(data), len(raw), scale_y, offset_y, scale_x, offset_x)
            data += raw.tobytes()
        start = header_bytes + len(body)
        _, variable_data = variables(section_variables, values) if section_variables else (b"", b"")
        header = struct.pack("<iiiH16x", previous, start, len(data), 0) + table_rows + variable_data
        section_bytes = len(header)
        previous = start + len(data)
        positions.append(previous)
        body += data + header
    table_at = header_bytes + len(body)
    pointers = struct.pack(f"<{len(positions)}i", *positions) if table else b""
    whole = table_at + len(pointers) if size is None else size
    header = struct.pack(
        "<8s14si8s8s5hiHH74si40x", b'CEDFILE"', counted("TEST.CFS", 14), whole, b"12:03:14", date.encode()[:8],
        len(channels), len(file_variables), len(section_variables), header_bytes, section_bytes, positions[-1],
        len(positions), 1, counted(comment, 74), table_at if table else 0,
    )  # fmt: skip
    for number, (name, unit, time_unit, kind, form) in enumerate(channels):
        header += counted(name, 22) + counted(unit, 10) + counted(time_unit, 10)
        header += struct.pack("<BBhh", kind, form, SIZES[kind], number)
    return header + file_descriptors + section_descriptors + file_data + body + pointers


def read(content, tmp_path, **how):
    path = tmp_path / "a.cfs"
    path.write_bytes(content)
    return ncs.read(path, **how)


SIDECAR = {"ncs_sidecar": 1, "date": "2017-08-21", "polarity": "true"}
STATES = (("State", INT2, ""), ("Pulse", RL4, "mA"), ("Who", LSTR, ""))


def two_channels():
    """Return a file with a 16-bit and a float channel, scaling that differs from section to section, and states."""
    channels = [("R APB", "mV", "ms", INT2, 0), ("ADM", "V", "s", RL4, 0), ("Keyboard", "", "s", 1, 1)]
    sections = []
    for number, (state, pulse) in enumerate([(1, 8.2), (1, 8.4), (2, 30.0)]):
        sections.append((
            (state, pulse, "somebody"),
            [
                (np.arange(5) - 2, 0.5 * (number + 1), 0.25 * number, 0.05, -2.0),
                (np.arange(4) / 1e3, 1.0, 0.0, 0.0001, -0.002),
                ([65], 1.0, 0.0, 1.0, 0.0),
            ],
        ))  # fmt: skip
    described = [("Operator", LSTR, ""), ("Temp", RL4, "C")]
    return cfs(channels, sections, section_variables=STATES, file_variables=described,
               file_values=["Mr Smith", 33.5], comment="a name")  # fmt: skip


# The real file, taken apart here by hand


def test_the_real_file(recordings):
    path = recordings / "cfs" / "test_file.cfs"
    content = path.read_bytes()
    assert len(content) == struct.unpack_from("<i", content, 22)[0] == 3702
    with pytest.warns(NcsWarning) as warned:
        visit = ncs.read(path)
    assert ["'Pa'" in str(one.message) for one in warned] == [True, False]
    assert "10/08/24" in str(warned[1].message)
    assert visit.date is None
    trace = visit.studies[0].traces[0]
    assert len(visit.studies) == len(visit.studies[0].traces) == 1
    assert (trace.channel, trace.sampling_rate_hz, trace.samples_uv.shape) == ("ECG", 100.0, (3, 256))
    table = struct.unpack_from("<3i", content, struct.unpack_from("<i", content, 134)[0])
    for sweep, at in enumerate(table):
        start = struct.unpack_from("<i", content, at + 4)[0]
        offset, points, scale, shift, step, _ = struct.unpack_from("<iiffff", content, at + 30)
        raw = np.array(struct.unpack_from(f"<{2 * points}h", content, start + offset)[::2])  # interleaved
        np.testing.assert_array_equal(trace.samples_uv[sweep], ((raw * scale + shift) * 1000).astype(np.float32))
        assert step == pytest.approx(0.01)
    np.testing.assert_array_equal(raw[:4], [0, 1024, 2048, 3072])
    assert trace.stimulus_ms is None
    assert trace.provenance["sampling_rate_hz"] is trace.provenance["samples_uv"] is Origin.FILE
    assert any("210" in note for note in trace.notes)


def test_the_real_file_with_a_sidecar_is_silent_about_the_date(recordings):
    path = recordings / "cfs" / "test_file.cfs"
    sidecar = {**SIDECAR, "date": "2024-08-10", "stimulus_ms": "time_zero"}
    with pytest.warns(NcsWarning, match="Pa") as warned:
        visit = ncs.read(path, sidecar=sidecar)
    assert len(warned) == 1
    assert visit.date == dt.date(2024, 8, 10)
    np.testing.assert_array_equal(visit.studies[0].traces[0].stimulus_ms, 0.0)
    with pytest.warns(NcsWarning) as warned:
        ncs.read(path, sidecar={**sidecar, "date": "2023-01-01"})
    assert "can mean 2023-01-01" in str(warned[1].message)


# Files built here


def test_scaling_of_every_section_states_and_float_channels(tmp_path):
    with pytest.warns(NcsWarning, match="date"):
        visit = read(two_channels(), tmp_path)
    median, ulnar = visit.studies
    assert (median.recording_site, median.side.value, ulnar.recording_site) == ("APB", "right", "ADM")
    raw = np.arange(5) - 2
    by_state = [(t.stimulus.label, t.samples_uv.tolist(), t.sampling_rate_hz) for t in median.traces]
    assert by_state == [
        ("State 1", [(raw * 0.5 * 1000).tolist(), ((raw * 1.0 + 0.25) * 1000).tolist()], 20_000.0),
        ("State 2", [((raw * 1.5 + 0.5) * 1000).tolist()], 20_000.0),
    ]
    np.testing.assert_allclose(ulnar.traces[0].samples_uv, [[0, 1e3, 2e3, 3e3]] * 2, rtol=1e-6)
    assert ulnar.traces[0].sampling_rate_hz == 10_000.0
    assert ulnar.traces[0].calibration.digital_max is None
    calibration = median.traces[1].calibration
    assert (calibration.digital_min, calibration.physical_min) == (-32768, -32768 * 1.5 + 0.5)
    assert median.traces[0].calibration.digital_min is None  # two scales


def test_names_stay_out_unless_they_are_asked_for(tmp_path):
    with pytest.warns(NcsWarning):
        notes = read(two_channels(), tmp_path).studies[0].traces[0].notes
    assert notes == ("file written 21/08/20 12:03:14", "Temp: 33.5 C", "State: 1", "Pulse: 8.2, 8.4 mA")
    with pytest.warns(NcsWarning):
        notes = read(two_channels(), tmp_path, keep_identifiers=True).studies[0].traces[0].notes
    assert {"Operator: Mr Smith", "Who: somebody", "a name", "State: 1"} <= set(notes)


def test_time_zero_intensity_and_states_by_sidecar(tmp_path):
    sidecar = {
        **SIDECAR, "date": "2020-08-21", "stimulus_ms": "time_zero", "layout": {"intensity_variable": "pulse"},
        "studies": [
            {"select": {"channel": "R APB"}, "nerve": "median", "technique": "motor", "traces": [
                {"select": {"label": "State 1"}, "stimulation_site": "wrist", "distance_mm": 80},
                {"select": {"label": "State 2"}, "stimulation_site": "elbow", "distance_mm": 300},
            ]},
        ],
    }  # fmt: skip
    visit = read(two_channels(), tmp_path, sidecar=sidecar)
    wrist, elbow = visit.studies[0].traces
    assert (wrist.stimulation_site, elbow.distance_mm) == ("wrist", 300)
    np.testing.assert_allclose(wrist.stimulus_ms, [2.0, 2.0])
    np.testing.assert_allclose(wrist.stimulus.intensity_ma, [8.2, 8.4], rtol=1e-6)
    np.testing.assert_allclose(visit.studies[1].traces[0].stimulus_ms, [2.0, 2.0])
    labelled = read(two_channels(), tmp_path, sidecar={**sidecar, "layout": {"label_variable": "Pulse"}, "studies": []})
    assert [t.stimulus.label for t in labelled.studies[0].traces] == ["Pulse 8.2", "Pulse 8.4", "Pulse 30"]
    with pytest.raises(ReadError, match="'Strength'"):
        read(two_channels(), tmp_path, sidecar={**SIDECAR, "layout": {"intensity_variable": "Strength"}})
    with pytest.raises(ReadError, match="found text"):
        read(two_channels(), tmp_path, sidecar={**SIDECAR, "layout": {"intensity_variable": "Who"}})


def one_channel(unit="mV", time_unit="ms", lengths=(6, 6), steps=(0.1, 0.1), **how):
    sections = [((), [(np.arange(n), 1.0, 0.0, step, 0.0)]) for n, step in zip(lengths, steps, strict=True)]
    return cfs([("Ch", unit, time_unit, INT2, 0)], sections, **how)


def test_sweeps_of_other_length_or_rate_are_traces_of_their_own(tmp_path):
    visit = read(one_channel(lengths=(6, 4, 6, 0), steps=(0.1, 0.1, 0.2, 0.1)), tmp_path, sidecar=SIDECAR_2020)
    found = [(t.samples_uv.shape, t.sampling_rate_hz) for t in visit.studies[0].traces]
    assert found == [((1, 6), 10_000.0), ((1, 4), 10_000.0), ((1, 6), 5_000.0)]


SIDECAR_2020 = {**SIDECAR, "date": "2020-08-21"}


def test_without_a_table_the_sections_are_found_from_the_last_one_backwards(tmp_path):
    with_table = read(one_channel(lengths=(6, 4)), tmp_path, sidecar=SIDECAR_2020)
    without = read(one_channel(lengths=(6, 4), table=False), tmp_path, sidecar=SIDECAR_2020)
    for ours, theirs in zip(without.studies[0].traces, with_table.studies[0].traces, strict=True):
        np.testing.assert_array_equal(ours.samples_uv, theirs.samples_uv)
    content = bytearray(one_channel(lengths=(6, 4)))
    struct.pack_into("<i", content, 134, 10**9)
    with pytest.warns(NcsWarning, match="backwards"):
        mended = read(bytes(content), tmp_path, sidecar=SIDECAR_2020)
    assert len(mended.studies[0].traces) == 2


def test_blank_units_are_asked_for_and_taken_from_the_sidecar(tmp_path):
    with pytest.raises(ReadError) as caught:
        read(one_channel(unit="", time_unit=""), tmp_path, sidecar=SIDECAR_2020)
    assert "`unit`" in str(caught.value)
    sidecar = {**SIDECAR_2020, "unit": "uV", "sampling_rate_hz": 2000.0}
    trace = read(one_channel(unit="", time_unit=""), tmp_path, sidecar=sidecar).studies[0].traces[0]
    assert (trace.sampling_rate_hz, trace.samples_uv[0].tolist()) == (2000.0, [0, 1, 2, 3, 4, 5])
    assert trace.provenance["sampling_rate_hz"] is trace.provenance["samples_uv"] is Origin.SIDECAR
    with pytest.raises(ConflictError, match="sampling_rate_hz"):
        read(one_channel(), tmp_path, sidecar={**SIDECAR_2020, "sampling_rate_hz": 2000.0})
    with pytest.raises(ReadError, match="unit of time"):
        read(one_channel(time_unit="bpm"), tmp_path, sidecar=SIDECAR_2020)


def test_units_and_documentation(tmp_path):
    trace = read(one_channel(unit="Volts", time_unit="s"), tmp_path, sidecar=SIDECAR_2020).studies[0].traces[0]
    assert (trace.samples_uv[0, 1], trace.sampling_rate_hz) == (1e6, 10.0)
    documentation = Path(__file__).parents[2] / "docs" / "formats"
    for name in ("cfs.md", "qtrac.md"):
        blocks = re.findall(r"```json\n(.*?)```", (documentation / name).read_text(encoding="utf-8"), re.DOTALL)
        assert [load_sidecar(json.loads(block)).subject for block in blocks] == ["P07"]


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("21/8/2017", ["2017-08-21"]),
        ("2017-08-21", ["2017-08-21"]),
        ("21/8/17", ["1917-08-21", "1921-08-17", "2017-08-21", "2021-08-17"]),
        ("32/8/2017", []),
        ("yesterday", []),
        ("5/6/2017", ["2017-05-06", "2017-06-05"]),
    ],
)
def test_what_a_date_can_mean(text, dates):
    assert [str(date) for date in possible_dates(text)] == dates


# Damage


def faults(content, tmp_path):
    with pytest.raises(ReadError) as caught:
        read(content, tmp_path, sidecar=SIDECAR_2020)
    return caught.value.problems


@pytest.mark.parametrize(
    ("at", "form", "value", "word"),
    [
        (42, "<h", 0, "number of channels"),
        (42, "<h", 30_000, "number of channels"),
        (44, "<h", -1, "number of file variables"),
        (48, "<h", 20, "size of the file header"),
        (50, "<h", 10, "size of a data section header"),
        (56, "<H", 0, "number of data sections"),
        (56, "<H", 65535, "previous data section"),
        (178 + 44, "<h", 0, "distance of samples"),
        (178 + 42, "<B", 9, "type of data"),
        (178 + 42, "<B", LSTR, "type of data"),
        (178 + 43, "<B", 7, "kind of data"),
    ],
)
@pytest.mark.filterwarnings("ignore::ncs.errors.NcsWarning")
def test_a_damaged_header_field_is_named_with_its_byte(tmp_path, at, form, value, word):
    content = bytearray(one_channel())
    struct.pack_into(form, content, at, value)
    found = faults(bytes(content), tmp_path)
    assert any(word in problem.field and problem.place.startswith("byte") for problem in found)


def test_a_section_that_promises_a_thousand_million_samples_is_refused_before_anything_is_allocated(tmp_path):
    content = bytearray(one_channel())
    table = struct.unpack_from("<i", content, 134)[0]
    for section in range(2):
        at = struct.unpack_from("<i", content, table + 4 * section)[0]
        struct.pack_into("<i", content, at + 34, 10**9)
    tracemalloc.start()
    found = faults(bytes(content), tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [("1000000000" in problem.found, problem.place[:4]) for problem in found] == [(True, "byte")] * 2
    assert peak < 10 * len(content) + (16 << 20)


def test_loops_overlaps_and_pointers_out_of_the_file(tmp_path):
    content = bytearray(one_channel(table=False))
    last = struct.unpack_from("<i", content, 52)[0]
    struct.pack_into("<i", content, last, last)
    assert "a loop" in faults(bytes(content), tmp_path)[0].found
    content = bytearray(one_channel())
    table = struct.unpack_from("<i", content, 134)[0]
    first = struct.unpack_from("<i", content, table)[0]
    struct.pack_into("<i", content, table + 4, first)
    assert "overlap" in faults(bytes(content), tmp_path)[0].expected
    struct.pack_into("<i", content, table + 4, -5)
    struct.pack_into("<i", content, table, 10**8)
    assert [problem.found for problem in faults(bytes(content), tmp_path)] == ["100000000", "-5"]
    content = bytearray(one_channel())
    starts = [struct.unpack_from("<i", content, table + 4 * n)[0] for n in range(2)]
    struct.pack_into("<i", content, starts[1] + 4, struct.unpack_from("<i", content, starts[0] + 4)[0])
    assert "overlap" in faults(bytes(content), tmp_path)[0].found


@pytest.mark.filterwarnings("ignore::ncs.errors.NcsWarning")
def test_every_truncation_of_the_real_file_is_refused_with_a_position(recordings, tmp_path):
    content = (recordings / "cfs" / "test_file.cfs").read_bytes()
    for length in [*range(8, 400, 7), *range(400, len(content) - 12, 97), len(content) - 13]:
        found = faults(content[:length], tmp_path)
        assert all(problem.place for problem in found), length
    whole, without_table = read(content, tmp_path), read(content[:-5], tmp_path)  # all sections are there
    samples = [visit.studies[0].traces[0].samples_uv for visit in (whole, without_table)]
    np.testing.assert_array_equal(*samples)
    assert any(problem.field == "table of data sections" for problem in without_table.problems)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_gives_an_error_of_ncs_and_no_other(recordings, tmp_path, data):
    real = (recordings / "cfs" / "test_file.cfs").read_bytes()
    content = bytearray(data.draw(st.sampled_from([real, two_channels(), one_channel(table=False)])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    sidecar = load_sidecar({**SIDECAR, "stimulus_ms": "time_zero", "layout": {"intensity_unit": "mA"}})
    request = ReadRequest(path=tmp_path / "a.cfs", content=bytes(content), sidecar=sidecar, keep_identifiers=True)
    try:
        studies = CFS.read(request).studies
    except NcsError:
        studies = ()
    assert all(trace.samples_uv.size <= len(content) for study in studies for trace in study.traces)


def test_sniffing_goes_by_the_marker(tmp_path):
    assert CFS.sniff(two_channels()[:65536], tmp_path / "a.txt") == 1.0
    assert CFS.sniff(b"CEDFILE", tmp_path / "a.cfs") == CFS.sniff(b"", tmp_path / "a.cfs") == 0.0
