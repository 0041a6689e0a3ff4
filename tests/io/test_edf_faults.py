"""Damaged and contradictory files: everything wrong is named with its place, and nothing but NcsError comes out."""

import contextlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ncs.errors import NcsError, ReadError
from ncs.io.edf import EDF
from tests.io.edf_examples import Channel, annotation_bytes, annotation_channel, build, mncv, motor, read, spec_37, tal

GOOD = [tal("+0", "", "StimA")]
FLAT = [np.zeros(1000)] * 2


def problems_of(content):
    with pytest.raises(ReadError) as caught:
        read(content)
    assert all(problem.file == "some.edf" for problem in caught.value.problems)
    return caught.value.problems


def patched(offset, new, *records):
    content = bytearray(motor(*(records or (GOOD,))))
    content[offset : offset + len(new)] = new
    return bytes(content)


def test_empty_file():
    (problem,) = problems_of(b"")
    assert problem.found == "an empty file"


def test_truncated_header():
    assert problems_of(motor(GOOD)[:200])[0].found == "200 bytes"
    (problem,) = problems_of(motor(GOOD)[:700])
    assert (problem.place, problem.expected) == ("byte 700", "768 bytes, for 2 signals")


def test_header_promises_more_signals_than_bytes():
    content = motor(GOOD, ns="9999", header_bytes="2560000")
    (problem,) = problems_of(content)
    assert "2560000 bytes, for 9999 signals" in problem.expected


def test_wrong_header_byte_count_does_not_hide_other_faults():
    for size in ("1024", "many"):
        found = problems_of(motor(GOOD, header_bytes=size, duration="0,05"))
        assert [problem.place for problem in found] == ["byte 184", "byte 244"]


def test_header_byte_count_contradicts_the_signals():
    (problem,) = problems_of(motor(GOOD, header_bytes="1024"))
    assert (problem.place, problem.expected, problem.found) == ("byte 184", "768, for 2 signals", "1024")


@pytest.mark.parametrize("ns", ["0", "-1", "x"])
def test_impossible_number_of_signals(ns):
    assert problems_of(motor(GOOD, ns=ns))[0].place == "byte 252"


@pytest.mark.parametrize(
    "duration", ["0", "-1", "1e9", "abc", "nan", "inf", "1_0", "0,05", "1e-300", "1e-999", "9e999"]
)
def test_impossible_record_duration(duration):
    (problem,) = problems_of(motor(GOOD, duration=duration))
    assert problem.place == "byte 244"
    assert problem.field == "duration of a data record"


def test_decimal_comma_is_named():
    assert "decimal point" in problems_of(motor(GOOD, duration="0,05"))[0].hint


@pytest.mark.parametrize("samples", [b"0       ", b"-5      ", b"x       ", b"1.5     "])
def test_impossible_sample_count(samples):
    (problem,) = problems_of(patched(256 + 2 * 216, samples))
    assert problem.place == "byte 688"
    assert "samples in each record" in problem.field


def test_absurd_sample_count_allocates_nothing():
    tracemalloc.start()
    problems = problems_of(patched(256 + 2 * 216, b"99999999"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert {problem.place for problem in problems} <= {"byte 236", "byte 244"}


def test_digital_minimum_equals_maximum():
    (problem,) = problems_of(motor(GOOD, channel=Channel(samples=100, digital=("5", "5"))))
    assert "digital maximum" in problem.field
    assert problem.found == "5"


def test_physical_minimum_equals_maximum():
    (problem,) = problems_of(motor(GOOD, channel=Channel(samples=100, physical=("5", "5.0"))))
    assert "physical maximum" in problem.field


@pytest.mark.parametrize("text", ["", "ten", "nan", "1e999", "--1", "1_000"])
def test_numbers_that_are_none(text):
    (problem,) = problems_of(motor(GOOD, channel=Channel(samples=100, physical=(text, "5"))))
    assert problem.place == "byte 464"


def test_unknown_continuity():
    assert problems_of(motor(GOOD, reserved="EDF+X"))[0].place == "byte 192"


def test_all_faults_of_a_header_at_once():
    channel = Channel(samples=100, digital=("5", "5"), physical=("a", "b"))
    found = problems_of(motor(GOOD, channel=channel, duration="x", nrec="-7"))
    assert [problem.place for problem in found] == ["byte 236", "byte 464", "byte 480", "byte 244"]


def test_all_faults_of_all_annotations_at_once():
    records = [[tal("+0", "", "StimA", "StimB")], [tal("+1", ""), b"\x14lost\x14\0"], [b"+2\x14\x14", b"x\x14y\x14\0"]]
    found = problems_of(motor(*records[:2]))
    assert [problem.place for problem in found] == ["record 2, annotation signal 1, byte 5"]
    assert problems_of(motor(records[0]))[0].place == "record 1"
    assert len(problems_of(motor(records[1], [tal("+2", ""), b"y\x14\0"]))) == 2


def test_annotation_without_an_onset():
    notes = [tal("+0", ""), tal("+0", "a note of some length"), b"\x14StimA\x14\0"]
    (problem,) = problems_of(motor(notes))
    assert problem.place == f"record 1, annotation signal 1, byte {len(notes[0]) + len(notes[1])}"
    assert problem.expected == "an onset before the text"


def test_annotation_cut_off_by_its_record():
    (problem,) = problems_of(motor([tal("+0", ""), b"+0\x14StimulusAndNoEnd"]))
    assert "closing byte" in problem.expected


def test_discontinuous_record_without_an_onset():
    (problem,) = problems_of(motor(GOOD, []))
    assert problem.place == "record 2, annotation signal 1, byte 0"
    assert problem.field == "time-keeping annotation"


@pytest.mark.parametrize("second", [tal("+0", "StimB"), tal("+0.005", "StimA")])
def test_two_stimuli_in_one_record(second):
    (problem,) = problems_of(motor(GOOD, [tal("+1", "", "StimA"), second.replace(b"+0", b"+1")]))
    assert problem.place == "record 2"
    assert "'StimA' at +1 s (record 2, annotation signal 1, byte 0)" in problem.found
    assert "(record 2, annotation signal 1, byte 11)" in problem.found


def test_two_described_stimuli_in_one_record():
    notes = [f"<EDF_XMLnote><Stimulus_{site}/></EDF_XMLnote>" for site in ("wrist", "elbow")]
    (problem,) = problems_of(motor([tal("+0", "", *notes)]))
    assert "'Stimulus_wrist'" in problem.found
    assert "'Stimulus_elbow'" in problem.found


@pytest.mark.parametrize(
    "xml",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]><EDF_XMLnote>&a;</EDF_XMLnote>',
        '<!DOCTYPE EDF_XMLnote SYSTEM "file:///etc/passwd"><EDF_XMLnote/>',
        "<!DOCTYPE html><html></html>",
    ],
)
def test_doctype_is_refused(xml):
    (problem,) = problems_of(motor([tal("+0", "", "StimA"), tal("+0", xml)]))
    assert problem.place == "record 1, annotation signal 1, byte 11"
    assert (problem.field, problem.expected) == ("EDF_XMLnote", "no DOCTYPE")


def test_malformed_xml_is_named():
    (problem,) = problems_of(motor([tal("+0", "", "StimA", "<EDF_XMLnote><distance></EDF_XMLnote>")]))
    assert (problem.place, problem.expected) == ("record 1, annotation signal 1, byte 0", "well-formed XML")


def test_same_site_with_two_distances():
    records = [[tal(f"+{k}", "", f"Stimulus wrist 8mA at {k + 6}cm from recording site")] for k in range(2)]
    (problem,) = problems_of(motor(*records))
    assert (problem.field, problem.found) == ("distance", "70 mm")
    assert "60 mm" in problem.expected
    assert "record 1" in problem.expected


def test_same_stimulus_with_two_distances():
    def note(distance):
        return f'<EDF_XMLnote><StimA><distance unit="mm">{distance}</distance></StimA></EDF_XMLnote>'

    records = [[tal(f"+{k}", "", "StimA", note(60 + k))] for k in range(2)]
    (problem,) = problems_of(motor(*records))
    assert (problem.place, problem.field, problem.found) == (
        "record 2, annotation signal 1, byte 0", "distance_mm", "61.0",
    )  # fmt: skip


def test_text_and_note_of_one_stimulus_that_contradict_each_other():
    note = '<EDF_XMLnote><Stimulus><distance unit="mm">60</distance></Stimulus></EDF_XMLnote>'
    (problem,) = problems_of(motor([tal("+0", "", "Stimulus wrist 8mA at 6.5cm from recording site", note)]))
    assert problem.field == "distance_mm"


def test_position_that_contradicts_the_name_of_the_stimulus():
    note = "<EDF_XMLnote><Stimulus_wrist><position>right elbow</position></Stimulus_wrist></EDF_XMLnote>"
    (problem,) = problems_of(motor([tal("+0", "", "Stimulus_wrist", note)]))
    assert (problem.field, problem.found) == ("position", "elbow")


def test_side_of_an_annotation_contradicts_the_recording_field():
    content = motor([tal("+0", "", "Stimulus left wrist")], recording="Startdate X X X X MNC_R_Median_Nerve",
                    channel=Channel(samples=100, label="APB"))  # fmt: skip
    (problem,) = problems_of(content)
    assert (problem.field, problem.expected) == ("side", "right, as in the recording field")
    assert "Stimulus left wrist" in problem.found


def test_no_complete_record():
    (problem,) = problems_of(motor(GOOD)[:-1])
    assert problem.field == "data records"


def test_an_endless_number_of_faults_is_cut_short():
    content = motor(*[[tal("+0", ""), b"\x14x\x14\0" * 20]] * 50)
    assert len(problems_of(content)) == 101


# -- no input breaks out, takes long, or takes memory ------------------------------------------------------------------

CONTINUOUS_NOTES = [[tal(f"+{k}", ""), tal(f"+{k}.5", "StimA", "<EDF_XMLnote><a/></EDF_XMLnote>")] for k in range(5)]
CONTINUOUS = build(
    [Channel(samples=100), annotation_channel(40)],
    [(np.arange(100), annotation_bytes(notes, 40)) for notes in CONTINUOUS_NOTES],
    reserved="EDF+C",
    duration="1",
)
BDF = build([Channel(samples=50), annotation_channel(20, kind="BDF")],
            [(np.arange(50), annotation_bytes([tal("+0", "", "StimA")], 20, width=3))],
            reserved="BDF+D", version=b"\xffBIOSEMI")  # fmt: skip
SEEDS = [spec_37(FLAT), spec_37(FLAT, "xml"), mncv([np.zeros(500)] * 2), CONTINUOUS, BDF]


def try_to_read(content):
    with contextlib.suppress(NcsError):
        read(content, keep_identifiers=True)
    assert 0.0 <= EDF.sniff(content[:65536], None) <= 1.0


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.sampled_from(SEEDS),
       changes=st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=8)), max_size=6),
       end=st.integers(0, 6000))  # fmt: skip
def test_mutated_files_raise_nothing_but_ncs_errors(seed, changes, end):
    content = bytearray(seed)
    for offset, new in changes:
        at = offset % len(content)
        content[at : at + len(new)] = new[: len(content) - at]
    try_to_read(bytes(content[: max(end, 1)] if end % 3 == 0 else content))


@settings(max_examples=200, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    field=st.integers(0, 30),
    text=st.text(st.sampled_from("0123456789-+.eE, x_"), max_size=8),
)
def test_mutated_header_numbers_raise_nothing_but_ncs_errors(seed, field, text):
    starts = [168, 176, 184, 236, 244, *range(256 + 2 * 96, 256 + 2 * 136, 8), *range(256 + 2 * 216, 256 + 2 * 224, 8)]
    at = starts[field % len(starts)]
    try_to_read(seed[:at] + text.encode().ljust(8) + seed[at + 8 :])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
@example(b"+0\x14\x14\0" + b"<" * 200)
@example(b"+0\x14\x14Stimulus" + b" " * 180 + b"\x14\0")
def test_any_annotation_bytes_raise_nothing_but_ncs_errors(raw):
    content = build([Channel(samples=10), annotation_channel(200)], [(np.zeros(10), raw.ljust(400, b"\0"))])
    try_to_read(content)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=150), st.sampled_from(["Stimulus {}", "Response {}", "<EDF_XMLnote>{}</EDF_XMLnote>", "{}"]))
def test_any_annotation_text_raises_nothing_but_ncs_errors(text, form):
    text = form.format(text.replace("\x14", "").replace("\0", ""))
    raw = b"+0\x14\x14" + text.encode("utf-8", "ignore") + b"\x14\0"
    try_to_read(build([Channel(samples=10), annotation_channel(600)], [(np.zeros(10), raw.ljust(1200, b"\0"))]))


LONG = 300_000


@pytest.mark.parametrize(
    "text",
    [
        "Stimulus " + "a" * LONG, "Stimulus " + "a " * LONG, "Stimulus " + " " * LONG + "1", "Stimulus " + "1 " * LONG,
        "Response " + "at " * LONG, "average " * LONG, "<EDF_XMLnote>" + "<a>" * 300 + "</a>" * 300 + "</EDF_XMLnote>",
        "<EDF_XMLnote>" + "<a/>" * (LONG // 4) + "</EDF_XMLnote>", "<EDF_XMLnote>" + "<a " * LONG, "x" * LONG,
        "9" * LONG, "<EDF_XMLnote><distance unit='mm'>" + "9" * LONG + "</distance></EDF_XMLnote>",
    ],
    ids=range(12),
)  # fmt: skip
def test_long_texts_are_read_or_refused(text):
    raw = b"+0\x14\x14" + text.encode() + b"\x14\0"
    size = len(raw) // 2 + 1
    try_to_read(build([Channel(samples=10), annotation_channel(size)], [(np.zeros(10), raw.ljust(size * 2, b"\0"))]))


@pytest.mark.parametrize("continuity", ["EDF+C", "EDF+D"])
def test_memory_stays_near_ten_times_the_file(continuity):
    records = [(np.zeros(20_000), annotation_bytes([tal(f"+{k}", "", "StimA")], 10)) for k in range(100)]
    content = build([Channel(samples=20_000), annotation_channel(10)], records, reserved=continuity, duration="1")
    read(content)
    tracemalloc.start()
    read(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * len(content) + 16e6


def test_many_empty_records_are_read_or_refused():
    content = build([Channel(samples=1), annotation_channel(3)], [(np.zeros(1), b"\0" * 6)] * 50_000, reserved="EDF+C")
    try_to_read(content)


# -- sniffing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", SEEDS, ids=["plain", "xml", "mncv", "continuous", "bdf"])
def test_sniff_is_sure_of_edf_and_bdf(content):
    assert EDF.sniff(content, None) == 1.0


def test_sniff_still_claims_a_damaged_header():
    assert EDF.sniff(patched(184, b"junk    "), None) > 0.5


@pytest.mark.parametrize(
    "content", [b"", b"0", b"0,1,2\n1,2,3\n", b"0       1.5\n1       2.5\n" * 30, b"MZ" + b"\0" * 300]
)
def test_sniff_does_not_claim_other_content(content):
    assert EDF.sniff(content, None) < 0.8
    if b"\n" in content or not content:
        assert EDF.sniff(content, None) == 0.0
