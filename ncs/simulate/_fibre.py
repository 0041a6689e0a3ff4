"""Potentials of single muscle and nerve fibres in a volume conductor: the physics of the simulator.

Lengths are millimetres, times milliseconds, voltages arbitrary (the callers scale) with their true sign. Change the
physiology here; where units are placed in time and how sweeps are made from them is the business of other modules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MuscleFibres", "NerveFibres", "muscle_unit_potentials", "nerve_fibre_potentials"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MuscleFibres:
    """Fibres of motor units; arrays of units have shape ``(n_units, 1)``, of fibres ``(n_units, n_fibres)``.

    Parameters
    ----------
    velocity_m_s
        Muscle-fibre conduction velocity of each unit.
    wave_length_mm
        Length scale of the action potential (1 mm in Rosenfalck's formula).
    depth_mm
        Distance of each fibre from the electrode line, across the fibres.
    end_plate_mm
        Position of each fibre's end-plate along the fibres.
    forward_mm, backward_mm
        From the end-plate to the end of each fibre towards the reference electrode, and to its other end.
    electrode_mm, reference_mm
        Positions of active and reference electrode along the fibres, per unit.
    anisotropy
        Longitudinal over transverse conductivity of muscle.
    """

    velocity_m_s: FloatArray
    wave_length_mm: FloatArray
    depth_mm: FloatArray
    end_plate_mm: FloatArray
    forward_mm: FloatArray
    backward_mm: FloatArray
    electrode_mm: FloatArray
    reference_mm: FloatArray
    anisotropy: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NerveFibres:
    """Groups of nerve fibres; every array has shape ``(n_groups, 1)``.

    Parameters
    ----------
    velocity_m_s
        Conduction velocity.
    duration_ms
        Time scale of the action potential.
    depth_mm
        Distance from the electrode line.
    entrance_mm
        How far before the active electrode the fibre enters the volume that the electrode sees.
    reference_mm
        From active to reference electrode, along the nerve.
    reference_share
        What is left of the fibres' potential at the reference electrode, where many have branched off.
    """

    velocity_m_s: FloatArray
    duration_ms: FloatArray
    depth_mm: FloatArray
    entrance_mm: FloatArray
    reference_mm: FloatArray
    reference_share: float


def _action_potential_slope(z: FloatArray) -> FloatArray:
    """Return the slope of the intracellular action potential ``96 z**3 exp(-z) - 90`` mV, ``z`` behind the wave front.

    Source: Rosenfalck P. Intra- and extracellular potential fields of active nerve and muscle fibres. Acta Physiol
    Scand Suppl 1969;321:1-168.
    """
    behind = np.maximum(z, 0.0)
    return np.asarray(96.0 * (3.0 - behind) * behind**2 * np.exp(-behind))


def _dipole_kernel(along_mm: FloatArray, across_mm: FloatArray) -> FloatArray:
    """Return the potential of a unit current dipole that points forward, ``along_mm`` behind the electrode."""
    return np.asarray(along_mm / (along_mm**2 + across_mm**2) ** 1.5)


def _convolve(first: FloatArray, second: FloatArray, n_samples: int) -> FloatArray:
    """Return the first ``n_samples`` of the linear convolution along the last axis."""
    n_fft = 2 * n_samples
    product = np.fft.rfft(first, n_fft) * np.fft.rfft(second, n_fft)
    return np.asarray(np.fft.irfft(product, n_fft)[..., :n_samples])


def muscle_unit_potentials(fibres: MuscleFibres, *, dt_ms: float, n_samples: int) -> FloatArray:
    r"""Return the surface potential of motor units, true sign.

    An action potential leaves the end-plate in both directions and ends at both ends of the fibre. The axial current
    inside the fibre, proportional to the slope of the intracellular potential, is a moving line of current dipoles,
    so the potential is the convolution

    .. math:: \varphi(t) = \int_0^{L_1} V'(vt - s)\,k(z_e - z_0 - s)\,\mathrm ds
              - \int_0^{L_2} V'(vt - s)\,k(z_e - z_0 + s)\,\mathrm ds,
              \qquad k(z) = z / (z^2 + K r^2)^{3/2}

    which contains the origin of the wave at the end-plate and its extinction at the fibre ends, and keeps the sum of
    all membrane currents at zero at every moment. The reference electrode's potential is subtracted.

    Parameters
    ----------
    fibres
        Geometry and velocities.
    dt_ms
        Time step.
    n_samples
        Length of the result; sample 0 is the moment the end-plates fire.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_units, n_samples)``.

    Notes
    -----
    Sources: Plonsey R. The active fiber in a volume conductor. IEEE Trans Biomed Eng 1974;21:371-381 (dipole and
    line-source form); Dimitrov GV, Dimitrova NA. Precise and fast calculation of the motor unit potentials detected
    by a point and rectangular plate electrode. Med Eng Phys 1998;20:374-381 (convolution with an impulse response of
    the finite fibre).
    """
    travelled = np.arange(n_samples) * (dt_ms * fibres.velocity_m_s)
    kernel = np.zeros_like(travelled)
    n_fibres = fibres.depth_mm.shape[1]
    root = np.sqrt(fibres.anisotropy)
    for fibre in range(n_fibres):
        column = slice(fibre, fibre + 1)
        across = root * fibres.depth_mm[:, column]
        ahead = travelled < fibres.forward_mm[:, column]
        back = travelled < fibres.backward_mm[:, column]
        for electrode, sign in ((fibres.electrode_mm, 1.0), (fibres.reference_mm, -1.0)):
            offset = electrode - fibres.end_plate_mm[:, column]
            kernel += sign * np.where(ahead, _dipole_kernel(offset - travelled, across), 0.0)
            kernel -= sign * np.where(back, _dipole_kernel(offset + travelled, across), 0.0)
    slope = _action_potential_slope(travelled / fibres.wave_length_mm)
    return np.asarray(_convolve(slope, kernel, n_samples) / n_fibres)


def nerve_fibre_potentials(fibres: NerveFibres, *, dt_ms: float, n_samples: int, passing_ms: float) -> FloatArray:
    r"""Return the surface potential of nerve fibres that an action potential passes, true sign.

    The same moving line of dipoles as in a muscle fibre, in one direction and without an end. What lies before the
    entrance into the volume seen by the electrode (the base of the finger) contributes nothing, gradually over a few
    millimetres: a late entrance leaves little of the approaching wave's positivity, as in antidromic recordings from
    a finger; an early one gives the positive-negative-positive potential of a long nerve trunk.

    Parameters
    ----------
    fibres
        Geometry and velocities.
    dt_ms
        Time step.
    n_samples
        Length of the result.
    passing_ms
        Time at which the front of the wave passes under the active electrode.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_groups, n_samples)``.

    Notes
    -----
    Sources as in `muscle_unit_potentials`; for the boundary of the volume conductor: Dumitru D, DeLisa JA. AAEM
    Minimonograph 10: volume conduction. Muscle Nerve 1991;14:605-624.
    """
    time = np.arange(n_samples) * dt_ms
    position = (time - passing_ms) * fibres.velocity_m_s
    seen = _smooth_step((position + fibres.entrance_mm) / 4.0)
    kernel = _dipole_kernel(-position, fibres.depth_mm)
    kernel -= fibres.reference_share * _dipole_kernel(fibres.reference_mm - position, fibres.depth_mm)
    slope = _action_potential_slope(time / fibres.duration_ms)
    return _convolve(slope, kernel * seen, n_samples)


def _smooth_step(x: FloatArray) -> FloatArray:
    """Return 0 below 0, 1 above 1, and a smooth rise between."""
    inside = np.clip(x, 0.0, 1.0)
    return np.asarray(inside**3 * (10.0 - 15.0 * inside + 6.0 * inside**2))
