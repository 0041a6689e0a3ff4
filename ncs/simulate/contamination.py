"""What an amplifier adds to a response: noise, stimulus artefact, mains, drift, saturation, quantisation.

Each part is a pure function with its own random numbers, so switching one on leaves the others as they were.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncs.simulate._ranges import Range, Seed, check_ranges, draw, generators, raise_all

__all__ = ["Contamination", "contaminate"]

FloatArray = NDArray[np.float64]

_LEAST = {
    "noise_uv": 0.0, "pink_share": 0.0, "low_cut_hz": 0.0, "high_cut_hz": 1.0, "artefact_uv": 0.0,
    "artefact_width_ms": 0.01, "tail_uv": 0.0, "tail_ms": 0.01, "second_tail_share": 0.0, "second_tail_ms": 0.01,
    "mains_uv": 0.0, "harmonic_share": 0.0, "drift_uv": 0.0, "offset_uv": 0.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """Everything that is not the response; the default is nothing at all.

    A field of type ``Range`` is a number, or ``(low, high)`` drawn uniformly for every sweep (``tail_uv`` and
    ``artefact_uv`` uniformly in the logarithm).

    Parameters
    ----------
    noise_uv
        Root mean square of the noise, after the amplifier's filters.
    pink_share
        Share of the noise power whose spectrum falls as 1/f; the rest is white.
    low_cut_hz, high_cut_hz
        Amplifier band: first-order high-pass, second-order Butterworth low-pass (at half the sampling rate where that
        is less).
    artefact_uv, artefact_width_ms
        Height of the biphasic spike at the stimulus, either sign, and the width of its first phase.
    tail_uv, tail_ms
        Size at the stimulus, either sign, and time constant of the exponential tail of the artefact.
    second_tail_share, second_tail_ms
        A second exponential, of either sign, as a share of the first one's size, and its time constant.
    mains_uv, mains_hz, harmonic_share
        Amplitude of mains interference, its frequency (``None``: 50 or 60 Hz by lot), and the size of the second and
        third harmonic as a share of it; phases are random.
    drift_uv
        Standard deviation of the change of the baseline over a sweep: a slope, and a bend of a third of its size.
    offset_uv
        Standard deviation of the baseline's constant offset.
    rail_uv
        Saturation: nothing exceeds plus or minus this; ``None`` for an amplifier without end.
    adc_step_uv
        Quantisation step of the converter; ``None`` for none.
    trigger_error_ms
        True time of the stimulus minus its stated time; may be negative.
    """

    noise_uv: Range = 0.0
    pink_share: Range = 0.0
    low_cut_hz: float = 2.0
    high_cut_hz: float = 10_000.0
    artefact_uv: Range = 0.0
    artefact_width_ms: Range = (0.1, 0.25)
    tail_uv: Range = 0.0
    tail_ms: Range = (0.5, 3.0)
    second_tail_share: Range = 0.0
    second_tail_ms: Range = (5.0, 15.0)
    mains_uv: Range = 0.0
    mains_hz: float | None = None
    harmonic_share: Range = (0.0, 0.3)
    drift_uv: Range = 0.0
    offset_uv: Range = 0.0
    rail_uv: float | None = None
    adc_step_uv: float | None = None
    trigger_error_ms: Range = 0.0

    def __post_init__(self) -> None:
        faults = check_ranges(self, least=_LEAST | {"trigger_error_ms": -np.inf}, most={"pink_share": 1.0})
        for name in ("rail_uv", "adc_step_uv", "mains_hz"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                faults.append(f"{name}: expected more than 0 or None, found {value!r}")
        raise_all(faults)


def contaminate(
    clean_uv: FloatArray,
    *,
    sampling_rate_hz: float,
    stimulus_ms: FloatArray,
    contamination: Contamination,
    seed: Seed,
) -> FloatArray:
    """Return clean sweeps with everything added.

    Parameters
    ----------
    clean_uv
        Shape ``(n_sweeps, n_samples)``.
    sampling_rate_hz
        Samples per second.
    stimulus_ms
        True time of the stimulus after sample 0, shape ``(n_sweeps,)``.
    contamination
        What is added.
    seed
        The same seed gives the same samples.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_sweeps, n_samples)``, float64.
    """
    c = contamination
    n_sweeps, n_samples = clean_uv.shape
    for_noise, for_spike, for_tail, for_mains, for_drift = generators(seed, 5)
    time_ms = np.arange(n_samples, dtype=np.float64) * (1e3 / sampling_rate_hz)
    after = time_ms - stimulus_ms[:, np.newaxis]
    total = clean_uv.astype(np.float64)
    if c.noise_uv != 0.0:
        total += _noise(for_noise, n_sweeps, n_samples, sampling_rate_hz, c)
    if c.artefact_uv != 0.0:
        total += _spike(for_spike, after, c)
    if c.tail_uv != 0.0:
        total += _tail(for_tail, after, c)
    if c.mains_uv != 0.0:
        total += _mains(for_mains, time_ms, n_sweeps, c)
    if c.drift_uv != 0.0 or c.offset_uv != 0.0:
        total += _drift(for_drift, n_sweeps, n_samples, c)
    if c.rail_uv is not None:
        np.clip(total, -c.rail_uv, c.rail_uv, out=total)
    if c.adc_step_uv is not None:
        total = np.round(total / c.adc_step_uv) * c.adc_step_uv
    return total


def _noise(rng: np.random.Generator, n_sweeps: int, n_samples: int, rate_hz: float, c: Contamination) -> FloatArray:
    """Return Gaussian noise with the amplifier's spectrum, drawn in the frequency domain."""
    sigma = draw(rng, c.noise_uv, n_sweeps)
    pink = draw(rng, c.pink_share, n_sweeps)
    # Twice the length, and at least a fifth of a second, so that sweeps neither wrap around nor miss slow noise.
    n_fft = 2 * max(n_samples, int(np.ceil(0.1 * rate_hz)))
    frequency = np.fft.rfftfreq(n_fft, 1.0 / rate_hz)[1:]
    high_pass = frequency**2 / (frequency**2 + c.low_cut_hz**2)
    band = high_pass / (1.0 + (frequency / min(c.high_cut_hz, 0.5 * rate_hz)) ** 4)
    white_power, pink_power = band / band.sum(), (band / frequency) / (band / frequency).sum()
    parts = rng.standard_normal((n_sweeps, frequency.size, 2), dtype=np.float32)
    # irfft counts every bin but the last twice; half the power each in its real and imaginary part.
    if np.any(pink > 0.0):
        power = (1.0 - pink)[:, np.newaxis] * white_power + pink[:, np.newaxis] * pink_power
    else:
        power = white_power[np.newaxis]
    size = np.sqrt(power) * (0.5 * n_fft)
    spectrum = np.zeros((n_sweeps, frequency.size + 1), np.complex64)
    spectrum[:, 1:] = parts.view(np.complex64)[..., 0] * size.astype(np.float32)
    spectrum[:, -1] = parts[:, -1, 0] * (2.0 * size[:, -1]).astype(np.float32)
    noise = np.fft.irfft(spectrum, n_fft, axis=-1)[:, :n_samples]
    return np.asarray(noise * sigma[:, np.newaxis], np.float64)


def _signs(rng: np.random.Generator, n: int) -> FloatArray:
    return np.asarray(np.where(rng.random(n) < 0.5, -1.0, 1.0))


def _spike(rng: np.random.Generator, after_ms: FloatArray, c: Contamination) -> FloatArray:
    n = after_ms.shape[0]
    height = (draw(rng, c.artefact_uv, n, logarithmic=True) * _signs(rng, n))[:, np.newaxis]
    width = draw(rng, c.artefact_width_ms, n)[:, np.newaxis]
    first, last = _columns(after_ms, 0.0, 4.0 * float(width.max()))
    spike = np.zeros_like(after_ms)
    phase = after_ms[:, first:last] / width
    shape = np.exp(-((2.0 * phase - 2.0) ** 2)) - 0.6 * np.exp(-((2.0 * phase - 4.0) ** 2))
    spike[:, first:last] = np.where(phase >= 0.0, height * shape, 0.0)
    return spike


def _tail(rng: np.random.Generator, after_ms: FloatArray, c: Contamination) -> FloatArray:
    n = after_ms.shape[0]
    size = draw(rng, c.tail_uv, n, logarithmic=True) * _signs(rng, n)
    constant = draw(rng, c.tail_ms, n)
    share = draw(rng, c.second_tail_share, n) * _signs(rng, n)
    second = draw(rng, c.second_tail_ms, n)
    time = np.maximum(after_ms, 0.0)
    tail = np.exp(-time / constant[:, np.newaxis])
    if np.any(share != 0.0):
        tail += share[:, np.newaxis] * np.exp(-time / second[:, np.newaxis])
    first, last = _columns(after_ms, 0.0, 1.0)
    tail[:, :first] = 0.0
    tail[:, first:last] *= -np.expm1(-time[:, first:last] / 0.05)
    return np.asarray(tail * size[:, np.newaxis])


def _columns(after_ms: FloatArray, low_ms: float, high_ms: float) -> tuple[int, int]:
    """Return the range of columns that hold every moment from ``low_ms`` to ``high_ms`` after any stimulus."""
    some = np.flatnonzero(((after_ms >= low_ms) & (after_ms <= high_ms)).any(axis=0))
    if some.size == 0:
        start = after_ms.shape[1] if float(after_ms[:, -1].max()) < low_ms else 0
        return start, start
    return int(some[0]), int(some[-1]) + 1


def _mains(rng: np.random.Generator, time_ms: FloatArray, n_sweeps: int, c: Contamination) -> FloatArray:
    size = draw(rng, c.mains_uv, n_sweeps)
    by_lot = np.where(rng.random(n_sweeps) < 0.5, 50.0, 60.0)
    frequency = by_lot if c.mains_hz is None else np.full(n_sweeps, c.mains_hz)
    mains = np.zeros((n_sweeps, time_ms.size))
    for harmonic in (1, 2, 3):
        amplitude = size if harmonic == 1 else size * draw(rng, c.harmonic_share, n_sweeps)
        phase = rng.uniform(0.0, 2.0 * np.pi, n_sweeps)
        turns = 2.0 * np.pi * harmonic * frequency[:, np.newaxis] * (time_ms * 1e-3) + phase[:, np.newaxis]
        mains += amplitude[:, np.newaxis] * np.sin(turns)
    return mains


def _drift(rng: np.random.Generator, n_sweeps: int, n_samples: int, c: Contamination) -> FloatArray:
    size = draw(rng, c.drift_uv, n_sweeps)
    slope, bend, offset = rng.standard_normal((3, n_sweeps))
    offset = offset * draw(rng, c.offset_uv, n_sweeps)
    x = np.linspace(-0.5, 0.5, n_samples)
    curve = slope[:, np.newaxis] * x + (4.0 / 3.0) * bend[:, np.newaxis] * (x**2 - 1.0 / 12.0)
    return np.asarray(size[:, np.newaxis] * curve + offset[:, np.newaxis])
