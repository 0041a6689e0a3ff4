"""How the onset benchmark scores marks against the truth, and what it wants of them. Arrays in, plain numbers out.

A new target is one row of ``TARGETS``; nothing else here decides what is good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Figures = dict[str, Any]

GROSS_MS = 1.0
LEVELS = (50, 68, 80, 90, 95, 99)
"""Percentages of the stated intervals whose coverage is looked at."""


def errors(onset_ms: FloatArray, truth_ms: FloatArray) -> Figures:
    """Return how far onsets are from the truth; nothing found is a gross error and counts in no other figure."""
    error = onset_ms - truth_ms
    found = np.isfinite(error)
    e = error[found]
    gross = np.count_nonzero(~found) + np.count_nonzero(np.abs(e) > GROSS_MS)
    figures: Figures = {"n": int(error.size), "gross_percent": 100.0 * gross / error.size}
    if e.size:
        bias = float(np.median(e))
        figures |= {
            "median_error_ms": float(np.median(np.abs(e))),
            "spread_ms": float(1.4826 * np.median(np.abs(e - bias))),
            "bias_ms": bias,
        }
    return figures


def error_range(onset_ms: FloatArray, truth_ms: FloatArray) -> list[float | None]:
    """Return the 5th, 50th and 95th percentile of the absolute error; ``None`` where that sweep had no mark at all."""
    error = np.abs(onset_ms - truth_ms)
    ranked = np.percentile(np.where(np.isfinite(error), error, np.inf), [5, 50, 95], method="higher")
    return [float(value) if np.isfinite(value) else None for value in ranked]


def coverage(error: FloatArray, sd: FloatArray, level: float = 95) -> float | None:
    """Return the percentage of errors inside the central interval of ``level`` percent of a normal law with ``sd``.

    A mark without a standard deviation states no interval, hence does not contain the truth; no mark is left out.
    """
    marked = np.isfinite(error)
    if not marked.any():
        return None
    half = NormalDist().inv_cdf(0.5 + level / 200.0)
    inside = np.abs(error[marked]) <= half * np.where(np.isfinite(sd[marked]), sd[marked], 0.0)
    return 100.0 * float(np.mean(inside))


def sides(error: FloatArray, sd: FloatArray) -> dict[str, float]:
    """Return the percentages of marks whose 95 % interval lies wholly before and wholly after the truth."""
    marked = np.isfinite(error)
    half = NormalDist().inv_cdf(0.975) * np.where(np.isfinite(sd[marked]), sd[marked], 0.0)
    e = error[marked]
    return {"before_percent": percent(e < -half), "after_percent": percent(e > half)} if e.size else {}


def median(values: FloatArray) -> float | None:
    """Return the median of what is finite."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None


def percent(hits: NDArray[np.bool_]) -> float:
    """Return the percentage that is true."""
    return 100.0 * float(np.mean(hits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One number the estimator must reach: where it stands in the figures, and its limits."""

    name: str
    path: tuple[str, ...]
    most: float = np.inf
    least: float = -np.inf
    unit: str = ""

    def judge(self, figures: Mapping[str, Any]) -> Figures:
        """Return what was found, whether it is enough, and by how much it is missed."""
        found: Any = figures
        for key in self.path:
            found = found.get(key) if isinstance(found, Mapping) else None
        judged: Figures = {"name": self.name, "wanted": self.wanted, "unit": self.unit, "found": found}
        if found is None:
            return judged | {"reached": None, "missed_by": None}
        missed = float(max(found - self.most, self.least - found, 0.0))
        return judged | {"reached": missed == 0.0, "missed_by": missed}

    @property
    def wanted(self) -> str:
        """The limits in words."""
        if self.least > -np.inf:
            return f">= {self.least:g}" if self.most == np.inf else f"{self.least:g} to {self.most:g}"
        return f"<= {self.most:g}"


_PER_CONDITION = {
    "8mV_10uV": (0.02, 1.0),
    "8mV_10uV_tail": (0.02, 1.0),
    "1mV_10uV_tail": (0.035, 1.0),
    "0.3mV_10uV_tail_mains": (0.08, 2.0),
    "1mV_50uV_tail_mains_drift": (0.10, 2.0),
}


def _targets() -> tuple[Target, ...]:
    rows = []
    for name, (error_ms, gross) in _PER_CONDITION.items():
        at = ("conditions", name, "ncs")
        rows += [
            Target(name=f"{name}: median |onset error|", path=(*at, "median_error_ms"), most=error_ms, unit="ms"),
            Target(name=f"{name}: gross errors", path=(*at, "gross_percent"), most=gross, unit="%"),
            Target(name=f"{name}: 95 % interval", path=(*at, "coverage_percent"), least=92, most=98, unit="%"),
            Target(name=f"{name}: median |peak error|", path=(*at, "peak_error_ms"), most=0.02, unit="ms"),
            Target(name=f"{name}: amplitude error over 1 % or noise", path=(*at, "amplitude_ratio"), most=1.0),
            Target(name=f"{name}: velocity interval", path=("velocity", name, "coverage_percent"),
                   least=92, most=98, unit="%"),
        ]  # fmt: skip
    real = ("real",)
    return (
        *rows,
        Target(name="marked without a response", path=("presence", "marked_percent"), most=0.5, unit="%"),
        Target(name="missed at 20 sigma and more", path=("presence", "missed_percent"), most=0.5, unit="%"),
        Target(name="nerve CAP: levels marked, of 8", path=(*real, "nerve_cap", "marked_p1"), least=8),
        Target(name="nerve CAP: median |P1 latency - rater|", path=(*real, "nerve_cap", "p1_error_ms"), most=0.02,
               unit="ms"),
        Target(name="nerve CAP: median |P1 amplitude - rater|", path=(*real, "nerve_cap", "p1_amplitude_error_percent"),
               most=10, unit="%"),
        Target(name="nerve CAP: median |P1 to N1 - rater|", path=(*real, "nerve_cap", "p1_n1_error_percent"), most=5,
               unit="%"),
        Target(name="M wave: |bias| at double noise", path=(*real, "m_wave", "bias_size_ms"), most=0.05, unit="ms"),
        Target(name="H reflex: |bias| at double noise", path=(*real, "h_reflex", "bias_size_ms"), most=0.05,
               unit="ms"),
        Target(name="MEP: |bias| at double noise", path=(*real, "mep", "bias_size_ms"), most=0.05, unit="ms"),
        Target(name="seismic: distance to the analyst over AIC's", path=(*real, "seismic", "over_aic"), most=1.0),
        Target(name="time of numpy.sum passes", path=("cost", "sums"), most=20, unit="passes"),
        Target(name="speed over the fastest peer", path=("cost", "times_faster"), least=3, unit="times"),
    )  # fmt: skip


TARGETS = _targets()


def judge(figures: Mapping[str, Any]) -> list[Figures]:
    """Return the verdict on every target."""
    return [target.judge(figures) for target in TARGETS]
