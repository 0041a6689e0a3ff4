"""Text of machines and tables with too much, too little or nothing of something; and what sidecars may not say."""

import datetime as dt
import os

import numpy as np
import pytest

import ncs
from ncs.errors import InvalidInputError, ReadError
from ncs.io import _labchart_text, cfs, labchart, natus, reading, registry
from ncs.io._complete import complete
from ncs.io._dialect import split
from ncs.io.protocol import load_protocol
from ncs.io.sidecar import load_sidecar
from ncs.model import Segment, Stimulus, Study, Subject, Trace, Visit
from tests.io import test_cfs, test_delimited, test_labchart, test_natus, test_qtrac
from tests.io.test_registry import FakeReader, entry_points  # noqa: F401  # a fixture
from tests.io.test_sidecar import MINIMAL, mistakes

RAMP = test_labchart.RAMP


def told(problems):
    return [(problem.field, problem.expected, problem.found) for problem in problems]


# LabChart


def test_a_file_whose_only_channel_is_the_trigger_has_none():
    content = test_labchart.block(RAMP, titles=["TTL"])
    (problem,) = test_labchart.faults(content, {**test_labchart.TRUE, "stimuli": {"trigger_channel": "TTL"}})
    assert told([problem]) == [("ChannelTitle", "a channel beside the trigger", "none")]


def test_more_blocks_than_a_file_may_have(monkeypatch):
    monkeypatch.setattr(_labchart_text, "_MOST_BLOCKS", 2)
    found = test_labchart.faults(test_labchart.block(RAMP) * 3, test_labchart.AT_ZERO)
    assert told(found) == [("blocks", "at most 2 in one file", "more")]


def test_more_stimuli_than_a_channel_may_have(monkeypatch):
    monkeypatch.setattr(labchart, "_MOST_TRACES", 2)
    comments = {100: "#* StimA", 200: "#* StimB", 300: "#* StimC"}
    found = test_labchart.faults(test_labchart.block(RAMP, comments=comments))
    assert told(found) == [("stimuli", "at most 2 traces of one channel", "3")]


def test_comments_of_a_block_that_contradict_each_other_forbid_it():
    comments = {
        100: "#* Stimulus wrist 0.2ms x 8mA at 7cm from recording site",
        101: '#* <EDF_XMLnote><distance unit="mm">90</distance></EDF_XMLnote>',
    }
    (problem,) = test_labchart.faults(test_labchart.block(RAMP, comments=comments), test_labchart.AT_ZERO)
    assert told([problem]) == [("distance_mm", "one value, 70.0", "90.0")]
    assert problem.hint == "The file contradicts itself."


def test_times_that_no_decimal_places_explain_are_taken_as_they_are():
    assert _labchart_text._last_place(np.array([0.001, 0.002])) == 0.001
    assert _labchart_text._last_place(np.array([np.pi * 1e-7, np.e * 1e3])) == 0.0


# Natus, QTRAC, CFS


def test_more_sweeps_than_a_natus_file_may_have(monkeypatch):
    monkeypatch.setattr(natus, "_MOST_TRACES", 0)
    assert told(test_natus.faults(test_natus.VIKING)) == [("sections", "at most 0 traces in one file", "more")]


def test_a_wrong_number_that_two_sweeps_need_is_one_fault():
    data = "\r\n".join(
        f"{kind}(mV)<10>={test_natus.listed(test_natus.VALUES)}" for kind in ("Averaged Data", "Sweep Data")
    )
    found = test_natus.faults(test_natus.section(data, duration="Sweep Duration(ms)=five"))
    assert told(found).count(("Sweep Duration(ms)", "a number", "'five'")) == 1


def test_lines_that_no_qtrac_writes_are_left_out_and_noted(tmp_path):
    content = b" 1. \t3.5\tLatency (ms)\r\n 2. \t4.5\t\\\r\n" + b" 3. \t" + b"9" * 100_000 + b"\tLong\r\n"
    with pytest.warns(ncs.errors.NcsWarning):
        visit = test_qtrac.mem(tmp_path, content)
    assert "Latency (ms)" in test_qtrac.reported(visit)
    found = {problem.field: problem.hint for problem in visit.problems}
    assert found["variable"] == "The number was not used."
    assert found["content"] == "It was not read."


def a_cfs(*, start=-2.0, form=0, samples=((0.0, 1.0, 2.0),)):
    channels = [("R APB", "mV", "ms", test_cfs.RL4, form)]
    sections = [((at, 50.0), [(np.array(values), 1.0, 0.0, 0.05, start)]) for at, values in enumerate(samples)]
    return test_cfs.cfs(
        channels,
        sections,
        section_variables=(("State", test_cfs.INT2, ""), ("Pulse", test_cfs.RL4, "V")),
        date="21/08/17",
    )


def test_cfs_stimulators_of_constant_voltage(tmp_path):
    sidecar = {**test_cfs.SIDECAR, "stimulus_ms": 1.0, "layout": {"intensity_variable": "Pulse"}}
    (study,) = test_cfs.read(a_cfs(), tmp_path, sidecar=sidecar).studies
    assert study.traces[0].stimulus.intensity_v.tolist() == [50.0]
    assert study.traces[0].stimulus.intensity_ma is None


@pytest.mark.parametrize(
    ("how", "sidecar", "expected"),
    [
        ({"form": 1}, {"stimulus_ms": 1.0}, "a channel of equally spaced samples"),
        ({"start": np.nan}, {"stimulus_ms": "time_zero"}, 'a time axis, for "time_zero"'),
    ],
)
def test_cfs_files_without_what_is_needed(tmp_path, how, sidecar, expected):
    with pytest.raises(ReadError) as caught:
        test_cfs.read(a_cfs(**how), tmp_path, sidecar={**test_cfs.SIDECAR, **sidecar})
    assert [problem.expected for problem in caught.value.problems] == [expected]


def test_cfs_sections_without_samples_are_noted(tmp_path):
    with pytest.warns(ncs.errors.NcsWarning, match="a data section that holds some"):
        visit = test_cfs.read(a_cfs(samples=((), ())), tmp_path, sidecar={**test_cfs.SIDECAR, "stimulus_ms": 1.0})
    assert visit.studies[0].traces == ()


def test_more_kinds_of_sweeps_than_a_cfs_file_may_have(tmp_path, monkeypatch):
    monkeypatch.setattr(cfs, "_MOST_TRACES", 1)
    with pytest.raises(ReadError, match="expected at most 1 kinds of sweeps, found 2"):
        test_cfs.read(a_cfs(samples=((1.0, 2.0), (3.0, 4.0))), tmp_path, sidecar=test_cfs.SIDECAR)


# Delimited text


def test_the_time_column_is_no_sample():
    found = test_delimited.faults("t (ms);a\n0;1\n1;2\n2;4\n", time_column=1, sample_columns="1-2")
    assert told(found)[0] == ("layout.sample_columns", "columns of samples", "the time column among them")


def test_columns_in_different_units_are_refused():
    found = test_delimited.faults("a (mV);b (uV)\n1;2\n3;4\n5;7\n")
    assert ("unit", "one unit for all columns", "mV, uV") in told(found)


def test_chosen_columns_of_a_table_of_rows():
    content = "9;1;2;3\n8;4;5;7\n"
    assert test_delimited.samples(content, kind="rows", sample_columns="2-4") == [[1, 2, 3], [4, 5, 7]]


def test_a_quoted_cell_beyond_any_length_is_split_as_plain_text():
    cell = '"' + "x" * 200_000
    assert split(f'{cell};1"', ";") == [cell, '1"']


# Sidecars and protocols


ARRAY = {"variable": "emg"}


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ({"layout": {"arrays": [{"axes": ["sweep"]}]}}, "$.layout.arrays[0].axes", '"sample"'),
        ({"layout": {"arrays": [{"axes": ["sample", "sample"]}]}}, "$.layout.arrays[0].axes", "each once"),
        ({"layout": {"arrays": [{"axes": ["sample", "row"]}]}}, "$.layout.arrays[0].axes", '"channel"'),
        ({"layout": {"arrays": [{**ARRAY, "time_variable": "t"}]}}, "$.layout.arrays[0]", "`time_unit`"),
        ({"layout": {"arrays": [{**ARRAY, "stimulus_variable": "t"}]}}, "$.layout.arrays[0]", "`time_unit`"),
        ({"layout": {"arrays": [{**ARRAY, "intensity_variable": "i"}]}}, "$.layout.arrays[0]", "`intensity_unit`"),
        ({"layout": {"arrays": [{**ARRAY, "sampling_rate_hz": 1, "sampling_rate_variable": "fs"}]}},
         "$.layout.arrays[0]", "one of `sampling_rate_hz`"),
        ({"layout": {"sample_columns": 3}}, "$.layout.sample_columns", '"2-81"'),
        ({"layout": {"sample_columns": []}}, "$.layout.sample_columns", "a list of column names"),
        ({"stimuli": {"times_s": []}}, "$.stimuli.times_s", "a number, a list of numbers"),
        ({"stimuli": {"times_s": [1, "two"]}}, "$.stimuli.times_s", "a number, a list of numbers"),
        ({"stimuli": {"times_s": [float("inf")]}}, "$.stimuli.times_s", "a number, a list of numbers"),
        ({"stimuli": {"times_s": [0.0] * 100_001}}, "$.stimuli.times_s", "at most 100000 times"),
        ({"stimuli": {"markers": []}}, "$.stimuli.markers", "a list of texts"),
        ({"stimuli": {"markers": "S 1"}}, "$.stimuli.markers", "a list of texts"),
        ({"stimuli": {"times_s": 1, "times_ms": 1000}}, "$.stimuli", "only one of `times_s` and `times_ms`"),
        ({"stimuli": {"use": "times"}}, "$.stimuli", "which `use` asks for"),
    ],
)  # fmt: skip
def test_what_a_sidecar_may_not_say(content, place, words):
    found = mistakes({**MINIMAL, **content})
    assert list(found) == [place]
    assert words in found[place].expected


def test_times_by_site_and_a_day_that_is_one_already():
    sidecar = load_sidecar(
        {**MINIMAL, "date": dt.date(2024, 2, 3), "stimuli": {"times_ms": {"Wrist": 1, "elbow": [2, 3]}}}
    )
    assert sidecar.date == dt.date(2024, 2, 3)
    assert sidecar.stimuli.times_ms == {"wrist": (1.0,), "elbow": (2.0, 3.0)}


def test_a_label_that_the_protocol_does_not_know_has_no_site():
    lab = load_protocol({"ncs_protocol": 1, "stimulus_labels": {"StimA": "wrist"}, "stimuli": {"markers": ["S 1"]}})
    assert [lab.site_of_label(label, None) for label in ("stima", "StimB", "S 1")] == ["wrist", None, None]


# Bringing file, sidecar and protocol together


def a_visit(*traces, **fields):
    return Visit(subject=Subject(), date=None, studies=(Study(traces=traces, **fields),))


def a_trace(**fields):
    return Trace(samples_uv=[[0.0, 1.0]], sampling_rate_hz=1000, **fields)


def test_what_the_sidecar_repeats_changes_nothing():
    """A covariate, a segment and a text for the stimulus time that the file states as well."""
    segment = Segment(distal_site="wrist", proximal_site="elbow", distance_mm=220.0)
    sites = (a_trace(stimulation_site="wrist", stimulus_ms=[0.5]), a_trace(stimulation_site="elbow", stimulus_ms=[0.5]))
    visit = Visit(
        subject=Subject(), date=None, studies=(Study(traces=sites, segments=(segment,)),), covariates={"age": 40}
    )
    sidecar = load_sidecar({
        **MINIMAL, "covariates": {"age": 40}, "stimulus_ms": "time_zero",
        "segments": [{"distal": "wrist", "proximal": "elbow", "distance_mm": 220}],
        "traces": [{"stimulation_site": "wrist"}, {"stimulation_site": "elbow"}],
    })  # fmt: skip
    found = complete(visit, sidecar, None)
    assert found.covariates == {"age": 40}
    assert found.studies[0].segments == (segment,)
    assert [trace.stimulus_ms.tolist() for trace in found.studies[0].traces] == [[0.5], [0.5]]


def test_a_label_without_a_site_in_the_protocol_leaves_the_site_unset():
    lab = load_protocol({"ncs_protocol": 1, "stimulus_labels": {"StimA": "wrist"}})
    (study,) = complete(a_visit(a_trace(stimulus=Stimulus(label="StimZ"))), None, lab).studies
    assert study.traces[0].stimulation_site is None


# The files themselves, and readers from elsewhere


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"0123456789")
    number = os.open(path, os.O_RDONLY)
    try:
        assert reading._read_all(number, 4) == b"0123456789"
    finally:
        os.close(number)


def test_an_error_of_a_reader_from_elsewhere_keeps_its_kind(entry_points, tmp_path):  # noqa: F811
    class Refusing(FakeReader):
        def read(self, request):
            raise InvalidInputError("sidecar: expected the gain")

    entry_points(mine=Refusing("mine", 1.0), other=FakeReader("other", 0.5))
    path = tmp_path / "a.bin"
    path.write_bytes(b"\0\1")
    with pytest.raises(InvalidInputError, match="expected the gain"):
        ncs.read(path)
    with pytest.raises(ReadError, match=r"a failure of the reader other .*ValueError: fell over"):
        ncs.read(path, format="other")
    assert registry.named("mine").origin == "entry point"
