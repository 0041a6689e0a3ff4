"""Rows of an F-wave study, from hand-made sweeps: what is counted, what is said, what the flags are."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ncs.detect.marks import Flag, Outcome
from ncs.measure import f_wave
from ncs.measure._study import MarkedTrace, StudyPart
from ncs.measure.f_wave import series_of
from ncs.model import Side, Study, Technique
from ncs.results import Measurement, Reason
from tests.measure.build import blank, entry, marked, marks, part, pick, several

NAN = math.nan
METHOD = "onset at the first deflection of either polarity"
TWO = f"{METHOD}; 2 F waves (from 40 uV peak to peak) after 2 stimuli"


def waves(onsets, *, sd=0.1, height=200.0, flags=None, outcome=None):
    """Marks of sweeps; a sweep whose onset is NaN has no F wave unless an outcome is given."""
    n = len(onsets)
    found = several(
        n, onset_ms=onsets, onset_sd_ms=np.broadcast_to(sd, n), peak_to_peak_uv=np.broadcast_to(height, n),
        **({} if outcome is None else {"outcome": outcome}),
    )  # fmt: skip
    return found if flags is None else replace(found, flags=np.array(flags, np.int8))


def rows_of(found, *, m_wave=None, covariates=None, others=(), nerve="median", **more):
    trace = blank(len(found), stimulation_site="wrist", distance_mm=70.0)
    at = MarkedTrace(
        trace=trace, marks=marks() if m_wave is None else m_wave, found={"f_wave": entry(found, "f_wave")},
        how="mean of all", **more,
    )  # fmt: skip
    study = Study(traces=(trace,), nerve=nerve, side=Side.RIGHT, technique=Technique.F_WAVE)
    made = StudyPart(
        study=study, study_index=0, marked=(at,), method="not shown", covariates=covariates or {}, others=others
    )
    f_wave.measure(made)
    return made.rows


def test_what_a_series_counts():
    flags = [0, Flag.REPEATER, 0, Flag.A_WAVE, Flag.A_WAVE | Flag.REPEATER, Flag.A_WAVE, Flag.REPEATER]
    outcome = [Outcome.FOUND] * 3 + [Outcome.NO_RESPONSE, Outcome.FOUND, Outcome.INVALID_INPUT, Outcome.TOO_NOISY]
    found = waves(
        [27.0, 27.0, 29.0, NAN, 28.0, 1.0, NAN], flags=flags, outcome=outcome, height=np.arange(100.0, 800.0, 100.0)
    )
    series = series_of(found)
    assert (series.stimuli, series.present, series.repeats, series.a_waves) == (6, 5, 3, 2)
    assert series.onset_ms.tolist() == [27.0, 27.0, 29.0, 28.0]
    assert series.first.tolist() == [True, False, True, False]
    assert series.onset_sd_ms.tolist() == [0.1] * 4
    assert series.amplitude_uv.tolist() == [100.0, 300.0]


def test_mean_and_median_of_different_waves_with_their_deviations():
    flags = [0, Flag.REPEATER, 0, 0]
    rows = rows_of(waves([27.0, 27.0, 28.0, 31.0], sd=[0.3, 9.0, 0.4, NAN], flags=flags))
    mean, median = pick(rows, "f_mean_latency"), pick(rows, "f_median_latency")
    assert (mean.value, mean.sd) == (pytest.approx(86 / 3), pytest.approx(0.5 / 3))
    assert (median.value, median.sd) == (28.0, pytest.approx(0.5 / 3 * math.sqrt(math.pi / 2)))
    repeats = rows_of(waves([27.0, 28.0], flags=[Flag.REPEATER] * 2))
    assert pick(repeats, "f_mean_latency").value == pytest.approx(27.5)  # all of them, where there are no others


def test_every_row_of_a_short_series():
    flags = [0, 0, Flag.REPEATER, Flag.A_WAVE, 0]
    rows = rows_of(waves([27.0, 28.0, 29.0, NAN, NAN], flags=flags, height=[100.0, 300.0, 900.0, NAN, NAN]))
    how = (
        f"{METHOD}; 3 F waves (from 40 uV peak to peak) after 5 stimuli; 1 of them repeats of the same wave, counted "
        "once in means; A wave left out in 1 sweeps"
    )
    few = ("few_stimuli",)
    m_wave = "M wave 7.20 mV; absent F waves mean little where it is far below normal"
    needs = {
        "f_minimum_latency": 10, "f_mean_latency": 10, "f_median_latency": 10, "f_maximum_latency": 10,
        "f_chronodispersion": 50, "f_m_ratio": 20, "f_repeats": 100,
    }  # fmt: skip
    for name, needed in needs.items():
        row = pick(rows, name)
        assert row.method.startswith(f"{how}; "), name
        assert row.method.endswith(f"; needs {needed} stimuli, these were 5"), name
        assert row.flags == few, name
    expected = {
        "cmap_amplitude": (7200.0, f"{METHOD}; mean of all; M wave", ()),
        "f_persistence": (60.0, f"{how}; {m_wave}", few),
        "f_amplitude": (200.0, how, ()),
        "f_stimuli": (5.0, how, ()),
        "f_a_wave_sweeps": (1.0, how, ()),
    }
    for name, (value, method, flags) in expected.items():
        row = pick(rows, name)
        assert (row.value, row.method, row.flags) == (pytest.approx(value), method, flags), name
        assert (row.site, row.distance_mm) == ("wrist", 70.0)
    assert pick(rows, "f_m_ratio").value == pytest.approx(100 * 200 / 9300)
    assert pick(rows, "f_repeats").value == 1.0
    assert pick(rows, "cmap_amplitude").sd == 20.0


@pytest.mark.parametrize(
    ("stimuli", "said"),
    [
        (9, "needs 10 stimuli, these were 9"), (10, "10 give it within 1 ms"), (19, "10 give it within 1 ms"),
        (20, "20 stimuli or more give it within 0.5 ms"),
    ],
)  # fmt: skip
def test_what_so_many_stimuli_say_of_the_mean(stimuli, said):
    rows = rows_of(waves(np.linspace(26.0, 29.0, stimuli)))
    assert (
        pick(rows, "f_mean_latency").method
        == f"{METHOD}; {stimuli} F waves (from 40 uV peak to peak) after {stimuli} stimuli; {said}"
    )
    assert ("these were" in pick(rows, "f_minimum_latency").method) is (stimuli < 10)


@pytest.mark.parametrize(
    ("m_wave", "note", "flags", "ratio"),
    [
        (marks(Outcome.CLIPPED), "the amplifier was saturated", ("no_m_wave", "few_stimuli"), Reason.CLIPPED),
        (marks(Outcome.NO_RESPONSE), Reason.NO_RESPONSE.sentence, ("no_m_wave", "few_stimuli"), Reason.NO_RESPONSE),
        (marks(peak_to_peak_uv=NAN), None, ("few_stimuli",), Reason.NO_POSITIVE_PEAK),
    ],
)  # fmt: skip
def test_an_m_wave_that_lacks_something(m_wave, note, flags, ratio):
    rows = rows_of(waves([27.0, 28.0]), m_wave=m_wave)
    persistence = pick(rows, "f_persistence")
    assert persistence.flags == flags
    if note is not None:
        assert persistence.method.endswith(f"; M wave not measured ({note}): absent F waves say nothing by themselves")
    assert pick(rows, "f_m_ratio").reason is ratio
    assert pick(rows, "f_amplitude").value == 200.0


@pytest.mark.parametrize(
    ("found", "latency", "size"),
    [
        (waves([NAN] * 3), Reason.NO_RESPONSE, Reason.NO_RESPONSE),
        (waves([NAN] * 3, outcome=[Outcome.TOO_NOISY] * 3), Reason.TOO_NOISY, None),
        (waves([NAN] * 3, outcome=[Outcome.INVALID_INPUT] * 3), Reason.INVALID_SAMPLES, Reason.INVALID_SAMPLES),
        (waves([27.0], flags=[Flag.REPEATER]), None, Reason.NO_RESPONSE),
    ],
)
def test_why_there_is_no_latency_or_no_amplitude(found, latency, size):
    rows = rows_of(found)
    for name in ("f_minimum_latency", "f_mean_latency", "f_median_latency", "f_maximum_latency"):
        assert pick(rows, name).reason is latency
    assert pick(rows, "f_amplitude").reason is pick(rows, "f_m_ratio").reason is size


def test_one_wave_has_no_chronodispersion():
    assert pick(rows_of(waves([27.0, NAN])), "f_chronodispersion").reason is Reason.ONE_RESPONSE
    assert pick(rows_of(waves([27.0, 29.0])), "f_chronodispersion").value > 1.0


def test_a_trace_without_f_waves_has_every_row_without_a_value():
    at = marked("wrist", 70.0, marks(), how="said")
    unmarked = marked("elbow", 300.0, None, reason=Reason.NO_TECHNIQUE)
    made = part(at, unmarked, technique=Technique.F_WAVE, nerve="median")
    f_wave.measure(made)
    for site, reason, method in (("wrist", Reason.NO_STIMULUS_TIME, "; said"), ("elbow", Reason.NO_TECHNIQUE, "")):
        here = [row for row in made.rows if row.site == site]
        assert [row.quantity for row in here] == [
            "cmap_amplitude", "f_minimum_latency", "f_mean_latency", "f_median_latency", "f_maximum_latency",
            "f_chronodispersion", "f_persistence", "f_amplitude", "f_m_ratio", "f_stimuli", "f_estimate",
            "f_estimate_difference",
        ]  # fmt: skip
        assert {(row.reason, row.method) for row in here[1:]} == {(reason, METHOD + method)}


def motor(quantity, value, **more):
    usual = {"nerve": "median", "side": Side.RIGHT, "technique": Technique.MOTOR, "unit": "ms"}
    return Measurement(quantity=quantity, value=value, **{**usual, **more})


DML = motor("distal_motor_latency", 3.4, site="wrist")
MCV = motor("motor_conduction_velocity", 56.0, segment="wrist-elbow", unit="m/s")
ARM = {"arm_length_mm": 650.0}
NO_ARM = "; the visit states no arm_length_mm"


def test_the_f_estimate_says_what_it_rests_on():
    rows = rows_of(waves([27.0, 28.0]), covariates=ARM, others=(DML, MCV))
    estimate, difference = pick(rows, "f_estimate"), pick(rows, "f_estimate_difference")
    assert estimate.value == pytest.approx(2 * 650 / 56 + 1 + 3.4)
    assert difference.value == pytest.approx(pick(rows, "f_minimum_latency").value - estimate.value)
    said = "arm_length_mm 650, velocity 56.0 m/s (wrist-elbow), distal motor latency 3.40 ms"
    assert estimate.method == difference.method == f"{TWO}; {said}"
    none = rows_of(waves([NAN]), covariates=ARM, others=(DML, MCV))
    assert pick(none, "f_estimate").value == estimate.value
    assert pick(none, "f_estimate_difference").reason is Reason.NO_RESPONSE


@pytest.mark.parametrize(
    ("others", "velocity"),
    [
        ((DML, replace(MCV, value=None, reason=Reason.ONE_SITE), MCV, replace(MCV, value=40.0)), 56.0),
        ((replace(MCV, nerve="ulnar", value=40.0), DML, MCV), 56.0),
        ((replace(MCV, side=Side.LEFT, value=40.0), DML, MCV), 56.0),
        ((replace(DML, site="elbow", value=9.0), DML, MCV), 56.0),
        ((DML, replace(MCV, site="anywhere", value=50.0)), 50.0),
    ],
)
def test_the_f_estimate_takes_the_first_numbers_of_the_same_nerve(others, velocity):
    rows = rows_of(waves([27.0, 28.0]), covariates=ARM, others=others)
    assert pick(rows, "f_estimate").value == pytest.approx(2 * 650 / velocity + 1 + 3.4)


@pytest.mark.parametrize(
    ("more", "reason", "said"),
    [
        ({"others": (DML, MCV)}, Reason.NO_LIMB_LENGTH, "; the visit states no arm_length_mm"),
        ({"nerve": "tibial", "covariates": ARM}, Reason.NO_LIMB_LENGTH, "; the visit states no leg_length_mm"),
        ({"nerve": None, "covariates": ARM}, Reason.NO_LIMB_LENGTH, "; no limb length is known for this nerve"),
        ({"covariates": {"arm_length_mm": "long"}}, Reason.IMPOSSIBLE_DISTANCE, NO_ARM),
        ({"covariates": {"arm_length_mm": 0.0}}, Reason.IMPOSSIBLE_DISTANCE, NO_ARM),
        ({"covariates": {"arm_length_mm": math.inf}}, Reason.IMPOSSIBLE_DISTANCE, NO_ARM),
        ({"covariates": ARM}, Reason.NO_MOTOR_STUDY, ""),
        ({"covariates": ARM, "others": (DML,)}, Reason.NO_MOTOR_STUDY, ""),
        ({"covariates": ARM, "others": (MCV,)}, Reason.NO_MOTOR_STUDY, ""),
        ({"covariates": ARM, "others": (DML, replace(MCV, value=0.0))}, Reason.NO_MOTOR_STUDY, ""),
    ],
)  # fmt: skip
def test_why_there_is_no_f_estimate(more, reason, said):
    rows = rows_of(waves([27.0, 28.0]), **more)
    for name in ("f_estimate", "f_estimate_difference"):
        row = pick(rows, name)
        assert (row.value, row.reason, row.method) == (None, reason, TWO + said), name


def test_edits_of_sweeps_are_said_in_what_rests_on_them():
    said = {"f_wave": ("sweep 1: onset moved by A",), "cmap": ("sweep 1: onset moved by B",)}
    rows = rows_of(waves([27.0, 28.0]), sweep_edits=said, covariates=ARM, others=(DML, MCV))
    edited = {row.quantity for row in rows if "edited" in row.flags}
    assert edited == {
        "f_minimum_latency", "f_mean_latency", "f_median_latency", "f_maximum_latency", "f_chronodispersion",
        "f_persistence", "f_amplitude", "f_m_ratio", "f_estimate", "f_estimate_difference",
    }  # fmt: skip
    for row in rows:
        assert row.method.endswith("; sweep 1: onset moved by A") is (row.quantity in edited), row.quantity
    moved = {"peak_to_peak_uv": ("negative peak moved by C",)}
    ratio = pick(rows_of(waves([27.0, 28.0]), sweep_edits=said, edits=moved), "f_m_ratio")
    assert ratio.method.endswith("; sweep 1: onset moved by A; negative peak moved by C")
