"""Hand-made marks, traces and studies, so that measuring can be checked with pencil and paper."""

from collections.abc import Iterable
from dataclasses import fields

import numpy as np

from ncs.detect.marks import Marks, Outcome
from ncs.measure._study import MarkedTrace, StudyPart
from ncs.model import Study, Trace
from ncs.results import Measurement, TraceMarks

CMAP = {
    "onset_ms": 3.8, "onset_sd_ms": 0.03, "peak_ms": 6.0, "peak_sd_ms": 0.02, "peak_uv": 7200.0, "peak_sd_uv": 20.0,
    "end_ms": 9.3, "last_end_ms": 9.3, "trough_ms": 12.0, "trough_uv": -2100.0, "area_uv_ms": 20_000.0,
    "area_sd_uv_ms": 150.0, "peak_to_peak_uv": 9300.0, "peak_to_peak_sd_uv": 30.0, "duration_ms": 5.5,
    "duration_sd_ms": 0.1, "total_duration_ms": 5.5, "peak_threshold_uv": 360.0, "baseline_uv": 1.0, "noise_uv": 5.0,
}  # fmt: skip


def marks(outcome: Outcome = Outcome.FOUND, flags: int = 0, **changes: float) -> Marks:
    """Marks of one sweep: of a plain CMAP where the outcome is ``FOUND``, else NaN; ``changes`` replace them."""
    usual = CMAP if outcome is Outcome.FOUND else dict.fromkeys(CMAP, np.nan)
    arrays = {name: np.array([value]) for name, value in {**usual, **changes}.items()}
    codes = {"outcome": np.array([outcome], np.int8), "flags": np.array([flags], np.int8)}
    assert {*arrays, *codes} == {f.name for f in fields(Marks)}
    return Marks(**arrays, **codes)


def several(n: int, **columns) -> Marks:
    """Marks of ``n`` sweeps; a sweep whose onset is NaN has no response unless an outcome is given."""
    made = {name: np.full(n, value) for name, value in CMAP.items()}
    made |= {name: np.array(values, float) for name, values in columns.items() if name != "outcome"}
    usual = np.where(np.isnan(made["onset_ms"]), Outcome.NO_RESPONSE, Outcome.FOUND)
    outcome = np.array(columns.get("outcome", usual), np.int8)
    for column in made.values():
        column[outcome == Outcome.NO_RESPONSE] = np.nan
    return Marks(**made, outcome=outcome, flags=np.zeros(n, np.int8))


def entry(
    sweeps: Marks, response: str, *, measured: Marks | None = None, chosen: tuple[int, ...] | None = None
) -> TraceMarks:
    """What was marked in the first trace of the first study; measured is the first sweep unless another is given."""
    if measured is None:
        measured = sweeps.sweep(0) if len(sweeps) else marks(Outcome.INVALID_INPUT)
    return TraceMarks(
        study_index=0, trace_index=0, response=response, sweeps=sweeps, measured=measured,
        measured_sweeps=tuple(range(len(sweeps))) if chosen is None else chosen,
    )  # fmt: skip


def trace(site: str | None = "wrist", distance_mm: float | None = 65.0, **more) -> Trace:
    return Trace(
        samples_uv=np.zeros((1, 10)), sampling_rate_hz=10_000.0, stimulus_ms=np.array([1.0]), stimulation_site=site,
        distance_mm=distance_mm, **more,
    )  # fmt: skip


def marked(site: str | None, distance_mm: float | None, found: Marks | None, **more) -> MarkedTrace:
    return MarkedTrace(trace=trace(site, distance_mm), marks=found, **more)


def sweeps_of(samples, stimulus_ms: float | list[float] | None = 1.0, *, rate_hz: float = 1000.0, **more) -> Trace:
    """A trace of these sweeps, shape ``(n_sweeps, n_samples)``; one stimulus time counts for all."""
    samples = np.asarray(samples, np.float32)
    times = None if stimulus_ms is None else np.broadcast_to(np.asarray(stimulus_ms, float), len(samples)).copy()
    return Trace(samples_uv=samples, sampling_rate_hz=rate_hz, stimulus_ms=times, **more)


def blank(n: int, **more) -> Trace:
    """A trace of so many flat sweeps."""
    return sweeps_of(np.zeros((n, 8)), **more)


def part(*traces: MarkedTrace, **study) -> StudyPart:
    return StudyPart(
        study=Study(traces=tuple(at.trace for at in traces), **study), study_index=0, marked=traces, method="by hand"
    )


def pick(
    rows: Iterable[Measurement], quantity: str, *, site: str | None = None, segment: str | None = None
) -> Measurement:
    """The one measurement of this name (and site, and segment)."""
    found = [
        row
        for row in rows
        if row.quantity == quantity
        and (site is None or row.site == site)
        and (segment is None or row.segment == segment)
    ]
    assert len(found) == 1, [(row.quantity, row.site, row.segment) for row in rows]
    return found[0]


def facts(row: Measurement) -> dict[str, object]:
    """What a measurement says beside the facts of its study; what is absent or empty is left out."""
    names = ("value", "sd", "reason", "method", "site", "segment", "distance_mm", "flags")
    return {name: getattr(row, name) for name in names if getattr(row, name) not in {None, ()}}
