"""Arrays to marks: onset, peaks, return to baseline, area and outcome of evoked responses. No files, no nerves.

A new onset rule is one kernel in ``_kernels``, one line in ``ONSET_METHODS``, and its twin in the tests.
"""

from ncs.detect.marks import Flag, Marks, Outcome
from ncs.detect.response import (
    DEFAULT_ONSET_METHOD,
    DETECTOR_PARAMETERS,
    DETECTOR_VERSION,
    ONSET_METHODS,
    RESPONSES,
    OnsetMethod,
    check_method,
    mark,
    warm_up,
)

__all__ = [
    "DEFAULT_ONSET_METHOD",
    "DETECTOR_PARAMETERS",
    "DETECTOR_VERSION",
    "ONSET_METHODS",
    "RESPONSES",
    "Flag",
    "Marks",
    "OnsetMethod",
    "Outcome",
    "check_method",
    "mark",
    "warm_up",
]
