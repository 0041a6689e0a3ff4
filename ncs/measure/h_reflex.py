"""H reflex: latency, thresholds, H over M, and the recruitment curves of M wave and H reflex with a fitted sigmoid."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ncs.detect.marks import Marks, Outcome
from ncs.measure._study import MarkedTrace, StudyPart, Value, known_sd
from ncs.measure._technique import TechniqueMeasures, Window
from ncs.model import Study, Technique, Trace
from ncs.results import Reason

__all__ = ["TECHNIQUE", "Recruitment", "Sigmoid", "boundary_ms", "fit_sigmoid", "measure", "recruitment_of"]

FloatArray = NDArray[np.float64]

_METHOD = "onset at the first deflection of either polarity"
_BOUNDARY_MS: Final = {"tibial": 22.0}
_OTHER_BOUNDARY_MS: Final = 13.0
_BLANK_MS: Final = 0.6
_LATEST_MS: Final = 80.0
_FEWEST_POINTS: Final = 5
_MOST_SD_MS: Final = 1.0
_LEAST_SHARE: Final = 0.1
"""Reflexes smaller than this share of the largest one do not give the shortest latency: their onset is late or lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmoid:
    """A curve ``maximum / (1 + exp(-slope (intensity - half)))``; ``slope`` per mA, ``half`` in mA."""

    maximum_uv: float
    half_ma: float
    slope_per_ma: float
    half_sd_ma: float

    def at(self, intensity_ma: FloatArray) -> FloatArray:
        """Return the curve at intensities."""
        return _sigmoid(intensity_ma, self.maximum_uv, self.half_ma, self.slope_per_ma)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recruitment:
    """Peak-to-peak amplitudes by intensity; a sweep without a response counts as 0.

    Parameters
    ----------
    intensity_ma
        The different intensities, ascending, shape ``(n,)``.
    m_uv, h_uv
        Mean amplitudes at each of them.
    sweep_intensity_ma, sweep_m_uv, sweep_h_uv
        The same of single sweeps.
    m_fit, h_fit
        Sigmoids fitted to the M wave and to the ascending part of the H reflex; ``None`` where there is too little.
    """

    intensity_ma: FloatArray
    m_uv: FloatArray
    h_uv: FloatArray
    sweep_intensity_ma: FloatArray
    sweep_m_uv: FloatArray
    sweep_h_uv: FloatArray
    m_fit: Sigmoid | None
    h_fit: Sigmoid | None

    @property
    def largest_h(self) -> int:
        """Index of the intensity with the largest mean H reflex."""
        return int(self.h_uv.argmax())


def boundary_ms(nerve: str | None) -> float:
    """Return the time that divides M wave and H reflex: the soleus reflex comes late, those of the arm early."""
    return _BOUNDARY_MS.get(nerve or "tibial", _OTHER_BOUNDARY_MS)


def recruitment_of(trace: Trace, m_wave: Marks, h_reflex: Marks) -> Recruitment | Reason:
    """Return the recruitment curves of a trace, or the reason why there are none."""
    intensity = trace.stimulus.intensity_ma
    if intensity is None or not np.isfinite(intensity).any():
        return Reason.NO_INTENSITY
    usable = np.isfinite(intensity) & _is_judged(m_wave) & _is_judged(h_reflex)
    if not usable.any():
        return Reason.INVALID_SAMPLES
    intensity = intensity[usable]
    m, h = _amplitudes(m_wave)[usable], _amplitudes(h_reflex)[usable]
    different, where = np.unique(intensity, return_inverse=True)
    count = np.bincount(where)
    m_mean, h_mean = np.bincount(where, m) / count, np.bincount(where, h) / count
    ascending = slice(0, int(h_mean.argmax()) + 1)
    return Recruitment(
        intensity_ma=different, m_uv=m_mean, h_uv=h_mean, sweep_intensity_ma=intensity, sweep_m_uv=m, sweep_h_uv=h,
        m_fit=fit_sigmoid(different, m_mean), h_fit=fit_sigmoid(different[ascending], h_mean[ascending]),
    )  # fmt: skip


def _is_judged(marks: Marks) -> NDArray[np.bool_]:
    return np.asarray(~np.isin(marks.outcome, (Outcome.INVALID_INPUT, Outcome.CLIPPED)))


def _amplitudes(marks: Marks) -> FloatArray:
    height = np.where(np.isfinite(marks.peak_to_peak_uv), marks.peak_to_peak_uv, marks.peak_uv)
    return np.where(marks.outcome == Outcome.NO_RESPONSE, 0.0, np.nan_to_num(height, nan=0.0))


def _sigmoid(x: FloatArray, maximum: float, half: float, slope: float) -> FloatArray:
    return np.asarray(maximum / (1.0 + np.exp(-np.clip(slope * (x - half), -60.0, 60.0))))


def fit_sigmoid(intensity_ma: FloatArray, amplitude_uv: FloatArray) -> Sigmoid | None:
    """Return the least-squares sigmoid through amplitudes; ``None`` where it is not determined.

    Parameters
    ----------
    intensity_ma, amplitude_uv
        Shape ``(n,)``; the amplitudes rise with the intensity.

    Notes
    -----
    Klimstra & Zehr 2008, Exp Brain Res 186:93, for the ascending limb of the H reflex and for the M wave.
    """
    from scipy.optimize import OptimizeWarning, curve_fit

    if np.unique(intensity_ma).size < _FEWEST_POINTS or not np.ptp(amplitude_uv) > 0:
        return None
    maximum = float(amplitude_uv.max())
    half = float(intensity_ma[int((amplitude_uv >= 0.5 * maximum).argmax())])
    span = float(np.ptp(intensity_ma))
    low, high = (
        (0.2 * maximum, intensity_ma[0] - span, 0.1 / span),
        (3.0 * maximum, intensity_ma[-1] + span, 1e3 / span),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", OptimizeWarning)
        try:
            found, covariance = curve_fit(
                _sigmoid, intensity_ma, amplitude_uv, p0=(maximum, half, 8.0 / span), bounds=(low, high)
            )
        except (RuntimeError, OptimizeWarning):
            return None
    sd = math.sqrt(max(float(covariance[1, 1]), 0.0))
    if not sd < span:
        return None
    return Sigmoid(maximum_uv=float(found[0]), half_ma=float(found[1]), slope_per_ma=float(found[2]), half_sd_ma=sd)


def measure(part: StudyPart) -> None:
    """Append every H-reflex quantity of a study to ``part``, site by site."""
    part = replace(part, method=_METHOD)
    for at in part.marked:
        _site(part, at)


_LATENCIES = ("h_latency", "h_minimum_latency")
_CURVES = (
    "h_maximum_amplitude", "m_maximum_amplitude", "h_m_ratio", "h_threshold", "m_threshold",
    "h_half_maximum_intensity", "m_half_maximum_intensity", "h_recruitment_slope", "m_recruitment_slope",
)  # fmt: skip


def _site(part: StudyPart, at: MarkedTrace) -> None:
    h_entry, m_entry = at.found.get("h_reflex"), at.found.get("cmap")
    if h_entry is None or m_entry is None:
        for name in (*_LATENCIES, *_CURVES):
            part.add(name, Value.missing(at.reason or Reason.NO_STIMULUS_TIME), at=at)
        return
    edits = tuple(words for name in ("cmap", "h_reflex") for words in at.sweep_edits.get(name, ()))
    n = at.trace.n_sweeps
    here = replace(at, how=f"{n} stimuli; M wave before {boundary_ms(part.study.nerve):g} ms, H reflex after")
    curves = recruitment_of(at.trace, m_entry.sweeps, h_entry.sweeps)
    for name, (value, note) in _latencies(h_entry.sweeps, curves, at.trace).items():
        part.add(name, value._replace(edits=edits), at=here, note=note)
    if isinstance(curves, Reason):
        largest = _largest(h_entry.sweeps, m_entry.sweeps)
        for name in _CURVES:
            part.add(name, largest.get(name, Value.missing(curves))._replace(edits=edits), at=here)
        return
    for name, value in _curve_values(curves).items():
        part.add(name, value._replace(edits=edits), at=here)


def _latencies(h_reflex: Marks, curves: Recruitment | Reason, trace: Trace) -> dict[str, tuple[Value, str]]:
    """Return the latency of the largest H reflex, and the shortest one of any that is large enough to be timed."""
    height = _amplitudes(h_reflex)
    # An onset without a standard deviation is one that a person set; nobody doubts it.
    timed = np.isfinite(h_reflex.onset_ms) & ~(h_reflex.onset_sd_ms > _MOST_SD_MS)
    if not timed.any():
        some = np.isfinite(h_reflex.peak_to_peak_uv).any()
        return dict.fromkeys(_LATENCIES, (Value.missing(Reason.TOO_NOISY if some else Reason.NO_RESPONSE), ""))
    at_largest, said = timed & (height >= height[timed].max()), "largest H reflex"
    if not isinstance(curves, Reason):
        assert trace.stimulus.intensity_ma is not None  # there would be no curve without
        intensity = float(curves.intensity_ma[curves.largest_h])
        same = timed & (trace.stimulus.intensity_ma == intensity)
        if same.any():
            at_largest, said = same, f"median of {int(same.sum())} at {intensity:.4g} mA, where it is largest"
    onsets, sds = h_reflex.onset_ms[at_largest], h_reflex.onset_sd_ms[at_largest]
    large = np.flatnonzero(timed & (height >= _LEAST_SHARE * height.max()))
    shortest = int(large[h_reflex.onset_ms[large].argmin()])
    sd = known_sd(np.sqrt((sds**2).mean() / sds.size))
    return {
        "h_latency": (Value(value=float(np.median(onsets)), sd=sd), said),
        "h_minimum_latency": (
            Value(value=float(h_reflex.onset_ms[shortest]), sd=known_sd(h_reflex.onset_sd_ms[shortest])),
            f"sweep {shortest + 1}",
        ),
    }


def _largest(h_reflex: Marks, m_wave: Marks) -> dict[str, Value]:
    """Return what single sweeps say where intensities are not stated."""
    h, m = float(_amplitudes(h_reflex).max()), float(_amplitudes(m_wave).max())
    values = {"h_maximum_amplitude": Value(value=h), "m_maximum_amplitude": Value(value=m)}
    return values | {"h_m_ratio": Value(value=100.0 * h / m) if m > 0 else Value.missing(Reason.NO_RESPONSE)}


def _curve_values(curves: Recruitment) -> dict[str, Value]:
    h, m = float(curves.h_uv.max()), float(curves.m_uv.max())
    values = {
        "h_maximum_amplitude": Value(value=h),
        "m_maximum_amplitude": Value(value=m),
        "h_m_ratio": Value(value=100.0 * h / m) if m > 0 else Value.missing(Reason.NO_RESPONSE),
        "h_threshold": _threshold(curves, curves.sweep_h_uv, curves.h_uv),
        "m_threshold": _threshold(curves, curves.sweep_m_uv, curves.m_uv),
    }
    for letter, fit in (("h", curves.h_fit), ("m", curves.m_fit)):
        half = slope = Value.missing(Reason.NO_SIGMOID)
        if fit is not None:
            half = Value(value=fit.half_ma, sd=fit.half_sd_ma)
            slope = Value(value=25.0 * fit.slope_per_ma)
        values[f"{letter}_half_maximum_intensity"], values[f"{letter}_recruitment_slope"] = half, slope
    return values


def _threshold(curves: Recruitment, sweeps_uv: FloatArray, means_uv: FloatArray) -> Value:
    """Return the intensity from which on, up to the largest response, at least half of the stimuli evoke one."""
    found = None
    for intensity in curves.intensity_ma[: int(means_uv.argmax()) + 1][::-1]:
        if (sweeps_uv[curves.sweep_intensity_ma == intensity] > 0).mean() < 0.5:
            break
        found = float(intensity)
    return Value.missing(Reason.NO_RESPONSE) if found is None else Value(value=found)


def _window(study: Study, trace: Trace, response: str) -> Window:
    del trace
    boundary = boundary_ms(study.nerve)
    return (_BLANK_MS, boundary) if response == "cmap" else (boundary, _LATEST_MS)


TECHNIQUE = TechniqueMeasures(
    technique=Technique.H_REFLEX, responses=("cmap", "h_reflex"), measure=measure, window=_window
)
