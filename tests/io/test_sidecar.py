"""The sidecar: strict, complete in its complaints, and documented."""

import json
import pickle
import re
from pathlib import Path

import pytest

import ncs
from ncs.errors import FileAccessError, InvalidInputError, SidecarError
from ncs.io.sidecar import Sidecar, content_sha256, load_sidecar, sidecar_schema

DOCS = Path(__file__).resolve().parents[2] / "docs"
MINIMAL = {"ncs_sidecar": 1}


def mistakes(source):
    with pytest.raises(SidecarError) as caught:
        load_sidecar(source)
    return {problem.place: problem for problem in caught.value.problems}


def test_three_mistakes_are_reported_at_once_with_their_places():
    found = mistakes({
        **MINIMAL, "side": "up", "traces": [{"distance_mm": -80}, {"distance": 80}],
    })  # fmt: skip
    assert set(found) == {"$.side", "$.traces[0].distance_mm", "$.traces[1].distance"}
    assert "'left' or 'right'" in found["$.side"].expected
    assert found["$.side"].found == "'up'"
    assert "above 0" in found["$.traces[0].distance_mm"].expected
    assert "distance_mm" in found["$.traces[1].distance"].hint


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({}, "$.ncs_sidecar"),
        ({"ncs_sidecar": True}, "$.ncs_sidecar"),
        ({**MINIMAL, "date": 20240203}, "$.date"),
        ({**MINIMAL, "date": "2024-02-30"}, "$.date"),
        ({**MINIMAL, "date": "3.2.2024"}, "$.date"),
        ({**MINIMAL, "unit": "kg"}, "$.unit"),
        ({**MINIMAL, "polarity": "negative up"}, "$.polarity"),
        ({**MINIMAL, "skin_temperature_c": 96.8}, "$.skin_temperature_c"),
        ({**MINIMAL, "sampling_rate_hz": "20 kHz"}, "$.sampling_rate_hz"),
        ({**MINIMAL, "sampling_rate_hz": float("inf")}, "$.sampling_rate_hz"),
        ({**MINIMAL, "sampling_rate_hz": True}, "$.sampling_rate_hz"),
        ({**MINIMAL, "stimulus_ms": "zero"}, "$.stimulus_ms"),
        ({**MINIMAL, "stimulus_ms": []}, "$.stimulus_ms"),
        ({**MINIMAL, "stimulus_ms": 10**400}, "$.stimulus_ms"),
        ({**MINIMAL, "filters": {"low_cut_hz": 20, "high_cut_hz": 3}}, "$.filters"),
        ({**MINIMAL, "covariates": {"vegf": None}}, "$.covariates.vegf"),
        ({**MINIMAL, "covariates": {"vegf": float("nan")}}, "$.covariates.vegf"),
        ({**MINIMAL, "layout": {"kind": "rows", "time_column": 1}}, "$.layout"),
        ({**MINIMAL, "layout": {"kind": "long", "value_column": 1}}, "$.layout"),
        ({**MINIMAL, "layout": {"time_column": 0}}, "$.layout.time_column"),
        ({**MINIMAL, "layout": {"sample_columns": "2-"}}, "$.layout.sample_columns"),
        ({**MINIMAL, "traces": [{"stimulation_site": "left wrist"}]}, "$.traces[0].stimulation_site"),
        ({**MINIMAL, "traces": [{"select": {"sweeps": "0-3"}}]}, "$.traces[0].select.sweeps"),
        ({**MINIMAL, "traces": [{"select": {"sweeps": "1-999999"}}]}, "$.traces[0].select.sweeps"),
        ({**MINIMAL, "traces": [{"select": {"sweeps": [1, 1]}}]}, "$.traces[0].select.sweeps"),
        ({**MINIMAL, "studies": [], "traces": []}, "$"),
        ({**MINIMAL, "nerve": "  "}, "$.nerve"),
    ],
)
def test_each_mistake_is_found_where_it_is(content, place):
    assert list(mistakes(content)) == [place]


def test_a_newer_version_says_so_and_nothing_else():
    found = mistakes({"ncs_sidecar": 2, "future": 1})
    assert list(found) == ["$.ncs_sidecar"]
    assert "update ncs" in found["$.ncs_sidecar"].hint


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ('{"ncs_sidecar": 1,\n "side": }', "line 2, column 10", "expecting value"),
        ('{"ncs_sidecar": 1, "side": "left", "side": "right"}', "", "twice"),
        ("[1, 2]", "$", "a list of 2"),
        ("", "line 1, column 1", "expecting value"),
        (b"\xff\xfe{", "byte 0", "other bytes"),
        ("[" * 100_000, "", ""),
        ('{"ncs_sidecar": 1, "unit": ' + "9" * 5000 + "}", "", "limit"),
    ],
)
def test_a_broken_file_is_described(tmp_path, content, place, words):
    path = tmp_path / "x.ncs.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = mistakes(path)
    assert list(found) == [place]
    assert found[place].file == str(path)
    assert words in found[place].found


def test_a_missing_file_and_a_wrong_argument(tmp_path):
    with pytest.raises(FileAccessError, match="no such file"):
        load_sidecar(tmp_path / "absent.ncs.json")
    with pytest.raises(FileAccessError, match="directory"):
        load_sidecar(tmp_path)
    with pytest.raises(InvalidInputError, match="found int"):
        load_sidecar(3)


def test_a_file_a_mapping_and_a_sidecar_are_the_same_and_hash_the_same(tmp_path):
    content = {"ncs_sidecar": 1, "date": "2024-02-03", "traces": [{"distance_mm": 80, "intensity_ma": [1, 2.5]}]}
    path = tmp_path / "x.ncs.json"
    path.write_text(json.dumps({name: content[name] for name in reversed(content)}, indent=4).replace("80", "80.0"))
    from_file, from_mapping = load_sidecar(path), load_sidecar(content)
    assert from_file == from_mapping == load_sidecar(from_mapping)
    assert content_sha256(from_file) == content_sha256(from_mapping)
    assert content_sha256(from_file) != content_sha256(load_sidecar({**content, "date": "2024-02-04"}))
    assert pickle.loads(pickle.dumps(from_file)) == from_file
    assert load_sidecar(from_file.model_dump(mode="json", by_alias=True, exclude_unset=True)) == from_file


def test_texts_are_brought_to_one_form():
    sidecar = load_sidecar({
        **MINIMAL, "nerve": " Median ", "side": "Left", "sex": "f", "traces": [{"stimulation_site": "Popliteal_Fossa"}],
        "layout": {"delimiter": "tab"},
    })  # fmt: skip
    assert (sidecar.nerve, sidecar.side, sidecar.sex) == ("median", "left", "F")
    assert sidecar.traces[0].stimulation_site == "popliteal fossa"
    assert sidecar.layout.delimiter == "\t"


def test_an_entry_of_studies_takes_from_the_top_what_it_does_not_state():
    sidecar = load_sidecar({**MINIMAL, "nerve": "median", "side": "left", "studies": [{"side": "right"}, {}]})
    assert [(entry.nerve, entry.side) for entry in sidecar.study_entries()] == [("median", "right"), ("median", "left")]


def every_field(schema):
    yield from schema["properties"].items()
    for model in schema["$defs"].values():
        yield from model["properties"].items()


def test_every_field_of_the_schema_is_described_and_documented():
    text = (DOCS / "sidecar.md").read_text(encoding="utf-8")
    fields = list(every_field(sidecar_schema()))
    assert len(fields) > 50
    for name, field in fields:
        description = " ".join(field["description"].split())
        rows = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert any(description in row for row in rows), name
        unit = re.search(r"_(ms|mm|hz|ma|v|c)$", name)
        if unit:
            words = {"ms": "ms|milliseconds", "mm": "mm", "hz": "Hz", "ma": "mA", "v": "V", "c": "Celsius"}[unit[1]]
            assert re.search(words, description), name


def test_the_schema_is_json_and_forbids_unknown_fields():
    schema = json.loads(json.dumps(sidecar_schema()))
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["ncs_sidecar"]
    assert "comma" in json.dumps(schema["$defs"]["Layout"])


def test_the_examples_of_the_documentation_are_valid():
    text = (DOCS / "sidecar.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 5
    assert all(isinstance(load_sidecar(json.loads(block)), Sidecar) for block in blocks)


def test_the_text_examples_of_the_documentation_are_read(tmp_path):
    text = (DOCS / "sidecar.md").read_text(encoding="utf-8")
    pairs = re.findall(r"```text\n(.*?)```.*?```json\n(.*?)```", text, re.DOTALL)
    shapes, rates, stimuli = [], [], []
    for number, (table, sidecar) in enumerate(pairs):
        path = tmp_path / f"{number}.csv"
        path.write_text(table, encoding="utf-8")
        (tmp_path / f"{number}.ncs.json").write_text(sidecar, encoding="utf-8")
        traces = [trace for study in ncs.read(path).studies for trace in study.traces]
        shapes.append([trace.samples_uv.shape for trace in traces])
        rates.append({round(trace.sampling_rate_hz) for trace in traces})
        stimuli.append({round(float(time), 9) for trace in traces for time in trace.stimulus_ms})
    assert shapes == [[(2, 3), (2, 3)], [(2, 4)], [(2, 3)]]
    assert rates == [{20000}, {20000}, {10000}]
    assert stimuli == [{0.05}, {0.0}, {0.1}]
