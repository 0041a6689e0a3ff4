"""Units placed in time and added up, on a fine grid; and the reading of that grid at any moment.

Everything here has its true sign and knows neither stimulus nor amplifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncs.simulate._bank import DT_MS, Bank, spectra

__all__ = ["FineResponse", "Units", "add_up", "read_at"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

_MARGIN = 8
"""Zero samples kept on both sides of a fine response, for the interpolation."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Units:
    """The units of many sweeps: ``body`` has shape ``(n_sweeps,)``, the others ``(n_sweeps, n_units)``.

    Parameters
    ----------
    body
        Which muscle or nerve of the bank each sweep comes from.
    shape
        Which unit shape of that body.
    weight
        Size of the unit; zero for a unit that is absent.
    delay_ms
        When the unit fires, not negative.
    """

    body: IntArray
    shape: IntArray
    weight: FloatArray
    delay_ms: FloatArray

    def sweeps(self, part: slice) -> Units:
        """Return the units of some of the sweeps."""
        return Units(
            body=self.body[part], shape=self.shape[part], weight=self.weight[part], delay_ms=self.delay_ms[part]
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FineResponse:
    """Noise-free responses on the internal grid: shape ``(n_sweeps, n_fine)``, first sample at ``start_ms``."""

    samples_uv: FloatArray
    start_ms: float

    @property
    def end_ms(self) -> float:
        """Time of the last sample."""
        return self.start_ms + (int(self.samples_uv.shape[1]) - 1) * DT_MS

    def scaled(self, factor: FloatArray) -> FineResponse:
        """Return the responses, each multiplied with its factor, shape ``(n_sweeps,)``."""
        return FineResponse(samples_uv=self.samples_uv * factor[:, np.newaxis], start_ms=self.start_ms)


def add_up(bank: Bank, units: Units) -> FineResponse:
    """Add up the potentials of all units of every sweep; time 0 is a unit delay of zero.

    A delay between two grid points splits the unit between them in proportion, so responses depend smoothly on every
    delay.
    """
    longest = bank.length_ms + float(units.delay_ms.max(initial=0.0)) + 2 * _MARGIN * DT_MS
    n_fft = _fast_length(int(np.ceil(longest / DT_MS)) + 2)
    n_sweeps, n_shapes = units.body.size, bank.n_shapes
    position = units.delay_ms / DT_MS + _MARGIN
    whole = np.floor(position).astype(np.intp)
    share = position - whole
    row = (np.arange(n_sweeps)[:, np.newaxis] * n_shapes + units.shape) * n_fft + whole
    size = n_sweeps * n_shapes * n_fft
    trains = np.bincount(row.ravel(), (units.weight * (1.0 - share)).ravel(), size)
    trains += np.bincount((row + 1).ravel(), (units.weight * share).ravel(), size)
    fired = np.fft.rfft(trains.reshape(n_sweeps, n_shapes, n_fft), axis=-1)
    summed = np.einsum("ijk,ijk->ik", fired, spectra(bank, n_fft)[units.body])
    return FineResponse(samples_uv=np.fft.irfft(summed, n_fft, axis=-1), start_ms=-_MARGIN * DT_MS)


def read_at(response: FineResponse, times_ms: FloatArray) -> FloatArray:
    """Return the responses at any times, shape ``(n_sweeps, n_times)``, by six-point Lagrange interpolation.

    Zero outside the grid.
    """
    fine = response.samples_uv
    position = (times_ms - response.start_ms) / DT_MS
    whole = np.floor(position)
    u = position - whole
    base = whole.astype(np.intp)
    inside = (base >= 2) & (base < fine.shape[1] - 3)
    flat = np.where(inside, base, 2) + (np.arange(fine.shape[0]) * fine.shape[1])[:, np.newaxis]
    samples = fine.ravel()
    total = np.zeros_like(u)
    for node, weight in zip(range(-2, 4), _lagrange_weights(u), strict=True):
        total += weight * samples[flat + node]
    return np.where(inside, total, 0.0)


def _lagrange_weights(u: FloatArray) -> tuple[FloatArray, ...]:
    """Return the weights of the nodes -2 … 3 for a point ``u`` between node 0 and node 1."""
    a, b, c, d, e, f = u + 2, u + 1, u, u - 1, u - 2, u - 3
    ab, cd, ef = a * b, c * d, e * f
    return (
        b * cd * ef / -120.0,
        a * cd * ef / 24.0,
        ab * d * ef / -12.0,
        ab * c * ef / 12.0,
        ab * cd * f / -24.0,
        ab * cd * e / 120.0,
    )


def _fast_length(n: int) -> int:
    """Return the smallest even length of at least ``n`` whose only prime factors are 2 and 3."""
    lengths = [(1 << i) * times for i in range(1, 24) for times in (1, 3, 9, 27)]
    return min(length for length in lengths if length >= n)
