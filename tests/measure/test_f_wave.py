"""F-wave figures from hand-made marks and from simulated studies."""

import datetime as dt
import math
from dataclasses import fields, replace

import numpy as np
import pytest

import ncs
from ncs import simulate
from ncs.detect.marks import Flag, Marks, Outcome
from ncs.measure import f_wave
from ncs.measure._study import MarkedTrace, StudyPart
from ncs.model import Side, Study, Subject, Technique, Trace, Visit
from ncs.results import Measurement, Reason, TraceMarks
from ncs.simulate.late import F_RECORDING, AWave, f_wave_study
from tests.measure.build import marks as one_mark
from tests.measure.build import pick


def sweep_marks(onsets, *, sd=0.1, height=200.0, flags=None, outcome=None):
    """Marks of sweeps; NaN is a sweep without an F wave."""
    onsets = np.asarray(onsets, float)
    none = np.isnan(onsets)
    columns = {f.name: np.full(onsets.size, np.nan) for f in fields(Marks) if f.name not in {"outcome", "flags"}}
    columns["onset_ms"] = onsets
    columns["onset_sd_ms"] = np.where(none, np.nan, np.broadcast_to(sd, onsets.shape))
    columns["peak_to_peak_uv"] = np.where(none, np.nan, np.broadcast_to(height, onsets.shape))
    usual = np.where(none, Outcome.NO_RESPONSE, Outcome.FOUND)
    return Marks(
        **columns,
        outcome=np.asarray(usual if outcome is None else outcome, np.int8),
        flags=np.zeros(onsets.size, np.int8) if flags is None else np.asarray(flags, np.int8),
    )


def measured(sweeps, *, m_wave=None, nerve="median", covariates=None, others=(), site="wrist"):
    m_wave = one_mark() if m_wave is None else m_wave
    n = len(sweeps)
    trace = Trace(
        samples_uv=np.zeros((n, 10)), sampling_rate_hz=10_000.0, stimulus_ms=np.ones(n), stimulation_site=site,
        distance_mm=70.0,
    )  # fmt: skip
    entry = TraceMarks(
        study_index=0, trace_index=0, response="f_wave", sweeps=sweeps, measured=sweeps.sweep(0),
        measured_sweeps=tuple(range(n)),
    )  # fmt: skip
    at = MarkedTrace(trace=trace, marks=m_wave, found={"f_wave": entry})
    study = Study(traces=(trace,), nerve=nerve, side=Side.RIGHT, technique=Technique.F_WAVE)
    part = StudyPart(
        study=study, study_index=0, marked=(at,), method="by hand", covariates=covariates or {}, others=others
    )
    f_wave.measure(part)
    return part.rows


TEN = [27.0, 28.0, math.nan, 29.0, 27.5, math.nan, 28.5, 27.25, 30.0, 28.25]


def test_latencies_persistence_and_size():
    rows = measured(sweep_marks(TEN, height=200.0))
    present = np.array([x for x in TEN if not math.isnan(x)])
    assert pick(rows, "f_minimum_latency").value == pytest.approx(27.0, abs=0.03)
    assert pick(rows, "f_minimum_latency").sd == pytest.approx(0.1, abs=0.01)
    assert pick(rows, "f_maximum_latency").value == pytest.approx(30.0, abs=0.03)
    assert pick(rows, "f_mean_latency").value == pytest.approx(present.mean())
    assert pick(rows, "f_median_latency").value == pytest.approx(np.median(present))
    dispersion = pick(rows, "f_maximum_latency").value - pick(rows, "f_minimum_latency").value
    assert pick(rows, "f_chronodispersion").value == pytest.approx(dispersion)
    assert pick(rows, "f_chronodispersion").sd == pytest.approx(0.1 * math.sqrt(2), abs=0.01)
    assert pick(rows, "f_persistence").value == pytest.approx(80.0)
    assert pick(rows, "f_amplitude").value == pytest.approx(200.0)
    assert pick(rows, "f_m_ratio").value == pytest.approx(100 * 200.0 / 9300.0)
    assert pick(rows, "f_stimuli").value == 10.0


@pytest.mark.parametrize(
    ("stimuli", "few"),
    [
        (5, {"f_minimum_latency", "f_mean_latency", "f_persistence", "f_m_ratio", "f_chronodispersion", "f_repeats"}),
        (10, {"f_m_ratio", "f_chronodispersion", "f_repeats"}),
        (20, {"f_chronodispersion", "f_repeats"}),
        (50, {"f_repeats"}),
        (100, set()),
    ],
)
def test_the_number_of_stimuli_says_which_figures_it_supports(stimuli, few):
    rows = measured(sweep_marks(np.linspace(26.0, 29.0, stimuli)))
    asked = {
        "f_minimum_latency", "f_mean_latency", "f_persistence", "f_m_ratio", "f_chronodispersion", "f_repeats",
    }  # fmt: skip
    assert {row.quantity for row in rows if "few_stimuli" in row.flags} & asked == few
    for row in rows:
        if row.quantity.startswith("f_") and row.value is not None:
            assert f"after {stimuli} stimuli" in row.method
    dispersion = pick(rows, "f_chronodispersion").method
    assert ("needs 50 stimuli" in dispersion) == (stimuli < 50)
    assert ("within 0.5 ms" in pick(rows, "f_mean_latency").method) == (stimuli >= 20)


def test_repeats_count_in_the_persistence_and_once_in_the_mean():
    flags = [0, Flag.REPEATER, Flag.REPEATER, 0]
    rows = measured(sweep_marks([27.0, 27.0, 27.0, 29.0], height=[100.0, 100.0, 100.0, 300.0], flags=flags))
    assert pick(rows, "f_persistence").value == 100.0
    assert pick(rows, "f_mean_latency").value == pytest.approx(28.0)
    assert pick(rows, "f_amplitude").value == pytest.approx(200.0)
    assert pick(rows, "f_repeats").value == 2.0
    assert "2 of them repeats" in pick(rows, "f_mean_latency").method


def test_an_onset_that_is_known_to_no_ms_is_not_the_shortest():
    rows = measured(sweep_marks([27.0, 27.5, 24.0, 28.0], sd=[0.1, 0.1, 1.1, 0.1]))
    assert pick(rows, "f_minimum_latency").value == pytest.approx(27.0, abs=0.03)
    rows = measured(sweep_marks([27.0, 27.5, 28.0], sd=1.1))
    assert 26.0 < pick(rows, "f_minimum_latency").value < 27.5
    assert pick(rows, "f_minimum_latency").sd > 0.3


def test_the_extremes_say_which_mark_is_the_extreme_one():
    rows = measured(sweep_marks(TEN))
    assert "the earliest mark is at 27.00 ms in sweep 1" in pick(rows, "f_minimum_latency").method
    assert "the latest mark is at 30.00 ms in sweep 9" in pick(rows, "f_maximum_latency").method
    assert "mark is at" not in pick(rows, "f_mean_latency").method


def test_onsets_that_a_person_moved_are_exact():
    rows = measured(sweep_marks([27.0, 27.5, 24.0], sd=math.nan))
    assert pick(rows, "f_minimum_latency").value == 24.0
    assert pick(rows, "f_maximum_latency").value == 27.5
    assert pick(rows, "f_minimum_latency").sd is None
    assert pick(rows, "f_mean_latency").sd is None
    rows = measured(sweep_marks([27.0, 27.5, 24.0], sd=[0.2, 0.2, math.nan]))
    assert pick(rows, "f_minimum_latency").value == pytest.approx(24.0, abs=0.01)
    assert pick(rows, "f_minimum_latency").sd < 0.05
    assert pick(rows, "f_mean_latency").sd == pytest.approx(math.hypot(0.2, 0.2) / 3)


def test_absent_f_waves_are_a_persistence_of_zero_and_no_latency():
    rows = measured(sweep_marks([math.nan] * 10))
    assert pick(rows, "f_persistence").value == 0.0
    for name in ("f_minimum_latency", "f_mean_latency", "f_chronodispersion", "f_amplitude", "f_m_ratio"):
        assert pick(rows, name).reason is Reason.NO_RESPONSE


def test_one_f_wave_has_no_chronodispersion():
    rows = measured(sweep_marks([27.0, *[math.nan] * 9]))
    assert pick(rows, "f_chronodispersion").reason is Reason.ONE_RESPONSE
    assert pick(rows, "f_minimum_latency").value == pytest.approx(27.0, abs=0.01)
    assert pick(rows, "f_maximum_latency").value == pytest.approx(27.0, abs=0.01)


def test_sweeps_that_cannot_be_judged_are_no_stimuli():
    outcome = [Outcome.FOUND, Outcome.INVALID_INPUT, Outcome.NO_RESPONSE, Outcome.FOUND]
    rows = measured(sweep_marks([27.0, math.nan, math.nan, 28.0], outcome=outcome))
    assert pick(rows, "f_stimuli").value == 3.0
    assert pick(rows, "f_persistence").value == pytest.approx(200.0 / 3.0)
    rows = measured(sweep_marks([math.nan] * 2, outcome=[Outcome.INVALID_INPUT] * 2))
    assert pick(rows, "f_persistence").reason is Reason.INVALID_SAMPLES


def test_trap_8_absent_f_waves_are_told_with_the_m_wave():
    rows = measured(sweep_marks([math.nan] * 10), m_wave=one_mark(peak_uv=150.0))
    persistence = pick(rows, "f_persistence")
    assert "M wave 0.15 mV" in persistence.method
    assert "absent F waves mean little" in persistence.method
    rows = measured(sweep_marks([math.nan] * 10), m_wave=one_mark(Outcome.NO_RESPONSE))
    persistence = pick(rows, "f_persistence")
    assert "no_m_wave" in persistence.flags
    assert "absent F waves say nothing" in persistence.method


def test_a_saturated_m_wave_leaves_the_ratio_without_a_number():
    rows = measured(sweep_marks(TEN), m_wave=one_mark(Outcome.CLIPPED))
    assert pick(rows, "f_m_ratio").reason is Reason.CLIPPED
    assert pick(rows, "f_minimum_latency").value == pytest.approx(27.0, abs=0.03)


def motor(quantity, value, *, site=None, segment=None, unit="ms"):
    return Measurement(
        quantity=quantity, value=value, unit=unit, nerve="median", side=Side.RIGHT, technique=Technique.MOTOR,
        site=site, segment=segment,
    )  # fmt: skip


MOTOR = (
    motor("distal_motor_latency", 3.4, site="wrist"),
    motor("motor_conduction_velocity", 56.0, segment="wrist-elbow", unit="m/s"),
)


def test_the_f_estimate_by_hand():
    rows = measured(sweep_marks(TEN), covariates={"arm_length_mm": 650.0}, others=MOTOR)
    estimate = 2 * 650.0 / 56.0 + 1.0 + 3.4
    assert pick(rows, "f_estimate").value == pytest.approx(estimate)
    assert pick(rows, "f_estimate_difference").value == pytest.approx(27.0 - estimate, abs=0.03)
    assert "arm_length_mm 650" in pick(rows, "f_estimate").method


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"others": MOTOR}, Reason.NO_LIMB_LENGTH),
        ({"others": MOTOR, "covariates": {"height_cm": 175.0}}, Reason.NO_LIMB_LENGTH),
        ({"others": MOTOR, "covariates": {"arm_length_mm": -1.0}}, Reason.IMPOSSIBLE_DISTANCE),
        ({"covariates": {"arm_length_mm": 650.0}}, Reason.NO_MOTOR_STUDY),
        ({"others": MOTOR, "covariates": {"arm_length_mm": 650.0}, "site": "elbow"}, Reason.NO_MOTOR_STUDY),
        ({"others": MOTOR, "covariates": {"arm_length_mm": 650.0}, "nerve": "facial"}, Reason.NO_LIMB_LENGTH),
        ({"others": MOTOR, "covariates": {"leg_length_mm": 800.0}, "nerve": "tibial"}, Reason.NO_MOTOR_STUDY),
    ],
)
def test_no_f_estimate_without_everything_it_needs(changes, reason):
    rows = measured(sweep_marks(TEN), **changes)
    assert pick(rows, "f_estimate").reason is reason
    assert pick(rows, "f_estimate_difference").reason is reason


def test_a_whole_visit_measures_the_motor_study_first():
    contamination = replace(F_RECORDING.contamination, noise_uv=5.0)
    late, truth = f_wave_study(
        seed=2, recording=replace(F_RECORDING, contamination=contamination), a_waves=(AWave(latency_ms=42.0),)
    )
    nerve, _ = simulate.motor_study(seed=1)
    visit = Visit(
        subject=Subject(id="P1"), date=dt.date(2020, 1, 1), studies=(late, nerve), covariates={"arm_length_mm": 650.0}
    )
    result = ncs.analyze(visit)
    rows = [row for row in result.measurements if row.study_index == 0]
    assert [row.study_index for row in result.measurements] == sorted(row.study_index for row in result.measurements)
    assert pick(rows, "f_persistence").value == pytest.approx(100 * truth.persistence)
    assert pick(rows, "f_minimum_latency").value == pytest.approx(truth.latencies_ms.min(), abs=0.3)
    assert pick(rows, "f_mean_latency").value == pytest.approx(truth.latencies_ms.mean(), abs=0.3)
    assert pick(rows, "f_a_wave_sweeps").value == 20.0
    assert pick(rows, "f_estimate").value == pytest.approx(2 * 650.0 / 56.0 + 1.0 + 3.4, abs=0.3)
    assert "A wave left out in 20 sweeps" in pick(rows, "f_persistence").method
