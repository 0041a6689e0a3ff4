"""The nouns of a cohort: covariates, and what all subjects together show. No arithmetic."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from ncs.longitudinal._nouns import Verdict

__all__ = ["Cohort", "Correlation", "Covariate", "CovariateSummary", "Shift", "Slope", "Test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariate:
    """One value of a score, a laboratory value or a dose, at one visit.

    Parameters
    ----------
    date
        Of the visit.
    name, unit
        As stated; ``unit`` is empty where none is stated.
    number
        The value; ``None`` where it is below or above what the method detects, or is text.
    text
        As stated, where it is not a number: ``"<15"``.
    below, above
        The limit, where the value is stated as below or above it.
    upper_limit
        Upper limit of normal.
    stated_date
        The date the value itself carries; ``None`` where it came with the visit.
    source
        File or person it came from.
    """

    subject: str
    date: dt.date
    name: str
    number: float | None = None
    text: str | None = None
    below: float | None = None
    above: float | None = None
    unit: str = ""
    upper_limit: float | None = None
    stated_date: dt.date | None = None
    source: str = ""

    @property
    def bound(self) -> float | None:
        """The number, or the limit it lies beyond: where a figure draws it."""
        return next((x for x in (self.number, self.below, self.above) if x is not None), None)

    def __str__(self) -> str:
        shown = self.text if self.number is None else f"{self.number:g}"
        return f"{shown} {self.unit}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Paired comparison of last visit and baseline.

    Parameters
    ----------
    shift
        Hodges-Lehmann estimate: the median of all pairwise means of the differences.
    low, high
        Interval by inverting the signed-rank test; ``None`` where there are too few pairs for one.
    confidence
        What the interval really covers, at least 0.95; its values are steps.
    p
        Wilcoxon's signed-rank test, two-sided, exact; ``None`` when every difference is zero.
    n
        Pairs.
    """

    shift: float
    low: float | None
    high: float | None
    confidence: float | None
    p: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """Mean change per year over all visits, or why there is none.

    Parameters
    ----------
    per_year, low, high, p
        ``None`` where ``reason`` is given.
    method
        Which model, in words.
    n_subjects, n_values
        What went in.
    """

    per_year: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    method: str = ""
    n_subjects: int = 0
    n_values: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Spearman's rank correlation between the change of the quantity and the change of a covariate.

    ``pairs`` holds subject, change of the covariate, change of the quantity; ``rho`` and ``p`` are ``None`` where
    ``note`` says why.
    """

    name: str
    rho: float | None
    p: float | None
    n: int
    note: str = ""
    pairs: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CovariateSummary:
    """How a covariate changed from the first to the last visit that states it.

    Parameters
    ----------
    n
        Subjects with two values or more.
    fell, rose, same
        Whatever the amount.
    undetermined
        Subjects where a value beyond a detection limit leaves it open.
    above_limit, normalised
        Subjects above the upper limit at first, and those of them at or below it at last; ``None`` without a limit.
    upper_limit
        ``None`` where none was given, or several.
    better
        ``"lower"``, ``"higher"`` or empty where that is not known.
    """

    name: str
    unit: str
    n: int
    fell: int
    rose: int
    same: int
    undetermined: int
    above_limit: int | None = None
    normalised: int | None = None
    upper_limit: float | None = None
    better: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One p value of the cohort, as it came out and after Holm's correction for all of them."""

    name: str
    p: float
    p_holm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """What all subjects of a table show together.

    Parameters
    ----------
    n
        Subjects with a later visit.
    counts
        Subjects by verdict at their last visit.
    not_comparable
        Reason in words to number of subjects.
    lost, regained
        Subjects whose response became unrecordable, or recordable, between baseline and last visit; such changes are
        counted, never averaged.
    lost_at_any_visit, regained_at_any_visit
        The same, at any later visit.
    median_months, months_low, months_high
        Time from baseline to last visit.
    shift, slope, correlations, covariates
        ``shift`` is ``None`` without a comparable subject.
    tests, multiplicity
        Every p value, and a sentence about how many there are.
    warnings
        What limits the reading: few subjects, a missing package.
    sentence, sentences
        The result in words; ``sentences`` has the rest, the first being ``sentence``.
    """

    n: int
    counts: dict[Verdict, int]
    not_comparable: dict[str, int]
    lost: int
    regained: int
    lost_at_any_visit: int
    regained_at_any_visit: int
    median_months: float | None
    months_low: float | None
    months_high: float | None
    shift: Shift | None
    slope: Slope
    correlations: tuple[Correlation, ...]
    covariates: tuple[CovariateSummary, ...]
    tests: tuple[Test, ...]
    multiplicity: str
    warnings: tuple[str, ...]
    sentence: str
    sentences: tuple[str, ...]
