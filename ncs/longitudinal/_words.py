"""A cohort in sentences; numbers in display units. What is said here is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from ncs.longitudinal._cohort_nouns import Cohort, Correlation, CovariateSummary, Test
from ncs.longitudinal._nouns import ChangeTable, Verdict
from ncs.quantities import QUANTITIES

__all__ = ["amount", "multiplicity", "p_value", "quantity_in_words", "sentences", "subjects_in_words"]


def quantity_in_words(name: str) -> str:
    """Return a quantity as it stands in a sentence.

    >>> quantity_in_words("cmap_amplitude")
    'CMAP amplitude'
    """
    return " ".join(word.upper() if word in {"cmap", "snap"} else word for word in name.split("_"))


def p_value(p: float) -> str:
    """Return a p value for a sentence.

    >>> p_value(0.0498), p_value(0.0039), p_value(0.00001)
    ('p = 0.050', 'p = 0.0039', 'p < 0.0001')
    """
    if p < 0.0001:
        return "p < 0.0001"
    return f"p = {p:.2g}" if p < 0.01 else f"p = {p:.3f}"


def amount(quantity: str, value: float, *, sign: bool = False, unit: bool = True) -> str:
    """Return a value of a quantity in its display unit.

    >>> amount("cmap_amplitude", 1250.0, sign=True)
    '+1.25 mV'
    """
    row = QUANTITIES[quantity]
    number = value * row.display_factor
    text = f"{number:+.{row.decimals}f}" if sign else f"{number:.{row.decimals}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return f"{text} {row.display_unit}" if unit and row.display_unit != "1" else text


def multiplicity(tests: Sequence[Test]) -> str:
    """Return how many p values there are and what that means."""
    if not tests:
        return "No p value was computed."
    if len(tests) == 1:
        return "One p value was computed here. Every further quantity, nerve or segment looked at adds its own."
    return (
        f"{len(tests)} p values were computed here; those in the sentences are not corrected, and Holm's correction "
        f"for all {len(tests)} stands beside each in the list of tests. Every further quantity, nerve or segment "
        "looked at adds its own."
    )


def sentences(cohort: Cohort, table: ChangeTable) -> tuple[str, ...]:
    """Return the result in words; the first sentence is the one to quote."""
    made = [_verdicts(cohort, table), *_lost_and_regained(cohort)]
    made += _covariates(cohort)
    made += _shift(cohort, table)
    made += _slope(cohort, table)
    made += [_correlation(one, table) for one in cohort.correlations]
    made.append(cohort.multiplicity)
    return tuple(made)


def _verdicts(cohort: Cohort, table: ChangeTable) -> str:
    what = quantity_in_words(table.quantity)
    if cohort.n == 0:
        return f"No subject has a second visit with {table.nerve} {what}."
    words = {
        Verdict.INCREASED: "increased beyond error",
        Verdict.DECREASED: "decreased beyond error",
        Verdict.UNCHANGED: "was unchanged within error",
        Verdict.NOT_COMPARABLE: "could not be compared",
    }
    parts: list[str] = []
    for verdict, said in words.items():
        count = cohort.counts[verdict]
        if count:
            of = f" of {subjects_in_words(cohort.n)}" if not parts else ""
            reasons = f" ({_reasons(cohort)})" if verdict is Verdict.NOT_COMPARABLE else ""
            parts.append(f"{said} in {count}{of}{reasons}")
    name = f"{table.nerve} {what}"
    text = f"{name[:1].upper()}{name[1:]} {_joined(parts)}"
    if cohort.months_low is not None and cohort.months_high is not None and cohort.median_months is not None:
        low, middle, high = (f"{x:.0f}" for x in (cohort.months_low, cohort.median_months, cohort.months_high))
        text += f" after {low} months" if low == high else f" after {low} to {high} months (median {middle})"
    return f"{text}."


def _reasons(cohort: Cohort) -> str:
    return "; ".join(f"{count} {reason}" for reason, count in cohort.not_comparable.items())


def _lost_and_regained(cohort: Cohort) -> list[str]:
    made = []
    if cohort.lost_at_any_visit:
        still = f", in {cohort.lost or 'none'} at the last visit" if cohort.lost != cohort.lost_at_any_visit else ""
        made.append(f"The response became unrecordable in {cohort.lost_at_any_visit}{still}.")
    if cohort.regained_at_any_visit:
        made.append(f"A response that was not recordable at baseline returned in {cohort.regained_at_any_visit}.")
    return made


def _covariates(cohort: Cohort) -> list[str]:
    told = [_covariate(one) for one in cohort.covariates if one.n]
    return [*told, "For covariates any difference between first and last value counts."] if told else []


def _covariate(one: CovariateSummary) -> str:
    better, worse = ("rose", "fell") if one.better == "higher" else ("fell", "rose")
    words = {better: "improved", worse: "worsened"} if one.better else {}
    parts = [f"{words.get(went, went)} in {getattr(one, went)}" for went in (better, worse) if getattr(one, went)]
    if one.same:
        parts.append(f"was {'stable' if one.better else 'unchanged'} in {one.same}")
    if one.undetermined:
        parts.append(f"could not be told in {one.undetermined} (beyond a detection limit)")
    if one.normalised is not None and one.above_limit:
        limit = f"{one.upper_limit:g} {one.unit}".strip()
        parts.append(f"normalised in {one.normalised} (of {one.above_limit} that began above {limit})")
    return f"{one.name} {_joined(parts)}; {subjects_in_words(one.n)} with two values or more."


def _shift(cohort: Cohort, table: ChangeTable) -> list[str]:
    shift = cohort.shift
    if shift is None:
        return []
    text = f"The Hodges-Lehmann shift from baseline to last visit was {amount(table.quantity, shift.shift, sign=True)}"
    if shift.low is not None and shift.high is not None and shift.confidence is not None:
        low, high = (amount(table.quantity, x, sign=True, unit=False) for x in (shift.low, shift.high))
        text += f" ({100 * shift.confidence:.1f} % interval {low} to {high})"
    else:
        text += " (too few for a 95 % interval)"
    p = "every difference is zero" if shift.p is None else f"exact signed-rank test {p_value(shift.p)}"
    return [f"{text}; {p}, n = {shift.n}."]


def _slope(cohort: Cohort, table: ChangeTable) -> list[str]:
    slope = cohort.slope
    if slope.per_year is None or slope.low is None or slope.high is None or slope.p is None:
        return []
    value = amount(table.quantity, slope.per_year, sign=True)
    low, high = (amount(table.quantity, x, sign=True, unit=False) for x in (slope.low, slope.high))
    text = (
        f"The mean slope was {value} per year (95 % interval {low} to {high}, {p_value(slope.p)}; {slope.method}; "
        f"{slope.n_values} values of {slope.n_subjects} subjects)."
    )
    return [text]


def _correlation(one: Correlation, table: ChangeTable) -> str:
    if one.rho is None or one.p is None:
        return f"No rank correlation with the change of {one.name}: {one.note}."
    note = f"; {one.note}" if one.note else ""
    return (
        f"The change of {quantity_in_words(table.quantity)} and that of {one.name} had a rank correlation of "
        f"{one.rho:+.2f} (Spearman, {p_value(one.p)}, n = {one.n}{note})."
    )


def subjects_in_words(count: int) -> str:
    """Return a number of subjects.

    >>> subjects_in_words(1), subjects_in_words(2)
    ('1 subject', '2 subjects')
    """
    return f"{count} subject" if count == 1 else f"{count} subjects"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
