"""Natus text: the grammar of docs/formats/natus.md, byte for byte; nothing guessed, every fault with its line."""

import contextlib
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
from ncs.io._recording import HEAD_BYTES, ReadRequest
from ncs.io.natus import NATUS
from ncs.io.sidecar import load_sidecar
from ncs.model import Origin, Side, Technique
from ncs.simulate import motor_study

BOMS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
ENCODINGS = ["utf-16-le", "utf-16-be", "cp1252", "utf-8"]


def listed(values, *, comma=True, per_line=7, places=2):
    """Write numbers as the machine does: commas between them, a slash where a line goes on."""
    texts = [f"{value:.{places}f}".replace(".", "," if comma else ".") for value in values]
    return "/\r\n".join(",".join(texts[at : at + per_line]) for at in range(0, len(texts), per_line))


VALUES = [0.12, -0.45, 1.0, -0.0, 3.5, -12.34, 0.01, 2.0, -0.05, 7.25]
# 2 kHz x 5 ms are the 10 numbers; the converter ran at 4 kHz
VIKING = (
    "; Viking v.22.1 - (c) 2021 Natus\r\n;\r\n...\r\n"
    "[1 - Test Info]\r\nPatient ID=P07\r\nFirst Name=Ada\r\nFull Name=Ada Nobody\r\nGender=Female\r\n"
    "Visit Date=21.08.2023 10:15:00\r\nTest=Motor NCS\r\nMaster Anatomy=R Median\r\n"
    "[1.1 - Channel]\r\nChannel Number=2\r\nSampling Frequency(kHz)=4,0\r\nSubsampled (kHz)=2,0\r\n"
    "Sweep Duration(ms)=5,0\r\nLow(Hz)=2\r\nHigh(kHz)=10\r\nAmplifier Range(mV)=50\r\n"
    f"[1.1.1 - Store Data]\r\nAveraged Data(mV)<10>={listed(VALUES)}\r\n"
)
TIMED = {"ncs_sidecar": 1, "polarity": "true", "stimulus_ms": 0.0}


def encoded(text, encoding):
    return BOMS.get(encoding, b"") + text.encode(encoding)


def read(content, sidecar=TIMED, **more):
    if isinstance(content, str):
        content = content.encode("cp1252")
    return NATUS.read(
        ReadRequest(
            path=Path("rec.txt"),
            content=content,
            sidecar=None if sidecar is None else load_sidecar(sidecar),
            **more,
        )
    )


def traces(visit):
    return [trace for study in visit.studies for trace in study.traces]


def faults(content, sidecar=TIMED):
    with pytest.raises(ReadError) as caught:
        read(content, sidecar)
    assert all(problem.file == "rec.txt" for problem in caught.value.problems)
    return list(caught.value.problems)


def section(data, *, rate="Subsampled(kHz)=2", duration="Sweep Duration(ms)=5", more=""):
    return f"[1.1 - Store Data]\r\n{rate}\r\n{duration}\r\n{more}{data}\r\n"


# --- the grammar


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("comma", [True, False])
def test_both_locales_in_every_encoding(encoding, comma):
    text = VIKING
    if not comma:
        text = VIKING.replace(listed(VALUES), listed(VALUES, comma=False))
        text = text.replace("=4,0", "=4.0").replace("=2,0", "=2.0").replace("=5,0", "=5.0")
    visit = read(encoded(text.replace("(c)", "©"), encoding))
    (trace,) = traces(visit)
    np.testing.assert_array_equal(trace.samples_uv, (np.array([VALUES]) * 1000).astype(np.float32))
    assert np.signbit(trace.samples_uv[0, 3])  # the sign of -0,00
    assert trace.sampling_rate_hz == 2000.0
    assert visit.problems == ()


def test_utf_16_without_a_byte_order_mark():
    for encoding in ("utf-16-le", "utf-16-be"):
        assert traces(read(VIKING.encode(encoding)))[0].n_samples == 10


def test_what_the_file_states_and_what_it_does_not():
    visit = read(VIKING)
    (study,) = visit.studies
    (trace,) = study.traces
    assert (visit.subject.id, visit.subject.sex, visit.subject.name) == ("P07", "F", None)
    assert visit.date == dt.date(2023, 8, 21)
    assert (study.nerve, study.side, study.technique) == ("median", Side.RIGHT, Technique.MOTOR)
    assert (trace.filters.low_cut_hz, trace.filters.high_cut_hz) == (2.0, 10_000.0)
    assert (trace.channel, trace.calibration.unit) == ("Channel 2", "mv")
    assert trace.stimulus_ms is trace.stimulation_site is trace.distance_mm is study.recording_site is None
    assert trace.averaged_count is trace.stimulus.intensity_ma is study.skin_temperature_c is None
    assert trace.notes == ("section 1.1.1 - Store Data", "Master Anatomy: R Median")
    names = ("samples_uv", "sampling_rate_hz", "calibration", "filters", "channel")
    assert {trace.provenance[name] for name in names} == {Origin.FILE}
    assert trace.provenance["stimulus_ms"] is Origin.UNSET


def test_names_and_birth_dates_only_where_asked_for():
    text = VIKING.replace("Gender", "Date of Birth=1956-01-29\r\nGender")
    subject = read(text, keep_identifiers=True).subject
    assert (subject.name, subject.birth_date) == ("Ada Nobody", dt.date(1956, 1, 29))
    assert "Ada" not in repr(read(text))


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n"])
def test_line_endings(ending):
    np.testing.assert_array_equal(
        traces(read(VIKING.replace("\r\n", ending)))[0].samples_uv, traces(read(VIKING))[0].samples_uv
    )


@pytest.mark.parametrize("at", range(1, 11))
def test_a_list_may_go_on_anywhere(at):
    text = section(f"Averaged Data(mV)<10>={listed(VALUES, per_line=at)}")
    np.testing.assert_array_equal(traces(read(text))[0].samples_uv, traces(read(VIKING))[0].samples_uv)


@pytest.mark.parametrize(
    "data",
    [
        "0,12,-0,45,3,00,-7,50",
        "0.12,-0.45,3.00,-7.50",
        "0.12, -0.45, 3.00/\r\n-7.50",
        "0,12, -0,45, 3,00/\r\n-7,50",
        "0,12;-0,45;3;-7,5",
        "0,12 -0,45/\r\n3,00 -7,50",
        "0.12 -0.45 3 -7.5",
        "0,12,-0,45,/\r\n,3,00,-7,50,",
        "1,2E-1,-4,5E-01,3,0E0,-7,5E+0",
    ],
)
def test_the_count_decides_between_separator_and_decimal_mark(data):
    text = section(f"Averaged Data(mV)<4>={data}", duration="Sweep Duration(ms)=2")
    np.testing.assert_allclose(traces(read(text))[0].samples_uv, [[120, -450, 3000, -7500]])


def test_the_same_digits_are_two_different_lists():
    def four_or_two(count):
        text = section(f"Averaged Data(mV)<{count}>=1,2,3,4", duration=f"Sweep Duration(ms)={count / 2:g}")
        return traces(read(text))[0].samples_uv.tolist()

    assert four_or_two(4) == [[1000, 2000, 3000, 4000]]
    np.testing.assert_allclose(four_or_two(2), [[1200, 3400]])


def test_a_key_may_follow_its_section_on_the_line():
    text = "[1.1 - Channel] Subsampled(kHz)=2\r\n[1.1.1 - Store Data] Averaged Data(uV)<4>=1,2,-3,4\r\n"
    visit = read(text)
    assert traces(visit)[0].samples_uv.tolist() == [[1, 2, -3, 4]]
    assert [problem.field for problem in visit.problems] == ["Sweep Duration(ms)"]


@pytest.mark.parametrize(("unit", "factor"), [("mV", 1000.0), ("uV", 1.0), ("µV", 1.0), ("\u03bcV", 1.0), ("V", 1e6)])
def test_units_in_the_key(unit, factor):
    text = section(f"Averaged Data({unit})<4>=1.5,2.5,-3.5,4.5", duration="Sweep Duration(ms)=2")
    np.testing.assert_allclose(
        traces(read(text.encode("utf-8")))[0].samples_uv, np.array([[1.5, 2.5, -3.5, 4.5]]) * factor
    )


def test_counts_of_the_converter():
    text = section(
        "Averaged Data<4>=100,-200,300,0", duration="Sweep Duration(ms)=2", more="One ADC unit (µV)=0,61\r\n"
    )
    trace = traces(read(text))[0]
    np.testing.assert_allclose(trace.samples_uv, [[61, -122, 183, 0]])
    assert trace.calibration.unit == "uv"
    above = "[1 - Channel]\r\nOne ADC unit (mV)=0,01\r\n" + text.replace("One ADC unit (µV)=0,61\r\n", "")
    np.testing.assert_allclose(traces(read(above))[0].samples_uv, [[1000, -2000, 3000, 0]])


def test_counts_need_no_count_in_the_key_where_rate_and_duration_give_it():
    text = section("Averaged Data=100,-200,300,0", duration="Sweep Duration(ms)=2", more="One ADC unit (µV)=0,5\r\n")
    np.testing.assert_allclose(traces(read(text))[0].samples_uv, [[50, -100, 150, 0]])


def test_whole_numbers_beside_a_converter_unit_are_counts_and_said_to_be():
    text = section("Averaged Data(mV)<4>=1,-2,3,0", duration="Sweep Duration(ms)=2", more="One ADC unit (µV)=0,5\r\n")
    visit = read(text)
    np.testing.assert_allclose(traces(visit)[0].samples_uv, [[0.5, -1, 1.5, 0]])
    assert "counts of the converter" in visit.problems[0].hint
    with_decimals = text.replace("1,-2,3,0", "1,0,-2,0,3,0,0,0")
    np.testing.assert_allclose(traces(read(with_decimals))[0].samples_uv, [[1000, -2000, 3000, 0]])


def test_sweeps_of_one_section_are_one_trace_and_channels_are_studies():
    sweep = "Sweep  Data(mV)<4>=1,0,2,0,-3,0,{},0\r\n"
    text = (
        "Subsampled(kHz)=2\r\nSweep Duration(ms)=2\r\n"
        "[1 - Channel]\r\nChannel number=1\r\n[1.1 - Trace Data]\r\n" + sweep.format(4) + sweep.format(5)
        + "[1.2 - Store Data]\r\n" + sweep.format(6).replace("Sweep  ", "Averaged ")
        + "[2 - Channel]\r\nChannel number=3\r\n[2.1 - Trace Data]\r\n" + sweep.format(7)
    )  # fmt: skip
    visit = read(text)
    shapes = [[trace.samples_uv.shape for trace in study.traces] for study in visit.studies]
    assert shapes == [[(2, 4), (1, 4)], [(1, 4)]]
    assert [study.traces[0].channel for study in visit.studies] == ["Channel 1", "Channel 3"]
    assert visit.studies[0].traces[0].samples_uv[:, 3].tolist() == [4000, 5000]


def test_recordings_without_stimuli_are_named_and_not_read():
    long = "[2 - LongTrace Data]\r\nLongTrace Data(mV)<3>=1,0,2,0,3,0\r\nLivePlay Data(mV)<2>=1,0,2,0\r\n"
    visit = read(VIKING + long)
    assert len(traces(visit)) == 1
    assert ["LongTrace" in p.found or "LivePlay" in p.found for p in visit.problems] == [True, True]
    assert all("not read" in problem.hint for problem in visit.problems)
    (problem,) = [problem for problem in faults(long) if problem.field == "content"]
    assert "Averaged Data" in problem.expected


def test_an_unknown_section_and_unknown_keys_are_left_alone():
    text = VIKING + "[2 - Something New]\r\nColour=blue\r\nPath=C:/data/\r\nMarker List<3>=a,b,c\r\n"
    visit = read(text)
    assert visit.problems == ()
    assert len(traces(visit)) == 1
    odd = read(VIKING + "Wobble Data(mV)<3>=1,2,3\r\n")
    assert [problem.hint for problem in odd.problems] == ["It was not read."]


# --- what must hold


def test_the_count_must_be_rate_times_duration():
    (problem,) = faults(section(f"Averaged Data(mV)<10>={listed(VALUES)}", duration="Sweep Duration(ms)=6,0"))
    assert (problem.place, problem.field) == ("line 4", "Averaged Data(mV)<10>")
    assert problem.expected == "<12>, which is Subsampled(kHz) x Sweep Duration(ms)"
    assert "line 2" in problem.hint
    assert "line 3" in problem.hint


def test_the_rate_is_the_subsampled_one_even_where_the_converter_s_would_fit():
    text = VIKING.replace("Subsampled (kHz)=2,0", "Subsampled (kHz)=1,0").replace("(kHz)=4,0", "(kHz)=2,0")
    (problem,) = faults(text)
    assert "Sampling Frequency(kHz) would fit" in problem.hint


def test_without_subsampling_the_converter_s_rate_holds():
    text = VIKING.replace("Subsampled (kHz)=2,0\r\n", "").replace("(kHz)=4,0", "(kHz)=2,0")
    assert traces(read(text))[0].sampling_rate_hz == 2000.0
    (problem,) = faults(VIKING.replace("Subsampled (kHz)=2,0\r\n", ""))
    assert problem.expected.startswith("<20>")


def test_without_a_rate_the_sidecar_is_asked():
    text = VIKING.replace("Subsampled (kHz)=2,0\r\n", "").replace("Sampling Frequency(kHz)=4,0\r\n", "")
    assert [problem.field for problem in faults(text)] == ["Subsampled(kHz)"]
    trace = traces(read(text, {**TIMED, "sampling_rate_hz": 2000}))[0]
    assert trace.sampling_rate_hz == 2000.0
    assert trace.provenance["sampling_rate_hz"] is Origin.SIDECAR


def test_two_rates_that_could_both_hold_are_a_contradiction():
    text = VIKING.replace("[1.1.1", "[2.1.1") + "[3 - Channel]\r\nSubsampled(kHz)=3\r\n"
    assert "contradicts itself" in faults(text)[0].hint


@pytest.mark.parametrize("unit", ["", "(Pa)"])
def test_without_a_unit_the_sidecar_is_asked(unit):
    text = VIKING.replace("Data(mV)", f"Data{unit}")
    (problem,) = faults(text)
    assert problem.expected == "a unit of voltage"
    if not unit:
        trace = traces(read(text, {**TIMED, "unit": "mV"}))[0]
        assert trace.provenance["samples_uv"] is Origin.SIDECAR
        assert trace.samples_uv[0, 0] == 120


def test_a_count_of_the_converter_has_no_decimals():
    text = VIKING.replace("Data(mV)", "Data").replace(
        "[1.1.1 - Store Data]", "[1.1.1 - Store Data]\r\nOne ADC unit(uV)=1"
    )
    assert "counts" in faults(text)[0].found


def test_too_few_and_too_many_numbers():
    for data, found in (("1,2,3", "3 whole numbers"), ("1,0,2,0,3,0", "6 whole numbers; or 3 with decimal mark ','")):
        text = section(f"Averaged Data(mV)<10>={data}")
        (problem,) = faults(text)
        assert (problem.expected, problem.found) == ("10 numbers, as its key says", found)
    (problem,) = faults(section(f"Averaged Data(mV)<10>={listed(VALUES)},5"))
    assert "neither 10 nor twice as many" in problem.found


def test_a_list_without_a_count_that_can_be_read_in_two_ways():
    problem, _ = faults(section("Averaged Data(mV)=1,2,3,4", duration=""))
    assert problem.expected == "numbers that can be read in one way"
    assert "4 whole numbers; or 2 with decimal mark ','" in problem.found


@pytest.mark.parametrize("size", ["", "0", "-4", "1e3", "99999999999"])
def test_a_count_that_is_none(size):
    assert faults(section(f"Averaged Data(mV)<{size}>=1,2"))[0].expected.startswith("the count")


def test_mixed_decimal_marks_in_one_list():
    (problem,) = faults(section("Averaged Data(mV)<4>=0.5,/\r\n1,25,2,50,3,75", duration="Sweep Duration(ms)=2"))
    assert problem.field == "decimal mark"
    assert "'.' in line 4" in problem.found
    assert "',' in line 5" in problem.found


def test_mixed_decimal_marks_in_one_file():
    other = (
        VIKING[VIKING.index("[1.1.1") :].replace("1.1.1", "1.1.2").replace(listed(VALUES), listed(VALUES, comma=False))
    )
    (problem,) = faults(VIKING + other)
    assert problem.field == "decimal mark"
    assert "',' in line 14, 15, 16, 21" in problem.found
    assert "'.' in line 24" in problem.found


def test_nan_stays_nan_and_is_said():
    text = section("Averaged Data(mV)<4>=0,5,NaN,2,5,-3,5", duration="Sweep Duration(ms)=2")
    visit = read(text)
    np.testing.assert_array_equal(traces(visit)[0].samples_uv, np.float32([[500, np.nan, 2500, -3500]]))
    (problem,) = visit.problems
    assert (problem.place, problem.found) == ("line 4", "1 without one")


def test_everything_wrong_is_listed_at_once_with_its_line():
    text = section("Averaged Data(mV)<4>=1,0,x,0,3,0,4,0", duration="Sweep Duration(ms)=2")
    text += "[no end\r\n1,2,3\r\n[1.2 - Store Data]\r\nSubsampled(kHz)=fast\r\nAveraged Data(mV)<2>=1,0/\r\n"
    problems = faults(text, {"ncs_sidecar": 1, "stimulus_ms": 0.0})
    assert [(problem.place, problem.field) for problem in problems] == [
        ("line 5", "section"),
        ("line 6", "line"),
        ("line 4", "Averaged Data(mV)<4>"),
        ("line 8", "Subsampled(kHz)"),
        ("line 9", "Subsampled(kHz)"),
        ("line 9", "Averaged Data(mV)<2>"),
        ("", "polarity"),
    ]


def test_the_polarity_must_be_stated_where_latencies_can_come_out():
    assert [problem.field for problem in read(VIKING, None).problems] == ["polarity"]
    (problem,) = faults(VIKING, {"ncs_sidecar": 1, "traces": [{"stimulus_ms": 1.0}]})
    assert '"polarity": "inverted"' in problem.hint


def test_ambiguous_dates_are_left_to_the_sidecar():
    visit = read(VIKING.replace("21.08.2023", "10/08/2023"))
    assert visit.date is None
    assert "state `date`" in visit.problems[0].hint.lower()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_cut_anywhere_is_an_error_or_says_what_is_missing(encoding):
    whole = encoded(VIKING, encoding)
    expected = traces(read(whole))[0].samples_uv
    for size in range(len(whole) - 2 * len("\r\n")):
        visit = None
        with contextlib.suppress(ReadError):
            visit = read(whole[:size])
        if visit is not None:
            # "7,2" may be what is left of "7,25"
            assert "may be cut short" in visit.problems[0].hint
            np.testing.assert_array_equal(traces(visit)[0].samples_uv[:, :-1], expected[:, :-1])


# --- recognising it


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_it_is_recognised_by_its_content(encoding):
    assert NATUS.sniff(encoded(VIKING, encoding)[:HEAD_BYTES], Path("x")) == 0.95
    assert registry.choose(encoded(VIKING, encoding), Path("x.csv")).name == "natus"
    assert NATUS.sniff(encoded(VIKING.partition("...")[2], encoding), Path("x")) == 0.9


@pytest.mark.parametrize(
    "content",
    [b"", b"1;2\n3;4\n", b"[main]\nkey=value\n", b"[1 - intro]\nkey=value\n", b"\0\1\2\3", b"Interval=\t1 s\n"],
)
def test_nothing_else_is(content):
    assert NATUS.sniff(content, Path("x.txt")) == 0.0


def test_it_says_that_it_is_experimental():
    (info,) = [info for info in registry.formats() if info.name == "natus"]
    assert info.experimental
    assert "not yet confirmed" in info.description


# --- damaged files


@lru_cache
def contents():
    return tuple(encoded(VIKING, encoding) for encoding in ENCODINGS)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_bytes_give_a_visit_or_a_clear_error(data):
    content = bytearray(data.draw(st.sampled_from(contents())))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["change", "drop", "insert"]))
        byte = data.draw(st.sampled_from(b"\0\n\r/,.;-=<>[]09 eNaV\xff") | st.integers(0, 255))
        content[at : at + (kind != "insert")] = b"" if kind == "drop" else bytes([byte])
    NATUS.sniff(bytes(content), Path("x"))
    with contextlib.suppress(NcsError):
        read(bytes(content))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="[]1.- /,;=<>dataDATA()mVu\n0", max_size=200))
def test_any_text_gives_a_visit_or_a_clear_error(text):
    with contextlib.suppress(NcsError):
        read(text)


# --- end to end


def simulated(study, *, comma, adc_uv=None):
    duration = study.traces[0].n_samples / study.traces[0].sampling_rate_hz * 1000
    lines = [
        "; Viking v.22.1 - © 2021 Natus", "[1 - Test Info]", "Patient ID=P07", "Test=Motor NCS",
        f"Master Anatomy={study.side.value} {study.nerve}", "[1.1 - Channel]", "Channel Number=1",
        "Sampling Frequency(kHz)=48", f"Subsampled(kHz)={study.traces[0].sampling_rate_hz / 1000:g}",
        f"Sweep Duration(ms)={duration:g}",
    ]  # fmt: skip
    for number, trace in enumerate(study.traces, start=1):
        lines.append(f"[1.1.{number} - Store Data]")
        samples = trace.samples_uv[0]
        if adc_uv is None:
            data = listed(samples / 1000, comma=comma, per_line=100, places=4)
            lines.append(f"Averaged Data(mV)<{len(samples)}>={data}")
        else:
            unit = f"{adc_uv:g}".replace(".", "," if comma else ".")
            counts = ",".join(str(round(sample / adc_uv)) for sample in samples.tolist())
            lines += [f"One ADC unit (µV)={unit}", f"Averaged Data<{len(samples)}>={counts}"]
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize(
    ("encoding", "comma", "adc_uv"),
    [("utf-16-le", True, None), ("utf-8", False, None), ("cp1252", True, 0.5), ("utf-16-be", False, 0.5)],
)
def test_a_simulated_study_gives_the_same_latencies_and_velocity(tmp_path, encoding, comma, adc_uv):
    study, truth = motor_study(seed=3)
    path = tmp_path / "visit.txt"
    path.write_bytes(encoded(simulated(study, comma=comma, adc_uv=adc_uv), encoding))
    sidecar = {
        "ncs_sidecar": 1, "polarity": "true", "stimulus_ms": float(study.traces[0].stimulus_ms[0]),
        "recording_site": study.recording_site,
        "traces": [
            {"select": {"sweeps": [number]}, "stimulation_site": trace.stimulation_site,
             "distance_mm": trace.distance_mm}
            for number, trace in enumerate(study.traces, start=1)
        ],
    }  # fmt: skip
    with pytest.warns(NcsWarning, match="natus, whose reader is experimental"):
        visit = ncs.read(path, sidecar=sidecar)
    assert visit.sources[0].format == "natus"
    found = {(m.quantity, m.site): m.value for m in ncs.analyze(visit).measurements}
    whole = ncs.model.Visit(subject=visit.subject, date=None, studies=(study,))
    expected = {(m.quantity, m.site): m.value for m in ncs.analyze(whole).measurements}
    for site in ("wrist", "elbow"):
        assert found["motor_latency", site] == pytest.approx(expected["motor_latency", site], abs=1e-3)
        assert found["cmap_amplitude", site] == pytest.approx(expected["cmap_amplitude", site], rel=1e-3)
    velocity = found["motor_conduction_velocity", None]
    assert velocity == pytest.approx(expected["motor_conduction_velocity", None], rel=1e-3)
    assert velocity == pytest.approx(truth.true_velocity_m_s, rel=0.03)


def test_without_a_sidecar_there_is_no_latency_and_a_reason(tmp_path):
    path = tmp_path / "visit.txt"
    path.write_bytes(encoded(simulated(motor_study(seed=3)[0], comma=True), "utf-16-le"))
    with pytest.warns(NcsWarning) as warned:
        result = ncs.analyze(ncs.read(path))
    assert ["experimental" in str(warned[0].message), "polarity" in str(warned[1].message)] == [True, True]
    latencies = [m for m in result.measurements if m.quantity == "motor_latency"]
    assert latencies
    assert {(m.value, str(m.reason)) for m in latencies} == {(None, "no_stimulus_time")}


# --- contradictions, and the documentation


def test_values_that_make_no_sense():
    assert faults(VIKING.replace("(kHz)=2,0", "(kHz)=0,0"))[0].expected == "a sampling rate"
    huge = section("Averaged Data(V)<2>=1.0,9e300", duration="Sweep Duration(ms)=1")
    assert faults(huge)[0].expected == "voltages of ordinary size"
    endless = section("Averaged Data(V)<2>=1.0,9e999", duration="Sweep Duration(ms)=1")
    assert faults(endless)[0].expected == "voltages of ordinary size"
    empty = section("Averaged Data(V)<2>=", duration="Sweep Duration(ms)=1")
    assert (faults(empty)[0].expected, faults(empty)[0].found) == ("numbers", "none")


def test_two_sizes_of_a_count_are_a_contradiction():
    adc = "One ADC unit(uV)=0,5\r\nOne ADC unit(mV)=0,5\r\n"
    (problem,) = faults(section("Averaged Data<4>=1,2,3,4", duration="Sweep Duration(ms)=2", more=adc))
    assert problem.expected == "one size above zero"


def test_two_patients_in_one_file_are_none():
    visit = read(VIKING + "[2 - Test Info]\r\nPatient ID=P08\r\n")
    assert visit.subject.id is None
    assert [problem.field for problem in visit.problems] == ["Patient ID"]
    assert "P0" not in str(visit.problems[0])


def test_a_line_that_is_nothing_is_said_but_not_quoted():
    (problem,) = read(VIKING + "Ada Nobody\r\n").problems
    assert (problem.place, problem.found) == ("line 23", "another line")


def test_the_sidecar_of_the_documentation_is_valid():
    text = (Path(__file__).parents[2] / "docs" / "formats" / "natus.md").read_text(encoding="utf-8")
    sidecar = load_sidecar(json.loads(text.partition("```json")[2].partition("```")[0]))
    assert (sidecar.stimulus_ms, sidecar.polarity) == ((0.0,), "inverted")
