"""What EDF files say twice, impossibly, or too often: each statement is used, or named as unused; none vanishes."""

import datetime as dt
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ncs.errors import InvalidInputError, ReadError
from ncs.io import _edf_annotations, edf, edf_write
from ncs.io._faults import Faults
from ncs.io._in_one_step import write_in_one_step
from ncs.io._stimulus_notes import Statement, read_note
from ncs.io._study_words import read_study_words
from ncs.io._sweeps import Group, Run, Sweep, cut
from ncs.io._written_notes import stimulus_labels
from ncs.io.edf_write import encode_continuous, encode_edf, write_edf
from ncs.model import Side, Stimulus, Study, Subject, Technique, Trace, Visit
from tests.io.edf_examples import Channel, annotation_bytes, annotation_channel, build, motor, read, tal
from tests.io.test_edf_continuous import continuous
from tests.io.test_edf_notes import xml


def fatal(content):
    with pytest.raises(ReadError) as caught:
        read(content)
    return [(problem.place, problem.field, problem.expected, problem.found) for problem in caught.value.problems]


# XML notes


@pytest.mark.parametrize(
    ("inner", "field", "expected", "found"),
    [
        (
            '<duration unit="ms">0.2</duration><duration unit="ms">0.3</duration>',
            "duration_ms",
            "one value, 0.2",
            "0.3",
        ),
        ("<Stimulus_wrist/><Stimulus_elbow/>", "stimulus", "one stimulus, Stimulus_wrist", "Stimulus_elbow"),
        ("<Stim_left><side>right</side></Stim_left>", "side", "one value, left", "right"),
    ],
)
def test_a_note_that_contradicts_itself_forbids_the_file(inner, field, expected, found):
    (fault,) = xml(inner).faults
    assert (fault.field, fault.expected, fault.found, fault.fatal) == (field, expected, found, True)


@pytest.mark.parametrize(
    ("inner", "field", "expected", "found"),
    [
        ("<side>both</side>", "side", "left or right", "'both'"),
        ("<averaged>none</averaged>", "averaged", "a number of sweeps", "'none'"),
        ("<averaged>0</averaged>", "averaged", "a number of sweeps", "'0'"),
        ('<elapsed unit="min">3</elapsed>', "elapsed", "a value with its unit (s)", "3 'min'"),
        ('<distance_sd unit="mm">x</distance_sd>', "distance_sd", "a number", "'x'"),
        ('<distance_sd unit="mm">-3</distance_sd>', "distance_sd", "0 or more", "-3"),
        ('<segment distal="wrist" unit="mm">90</segment>', "segment", "its distal and its proximal site", "not both"),
        ('<segment distal="a" proximal="b" unit="mm">-5</segment>', "segment", "more than 0", "-5"),
    ],
)
def test_a_wrong_value_of_a_note_is_named_and_not_used(inner, field, expected, found):
    said = xml(inner)
    (fault,) = said.faults
    assert (fault.field, fault.expected, fault.found, fault.fatal) == (field, expected, found, False)
    assert (said.side, said.averaged_count, said.elapsed_s, said.distance_sd_mm, said.segments) == (None,) * 5


def test_comments_and_instructions_of_xml_say_nothing():
    assert xml('<!-- 5 ms --><?ncs x?><duration unit="ms">0.2</duration>') == xml('<duration unit="ms">0.2</duration>')


def test_the_side_of_a_stimulus_or_a_position_is_that_of_the_study():
    assert (xml("<Stimulus_right_wrist/>").side, xml("<position>left</position>").side) == (Side.RIGHT, Side.LEFT)
    assert xml("<position>left</position>").site is None


@pytest.mark.parametrize("inner", ['<covariate name="">x</covariate>', '<covariate name="score"></covariate>'])
def test_a_covariate_without_name_or_value_is_none(inner):
    assert xml(inner).covariates is None
    assert xml('<covariate name="score" type="number">3.5</covariate>').covariates == (("score", 3.5),)


def test_a_word_that_is_no_site_is_none_in_the_wording_of_the_specification():
    said = read_note("Stimulus train 0.2ms x 8.2mA at 6.5cm from recording site")
    assert (said.named_site, said.intensity_ma, said.distance_mm) == (None, 8.2, 65.0)


@pytest.mark.parametrize(("text", "side"), [("Dr L Smith", None), ("L Median", Side.LEFT), ("left Smith", Side.LEFT)])
def test_a_lone_letter_is_a_side_beside_a_word_of_the_study_only(text, side):
    assert read_study_words(text, is_structured=False).side is side


# Statements of several sweeps


def test_a_value_for_the_study_that_changes_is_taken_from_the_first_and_noted():
    warm, cold = ('<EDF_XMLnote><temperature unit="degree C">' + text + "</temperature></EDF_XMLnote>"
                  for text in ("33.2", "29.0"))  # fmt: skip
    visit = read(motor([tal("+0", "", "StimA", warm)], [tal("+10", "", "StimB", cold)], annotation_size=300))
    assert visit.studies[0].skin_temperature_c == 33.2
    (problem,) = [problem for problem in visit.problems if problem.field == "temperature_c"]
    assert (problem.expected, problem.found) == ("one value for the study, 33.2", "29.0")
    assert problem.hint == "The first was used."


def test_pulse_durations_that_differ_within_a_stimulus_are_noted_and_none_is_used():
    notes = [f'<EDF_XMLnote><duration unit="ms">{ms}</duration></EDF_XMLnote>' for ms in ("0.1", "0.2")]
    visit = read(motor([tal("+0", "", "StimA", notes[0])], [tal("+10", "", "StimA", notes[1])], annotation_size=300))
    assert visit.studies[0].traces[0].stimulus.duration_ms is None
    assert [(problem.field, problem.found) for problem in visit.problems] == [("duration_ms", "0.2")]


def test_the_same_stimulus_twice_in_a_record_is_one():
    visit = read(motor([tal("+0", ""), tal("+0.001", "StimA"), tal("+0.001", "StimA")]))
    np.testing.assert_allclose(visit.studies[0].traces[0].stimulus_ms, [1.0])


def test_the_same_stimulus_twice_at_a_time_is_one_in_a_continuous_file():
    visit = read(continuous([("+0.5", "StimA"), ("+0.5", "StimA")]))
    assert visit.studies[0].traces[0].n_sweeps == 1


def test_a_record_with_two_pulses_of_the_trigger_has_no_stimulus_time():
    channel, trigger = Channel(label="R APB", unit="uV", samples=1000), Channel(label="TRIG", unit="V", samples=1000)
    body = []
    for record, places in enumerate([(100,), (100, 500)]):
        pulses = sum(np.where((np.arange(1000) >= at) & (np.arange(1000) < at + 20), 5000, 0) for at in places)
        body.append((np.zeros(1000), pulses, annotation_bytes([tal(f"+{10 * record}", "")], 60)))
    visit = read(build([channel, trigger, annotation_channel(60)], body, duration="0.05"))
    assert [trace.stimulus_ms for trace in visit.studies[0].traces if trace.stimulus_ms is None] == [None]
    assert "record 2" in {problem.place for problem in visit.problems}


def test_sweeps_without_a_moment_in_common_are_left_out_and_noted():
    """At 50 Hz one of two stimuli within 9 ms has its sample before it only, the other after it only."""

    def sweep(number, second):
        return Sweep("StimA", None, second, number, Statement(), f"{second} s")

    faults = Faults(file="a")
    sweeps = [sweep(0, 0.967), sweep(1, 0.371), sweep(1, 0.362)]
    runs = [Run("0", 0, 1), Run("10", 1, 1)]
    (found,) = cut([Group("StimA", sweeps, Statement())], runs, 50, 50.0, faults, channel="APB")
    assert (found.sweeps, found.length) == ([], 0)
    (problem,) = faults.noted
    assert "in all 3 sweeps" in problem.expected
    assert problem.hint == "These sweeps were left out."


# Too much of it


@pytest.mark.parametrize("places", [[0, 0, 0], [0, 1, 2]])
def test_more_annotations_than_a_file_may_have(monkeypatch, places):
    records = [
        [tal(f"+{record}", ""), *(tal(f"+{record}", "note") for at in places if at == record)] for record in range(3)
    ]
    monkeypatch.setattr(_edf_annotations, "_MOST_ANNOTATIONS", 2)
    found = fatal(motor(*records))
    assert ("annotations", "fewer than 2 in one file") in {fault[1:3] for fault in found}


def test_more_traces_than_a_file_may_give(monkeypatch):
    monkeypatch.setattr(edf, "_MOST_TRACES", 2)
    (fault,) = fatal(motor(*[[tal(f"+{at}", "", f"Stim{letter}")] for at, letter in enumerate("ABC")]))
    assert fault[2:] == ("at most 2 traces in one file", "3 different stimuli on 1 channels")


def test_a_header_of_many_damaged_signals_is_cut_short():
    channels = [Channel(label=f"c{number}", unit="uV", samples=1, digital=("5", "5")) for number in range(150)]
    body = [(*[np.zeros(1)] * 150, annotation_bytes([tal("+0", "", "StimA")], 60))]
    found = fatal(build([*channels, annotation_channel(60)], body))
    assert found[-1][2:] == ("no further fault", "1 more or not looked for")


def test_a_continuous_file_with_more_gaps_than_anybody_reads_is_refused():
    onsets = [f"+{10 * record}" for record in range(103)]
    found = fatal(continuous([("+0.5", "StimA")], records=103, rate=10, onsets=onsets))
    assert ("records", "time-keeping annotation", "a continuous recording", "102 gaps") in found


# Writing


def a_trace(**fields):
    return Trace(**{"samples_uv": [[0.0, 1.0, 2.0, 1.0]], "sampling_rate_hz": 1000.0, "stimulus_ms": [1.0], **fields})


def a_study(*traces, **fields):
    return Study(traces=traces or (a_trace(),), **fields)


@pytest.mark.parametrize(
    ("study", "who", "words"),
    [
        (a_study(a_trace(samples_uv=[[0.0, 1e30]])), {}, r"samples_uv: expected less than 999999 V, found 1e\+30 uV"),
        (a_study(), {"date": dt.date(999, 1, 1)}, "date: expected a year of four digits, found 0999-01-01"),
        (a_study(), {"subject": Subject(id="P" * 80)}, "subject: expected at most 80 characters with id and name"),
        (a_study(a_trace(sampling_rate_hz=1e12)), {}, "4 samples at 1e.12 Hz have no duration of 8 characters"),
    ],
    ids=["samples", "date", "subject", "rate"],
)
def test_what_edf_has_no_room_for_is_refused(study, who, words):
    with pytest.raises(InvalidInputError, match=words):
        encode_edf(study, **who)


def test_notes_longer_than_a_record_may_be_are_refused(monkeypatch):
    """The number of samples of a record has 8 digits, so 200 MB of notes would do it; here it has 2."""
    monkeypatch.setattr(edf_write, "WIDTH", 2)
    with pytest.raises(InvalidInputError, match="the texts of one sweep are too long for EDF"):
        encode_edf(a_study(a_trace(notes=("x" * 300,))))


@pytest.mark.parametrize("label", ["Stimulus_wrist\x07", " Stimulus_wrist", "Stimulus_elbow"])
def test_a_label_that_cannot_be_written_or_says_something_else_gives_way(label):
    study = a_study(a_trace(stimulation_site="wrist", stimulus=Stimulus(label=label)))
    assert stimulus_labels(study) == ["Stimulus_wrist"]


def test_a_length_that_no_record_divides_becomes_one_record():
    """40009 is a prime number: no shorter record has a whole number of samples."""
    trace = a_trace(samples_uv=[np.arange(40_009) % 1000], sampling_rate_hz=20_000.0, stimulus_ms=None)
    content = encode_continuous(a_study(trace))
    assert int(content[236:244]) == 1
    np.testing.assert_allclose(read(content).studies[0].traces[0].samples_uv, trace.samples_uv, atol=0.02)


def test_a_link_is_kept_and_its_target_written(tmp_path):
    visit = Visit(subject=Subject(id="P"), date=None, studies=(a_study(technique=Technique.MOTOR),))
    (tmp_path / "link.edf").symlink_to(tmp_path / "place.edf")
    write_edf(visit, tmp_path / "link.edf")
    assert (tmp_path / "link.edf").is_symlink()
    assert read((tmp_path / "place.edf").read_bytes()).studies[0].technique is Technique.MOTOR


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit((tmp_path / "pipe").read_bytes)
        write_in_one_step(tmp_path / "pipe", b"content")
        assert received.result() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert (tmp_path / "pipe").is_fifo()
