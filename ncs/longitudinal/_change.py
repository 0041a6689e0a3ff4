"""Each later visit against the baseline, with a verdict. What a verdict means is decided in this file and only here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ncs.errors import InvalidInputError
from ncs.longitudinal._nouns import Change, ChangeTable, NotComparable, Repeatability, Series, Verdict, VisitValue
from ncs.longitudinal._repeatability import default_repeatability
from ncs.longitudinal._series import checked_quantity, series_of

if TYPE_CHECKING:
    from ncs.store import Store

__all__ = ["DISTANCE_TOLERANCE_PERCENT", "TEMPERATURE_LIMIT_C", "change", "change_of"]

TEMPERATURE_LIMIT_C = 2.0
DISTANCE_TOLERANCE_PERCENT = 8.0
"""1.96 * sqrt(2) * 3 %, rounded down: the published 3 % contain the measuring of the distance, so that distances
further apart than this are not explained by measuring again; the cathode stood elsewhere, or a reading is wrong."""

_DAYS_PER_MONTH = 365.25 / 12


def change(
    store: Store,
    quantity: str = "motor_conduction_velocity",
    nerve: str = "median",
    *,
    side: str | None = None,
    segment: str | None = None,
    site: str | None = None,
    subject: str | Sequence[str] | None = None,
    repeatability: Repeatability | float | None = None,
    temperature_limit_c: float = TEMPERATURE_LIMIT_C,
    distance_tolerance_percent: float = DISTANCE_TOLERANCE_PERCENT,
) -> ChangeTable:
    r"""Compare every later visit of every subject with the baseline.

    Parameters
    ----------
    store
        As returned by ``ncs.open_store``.
    quantity
        A name in ``ncs.quantities.QUANTITIES``.
    nerve
        Name of the nerve.
    side, segment, site, subject
        To choose among what is stored; all if not given.
    repeatability
        What a change is compared with: a ``Repeatability`` (of published figures, or from own recordings by
        ``ncs.longitudinal.repeatability``), or a coefficient of variation in percent. Default: the published figure of
        ``default_repeatability``, 3 % for motor conduction velocity.
    temperature_limit_c
        Visits whose skin temperatures differ by more are not compared.
    distance_tolerance_percent
        Visits whose distances differ by more, as a percentage of their mean, are not compared. The default is what two
        measurements of one distance can differ by if the 3 % were due to the distance alone.

    Returns
    -------
    ChangeTable
        One row per later visit. What cannot be compared is there with its reason.

    Raises
    ------
    InvalidInputError
        When there is no such quantity, a limit is not above zero, or the quantity has no published repeatability and
        none is given.

    Notes
    -----
    The difference :math:`d = x_2 - x_1` is a change when

    .. math:: |d| > k \sqrt{s_1^2 + s_2^2 + s_r^2}, \quad s_r = \sqrt{2}\,\frac{c}{100}\,\frac{x_1 + x_2}{2}

    with :math:`s_1, s_2` from the marks, the coefficient of variation :math:`c` of one visit, and :math:`k = 1.96`
    (5 % two-sided), or the quantile of Student's t where the repeatability is an estimate with few degrees of freedom.
    The mean of both values stands in :math:`s_r` because the rule asks whether the two may come from one unchanged
    nerve, whose value is then best estimated by their mean, and because the verdict must not depend on which visit
    came first.

    A published coefficient is taken to be the within-subject standard deviation of one visit and to contain all that
    differs between sessions: electrodes, distance, temperature within limits, marking and noise. The noise of the two
    recordings is therefore counted twice. That makes the rule stricter, never looser, and keeps a noisy recording from
    passing as an ordinary one.
    """
    row = checked_quantity(quantity)
    for name, limit in (
        ("temperature_limit_c", temperature_limit_c),
        ("distance_tolerance_percent", distance_tolerance_percent),
    ):
        if not limit > 0:
            raise InvalidInputError(f"{name}: expected a number above 0, found {limit}")
    compared_with = _repeatability(repeatability, quantity, nerve)
    series = series_of(store, quantity, nerve, side=side, segment=segment, site=site, subject=subject)
    table = change_of(
        series,
        quantity=row.name,
        nerve=nerve,
        repeatability=compared_with,
        temperature_limit_c=temperature_limit_c,
        distance_tolerance_percent=distance_tolerance_percent,
    )
    return replace(table, notes=_table_notes(table))


def change_of(
    series: Sequence[Series],
    *,
    quantity: str,
    nerve: str,
    repeatability: Repeatability,
    temperature_limit_c: float = TEMPERATURE_LIMIT_C,
    distance_tolerance_percent: float = DISTANCE_TOLERANCE_PERCENT,
) -> ChangeTable:
    """Return the changes of series that need not come from a store; arguments as in ``change``."""
    limits = _Limits(
        repeatability=repeatability,
        factor=_factor(repeatability),
        temperature_c=temperature_limit_c,
        distance_percent=distance_tolerance_percent,
    )
    return ChangeTable(
        rows=tuple(_compare(one, visit, limits) for one in series for visit in one.visits[1:]),
        series=tuple(series),
        quantity=quantity,
        unit=checked_quantity(quantity).unit,
        nerve=nerve,
        repeatability=repeatability,
        factor=limits.factor,
        temperature_limit_c=temperature_limit_c,
        distance_tolerance_percent=distance_tolerance_percent,
        rule=_rule(limits, checked_quantity(quantity).unit),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    repeatability: Repeatability
    factor: float
    temperature_c: float
    distance_percent: float


def _repeatability(given: Repeatability | float | None, quantity: str, nerve: str) -> Repeatability:
    if given is None:
        return default_repeatability(quantity, nerve)
    if isinstance(given, Repeatability):
        return given
    if not 0 < given < math.inf:
        raise InvalidInputError(f"repeatability: expected a coefficient of variation above 0 %, found {given}")
    return Repeatability(cv_percent=float(given), source="given by the user without a source")


def _factor(repeatability: Repeatability) -> float:
    """Return how many standard deviations hold 95 %: an estimate from few recordings needs more of them."""
    if repeatability.degrees_of_freedom is None:
        return 1.96
    from scipy.special import stdtrit

    return float(stdtrit(repeatability.degrees_of_freedom, 0.975))


def _compare(series: Series, visit: VisitValue, limits: _Limits) -> Change:
    before = series.baseline
    months = (visit.date - before.date).days / _DAYS_PER_MONTH
    reason, detail = _obstacle(series, before, visit, limits)
    notes = _notes(before, visit)
    if reason is not None or before.value is None or visit.value is None:
        return Change(
            series=series, baseline=before, visit=visit, months=months, verdict=Verdict.NOT_COMPARABLE,
            reason=reason, detail=detail, notes=notes,
        )  # fmt: skip
    difference = visit.value - before.value
    known = [sd for sd in (before.sd, visit.sd) if sd is not None]
    sd = math.hypot(*known) if known else None
    repeatability_sd = math.sqrt(2) * limits.repeatability.sd_at((before.value + visit.value) / 2)
    error = limits.factor * math.hypot(sd or 0.0, repeatability_sd)
    verdict = Verdict.UNCHANGED
    if abs(difference) > error:
        verdict = Verdict.INCREASED if difference > 0 else Verdict.DECREASED
    return Change(
        series=series,
        baseline=before,
        visit=visit,
        months=months,
        verdict=verdict,
        difference=difference,
        percent=100 * difference / before.value if before.value else None,
        sd=sd,
        repeatability_sd=repeatability_sd,
        error_95=error,
        notes=notes,
    )


def _obstacle(
    series: Series, before: VisitValue, visit: VisitValue, limits: _Limits
) -> tuple[NotComparable | None, str]:
    if visit.place:
        return NotComparable.OTHER_SITE, f"measured {visit.place}; at baseline {series.place}"
    if _place_unknown(series):
        return NotComparable.SITE_NOT_STATED, series.place
    return _missing(before, visit) or _unlike(before, visit, limits) or (None, "")


def _place_unknown(series: Series) -> bool:
    per = checked_quantity(series.quantity).per
    unnamed = (per == "site" and not series.site) or (
        per == "segment" and (not series.segment or "?" in series.segment.split("-"))
    )
    return unnamed or series.side is None


def _missing(before: VisitValue, visit: VisitValue) -> tuple[NotComparable, str] | None:
    if before.value is not None and visit.value is not None:
        return None
    if before.recordable is None:
        return NotComparable.NOT_MEASURED_AT_BASELINE, before.reason_text
    if visit.recordable is None:
        return NotComparable.NOT_MEASURED_NOW, visit.reason_text
    if before.recordable:
        return NotComparable.NOT_RECORDABLE_NOW, ""
    return (
        NotComparable.NOT_RECORDABLE_AT_BASELINE if visit.recordable else NotComparable.NOT_RECORDABLE_AT_BOTH,
        "",
    )


def _unlike(before: VisitValue, visit: VisitValue, limits: _Limits) -> tuple[NotComparable, str] | None:
    first, second = before.distance_mm, visit.distance_mm
    if first is not None and second is not None:
        allowed = limits.distance_percent * (first + second) / 200
        if abs(second - first) > allowed:
            return NotComparable.OTHER_DISTANCE, f"{second:g} mm, at baseline {first:g} mm"
    cold, warm = before.skin_temperature_c, visit.skin_temperature_c
    if cold is not None and warm is not None and abs(warm - cold) > limits.temperature_c:
        return NotComparable.TEMPERATURE, f"{warm:.1f} °C, at baseline {cold:.1f} °C"
    return None


def _notes(before: VisitValue, visit: VisitValue) -> tuple[str, ...]:
    notes = []
    for when, value in (("at baseline", before), ("at this visit", visit)):
        if value.n_recordings > 1 and value.values:
            lacking = value.n_recordings - len(value.values)
            rest = f", {lacking} without a value" if lacking else ""
            notes.append(f"{value.n_recordings} recordings {when}: mean{rest}")
        if value.value is not None and value.sd is None:
            notes.append(f"no standard deviation of the marks {when}")
    for what, pair in (
        ("skin temperature", (before.skin_temperature_c, visit.skin_temperature_c)),
        ("distance", (before.distance_mm, visit.distance_mm)),
    ):
        if None in pair and before.value is not None and visit.value is not None:
            which = "both visits" if pair == (None, None) else "one of the visits"
            notes.append(f"{what} not stated at {which}")
    return tuple(notes)


def _rule(limits: _Limits, unit: str) -> str:
    rep = limits.repeatability
    if rep.cv_percent is not None:
        size, kind = f"{rep.cv_percent:.3g} % of the mean of the two values", "coefficient of variation"
    else:
        size, kind = f"{rep.sd:.3g} {unit}", "within-subject standard deviation"
    multiple = f"{limits.factor:.2f}"
    if rep.degrees_of_freedom is not None:
        multiple += f" (Student's t, {rep.degrees_of_freedom} degrees of freedom behind the repeatability)"
    contains = (
        "That estimate contains the noise of its own recordings"
        if rep.degrees_of_freedom is not None
        else "It is taken to contain everything that differs between two sessions, the noise of the recording included"
    )
    return (
        f"A quantity has increased or decreased when it differs from baseline by more than {multiple} x "
        "sqrt(s_marks^2 + s_repeat^2), a 95 % two-sided limit; otherwise it is unchanged within error. "
        "s_marks: the standard deviations of the two measurements themselves, from their marks, combined as "
        f"sqrt(s1^2 + s2^2). s_repeat: sqrt(2) x {size}, the {kind} of one visit ({rep.source}). "
        f"{contains}, so noise is counted twice, which makes the rule stricter, not looser. "
        "Baseline is the first visit at which the quantity was studied at that place. Not compared: not recordable or "
        f"not measured at one of the visits, another site, distances more than {limits.distance_percent:g} % apart, "
        f"skin temperatures more than {limits.temperature_c:g} degrees C apart. Nothing is corrected for temperature."
    )


def _table_notes(table: ChangeTable) -> tuple[str, ...]:
    notes = []
    several = [one.subject for one in table.series]
    repeated = sorted({code for code in several if several.count(code) > 1})
    if repeated:
        notes.append(
            f"several sides, sites or segments in {', '.join(repeated)}: counted once per subject, by the earliest "
            "baseline, then the most visits, right before left, the distal site first; "
            "choose with side, segment or site"
        )
    single = sorted({one.subject for one in table.chosen() if len(one.visits) == 1})
    if single:
        notes.append(f"one visit only, so not counted: {', '.join(single)}")
    return tuple(notes)
