"""One test for each rule of EDF+ that a reader of nerve conduction studies needs; the names say which."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ncs.errors import ReadError
from ncs.io import _edf_header
from ncs.io._edf_header import decode_header
from ncs.io._edf_identity import format_date, parse_long_date, parse_short_date
from ncs.io._faults import Faults
from ncs.io.sidecar import load_sidecar
from ncs.model import Origin, Side
from tests.io.edf_examples import Channel, annotation_bytes, annotation_channel, build, motor, read, tal


def only_trace(visit):
    (study,) = visit.studies
    (trace,) = study.traces
    return trace


def stimulus_at(onset, record="+0", text="StimA"):
    return [tal(record, ""), tal(onset, text)]


# -- header ------------------------------------------------------------------------------------------------------------


def decoded(decode, content):
    faults = Faults(file="a.edf")
    try:
        return repr(decode(content, faults)), repr(faults)
    except ReadError as error:
        return repr(error.problems), repr(faults)


HEADER = motor(stimulus_at("+0"))[:900]
PLACES = st.one_of(st.integers(0, 767), st.sampled_from([8, 88, 168, 184, 192, 236, 244, 252, 464, 472, 480, 488]))


@given(st.lists(st.tuples(PLACES, st.sampled_from(list(b"0129.-+eE ,x\0\xb5\xff"))), max_size=4), st.integers(700, 900))
@example([(480, ord("-")), (481, ord("0")), (482, ord(" "))], 900)
@example([(464 + at, byte) for at, byte in enumerate(b"1e300   -1e300  ")], 900)
@example([(464 + at, byte) for at, byte in enumerate(b"5       ")] + [(480, ord("5")), (481, ord(" "))], 900)
def test_what_is_remembered_of_headers_changes_none(changes, length):
    content = bytearray(HEADER)
    for at, byte in changes:
        content[at] = byte
    cut = bytes(content[:length])
    for _ in range(2):
        assert decoded(decode_header, cut) == decoded(_edf_header._decode_header, cut)


def test_reserved_field_only_has_to_start_with_the_continuity():
    visit = read(motor(stimulus_at("+0"), reserved="EDF+D and whatever a machine adds"))
    assert only_trace(visit).n_sweeps == 1


def test_record_count_of_minus_one_is_derived_from_the_size():
    content = motor(stimulus_at("+0"), stimulus_at("+1", "+1"), nrec="-1")
    visit = read(content)
    assert only_trace(visit).n_sweeps == 2
    assert visit.problems == ()


def test_int16_is_upcast_before_the_digital_minimum_is_subtracted():
    channel = Channel(samples=100, digital=("-32768", "32767"), physical=("-32768", "32767"), unit="uV")
    samples = np.full(100, 32767)
    samples[0] = -32768
    trace = only_trace(read(motor(stimulus_at("+0"), samples=samples, channel=channel)))
    np.testing.assert_array_equal(trace.samples_uv[0, :2], [-32768.0, 32767.0])


def test_negative_gain_is_legal():
    channel = Channel(samples=100, physical=("10", "-10"), digital=("-100", "100"), unit="uV")
    trace = only_trace(read(motor(stimulus_at("+0"), samples=np.full(100, 50), channel=channel)))
    np.testing.assert_allclose(trace.samples_uv, -5.0)
    assert (trace.calibration.physical_min, trace.calibration.physical_max) == (10.0, -10.0)


def test_empty_dimension_means_uncalibrated():
    content = motor(stimulus_at("+0"), channel=Channel(samples=100, unit=""))
    with pytest.raises(ReadError) as caught:
        read(content)
    (problem,) = caught.value.problems
    assert (problem.field, problem.found) == ("physical dimension", "none")
    assert "sidecar" in problem.hint


def test_empty_dimension_is_read_when_the_sidecar_states_the_unit():
    content = motor(stimulus_at("+0"), channel=Channel(samples=100, unit=""))
    trace = only_trace(read(content, sidecar=load_sidecar({"ncs_sidecar": 1, "unit": "mV"})))
    assert trace.samples_uv.max() == pytest.approx(-25_000 + (99 + 32768) * 50_000 / 65535)
    assert trace.provenance["samples_uv"] == Origin.SIDECAR


def test_channel_that_is_no_voltage_is_left_out_and_named():
    voltage, force = Channel(samples=10, label="R APB"), Channel(samples=10, label="Force", unit="N")
    content = build([voltage, force], [(np.zeros(10), np.zeros(10))], reserved="", duration="1")
    visit = read(content)
    assert [study.recording_site for study in visit.studies] == ["APB"]
    assert [problem.place for problem in visit.problems if problem.field != "stimulus"] == ["signal 2 (Force)"]


@pytest.mark.parametrize(
    ("samples", "duration", "rate"),
    [(1000, "0.050", 20_000.0), (500, "0.02", 25_000.0), (193, "0.060313", 193 / 0.060313), (7, "0.7", 10.0),
     (3, "0.3", 10.0)],
)  # fmt: skip
def test_sampling_rate_is_divided_in_decimal(samples, duration, rate):
    content = motor(stimulus_at("+0"), count=samples, duration=duration)
    assert only_trace(read(content)).sampling_rate_hz == rate


def test_annotation_signal_may_have_any_physical_range():
    for physical in (("-1", "1"), ("0", "1"), ("0", "0"), ("", "")):
        carrier = annotation_channel(30, physical=physical)
        body = [(np.zeros(100), annotation_bytes(stimulus_at("+0"), 30))]
        assert only_trace(read(build([Channel(samples=100), carrier], body))).n_sweeps == 1


def test_record_duration_zero_is_a_file_of_annotations_only():
    carrier = annotation_channel(30)
    content = build([carrier], [(annotation_bytes([tal("+0", "", "Recording starts")], 30),)], duration="0")
    visit = read(content)
    assert visit.studies == ()
    assert "annotations only" in visit.problems[0].found


@pytest.mark.parametrize("encoding", ["cp1251", "utf-8"])
def test_header_bytes_beyond_ascii_are_tolerated(encoding):
    patient = "ПАЦ-17 F X Иванова".encode(encoding)
    visit = read(motor(stimulus_at("+0"), patient=patient))
    assert visit.subject.id == "ПАЦ-17"


def test_latin_1_header_is_not_taken_for_cyrillic():
    channel = Channel(samples=100, unit="uV")
    content = motor(stimulus_at("+0"), channel=channel).replace(b"uV      ", "µV      ".encode("latin-1"), 1)
    content = content.replace(b"X X X X   ", "É42 F X  ".encode("latin-1") + b" ", 1)
    visit = read(content)
    assert visit.subject.id == "É42"
    assert only_trace(visit).calibration.unit == "µV"


def test_last_record_cut_short_keeps_the_complete_ones():
    content = motor(stimulus_at("+0"), stimulus_at("+1", "+1"))[:-7]
    visit = read(content)
    assert only_trace(visit).n_sweeps == 1
    (problem,) = visit.problems
    assert problem.field == "record 2"
    assert problem.found == "593 bytes"


def test_more_records_promised_than_there_are():
    visit = read(motor(stimulus_at("+0"), nrec="9"))
    assert only_trace(visit).n_sweeps == 1
    assert [(problem.field, problem.found) for problem in visit.problems] == [("number of data records", "9")]


def test_bytes_after_the_promised_records_are_named():
    visit = read(motor(stimulus_at("+0"), stimulus_at("+1", "+1"), nrec="1"))
    assert only_trace(visit).n_sweeps == 1
    assert [problem.found for problem in visit.problems] == ["600 bytes"]


# -- who and when ------------------------------------------------------------------------------------------------------


def test_subject_is_the_code_unless_x():
    assert read(motor(stimulus_at("+0"), patient="P-7 M X X")).subject.id == "P-7"
    assert read(motor(stimulus_at("+0"), patient="X M X X")).subject.id is None


def test_free_text_patient_field_gives_no_subject_and_is_not_shown():
    visit = read(motor(stimulus_at("+0"), patient="Someone Important born in May"))
    assert visit.subject.id is None
    assert visit.subject.name is None
    assert visit.problems
    assert not any("Someone" in str(problem) for problem in visit.problems)


def test_startdate_of_the_recording_field_goes_before_the_start_date_field():
    content = motor(stimulus_at("+0"), recording="Startdate 02-MAR-2002 X X X", date="17.04.01")
    visit = read(content)
    assert visit.date == dt.date(2002, 3, 2)
    assert [problem.place for problem in visit.problems] == ["byte 168"]


def test_start_date_field_is_used_without_a_startdate():
    assert read(motor(stimulus_at("+0"), recording="whatever", date="17.04.01")).date == dt.date(2001, 4, 17)


def test_removed_date_gives_none():
    visit = read(motor(stimulus_at("+0"), recording="Startdate X X X X", date="01.01.85"))
    assert visit.date is None
    assert visit.provenance["date"] == Origin.UNSET


@pytest.mark.parametrize(("text", "year"), [("01.01.85", 1985), ("31.12.99", 1999), ("01.01.00", 2000),
                                            ("01.01.84", 2084)])  # fmt: skip
def test_two_digit_years_are_clipped_at_1985(text, year):
    assert parse_short_date(text).year == year


def test_dates_beyond_the_clipping_years_do_not_contradict():
    assert read(motor(stimulus_at("+0"), recording="Startdate 05-JUN-1980 X X X", date="05.06.80")).problems == ()
    visit = read(motor(stimulus_at("+0"), recording="Startdate 05-JUN-2090 X X X", date="05.06.yy"))
    assert (visit.date, visit.problems) == (dt.date(2090, 6, 5), ())


@given(st.dates(min_value=dt.date(1000, 1, 1)))
def test_long_dates_survive_writing_and_reading(date):
    assert parse_long_date(format_date(date)) == date


@pytest.mark.parametrize("date", ["31.02.02", "1.1.2002", "02-03-02"])
def test_impossible_start_date_is_noted(date):
    visit = read(motor(stimulus_at("+0"), recording="", date=date))
    assert visit.date is None
    assert [problem.field for problem in visit.problems] == ["start date"]


# -- annotations -------------------------------------------------------------------------------------------------------


def test_first_record_may_start_within_a_second():
    (trace,) = read(motor([tal("+0.3945", ""), tal("+0.3965", "StimA")])).studies[0].traces
    np.testing.assert_array_equal(trace.stimulus_ms, [2.0])


def test_stimulus_time_is_onset_minus_record_onset_to_the_last_digit():
    (trace,) = read(motor(stimulus_at("+100000.1230021", record="+100000.123"))).studies[0].traces
    np.testing.assert_array_equal(trace.stimulus_ms, [0.0021])


def test_stimulus_after_the_start_of_the_record():
    (trace,) = read(motor(stimulus_at("+0.002"))).studies[0].traces
    np.testing.assert_array_equal(trace.stimulus_ms, [2.0])


def test_stimulus_before_its_record_belongs_to_it():
    trace = only_trace(read(motor(stimulus_at("-0.065"), stimulus_at("+0.235", record="+0.320"))))
    np.testing.assert_array_equal(trace.stimulus_ms, [-65.0, -85.0])


def test_stimulus_far_from_its_record_is_noted():
    visit = read(motor(stimulus_at("+0", record="+60")))
    assert only_trace(visit).stimulus_ms[0] == -60_000
    assert "-60000 ms" in visit.problems[0].found


def test_pre_stimulus_is_no_stimulus():
    notes = [tal("+0", "", "Stimulus click", "Free text"), tal("-0.065", "Pre-stimulus beep 1000Hz")]
    trace = only_trace(read(motor(notes)))
    np.testing.assert_array_equal(trace.stimulus_ms, [0.0])
    assert trace.notes == ("Free text", "Pre-stimulus beep 1000Hz")


def test_several_annotation_signals():
    channels = [Channel(samples=100), annotation_channel(20), annotation_channel(40)]
    body = [(np.zeros(100), annotation_bytes([tal("+0", "")], 20), annotation_bytes([tal("+0.001", "StimA")], 40))]
    trace = only_trace(read(build(channels, body)))
    np.testing.assert_array_equal(trace.stimulus_ms, [1.0])


def test_annotation_signal_may_stand_before_the_recording_channel():
    body = [(annotation_bytes(stimulus_at("+0.001"), 20), np.arange(100))]
    trace = only_trace(read(build([annotation_channel(20), Channel(samples=100)], body)))
    assert np.all(np.diff(trace.samples_uv) > 0)
    np.testing.assert_array_equal(trace.stimulus_ms, [1.0])


def test_annotation_may_carry_a_duration_and_utf_8_and_line_breaks():
    notes = [tal("+0", ""), tal("+0.001", "Stimulus Handgelenk", duration="0.0002"), tal("+0", "µ\tline\r\nline")]
    trace = only_trace(read(motor(notes)))
    assert trace.stimulation_site == "handgelenk"
    assert trace.notes == ("µ\tline\r\nline",)


def test_same_text_is_the_same_stimulus_and_other_text_another():
    records = [stimulus_at(f"+{k}", f"+{k}", text) for k, text in enumerate(["StimA", "StimB", "StimA", "StimA"])]
    (study,) = read(motor(*records)).studies
    assert [(trace.stimulus.label, trace.n_sweeps) for trace in study.traces] == [("StimA", 3), ("StimB", 1)]


def test_sweeps_of_a_trace_are_those_of_its_records():
    body = [
        (np.full(100, record * 10), annotation_bytes(stimulus_at(f"+{record}", f"+{record}", text), 20))
        for record, text in enumerate(["StimA", "StimB", "StimA", "StimB"])
    ]
    channel = Channel(samples=100, unit="uV", physical=("-32768", "32767"))
    (study,) = read(build([channel, annotation_channel(20)], body)).studies
    assert [trace.samples_uv[:, 0].tolist() for trace in study.traces] == [[0.0, 20.0], [10.0, 30.0]]


def test_record_without_a_stimulus_has_no_stimulus_time():
    visit = read(motor(stimulus_at("+0"), [tal("+1", "")]))
    with_one, without = visit.studies[0].traces
    assert with_one.stimulus_ms is not None
    assert without.stimulus_ms is None
    assert without.provenance["stimulus_ms"] == Origin.UNSET
    assert [problem.place for problem in visit.problems] == ["record 2"]


def test_intensity_may_differ_between_sweeps_of_one_stimulus():
    def record(onset, intensity):
        note = f'<EDF_XMLnote><StimA>{intensity}</StimA></EDF_XMLnote>'  # fmt: skip
        return [tal(onset, "", "StimA"), tal(onset, note)]

    visit = read(
        motor(record("+0", '<intensity unit="mA">5</intensity>'), record("+1", ""),
              record("+2", '<intensity unit="mA">7.5</intensity>'))
    )  # fmt: skip
    np.testing.assert_array_equal(only_trace(visit).stimulus.intensity_ma, [5.0, np.nan, 7.5])


def test_two_channels_are_two_studies_with_the_same_stimuli():
    channels = [Channel(samples=100, label="R APB"), Channel(samples=50, label="R ADM"), annotation_channel(60)]
    body = [(np.zeros(100), np.ones(50), annotation_bytes([tal("+0", "", "Stimulus wrist 8.2mA at 6.5cm")], 60))]
    visit = read(build(channels, body))
    assert [study.recording_site for study in visit.studies] == ["APB", "ADM"]
    traces = [study.traces[0] for study in visit.studies]
    assert [trace.stimulation_site for trace in traces] == ["wrist", "wrist"]
    assert [trace.sampling_rate_hz for trace in traces] == [2000.0, 1000.0]
    assert [trace.distance_mm for trace in traces] == [None, None], "one distance cannot belong to both"
    assert [problem.field for problem in visit.problems] == ["recording"]


def test_distance_belongs_to_the_channel_that_the_note_names():
    note = (
        '<EDF_XMLnote><Stimulus_wrist><distance unit="mm">65</distance></Stimulus_wrist>'
        "<recording>APB</recording></EDF_XMLnote>"
    )
    channels = [Channel(samples=100, label="R APB"), Channel(samples=100, label="R ADM"), annotation_channel(90)]
    body = [(np.zeros(100), np.ones(100), annotation_bytes([tal("+0", "", "Stimulus_wrist", note)], 90))]
    visit = read(build(channels, body))
    assert [study.traces[0].distance_mm for study in visit.studies] == [65.0, None]
    assert visit.problems == ()


def test_different_places_of_recording_are_different_studies():
    def note(place):
        return f"<EDF_XMLnote><position>digit 2</position><recording>{place}</recording></EDF_XMLnote>"

    records = [[tal(f"+{k}", "", "StimA", note(place))] for k, place in enumerate(["wrist", "elbow", "wrist"])]
    visit = read(motor(*records, channel=Channel(samples=100, label="NC")))
    assert [(study.recording_site, study.traces[0].n_sweeps) for study in visit.studies] == [("wrist", 2), ("elbow", 1)]


def test_side_of_an_annotation_agrees_with_the_recording_field():
    content = motor([tal("+0", "", "Stimulus right wrist")], recording="Startdate X X X X MNC_R_Ulnar_Nerve")
    (study,) = read(content).studies
    assert (study.side, study.nerve) == (Side.RIGHT, "ulnar")


def test_side_is_taken_from_an_annotation_where_nothing_else_states_it():
    content = motor([tal("+0", "", "Stimulus left wrist")], channel=Channel(samples=100, label="APB"))
    (study,) = read(content).studies
    assert (study.side, study.provenance["side"]) == (Side.LEFT, Origin.FILE)


def test_nothing_is_guessed_about_the_study():
    (study,) = read(motor(stimulus_at("+0"), channel=Channel(samples=100, label="EMG1"))).studies
    assert (study.nerve, study.side, study.technique, study.recording_site) == (None, None, None, None)
    assert all(study.provenance[name] == Origin.UNSET for name in ("nerve", "side", "technique", "recording_site"))


# -- BDF ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-8_388_608, -1, 0, 1, 8_388_607, 65_536, -65_537])
def test_bdf_samples_have_24_bits(value):
    channel = Channel(samples=4, unit="uV", physical=("-8388608", "8388607"), digital=("-8388608", "8388607"))
    content = build([channel], [(np.full(4, value),)], reserved="24BIT", duration="1", version=b"\xffBIOSEMI")
    trace = only_trace(read(content))
    np.testing.assert_array_equal(trace.samples_uv, np.full((1, 4), value, np.float32))


def test_bdf_plus_annotations_have_three_bytes_a_sample():
    channels = [Channel(samples=100, unit="uV", digital=("-8388608", "8388607")), annotation_channel(20, kind="BDF")]
    body = [(np.zeros(100), annotation_bytes([tal("+0", ""), tal("+0.002", "StimA")], 20, width=3))]
    content = build(channels, body, reserved="BDF+D", duration="0.01", version=b"\xffBIOSEMI")
    np.testing.assert_array_equal(only_trace(read(content)).stimulus_ms, [2.0])


def test_bdf_status_channel_is_no_recording():
    channels = [Channel(samples=4, unit="uV"), Channel(samples=4, unit="Boolean", label="Status")]
    content = build(channels, [(np.zeros(4), np.ones(4))], reserved="24BIT", duration="1", version=b"\xffBIOSEMI")
    visit = read(content)
    assert len(visit.studies) == 1
    assert [problem.field for problem in visit.problems] == ["stimulus"]


# -- header round trip -------------------------------------------------------------------------------------------------

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)


@given(label=printable, unit=printable, low=st.integers(-32768, 0), high=st.integers(1, 32767),
       physical=st.tuples(st.integers(-999, 999), st.integers(-999, 999)).filter(lambda pair: pair[0] != pair[1]),
       samples=st.integers(1, 9999), milliseconds=st.integers(1, 99999))  # fmt: skip
def test_header_fields_survive_writing_and_reading(*, label, unit, low, high, physical, samples, milliseconds):
    channel = Channel(label=label, unit=unit, digital=(str(low), str(high)), physical=tuple(map(str, physical)),
                      samples=samples)  # fmt: skip
    content = build([channel], [], duration=f"{milliseconds / 1000:.3f}", nrec="0", reserved="")
    header = decode_header(content, Faults(file=""))
    (signal,) = header.signals
    assert (signal.label, signal.unit, signal.samples) == (label, unit, samples)
    assert (signal.digital_min, signal.digital_max) == (low, high)
    assert (signal.physical_min, signal.physical_max) == physical
    assert header.rate_hz(signal) == pytest.approx(samples / milliseconds * 1000, rel=1e-15)
