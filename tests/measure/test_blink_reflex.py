"""Blink reflex: R1 and R2 by side of recording against side of stimulation."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

import ncs
from ncs import simulate
from ncs.model import Side, Stimulus, Subject, Visit
from ncs.quantities import QUANTITIES
from ncs.results import Reason
from tests.io.edf_examples import Channel, annotation_bytes, annotation_channel, build, read, tal
from tests.measure.build import pick

R1 = {"blink_r1_latency", "blink_r1_amplitude", "blink_r1_persistence"}


def r2(side):
    return {f"blink_r2_{side}_{name}" for name in ("latency", "median_latency", "persistence")}


def analysed(*studies):
    visit = Visit(subject=Subject(id="P01"), date=dt.date(2021, 3, 9), studies=studies)
    rows = ncs.analyze(visit).measurements
    for row in rows:
        assert row.unit == QUANTITIES[row.quantity].unit
    return rows


def stimulated(study, text):
    (trace,) = study.traces
    return replace(study, traces=(replace(trace, stimulus=Stimulus(label=text)),))


def test_the_stimulated_side_has_r1_and_ipsilateral_r2_and_the_other_one_contralateral_r2():
    studies, (near, far) = simulate.blink_study(seed=1, stimulated=Side.LEFT)
    rows = analysed(*studies)
    assert {row.quantity for row in rows if row.side is Side.LEFT} == R1 | r2("ipsilateral")
    assert {row.quantity for row in rows if row.side is Side.RIGHT} == r2("contralateral")
    assert pick(rows, "blink_r1_latency").value == pytest.approx(np.median(near.r1_ms), abs=0.1)
    assert pick(rows, "blink_r2_ipsilateral_latency").value == pytest.approx(near.r2_ms.min(), abs=0.4)
    assert pick(rows, "blink_r2_contralateral_latency").value == pytest.approx(far.r2_ms.min(), abs=0.4)
    assert pick(rows, "blink_r2_contralateral_median_latency").value == pytest.approx(np.median(far.r2_ms), abs=0.4)
    assert pick(rows, "blink_r1_persistence").value == 100.0
    assert "R1 in 8 of 8 sweeps" in pick(rows, "blink_r1_latency").method
    assert "changepoint" not in pick(rows, "blink_r1_latency").method


def test_both_stimulations_recorded_on_one_side_are_one_study():
    right, _ = simulate.blink_study(seed=1, stimulated=Side.RIGHT)
    left, _ = simulate.blink_study(seed=2, stimulated=Side.LEFT)
    recorded_right = replace(right[0], traces=(*right[0].traces, *left[1].traces))
    rows = analysed(recorded_right)
    assert {row.quantity for row in rows} == R1 | r2("ipsilateral") | r2("contralateral")
    assert {row.side for row in rows} == {Side.RIGHT}


def test_an_absent_r1_is_not_recordable_and_has_persistence_zero():
    studies, _ = simulate.blink_study(seed=3, absent=("r1",))
    rows = analysed(*studies)
    assert pick(rows, "blink_r1_latency").reason is Reason.NO_RESPONSE
    assert pick(rows, "blink_r1_amplitude").reason is Reason.NO_RESPONSE
    assert pick(rows, "blink_r1_persistence").value == 0.0
    assert pick(rows, "blink_r2_ipsilateral_latency").value is not None


@pytest.mark.parametrize("text", ["Stimulus supraorbital", "Stimulus left or right"])
def test_without_the_stimulated_side_nothing_is_called_r1_or_r2(text):
    (near, _), _ = simulate.blink_study(seed=1)
    rows = analysed(stimulated(near, text))
    assert {row.reason for row in rows} == {Reason.NO_STIMULATED_SIDE}


def test_without_the_recorded_side_nothing_is_called_r1_or_r2():
    (near, _), _ = simulate.blink_study(seed=1)
    assert {row.reason for row in analysed(replace(near, side=None))} == {Reason.NO_STIMULATED_SIDE}


def test_latencies_of_many_reflexes():
    errors = []
    for seed in range(15):
        studies, (near, _) = simulate.blink_study(seed=seed, r1_ms=10.0 + seed % 6, population="test")
        rows = analysed(*studies)
        errors.append(pick(rows, "blink_r1_latency").value - np.median(near.r1_ms))
    assert np.abs(errors).max() < 0.2


def test_a_recording_of_both_sides_keeps_the_side_of_recording_apart_from_the_side_of_stimulation():
    studies, (near, _) = simulate.blink_study(seed=1, stimulated=Side.RIGHT)
    sweeps = [study.traces[0].samples_uv for study in studies]
    channels = [
        Channel(label=label, unit="uV", samples=sweeps[0].shape[1], physical=("-32768", "32767"))
        for label in ("R OOc", "L OOc")
    ]
    records = [
        (
            *(np.rint(recorded[i]).astype(int) for recorded in sweeps),
            annotation_bytes([tal(f"+{i}", ""), tal(f"+{i}.01", "Stimulus right supraorbital")], 100),
        )
        for i in range(sweeps[0].shape[0])
    ]
    recording = "Startdate 01-JAN-2002 X X X blink reflex"
    content = build([*channels, annotation_channel(100)], records, duration="0.11", recording=recording)
    visit = read(content)
    assert [study.side for study in visit.studies] == [Side.RIGHT, Side.LEFT]
    rows = ncs.analyze(visit).measurements
    assert {row.quantity for row in rows if row.side is Side.RIGHT} == R1 | r2("ipsilateral")
    assert {row.quantity for row in rows if row.side is Side.LEFT} == r2("contralateral")
    assert pick(rows, "blink_r1_latency").value == pytest.approx(np.median(near.r1_ms), abs=0.15)
