"""The onset benchmark on recordings that nobody here made; each part is absent, with a reason, where its files are.

They are read in place: ``NCS_RECORDINGS``, else ``../shared/recordings`` beside the checkout.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import _scores
from benchmarks._scores import Figures
from ncs import detect

FloatArray = NDArray[np.float64]
SEED = 2026
REPEATS = 20
LEAST_SIGMA = 20.0


def folder() -> tuple[Path, str | None]:
    """Return the folder of recordings, and the reason why it cannot be used."""
    named = os.environ.get("NCS_RECORDINGS")
    place = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "recordings"
    return place, None if place.is_dir() else "no folder of recordings (NCS_RECORDINGS is not set to one)"


def artefacts(recordings: Path) -> dict[str, NDArray[np.bool_]]:
    """Return, for either kind of response, which of the real stimulus artefacts got an onset.

    The artefact begins with the first sample, there is nothing before it, and nothing was evoked.
    """
    from scipy.io import loadmat

    path = recordings / "stimulus_artefacts" / "EMG_artifacts_templib.mat"
    records = loadmat(path, squeeze_me=True, struct_as_record=False)["EMG_save"]
    samples = np.array([np.ravel(record.data) for record in records])
    return {
        kind: np.isfinite(detect.mark(samples, 22_000.0, stimulus_ms=0.0, response=kind).onset_ms)
        for kind in ("cmap", "snap")
    }


def nerve_cap(recordings: Path) -> Figures:
    """Compare P1 and N1 of an auditory-nerve level series with one rater's table.

    The rater marked data filtered forwards and backwards by the first-order band-pass that the table states; P1 is the
    compound action potential's first peak and positive in the file, so the sign is turned. A mark that is not made is
    as wrong as one of no height.
    """
    from scipy.signal import filtfilt, zpk2tf

    _, _, body = (recordings / "nerve_cap" / "CAP-139-5").read_bytes().partition(b":DATA")
    rows = [line.split() for line in body.replace(b"\r", b"\n").split(b"\n") if line.strip()]
    raw = np.array(rows, dtype=np.float64)
    zeros, poles, gain = [1.0, -1.0], [0.9934729, 0.73615843], 0.1343232743861987
    series = -filtfilt(*zpk2tf(zeros, poles, gain), raw, axis=0).T
    table = np.array(_rater(recordings / "nerve_cap" / "CAP-139-5-16.0kHz-analyzed.txt"))
    rated = table[np.argsort(table[:, 0])]
    seen = rated[:, 0] >= 25.0
    marks = detect.mark(series, 100_000.0, stimulus_ms=0.0, response="snap")
    p1, p1_uv, n1, n1_uv = rated[seen, 3], rated[seen, 4], rated[seen, 5], rated[seen, 6]
    height = np.abs(marks.peak_to_peak_uv[seen] / (p1_uv - n1_uv) - 1.0)
    tall = np.abs(marks.peak_uv[seen] / p1_uv - 1.0)
    return {
        "n": int(seen.sum()),
        "marked_p1": int(np.isfinite(marks.peak_ms[seen]).sum()),
        "marked_n1": int(np.isfinite(marks.trough_ms[seen]).sum()),
        "p1_error_ms": _scores.median(np.abs(marks.peak_ms[seen] - p1)),
        "n1_error_ms": _scores.median(np.abs(marks.trough_ms[seen] - n1)),
        "p1_amplitude_error_percent": 100.0 * float(np.median(np.where(np.isnan(tall), 1.0, tall))),
        "p1_n1_error_percent": 100.0 * float(np.median(np.where(np.isnan(height), 1.0, height))),
        "marked_of_the_weak": int(np.isfinite(marks.onset_ms[~seen]).sum()),
        "n_weak": int((~seen).sum()),
    }


def _rater(path: Path) -> list[list[float]]:
    lines = path.read_text(encoding="latin-1").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Level"))
    return [[float(cell) for cell in line.split()] for line in lines[start + 1 :] if line.strip()]


def noise_doubled(
    samples_uv: FloatArray, rate_hz: float, *, stimulus_ms: float, window_ms: tuple[float, float] | None = None
) -> Figures:
    """Return by how much onsets move when white noise makes the noise twice as large.

    Only responses that are clear before: an onset, and a peak of 20 sigma or more.
    """
    options: dict[str, Any] = {"stimulus_ms": stimulus_ms, "window_ms": window_ms}
    before = detect.mark(samples_uv, rate_hz, **options)
    clear = np.isfinite(before.onset_ms) & (before.peak_uv >= LEAST_SIGMA * before.noise_uv)
    figures: Figures = {"n": int(clear.sum()), "of": len(samples_uv), "bias_ms": None, "bias_size_ms": None}
    if not clear.any():
        return figures
    added_uv = np.sqrt(3.0) * before.noise_uv[clear, np.newaxis]
    rng = np.random.default_rng(SEED)
    chosen = samples_uv[clear]
    noisy = (chosen + added_uv * rng.standard_normal(chosen.shape) for _ in range(REPEATS))
    moved = np.array([detect.mark(sweeps, rate_hz, **options).onset_ms for sweeps in noisy]) - before.onset_ms[clear]
    bias = _scores.median(moved)
    if bias is None:
        return figures | {"lost_percent": 100.0}
    return figures | {
        "bias_ms": bias,
        "bias_size_ms": abs(bias),
        "spread_ms": 1.4826 * float(np.nanmedian(np.abs(moved - bias))),
        "stated_sd_ms": _scores.median(before.onset_sd_ms[clear]),
        "lost_percent": _scores.percent(np.isnan(moved)),
        "jumped_percent": _scores.percent(np.abs(moved) > _scores.GROSS_MS),
    }


def m_and_h(recordings: Path) -> dict[str, Figures]:
    """Return the stability of the M waves and H reflexes of a soleus recruitment series."""
    table = np.loadtxt(recordings / "m_h_reflex_soleus" / "example-waveforms.csv", delimiter=",")
    samples, rate_hz = 1e3 * table[1:, 1:].T, 1e3 / (table[3, 0] - table[2, 0])
    return {
        "m_wave": noise_doubled(samples, rate_hz, stimulus_ms=0.0, window_ms=(3.0, 20.0)),
        "h_reflex": noise_doubled(samples, rate_hz, stimulus_ms=0.0, window_ms=(25.0, 50.0)),
    }


def mep(recordings: Path) -> Figures:
    """Return the stability of human motor evoked potentials: every subject, and the largest bias of all."""
    from scipy.io import loadmat

    subjects = {
        path.stem: noise_doubled(loadmat(path)["meps"].T, 3000.0, stimulus_ms=50.0)
        for path in sorted((recordings / "mep_human").glob("*.mat"))
    }
    sizes = [figures["bias_size_ms"] for figures in subjects.values() if figures["bias_size_ms"] is not None]
    return {"subjects": subjects, "bias_size_ms": max(sizes, default=None)}


QUIET = 200
AFTER = 90
AS_IF = 100.0
"""A seismogram of 100 samples a second is marked as if a second were 10 ms."""


def seismograms(recordings: Path) -> dict[str, NDArray[Any]]:
    """Return vertical seismograms and the part of each that pickers see: a random start, 90 samples after the pick."""
    with np.load(recordings / "seismic_picks" / "phasenet_ncedc_compact.npz") as found:
        traces = np.ascontiguousarray(found["wave"][:, :, 2], np.float64)
        pick = int(found["p_index"])
    first = pick - np.random.default_rng(SEED).integers(300, 701, len(traces))
    return {"traces": traces, "first": first, "last": np.full(len(traces), pick + AFTER), "pick": pick - first}


def seismic(parts: dict[str, NDArray[Any]], aic: NDArray[Any] | None) -> Figures:
    """Compare onsets with the analyst's picks, in samples.

    The first motion may go either way: a seismogram is marked as it is and turned over, and the earlier onset counts.
    Where nothing is picked the distance is the length of what was seen, so that silence does not flatter the median.
    """
    rate_khz = float(AS_IF) / 10.0
    picks = np.full(len(parts["pick"]), np.nan)
    for i, (first, last) in enumerate(zip(parts["first"], parts["last"], strict=True)):
        part = parts["traces"][i, first:last]
        both = np.vstack([part, -part]) * (1e3 / np.abs(part).max())
        window = (0.6, (part.size - QUIET) / rate_khz)
        onset = detect.mark(both, rate_khz * 1e3, stimulus_ms=QUIET / rate_khz, window_ms=window).onset_ms
        if np.isfinite(onset).any():
            picks[i] = np.nanmin(onset) * rate_khz + QUIET
    lengths = parts["last"] - parts["first"]
    figures: Figures = {"n": int(picks.size), **_distances("ncs", picks - parts["pick"], lengths)}
    if aic is None:
        return figures
    figures |= _distances("aic", aic - parts["pick"], lengths)
    return figures | {"over_aic": figures["ncs_median_samples"] / figures["aic_median_samples"]}


def _distances(name: str, off: FloatArray, lengths: NDArray[Any]) -> Figures:
    distance = np.where(np.isfinite(off), np.abs(off), lengths)
    return {
        f"{name}_median_samples": float(np.median(distance)),
        f"{name}_within_10_percent": _scores.percent(distance <= 10.0),
        f"{name}_none_percent": _scores.percent(np.isnan(off)),
    }
