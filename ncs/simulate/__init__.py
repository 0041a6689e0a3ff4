"""Waveforms, studies and visits with known truth, for tests, benchmarks, the demonstration and the documentation.

Importing this package loads numpy only; unit potentials are computed at first use and kept for the process.
"""

from ncs.simulate.conditions import CONDITIONS, Condition
from ncs.simulate.contamination import Contamination, contaminate
from ncs.simulate.nerves import MotorNerve, Recording, SensoryNerve
from ncs.simulate.studies import motor_study, sensory_study, visit
from ncs.simulate.study_truth import SegmentTruth, SiteTruth, StudyTruth, VisitTruth
from ncs.simulate.sweeps import Cmap, SimulatedSweeps, Snap, cmap, nothing, snap
from ncs.simulate.truth import ONSET_FRACTION, Truth

__all__ = [
    "CONDITIONS",
    "ONSET_FRACTION",
    "Cmap",
    "Condition",
    "Contamination",
    "MotorNerve",
    "Recording",
    "SegmentTruth",
    "SensoryNerve",
    "SimulatedSweeps",
    "SiteTruth",
    "Snap",
    "StudyTruth",
    "Truth",
    "VisitTruth",
    "cmap",
    "contaminate",
    "motor_study",
    "nothing",
    "sensory_study",
    "snap",
    "visit",
]
