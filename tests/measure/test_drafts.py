"""Measurements and marks that are made field by field are those that the frozen classes make."""

import dataclasses
import math
import pickle

import numpy as np
import pytest

from ncs.detect import mark
from ncs.detect.marks import Marks, MarksDraft
from ncs.model import Side, Technique
from ncs.results import Measurement, MeasurementDraft, Reason
from tests.measure.build import marks

WHOLE = Measurement(
    quantity="motor_latency", value=3.8, unit="ms", sd=0.02, reason=None, method="onset x", nerve="median",
    side=Side.LEFT, technique=Technique.MOTOR, recording_site="APB", site="wrist", segment=None, distance_mm=80.0,
    skin_temperature_c=33.0, flags=("short_segment",), study_index=1,
)  # fmt: skip
MISSING = dataclasses.replace(WHOLE, value=None, sd=None, reason=Reason.NO_RESPONSE, flags=(), site=None)


def filled(draft, noun):
    for field in dataclasses.fields(noun):
        setattr(draft, field.name, getattr(noun, field.name))
    return draft


@pytest.mark.parametrize("wanted", [WHOLE, MISSING])
def test_a_finished_draft_is_the_measurement(wanted):
    made = filled(MeasurementDraft(), wanted).finished()
    assert type(made) is Measurement
    assert made == wanted
    assert hash(made) == hash(wanted)
    assert repr(made) == repr(wanted)
    assert pickle.loads(pickle.dumps(made)) == wanted
    assert dataclasses.replace(made, study_index=2) == dataclasses.replace(wanted, study_index=2)


def test_a_finished_draft_cannot_be_changed():
    measured = filled(MeasurementDraft(), WHOLE).finished()
    marked = filled(MarksDraft(), marks()).finished(np.zeros((1, 20)), np.zeros((1, 2), np.int8))
    for made in (measured, marked):
        name = dataclasses.fields(made)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, name, None)


@pytest.mark.parametrize("field", [{"value": None}, {"reason": Reason.CLIPPED}])
def test_a_draft_needs_exactly_one_of_value_and_reason(field):
    draft = filled(MeasurementDraft(), WHOLE)
    setattr(draft, *next(iter(field.items())))
    with pytest.raises(ValueError, match="exactly one of value and reason"):
        draft.finished()


def one_response_and_nothing():
    turn = np.sin(np.linspace(0.0, 2 * np.pi, 200))
    uv = np.concatenate([np.zeros(100), -8000.0 * turn, np.zeros(700)])
    return mark([uv, 0.0 * uv], 20_000.0, stimulus_ms=2.0)


def columns(found):
    return [np.asarray(getattr(found, field.name)).tolist() for field in dataclasses.fields(Marks)]


def test_what_is_marked_has_every_field_in_its_place():
    found = one_response_and_nothing()
    assert type(found) is Marks
    assert {getattr(found, field.name).shape for field in dataclasses.fields(Marks)} == {(2,)}
    one = found.sweep(0)
    after_stimulus = ("onset_ms", "peak_ms", "end_ms", "last_end_ms", "trough_ms")
    times = [float(getattr(one, name)[0]) for name in after_stimulus]
    assert times == sorted(times)
    assert one.peak_uv[0] == pytest.approx(8000.0, rel=0.02)
    assert one.trough_uv[0] == pytest.approx(-8000.0, rel=0.02)
    assert one.peak_to_peak_uv[0] == pytest.approx(one.peak_uv[0] - one.trough_uv[0])
    assert one.duration_ms[0] == pytest.approx(one.end_ms[0] - one.onset_ms[0])
    assert one.total_duration_ms[0] == pytest.approx(one.last_end_ms[0] - one.onset_ms[0])
    assert one.peak_threshold_uv[0] >= 50.0
    assert found.outcome.dtype == found.flags.dtype == np.int8
    assert math.isnan(found.onset_ms[1])


def test_rows_of_marks_are_their_columns_however_they_were_made():
    found = one_response_and_nothing()
    other = dataclasses.replace(found, peak_uv=found.peak_uv + 1.0, flags=found.flags | 2)
    sent = pickle.loads(pickle.dumps(found))
    for each in (found, other, sent, found.sweep(1), marks(), marks(onset_ms=math.nan)):
        rows = each.rows()
        assert repr(rows) == repr(list(zip(*columns(each), strict=True)))
        assert {type(value) for row in rows for value in row[:20]} == {float}
        assert {type(value) for row in rows for value in row[20:]} == {int}
    assert other.rows()[0][4] == found.rows()[0][4] + 1.0
    found.peak_uv[0] = 5.0
    assert found.rows()[0][4] == 5.0
    assert mark(np.empty((0, 500)), 20_000.0, stimulus_ms=2.0).rows() == []
