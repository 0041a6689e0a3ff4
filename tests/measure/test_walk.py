"""A visit with its marks to measurements: what belongs to which study, and what is said of every trace."""

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pytest

from ncs.analysis import TemperatureCorrection
from ncs.detect.averaging import AVERAGING_RULE
from ncs.detect.ensemble import OnsetSpread
from ncs.detect.marks import Flag
from ncs.measure import _visit, techniques
from ncs.measure._edits import Moved
from ncs.measure._visit import measure_visit, technique_of, unmarked
from ncs.model import ReportedMeasurement, Side, Study, Subject, Technique, Visit
from ncs.results import Reason, TraceMarks
from tests.measure.build import blank, marks, pick, sweeps_of

NAN = math.nan
DAY = dt.date(2020, 5, 4)


def entry(n=1, study=0, position=0, response="cmap", measured=None, chosen=(0,)):
    found = marks() if measured is None else measured
    sweeps = type(found)(**{name: np.repeat(getattr(found, name), n) for name in found.__slots__})
    return TraceMarks(
        study_index=study,
        trace_index=position,
        response=response,
        sweeps=sweeps,
        measured=found,
        measured_sweeps=chosen,
    )


def walked(*studies, found=(), covariates=None, **more):
    visit = Visit(subject=Subject(id="P"), date=DAY, studies=studies, covariates=covariates or {})
    return measure_visit(visit, found, onset_method="x", **more)


def motor(*traces, **more):
    return Study(traces=traces, technique=Technique.MOTOR, nerve="median", recording_site="APB", **more)


WRIST = {"stimulation_site": "wrist", "distance_mm": 80.0}


def test_marks_find_their_study_and_trace():
    elbow = blank(1, stimulation_site="elbow", distance_mm=300.0)
    rows = walked(
        motor(blank(1, **WRIST)), motor(elbow, blank(1, **WRIST)),
        found=[entry(study=1, position=0, measured=marks(onset_ms=7.8)), entry(study=1, position=1)],
    )  # fmt: skip
    assert [row.study_index for row in rows] == sorted(row.study_index for row in rows)
    first, second = ([row for row in rows if row.study_index == index] for index in (0, 1))
    assert pick(first, "distal_motor_latency").reason is Reason.NO_STIMULUS_TIME
    assert pick(second, "distal_motor_latency").value == 3.8
    assert pick(second, "motor_conduction_velocity").value == pytest.approx(55.0)
    assert pick(second, "motor_latency", site="wrist").method == "onset x"


def test_what_a_person_did_goes_onto_its_trace_only():
    moved = {(1, 0): Moved(edits={"onset_ms": ("onset moved by A",)})}
    rows = walked(motor(blank(1, **WRIST)), motor(blank(1, **WRIST)), found=[entry(), entry(study=1)], moved=moved)
    latencies = [row for row in rows if row.quantity == "motor_latency"]
    assert [row.flags for row in latencies] == [(), ("edited",)]
    assert latencies[1].method == "onset x; onset moved by A"


def test_corrected_values_follow_the_study_they_belong_to():
    rule = TemperatureCorrection(reference_c=32.0)
    cool = [motor(blank(1, **WRIST), skin_temperature_c=30.0)] * 2
    rows = walked(*cool, found=[entry(), entry(study=1)], temperature=rule)
    first = [row for row in rows if row.study_index == 0]
    assert rows[: len(first)] == tuple(first)
    assert pick(first, "distal_motor_latency_temperature_corrected").value == pytest.approx(3.4)
    assert not any("corrected" in row.quantity for row in walked(*cool, found=[entry(), entry(study=1)]))


def test_what_the_recorder_itself_measured_is_passed_on_with_its_facts():
    said = ReportedMeasurement(quantity="motor_latency", value=4.2, unit="ms", source="recorder 1.0", site="palm")
    study = motor(blank(1, **WRIST), side=Side.LEFT, skin_temperature_c=31.0, reported=(said,))
    rows = walked(motor(blank(1, **WRIST)), study, found=[entry(study=1)])
    row = rows[-1]
    assert (row.quantity, row.value, row.unit, row.site, row.study_index) == ("motor_latency", 4.2, "ms", "palm", 1)
    assert (row.nerve, row.side, row.technique, row.recording_site) == ("median", Side.LEFT, Technique.MOTOR, "APB")
    assert (row.skin_temperature_c, row.sd, row.reason, row.segment) == (31.0, None, None, None)
    assert row.method.endswith("recorder 1.0")
    assert row.method != "recorder 1.0"


def test_a_study_without_traces_or_technique():
    assert walked(motor()) == ()
    rows = walked(Study(traces=(blank(1), blank(1)), nerve="median"))
    assert [(row.quantity, row.reason, row.method) for row in rows] == [
        ("onset_latency", Reason.NO_TECHNIQUE, "onset x")
    ] * 2
    assert technique_of(Study(traces=())) is None
    assert technique_of(motor()) is techniques()[Technique.MOTOR]


@pytest.mark.parametrize(
    ("technique", "these", "reason"),
    [
        (None, blank(1), Reason.NO_TECHNIQUE), (Technique.MOTOR, blank(1, stimulus_ms=None), Reason.NO_STIMULUS_TIME),
        (Technique.MOTOR, blank(1, stimulus_ms=NAN), Reason.NO_STIMULUS_TIME),
        (Technique.MOTOR, blank(2, stimulus_ms=[NAN, 1.0]), None), (Technique.MOTOR, blank(0), None),
        (None, blank(1, stimulus_ms=None), Reason.NO_TECHNIQUE),
    ],
)  # fmt: skip
def test_why_a_trace_cannot_be_marked(technique, these, reason):
    study = Study(traces=(these,), technique=technique)
    assert unmarked(study, these) is reason
    rows = walked(study)
    assert rows[0].reason is (reason or Reason.NO_STIMULUS_TIME)


def test_an_unmarked_trace_carries_its_reason_into_techniques_that_ask_for_more():
    """A scan without currents has no curve for lack of them, unless a more basic reason was there first."""
    scan = Study(traces=(blank(1, stimulus_ms=None, **WRIST),), technique=Technique.CMAP_SCAN)
    assert {row.reason for row in walked(scan)} == {Reason.NO_STIMULUS_TIME}


def test_late_responses_are_measured_after_the_others_and_stay_in_their_place():
    """An F-wave study needs the motor study of its nerve, whichever comes first in the file."""
    rng = np.random.default_rng(1)
    late = Study(traces=(sweeps_of(rng.normal(size=(4, 100)), **WRIST),), technique=Technique.F_WAVE, nerve="median")
    given = {}
    measures = techniques()

    def recorded(technique):
        def measure(part):
            given[technique] = (part.study_index, [row.quantity for row in part.others], dict(part.covariates))

        return replace(measures[technique], measure=measure)

    chosen = {name: recorded(name) for name in (Technique.F_WAVE, Technique.SENSORY)} | {
        Technique.MOTOR: measures[Technique.MOTOR]
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_visit, "techniques", lambda: chosen)
        rows = walked(
            late, motor(blank(1, **WRIST)), Study(traces=(blank(1),), technique=Technique.SENSORY),
            found=[entry(study=1)], covariates={"height_cm": 180.0},
        )  # fmt: skip
    assert given[Technique.F_WAVE] == (0, [row.quantity for row in rows], {"height_cm": 180.0})
    assert given[Technique.SENSORY] == (2, [], {"height_cm": 180.0})
    assert {row.study_index for row in rows} == {1}


def test_rejected_sweeps_and_spread_are_said_once_with_their_flags(monkeypatch):
    spread = OnsetSpread(n_sweeps=6, spread_ms=0.25, stated_sd_ms=0.1, ratio=2.5, ratio_sd=0.1, exceeds=True)
    asked = []
    monkeypatch.setattr(_visit, "onset_spread", lambda found, chosen: asked.append((len(found), chosen)) or spread)
    sensory = Study(traces=(blank(4, **WRIST),), technique=Technique.SENSORY)
    found = entry(4, response="snap", measured=marks(flags=Flag.MULTIPLE_PEAKS), chosen=(0, 1, 3))
    row = pick(walked(sensory, found=[found]), "snap_amplitude")
    assert asked == [(4, (0, 1, 3))]
    said = "onsets of 6 sweeps spread by 0.250 ms (SD), 2.5 times the 0.100 ms stated for each"
    assert row.method == f"onset x; mean of 3 of 4 sweeps, 1 rejected ({AVERAGING_RULE}); {said}"
    assert row.flags == ("multiple_peaks", "sweeps_rejected", "spread_exceeds_sd")
    quiet = replace(spread, exceeds=False)
    monkeypatch.setattr(_visit, "onset_spread", lambda found, chosen: quiet)
    row = pick(walked(motor(blank(4, **WRIST)), found=[entry(4, chosen=(0, 1, 3))]), "motor_latency")
    assert (row.method, row.flags) == ("onset x; mean of 3 of 4 sweeps", ())  # motor sweeps are never rejected


def test_one_sweep_has_no_spread(monkeypatch):
    monkeypatch.setattr(_visit, "onset_spread", lambda *given: pytest.fail("asked"))
    walked(motor(blank(4, **WRIST)), found=[entry(4, chosen=(2,))])


def test_marks_without_a_response_are_those_of_the_first_of_the_technique():
    row = pick(walked(motor(blank(1, **WRIST)), found=[entry(response="")]), "motor_latency")
    assert row.value == 3.8
