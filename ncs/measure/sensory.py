"""Sensory studies: onset and peak latency, two amplitudes, velocity from each site and between sites."""

from __future__ import annotations

from ncs.measure._nerve_potential import NervePotential
from ncs.measure._technique import TechniqueMeasures
from ncs.model import Technique

__all__ = ["TECHNIQUE", "measure"]

measure = NervePotential(
    onset_latency="sensory_onset_latency",
    peak_latency="sensory_peak_latency",
    amplitude="snap_amplitude",
    peak_to_peak_amplitude="snap_peak_to_peak_amplitude",
    velocity="sensory_conduction_velocity",
).measure

TECHNIQUE = TechniqueMeasures(
    technique=Technique.SENSORY, responses=("snap",), measure=measure, is_nerve_potential=True
)
