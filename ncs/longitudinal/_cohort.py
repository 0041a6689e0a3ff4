"""All subjects together: counts, the paired comparison, the slope, correlations with covariates."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ncs.errors import InvalidInputError
from ncs.longitudinal._cohort_nouns import Cohort, Correlation, Covariate, CovariateSummary, Shift, Slope, Test
from ncs.longitudinal._covariates import Direction, compare, difference, is_normal
from ncs.longitudinal._nouns import Change, ChangeTable
from ncs.longitudinal._slope import slope
from ncs.longitudinal._statistics import hodges_lehmann, holm, signed_rank_p, spearman
from ncs.longitudinal._words import multiplicity, sentences

__all__ = ["FEW", "cohort"]

FEW = 6
"""Below this, no two-sided signed-rank test can reach 5 %: five subjects give 0.0625 at best."""

_FEWEST_CORRELATED = 4
_BETTER = {
    "onls": "lower", "odss": "lower", "incat": "lower", "mrs": "lower", "nds": "lower", "nis": "lower",
    "grip": "higher", "rods": "higher", "i-rods": "higher", "mrc": "higher",
}  # fmt: skip
"""Scores whose better direction is known, by the first word of their name."""


def cohort(
    table: ChangeTable, covariates: Iterable[Covariate] = (), *, better: Mapping[str, str] | None = None
) -> Cohort:
    """Return what all subjects of a table show together.

    Parameters
    ----------
    table
        As returned by ``ncs.change``. One series per subject counts, ``ChangeTable.chosen``.
    covariates
        As returned by ``ncs.longitudinal.covariates``; every name among them is summarised and correlated.
    better
        Name of a covariate to ``"lower"`` or ``"higher"``, for scores other than the well-known ones.

    Returns
    -------
    Cohort
        Subjects that cannot be compared are counted with their reason and take no part in any mean or test.

    Raises
    ------
    InvalidInputError
        When a direction is neither ``"lower"`` nor ``"higher"``.
    """
    for name, direction in (better or {}).items():
        if direction not in {"lower", "higher"}:
            raise InvalidInputError(f"better, {name}: expected 'lower' or 'higher', found {direction!r}")
    last = table.last()
    subjects = {series.subject for series in table.series}
    by_name: dict[str, list[Covariate]] = defaultdict(list)
    for one in covariates:
        if one.subject in subjects:
            by_name[one.name].append(one)
    compared = [row for row in last if row.difference is not None]
    shift = _shift(compared)
    found_slope = _slope(table)
    correlations = tuple(_correlation(name, by_name[name], compared) for name in sorted(by_name, key=str.casefold))
    tests = _tests(shift, found_slope, correlations)
    months = [row.months for row in last]
    ever = _ever(table)
    made = Cohort(
        n=len(last),
        counts=table.counts(),
        not_comparable=dict(Counter(row.reason.sentence for row in last if row.reason is not None)),
        lost=sum(row.lost for row in last),
        regained=sum(row.regained for row in last),
        lost_at_any_visit=len({row.subject for row in ever if row.lost}),
        regained_at_any_visit=len({row.subject for row in ever if row.regained}),
        median_months=statistics.median(months) if months else None,
        months_low=min(months, default=None),
        months_high=max(months, default=None),
        shift=shift,
        slope=found_slope,
        correlations=correlations,
        covariates=tuple(_summary(name, by_name[name], better or {}) for name in sorted(by_name, key=str.casefold)),
        tests=tests,
        multiplicity=multiplicity(tests),
        warnings=_warnings(len(last), len(compared), found_slope),
        sentence="",
        sentences=(),
    )
    words = sentences(made, table)
    return replace(made, sentence=words[0], sentences=words)


def _ever(table: ChangeTable) -> list[Change]:
    chosen = {id(series) for series in table.chosen()}
    return [row for row in table.rows if id(row.series) in chosen]


def _shift(compared: Sequence[Change]) -> Shift | None:
    differences = [row.difference for row in compared if row.difference is not None]
    if not differences:
        return None
    found = hodges_lehmann(differences)
    return Shift(
        shift=found.shift,
        low=found.low,
        high=found.high,
        confidence=found.confidence,
        p=signed_rank_p(differences),
        n=len(differences),
    )


def _slope(table: ChangeTable) -> Slope:
    """Fit every visit that can be compared with its baseline, and those baselines."""
    subjects, years, values = [], [], []
    begun = set()
    for row in _ever(table):
        if row.difference is None or row.baseline.value is None or row.visit.value is None:
            continue
        if row.subject not in begun:
            begun.add(row.subject)
            subjects.append(row.subject)
            years.append(0.0)
            values.append(row.baseline.value)
        subjects.append(row.subject)
        years.append(row.months / 12)
        values.append(row.visit.value)
    return slope(subjects, years, values)


def _correlation(name: str, values: Iterable[Covariate], compared: Iterable[Change]) -> Correlation:
    """Correlate changes between the very visits that the quantity was compared at."""
    at = {(one.subject, one.date): one for one in values}
    pairs, beyond = [], 0
    for row in compared:
        first, last = at.get((row.subject, row.baseline.date)), at.get((row.subject, row.visit.date))
        if first is None or last is None or row.difference is None:
            continue
        changed = difference(first, last)
        if changed is None:
            continue
        beyond += first.number is None or last.number is None
        pairs.append((row.subject, changed, row.difference))
    note = f"{beyond} with a value beyond a detection limit, which enters as the limit" if beyond else ""
    if len(pairs) < _FEWEST_CORRELATED:
        note = f"fewer than {_FEWEST_CORRELATED} subjects with {name} at both visits"
        return Correlation(name=name, rho=None, p=None, n=len(pairs), note=note, pairs=tuple(pairs))
    found = spearman([pair[1] for pair in pairs], [pair[2] for pair in pairs])
    if found is None:
        note = f"{name} or the quantity changed by the same amount in all"
        return Correlation(name=name, rho=None, p=None, n=len(pairs), note=note, pairs=tuple(pairs))
    return Correlation(name=name, rho=found[0], p=found[1], n=len(pairs), note=note, pairs=tuple(pairs))


def _summary(name: str, values: Iterable[Covariate], better: Mapping[str, str]) -> CovariateSummary:
    by_subject: dict[str, list[Covariate]] = defaultdict(list)
    for one in values:
        by_subject[one.subject].append(one)
    ordered = [sorted(ones, key=lambda one: one.date) for ones in by_subject.values()]
    pairs = [(ones[0], ones[-1]) for ones in ordered if len(ones) > 1]
    went = Counter(compare(first, last) for first, last in pairs)
    limits = {one.upper_limit for ones in ordered for one in ones if one.upper_limit is not None}
    units = {one.unit for ones in ordered for one in ones if one.unit}
    limit = next(iter(limits)) if len(limits) == 1 else None
    above = None if limit is None else [pair for pair in pairs if is_normal(pair[0], limit) is False]
    first_word = re.split(r"[^a-z-]", name.casefold(), maxsplit=1)[0]
    return CovariateSummary(
        name=name,
        unit=next(iter(units)) if len(units) == 1 else "",
        n=len(pairs),
        fell=went[Direction.FELL],
        rose=went[Direction.ROSE],
        same=went[Direction.SAME],
        undetermined=went[Direction.UNDETERMINED],
        above_limit=None if above is None else len(above),
        normalised=None if above is None or limit is None else sum(is_normal(last, limit) is True for _, last in above),
        upper_limit=limit,
        better=better.get(name, _BETTER.get(first_word, "")),
    )


def _tests(shift: Shift | None, found_slope: Slope, correlations: Iterable[Correlation]) -> tuple[Test, ...]:
    named = [("Wilcoxon signed-rank, last visit against baseline", None if shift is None else shift.p)]
    named.append(("slope per year, mixed model", found_slope.p))
    named += [(f"rank correlation with the change of {one.name}", one.p) for one in correlations]
    known = [(name, p) for name, p in named if p is not None]
    adjusted = holm([p for _, p in known])
    return tuple(Test(name=name, p=p, p_holm=q) for (name, p), q in zip(known, adjusted, strict=True))


def _warnings(n: int, n_compared: int, found_slope: Slope) -> tuple[str, ...]:
    warnings = []
    if n == 0:
        warnings.append("no subject has a second visit")
    elif n_compared < FEW:
        warnings.append(
            f"few subjects: {n_compared} can be compared. Below {FEW} no signed-rank test can reach 5 % and there is "
            "no 95 % interval of the shift; read the subjects one by one"
        )
    if found_slope.reason and n:
        warnings.append(found_slope.reason)
    return tuple(warnings)
