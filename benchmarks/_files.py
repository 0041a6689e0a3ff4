"""Simulated exports for the benchmarks: motor studies as EDF+D, and the same samples as EDF+C."""

from __future__ import annotations

import datetime as dt
import warnings
from pathlib import Path

import numpy as np
import pyedflib

from ncs import Subject, simulate
from ncs.io.edf_write import encode_edf
from ncs.model import Visit

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


def write_continuous(visit: Visit, path: Path) -> None:
    """Write the samples of the motor study as one EDF+C file, stimuli as annotations."""
    traces = visit.studies[0].traces
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
