"""Make the reference recordings of `ncs check`: simulated studies as EDF+D, what is true of them, what is expected.

    python -m benchmarks.make_reference fixtures/reference

Every case has its own seed and the same bytes come out every time. Expectations are those of the present detector: run
`ncs check fixtures/reference` first, and make the set anew only to add cases, never to silence a breach.
"""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import _reference_truth as true
from ncs import Subject, regression, simulate
from ncs.io.edf_write import write_edf
from ncs.model import Study, Visit, readonly_samples
from ncs.simulate import (
    Cmap,
    Contamination,
    FocalLesion,
    MotorNerve,
    Recording,
    SensoryNerve,
    SiteTruth,
    StudyTruth,
    Train,
)  # fmt: skip
from ncs.simulate.late import F_RECORDING, H_RECORDING
from ncs.simulate.nerves import MOTOR_RECORDING, SENSORY_RECORDING

RATE = 10_000.0
DATE = dt.date(2020, 1, 1)
MOTOR = replace(MOTOR_RECORDING, sampling_rate_hz=RATE, duration_ms=40.0)
SHORT = replace(MOTOR, duration_ms=25.0)
TAIL = Contamination(noise_uv=10.0, artefact_uv=8000.0, tail_uv=800.0, tail_ms=2.0)
MAINS = Contamination(noise_uv=10.0, mains_uv=40.0, mains_hz=50.0)
DRIFT = Contamination(noise_uv=10.0, drift_uv=400.0, offset_uv=300.0)
NOISY = simulate.CONDITIONS["1mV_50uV_tail_mains_drift"].contamination
SENSORY_NOISE = replace(SENSORY_RECORDING.contamination, noise_uv=0.6)
ABOUT = """Reference recordings of `ncs check`: SIMULATED, nobody was examined.

*.edf            recordings, made by `python -m benchmarks.make_reference fixtures/reference`
*.expected.json  measurements and marks as ncs makes them, with what is true of them
tolerances.json  how far each quantity may move before it is a breach, in its own unit

Only `ncs check fixtures/reference --update` rewrites expectations; docs/check.md says when that is right.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """One recording: its name, what it is, the study, and what is true of it."""

    name: str
    about: str
    study: Study
    truth: true.Truths


def motor(name: str, about: str, seed: int, contamination: Contamination | None = None, **nerve) -> Made:
    recording = MOTOR if contamination is None else replace(MOTOR, contamination=contamination)
    study, truth = simulate.motor_study(MotorNerve(**nerve), seed=seed, recording=recording)
    return Made(name=f"motor_{name}", about=about, study=study, truth=true.motor(truth))


def from_sweeps(name: str, about: str, seeds: tuple[int, int], response: Cmap, contamination: Contamination) -> Made:
    """Return a motor study of single sweeps, for what a nerve of ``simulate.motor_study`` cannot do."""
    study, _ = simulate.motor_study(seed=seeds[0], recording=MOTOR)
    traces, truths = [], []
    for trace, onset, seed in zip(study.traces, (3.4, 7.4), seeds, strict=True):
        sweeps = simulate.cmap(
            1, seed=seed, sampling_rate_hz=RATE, duration_ms=40.0, stimulus_ms=MOTOR.stimulus_ms,
            response=replace(response, onset_ms=onset), contamination=contamination,
        )  # fmt: skip
        traces.append(replace(trace, samples_uv=readonly_samples(np.asarray(sweeps.samples_uv))))
        marks = sweeps.truth.moved(sweeps.trigger_error_ms)
        truths.append(SiteTruth(stimulation_site=trace.stimulation_site, distance_mm=trace.distance_mm, marks=marks))
    truth = true.motor(StudyTruth(sites=tuple(truths), segments=()))
    return Made(name=f"motor_{name}", about=about, study=replace(study, traces=tuple(traces)), truth=truth)


def sensory(name: str, about: str, seed: int, contamination: Contamination | None = None, **nerve) -> Made:
    recording = SENSORY_RECORDING if contamination is None else replace(SENSORY_RECORDING, contamination=contamination)
    study, truth = simulate.sensory_study(SensoryNerve(**nerve), seed=seed, recording=recording)
    return Made(
        name=f"sensory_{name}", about=about, study=study, truth=true.nerve(truth, "sensory", "snap_amplitude", "snap")
    )


def mixed() -> Made:
    study, truth = simulate.mixed_study(seed=31)
    truths = true.nerve(truth, "mixed", "mixed_amplitude", "snap")
    return Made(name="mixed_clean", about="palm to wrist, good signal", study=study, truth=truths)


def f_wave(name: str, about: str, seed: int, noise_uv: float = 5.0, **nerve) -> Made:
    contamination = replace(F_RECORDING.contamination, noise_uv=noise_uv)
    recording = replace(F_RECORDING, n_sweeps=10, sampling_rate_hz=RATE, contamination=contamination)
    study, truth = simulate.f_wave_study(seed=seed, recording=recording, **nerve)
    return Made(name=f"f_wave_{name}", about=about, study=study, truth=true.f_waves(truth, "wrist"))


def h_reflex() -> Made:
    study, truth = simulate.h_reflex_study(seed=51, recording=replace(H_RECORDING, n_sweeps=12))
    truths = true.h_reflexes(truth, "popliteal fossa")
    return Made(name="h_reflex_series", about="twelve stimuli of rising current", study=study, truth=truths)


def repetitive() -> Made:
    trains = (
        Train(decrement_percent=25.0, recovery_share=0.3),
        Train(condition="after exercise 30 s", decrement_percent=8.0),
    )
    study, truths = simulate.repetitive_study(seed=61, recording=SHORT, trains=trains)
    known = true.trains(truths, ("at rest", "30 s after exercise"), "wrist")
    about = "3 Hz, decrement of 25 % that recovers in part; of 8 % after exercise"
    return Made(name="repetitive_decrement", about=about, study=study, truth=known)


def blink() -> list[Made]:
    recording = replace(simulate.BLINK_RECORDING, sampling_rate_hz=RATE, n_sweeps=4)
    studies, truths = simulate.blink_study(seed=71, recording=recording)
    return [
        Made(name=f"blink_{side}", about=f"right supraorbital nerve, recorded {where}", study=study,
             truth=true.blink(truth, "supraorbital"))
        for side, where, study, truth in zip(
            ("ipsilateral", "contralateral"), ("on the same side", "on the other side"), studies, truths, strict=True
        )
    ]  # fmt: skip


def inching() -> Made:
    study, truth = simulate.inching_study(seed=81, recording=SHORT, lesion=FocalLesion(blocked_fraction=0.3))
    about = "seven points; 0.6 ms of delay and 30 % block between point 4 and point 5"
    return Made(name="inching_lesion", about=about, study=study, truth=true.inching(truth))


def scan() -> Made:
    recording = Recording(
        sampling_rate_hz=RATE, duration_ms=20.0, contamination=MOTOR.contamination, skin_temperature_c=33.0
    )
    study, truth = simulate.cmap_scan_study(seed=91, recording=recording, n_stimuli=80)
    return Made(
        name="cmap_scan_80_stimuli", about="healthy nerve, 80 stimuli", study=study, truth=true.scan(truth, "wrist")
    )


def cases() -> list[Made]:
    weak = {"amplitude_uv": 1000.0}
    return [
        motor("clean", "healthy median nerve, good signal", 1),
        motor("noisy", "1 mV; 50 uV of noise, artefact tail, mains, drift", 2, NOISY, **weak),
        motor("artefact_tail", "artefact of 8 mV whose tail runs into a response of 1 mV", 3, TAIL, **weak),
        motor("mains", "40 uV of mains under 1 mV", 4, MAINS, **weak),
        motor("drift", "a drifting, bent baseline far from zero", 5, DRIFT),
        motor("clipped", "an amplifier that ends at 6 mV", 6, Contamination(noise_uv=5.0, rail_uv=6000.0)),
        motor("initial_positivity", "electrode off the end-plates: a positive dip first", 7, initial_positivity=True),
        motor(
            "dispersed", "proximal response dispersed, 40 % blocked", 8, velocity_m_s=32.0, distal_latency_ms=5.5,
            velocity_spread=1.2, blocked_fraction=0.4,
        ),
        from_sweeps("two_peaked", "CMAPs with two negative peaks", (91, 92),
                    Cmap(amplitude_uv=3000.0, two_peaked=True), Contamination(noise_uv=5.0)),
        motor("no_response", "a nerve that gives no response", 10, amplitude_uv=0.0),
        from_sweeps("trigger_late", "the stimulus comes 1.5 ms after the time stated", (111, 112), Cmap(),
                    replace(MOTOR.contamination, trigger_error_ms=1.5)),
        motor("mild_block", "fibular nerve, slow, 20 % blocked", 12, nerve="fibular", velocity_m_s=36.0,
              distal_latency_ms=5.8, amplitude_uv=2500.0, blocked_fraction=0.2),
        sensory("clean", "healthy median nerve, antidromic", 21),
        sensory("noisy", "8 uV with 0.6 uV of noise", 22, SENSORY_NOISE, amplitude_uv=8.0),
        sensory("orthodromic", "orthodromic: a positive peak first", 23, direction="orthodromic"),
        sensory("no_response", "a nerve that gives no response", 24, amplitude_uv=0.0),
        mixed(),
        f_wave("healthy", "ten stimuli", 41),
        f_wave("a_wave", "an A wave of 17 ms in every sweep, 10 uV of noise", 42, 10.0, a_waves=(simulate.AWave(),)),
        h_reflex(),
        repetitive(),
        *blink(),
        inching(),
        scan(),
    ]  # fmt: skip


def write(folder: Path, made: Made) -> None:
    visit = Visit(subject=Subject(id="SIMULATED"), date=DATE, studies=(made.study,))
    path = folder / f"{made.name}.edf"
    write_edf(visit, path)
    regression.record(path, about=f"Simulated: {made.about}.", truth=made.truth)


def main(destination: str) -> None:
    folder = Path(destination)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(ABOUT, encoding="utf-8", newline="\n")
    (folder / regression.TOLERANCES).write_text(regression.tolerances_text(), encoding="utf-8", newline="\n")
    for made in cases():
        write(folder, made)
        print(made.name)


if __name__ == "__main__":
    main(sys.argv[1])
