"""How good H-reflex figures are on simulated recruitment series whose truth is known.

python -m benchmarks.h_reflexes             the *test* population; what the documentation states
python -m benchmarks.h_reflexes --tune      the *train* population and its seeds: to change the detector
"""

from __future__ import annotations

import argparse
import datetime as dt
from dataclasses import replace

import numpy as np

import ncs
from benchmarks._scores import Figures, coverage, percent
from benchmarks.f_waves import FIRST_SEED, WANTED_MS
from ncs.model import Subject, Visit
from ncs.simulate._bank import Population
from ncs.simulate.late import H_RECORDING, h_reflex_study

SERIES = 60
NOISES_UV = (20.0, 5.0)
SMALL = (5.0, 15.0)
"""Reflexes of so many times the noise, peak to peak, are looked at by themselves."""


def run() -> Figures:
    """Measure the test population, print, and return the figures."""
    return measure(SERIES, "test")


def measure(series: int, population: Population) -> Figures:
    """Measure and print."""
    first = FIRST_SEED[population]
    print(f"  {series} series of 40 stimuli, {population} population, seeds {first} to {first + series - 1}; ms, %")
    figures = {f"{noise:g} uV": _figures(noise, range(first, first + series), population) for noise in NOISES_UV}
    for name, row in figures.items():
        print(f"    {name}:", ", ".join(f"{key} {value:.3f}" for key, value in row.items()), flush=True)
    return {"series": series, "population": population, "first_seed": first, "noises": figures}


def _figures(noise_uv: float, seeds: range, population: Population) -> Figures:
    recording = replace(H_RECORDING, contamination=replace(H_RECORDING.contamination, noise_uv=noise_uv))
    latency, ratio, single, small = [], [], [], []
    for seed in seeds:
        study, truth = h_reflex_study(seed=[71, seed], population=population, recording=recording)
        result = ncs.analyze(Visit(subject=Subject(id="SIMULATED"), date=dt.date(2020, 1, 1), studies=(study,)))
        found = {m.quantity: m.value for m in result.measurements}
        marks = next(entry.sweeps for entry in result.marks if entry.response == "h_reflex")
        height = truth.h_reflex.peak_to_peak_uv
        error = marks.onset_ms - truth.h_reflex.onset_ms
        latency.append((found["h_latency"] or np.nan) - truth.h_reflex.onset_ms[height.argmax()])
        ratio.append((found["h_m_ratio"] or np.nan) / (100.0 * truth.h_maximum_uv / truth.m_maximum_uv) - 1.0)
        timed = (height > 0) & np.isfinite(error)
        single += zip(error[timed], marks.onset_sd_ms[timed], strict=True)
        is_small = (height >= SMALL[0] * noise_uv) & (height <= SMALL[1] * noise_uv) & (height >= 40.0)
        small += error[is_small].tolist()
    at, sd = np.array(single).T
    few, away = np.array(small), np.abs(np.array(latency))
    figures: Figures = {
        "median |latency error|": float(np.median(away)),
        "95 % of them below": float(np.quantile(away, 0.95)),
        "largest": float(away.max()),
        "95 % of |H/M errors| below, %": 100.0 * float(np.quantile(np.abs(ratio), 0.95)),
        "95 % interval of single onsets": coverage(at, sd),
    }
    if few.size == 0:
        return figures
    return figures | {
        "small ones": float(few.size),
        "found": percent(np.isfinite(few)),
        f"within {WANTED_MS} ms": percent(np.abs(np.nan_to_num(few, nan=np.inf)) <= WANTED_MS),
        "their median |error|": float(np.nanmedian(np.abs(few))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.h_reflexes", description="Measure H-reflex figures.")
    parser.add_argument("--series", type=int, default=SERIES, help=f"series of every noise (default {SERIES})")
    parser.add_argument("--tune", action="store_true", help="train population and its own seeds")
    chosen = parser.parse_args()
    measure(chosen.series, "train" if chosen.tune else "test")


if __name__ == "__main__":
    main()
