"""One nerve stimulated at several sites: the same units everywhere, each with its own velocity.

Dispersion between sites is therefore physical: slow units fall behind, and the sum changes its shape. The velocities
are scaled until the onsets meet the velocity that was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ncs.simulate._compose import FineResponse, Units, add_up
from ncs.simulate.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.simulate._bank import Bank

__all__ = ["Leg", "SiteResponse", "respond"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The stretch of nerve between a stimulation site and the one before it.

    Parameters
    ----------
    length_mm
        Its length.
    velocity_m_s
        What the onsets at its two ends shall say.
    blocked_fraction
        Share of the units still conducting distally that stop here.
    """

    length_mm: float
    velocity_m_s: float
    blocked_fraction: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteResponse:
    """Noise-free response at one site and its truth, of one sweep; ``fine`` is ``None`` where nothing is evoked.

    ``truth`` is on the time axis of ``fine``; ``onset_ms`` is the onset after the stimulus.
    """

    fine: FineResponse | None
    truth: Truth
    onset_ms: float


def respond(
    bank: Bank,
    units: Units,
    *,
    slowness: FloatArray,
    amplitude_uv: float,
    first_onset_ms: float,
    legs: Sequence[Leg],
    rng: np.random.Generator,
) -> tuple[SiteResponse, ...]:
    """Return the responses at the most distal site and beyond each leg.

    Parameters
    ----------
    bank, units
        Potentials, and the units (of one sweep) as they arrive from the most distal site.
    slowness
        How much longer each unit takes over a stretch than the fastest unit, as a share, shape ``(1, n_units)``.
    amplitude_uv
        Negative peak at the most distal site; 0 for a nerve that does not respond.
    first_onset_ms
        True onset at the most distal site, met exactly.
    legs
        From distal to proximal.
    rng
        Draws which units are blocked.
    """
    absent = SiteResponse(fine=None, truth=Truth.absent(1), onset_ms=np.nan)
    if amplitude_uv == 0.0:
        return (absent,) * (len(legs) + 1)
    raw = add_up(bank, units)
    truth = Truth.of(raw)
    factor = amplitude_uv / truth.peak_uv
    sites = [SiteResponse(fine=raw.scaled(factor), truth=truth.scaled(factor), onset_ms=first_onset_ms)]
    order = rng.permutation(units.weight.shape[1])
    weight, delay = units.weight, units.delay_ms
    reached = (weight > 0.0).sum()
    conducting = float(reached)
    for leg in legs:
        conducting *= 1.0 - leg.blocked_fraction
        weight = _thinned(units.weight, order, round(conducting))
        if not weight.any() or sites[-1].fine is None:
            sites.append(absent)
            continue
        site, delay = _beyond(bank, units, sites[-1], leg, weight=weight, delay=delay, slowness=slowness, factor=factor)
        sites.append(site)
    return tuple(sites)


def _thinned(weight: FloatArray, order: NDArray[np.intp], keep: int) -> FloatArray:
    """Return the weights with only the first ``keep`` present units of a random order left."""
    present = [int(unit) for unit in order if weight[0, unit] > 0.0]
    thinned = np.zeros_like(weight)
    kept = present[:keep]
    thinned[0, kept] = weight[0, kept]
    return thinned


def _beyond(
    bank: Bank,
    units: Units,
    before: SiteResponse,
    leg: Leg,
    *,
    weight: FloatArray,
    delay: FloatArray,
    slowness: FloatArray,
    factor: FloatArray,
) -> tuple[SiteResponse, FloatArray]:
    """Return the response beyond a leg, and the units' delays there (without what all units share).

    The secant method finds the time that the fastest unit takes over the leg: the onset is made by several fast units,
    so it differs a little from leg over velocity.
    """
    wanted = leg.length_mm / leg.velocity_m_s
    earlier = float(before.truth.onset_ms[0])

    def attempt(fastest_ms: float) -> tuple[float, FineResponse, FloatArray]:
        later = delay + fastest_ms * slowness
        placed = Units(body=units.body, shape=units.shape, weight=weight, delay_ms=later)
        fine = add_up(bank, placed).scaled(factor)
        return float(Truth.of(fine).onset_ms[0]) + fastest_ms - earlier - wanted, fine, later

    low, low_error = 0.9 * wanted, attempt(0.9 * wanted)[0]
    high = wanted
    error, fine, later = attempt(high)
    for _ in range(40):
        if abs(error) < 1e-12 or error == low_error:
            break
        step = error * (high - low) / (error - low_error)
        low, low_error, high = high, error, max(high - step, 0.0)
        error, fine, later = attempt(high)
    return SiteResponse(fine=fine, truth=Truth.of(fine), onset_ms=before.onset_ms + wanted + error), later
