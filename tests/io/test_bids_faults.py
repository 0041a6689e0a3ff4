"""Tables of a BIDS data set that say too little, too much, or something else than the recording."""

import datetime as dt

import pytest

import ncs
from ncs.errors import ConflictError, InvalidInputError
from ncs.io import _bids
from ncs.io.bids_write import write_dataset
from ncs.io.edf_write import encode_edf
from ncs.model import Origin, Study, Subject, Trace, Visit
from tests.io.test_bids import plain_recording, quietly

HEADER = ("onset", "duration", "trial_type", "stimulation_site", "intensity_ma", "distance_mm")


def noted(visit):
    return {problem.field: (problem.expected, problem.found) for problem in visit.problems}


def events(first, second, *, sites=("wrist", "elbow"), distances=(80, 300), intensities=(12, 15)):
    return [HEADER, *((onset, 0, "stimulus", site, intensity, distance) for onset, site, intensity, distance
                      in zip((first, second), sites, intensities, distances, strict=True))]  # fmt: skip


def a_part(folder, header, **header_fields):
    """An EDF recording of one sweep in a data set, what its header says of the patient and the day, and a JSON file."""
    trace = Trace(
        samples_uv=[[0.0, 1.0, 2.0, 1.0]], sampling_rate_hz=1000.0, stimulus_ms=[1.0], stimulation_site="wrist"
    )
    content = bytearray(encode_edf(Study(traces=(trace,)), subject=Subject(id=header), **header_fields))
    path = folder / "sub-07" / "emg" / "sub-07_task-nerve_emg.edf"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.with_suffix(".json").write_text('{"TaskName": "nerve"}')
    return path


def test_the_code_in_the_header_gives_way_to_that_of_the_name(tmp_path):
    visit = quietly(a_part(tmp_path, "P-9"))
    assert visit.subject.id == "07"
    assert visit.provenance["subject"] is Origin.SIDECAR
    expected, found = noted(visit)["patient identification"]
    assert (expected, found) == ("07, as in the name", "another code")


@pytest.mark.parametrize(
    ("stated", "date", "expected"),
    [
        ("1902-03-04T00:00:00", dt.date(2024, 5, 6), "2024-05-06, as in the EDF header"),
        ("spring", dt.date(2024, 5, 6), "a date, as 2024-02-03T10:30:00"),
        ("spring", None, "a date, as 2024-02-03T10:30:00"),
    ],
)
def test_a_day_that_is_none_or_another_is_noted_and_not_used(tmp_path, stated, date, expected):
    path = a_part(tmp_path, "07", date=date)
    (path.parents[1] / "sub-07_scans.tsv").write_text(
        f"filename\tacq_time\nemg/sub-07_task-other_emg.edf\t1900-01-01\nemg/{path.name}\t{stated}\n"
    )
    visit = quietly(path)
    assert visit.date == date
    assert noted(visit)["date"] == (expected, stated)


def test_events_that_differ_where_one_value_is_needed_give_none(tmp_path):
    path, (first, second) = plain_recording(tmp_path, events=None)
    plain_recording(tmp_path, events=events(first, second, sites=("wrist", "wrist")))
    (trace,) = quietly(path).studies[0].traces
    assert trace.distance_mm is None
    assert trace.stimulus.intensity_ma.tolist() == [12.0, 15.0]
    assert noted(quietly(path))["distance_mm"] == ("one value, 80", "300")


def test_events_without_a_usable_onset_are_no_stimuli(tmp_path):
    path, (first, _) = plain_recording(tmp_path, events=None)
    plain_recording(tmp_path, events=events(first, "early"))
    traces = quietly(path).studies[0].traces
    assert [trace.stimulation_site for trace in traces] == ["wrist"]


def test_a_trigger_channel_of_the_table_marks_the_stimuli(tmp_path):
    """The recording has one channel, so the reader says that the named one is not there, and nothing is guessed."""
    channels = [("name", "type", "units"), ("EMG1", "EMG", "uV"), ("DIN", "TRIG", "V")]
    path, _ = plain_recording(tmp_path, events=None, channels=channels)
    with pytest.raises(ncs.errors.ReadError, match=r"stimuli\.trigger_channel: expected .*'DIN'"):
        ncs.read(path)


def test_intensities_that_contradict_the_recording_are_a_conflict(tmp_path):
    """Of many sweeps the first four are shown."""
    stimulus = ncs.model.Stimulus(label="Stimulus_wrist", intensity_ma=[10.0] * 5)
    trace = Trace(samples_uv=[[0.0, 1.0, 2.0, 1.0]] * 5, sampling_rate_hz=1000.0, stimulus_ms=[1.0] * 5,
                  stimulation_site="wrist", stimulus=stimulus)  # fmt: skip
    path = a_part(tmp_path, "07")
    path.write_bytes(encode_edf(Study(traces=(trace,)), subject=Subject(id="07")))
    rows = [HEADER, *((at, 0, "stimulus", "wrist", 20 + at, "n/a") for at in range(5))]
    table = path.with_name(path.name.replace("emg.edf", "events.tsv"))
    table.write_text("\n".join("\t".join(map(str, row)) for row in rows))
    with pytest.raises(ConflictError, match=r"expected 10, 10, 10, 10, … \(the EDF file\), found 20, 21, 22, 23, …"):
        ncs.read(path)


@pytest.mark.parametrize(
    ("content", "expected", "found"),
    [
        (b"onset\tduration\n" + b"\xff\n", "text in UTF-8", "invalid start byte"),
        (b"onset\tduration\n" + b"1\t2\n" * 20, "at most 64 bytes", "95"),
    ],
)
def test_a_table_that_cannot_be_read_is_noted(tmp_path, monkeypatch, content, expected, found):
    monkeypatch.setattr(_bids, "_MOST_BYTES", 64)
    path = tmp_path / "a.tsv"
    path.write_bytes(content)
    problems = []
    assert _bids.read_table(path, problems) == []
    assert expected in problems[0].expected
    assert found in problems[0].found


def test_blank_lines_of_a_table_are_no_rows(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\n\n1\tn/a\n   \n")
    problems = []
    assert _bids.read_table(path, problems) == [{"a": "1", "b": None}]
    path.write_text("")
    assert _bids.read_table(path, problems) == []
    assert problems == []


def test_what_cannot_be_written_names_the_visit(tmp_path):
    traces = (Trace(samples_uv=[[0.0, float("nan")]], sampling_rate_hz=1000.0, stimulus_ms=[0.5]),)
    visit = Visit(subject=Subject(id="P-1"), date=dt.date(2024, 5, 6), studies=(Study(traces=traces),))
    with pytest.raises(InvalidInputError, match=r"P-1.*2024-05-06: .*finite samples only"):
        write_dataset([visit], tmp_path / "set")
