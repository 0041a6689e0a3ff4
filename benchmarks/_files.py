"""Simulated exports for the benchmarks: studies as EDF+D, and the same samples as EDF+C."""

from __future__ import annotations

import datetime as dt
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyedflib

from ncs import Subject, simulate
from ncs.io.edf_write import encode_edf
from ncs.model import Study, Visit
from ncs.simulate import MotorNerve, SensoryNerve

DISTINCT = 50


def visits() -> list[Visit]:
    return [simulate.visit(f"V{k}", dt.date(2024, 1, 1), seed=k)[0] for k in range(DISTINCT)]


def renamed(visit: Visit, number: int) -> Visit:
    """Return the visit under a subject and date of its own."""
    subject = Subject(id=f"B{number // 4:06d}")
    date = dt.date(2015, 1, 1) + dt.timedelta(days=number % 3000)
    return Visit(subject=subject, date=date, studies=visit.studies, provenance=visit.provenance)


def encode(visit: Visit) -> bytes:
    """Return the motor study of a visit as an EDF+D file."""
    return encode_edf(visit.studies[0], subject=visit.subject, date=visit.date)


def whole_visits() -> list[Visit]:
    """Return visits of four studies, motor and sensory, of the median and the ulnar nerve."""
    motor, sensory = (MotorNerve(), MotorNerve(nerve="ulnar")), (SensoryNerve(), SensoryNerve(nerve="ulnar"))
    return [
        simulate.visit(f"V{k}", dt.date(2024, 1, 1), seed=k, motor=motor, sensory=sensory)[0] for k in range(DISTINCT)
    ]


def write_archive(folder: Path, n_visits: int) -> None:
    """Write visits of four EDF+D files each: noise, distances and currents of their own, so that nothing repeats."""
    templates, rng = whole_visits(), np.random.default_rng(0)
    for number in range(n_visits):
        visit = renamed(templates[number % len(templates)], number)
        place = folder / f"{number // 125:03d}"
        place.mkdir(parents=True, exist_ok=True)
        for index, study in enumerate(visit.studies):
            content = encode_edf(_varied(study, rng), subject=visit.subject, date=visit.date)
            (place / f"{number:06d}-{index}.edf").write_bytes(content)


def _varied(study: Study, rng: np.random.Generator) -> Study:
    traces = []
    longer_mm = float(rng.integers(-10, 11))
    for trace in study.traces:
        noise = rng.standard_normal(trace.samples_uv.shape, np.float32)
        noise *= 0.1 * trace.samples_uv[:, -100:].std()
        currents = rng.uniform(10, 60, trace.n_sweeps).round(1)
        traces.append(
            replace(
                trace,
                samples_uv=trace.samples_uv + noise,
                distance_mm=(trace.distance_mm or 100.0) + longer_mm,
                stimulus=replace(trace.stimulus, intensity_ma=currents),
            )
        )
    return replace(study, traces=tuple(traces))


def write_continuous(visit: Visit, path: Path) -> None:
    """Write the samples of the first study of a visit as one EDF+C file."""
    write_continuous_study(visit.studies[0], path)


def write_continuous_study(study: Study, path: Path) -> None:
    """Write the samples of a study as one EDF+C file, stimuli as annotations."""
    traces = study.traces
    samples = np.concatenate([trace.samples_uv[0] for trace in traces]).astype(np.float64)
    rate = traces[0].sampling_rate_hz
    with pyedflib.EdfWriter(str(path), 1, file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        peak = float(np.ceil(np.abs(samples).max()))
        writer.setSignalHeader(
            0,
            {
                "label": "NC APB", "dimension": "uV", "sample_frequency": rate, "physical_max": peak,
                "physical_min": -peak, "digital_max": 32767, "digital_min": -32768, "transducer": "", "prefilter": "",
            },
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the duration suits the rate exactly
            writer.setDatarecordDuration(traces[0].n_samples / rate)
        writer.writePhysicalSamples(samples)
        for index, trace in enumerate(traces):
            writer.writeAnnotation(index * trace.n_samples / rate + float(trace.stimulus_ms[0]) / 1000, -1, "Stimulus")
