"""Edits of a whole result: which marks they belong to, what is said of them, what is refused."""

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pytest

from ncs import __version__
from ncs.analysis import Edit, TemperatureCorrection, edited
from ncs.detect.marks import Outcome
from ncs.errors import InvalidInputError
from ncs.measure import MEASURE_VERSION
from ncs.measure._edited import is_measured, trace_marks
from ncs.model import Stimulus, Study, Subject, Technique, Trace, Visit
from ncs.results import Reason, TraceMarks, VisitResult
from tests.measure.build import marks, pick

RATE_HZ = 20_000.0
MOTOR = {"nerve": "median", "technique": Technique.MOTOR, "recording_site": "APB"}


def waves(n):
    """Sweeps of 30 ms, the stimulus at 2 ms: from 3.8 ms to 7200 uV at 6 ms, zero at 9.3 ms, positive until 20 ms."""
    times = np.arange(600) / 20.0 - 2.0
    one = -np.interp(times, [3.8, 6.0, 9.3, 12.0, 20.0], [0, 7200.0, 0, -2100.0, 0])
    return np.tile(one.astype(np.float32), (n, 1))


def trace(n=1, site="wrist", distance_mm=80.0, **more):
    return Trace(
        samples_uv=waves(n), sampling_rate_hz=RATE_HZ, stimulus_ms=np.full(n, 2.0), stimulation_site=site,
        distance_mm=distance_mm, **more,
    )  # fmt: skip


def entry(n=1, study=0, position=0, response="cmap", chosen=None):
    found = marks(baseline_uv=0.0)
    sweeps = type(found)(**{name: np.repeat(getattr(found, name), n) for name in found.__slots__})
    return TraceMarks(
        study_index=study, trace_index=position, response=response, sweeps=sweeps, measured=found,
        measured_sweeps=tuple(range(n)) if chosen is None else chosen,
    )  # fmt: skip


def result(*studies, found, parameters=None):
    visit = Visit(subject=Subject(id="P"), date=dt.date(2020, 5, 4), studies=studies)
    return VisitResult(
        visit=visit, marks=tuple(found), measurements=(), parameters={"onset_method": "x"} | (parameters or {}),
        version="0.0.1", fingerprint="f" * 64,
    )  # fmt: skip


def of(*edits, **where):
    """Return edits from (mark, value, further fields)."""
    made = []
    for mark, value, *more in edits:
        extra = more[0] if more else {}
        made.append(
            Edit(
                **{"study_index": 0, "trace_index": 0, "author": "A", "mark": mark, "value_ms": value, **where, **extra}
            )
        )
    return made


def two_sites(n=1, **more):
    return result(Study(traces=(trace(n), trace(site="elbow", distance_mm=300.0)), **MOTOR),
                  found=[entry(n, **more), entry(position=1)])  # fmt: skip


def test_an_edit_belongs_to_its_trace_and_everything_is_measured_again():
    before = two_sites()
    after = edited(before, of(("onset_ms", 4.9), ("onset_ms", 7.8, {"trace_index": 1})))
    assert [float(one.measured.onset_ms[0]) for one in after.marks] == [4.9, 7.8]
    assert [float(one.sweeps.onset_ms[0]) for one in after.marks] == [4.9, 7.8]  # of one sweep: one and the same mark
    assert [float(one.measured.onset_ms[0]) for one in before.marks] == [3.8, 3.8]
    velocity = pick(after.measurements, "motor_conduction_velocity")
    assert velocity.value == pytest.approx(220 / 2.9)
    assert velocity.method == "onset x; distance from the two cathode distances; onset moved by A"
    assert pick(after.measurements, "cmap_area", site="wrist").value == pytest.approx(
        7200 * 5.5 / 2 - 3600 * 1.1 / 2, rel=1e-3
    )
    assert pick(after.measurements, "cmap_amplitude", site="wrist").flags == ()


def test_what_an_edited_result_says_of_itself():
    before = two_sites()
    after = edited(
        before, of(("onset_ms", 5.0), ("onset_ms", 4.9, {"author": "B"}), ("peak_ms", 5.9, {"trace_index": 1}))
    )
    usual = {"study_index": 0, "response": "", "sweep": None}
    said = [
        {**usual, "trace_index": 0, "mark": "onset_ms", "value_ms": 4.9, "author": "B"},
        {**usual, "trace_index": 1, "mark": "peak_ms", "value_ms": 5.9, "author": "A"},
    ]
    assert after.parameters == {"onset_method": "x", "measure": MEASURE_VERSION, "edits": said}
    assert (after.version, after.visit) == (__version__, before.visit)
    assert len(after.fingerprint) == 64
    others = [
        edited(before, of(("onset_ms", 4.9))),
        edited(replace(before, fingerprint="e" * 64), of(("onset_ms", 4.9))),
        edited(before, of(("onset_ms", 4.8))),
        before,
    ]
    assert len({one.fingerprint for one in others}) == 4
    turned = edited(before, of(("peak_ms", 5.9, {"trace_index": 1}), ("onset_ms", 4.9, {"author": "B"})))
    assert turned.fingerprint == after.fingerprint  # the order in which different marks were moved says nothing


def test_the_parameters_of_the_analysis_are_kept():
    cool = Study(traces=(trace(),), skin_temperature_c=30.0, **MOTOR)
    rule = TemperatureCorrection(reference_c=32.0)
    before = result(cool, found=[entry()], parameters={"temperature_correction": rule.parameters})
    after = edited(before, of(("onset_ms", 4.0)))
    assert pick(after.measurements, "distal_motor_latency_temperature_corrected").value == pytest.approx(3.6)
    assert after.parameters["temperature_correction"] == rule.parameters
    nameless = replace(before, parameters={})
    assert pick(edited(nameless, of(("onset_ms", 4.0))).measurements, "cmap_amplitude").method == "onset ?"


def test_a_mark_of_one_sweep_among_several_changes_that_sweep_only():
    after = edited(two_sites(3), of(("onset_ms", 4.9, {"sweep": 1}), ("peak_ms", 5.45, {"sweep": 1})))
    sweeps = after.marks[0].sweeps
    assert sweeps.onset_ms.tolist() == [3.8, 4.9, 3.8]
    assert sweeps.peak_ms.tolist() == [6.0, 5.45, 6.0]
    assert sweeps.peak_uv.tolist() == pytest.approx([7200.0, 5400.0, 7200.0])
    assert np.isnan(sweeps.onset_sd_ms).tolist() == [False, True, False]
    assert after.marks[0].measured.onset_ms.tolist() == [3.8]
    assert pick(after.measurements, "motor_latency", site="wrist").flags == ()


def test_a_mark_of_the_mean_changes_no_sweep():
    after = edited(two_sites(3), of(("onset_ms", 4.9)))
    assert after.marks[0].sweeps.onset_ms.tolist() == [3.8] * 3
    assert after.marks[0].measured.onset_ms.tolist() == [4.9]
    assert pick(after.measurements, "motor_latency", site="wrist").value == 4.9


def test_the_one_sweep_that_is_measured_and_the_measured_are_one_mark():
    stimulus = Stimulus(intensity_ma=np.array([1.0, 9.0, 2.0]))
    study = Study(traces=(trace(3, stimulus=stimulus),), **MOTOR)
    before = result(study, found=[entry(3, chosen=(1,))])
    for where in ({}, {"sweep": 1}):
        after = edited(before, of(("onset_ms", 4.9, where)))
        assert after.marks[0].sweeps.onset_ms.tolist() == [3.8, 4.9, 3.8]
        assert after.marks[0].measured.onset_ms.tolist() == [4.9]
    other = edited(before, of(("onset_ms", 4.9, {"sweep": 0})))
    assert (other.marks[0].sweeps.onset_ms.tolist(), other.marks[0].measured.onset_ms.tolist()) == (
        [4.9, 3.8, 3.8],
        [3.8],
    )


def test_which_edits_are_of_what_is_measured():
    several, one = entry(3), entry(3, chosen=(1,))
    whole, first, second = (of(("onset_ms", 4.0, {"sweep": sweep}))[0] for sweep in (None, 0, 1))
    assert [is_measured(each, several) for each in (whole, first, second)] == [True, False, False]
    assert [is_measured(each, one) for each in (whole, first, second)] == [True, False, True]


def h_reflex(n=3):
    stimulus = Stimulus(intensity_ma=np.arange(1.0, n + 1))
    study = Study(traces=(trace(n, stimulus=stimulus),), technique=Technique.H_REFLEX, nerve="tibial")
    return result(study, found=[entry(n, response="cmap"), entry(n, response="h_reflex")])


def test_an_edit_names_its_response_or_means_the_first():
    named = edited(h_reflex(), of(("onset_ms", 4.9, {"response": "h_reflex", "sweep": 1})))
    assert [one.sweeps.onset_ms.tolist() for one in named.marks] == [[3.8] * 3, [3.8, 4.9, 3.8]]
    first = edited(h_reflex(), of(("onset_ms", 4.9, {"sweep": 1})))
    assert [one.sweeps.onset_ms.tolist() for one in first.marks] == [[3.8, 4.9, 3.8], [3.8] * 3]


def test_edits_of_sweeps_are_said_where_sweeps_are_measured():
    edits = of(
        ("onset_ms", 4.9, {"response": "h_reflex", "sweep": 1}), ("end_ms", 9.0, {"response": "h_reflex", "sweep": 0}),
        ("onset_ms", 4.0, {"response": "cmap", "sweep": 2}),
    )  # fmt: skip
    rows = edited(h_reflex(), edits).measurements
    assert rows
    said = ("sweep 3: onset moved by A", "sweep 2: onset moved by A", "sweep 1: end of negative peak moved by A")
    for row in rows:
        assert row.method.endswith("; ".join(said)), row.quantity
        assert "edited" in row.flags


def test_edits_of_the_second_response_leave_the_marks_of_the_first():
    """What is measured of a trace are the marks of its first response: moving the second moves none of them."""
    before = h_reflex()
    after = edited(before, of(("onset_ms", 4.9, {"response": "h_reflex"}), ("onset_ms", 4.4, {"response": "cmap"})))
    assert [one.measured.onset_ms.tolist() for one in after.marks] == [[4.4], [4.9]]
    second = edited(before, of(("onset_ms", 4.9, {"response": "h_reflex"})))
    assert not any("edited" in row.flags for row in second.measurements)


def test_marks_without_a_named_response_are_those_of_the_technique():
    before = result(Study(traces=(trace(),), **MOTOR), found=[entry(response="")])
    for response in ("", "cmap"):
        after = edited(before, of(("onset_ms", 4.9, {"response": response})))
        assert after.marks[0].measured.onset_ms.tolist() == [4.9]


def test_a_study_without_technique_can_be_edited_as_well():
    before = result(Study(traces=(trace(),)), found=[entry(response="")])
    assert edited(before, of(("onset_ms", 4.9))).marks[0].measured.onset_ms.tolist() == [4.9]


def test_a_response_taken_away_has_no_value_for_that_reason():
    rows = edited(two_sites(), of(("response", None))).measurements
    latency = pick(rows, "motor_latency", site="wrist")
    assert (latency.value, latency.reason) == (None, Reason.NO_RESPONSE)
    assert latency.method == "onset x; response taken away by A"
    taken = edited(two_sites(), of(("onset_ms", None))).measurements
    assert pick(taken, "motor_latency", site="wrist").reason is Reason.NOT_MARKED
    assert pick(taken, "cmap_area", site="wrist").reason is Reason.NOT_MARKED


def test_an_edited_sweep_may_become_a_response():
    before = two_sites(3)
    silent = replace(
        before.marks[0], sweeps=replace(before.marks[0].sweeps, outcome=np.full(3, Outcome.NO_RESPONSE, np.int8))
    )
    after = edited(replace(before, marks=(silent, before.marks[1])), of(("peak_ms", 6.0, {"sweep": 2})))
    assert after.marks[0].sweeps.outcome.tolist() == [Outcome.NO_RESPONSE, Outcome.NO_RESPONSE, Outcome.FOUND]


HINT = "Marks are times after the stimulus: the file or its sidecar must state that time, and the technique."


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (
            {"mark": "onset"},
            "mark: expected one of onset_ms, peak_ms, end_ms, last_end_ms, trough_ms, response, found 'onset'",
        ),
        ({"trace_index": 7}, f"study 0, trace 7: expected a trace with marks, found none. {HINT}"),
        ({"study_index": 7}, f"study 7, trace 0: expected a trace with marks, found none. {HINT}"),
        ({"response": "snap"}, "study 0, trace 0: response: expected one of cmap, h_reflex, found 'snap'"),
        ({"sweep": 3}, "study 0, trace 0: sweep: expected 0 to 2, found 3"),
        ({"sweep": -1}, "study 0, trace 0: sweep: expected 0 to 2, found -1"),
    ],
)
def test_what_a_result_does_not_have_is_named_in_full(where, told):
    (wrong,) = of(("onset_ms", 4.0, where))
    with pytest.raises(InvalidInputError) as caught:
        edited(h_reflex(), [wrong])
    assert str(caught.value) == told


def test_where_an_edit_belongs():
    found = h_reflex()
    for sweep in (None, 0, 2):
        (one,) = of(("onset_ms", 4.0, {"response": "h_reflex", "sweep": sweep}))
        index, at = trace_marks(found.visit, found.marks, one)
        assert (index, at) == (1, found.visit.studies[0].traces[0])
    assert not math.isnan(found.marks[0].measured.onset_ms[0])
