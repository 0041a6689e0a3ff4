"""Synthetic results for tests of store and batch: every field filled, seeded, and a comparison that knows NaN."""

import dataclasses
import datetime as dt
import hashlib
import math
from collections.abc import Mapping

import numpy as np

from ncs.detect.marks import Marks
from ncs.errors import Problem
from ncs.model import (
    Calibration,
    Filters,
    Origin,
    Provenance,
    ReportedCurve,
    ReportedValue,
    Segment,
    Side,
    SourceFile,
    Stimulus,
    Study,
    Subject,
    Technique,
    Trace,
    Visit,
)
from ncs.results import Measurement, Reason, TraceMarks, VisitResult

RATE_HZ = 20_000.0
DATE = dt.date(2024, 3, 5)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def random_marks(rng: np.random.Generator, n_sweeps: int) -> Marks:
    fields = {}
    for field in dataclasses.fields(Marks):
        if field.name == "outcome":
            fields[field.name] = rng.integers(0, 6, n_sweeps).astype(np.int8)
        elif field.name == "flags":
            fields[field.name] = rng.integers(0, 16, n_sweeps).astype(np.int8)
        else:
            values = rng.normal(5, 3, n_sweeps)
            values[rng.random(n_sweeps) < 0.2] = np.nan
            fields[field.name] = values
    return Marks(**fields)


def digital_samples(rng: np.random.Generator, shape: tuple[int, int], calibration: Calibration) -> np.ndarray:
    """Return what a reader makes of a converter's codes, in microvolts."""
    low, high, bottom, top = (
        calibration.digital_min,
        calibration.digital_max,
        calibration.physical_min,
        calibration.physical_max,
    )
    time_ms = np.arange(shape[1]) * 1000 / RATE_HZ
    wave = -0.3 * (top - bottom) / 2 * np.exp(-(((time_ms - 12) / 2) ** 2)) + rng.normal(
        0, abs(0.0005 * (top - bottom)), shape
    )
    codes = np.clip(np.rint((wave - bottom) / (top - bottom) * (high - low) + low), low, high)
    return (((codes - low) * ((top - bottom) / (high - low)) + bottom) * 1000.0).astype(np.float32)


CALIBRATION = Calibration(unit="mV", digital_min=-8985, digital_max=10265, physical_min=-25.0, physical_max=25.0)


def build_trace(rng: np.random.Generator, site: str, *, n_sweeps: int = 1, n_samples: int = 1000) -> Trace:
    return Trace(
        samples_uv=digital_samples(rng, (n_sweeps, n_samples), CALIBRATION),
        sampling_rate_hz=RATE_HZ,
        stimulus_ms=rng.normal(0.5, 0.1, n_sweeps),
        stimulation_site=site,
        elapsed_s=np.arange(n_sweeps) / 3.0,
        distance_mm=float(rng.uniform(60, 300)),
        stimulus=Stimulus(intensity_ma=rng.uniform(5, 40, n_sweeps), duration_ms=0.2, label=f"Stimulus {site}"),
        filters=Filters(low_cut_hz=10.0, high_cut_hz=10_000.0, text="HP:10Hz LP:10kHz"),
        calibration=CALIBRATION,
        averaged_count=14,
        channel="NC L_APB",
        reported=(ReportedValue(kind="latency_ms", value=float(rng.uniform(2, 9)), mode="onset"),),
        notes=("warmed for 10 min", "Müdigkeit µ"),
        provenance=Provenance(distance_mm=Origin.SIDECAR, stimulus_ms=Origin.FILE),
    )


def build_visit(
    seed: int = 0,
    *,
    subject: str | None = "S1",
    date: dt.date | None = DATE,
    name: str | None = None,
    n_samples: int = 1000,
    n_sweeps: int = 1,
    sidecar: str = "",
) -> Visit:
    rng = np.random.default_rng(seed)
    traces = tuple(build_trace(rng, site, n_sweeps=n_sweeps, n_samples=n_samples) for site in ("wrist", "elbow"))
    study = Study(
        traces=traces,
        nerve="median",
        side=Side.LEFT,
        technique=Technique.MOTOR,
        recording_site="APB",
        skin_temperature_c=32.5,
        temperature_site="hand",
        segments=(Segment(distal_site="wrist", proximal_site="elbow", distance_mm=221.5, origin=Origin.PROTOCOL),),
        distance_sd_mm=3.0,
        curves=(ReportedCurve(name="strength-duration", columns=("ms", "mA"), rows=((0.2, 8.5), (1.0, None))),),
        provenance=Provenance(nerve=Origin.FILE, side=Origin.PROTOCOL),
    )
    name = name or f"file{seed}.edf"
    return Visit(
        subject=Subject(id=subject, sex="F"),
        date=date,
        studies=(study,),
        covariates={"vegf_pg_ml": float(rng.uniform(100, 4000)), "dose": "200 mg"},
        sources=(
            SourceFile(name=name, sha256=sha(f"content {seed}"), size_bytes=4768, format="edf", sidecar_sha256=sidecar),
        ),
        problems=(
            Problem(
                file=name, place="record 2", field="samples", expected="500", found="480", hint="Cut off at the end."
            ),
        ),
        provenance=Provenance(subject=Origin.FILE, date=Origin.SIDECAR),
    )


def as_first_stored(visit: Visit) -> Visit:
    """Return a visit without what stores of the first revision had no columns for."""
    studies = (
        dataclasses.replace(
            study, curves=(), traces=tuple(dataclasses.replace(trace, elapsed_s=None) for trace in study.traces)
        )
        for study in visit.studies
    )
    return dataclasses.replace(visit, studies=tuple(studies))


def build_result(
    seed: int = 0, *, visit: Visit | None = None, onset_method: str = "changepoint", **of_visit
) -> VisitResult:
    visit = visit or build_visit(seed, **of_visit)
    rng = np.random.default_rng([seed, len(onset_method)])
    marks = tuple(
        TraceMarks(
            study_index=index,
            trace_index=position,
            response="cmap" if study.technique is Technique.MOTOR else "snap",
            sweeps=random_marks(rng, trace.n_sweeps),
            measured=random_marks(rng, 1),
            measured_sweeps=tuple(range(trace.n_sweeps)),
        )
        for index, study in enumerate(visit.studies)
        for position, trace in enumerate(study.traces)
    )
    return VisitResult(
        visit=visit,
        marks=marks,
        measurements=tuple(build_measurement(rng, number, onset_method) for number in range(30)),
        parameters={"onset_method": onset_method, "detector": "1", "window_ms": [1.0, 40.0], "share": 0.2},
        version="0.1.0",
        fingerprint=sha(f"{onset_method} {[source.sidecar_sha256 for source in visit.sources]}"),
    )


def build_measurement(rng: np.random.Generator, number: int, onset_method: str) -> Measurement:
    missing = number % 7 == 3
    names = ("motor_latency", "cmap_amplitude", "cmap_area", "motor_conduction_velocity")
    per_segment = number % 4 == 3
    return Measurement(
        quantity=names[number % 4],
        value=None if missing else float(rng.normal(10, 3)),
        unit=("ms", "uV", "uV.ms", "m/s")[number % 4],
        sd=None if missing or number % 5 == 0 else float(rng.uniform(0, 1)),
        reason=Reason.NO_DISTANCE if missing else None,
        method=f"onset {onset_method}",
        nerve="median",
        side=Side.LEFT,
        technique=Technique.MOTOR,
        recording_site="APB",
        site=None if per_segment else ("wrist", "elbow")[number % 2],
        segment="wrist-elbow" if per_segment else None,
        distance_mm=221.5 if per_segment else None,
        skin_temperature_c=32.5,
        flags=("initial_positivity", "artefact_tail") if number % 6 == 0 else (),
    )


def differences(left: object, right: object, place: str = "$") -> list[str]:
    """Return where two nouns differ; NaN equals NaN, and arrays must agree in every bit."""
    if type(left) is not type(right) and not isinstance(left, Mapping):
        return [f"{place}: {type(left).__name__} and {type(right).__name__}"]
    if isinstance(left, np.ndarray):
        same = left.dtype == right.dtype and np.array_equal(left, right, equal_nan=True)
        return [] if same else [f"{place}: {left!r} and {right!r}"]
    if dataclasses.is_dataclass(left):
        names = [field.name for field in dataclasses.fields(left)]
        pairs = [(f".{name}", getattr(left, name), getattr(right, name)) for name in names]
    elif isinstance(left, Mapping):
        if set(left) != set(right):
            return [f"{place}: keys {sorted(left)} and {sorted(right)}"]
        pairs = [(f"[{key!r}]", left[key], right[key]) for key in left]
    elif isinstance(left, (tuple, list)):
        if len(left) != len(right):
            return [f"{place}: {len(left)} and {len(right)} entries"]
        pairs = [(f"[{index}]", *pair) for index, pair in enumerate(zip(left, right, strict=True))]
    else:
        both_nan = isinstance(left, float) and math.isnan(left) and math.isnan(right)
        return [] if left == right or both_nan else [f"{place}: {left!r} and {right!r}"]
    return [found for name, a, b in pairs for found in differences(a, b, place + name)]
