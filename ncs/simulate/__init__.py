"""Waveforms, studies and visits with known truth, for tests, benchmarks, the demonstration and the documentation.

Importing this package loads numpy only; unit potentials are computed at first use and kept for the process.
"""

from ncs.simulate.blink import BLINK_RECORDING, BlinkReflex, BlinkTruth, blink_study
from ncs.simulate.cohort_plan import PUBLISHED_SUMMARY, SubjectPlan, VisitPlan, steady_plan
from ncs.simulate.cohorts import CovariateValue, SimulatedCohort, SimulatedVisit, cohort
from ncs.simulate.conditions import CONDITIONS, Condition
from ncs.simulate.contamination import Contamination, contaminate
from ncs.simulate.late import AWave, FWaves, FWaveTruth, HReflex, HReflexTruth, f_wave_study, h_reflex_study
from ncs.simulate.nerves import MotorNerve, Recording, SensoryNerve
from ncs.simulate.scan import ScanNerve, ScanTruth, cmap_scan_study
from ncs.simulate.segments import FocalLesion, InchingNerve, inching_study, mixed_study
from ncs.simulate.studies import motor_study, sensory_study, visit
from ncs.simulate.study_truth import SegmentTruth, SiteTruth, StudyTruth, VisitTruth
from ncs.simulate.sweeps import Cmap, SimulatedSweeps, Snap, cmap, nothing, snap
from ncs.simulate.trains import RepetitiveNerve, Train, TrainTruth, repetitive_study
from ncs.simulate.truth import ONSET_FRACTION, Truth

__all__ = [
    "BLINK_RECORDING",
    "CONDITIONS",
    "ONSET_FRACTION",
    "PUBLISHED_SUMMARY",
    "AWave",
    "BlinkReflex",
    "BlinkTruth",
    "Cmap",
    "Condition",
    "Contamination",
    "CovariateValue",
    "FWaveTruth",
    "FWaves",
    "FocalLesion",
    "HReflex",
    "HReflexTruth",
    "InchingNerve",
    "MotorNerve",
    "Recording",
    "RepetitiveNerve",
    "ScanNerve",
    "ScanTruth",
    "SegmentTruth",
    "SensoryNerve",
    "SimulatedCohort",
    "SimulatedSweeps",
    "SimulatedVisit",
    "SiteTruth",
    "Snap",
    "StudyTruth",
    "SubjectPlan",
    "Train",
    "TrainTruth",
    "Truth",
    "VisitPlan",
    "VisitTruth",
    "blink_study",
    "cmap",
    "cmap_scan_study",
    "cohort",
    "contaminate",
    "f_wave_study",
    "h_reflex_study",
    "inching_study",
    "mixed_study",
    "motor_study",
    "nothing",
    "repetitive_study",
    "sensory_study",
    "snap",
    "steady_plan",
    "visit",
]
