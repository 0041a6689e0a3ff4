"""Banks of unit potentials, computed once per process: many muscles and nerves, a few unit shapes in each.

``train`` and ``test`` are two populations with different physiology, so that a detector tuned on one can be judged on
the other. Numbers that describe bodies belong here; a change here moves every benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncs.simulate._fibre import MuscleFibres, NerveFibres, muscle_unit_potentials, nerve_fibre_potentials

__all__ = ["DT_MS", "Bank", "Population", "muscle_bank", "nerve_bank", "spectra"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Population: TypeAlias = Literal["train", "test"]

DT_MS = 0.02
"""Time step of every internal waveform; unit potentials hold nothing above a third of its Nyquist frequency."""

_N_MUSCLES, _N_SHAPES, _N_FIBRES = 32, 6, 12
_ON_END_PLATE_MM, _OFF_END_PLATE_MM = (-1.5, 1.5), (12.0, 17.0)
_UNIT_MS, _FIBRE_MS, _PASSING_MS = 22.0, 12.0, 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bank:
    """Unit potentials, true sign, shape ``(n_bodies, n_shapes, n_samples)``, time step ``DT_MS``."""

    potentials: FloatArray

    @property
    def n_bodies(self) -> int:
        """Number of muscles or nerves."""
        return int(self.potentials.shape[0])

    @property
    def n_shapes(self) -> int:
        """Number of unit shapes in each."""
        return int(self.potentials.shape[1])

    @property
    def length_ms(self) -> float:
        """Duration of the longest potential."""
        return float(self.potentials.shape[2] * DT_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """Ranges of one population: muscle above, nerve below."""

    velocity_m_s: tuple[float, float]
    wave_length_mm: tuple[float, float]
    depth_mm: tuple[float, float]
    half_length_mm: tuple[float, float]
    end_plate_zone_mm: tuple[float, float]
    reference_mm: tuple[float, float]
    anisotropy: float
    nerve_duration_ms: tuple[float, float]
    nerve_depth_mm: tuple[float, float]
    nerve_reference_mm: tuple[float, float]


_BODIES = {
    "train": _Body(
        velocity_m_s=(3.3, 4.3), wave_length_mm=(0.9, 1.1), depth_mm=(4.5, 8.0), half_length_mm=(16.0, 24.0),
        end_plate_zone_mm=(0.8, 2.0), reference_mm=(32.0, 48.0), anisotropy=3.0,
        nerve_duration_ms=(0.13, 0.18), nerve_depth_mm=(5.0, 9.0), nerve_reference_mm=(30.0, 40.0),
    ),
    "test": _Body(
        velocity_m_s=(2.9, 4.9), wave_length_mm=(0.75, 1.35), depth_mm=(3.5, 10.0), half_length_mm=(14.0, 27.0),
        end_plate_zone_mm=(0.4, 3.0), reference_mm=(28.0, 55.0), anisotropy=2.4,
        nerve_duration_ms=(0.11, 0.21), nerve_depth_mm=(4.0, 10.0), nerve_reference_mm=(28.0, 45.0),
    ),
}  # fmt: skip
_BANK_SEEDS = {"train": 1848, "test": 1909}


def _frozen(potentials: FloatArray) -> Bank:
    # Every potential has faded by here; the taper removes what rounding leaves, so that a response ends exactly.
    n_taper = round(2.0 / DT_MS)
    potentials[..., -n_taper:] *= np.cos(np.linspace(0, np.pi / 2, n_taper)) ** 2
    potentials.flags.writeable = False
    return Bank(potentials=potentials)


@lru_cache(maxsize=4)
def muscle_bank(population: Population, *, initial_positivity: bool = False) -> Bank:
    """Return motor-unit potentials of many muscles.

    Parameters
    ----------
    population
        Which ranges of physiology.
    initial_positivity
        Whether the active electrode lies so far from the end-plates that a positive dip comes first: of many muscles
        with such an electrode, those whose dip is 8 to 50 % of the negative peak if all units fire at once.
    """
    if not initial_positivity:
        return _frozen(_muscles(population, _ON_END_PLATE_MM, _N_MUSCLES))
    many = _muscles(population, _OFF_END_PLATE_MM, 5 * _N_MUSCLES)
    together = many.sum(axis=1)
    peak = together.argmin(axis=1)
    before = np.arange(together.shape[1]) < peak[:, np.newaxis]
    dip = np.where(before, together, 0.0).max(axis=1) / -together.min(axis=1)
    return _frozen(many[(dip > 0.08) & (dip < 0.5)][:_N_MUSCLES])


def _muscles(population: Population, electrode_offset_mm: tuple[float, float], n_muscles: int) -> FloatArray:
    """Return unit potentials, shape ``(n_muscles, n_shapes, n_samples)``, for electrodes so far off the end-plates."""
    body = _BODIES[population]
    rng = np.random.default_rng(_BANK_SEEDS[population])
    n_units = n_muscles * _N_SHAPES

    def per_muscle(low: float, high: float) -> FloatArray:
        return np.repeat(rng.uniform(low, high, n_muscles), _N_SHAPES)[:, np.newaxis]

    def scatter(sd: float | FloatArray, columns: int) -> FloatArray:
        return np.asarray(rng.normal(size=(n_units, columns)) * sd)

    velocity = per_muscle(*body.velocity_m_s) + scatter(0.25, 1)
    depth = per_muscle(*body.depth_mm) + np.abs(scatter(2.0, 1)) + np.abs(scatter(0.8, _N_FIBRES))
    zone = per_muscle(*body.end_plate_zone_mm)
    end_plate = scatter(zone, 1) + scatter(0.7 * zone, _N_FIBRES)
    middle = per_muscle(*body.half_length_mm)
    forward, backward = (np.clip(middle + scatter(1.5, 1) + scatter(4.0, _N_FIBRES), 10.0, 34.0) for _ in range(2))
    fibres = MuscleFibres(
        velocity_m_s=np.clip(velocity, 2.5, 5.5),
        wave_length_mm=per_muscle(*body.wave_length_mm),
        depth_mm=np.maximum(depth, 3.0),
        end_plate_mm=end_plate,
        forward_mm=forward,
        backward_mm=backward,
        electrode_mm=per_muscle(*electrode_offset_mm),
        reference_mm=per_muscle(*body.reference_mm),
        anisotropy=body.anisotropy,
    )
    potentials = muscle_unit_potentials(fibres, dt_ms=DT_MS, n_samples=round(_UNIT_MS / DT_MS))
    return potentials.reshape(n_muscles, _N_SHAPES, -1)


@lru_cache(maxsize=8)
def nerve_bank(population: Population, entrance_mm: tuple[float, float], slowest: float = 0.7) -> Bank:
    """Return potentials of nerve fibres of many nerves; shape 0 is the fastest group, the last the slowest.

    Parameters
    ----------
    population
        Which ranges of physiology.
    entrance_mm
        Range of the distance before the electrode at which a fibre enters the volume that the electrode sees.
    slowest
        Velocity of the slowest group over that of the fastest.
    """
    body = _BODIES[population]
    rng = np.random.default_rng(_BANK_SEEDS[population] + 1)

    def per_nerve(low: float, high: float) -> FloatArray:
        return np.repeat(rng.uniform(low, high, _N_MUSCLES), _N_SHAPES)[:, np.newaxis]

    slowness = np.tile(np.linspace(1.0, slowest, _N_SHAPES), _N_MUSCLES)[:, np.newaxis]
    fibres = NerveFibres(
        velocity_m_s=per_nerve(50.0, 64.0) * slowness,
        duration_ms=per_nerve(*body.nerve_duration_ms) * (1.0 + 0.3 * (1.0 - slowness)),
        depth_mm=per_nerve(*body.nerve_depth_mm),
        entrance_mm=per_nerve(*entrance_mm),
        reference_mm=per_nerve(*body.nerve_reference_mm),
        reference_share=0.4,
    )
    potentials = nerve_fibre_potentials(fibres, dt_ms=DT_MS, n_samples=round(_FIBRE_MS / DT_MS), passing_ms=_PASSING_MS)
    return _frozen(potentials.reshape(_N_MUSCLES, _N_SHAPES, -1))


@lru_cache(maxsize=16)
def spectra(bank: Bank, n_fft: int) -> ComplexArray:
    """Return the spectra of a bank's potentials, shape ``(n_bodies, n_shapes, n_fft // 2 + 1)``."""
    return np.fft.rfft(bank.potentials, n_fft, axis=-1)
