"""F waves: latencies, chronodispersion, persistence and size of the waves that follow the M wave, stimulus by stimulus.

A waves have been taken away by the detector. A repeat of the same F wave counts in the persistence, but not a second
time in mean, median and amplitude, which are those of different waves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ncs.detect.marks import Flag, Marks, Outcome
from ncs.measure._extremes import extremes_of
from ncs.measure._study import MarkedTrace, StudyPart, Value, edits_of
from ncs.measure._technique import TechniqueMeasures
from ncs.model import Technique
from ncs.results import Measurement, Reason

__all__ = ["LIMB_LENGTHS", "TECHNIQUE", "FWaveSeries", "measure", "series_of"]

FloatArray = NDArray[np.float64]

_METHOD = "onset at the first deflection of either polarity"
_MOST_SD_MS: Final = 1.0
"""An onset with a larger standard deviation than this says nothing about the shortest and the longest, unless all are
like that."""
_TURNAROUND_MS: Final = 1.0
_STIMULI_FOR_LATENCY, _STIMULI_FOR_MEAN, _STIMULI_FOR_DISPERSION, _STIMULI_FOR_REPEATS = 10, 20, 50, 100

LIMB_LENGTHS: Final = {
    **dict.fromkeys(("median", "ulnar", "radial"), "arm_length_mm"),
    **dict.fromkeys(("tibial", "fibular", "deep fibular"), "leg_length_mm"),
}
"""Covariate of the visit that holds the distance from the cathode to the spinal cord.

From the wrist to the spinous process of C7, from the ankle to the xiphoid process.
"""
_LATENCIES = ("f_minimum_latency", "f_mean_latency", "f_median_latency", "f_maximum_latency", "f_chronodispersion")
_EXTREMES: Final = {"f_minimum_latency": ("earliest", False), "f_maximum_latency": ("latest", True)}
_ESTIMATES = ("f_estimate", "f_estimate_difference")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FWaveSeries:
    """What one series of stimuli gave.

    Parameters
    ----------
    stimuli
        How many sweeps could be judged.
    present
        In how many of them there is an F wave.
    repeats
        How many of these are the wave of an earlier sweep once more.
    a_waves
        In how many sweeps an A wave was taken away.
    onset_ms, onset_sd_ms
        Of every F wave with an onset.
    sweep
        Of which sweep each of these is, from 0.
    first
        Which of these are no repeats.
    amplitude_uv
        Peak to peak, of every F wave that is no repeat.
    """

    stimuli: int
    present: int
    repeats: int
    a_waves: int
    onset_ms: FloatArray
    onset_sd_ms: FloatArray
    sweep: NDArray[np.intp]
    first: NDArray[np.bool_]
    amplitude_uv: FloatArray


def series_of(sweeps: Marks) -> FWaveSeries:
    """Return what the marks of single sweeps say together."""
    judged = sweeps.outcome != Outcome.INVALID_INPUT
    present = judged & np.isfinite(sweeps.peak_to_peak_uv)
    repeated = present & ((sweeps.flags & Flag.REPEATER) != 0)
    timed = present & np.isfinite(sweeps.onset_ms)
    return FWaveSeries(
        stimuli=int(judged.sum()),
        present=int(present.sum()),
        repeats=int(repeated.sum()),
        a_waves=int((judged & ((sweeps.flags & Flag.A_WAVE) != 0)).sum()),
        onset_ms=sweeps.onset_ms[timed],
        onset_sd_ms=sweeps.onset_sd_ms[timed],
        sweep=np.flatnonzero(timed),
        first=~repeated[timed],
        amplitude_uv=sweeps.peak_to_peak_uv[present & ~repeated],
    )


def measure(part: StudyPart) -> None:
    """Append every F-wave quantity of a study to ``part``, site by site."""
    part = replace(part, method=_METHOD)
    for at in part.marked:
        _site(part, at)


def _site(part: StudyPart, at: MarkedTrace) -> None:
    part.add("cmap_amplitude", at.value("peak_uv", "peak_sd_uv"), at=at, note="M wave")
    entry = at.found.get("f_wave")
    if entry is None:
        for name in (*_LATENCIES, "f_persistence", "f_amplitude", "f_m_ratio", "f_stimuli", *_ESTIMATES):
            part.add(name, Value.missing(at.reason or Reason.NO_STIMULUS_TIME), at=at)
        return
    series = series_of(entry.sweeps)
    edits = at.sweep_edits.get("f_wave", ())
    here = replace(at, how=_series_words(series))
    values = _latencies(series)
    for name in _LATENCIES:
        note = "; ".join(words for words in (_extreme_words(name, series), _support(name, series.stimuli)) if words)
        part.add(name, values[name]._replace(edits=edits), at=here, note=note, flags=_few(name, series.stimuli))
    _sizes(part, here, series, edits)
    for name, (value, note) in _estimates(part, at, values["f_minimum_latency"]).items():
        part.add(name, value._replace(edits=edits) if value.value is not None else value, at=here, note=note)


def _sizes(part: StudyPart, at: MarkedTrace, series: FWaveSeries, edits: tuple[str, ...]) -> None:
    m_words, flags = _m_wave_words(at)
    missing = Value.missing(Reason.NO_RESPONSE if series.stimuli else Reason.INVALID_SAMPLES)
    persistence = Value(value=100.0 * series.present / series.stimuli, edits=edits) if series.stimuli else missing
    part.add("f_persistence", persistence, at=at, note=m_words,
             flags=flags + _few("f_persistence", series.stimuli))  # fmt: skip
    amplitude = missing
    if series.amplitude_uv.size:
        amplitude = Value(value=float(series.amplitude_uv.mean()), edits=edits)
    part.add("f_amplitude", amplitude, at=at)
    m_wave = at.value("peak_to_peak_uv", "peak_to_peak_sd_uv", absent=Reason.NO_POSITIVE_PEAK)
    ratio = amplitude if amplitude.value is None else m_wave
    if amplitude.value is not None and m_wave.value is not None:
        ratio = Value(value=100.0 * amplitude.value / m_wave.value, edits=edits_of(amplitude, m_wave))
    part.add("f_m_ratio", ratio, at=at, note=_support("f_m_ratio", series.stimuli),
             flags=_few("f_m_ratio", series.stimuli))  # fmt: skip
    counts = {"f_stimuli": series.stimuli, "f_repeats": series.repeats, "f_a_wave_sweeps": series.a_waves}
    for name, count in counts.items():
        part.add(name, Value(value=float(count)), at=at, note=_support(name, series.stimuli),
                 flags=_few(name, series.stimuli))  # fmt: skip


def _latencies(series: FWaveSeries) -> dict[str, Value]:
    """Return the latencies: expected shortest and longest of the true onsets, mean and median of different waves.

    Chronodispersion is the longest minus the shortest one.
    """
    if series.onset_ms.size == 0:
        reason = Reason.TOO_NOISY if series.present else Reason.NO_RESPONSE
        return dict.fromkeys(_LATENCIES, Value.missing(reason if series.stimuli else Reason.INVALID_SAMPLES))
    found = extremes_of(*_timed(series))
    different, different_sd = series.onset_ms[series.first], series.onset_sd_ms[series.first]
    if different.size == 0:
        different, different_sd = series.onset_ms, series.onset_sd_ms
    mean_sd = math.nan
    if np.isfinite(different_sd).any():
        mean_sd = float(np.sqrt(np.nansum(different_sd**2))) / different.size
    dispersion = Value.missing(Reason.ONE_RESPONSE)
    if series.onset_ms.size > 1:
        dispersion = _value(found.longest - found.shortest, math.hypot(found.shortest_sd, found.longest_sd))
    return {
        "f_minimum_latency": _value(found.shortest, found.shortest_sd),
        "f_mean_latency": _value(different.mean(), mean_sd),
        "f_median_latency": _value(np.median(different), mean_sd * math.sqrt(math.pi / 2)),
        "f_maximum_latency": _value(found.longest, found.longest_sd),
        "f_chronodispersion": dispersion,
    }


def _timed(series: FWaveSeries) -> tuple[FloatArray, FloatArray]:
    """Return the onsets that say something about the extremes; one that a person moved has no standard deviation."""
    certain = ~(series.onset_sd_ms > _MOST_SD_MS)
    if not certain.any():
        certain[:] = True
    return series.onset_ms[certain], series.onset_sd_ms[certain]


def _extreme_words(name: str, series: FWaveSeries) -> str:
    """Return what an extreme is, and which mark is the extreme one."""
    if name not in _EXTREMES or series.onset_ms.size == 0:
        return ""
    which, is_last = _EXTREMES[name]
    at = int(series.onset_ms.argmax() if is_last else series.onset_ms.argmin())
    return (
        f"expected {which} of the true onsets, each being uncertain; the {which} mark is at "
        f"{series.onset_ms[at]:.2f} ms in sweep {series.sweep[at] + 1}"
    )


def _value(value: Any, sd: Any) -> Value:
    return Value(value=float(value), sd=float(sd) if math.isfinite(float(sd)) else None)


def _series_words(series: FWaveSeries) -> str:
    """Return how many stimuli there were, and what they gave."""
    words = [f"{series.present} F waves (from 40 uV peak to peak) after {series.stimuli} stimuli"]
    if series.repeats:
        words.append(f"{series.repeats} of them repeats of the same wave, counted once in means")
    if series.a_waves:
        words.append(f"A wave left out in {series.a_waves} sweeps")
    return "; ".join(words)


def _support(name: str, stimuli: int) -> str:
    """Return what so many stimuli support (Fisher et al., see docs/techniques/f_wave.md)."""
    needed = _needed(name)
    if stimuli < needed:
        return f"needs {needed} stimuli, these were {stimuli}"
    if name == "f_mean_latency":
        return "20 stimuli or more give it within 0.5 ms" if stimuli >= _STIMULI_FOR_MEAN else "10 give it within 1 ms"
    return ""


def _needed(name: str) -> int:
    if name == "f_chronodispersion":
        return _STIMULI_FOR_DISPERSION
    if name == "f_repeats":
        return _STIMULI_FOR_REPEATS
    if name == "f_m_ratio":
        return _STIMULI_FOR_MEAN
    return 0 if name in {"f_stimuli", "f_a_wave_sweeps"} else _STIMULI_FOR_LATENCY


def _few(name: str, stimuli: int) -> tuple[str, ...]:
    return ("few_stimuli",) if stimuli < _needed(name) else ()


def _m_wave_words(at: MarkedTrace) -> tuple[str, tuple[str, ...]]:
    """Return how large the M wave is, on which the meaning of absent F waves depends; a flag where there is none."""
    m_wave = at.value("peak_uv")
    if m_wave.value is None:
        reason = m_wave.reason.sentence if m_wave.reason is not None else ""
        return f"M wave not measured ({reason}): absent F waves say nothing by themselves", ("no_m_wave",)
    return f"M wave {m_wave.value / 1000:.2f} mV; absent F waves mean little where it is far below normal", ()


def _estimates(part: StudyPart, at: MarkedTrace, shortest: Value) -> dict[str, tuple[Value, str]]:
    r"""Return the F estimate and what was observed minus it.

    .. math:: F_{est} = 2 D / CV + 1 + DML

    with the distance from cathode to spinal cord in mm, the motor conduction velocity in m/s, times in ms.
    """
    covariate = LIMB_LENGTHS.get(part.study.nerve or "")
    length = part.covariates.get(covariate) if covariate is not None else None
    if not isinstance(length, (int, float)) or not 0 < length < math.inf:
        reason = Reason.NO_LIMB_LENGTH if length is None else Reason.IMPOSSIBLE_DISTANCE
        said = f"the visit states no {covariate}" if covariate is not None else "no limb length is known for this nerve"
        return dict.fromkeys(_ESTIMATES, (Value.missing(reason), said))
    latency = _motor(part, "distal_motor_latency", site=at.trace.stimulation_site)
    velocity = _motor(part, "motor_conduction_velocity", site=None)
    if latency is None or velocity is None or latency.value is None or not velocity.value:
        return dict.fromkeys(_ESTIMATES, (Value.missing(Reason.NO_MOTOR_STUDY), ""))
    estimate = 2.0 * length / velocity.value + _TURNAROUND_MS + latency.value
    said = (
        f"{covariate} {length:g}, velocity {velocity.value:.1f} m/s ({velocity.segment}), "
        f"distal motor latency {latency.value:.2f} ms"
    )
    difference = shortest
    if shortest.value is not None:
        difference = Value(value=shortest.value - estimate)
    return {"f_estimate": (Value(value=estimate), said), "f_estimate_difference": (difference, said)}


def _motor(part: StudyPart, name: str, *, site: str | None) -> Measurement | None:
    """Return a measurement of the same nerve's motor study: the first with a number."""
    for row in part.others:
        same = row.nerve == part.study.nerve and row.side == part.study.side
        if row.quantity == name and same and row.value is not None and site in {None, row.site}:
            return row
    return None


TECHNIQUE = TechniqueMeasures(
    technique=Technique.F_WAVE, responses=("cmap", "f_wave"), measure=measure, needs_others=True
)
