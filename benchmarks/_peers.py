"""Other people's onset pickers on arrays; runs in an environment of its own, where ``ncs`` is not installed.

    python _peers.py IN.npz OUT.npz

A new peer is one function and one line in ``PICKERS``. The settings were chosen among a few on sweeps of the *train*
population, so that each peer does its best; what is not named here is its default.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np
from mep_cmap.detection.dispatch import dispatch_onset
from obspy.signal.trigger import aic_simple, ar_pick, pk_baer

EARLIEST_MS, LATEST_MS = 2.0, 12.0
"""Where peers that take such limits may put an onset; the simulated ones lie at 2.5 to 8 ms."""
PEAK_BEFORE_MS = 25.0
OVER_MS = 1.0
"""When the spike of the stimulus artefact is over."""

_MEP_SETTINGS = {
    "onset_bigoni_walkback_sd": 2.0,
    "onset_cusum_k": 4.0,
    "onset_cusum_h": 200.0,
    "onset_cusum_max_accum_ms": 2.0,
    "onset_cusum_min_response_ms": 1.0,
    "onset_env_window_ms": 0.5,
    "onset_env_refine_window_ms": 0.2,
    "onset_env_refine_sd": 10.0,
    "onset_env_criterion": 10.0,
    "onset_env_min_response_ms": 1.0,
    "onset_env_refine_sustain_ms": 0.5,
    "onset_boyles_block_ms": 1.0,
    "onset_boyles_base_deriv_sds": -1.0,
    "onset_boyles_deriv_check_duty": 0.0,
}
_MEP_METHODS = (
    "bigoni", "bigoni_walkback", "rms_envelope", "cusum", "boyles", "peak_fraction", "bootstrap", "methods_median",
)  # fmt: skip


def mep_cmap(method):
    """Return a picker that gives millivolts, negative up, above the mean of the samples before the stimulus."""

    def pick(y_uv, khz, stimulus_ms):
        before = y_uv[: int(stimulus_ms * khz)].mean()
        return dispatch_onset(
            (y_uv - before) / 1e3, khz * 1e3, _MEP_SETTINGS, pre_ms=stimulus_ms, search_start_ms=EARLIEST_MS,
            search_end_ms=y_uv.size / khz - stimulus_ms - 0.1, min_latency_ms=EARLIEST_MS, max_latency_ms=LATEST_MS,
            method=method,
        )  # fmt: skip

    return pick


def aic(y_uv, khz, stimulus_ms):
    first = int(np.ceil((stimulus_ms + EARLIEST_MS) * khz))
    peak = first + int(np.argmax(y_uv[first : int((stimulus_ms + PEAK_BEFORE_MS) * khz)]))
    if peak - first < 4:
        return None
    return (first + 1 + int(np.argmin(aic_simple(y_uv[first : peak + 1])[1:-1]))) / khz - stimulus_ms


def baer(y_uv, khz, stimulus_ms):
    first = int(np.ceil((stimulus_ms + OVER_MS) * khz))
    quiet = y_uv[first:] - y_uv[first : first + int(0.5 * khz)].mean()
    at, _ = pk_baer(quiet, khz * 1e3, int(0.25 * khz), int(1.5 * khz), 12, 6, int(khz), int(10 * khz))
    return None if at <= 1 else (at - 1 + first) / khz - stimulus_ms


def auto_regression(y_uv, khz, stimulus_ms):
    before, over = int(stimulus_ms * khz), int(np.ceil((stimulus_ms + OVER_MS) * khz))
    level = y_uv[:before].mean()
    joined = np.concatenate([y_uv[:before], y_uv[over:]])[: int(PEAK_BEFORE_MS * khz)] - level
    z = joined.astype(np.float32)
    seconds, _ = ar_pick(z, z, z, khz * 1e3, 20.0, 3000.0, 0.002, 0.0005, 0.002, 0.0005, 2, 2, 0.001, 0.001, False)
    return None if seconds <= 0 else seconds * 1e3 + (over - before) / khz - stimulus_ms


PICKERS = {
    **{f"MEP-CMAP {method}": mep_cmap(method) for method in _MEP_METHODS},
    "ObsPy aic_simple": aic,
    "ObsPy pk_baer": baer,
    "ObsPy ar_pick": auto_regression,
}


def run(picker, samples_uv, khz, stimulus_ms):
    """Return onsets in ms after the stimulus, NaN where none was found, and seconds for one sweep."""
    onset = np.full(len(samples_uv), np.nan)
    negative_up = -samples_uv.astype(np.float64)
    fastest, spent = np.inf, 0.0
    for _ in range(10):
        start = time.perf_counter()
        for i, y_uv in enumerate(negative_up):
            found = picker(y_uv, khz, float(stimulus_ms[i]))
            onset[i] = np.nan if found is None else found
        seconds = time.perf_counter() - start
        fastest, spent = min(fastest, seconds), spent + seconds
        if spent > 0.3:
            break
    return onset, fastest / len(onset)


def seismograms(traces, first, last):
    """Return the sample that ObsPy's AIC picks in a part of every trace, after the start of that part."""
    picks = np.full(len(traces), np.nan)
    for i, trace in enumerate(traces):
        picks[i] = 1 + int(np.argmin(aic_simple(trace[first[i] : last[i]])[1:-1]))
    return picks


def main(source: str, destination: str) -> None:
    warnings.simplefilter("ignore")
    given = np.load(source)
    out = {"versions": json.dumps({name: version(name) for name in ("mep-cmap-analyser", "obspy")})}
    for name in sorted({key.split("/")[0] for key in given if key.endswith("/samples_uv")}):
        samples, stimulus = given[f"{name}/samples_uv"], given[f"{name}/stimulus_ms"]
        for label, picker in PICKERS.items():
            onset, seconds = run(picker, samples, float(given[f"{name}/sampling_rate_hz"]) / 1e3, stimulus)
            out[f"{name}/{label}/onset_ms"], out[f"{name}/{label}/seconds"] = onset, seconds
    if "seismic/traces" in given:
        parts = (given[f"seismic/{key}"] for key in ("traces", "first", "last"))
        out["seismic/picks"] = seismograms(*parts)
    np.savez(destination, **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
