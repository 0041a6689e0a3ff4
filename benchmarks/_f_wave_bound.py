"""How often 0.3 ms can be reached at all: what the probabilities of all onsets of a study leave open.

The detector knows more of an onset than the mean and standard deviation that it states: the probability of every time.
From these, the probability of the shortest latency of a study is computed, and the interval of plus or minus 0.3 ms
that holds most of it. That share is the most that any estimate from the same rises can expect to reach, as far as the
probabilities are true; so beside it stands how often the truth was in that interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ncs import detect
from ncs.detect import _late_onset, late
from ncs.measure._extremes import STEP_MS, drawn_together
from ncs.simulate._bank import Population
from ncs.simulate.late import F_RECORDING, f_wave_study

REACH_MS = 6.0


def permitted(noise_uv: float, seeds: range, population: Population, wanted_ms: float) -> tuple[float, float]:
    """Return, in percent, what the best interval of every study holds on average, and how often it held the truth."""
    recording = replace(F_RECORDING, contamination=replace(F_RECORDING.contamination, noise_uv=noise_uv))
    half = round(wanted_ms / STEP_MS)
    expected, reached = [], []
    for seed in seeds:
        study, truth = f_wave_study(seed=[70, seed], population=population, recording=recording)
        trace = study.traces[0]
        with _remembered() as kinds:
            marks = detect.mark(
                trace.samples_uv, trace.sampling_rate_hz, stimulus_ms=trace.stimulus_ms, response="f_wave"
            )
        at, shortest = _shortest(marks.onset_ms[np.isfinite(marks.onset_ms)], kinds)
        held = np.convolve(shortest, np.ones(2 * half + 1), "same")
        best = int(held.argmax())
        expected.append(held[best])
        reached.append(abs(at[best] - truth.latencies_ms.min()) <= wanted_ms)
    return 100.0 * float(np.mean(expected)), 100.0 * float(np.mean(reached))


@contextmanager
def _remembered() -> Iterator[list[tuple[Any, ...]]]:
    """Keep what the onset model says of every wave that is marked: weights, onsets before the mark, their spread."""
    kept: list[tuple[Any, ...]] = []
    plain, kinds_of = late.rise_onset, _late_onset._kinds

    def rise_onset(rise: Any, y: Any, crossed: float, **more: Any) -> tuple[float, float]:
        seen: list[Any] = []

        def remember(*given: Any) -> Any:
            seen.append(kinds_of(*given))
            return seen[-1]

        _late_onset._kinds = remember
        try:
            onset, sd = plain(rise, y, crossed, **more)
        finally:
            _late_onset._kinds = kinds_of
        if seen:
            weight, onset_ms, sd_ms, _ = seen[0]
            kept.append((weight, onset_ms - (onset - crossed) / more["rate_khz"], sd_ms))
        return onset, sd

    late.rise_onset = rise_onset  # type: ignore[assignment]
    try:
        yield kept
    finally:
        late.rise_onset = plain


def _shortest(onset_ms: np.ndarray, kinds: list[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Return times, and the probability of the shortest latency at each."""
    at = np.arange(onset_ms.min() - REACH_MS, onset_ms.max() + REACH_MS, STEP_MS)
    rows = []
    for mark, (weight, middle, sd) in zip(onset_ms, kinds, strict=True):
        away = (at - (mark + middle)[:, np.newaxis]) / sd[:, np.newaxis]
        row = (weight / sd) @ np.exp(-0.5 * away**2)
        rows.append(row / row.sum())
    each = drawn_together(at, np.stack(rows), onset_ms)
    until = np.minimum(np.cumsum(each, axis=1), 1.0)
    shortest = np.maximum(np.diff(1.0 - np.prod(1.0 - until, axis=0), prepend=0.0), 0.0)
    return at, shortest / shortest.sum()
