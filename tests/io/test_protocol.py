"""The protocol file: strict, and only ever filling what is absent."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ncs.errors import SidecarError
from ncs.io._complete import complete
from ncs.io.protocol import load_protocol
from ncs.model import Origin, Provenance, Side, Stimulus, Study, Subject, Technique, Trace, Visit

DOCS = Path(__file__).resolve().parents[2] / "docs"
LAB = {
    "ncs_protocol": 1,
    "distance_sd_mm": 3,
    "channels": {"NC L_APB": {"nerve": "Median", "side": "left", "technique": "motor", "recording_site": "APB"}},
    "stimulus_labels": {"StimA": "wrist", "StimB": "elbow"},
    "studies": [
        {"nerve": "median", "technique": "motor", "sites": ["wrist", "elbow", "axilla"], "distances_mm": {"wrist": 80}},
        {
            "nerve": "median", "technique": "motor", "recording_site": "FDI", "sites": ["wrist", "elbow"],
            "distances_mm": {"wrist": 120}, "stimulus_labels": {"StimA": "elbow"}, "temperature_site": "palm",
        },
    ],
}  # fmt: skip


def trace(**fields):
    return Trace(samples_uv=[[0.0, 1.0]], sampling_rate_hz=1000, **fields)


def labelled(label, **fields):
    return trace(stimulus=Stimulus(label=label), channel="NC L_APB", **fields)


def visit(*traces, **fields):
    return Visit(subject=Subject(), date=None, studies=(Study(traces=traces, **fields),))


def filled(*traces, lab=LAB, **fields):
    return complete(visit(*traces, **fields), None, load_protocol(lab)).studies[0]


def test_channel_label_and_fixed_distance_are_filled_and_marked():
    study = filled(labelled("StimB"), labelled("stima"))
    assert (study.nerve, study.side, study.technique) == ("median", Side.LEFT, Technique.MOTOR)
    assert (study.recording_site, study.distance_sd_mm) == ("APB", 3.0)
    assert [t.stimulation_site for t in study.traces] == ["wrist", "elbow"]
    assert [t.distance_mm for t in study.traces] == [80.0, None]
    assert study.traces[0].provenance["distance_mm"] is Origin.PROTOCOL
    assert study.traces[1].provenance["distance_mm"] is Origin.UNSET
    assert {study.provenance[name] for name in ("nerve", "side", "technique", "recording_site", "distance_sd_mm")} == {
        Origin.PROTOCOL
    }


def test_what_the_file_states_stays_even_where_the_protocol_differs():
    distance = labelled("StimA", distance_mm=75.0, provenance=Provenance(distance_mm=Origin.FILE))
    study = filled(distance, nerve="median", technique=Technique.MOTOR, side=Side.RIGHT, recording_site="APB")
    assert study.side is Side.RIGHT
    assert study.traces[0].distance_mm == 75.0
    assert study.traces[0].provenance["distance_mm"] is Origin.FILE


def test_an_entry_with_the_recording_site_goes_before_one_without():
    study = filled(
        labelled("StimA"), nerve="median", technique=Technique.MOTOR, recording_site="fdi", skin_temperature_c=32.0
    )
    assert study.traces[0].stimulation_site == "elbow"
    assert study.temperature_site == "palm"


def test_traces_are_ordered_by_distance_when_all_have_one():
    traces = [
        trace(stimulation_site=s, distance_mm=d) for s, d in (("elbow", 280.0), ("wrist", 70.0), ("axilla", 400.0))
    ]
    study = complete(visit(*traces), None, None).studies[0]
    assert [t.stimulation_site for t in study.traces] == ["wrist", "elbow", "axilla"]
    assert study.provenance["site_order"] is Origin.FILE


def test_traces_are_ordered_by_the_protocol_when_a_distance_is_missing():
    traces = [trace(stimulation_site=site) for site in ("axilla", "elbow", "wrist")]
    known = {"nerve": "median", "technique": Technique.MOTOR}
    study = filled(*traces, **known)
    assert [t.stimulation_site for t in study.traces] == ["wrist", "elbow", "axilla"]
    assert study.provenance["site_order"] is Origin.PROTOCOL
    unknown = filled(*traces, trace(stimulation_site="palm"), **known)
    assert [t.stimulation_site for t in unknown.traces] == ["axilla", "elbow", "wrist", "palm"]
    assert unknown.provenance["site_order"] is Origin.UNSET


def test_a_single_trace_is_known_to_be_distal_only_by_the_first_site_of_the_protocol():
    known = {"nerve": "median", "technique": Technique.MOTOR}
    assert filled(trace(stimulation_site="wrist"), **known).provenance["site_order"] is Origin.PROTOCOL
    assert filled(trace(stimulation_site="elbow"), **known).provenance["site_order"] is Origin.UNSET


def test_distances_against_the_order_of_the_protocol_are_reported():
    traces = [trace(stimulation_site="wrist", distance_mm=280.0), trace(stimulation_site="elbow", distance_mm=80.0)]
    found = complete(visit(*traces, nerve="median", technique=Technique.MOTOR), None, load_protocol(LAB))
    assert [t.stimulation_site for t in found.studies[0].traces] == ["elbow", "wrist"]
    assert [problem.field for problem in found.problems] == ["distance_mm"]


def test_without_sidecar_and_protocol_the_visit_itself_comes_back():
    given = visit(trace(stimulation_site="wrist"))
    assert complete(given, None, None) is given


def test_mistakes_are_reported_at_once():
    wrong = {
        **LAB, "distance_sd": 3, "channels": {"x": {"side": "both"}},
        "studies": [{"nerve": "median", "sites": []}],
    }  # fmt: skip
    with pytest.raises(SidecarError) as caught:
        load_protocol(wrong)
    places = {problem.place for problem in caught.value.problems}
    assert places == {"$.distance_sd", "$.channels.x.side", "$.studies[0].technique", "$.studies[0].sites"}


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ({"sites": ["wrist", "wrist"]}, "each site once"),
        ({"sites": ["wrist"], "distances_mm": {"elbow": 200}}, "'elbow' is not"),
        ({"sites": ["wrist", "elbow"], "distances_mm": {"elbow": 80, "wrist": 200}}, "rise"),
    ],
)
def test_sites_and_distances_must_agree(study, words):
    with pytest.raises(SidecarError, match=words):
        load_protocol({"ncs_protocol": 1, "studies": [{"nerve": "median", "technique": "motor", **study}]})


def test_two_entries_for_one_study_are_refused():
    entry = {"nerve": "median", "technique": "motor", "sites": ["wrist"]}
    with pytest.raises(SidecarError, match="median motor has two"):
        load_protocol({"ncs_protocol": 1, "studies": [entry, entry]})


@pytest.mark.parametrize(
    ("content", "place"),
    [(b"ncs_protocol = \n", "line 1, column 16"), (b"\xff", "byte 0"), (b"a = " + b"[" * 50_000, "")],
)
def test_broken_toml_is_described(tmp_path, content, place):
    path = tmp_path / "lab.toml"
    path.write_bytes(content)
    with pytest.raises(SidecarError) as caught:
        load_protocol(path)
    assert [problem.place for problem in caught.value.problems] == [place]


def test_the_example_of_the_documentation_is_valid_and_every_field_is_documented(tmp_path):
    text = (DOCS / "protocol.md").read_text(encoding="utf-8")
    path = tmp_path / "lab.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", text, re.DOTALL)[1], encoding="utf-8")
    lab = load_protocol(path)
    assert lab.study("Tibial", "motor", "AH").distances_mm == {"ankle": 90.0}
    assert lab.site_of_label("StimB", lab.study("tibial", "motor", "ah")) == "popliteal fossa"
    for name in type(lab).model_fields:
        assert f"`{name}" in text
    for name in type(lab.studies[0]).model_fields:
        assert f"`studies.{name}`" in text


def test_filling_does_not_change_what_was_given():
    given = visit(labelled("StimA"))
    complete(given, None, load_protocol(LAB))
    assert given.studies[0].nerve is None
    assert replace(given.studies[0].traces[0]).stimulation_site is None
