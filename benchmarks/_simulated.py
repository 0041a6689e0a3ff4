"""The onset benchmark on simulated sweeps: errors, stated intervals, velocity, presence, cost.

Population and seeds are not those from which ``ncs.detect`` learned (*train*, 101 to 103). Change a seed, and figures
of two releases can no longer be compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import _scores
from benchmarks._scores import Figures
from ncs import detect, simulate
from ncs.measure._study import Value, velocity
from ncs.simulate import CONDITIONS, Cmap, Contamination, Recording, SimulatedSweeps, Snap

SEED = 2026
N_NCS = 2000
N_PEERS = 200
N_STUDIES = 400
SEGMENT_MM = 200.0
RATE_HZ = 20_000.0

Named = dict[str, SimulatedSweeps]
Picked = tuple[NDArray[np.float64], float]
"""Onsets, and seconds for one sweep."""


def sweeps() -> Named:
    """Return the sweeps of the five conditions."""
    return {
        name: condition.sweeps(N_NCS, seed=SEED, population="test", sampling_rate_hz=RATE_HZ)
        for name, condition in CONDITIONS.items()
    }


def for_peers(named: Named) -> dict[str, Any]:
    """Return the arrays that the peers are given: the first sweeps of every condition."""
    arrays: dict[str, Any] = {}
    for name, s in named.items():
        arrays |= {
            f"{name}/samples_uv": s.samples_uv[:N_PEERS],
            f"{name}/stimulus_ms": s.stimulus_ms[:N_PEERS],
            f"{name}/sampling_rate_hz": s.sampling_rate_hz,
        }
    return arrays


def methods(s: SimulatedSweeps, peers: dict[str, Picked]) -> dict[str, Figures]:
    """Return errors and cost of every method on the first sweeps of one condition."""
    picked = {f"ncs {name}": _picked(s, name) for name in detect.ONSET_METHODS} | peers
    truth = s.truth.onset_ms[:N_PEERS]
    return {
        name: {
            **_scores.errors(onset, truth),
            "range_ms": _scores.error_range(onset, truth),
            "us_a_sweep": 1e6 * seconds,
        }
        for name, (onset, seconds) in picked.items()
    }


def _picked(s: SimulatedSweeps, method: str) -> Picked:
    def work() -> detect.Marks:
        samples, times = s.samples_uv[:N_PEERS], s.stimulus_ms[:N_PEERS]
        return detect.mark(samples, s.sampling_rate_hz, stimulus_ms=times, onset_method=method)

    return work().onset_ms, _fastest(work, 3) / N_PEERS


def ncs_alone(s: SimulatedSweeps, noise_uv: float) -> Figures:
    """Return everything that is asked of the default method on all sweeps of one condition."""
    marks = detect.mark(s.samples_uv, s.sampling_rate_hz, stimulus_ms=s.stimulus_ms)
    truth = s.truth
    error = marks.onset_ms - truth.onset_ms
    off_uv = np.abs(marks.peak_uv - truth.peak_uv)
    return _scores.errors(marks.onset_ms, truth.onset_ms) | {
        "coverage_percent": _scores.coverage(error, marks.onset_sd_ms),
        "coverage_at": {str(level): _scores.coverage(error, marks.onset_sd_ms, level) for level in _scores.LEVELS},
        "interval_misses": _scores.sides(error, marks.onset_sd_ms),
        "stated_sd_ms": _scores.median(marks.onset_sd_ms),
        "peak_error_ms": _scores.median(np.abs(marks.peak_ms - truth.peak_ms)),
        "amplitude_error_percent": _scores.median(100.0 * off_uv / truth.peak_uv),
        "amplitude_error_noise": _scores.median(off_uv / noise_uv),
        "amplitude_ratio": _scores.median(off_uv / np.maximum(0.01 * truth.peak_uv, noise_uv)),
        "outcomes": _outcomes(marks),
    }


def _outcomes(marks: detect.Marks) -> dict[str, int]:
    counts = np.bincount(marks.outcome, minlength=len(detect.Outcome))
    return {outcome.name.lower(): int(counts[outcome]) for outcome in detect.Outcome}


def velocities() -> dict[str, Figures]:
    """Return how often the stated velocity interval over 200 mm holds the truth, in every condition.

    The same nerves serve all conditions: their noise-free responses are scaled and contaminated anew.
    """
    rng = np.random.default_rng(SEED)
    clean, onsets, true = [], [], []
    quiet = Recording(contamination=Contamination(), sampling_rate_hz=RATE_HZ)
    for seed in range(N_STUDIES):
        study, truth = simulate.motor_study(
            seed=(SEED, seed), velocity_m_s=float(rng.uniform(25.0, 65.0)), segment_mm=SEGMENT_MM, amplitude_uv=1.0,
            distal_latency_ms=float(rng.uniform(2.5, 6.0)), n_units=(8, 200), latency_spread_ms=(0.6, 4.0),
            size_spread=(0.3, 0.8), recording=quiet, population="test",
        )  # fmt: skip
        clean.append([trace.samples_uv[0] for trace in study.traces])
        onsets.append([site.marks.onset_ms[0] for site in truth.sites])
        true.append(truth.true_velocity_m_s)
    return {
        name: _velocity(np.array(clean, np.float64), np.array(true, np.float64), condition, seed)
        for seed, (name, condition) in enumerate(CONDITIONS.items())
    }


def _velocity(clean: Any, true: NDArray[np.float64], condition: simulate.Condition, seed: int) -> Figures:
    stimulus = np.full(len(clean), Recording().stimulus_ms)
    sites = []
    for site in range(2):
        samples = simulate.contaminate(
            clean[:, site] * float(condition.response.amplitude_uv), sampling_rate_hz=RATE_HZ, stimulus_ms=stimulus,
            contamination=condition.contamination, seed=(SEED, seed, site),
        )  # fmt: skip
        sites.append(detect.mark(samples.astype(np.float32), RATE_HZ, stimulus_ms=stimulus))
    found, sd = np.full(true.size, np.nan), np.full(true.size, np.nan)
    for i in range(true.size):
        near, far = (_latency(marks, i) for marks in sites)
        speed = velocity(SEGMENT_MM, near, far, distance_sd_mm=None)
        found[i] = np.nan if speed.value is None else speed.value
        sd[i] = np.nan if speed.sd is None else speed.sd
    error = found - true
    return {
        "n": int(true.size),
        "coverage_percent": _scores.coverage(error, sd),
        "median_error_m_s": _scores.median(np.abs(error)),
        "stated_sd_m_s": _scores.median(sd),
        "none_percent": _scores.percent(np.isnan(error)),
    }


def _latency(marks: detect.Marks, i: int) -> Value:
    onset, sd = float(marks.onset_ms[i]), float(marks.onset_sd_ms[i])
    if np.isnan(onset):
        return Value(value=None)
    return Value(value=onset, sd=None if np.isnan(sd) else sd)


_TAIL: dict[str, Any] = {
    "artefact_uv": (1000.0, 10_000.0), "tail_uv": (30.0, 1000.0), "tail_ms": (0.5, 3.0),
    "second_tail_share": (0.0, 0.3),
}  # fmt: skip
_SNAP_TAIL: dict[str, Any] = {
    "artefact_uv": (20.0, 300.0), "tail_uv": (1.0, 30.0), "tail_ms": (0.3, 2.0), "second_tail_share": (0.0, 0.3),
}  # fmt: skip
_SNAP: dict[str, Any] = {"noise_uv": 0.4, "low_cut_hz": 20.0, "high_cut_hz": 2000.0}
NOTHING = {
    "cmap": {
        "noise": Contamination(noise_uv=(2.0, 50.0)),
        "half of the noise 1/f": Contamination(noise_uv=10.0, pink_share=0.5),
        "artefact tails": Contamination(noise_uv=10.0, **_TAIL),
        "mains": Contamination(noise_uv=10.0, mains_uv=(5.0, 40.0)),
        "drift": Contamination(noise_uv=10.0, drift_uv=(20.0, 100.0), offset_uv=20.0),
        "all": Contamination(
            noise_uv=(2.0, 50.0), pink_share=(0.0, 0.5), mains_uv=(0.0, 40.0), drift_uv=(0.0, 50.0), **_TAIL
        ),
    },
    "snap": {
        "noise": Contamination(**_SNAP),
        "half of the noise 1/f": Contamination(**_SNAP, pink_share=0.5),
        "artefact tails": Contamination(**_SNAP, **_SNAP_TAIL),
        "mains": Contamination(**_SNAP, mains_uv=(0.5, 4.0)),
        "drift": Contamination(**_SNAP, drift_uv=(0.5, 5.0), offset_uv=1.0),
        "all": Contamination(**_SNAP, pink_share=(0.0, 0.5), mains_uv=(0.0, 2.0), drift_uv=(0.0, 3.0), **_SNAP_TAIL),
    },
}
"""What is added to nothing, one equal share of the sweeps each."""
N_NOTHING = 10_000
LEAST_SIGMA = 20.0


def presence(artefacts: dict[str, NDArray[np.bool_]]) -> Figures:
    """Return the share of sweeps without a response that got an onset, and of clear responses that got none.

    ``artefacts`` are the verdicts on real stimulus artefacts (true where marked), counted with the simulated sweeps.
    """
    marked = _nothing_marked() | {f"{kind}: real artefacts": hits for kind, hits in artefacts.items()}
    missed = _missed()
    return {
        "n_without": sum(hits.size for hits in marked.values()),
        "marked_percent": _scores.percent(np.concatenate(list(marked.values()))),
        "marked_by_kind": _by_kind(marked),
        "n_with": sum(hits.size for hits in missed.values()),
        "missed_percent": _scores.percent(np.concatenate(list(missed.values()))),
        "missed_by_kind": _by_kind(missed),
    }


def _by_kind(verdicts: dict[str, NDArray[np.bool_]]) -> dict[str, Figures]:
    return {name: {"n": int(hits.size), "percent": _scores.percent(hits)} for name, hits in verdicts.items()}


def _nothing_marked() -> dict[str, NDArray[np.bool_]]:
    share = N_NOTHING // sum(len(kinds) for kinds in NOTHING.values()) + 1
    marked = {}
    for response, kinds in NOTHING.items():
        for number, (name, contamination) in enumerate(kinds.items()):
            s = simulate.nothing(
                share, seed=(SEED, number), sampling_rate_hz=RATE_HZ, duration_ms=50.0 if response == "cmap" else 20.0,
                stimulus_ms=(2.0, 5.0), contamination=contamination,
            )  # fmt: skip
            marks = detect.mark(s.samples_uv, RATE_HZ, stimulus_ms=s.stimulus_ms, response=response)
            marked[f"{response}: {name}"] = np.isfinite(marks.onset_ms)
    return marked


def _missed() -> dict[str, NDArray[np.bool_]]:
    missed = {}
    for name, condition in CONDITIONS.items():
        s = condition.sweeps(1000, seed=(SEED, 1), population="test", sampling_rate_hz=RATE_HZ)
        missed[f"cmap: {name}"] = _unmarked(s, "cmap")
    wide = Cmap(amplitude_uv=(LEAST_SIGMA * 10.0, 30_000.0))
    tail, both = Contamination(noise_uv=10.0, **_TAIL), Contamination(**_SNAP, **_SNAP_TAIL)
    missed["cmap: 20 to 3000 sigma, tails"] = _unmarked(
        simulate.cmap(2000, seed=(SEED, 2), stimulus_ms=(2.0, 5.0), response=wide, contamination=tail,
                      population="test"), "cmap",
    )  # fmt: skip
    for direction in ("antidromic", "orthodromic"):
        response = Snap(amplitude_uv=(LEAST_SIGMA * 0.4, 60.0), direction=direction)
        s = simulate.snap(
            1000, seed=(SEED, 3), stimulus_ms=(2.0, 5.0), response=response, contamination=both, population="test"
        )
        missed[f"snap: {direction}, 20 to 150 sigma, tails"] = _unmarked(s, "snap")
    return missed


SMALL_SIGMA = (8.0, 10.0, 15.0, 30.0, 100.0)
"""Peaks of antidromic sensory responses, over the noise."""


def small() -> dict[str, Figures]:
    """Return how many small sensory responses on artefact tails are found, and how well they are timed."""
    found = {}
    for sigma in SMALL_SIGMA:
        s = simulate.snap(
            2000, seed=(SEED, 4, int(sigma)), stimulus_ms=(2.0, 5.0), population="test",
            response=Snap(amplitude_uv=sigma * 0.4), contamination=Contamination(**_SNAP, **_SNAP_TAIL),
        )  # fmt: skip
        marks = detect.mark(s.samples_uv, s.sampling_rate_hz, stimulus_ms=s.stimulus_ms, response="snap")
        timed = np.isfinite(marks.onset_ms)
        error = (marks.onset_ms - s.truth.onset_ms)[timed]
        found[f"{sigma:g} sigma"] = {
            "n": int(timed.size),
            "found_percent": _scores.percent(timed),
            "median_error_ms": _scores.median(np.abs(error)),
            "coverage_percent": _scores.coverage(error, marks.onset_sd_ms[timed]),
        }
    return found


def _unmarked(s: SimulatedSweeps, response: str) -> NDArray[np.bool_]:
    marks = detect.mark(s.samples_uv, s.sampling_rate_hz, stimulus_ms=s.stimulus_ms, response=response)
    return np.isnan(marks.onset_ms)


def cost(named: Named, peer_seconds: dict[str, float]) -> Figures:
    """Return what marking costs, beside one ``numpy.sum`` over the same array in the same process, and the peers."""
    samples = np.ascontiguousarray(np.concatenate([s.samples_uv[: N_NCS // len(named)] for s in named.values()]))
    stimulus = np.concatenate([s.stimulus_ms[: N_NCS // len(named)] for s in named.values()])
    marking = _fastest(lambda: detect.mark(samples, RATE_HZ, stimulus_ms=stimulus), rounds=10) / len(samples)
    adding = _fastest(samples.sum, rounds=40) / len(samples)
    figures: Figures = {
        "samples_a_sweep": int(samples.shape[1]),
        "us_a_sweep": marking * 1e6,
        "sum_us_a_sweep": adding * 1e6,
        "sums": marking / adding,
    }
    if peer_seconds:
        fastest = min(peer_seconds, key=peer_seconds.__getitem__)
        figures |= {
            "peer_us_a_sweep": {name: seconds * 1e6 for name, seconds in peer_seconds.items()},
            "fastest_peer": fastest,
            "times_faster": peer_seconds[fastest] / marking,
        }
    return figures


def _fastest(work: Callable[[], Any], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
