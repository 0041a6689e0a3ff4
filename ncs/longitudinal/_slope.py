"""The mean change per year over all visits, by a mixed-effects model; needs the extra ``stats``."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ncs.longitudinal._cohort_nouns import Slope

__all__ = ["FEWEST_SUBJECTS", "slope"]

FEWEST_SUBJECTS = 3
MISSING_EXTRA = "the slope per year needs statsmodels, which is not installed: pip install 'ncs[stats]'"

_RANDOM_SLOPE = "linear mixed model (REML), random intercept and slope per subject"
_RANDOM_INTERCEPT = "linear mixed model (REML), random intercept per subject"


def slope(subjects: Sequence[str], years: Sequence[float], values: Sequence[float]) -> Slope:
    """Return the fixed effect of time, in units per year.

    A random intercept and slope per subject where the visits allow them, else a random intercept; the interval and the
    p value are those of Student's t with one degree of freedom fewer than there are subjects, because the normal
    distribution is too narrow for few of them.

    Parameters
    ----------
    subjects, years, values
        One entry per visit with a value; years since the subject's baseline. Visits need not be equally spaced.
    """
    n = len(set(subjects))
    empty = Slope(n_subjects=n, n_values=len(values))
    repeated = sum(list(subjects).count(code) > 1 for code in set(subjects))
    if n < FEWEST_SUBJECTS or repeated < FEWEST_SUBJECTS:
        reason = f"the slope per year needs {FEWEST_SUBJECTS} subjects with two comparable visits, found {repeated}"
        return replace(empty, reason=reason)
    if importlib.util.find_spec("statsmodels") is None:
        return replace(empty, reason=MISSING_EXTRA)
    for method, formula in ((_RANDOM_SLOPE, "1 + years"), (_RANDOM_INTERCEPT, "1")):
        fitted = _fit(subjects, years, values, formula)
        if fitted is not None:
            per_year, error = fitted
            return _made(empty, per_year, error, method)
    return replace(empty, reason="the slope per year: the mixed model does not converge on these visits")


def _fit(
    subjects: Sequence[str], years: Sequence[float], values: Sequence[float], random: str
) -> tuple[float, float] | None:
    """Return the slope and its standard error, ``None`` where the model does not fit properly."""
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"subject": list(subjects), "years": list(years), "value": list(values)})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        from statsmodels.regression.mixed_linear_model import MixedLM
        from statsmodels.tools.sm_exceptions import ConvergenceWarning

        model: Any = MixedLM.from_formula("value ~ years", frame, groups="subject", re_formula=random)
        try:
            found = model.fit(reml=True)
        except np.linalg.LinAlgError:
            return None
    if not found.converged or any(issubclass(one.category, ConvergenceWarning) for one in said):
        return None
    per_year, error = float(found.params["years"]), float(found.bse["years"])
    return (per_year, error) if math.isfinite(per_year) and math.isfinite(error) and error > 0 else None


def _made(empty: Slope, per_year: float, error: float, method: str) -> Slope:
    from scipy.special import stdtr, stdtrit

    freedom = empty.n_subjects - 1
    half = float(stdtrit(freedom, 0.975)) * error
    return replace(
        empty,
        per_year=per_year,
        low=per_year - half,
        high=per_year + half,
        p=float(2 * stdtr(freedom, -abs(per_year / error))),
        method=f"{method}; Student's t with {freedom} degrees of freedom",
    )
