"""What is true of the reference recordings, technique by technique, at the places where ncs measures and marks it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from ncs.regression import Place
from ncs.simulate import BlinkTruth, FWaveTruth, HReflexTruth, ScanTruth, StudyTruth, TrainTruth, Truth

Truths = dict[Place, float | str]


def known(values: dict[Place, Any]) -> Truths:
    """Leave out what does not exist."""
    return {
        place: value if isinstance(value, str) else float(f"{float(value):.9g}")
        for place, value in values.items()
        if isinstance(value, str) or math.isfinite(value)
    }


def measured_marks(marks: Truth, trace: int, site: str, response: str) -> Truths:
    """Return the marks of a trace, all sweeps of which have the same response."""
    at = {"trace": trace, "site": site, "response": response}
    has = bool(marks.has_response[0])
    out: dict[Place, Any] = {Place(quantity="outcome", **at): "found" if has else "no_response"}
    for name in ("onset_ms", "peak_ms", "end_ms", "trough_ms", "peak_uv") if has else ():
        out[Place(quantity=name, **at)] = getattr(marks, name)[0]
    return known(out)


def motor(truth: StudyTruth) -> Truths:
    out: dict[Place, Any] = {}
    for trace, site in enumerate(truth.sites):
        m, at = site.marks, {"site": site.stimulation_site}
        out |= {
            Place(quantity="motor_latency", **at): m.onset_ms[0],
            Place(quantity="cmap_amplitude", **at): m.peak_uv[0],
            Place(quantity="cmap_peak_to_peak_amplitude", **at): m.peak_uv[0] - m.trough_uv[0],
            Place(quantity="cmap_area", **at): m.area_uv_ms[0],
            Place(quantity="cmap_duration", **at): m.end_ms[0] - m.onset_ms[0],
        }
        out |= measured_marks(m, trace, site.stimulation_site, "cmap")
    for segment in truth.segments:
        if segment.true_velocity_m_s is not None:
            name = f"{segment.distal_site}-{segment.proximal_site}"
            out[Place(quantity="motor_conduction_velocity", segment=name)] = segment.true_velocity_m_s
    return known(out)


def inching(truth: StudyTruth) -> Truths:
    wanted = {"motor_latency", "cmap_amplitude", "cmap_area"}
    out = {at: v for at, v in motor(truth).items() if at.is_mark or at.quantity in wanted}
    for near, far in pairwise(truth.sites):
        step = far.marks.onset_ms[0] - near.marks.onset_ms[0]
        out[Place(quantity="latency_step", segment=f"{near.stimulation_site}-{far.stimulation_site}")] = step
    return known(out)


def nerve(truth: StudyTruth, prefix: str, amplitude: str, response: str) -> Truths:
    """Return the truth of a sensory or mixed study; ``prefix`` and ``amplitude`` name its quantities."""
    out: dict[Place, Any] = {}
    for trace, site in enumerate(truth.sites):
        m, at = site.marks, {"site": site.stimulation_site}
        out[Place(quantity=f"{prefix}_onset_latency", **at)] = m.onset_ms[0]
        out[Place(quantity=f"{prefix}_peak_latency", **at)] = m.peak_ms[0]
        out[Place(quantity=amplitude, **at)] = m.peak_uv[0]
        out |= measured_marks(m, trace, site.stimulation_site, response)
    for segment in truth.segments:
        if segment.true_velocity_m_s is not None:
            name = f"{segment.distal_site}-{segment.proximal_site}"
            at = {"site": segment.proximal_site, "segment": name}
            out[Place(quantity=f"{prefix}_conduction_velocity", **at)] = segment.true_velocity_m_s
    return known(out)


def trains(truths: tuple[TrainTruth, ...], conditions: tuple[str, ...], site: str) -> Truths:
    out: dict[Place, Any] = {}
    for trace, (truth, condition) in enumerate(zip(truths, conditions, strict=True)):
        of_train = {"site": site, "segment": condition}
        loss, area = truth.decrement_percent, truth.area_decrement_percent
        out |= {
            Place(quantity="train_first_amplitude", **of_train): truth.marks.peak_uv[0],
            Place(quantity="train_first_area", **of_train): truth.marks.area_uv_ms[0],
            Place(quantity="decrement_4th", **of_train): loss[3],
            Place(quantity="decrement_5th", **of_train): loss[4],
            Place(quantity="decrement_maximum", **of_train): loss[1:].max(),
            Place(quantity="decrement_last", **of_train): loss[-1],
            Place(quantity="area_decrement_4th", **of_train): area[3],
            Place(quantity="area_decrement_last", **of_train): area[-1],
        }
        at = {"site": site, "trace": trace, "response": "cmap"}
        for name in ("onset_ms", "peak_uv"):
            values = getattr(truth.marks, name)
            out |= {Place(quantity=name, sweep=i, **at): value for i, value in enumerate(values)}
    return known(out)


def late_onsets(onset_ms: np.ndarray, site: str, response: str) -> dict[Place, Any]:
    at = {"site": site, "trace": 0, "response": response}
    return {Place(quantity="onset_ms", sweep=i, **at): value for i, value in enumerate(onset_ms)}


def f_waves(truth: FWaveTruth, site: str) -> Truths:
    latencies = truth.latencies_ms
    shown = np.where(truth.f_waves.has_response, truth.f_waves.onset_ms, np.nan)
    out: dict[Place, Any] = {
        Place(quantity="f_minimum_latency", site=site): latencies.min(),
        Place(quantity="f_mean_latency", site=site): latencies.mean(),
        Place(quantity="f_median_latency", site=site): np.median(latencies),
        Place(quantity="f_maximum_latency", site=site): latencies.max(),
        Place(quantity="f_chronodispersion", site=site): np.ptp(latencies),
        Place(quantity="f_persistence", site=site): 100.0 * truth.persistence,
        Place(quantity="f_a_wave_sweeps", site=site): np.isfinite(truth.a_wave_onset_ms).any(axis=1).sum(),
    }
    return known(out | late_onsets(shown, site, "f_wave"))


def h_reflexes(truth: HReflexTruth, site: str) -> Truths:
    h = truth.h_reflex
    shown = np.where(h.has_response, h.onset_ms, np.nan)
    out: dict[Place, Any] = {
        Place(quantity="h_minimum_latency", site=site): np.nanmin(shown),
        Place(quantity="h_maximum_amplitude", site=site): truth.h_maximum_uv,
        Place(quantity="m_maximum_amplitude", site=site): truth.m_maximum_uv,
        Place(quantity="h_m_ratio", site=site): 100.0 * truth.h_maximum_uv / truth.m_maximum_uv,
    }
    return known(out | late_onsets(shown, site, "h_reflex"))


def blink(truth: BlinkTruth, site: str) -> Truths:
    second = "ipsilateral" if truth.is_ipsilateral else "contralateral"
    out: dict[Place, Any] = {
        Place(quantity=f"blink_r2_{second}_latency", site=site): truth.r2_ms.min(),
        Place(quantity=f"blink_r2_{second}_median_latency", site=site): np.median(truth.r2_ms),
    }
    out |= late_onsets(truth.r2_ms, site, "r2")
    if truth.is_ipsilateral:
        out[Place(quantity="blink_r1_latency", site=site)] = truth.r1_ms.min()
        out |= late_onsets(truth.r1_ms, site, "r1")
    return known(out)


def scan(truth: ScanTruth, site: str) -> Truths:
    at = {"site": site, "trace": 0, "response": "cmap"}
    out: dict[Place, Any] = {
        Place(quantity="scan_maximum_amplitude", site=site): truth.maximum_uv,
        Place(quantity="scan_s5", site=site): truth.s5_ma,
        Place(quantity="scan_s50", site=site): truth.s50_ma,
        Place(quantity="scan_s95", site=site): truth.s95_ma,
    }
    out |= {Place(quantity="peak_uv", sweep=i, **at): value for i, value in enumerate(truth.peak_uv)}
    return known(out)
