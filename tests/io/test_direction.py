"""Whether a sensory study is antidromic or orthodromic: from labels, the EDF recording field, or the sidecar."""

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import pytest

import ncs
from ncs import simulate
from ncs.errors import ConflictError, SidecarError
from ncs.io._complete import complete
from ncs.io._study_words import direction_of
from ncs.model import Direction, Origin, Stimulus, Study, Subject, Technique, Trace, Visit


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SNC R Median orthodromic", Direction.ORTHODROMIC),
        ("Antidromic_D2", Direction.ANTIDROMIC),
        ("antidromic and orthodromic", None),
        ("paradromic", None),
        ("", None),
    ],
)
def test_whole_words_only_and_one_of_them(text, found):
    assert direction_of(text) is found


def a_visit(channel="", label="", direction=None) -> Visit:
    trace = Trace(samples_uv=np.zeros((1, 10)), sampling_rate_hz=1e4, channel=channel, stimulus=Stimulus(label=label))
    study = Study(traces=(trace,), technique=Technique.SENSORY, direction=direction)
    return Visit(subject=Subject(id="P"), date=dt.date(2020, 1, 1), studies=(study,))


@pytest.mark.parametrize(("channel", "label"), [("NC wrist orthodromic", ""), ("", "orthodromic D2")])
def test_labels_of_channel_and_stimulus_name_it(channel, label):
    (study,) = complete(a_visit(channel, label), None, None).studies
    assert study.direction is Direction.ORTHODROMIC
    assert study.provenance["direction"] is Origin.FILE


def test_labels_that_contradict_each_other_name_none():
    (study,) = complete(a_visit("orthodromic", "antidromic"), None, None).studies
    assert study.direction is None
    assert study.provenance["direction"] is Origin.UNSET


def written(tmp_path, sidecar):
    study, _ = simulate.sensory_study(seed=1)
    np.save(tmp_path / "a.npy", study.traces[0].samples_uv)
    facts = {
        "ncs_sidecar": 1, "subject": "P", "date": "2020-01-01", "unit": "uV", "sampling_rate_hz": 20000,
        "polarity": "true", "nerve": "median", "technique": "sensory", "stimulus_ms": 2.0, **sidecar,
    }  # fmt: skip
    (tmp_path / "a.ncs.json").write_text(json.dumps(facts))
    return tmp_path / "a.npy"


def test_the_sidecar_states_it(tmp_path):
    (study,) = ncs.read(written(tmp_path, {"direction": "Orthodromic"})).studies
    assert study.direction is Direction.ORTHODROMIC
    assert study.provenance["direction"] is Origin.SIDECAR


def test_the_sidecar_knows_two_directions_only(tmp_path):
    with pytest.raises(SidecarError, match="direction"):
        ncs.read(written(tmp_path, {"direction": "sideways"}))


def test_a_sidecar_that_contradicts_the_file_is_refused():
    from ncs.io.sidecar import Sidecar

    sidecar = Sidecar.model_validate({"ncs_sidecar": 1, "direction": "antidromic"})
    with pytest.raises(ConflictError, match="direction"):
        complete(a_visit("orthodromic"), sidecar, None)
    (study,) = complete(a_visit("antidromic"), sidecar, None).studies
    assert study.direction is Direction.ANTIDROMIC


def test_without_a_word_nothing_is_assumed():
    (study,) = complete(a_visit("finger II"), None, None).studies
    assert study.direction is None
    assert replace(study, direction=Direction.ANTIDROMIC).direction is Direction.ANTIDROMIC


def test_the_recording_field_of_an_edf_file_names_it(tmp_path):
    from ncs.io.edf_write import write_edf

    study, _ = simulate.sensory_study(seed=1)
    path = tmp_path / "a.edf"
    write_edf(Visit(subject=Subject(id="P"), date=dt.date(2020, 1, 1), studies=(study,)), path)
    content = path.read_bytes()
    field = content[88:168].decode().rstrip()
    path.write_bytes(content[:88] + f"{field}_orthodromic".ljust(80).encode() + content[168:])
    (read,) = ncs.read(path).studies
    assert read.direction is Direction.ORTHODROMIC
    assert read.provenance["direction"] is Origin.FILE


def test_the_store_keeps_it(tmp_path):
    study, _ = simulate.sensory_study(direction="orthodromic", seed=1)
    visit = Visit(
        subject=Subject(id="P"), date=dt.date(2020, 1, 1), studies=(replace(study, direction=Direction.ORTHODROMIC),)
    )
    result = ncs.analyze(visit)
    with ncs.open_store(tmp_path / "a.db") as store:
        store.save(result)
        (loaded,) = store.load_results("P", "2020-01-01")
    assert loaded.visit.studies[0].direction is Direction.ORTHODROMIC
    assert ncs.analyze(loaded.visit).measurements == result.measurements
