"""What is measured of a trace: which of its sweeps, and their mean."""

from __future__ import annotations

import math

import numpy as np

from ncs.model import SampleArray, Trace

__all__ = ["aligned_sweeps", "mean_sweep", "measured_sweeps"]


def measured_sweeps(trace: Trace) -> tuple[int, ...]:
    """Return the sweeps that are averaged: all of one stimulus, or those of the highest stated intensity.

    A sweep whose stimulus time is not a number is never among them.
    """
    assert trace.stimulus_ms is not None  # the caller has asked
    if trace.n_sweeps == 1 and math.isfinite(trace.stimulus_ms[0]):
        return (0,)
    usable = np.isfinite(trace.stimulus_ms)
    for intensity in (trace.stimulus.intensity_ma, trace.stimulus.intensity_v):
        if intensity is not None and np.isfinite(intensity[usable]).any():
            usable &= intensity == np.nanmax(intensity[usable])
            break
    return tuple(int(i) for i in np.flatnonzero(usable))


def mean_sweep(trace: Trace, chosen: tuple[int, ...]) -> tuple[SampleArray, float]:
    """Return the mean of sweeps after whole-sample alignment at the stimulus, and the stimulus time in it.

    Where there is none, or they do not overlap around their stimuli, that is a sweep without samples.
    """
    rows, stimulus_ms = aligned_sweeps(trace, chosen)
    if not rows.shape[1]:
        return np.empty((1, 0), np.float32), 0.0
    mean = rows.mean(axis=0, dtype=np.float64, keepdims=True)
    return np.asarray(mean, np.float32), stimulus_ms


def aligned_sweeps(trace: Trace, chosen: tuple[int, ...]) -> tuple[SampleArray, float]:
    """Return sweeps after whole-sample alignment at the stimulus, and the mean time of the stimulus in them.

    Where there are none, or they do not overlap around their stimuli, that is sweeps without samples.
    """
    assert trace.stimulus_ms is not None  # the caller has asked
    nothing = np.empty((len(chosen), 0), np.float32), 0.0
    if not chosen:
        return nothing
    rate = trace.sampling_rate_hz
    times = trace.stimulus_ms[list(chosen)]
    shifts = np.rint((times - times.min()) * rate / 1000)
    length = trace.n_samples - shifts.max()
    if length < 1:
        return nothing
    rows = [trace.samples_uv[i, int(s) : int(s + length)] for i, s in zip(chosen, shifts, strict=True)]
    residual = times - shifts * 1000 / rate
    return np.stack(rows), float(residual.mean())
