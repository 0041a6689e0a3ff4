"""Mixed nerve studies: stimulated and recorded over the nerve trunk, where motor and sensory fibres answer together.

The potential is marked as a SNAP is, and measured as a sensory study is, under names of its own: limits differ.
"""

from __future__ import annotations

from ncs.measure._nerve_potential import NervePotential
from ncs.measure._technique import TechniqueMeasures
from ncs.model import Technique

__all__ = ["TECHNIQUE", "measure"]

measure = NervePotential(
    onset_latency="mixed_onset_latency",
    peak_latency="mixed_peak_latency",
    amplitude="mixed_amplitude",
    peak_to_peak_amplitude="mixed_peak_to_peak_amplitude",
    velocity="mixed_conduction_velocity",
).measure

TECHNIQUE = TechniqueMeasures(technique=Technique.MIXED, responses=("snap",), measure=measure)
