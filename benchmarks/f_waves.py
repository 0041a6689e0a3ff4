"""How good F-wave figures are on simulated studies whose truth is known: latencies, persistence, A waves.

    python -m benchmarks f_waves                        the *test* population; what the documentation states
    python -m benchmarks.f_waves --tune                 the *train* population and its seeds: to change the detector
    python -m benchmarks.f_waves --studies 200 --noise 13.33 --noise 5
    python -m benchmarks.f_waves --bound --noise 13.33    how often the onsets permit 0.3 ms at all

The truth of the minimum latency is the smallest true onset among the sweeps of the study that have an F wave.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

import ncs
from benchmarks._f_wave_bound import permitted
from benchmarks._scores import Figures, coverage, percent
from ncs.detect import Flag
from ncs.model import Subject, Visit
from ncs.simulate._bank import Population
from ncs.simulate.late import F_RECORDING, LEAST_F_UV, AWave, FWaves, f_wave_study

STUDIES = 50
FIRST_SEED: dict[Population, int] = {"train": 0, "test": 100_000}
THREE_SIGMA_UV = LEAST_F_UV / 3.0
"""Noise of which the smallest F wave that counts is three standard deviations."""
WANTED_MS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A noise, and what is peculiar to the nerves."""

    name: str
    noise_uv: float
    nerve: FWaves | None = None


CONDITIONS = (
    Condition(name="3 sigma", noise_uv=THREE_SIGMA_UV),
    Condition(name="5 uV", noise_uv=5.0),
    Condition(name="3 sigma, 4 repeats", noise_uv=THREE_SIGMA_UV, nerve=FWaves(repeater_sweeps=4)),
    Condition(name="3 sigma, A wave at 40 ms", noise_uv=THREE_SIGMA_UV,
              nerve=FWaves(a_waves=(AWave(latency_ms=40.0),))),
    Condition(name="3 sigma, A wave at 19 ms", noise_uv=THREE_SIGMA_UV,
              nerve=FWaves(a_waves=(AWave(latency_ms=19.0),))),
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Scores:
    """What was found in many studies; a row is a study, in ``onsets`` a wave: error and standard deviation, ms."""

    shortest: list[tuple[float, float]]
    longest: list[tuple[float, float]]
    means: list[tuple[float, float]]
    onsets: list[tuple[float, float]]
    counted: list[int]
    """F waves found minus F waves there are."""
    invented: int = 0
    """Sweeps that were given an F wave and have none."""
    a_waves_seen: int = 0
    a_waves: int = 0


def run() -> Figures:
    """Measure every condition on the test population, print, and return the figures."""
    return measure(CONDITIONS, studies=STUDIES, population="test")


def measure(conditions: Sequence[Condition], *, studies: int, population: Population) -> Figures:
    """Measure and print some conditions."""
    first = FIRST_SEED[population]
    print(f"  {studies} studies of 20 stimuli, {population} population, seeds {first} to {first + studies - 1}; ms, %")
    _head()
    figures = {}
    for condition in conditions:
        figures[condition.name] = _figures(_scores(condition, range(first, first + studies), population))
        _row(condition.name, figures[condition.name])
    return {"studies": studies, "population": population, "first_seed": first, "conditions": figures}


def _scores(condition: Condition, seeds: range, population: Population) -> Scores:
    scores = Scores(shortest=[], longest=[], means=[], onsets=[], counted=[])
    contamination = replace(F_RECORDING.contamination, noise_uv=condition.noise_uv)
    recording = replace(F_RECORDING, contamination=contamination)
    for seed in seeds:
        study, truth = f_wave_study(condition.nerve, seed=[70, seed], population=population, recording=recording)
        visit = Visit(subject=Subject(id="SIMULATED"), date=dt.date(2020, 1, 1), studies=(study,))
        result = ncs.analyze(visit)
        found = {m.quantity: m for m in result.measurements}
        marks = next(entry.sweeps for entry in result.marks if entry.response == "f_wave")
        there, seen = truth.f_waves.has_response, np.isfinite(marks.peak_to_peak_uv)
        both = there & seen & np.isfinite(marks.onset_ms)
        scores.onsets += zip((marks.onset_ms - truth.f_waves.onset_ms)[both], marks.onset_sd_ms[both], strict=True)
        scores.counted.append(int(seen.sum()) - int(there.sum()))
        scores.invented += int((seen & ~there).sum())
        has_a_wave = np.isfinite(truth.a_wave_onset_ms).any(axis=1)
        scores.a_waves += int(has_a_wave.sum())
        scores.a_waves_seen += int((has_a_wave & ((marks.flags & Flag.A_WAVE) != 0)).sum())
        onset = truth.latencies_ms
        for into, name, true in (
            (scores.shortest, "f_minimum_latency", onset.min()),
            (scores.longest, "f_maximum_latency", onset.max()),
            (scores.means, "f_mean_latency", _mean(truth.fired, there, truth.f_waves.onset_ms)),
        ):
            m = found[name]
            into.append((_number(m.value) - float(true), _number(m.sd)))
    return scores


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _mean(fired: np.ndarray, there: np.ndarray, onset_ms: np.ndarray) -> float:
    """Mean onset of different waves: those of the same units count once."""
    different = {tuple(np.flatnonzero(fired[k])): float(onset_ms[k]) for k in np.flatnonzero(there)}
    return float(np.mean(list(different.values())))


def _figures(scores: Scores) -> Figures:
    counted = np.array(scores.counted)
    figures: Figures = {
        name: _errors(np.array(rows))
        for name, rows in (("minimum", scores.shortest), ("maximum", scores.longest), ("mean", scores.means),
                           ("onset", scores.onsets))
    }  # fmt: skip
    return figures | {
        "persistence_exact_percent": percent(counted == 0),
        "persistence_within_one_percent": percent(np.abs(counted) <= 1),
        "f_waves_invented": scores.invented,
        "a_waves": scores.a_waves,
        "a_waves_seen": scores.a_waves_seen,
    }


def _errors(rows: np.ndarray) -> Figures:
    """Return figures of errors and their standard deviations; what was not measured counts as not within anything."""
    error, sd = rows.T
    known = np.isfinite(error)
    e, s = error[known], sd[known]
    return {
        "n": int(error.size),
        "median_error_ms": float(np.median(np.abs(e))),
        "quantiles_ms": [float(q) for q in np.quantile(e, [0.05, 0.5, 0.95])],
        "within_percent": percent(known & (np.abs(np.nan_to_num(error)) <= WANTED_MS)),
        "stated_percent": 100.0 * float(np.mean([_inside(each) for each in s])),
        "coverage_percent": coverage(e, s),
        "z": float(np.sqrt(np.mean((e / s) ** 2))),
    }


def _inside(sd: float) -> float:
    """Return how probable an error within the wanted limit is if a standard deviation is true."""
    return 2.0 * NormalDist().cdf(WANTED_MS / sd) - 1.0


def _head() -> None:
    parts = ("minimum latency", "single onset", "maximum", "mean")
    print(f"    {'':25s} {parts[0]:^46s} {parts[1]:^27s} {parts[2]:^12s} {parts[3]:^6s} persistence     A waves")
    print(
        f"    {'':25s} median   5 %   50 %   95 % <=0.3 stated 95 %    z  median <=0.3 95 %     z "
        f" median     z median  exact +-1 extra  seen"
    )


def _row(name: str, row: Figures) -> None:
    low, onset, high, mean = (row[part] for part in ("minimum", "onset", "maximum", "mean"))
    quantiles = " ".join(f"{q:+6.2f}" for q in low["quantiles_ms"])
    print(
        f"    {name:25s} {low['median_error_ms']:6.3f} {quantiles} {low['within_percent']:5.1f}"
        f" {low['stated_percent']:6.1f} {low['coverage_percent']:4.0f} {low['z']:4.2f}"
        f"  {onset['median_error_ms']:6.3f} {onset['within_percent']:5.1f} {onset['coverage_percent']:4.0f}"
        f" {onset['z']:5.2f}  {high['median_error_ms']:6.3f} {high['z']:5.2f} {mean['median_error_ms']:6.3f}"
        f"  {row['persistence_exact_percent']:5.1f} {row['persistence_within_one_percent']:3.0f}"
        f" {row['f_waves_invented']:5d} {_share(row):>5s}",
        flush=True,
    )


def _share(row: Figures) -> str:
    return f"{100.0 * row['a_waves_seen'] / row['a_waves']:.0f} %" if row["a_waves"] else "-"


def _asked(noises: Sequence[float]) -> Iterator[Condition]:
    for noise in noises:
        yield Condition(name=f"{noise:g} uV", noise_uv=noise)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.f_waves", description="Measure F-wave figures.")
    parser.add_argument("--studies", type=int, default=STUDIES, help=f"studies of every condition (default {STUDIES})")
    parser.add_argument("--tune", action="store_true", help="train population and its own seeds")
    parser.add_argument("--bound", action="store_true", help="only what the onsets permit")
    parser.add_argument("--noise", type=float, action="append", default=[], metavar="UV", help="only this noise; again")
    chosen = parser.parse_args()
    conditions = tuple(_asked(chosen.noise)) or CONDITIONS
    population: Population = "train" if chosen.tune else "test"
    if chosen.bound:
        _bound(chosen.noise or [THREE_SIGMA_UV, 5.0], chosen.studies, population)
    else:
        measure(conditions, studies=chosen.studies, population=population)


def _bound(noises: Sequence[float], studies: int, population: Population) -> None:
    seeds = range(FIRST_SEED[population], FIRST_SEED[population] + studies)
    print(f"  {studies} studies of 20 stimuli, {population} population: minimum latency within {WANTED_MS} ms")
    for noise in noises:
        expected, reached = permitted(noise, seeds, population, WANTED_MS)
        print(
            f"    {noise:6.2f} uV: at the most {expected:.1f} % by the onsets' own probabilities, {reached:.1f} % true"
        )


if __name__ == "__main__":
    main()
