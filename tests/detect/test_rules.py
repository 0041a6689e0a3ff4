"""The published onset rules, each against a second implementation that knows nothing of the kernels."""

import numpy as np
import pytest
from scipy.signal import savgol_filter

from ncs import simulate
from ncs.detect import ONSET_METHODS, Outcome, mark

RATE_KHZ = 20.0
STIMULUS = 3.0
SWEEPS = {
    "cmap": simulate.cmap(
        25, seed=31, response=simulate.Cmap(amplitude_uv=(2000.0, 9000.0)),
        contamination=simulate.Contamination(noise_uv=2.0),
    ),
    "snap": simulate.snap(
        25, seed=32, stimulus_ms=STIMULUS, duration_ms=25.0, response=simulate.Snap(amplitude_uv=(20.0, 60.0)),
        contamination=simulate.Contamination(noise_uv=0.2),
    ),
}  # fmt: skip


def last_above(y, peak, level):
    """Where a line between samples last rises through a level before the peak."""
    i = peak - 1 - int(np.argmax(y[peak - 1 :: -1] <= level))
    return np.interp(level, y[i : i + 2], [i, i + 1])


def threshold(y, peak, *, parameter, **_):
    return last_above(y, peak, parameter)


def percent_of_peak(y, peak, *, parameter, height, **_):
    return last_above(y, peak, parameter * height)


def sd(y, peak, *, parameter, sigma, **_):
    level, hold = parameter * sigma, round(0.5 * RATE_KHZ)
    for i in range(peak - 1, 0, -1):
        if y[i] <= level and (y[i + 1 : i + 1 + hold] > level).all():
            return np.interp(level, y[i : i + 2], [i, i + 1])
    return np.nan


def tangent(y, peak, *, parameter, **_):
    half = max(1, round(0.5 * parameter * RATE_KHZ))
    slope = np.full(y.size, -np.inf)
    slope[half:-half] = (y[2 * half :] - y[: -2 * half]) / (2 * half)
    steepest = int(np.argmax(slope[: peak - half + 1]))
    return steepest - y[steepest] / slope[steepest]


def second_derivative(y, peak, *, parameter, **_):
    half = max(2, round(0.5 * parameter * RATE_KHZ))
    slope = savgol_filter(y, 2 * half + 1, 2, deriv=1)
    bend = savgol_filter(y, 2 * half + 1, 3, deriv=2)
    steepest = int(np.argmax(np.where(np.arange(y.size) <= peak, slope, -np.inf)))
    first = round((STIMULUS + 0.7) * RATE_KHZ) + half
    return first + int(np.argmax(bend[first:steepest]))


def rising_run(y, peak, *, parameter, **_):
    best, start = 0, np.nan
    begin = peak
    while begin > 0:
        end = begin
        while begin > 0 and y[begin - 1] < y[begin]:
            begin -= 1
        if end - begin >= max(best, 1) and begin > round((STIMULUS + 0.7) * RATE_KHZ):
            best, start = end - begin, begin
        begin -= 1
    return start if best > round(parameter * RATE_KHZ) else np.nan


def aic(y, peak, *, first, **_):
    part = y[first : peak + 1]
    cuts = range(2, part.size - 2)
    value = [k * np.log(part[:k].var()) + (part.size - k - 1) * np.log(part[k:].var()) for k in cuts]
    return first + cuts[int(np.argmin(value))]


SECOND = {
    "threshold": threshold, "sd": sd, "percent_of_peak": percent_of_peak, "tangent": tangent,
    "second_derivative": second_derivative, "rising_run": rising_run, "aic": aic,
}  # fmt: skip
WITHIN_MS = {"second_derivative": 0.051, "aic": 0.051}
"""These two choose one sample of many nearly equal ones; a sample is 0.05 ms."""


def second_opinion(name, response, found, i):
    y = -SWEEPS[response].samples_uv[i].astype(float) - found.baseline_uv[i]
    peak = int(np.argmax(y))
    blank = {"cmap": 0.6, "snap": 0.5}[response]
    smooth = {"cmap": 0.3, "snap": 0.15}[response]
    first = int(np.ceil((STIMULUS + blank) * RATE_KHZ)) + int(0.5 * smooth * RATE_KHZ)
    position = SECOND[name](
        y, peak, parameter=ONSET_METHODS[name].parameter[response], sigma=found.noise_uv[i], height=found.peak_uv[i],
        first=first,
    )  # fmt: skip
    return position / RATE_KHZ - STIMULUS


def test_every_published_rule_has_a_second_implementation():
    assert set(SECOND) == set(ONSET_METHODS) - {"changepoint"}


@pytest.mark.parametrize("response", SWEEPS)
@pytest.mark.parametrize("name", SECOND)
def test_rule(name, response):
    sweeps = SWEEPS[response]
    found = mark(
        sweeps.samples_uv, 1000 * RATE_KHZ, stimulus_ms=sweeps.stimulus_ms, response=response, onset_method=name
    )
    assert (found.outcome == Outcome.FOUND).mean() > 0.9
    difference = [
        found.onset_ms[i] - second_opinion(name, response, found, i) for i in np.flatnonzero(found.outcome == 0)
    ]
    assert np.abs(difference) == pytest.approx(0.0, abs=WITHIN_MS.get(name, 1e-6))


@pytest.mark.parametrize(
    ("name", "earliest", "latest"),
    [
        ("threshold", -0.02, 0.3), ("sd", -0.5, 0.2), ("percent_of_peak", 0.05, 0.4), ("tangent", 0.1, 0.9),
        ("second_derivative", 0.0, 1.3), ("rising_run", -0.7, 0.1), ("aic", -0.4, 0.3),
    ],
)  # fmt: skip
def test_where_a_rule_puts_the_onset_of_a_cmap(name, earliest, latest):
    # Each has its own definition of an onset; measured from the moment of 2 % of the peak this is where it lies.
    sweeps = SWEEPS["cmap"]
    found = mark(sweeps.samples_uv, 1000 * RATE_KHZ, stimulus_ms=sweeps.stimulus_ms, onset_method=name)
    error = np.nanmedian(found.onset_ms - sweeps.truth.onset_ms)
    assert earliest <= error <= latest
