"""CMAP scan: amplitude against stimulus current, from no response to the plateau, and the steps in between.

Every sweep counts once, with the amplitude that was marked in it; a sweep without a response counts as 0. Which motor
unit stands behind a step cannot be known from a scan: steps are candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ncs.detect.marks import Outcome
from ncs.measure._responses import resting_uv
from ncs.measure._study import MarkedTrace, StudyPart, Value
from ncs.measure._technique import TechniqueMeasures
from ncs.model import Technique
from ncs.results import Reason

__all__ = ["STEP_NOISE", "TECHNIQUE", "ScanCurve", "curve_of", "measure", "rising"]

STEP_NOISE = 5.0
"""A gap between two neighbouring amplitudes is a step candidate if it exceeds this multiple of the noise."""

_FEWEST = 20
_FEWEST_ON_PLATEAU = 5
_TOP_SHARE = 0.05
_WITHIN = 4.0
_STILL_RISING = 3.0
_UNSTEADY = 0.02
"""Share of the maximum by which the amplitude of an unchanged response may scatter (movement, electrode)."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanCurve:
    """A stimulus-response curve, from the weakest to the strongest stimulus.

    Parameters
    ----------
    current_ma, amplitude_uv
        Of every usable sweep, shape ``(n_sweeps,)``; 0 where there is no response.
    maximum_uv, noise_uv
        Median amplitude on the plateau, and the standard deviation there.
    plateau
        How many of the strongest stimuli lie on the plateau; 0 where there is none.
    """

    current_ma: FloatArray
    amplitude_uv: FloatArray
    maximum_uv: float
    noise_uv: float
    plateau: int

    @property
    def steps_uv(self) -> FloatArray:
        """Gaps between neighbouring amplitudes, in the order of the amplitudes, from the smaller one on."""
        return np.diff(np.sort(self.amplitude_uv))

    def current_at(self, share: float) -> float:
        """Return the current for a share of the maximum on the rising curve through the sweeps, mA."""
        current, start = np.unique(self.current_ma, return_index=True)
        counts = np.diff([*start, self.current_ma.size])
        means = np.add.reduceat(self.amplitude_uv, start) / counts
        fitted = rising(means, counts.astype(np.float64))
        level = share * self.maximum_uv
        above = int(np.argmax(fitted >= level))
        if above == 0 or fitted[above] == fitted[above - 1]:
            return float(current[above])
        part = (level - fitted[above - 1]) / (fitted[above] - fitted[above - 1])
        return float(current[above - 1] + part * (current[above] - current[above - 1]))


def rising(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the curve that never falls and is nearest to the values in the sense of least squares.

    Pool adjacent violators (Barlow et al. 1972).

    Examples
    --------
    >>> rising(np.array([1.0, 3.0, 2.0, 4.0]), np.ones(4)).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    means: list[float] = []
    sizes: list[float] = []
    lengths: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        means.append(value)
        sizes.append(weight)
        lengths.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            size = sizes[-2] + sizes[-1]
            means[-2:] = [(means[-2] * sizes[-2] + means[-1] * sizes[-1]) / size]
            sizes[-2:] = [size]
            lengths[-2:] = [lengths[-2] + lengths[-1]]
    return np.repeat(means, lengths)


def curve_of(marked: Sequence[MarkedTrace]) -> ScanCurve | Reason:
    """Return the curve of all sweeps of one site, or the reason why there is none."""
    current, amplitude, noise = _points(marked)
    if current.size == 0:
        stated = any(at.trace.stimulus.intensity_ma is not None for at in marked)
        unmarked = next((at.reason for at in marked if at.reason is not None), None)
        return unmarked or (Reason.TOO_FEW_RESPONSES if stated else Reason.NO_INTENSITY)
    if np.unique(current).size < _FEWEST:
        return Reason.TOO_FEW_RESPONSES
    order = np.lexsort((amplitude, current))
    current, amplitude = current[order], amplitude[order]
    if not amplitude.any():
        return Reason.NO_RESPONSE
    of_marks = float(np.median(noise)) if noise.size else 0.0
    top = amplitude[-max(_FEWEST_ON_PLATEAU, round(_TOP_SHARE * amplitude.size)) :]
    maximum = float(np.median(top))
    noise_uv = max(of_marks, min(_spread(top), max(_WITHIN * of_marks, _UNSTEADY * maximum)))
    plateau = _plateau(amplitude, maximum, noise_uv)
    if plateau:
        level = amplitude[-plateau:]
        maximum, noise_uv = float(np.median(level)), max(of_marks, _spread(level))
    return ScanCurve(current_ma=current, amplitude_uv=amplitude, maximum_uv=maximum, noise_uv=noise_uv, plateau=plateau)


def _points(marked: Sequence[MarkedTrace]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return current and amplitude of every usable sweep, and the standard deviations of the amplitudes."""
    sweeps = [_sweeps(at) for at in marked if "cmap" in at.found and at.trace.stimulus.intensity_ma is not None]
    if not sweeps:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    current, silent, peak, amplitude, deviation = (np.concatenate(column) for column in zip(*sweeps, strict=True))
    left = np.zeros(0)
    if np.isfinite(peak).any():
        at_ms = float(np.nanmedian(peak))
        left = np.concatenate([_left_over(at, at_ms) for at in marked if "cmap" in at.found])
    amplitude = np.where(silent, 0.0, np.maximum(amplitude - (np.median(left) if left.size else 0.0), 0.0))
    usable = np.isfinite(amplitude) & np.isfinite(current)
    return current[usable], amplitude[usable], deviation[usable & np.isfinite(deviation)]


def _sweeps(at: MarkedTrace) -> tuple[FloatArray, NDArray[np.bool_], FloatArray, FloatArray, FloatArray]:
    """Return of every sweep the current, whether nothing answers, peak time, amplitude above rest and its deviation."""
    marks, current = at.found["cmap"].sweeps, at.trace.stimulus.intensity_ma
    assert current is not None  # the caller has asked
    rest = resting_uv(at.trace)
    baseline = np.where(np.isfinite(rest), rest, marks.baseline_uv)
    amplitude = marks.peak_uv + marks.baseline_uv - baseline
    return current, marks.outcome == Outcome.NO_RESPONSE, marks.peak_ms, amplitude, marks.peak_sd_uv


def _left_over(at: MarkedTrace, time_ms: float) -> FloatArray:
    """Return what the artefact leaves at the time of the peaks, from the sweeps in which nothing answers."""
    trace, silent = at.trace, at.found["cmap"].sweeps.outcome == Outcome.NO_RESPONSE
    assert trace.stimulus_ms is not None  # a trace without it has no marks
    place = np.rint((trace.stimulus_ms[silent] + time_ms) * trace.sampling_rate_hz / 1000)
    columns = np.clip(place, 0, trace.n_samples - 1).astype(np.intp)
    left = -trace.samples_uv[silent, columns].astype(np.float64) - resting_uv(trace)[silent]
    return np.asarray(left[np.isfinite(left)])


def _spread(values: FloatArray) -> float:
    """Return a standard deviation that single outliers do not move."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _plateau(amplitude: FloatArray, maximum: float, noise: float) -> int:
    """Return how many of the strongest stimuli give the maximum; 0 where the curve still rises there."""
    below = np.flatnonzero(amplitude < maximum - _WITHIN * noise)
    count = amplitude.size - (int(below[-1]) + 1 if below.size else 0)
    if count < _FEWEST_ON_PLATEAU:
        return 0
    level = amplitude[-count:]
    half = count // 2
    rise = float(np.median(level[-half:]) - np.median(level[:half]))
    return 0 if rise > _STILL_RISING * max(noise, 1e-9) else count


def measure(part: StudyPart) -> None:
    """Append every quantity of a CMAP scan to ``part``, site by site."""
    sites = dict.fromkeys(at.trace.stimulation_site for at in part.marked)
    for site in sites:
        _site(part, [at for at in part.marked if at.trace.stimulation_site == site])


def _site(part: StudyPart, marked: Sequence[MarkedTrace]) -> None:
    curve = curve_of(marked)
    largest = max(marked, key=lambda at: at.trace.n_sweeps)
    edits = tuple(words for at in marked for words in at.sweep_edits.get("cmap", ()))
    if isinstance(curve, Reason):
        for name in (*_PLACES, *_STEPS):
            part.add(name, Value.missing(curve), at=replace(largest, how=""))
        return
    low, high = curve.current_ma[0], curve.current_ma[-1]
    at = replace(largest, how=f"{curve.current_ma.size} stimuli from {low:.4g} to {high:.4g} mA")
    values = _places(curve) if curve.plateau else dict.fromkeys(_PLACES, Value.missing(Reason.NO_PLATEAU))
    for name, value in values.items():
        part.add(name, value._replace(edits=edits), at=at, note=f"plateau of {curve.plateau}" if curve.plateau else "")
    note = f"steps above {STEP_NOISE:g} times the noise, {STEP_NOISE * curve.noise_uv:.0f} uV"
    for name, (value, said) in _steps(curve).items():
        part.add(name, value._replace(edits=edits), at=at, note=f"{note}{said}")


_PLACES = (
    "scan_maximum_amplitude", "scan_noise", "scan_s0", "scan_s5", "scan_s50", "scan_s95", "scan_s100", "scan_range"
)  # fmt: skip
_STEPS = ("scan_step_count", "scan_largest_step", "scan_step_share", "scan_d50")


def _places(curve: ScanCurve) -> dict[str, Value]:
    """Return maximum, noise and the currents of a curve that reaches its plateau."""
    s5, s50, s95 = (curve.current_at(share) for share in (0.05, 0.5, 0.95))
    level = curve.amplitude_uv[-curve.plateau :]
    values = {
        "scan_maximum_amplitude": Value(value=curve.maximum_uv, sd=1.2533 * curve.noise_uv / level.size**0.5),
        "scan_noise": Value(value=curve.noise_uv),
        "scan_s0": _first_response(curve),
        "scan_s5": Value(value=s5),
        "scan_s50": Value(value=s50),
        "scan_s95": Value(value=s95),
        "scan_s100": Value.missing(Reason.NO_PLATEAU),
        "scan_range": Value(value=100.0 * (s95 - s5) / s50),
    }
    before = curve.current_ma.size - curve.plateau - 1
    if before >= 0:
        values["scan_s100"] = Value(value=float(curve.current_ma[before : before + 2].mean()))
    return values


def _first_response(curve: ScanCurve) -> Value:
    """Return the middle between the strongest current up to which nothing answers and the next one."""
    answered = np.flatnonzero(curve.amplitude_uv > 0.0)
    if answered.size == 0 or answered[0] == 0:
        return Value.missing(Reason.NO_SILENT_STIMULUS)
    first = int(answered[0])
    return Value(value=float(curve.current_ma[first - 1 : first + 1].mean()))


def _steps(curve: ScanCurve) -> dict[str, tuple[Value, str]]:
    """Return what is said of the gaps between neighbouring amplitudes, each with a note of its own."""
    sizes = curve.steps_uv
    chosen = sizes[sizes > STEP_NOISE * curve.noise_uv]
    share = 100.0 * float(chosen.sum()) / curve.maximum_uv
    half = np.cumsum(np.sort(sizes)[::-1])
    enough = np.flatnonzero(half >= 0.5 * curve.maximum_uv)
    found = {
        "scan_step_count": (Value(value=float(chosen.size)), ""),
        "scan_largest_step": (Value.missing(Reason.NO_STEPS), ""),
        "scan_step_share": (Value(value=share), ""),
        "scan_d50": (Value.missing(Reason.NO_STEPS), ""),
    }
    if enough.size:
        found["scan_d50"] = (Value(value=float(enough[0] + 1)), "")
    if chosen.size:
        upper = np.argsort(curve.amplitude_uv, kind="stable")[int(np.argmax(sizes)) + 1]
        words = f"; up to {curve.amplitude_uv[upper]:.0f} uV at {curve.current_ma[upper]:.4g} mA"
        value = Value(value=float(sizes.max()), sd=2.0**0.5 * curve.noise_uv)
        found["scan_largest_step"] = (value, words)
    return found


TECHNIQUE = TechniqueMeasures(technique=Technique.CMAP_SCAN, responses=("cmap",), measure=measure)
