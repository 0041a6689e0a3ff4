"""Visits over time: change per subject, repeatability, covariates, cohort. Everything is loaded on first use.

``_series`` puts a store's numbers in the order of time, ``_change`` compares each with the baseline,
``_repeatability`` says how far unchanged nerves differ, ``_cohort`` puts all subjects together (``_statistics``,
``_slope``) and ``_words`` says it in sentences. Covariates come in through ``_covariate_file`` and out through
``_covariates``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncs.longitudinal._change import change
    from ncs.longitudinal._cohort import cohort
    from ncs.longitudinal._cohort_nouns import (
        Cohort,
        Correlation,
        Covariate,
        CovariateSummary,
        Shift,
        Slope,
        Test,
    )
    from ncs.longitudinal._covariate_file import ImportSummary, import_covariates
    from ncs.longitudinal._covariates import covariates
    from ncs.longitudinal._nouns import (
        CHANGE_COLUMNS,
        Change,
        ChangeTable,
        NotComparable,
        Repeatability,
        Series,
        Verdict,
        VisitValue,
    )
    from ncs.longitudinal._repeatability import default_repeatability, repeatability

_HOMES = {
    "CHANGE_COLUMNS": "_nouns",
    "Change": "_nouns",
    "ChangeTable": "_nouns",
    "Cohort": "_cohort_nouns",
    "Correlation": "_cohort_nouns",
    "Covariate": "_cohort_nouns",
    "CovariateSummary": "_cohort_nouns",
    "ImportSummary": "_covariate_file",
    "NotComparable": "_nouns",
    "Repeatability": "_nouns",
    "Series": "_nouns",
    "Shift": "_cohort_nouns",
    "Slope": "_cohort_nouns",
    "Test": "_cohort_nouns",
    "Verdict": "_nouns",
    "VisitValue": "_nouns",
    "change": "_change",
    "cohort": "_cohort",
    "covariates": "_covariates",
    "default_repeatability": "_repeatability",
    "import_covariates": "_covariate_file",
    "repeatability": "_repeatability",
}

__all__ = [
    "CHANGE_COLUMNS",
    "Change",
    "ChangeTable",
    "Cohort",
    "Correlation",
    "Covariate",
    "CovariateSummary",
    "ImportSummary",
    "NotComparable",
    "Repeatability",
    "Series",
    "Shift",
    "Slope",
    "Test",
    "Verdict",
    "VisitValue",
    "change",
    "cohort",
    "covariates",
    "default_repeatability",
    "import_covariates",
    "repeatability",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ncs.longitudinal' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"ncs.longitudinal.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
