"""The vocabulary of annotations, recording fields, labels and filters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs.io._stimulus_notes import is_stimulus, merge_statements, read_note
from ncs.io._study_words import parse_filters, read_label, read_study_words
from ncs.model import Filters, ReportedValue, Side, Technique


def xml(inner):
    return read_note(f"<EDF_XMLnote>{inner}</EDF_XMLnote>")


@pytest.mark.parametrize(
    "text",
    ["Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site", "StimA", "Stimulus_elbow", "stimulus", "STIM 1",
     "Stimulation left ankle", "Stim: wrist", "Stimulus click 35dB both ears"],
)  # fmt: skip
def test_texts_that_name_a_stimulus(text):
    assert is_stimulus(text)


@pytest.mark.parametrize(
    "text", ["Pre-stimulus beep 1000Hz", "Stimulator ready", "stimmung", "Response", "", "Stimulus off", "Trigger"]
)
def test_texts_that_name_no_stimulus(text):
    assert not is_stimulus(text)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Stimulus left below elbow 100us x 40V at 140 mm from the active electrode",
         {"side": Side.LEFT, "named_site": "below elbow", "duration_ms": 0.1, "intensity_v": 40.0, "distance_mm": 140.0,
          "intensity_ma": None}),
        ("Stimulus_right_popliteal_fossa", {"side": Side.RIGHT, "named_site": "popliteal fossa", "distance_mm": None}),
        ("Stimulus digit 2 5 mA", {"named_site": "digit 2", "intensity_ma": 5.0}),
        ("Stimulus wrist 0.57ms x 8mA at 0.57cm", {"duration_ms": 0.57, "distance_mm": 5.7}),
        ("Stimulus 3", {"named_site": None}),
        ("StimA", {"named_site": None, "side": None}),
        ("Stimulus at 3cm above the wrist crease", {"distance_mm": None}),
        ("Stimulus proximal", {"named_site": None}),
    ],
)  # fmt: skip
def test_plain_stimulus(text, fields):
    said = read_note(text)
    assert said.stimulus == text
    assert {name: getattr(said, name) for name in fields} == fields


@pytest.mark.parametrize("number", ["0.2", "8.2", "15.3", "0.1"])
@pytest.mark.parametrize(
    "spelling",
    [
        "Stimulus right wrist {0}ms x {0}mA at {0}cm from recording site",
        "stimulus Right wrist  {0} ms x {0} mA  at {0} cm from recording site",
    ],
)
def test_specification_wording_and_its_variants_say_the_same(spelling, number):
    said = read_note(spelling.format(number))
    assert (said.side, said.named_site) == (Side.RIGHT, "wrist")
    assert (said.duration_ms, said.intensity_ma) == (float(number), float(number))
    assert said.distance_mm == pytest.approx(float(number) * 10)


def test_plain_numbers_without_a_unit_are_not_used():
    said = read_note("Stimulus wrist 0.2ms x 8.2 at 6.5")
    assert (said.intensity_ma, said.distance_mm, said.duration_ms) == (None, None, 0.2)
    assert [(fault.field, fault.found, fault.fatal) for fault in said.faults] == [
        ("intensity", "8.2", False),
        ("distance", "6.5", False),
    ]


def test_decimal_commas_are_not_taken_for_numbers():
    said = read_note("Stimulus wrist 0,2ms x 8,2mA at 6,5cm")
    assert (said.duration_ms, said.intensity_ma, said.distance_mm) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Response 7.2mV at 3.8ms", {"latency_ms": 3.8, "amplitude_uv": 7200.0}),
        ("Response 7.2mV at 7.8ms (55.0m/s)", {"latency_ms": 7.8, "amplitude_uv": 7200.0, "velocity_m_s": 55.0}),
        ("response: 12 µV at 2800 us", {"latency_ms": 2.8, "amplitude_uv": 12.0}),
    ],
)
def test_plain_response(text, values):
    assert {value.kind: value.value for value in read_note(text).reported} == values


def test_response_without_numbers_is_a_note():
    assert read_note("Response absent").notes == ("Response absent",)


@pytest.mark.parametrize(
    "text", ["Average of 14 sweeps", "averaged: 14", "14 sweeps accepted", "14 responses averaged"]
)
def test_averaged_count_in_plain_text(text):
    assert read_note(text).averaged_count == 14


def test_xml_note_of_the_specification_with_its_odd_spacing():
    said = xml(
        '\n<Stimulus_elbow><duration unit="ms" >0.2</duration>\n<intensity mode="current" unit="mA">15.3</intensity>'
        '<position>right elbow</position>\n<distance mode="stimulus\n  to recording" unit = " cm ">28.5</distance>'
        "</Stimulus_elbow>\n"
    )
    assert (said.stimulus, said.side, said.site) == ("Stimulus_elbow", Side.RIGHT, "elbow")
    assert (said.duration_ms, said.intensity_ma, said.distance_mm) == (0.2, 15.3, 285.0)
    assert said.faults == said.notes == ()


def test_xml_measurements_keep_their_mode():
    said = xml('<measurements><amplitude mode="  baseline\nto  peak " unit="mV">7.2</amplitude></measurements>')
    assert said.reported == (ReportedValue(kind="amplitude_uv", value=7200.0, mode="baseline to peak"),)


def test_xml_temperature_recording_and_counts():
    said = xml(
        '<temperature unit="degree C" position="left hand">33.2</temperature><recording>Second finger</recording>'
        "<sweeps><accepted>14</accepted><rejected>2</rejected></sweeps>"
    )
    assert (said.temperature_c, said.temperature_site) == (33.2, "left hand")
    assert (said.recording, said.averaged_count) == ("Second finger", 14)
    assert said.notes == ("<rejected>2</rejected>",)


@pytest.mark.parametrize(
    ("inner", "field"),
    [
        ("<distance>28.5</distance>", "distance"),
        ('<distance unit="furlong">28.5</distance>', "distance"),
        ('<duration unit="">0.2</duration>', "duration"),
        ("<temperature>33</temperature>", "temperature"),
        ('<temperature unit="degree F">91</temperature>', "temperature"),
        ("<intensity>8</intensity>", "intensity"),
        ('<intensity mode="current" unit="V">8</intensity>', "intensity"),
        ("<measurements><latency>3.8</latency></measurements>", "latency"),
        ('<velocity unit="km/h">200</velocity>', "velocity"),
    ],
)
def test_xml_value_without_a_unit_is_not_used_and_reported(inner, field):
    said = xml(inner)
    assert said.reported == ()
    assert (said.distance_mm, said.duration_ms, said.intensity_ma, said.intensity_v, said.temperature_c) == (None,) * 5
    (fault,) = said.faults
    assert fault.field == field
    assert not fault.fatal


@pytest.mark.parametrize("value", ["", "6,5", "about 6", "-6", "0", "1e3", "nan"])
def test_xml_distance_that_is_no_positive_number_is_not_used(value):
    said = xml(f'<distance unit="cm">{value}</distance>')
    assert said.distance_mm is None
    assert len(said.faults) == 1


def test_xml_distance_of_another_kind_is_a_note():
    said = xml('<distance mode="between electrodes" unit="mm">30</distance>')
    assert said.distance_mm is None
    assert said.notes == ('<distance mode="between electrodes" unit="mm">30</distance>',)


def test_xml_unknown_elements_and_comments_are_kept():
    said = xml("<!-- no --><electrode type='ring'>\n  2nd   finger</electrode><comments> cold hand </comments>")
    assert said.notes == ('<electrode type="ring"> 2nd finger</electrode>', "cold hand")


def test_xml_entities_and_instructions_do_nothing():
    assert xml("<comments>5 &lt; 6 &#956;V</comments><?php evil ?>").notes == ("5 < 6 μV",)
    assert xml("<comments>&secret;</comments>").faults[0].fatal


def test_xml_may_declare_any_encoding():
    said = read_note('<?xml version="1.0" encoding="utf-16"?><EDF_XMLnote><recording>É</recording></EDF_XMLnote>')
    assert said.recording == "É"


def test_statements_that_agree_are_joined():
    merged, faults = merge_statements([read_note("Stimulus_wrist"), xml("<position>left wrist</position>")])
    assert (merged.stimulus, merged.site, merged.side) == ("Stimulus_wrist", "wrist", Side.LEFT)
    assert faults == ()


def test_position_wins_over_a_name_that_is_no_known_place():
    merged, faults = merge_statements([read_note("Stimulus_cubital"), xml("<position>elbow</position>")])
    assert (merged.site, faults) == ("elbow", ())


def test_statements_that_contradict_each_other_are_reported():
    _, faults = merge_statements([xml("<side>left</side>"), xml("<side>right</side>")])
    assert [fault.field for fault in faults] == ["side"]


# -- recording field and label -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "nerve", "side", "technique"),
    [
        ("MNC R Median Nerve.", "median", Side.RIGHT, Technique.MOTOR),
        ("MNC_L_Median_Nerve", "median", Side.LEFT, Technique.MOTOR),
        ("SNC_L_Median_Nerve", "median", Side.LEFT, Technique.SENSORY),
        ("SEP L_Tibial_Nerve", "tibial", Side.LEFT, None),
        ("L_Biceps_Brachii", None, Side.LEFT, None),
        ("motor right deep peroneal", "deep fibular", Side.RIGHT, Technique.MOTOR),
        ("sensory sural left", "sural", Side.LEFT, Technique.SENSORY),
        ("Superficial Fibular antidromic", "superficial fibular", None, Technique.SENSORY),
        ("MNC R Median and Ulnar Nerve", None, Side.RIGHT, Technique.MOTOR),
        ("MNC R and L Median Nerve", "median", None, Technique.MOTOR),
        ("MNC SNC Median", "median", None, None),
        ("anterior tibial", None, None, None),
        ("", None, None, None),
    ],
)
def test_study_words(text, nerve, side, technique):
    assert read_study_words(text) == (nerve, side, technique)


def test_initials_of_a_person_are_no_side():
    assert read_study_words("Recorded by R Smith, EMG lab", is_structured=False).side is None
    assert read_study_words("Smith MNC R Median", is_structured=False).side is Side.RIGHT


@pytest.mark.parametrize(
    ("label", "site", "side"),
    [("R APB", "APB", Side.RIGHT), ("NC L_APB", "APB", Side.LEFT), ("NC Second Finger", "Second Finger", None),
     ("EMG L_Biceps_Bra", "Biceps Bra", Side.LEFT), ("EMG1", None, None), ("Ch 2", None, None), ("", None, None),
     ("MNC L Median", None, Side.LEFT), ("Fp1", "Fp1", None)],
)  # fmt: skip
def test_labels(label, site, side):
    words = read_label(label)
    assert (words.site, words.words.side) == (site, side)


# -- filters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("HP:10Hz LP:10kHz N:50Hz", (10.0, 10_000.0, 50.0)),
        ("HP:3Hz LP:20kHz", (3.0, 20_000.0, None)),
        ("hp: 0.5 Hz; lp: 2.5 KHZ; notch: 60 hz", (0.5, 2500.0, 60.0)),
        ("LP:   NaN Hz; HP:   NaN Hz; Notch: NaN", (None, None, None)),
        ("HP:10 LP:10", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_filters(text, values):
    low, high, notch = values
    assert parse_filters(text) == Filters(low_cut_hz=low, high_cut_hz=high, notch_hz=notch, text=text)


@given(st.text(max_size=80))
def test_any_text_is_read_without_an_error(text):
    assert parse_filters(text).text == text
    assert read_label(text).words is not None
    assert read_study_words(text) is not None
    assert merge_statements([read_note(text)])[0] is not None
