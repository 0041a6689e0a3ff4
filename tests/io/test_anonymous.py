"""What leaves the house: no text that a person may have typed, no name, no day; every number that was measured."""

import datetime as dt

import numpy as np

from ncs.errors import Problem
from ncs.io._anonymous import REFERENCE_ELECTRODE, without_free_text, without_identity
from ncs.model import (
    Calibration,
    Filters,
    ReportedCurve,
    ReportedMeasurement,
    ReportedValue,
    Side,
    SourceFile,
    Stimulus,
    Study,
    Subject,
    Technique,
    Trace,
    Visit,
)

TYPED = "Ada Nobody"


def a_visit():
    """A visit with the same text in every field that a file, a person or a machine may fill with any text."""
    trace = Trace(
        samples_uv=[[0.0, 1.0, 2.0]], sampling_rate_hz=1000.0, stimulus_ms=[1.0], stimulation_site="wrist",
        distance_mm=80.0, channel=TYPED, notes=(TYPED, REFERENCE_ELECTRODE + "ring"),
        stimulus=Stimulus(label=TYPED, intensity_ma=[12.5]), filters=Filters(low_cut_hz=2.0, text=TYPED),
        calibration=Calibration(unit="mV"), reported=(ReportedValue(kind="latency_ms", value=3.0, mode=TYPED),),
    )  # fmt: skip
    study = Study(
        traces=(trace,), nerve="median", side=Side.LEFT, technique=Technique.MOTOR, recording_site="APB",
        temperature_site=TYPED, skin_temperature_c=32.0,
        reported=(ReportedMeasurement(quantity="reported_value", value=1.0, unit="ms", source=TYPED),),
        curves=(ReportedCurve(name=TYPED, columns=("ms",), rows=((1.0,),)),),
    )  # fmt: skip
    problem = Problem(file=TYPED, place="", field="notes", expected="none", found=TYPED)
    source = SourceFile(name=TYPED, sha256="0" * 64, size_bytes=1, format="edf")
    subject = Subject(id=TYPED, name=TYPED, sex="F", birth_date=dt.date(1980, 1, 2))
    return Visit(
        subject=subject, date=dt.date(2024, 5, 6), studies=(study,), covariates={"comment": TYPED}, sources=(source,),
        problems=(problem,),
    )  # fmt: skip


def test_nothing_that_was_typed_is_left_and_every_number_is():
    visit = without_free_text(without_identity(a_visit(), "S01"), lambda study, trace: f"{study.nerve} stimulus")
    assert TYPED not in repr(visit)
    assert (visit.subject, visit.date, visit.sources, visit.problems) == (Subject(id="S01"), None, (), ())
    (study,) = visit.studies
    (trace,) = study.traces
    assert (study.nerve, study.side, study.recording_site, study.skin_temperature_c) == (
        "median",
        Side.LEFT,
        "APB",
        32.0,
    )
    assert (trace.stimulation_site, trace.distance_mm, trace.filters.low_cut_hz) == ("wrist", 80.0, 2.0)
    assert (trace.stimulus.label, trace.stimulus.intensity_ma.tolist()) == ("median stimulus", [12.5])
    np.testing.assert_array_equal(trace.samples_uv, [[0.0, 1.0, 2.0]])


def test_without_identity_keeps_the_settings_but_no_comment():
    visit = without_identity(a_visit(), "S01", dt.date(1900, 1, 1))
    assert (visit.subject, visit.date) == (Subject(id="S01", sex="F"), dt.date(1900, 1, 1))
    (trace,) = visit.studies[0].traces
    assert trace.notes == (REFERENCE_ELECTRODE + "ring",)
    assert (trace.channel, trace.filters.text) == (TYPED, TYPED)
