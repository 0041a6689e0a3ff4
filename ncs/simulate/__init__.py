"""Waveforms, studies and visits with known truth, for tests, benchmarks, the demonstration and the documentation.

Importing this package loads numpy only; unit potentials are computed at first use and kept for the process.
"""

from ncs.simulate.cohort_plan import PUBLISHED_SUMMARY, SubjectPlan, VisitPlan, steady_plan
from ncs.simulate.cohorts import CovariateValue, SimulatedCohort, SimulatedVisit, cohort
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
    "PUBLISHED_SUMMARY",
    "Cmap",
    "Condition",
    "Contamination",
    "CovariateValue",
    "MotorNerve",
    "Recording",
    "SegmentTruth",
    "SensoryNerve",
    "SimulatedCohort",
    "SimulatedSweeps",
    "SimulatedVisit",
    "SiteTruth",
    "Snap",
    "StudyTruth",
    "SubjectPlan",
    "Truth",
    "VisitPlan",
    "VisitTruth",
    "cmap",
    "cohort",
    "contaminate",
    "motor_study",
    "nothing",
    "sensory_study",
    "snap",
    "steady_plan",
    "visit",
]
