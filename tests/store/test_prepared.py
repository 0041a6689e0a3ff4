"""A result as rows: what a worker sends to the writer arrives as it was, and holds plain values only."""

import dataclasses
import pickle

import pytest

import ncs
from ncs.errors import Problem
from ncs.store._rows import MEASURED, prepare
from tests.store.build import build_result, build_visit

PLAIN = (type(None), bool, int, float, str, bytes, tuple, list)


def results():
    several = build_result(2, n_sweeps=3)
    source = dataclasses.replace(several.sources[0], name="other.edf", sidecar_sha256="ab" * 32)
    problem = Problem(file="a.edf", place="record 3", field="length", expected="8", found="7", hint="Look.")
    visit = dataclasses.replace(several.visit, sources=(*several.sources, source), problems=(problem,))
    nowhere = dataclasses.replace(build_visit(3), sources=(), date=None, subject=ncs.model.Subject())
    return build_result(1), dataclasses.replace(several, visit=visit), ncs.analyze(nowhere)


@pytest.mark.parametrize("result", results(), ids=["one", "several", "nowhere"])
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_what_is_sent_arrives_as_it_was(result, protocol):
    sent = prepare(result)
    arrived = pickle.loads(pickle.dumps(sent, protocol))
    assert arrived == sent
    assert repr(arrived) == repr(sent)
    assert arrived.head.sources == result.visit.sources


def values_of(row):
    for value in row:
        yield value
        if isinstance(value, tuple | list):
            yield from values_of(value)


@pytest.mark.parametrize("result", results(), ids=["one", "several", "nowhere"])
def test_rows_hold_plain_values(result):
    ready = prepare(result)
    rows = (*ready.studies, *ready.waveforms, *ready.traces, *ready.marks, *ready.measurements)
    assert {type(value) for value in values_of(rows)} <= set(PLAIN)


def test_equal_kinds_are_one_object_which_is_sent_once():
    first, second = (prepare(build_result(seed)) for seed in (1, 1))
    for one, other in zip(first.measurements, second.measurements, strict=True):
        assert one[2] is other[2]
    alone = len(pickle.dumps([first]))
    assert len(pickle.dumps([first, second])) < 2 * alone - sum(len(row[2][0]) for row in second.measurements)


@pytest.mark.parametrize("n_sweeps", [1, 4])
def test_marks_have_a_row_per_sweep_and_one_of_what_is_measured(n_sweeps):
    result = ncs.analyze(build_visit(1, n_sweeps=n_sweeps))
    ready = prepare(result)
    for entry in result.marks:
        place = (entry.study_index, entry.trace_index, entry.response)
        measured, *sweeps = [row for row in ready.marks if row[:3] == place]
        assert [row[3] for row in (measured, *sweeps)] == [MEASURED, *range(n_sweeps)]
        (chosen,) = entry.measured_sweeps  # that of the highest intensity
        assert measured[5:] == sweeps[chosen][5:]


def test_marks_of_a_mean_are_its_own():
    visit = build_visit(1, n_sweeps=4)
    (study,) = visit.studies
    traces = tuple(dataclasses.replace(trace, stimulus=ncs.model.Stimulus()) for trace in study.traces)
    result = ncs.analyze(dataclasses.replace(visit, studies=(dataclasses.replace(study, traces=traces),)))
    measured, *sweeps = prepare(result).marks[:5]
    assert result.marks[0].measured_sweeps == (0, 1, 2, 3)
    assert measured[5] == float(result.marks[0].measured.onset_ms[0])
    assert measured[5] not in [row[5] for row in sweeps]
