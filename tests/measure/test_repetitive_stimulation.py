"""Repetitive stimulation: decrement against simulated truth, trains out of recordings, and what is missing."""

import datetime as dt

import numpy as np
import pytest

import ncs
from ncs import simulate
from ncs.detect.marks import Marks, Outcome
from ncs.measure import repetitive_stimulation as rns
from ncs.measure._study import MarkedTrace
from ncs.model import Stimulus, Subject, Technique, Trace, Visit
from ncs.quantities import QUANTITIES
from ncs.results import Reason, TraceMarks
from ncs.simulate import Contamination, Recording, Train
from tests.io.edf_examples import Channel, annotation_bytes, annotation_channel, build, read, tal
from tests.measure.build import CMAP, part

NOISY = Recording(
    contamination=Contamination(
        noise_uv=50.0, artefact_uv=(500.0, 3000.0), tail_uv=(20.0, 150.0), tail_ms=(0.5, 2.0), offset_uv=5.0
    )
)


def analysed(study):
    return ncs.analyze(Visit(subject=Subject(id="P01"), date=dt.date(2021, 3, 9), studies=(study,)))


def by_train(measurements):
    found = {}
    for m in measurements:
        assert m.quantity not in found.setdefault(m.segment, {})
        found[m.segment][m.quantity] = m
    return found


def made(amplitudes, areas=None, *, sd=20.0, label="at rest", elapsed_s=None, notes=()):
    """A trace whose responses have these marks; NaN is a sweep without a response."""
    n = len(amplitudes)
    columns = {name: np.full(n, value) for name, value in CMAP.items()} | {
        "peak_uv": np.array(amplitudes, float), "peak_sd_uv": np.full(n, sd), "area_sd_uv_ms": np.full(n, 2 * sd),
        "area_uv_ms": np.array(areas if areas is not None else 3.0 * np.array(amplitudes, float), float),
    }  # fmt: skip
    missing = np.isnan(columns["peak_uv"])
    for column in columns.values():
        column[missing] = np.nan
    sweeps = Marks(
        **columns, outcome=np.where(missing, Outcome.NO_RESPONSE, Outcome.FOUND).astype(np.int8),
        flags=np.zeros(n, np.int8),
    )  # fmt: skip
    trace = Trace(
        samples_uv=np.zeros((n, 10)), sampling_rate_hz=10_000.0, stimulus_ms=np.zeros(n), stimulation_site="wrist",
        stimulus=Stimulus(label=label), elapsed_s=elapsed_s, notes=notes,
    )  # fmt: skip
    entry = TraceMarks(
        study_index=0, trace_index=0, response="cmap", sweeps=sweeps, measured=sweeps.sweep(0),
        measured_sweeps=tuple(range(n)),
    )  # fmt: skip
    return MarkedTrace(trace=trace, marks=entry.measured, found={"cmap": entry})


def measured(*traces):
    made_part = part(*traces, technique=Technique.REPETITIVE_STIMULATION)
    rns.measure(made_part)
    for row in made_part.rows:
        assert row.unit == QUANTITIES[row.quantity].unit
    return by_train(made_part.rows)


def test_decrement_is_the_loss_of_the_fourth_against_the_first():
    rows = measured(made([5000, 4700, 4500, 4400, 4450, 4600]))["at rest"]
    assert rows["train_first_amplitude"].value == 5000.0
    assert rows["decrement_4th"].value == pytest.approx(12.0)
    assert rows["decrement_5th"].value == pytest.approx(11.0)
    assert rows["decrement_maximum"].value == pytest.approx(12.0)
    assert rows["decrement_last"].value == pytest.approx(8.0)
    assert rows["increment_maximum"].value == pytest.approx(-6.0)
    assert rows["area_decrement_4th"].value == pytest.approx(12.0)
    assert rows["decrement_4th"].sd == pytest.approx(100 * np.hypot(20, 0.88 * 20) / 5000)
    assert "response 4 against 1; percent of the first: 100 94 90 88 89 92" in rows["decrement_maximum"].method


def test_an_increment_is_a_negative_decrement():
    rows = measured(made([2000, 2400, 2900, 3300, 3500]))["at rest"]
    assert rows["decrement_4th"].value == pytest.approx(-65.0)
    assert rows["increment_maximum"].value == pytest.approx(75.0)
    assert "response 5 against 1" in rows["increment_maximum"].method


@pytest.mark.parametrize(("recovers", "last"), [(True, 4900), (False, 4410)])
def test_a_decrement_that_comes_back_is_flagged(recovers, last):
    rows = measured(made([5000, 4700, 4500, 4400, 4500, last]))["at rest"]
    assert (rns.RECOVERS in rows["decrement_maximum"].flags) == recovers


def test_area_that_does_not_follow_amplitude_is_flagged_and_amplitude_alone_is_not_trusted():
    """Higher and narrower responses (more synchronous, not more units) are no facilitation."""
    same = measured(made([5000, 5000, 5000, 4000]))["at rest"]
    apart = measured(made([5000, 5300, 5600, 6500], [15000, 15000, 15000, 15000]))["at rest"]
    assert rns.AREA_APART not in same["decrement_4th"].flags
    assert apart["decrement_4th"].flags == apart["area_decrement_4th"].flags == (rns.AREA_APART,)


def test_a_response_that_vanishes_leaves_no_number_instead_of_a_smaller_one():
    rows = measured(made([5000, 3000, 900, np.nan, np.nan]))["at rest"]
    for name in ("decrement_4th", "decrement_5th", "decrement_maximum", "decrement_last", "increment_maximum"):
        assert (rows[name].value, rows[name].reason) == (None, Reason.NO_RESPONSE)


def test_without_a_first_response_there_is_nothing_to_compare_with():
    rows = measured(made([np.nan, 3000, 2900, 2800, 2700]))["at rest"]
    assert rows["train_first_amplitude"].reason is Reason.NO_RESPONSE
    assert rows["decrement_4th"].reason is Reason.NO_FIRST_RESPONSE


@pytest.mark.parametrize("n", [1, 3])
def test_short_trains_have_no_fourth_response(n):
    rows = measured(made([5000.0] * n))["at rest"]
    assert rows["decrement_4th"].reason is Reason.TOO_FEW_RESPONSES
    assert rows["train_first_amplitude"].value == 5000.0
    assert (rows["decrement_maximum"].value is None) == (n == 1)


def test_series_before_and_after_exercise_are_told_apart_and_compared():
    rows = measured(
        made([2000] * 5, label="Stimulus right wrist, at rest"),
        made([5000] * 5, label="Stimulus right wrist, after exercise 10 s"),
        made([1500] * 5, label="", notes=("post-exercise 2 min",)),
    )
    assert list(rows) == ["at rest", "10 s after exercise", "120 s after exercise"]
    assert "exercise_increment" not in rows["at rest"]
    assert rows["10 s after exercise"]["exercise_increment"].value == pytest.approx(150.0)
    assert rows["120 s after exercise"]["exercise_increment"].value == pytest.approx(-25.0)
    assert "of at rest" in rows["10 s after exercise"]["area_exercise_increment"].method


def test_after_exercise_alone_has_nothing_to_be_compared_with():
    rows = measured(made([2000] * 5, label="after exercise 30 s"))["30 s after exercise"]
    assert rows["exercise_increment"].reason is Reason.NO_TRAIN_AT_REST


def test_notes_that_contradict_each_other_name_no_series():
    assert list(measured(made([2000] * 5, label="", notes=("at rest", "after exercise 30 s")))) == ["train 1"]


def test_a_pause_in_one_trace_begins_a_new_train():
    times = np.concatenate([np.arange(10) / 3, 60 + np.arange(10) / 3])
    rows = measured(made([5000] * 10 + [4000] * 10, elapsed_s=times, label="at rest"))
    assert list(rows) == ["train 1", "train 2"]
    assert rows["train 1"]["decrement_maximum"].value == 0.0
    assert rows["train 2"]["train_first_amplitude"].value == 4000.0
    assert rows["train 2"]["stimulation_rate"].value == pytest.approx(3.0)


def test_without_a_clock_a_trace_is_one_train_and_has_no_rate():
    rows = measured(made([5000] * 10))["at rest"]
    assert rows["stimulation_rate"].reason is Reason.NO_SWEEP_TIMES


def test_decrement_within_two_points_at_50_uv_noise_on_5_mv():
    errors, area_errors = [], []
    decrements = np.random.default_rng(5).uniform(-5.0, 60.0, 25)
    for seed, decrement in enumerate(decrements):
        train = Train(decrement_percent=float(decrement), recovery_share=0.3)
        study, (truth,) = simulate.repetitive_study(
            seed=seed, amplitude_uv=5000.0, trains=(train,), recording=NOISY, population="test"
        )
        rows = by_train(analysed(study).measurements)["at rest"]
        errors.append(rows["decrement_4th"].value - truth.decrement_percent[3])
        area_errors.append(rows["area_decrement_4th"].value - truth.area_decrement_percent[3])
    assert np.abs(errors).max() < 2.0
    assert np.abs(area_errors).max() < 2.0
    assert abs(np.mean(errors)) < 0.5


def test_few_large_units_give_no_false_decrement():
    """The detector's estimate of what lies under a peak scatters where the rise has steps; a train shares one."""
    recording = Recording(
        contamination=Contamination(noise_uv=10.0, artefact_uv=(500.0, 3000.0), tail_uv=(20.0, 150.0))
    )
    for seed in range(12):
        study, (truth,) = simulate.repetitive_study(
            seed=seed, amplitude_uv=5000.0, n_units=(5, 20), trains=(Train(),), recording=recording, population="test"
        )
        rows = by_train(analysed(study).measurements)["at rest"]
        assert abs(rows["decrement_maximum"].value) < 2.0
        assert truth.decrement_percent[3] == 0.0


def continuous(study, *, with_conditions=True):
    """The traces of a study on the one clock of an EDF+C recording."""
    rate, seconds, notes = 20_000, 70, []
    whole = np.zeros(rate * seconds)
    for trace in study.traces:
        text = trace.stimulus.label if with_conditions else "Stimulus right wrist"
        for sweep, moment in zip(trace.samples_uv, trace.elapsed_s, strict=True):
            at = round(moment * rate) - round(trace.stimulus_ms[0] * rate / 1000)
            whole[at : at + sweep.size] = sweep
            notes.append(tal(f"+{round(moment * rate) / rate:.5f}", text))
    channel = Channel(label="R ADM", unit="uV", samples=rate, physical=("-32768", "32767"))
    records = [
        (np.rint(part).astype(int), annotation_bytes([tal(f"+{i}", ""), *(notes if i == 0 else ())], 2000))
        for i, part in enumerate(whole.reshape(seconds, rate))
    ]
    return build(
        [channel, annotation_channel(2000)], records, duration="1", reserved="EDF+C",
        recording="Startdate 01-JAN-2002 X X X RNS R Ulnar Nerve",
    )  # fmt: skip


@pytest.mark.parametrize("with_conditions", [True, False])
def test_trains_are_cut_from_one_continuous_recording(with_conditions):
    trains = (Train(decrement_percent=20.0), Train(condition="after exercise 30 s", decrement_percent=40.0))
    study, truths = simulate.repetitive_study(seed=2, trains=trains, recording=Recording(stimulus_ms=5.0))
    result = ncs.analyze(read(continuous(study, with_conditions=with_conditions)))
    assert result.visit.studies[0].technique is Technique.REPETITIVE_STIMULATION
    rows = by_train(result.measurements)
    assert list(rows) == (["at rest", "30 s after exercise"] if with_conditions else ["train 1", "train 2"])
    for row, truth in zip(rows.values(), truths, strict=True):
        assert row["decrement_4th"].value == pytest.approx(truth.decrement_percent[3], abs=0.7)
        assert row["stimulation_rate"].value == pytest.approx(3.0, abs=0.01)
        assert row["decrement_4th"].site == "wrist"


def test_trap_3_amplitude_is_from_baseline_to_the_negative_peak():
    study, (truth,) = simulate.repetitive_study(seed=1, trains=(Train(decrement_percent=10.0),))
    first = by_train(analysed(study).measurements)["at rest"]["train_first_amplitude"]
    assert first.value == pytest.approx(truth.marks.peak_uv[0], rel=0.01)


def test_trap_4_no_response_is_no_zero():
    study, _ = simulate.repetitive_study(
        seed=1, amplitude_uv=1e-3, recording=Recording(contamination=Contamination(noise_uv=5.0))
    )
    rows = by_train(analysed(study).measurements)["at rest"]
    assert {row.reason for name, row in rows.items() if name != "stimulation_rate"} == {
        Reason.NO_RESPONSE, Reason.NO_FIRST_RESPONSE,
    }  # fmt: skip
