"""How far two recordings of one unchanged nerve differ: published figures, and the laboratory's own recordings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ncs.errors import InvalidInputError
from ncs.longitudinal._nouns import Repeatability, Series, VisitValue
from ncs.longitudinal._series import checked_quantity, series_of
from ncs.longitudinal._words import subjects_in_words

if TYPE_CHECKING:
    from ncs.store import Store

__all__ = ["FEWEST_GROUPS", "WITHIN_DAYS", "default_repeatability", "repeatability"]

FEWEST_GROUPS = 2
WITHIN_DAYS = 14

_SOURCE = "Muscle Nerve 1998;21:1368"
_ARM = {"median", "ulnar", "radial"}
_LEG = {"tibial", "fibular", "peroneal", "sural"}
_EVERYWHERE = {"motor_conduction_velocity": 3.0, "sensory_conduction_velocity": 4.0}
_AT_WRIST = {"cmap_amplitude": 10.0, "snap_amplitude": 11.0}
_AT_ANKLE = {"cmap_amplitude": 13.0, "snap_amplitude": 16.0}


def default_repeatability(quantity: str, nerve: str) -> Repeatability:
    """Return the published coefficient of variation of a quantity.

    Motor conduction velocity 3 %, sensory 4 %; distal CMAP amplitude 10 % at the wrist and 13 % at the ankle, SNAP
    amplitude 11 % and 16 %: repeat testing at 60 sites under an expert core laboratory (Muscle Nerve 1998;21:1368).
    A laboratory without such supervision may do worse: own repeated recordings are better than any citation.

    Raises
    ------
    InvalidInputError
        When none is known for this quantity and nerve.

    Examples
    --------
    >>> default_repeatability("motor_conduction_velocity", "median").cv_percent
    3.0
    """
    name, words = checked_quantity(quantity).name, set(nerve.casefold().split())
    figures = dict(_EVERYWHERE)
    if words & _LEG:
        figures |= _AT_ANKLE
    elif words & _ARM:
        figures |= _AT_WRIST
    if name not in figures:
        raise InvalidInputError(
            f"repeatability: expected one for {name} of the {nerve} nerve, because no published figure comes with ncs; "
            "give a coefficient of variation in percent, or use your own repeated recordings (ncs repeatability)"
        )
    return Repeatability(cv_percent=figures[name], source=_SOURCE)


def repeatability(
    store: Store,
    quantity: str = "motor_conduction_velocity",
    nerve: str = "median",
    *,
    within_days: int = WITHIN_DAYS,
    side: str | None = None,
    segment: str | None = None,
    site: str | None = None,
    subject: str | Sequence[str] | None = None,
) -> Repeatability:
    r"""Return the within-subject standard deviation and coefficient of variation from own repeated recordings.

    Parameters
    ----------
    store, quantity, nerve, side, segment, site, subject
        As in ``ncs.change``.
    within_days
        Visits of a subject that lie within so many days of the first of them count as repeated; so no treatment effect
        should fall between them. 0: the recordings of one and the same visit, which is usually too small an estimate,
        since electrodes and distance stay.

    Returns
    -------
    Repeatability
        With the number of groups, degrees of freedom and 95 % intervals.

    Raises
    ------
    InvalidInputError
        When there are fewer than two groups of repeated recordings, or they do not differ at all.

    Notes
    -----
    With :math:`s_g` the standard deviation of group :math:`g` of :math:`n_g` recordings and :math:`m_g` its mean,

    .. math:: s_w^2 = \frac{\sum (n_g - 1) s_g^2}{\sum (n_g - 1)}, \quad
        \mathrm{CV}^2 = \frac{\sum (n_g - 1) (s_g / m_g)^2}{\sum (n_g - 1)}

    (one-way analysis of variance, Bland & Altman, BMJ 1996;313:744; for an error proportional to the value, BMJ
    1996;313:106), the intervals from chi-squared with
    :math:`\sum (n_g - 1)` degrees of freedom.
    """
    row = checked_quantity(quantity)
    if within_days < 0:
        raise InvalidInputError(f"within_days: expected 0 or more, found {within_days}")
    series = series_of(store, quantity, nerve, side=side, segment=segment, site=site, subject=subject)
    groups = [group for one in series for group in _groups(one, within_days)]
    if len(groups) < FEWEST_GROUPS:
        raise InvalidInputError(_refusal(groups, series, row.name, nerve, within_days))
    freedom = sum(len(group) - 1 for group in groups)
    sd = math.sqrt(sum(_squares(group) for group in groups) / freedom)
    cv = 100 * math.sqrt(sum(_squares(group) / _mean(group) ** 2 for group in groups) / freedom)
    if sd == 0:
        raise InvalidInputError(
            f"repeatability: expected recordings that differ, found {len(groups)} groups with equal values; "
            "the same recording may be stored under several names"
        )
    low, high = _spread(freedom)
    subjects = len({one.subject for one in series if _groups(one, within_days)})
    how = f"visits within {within_days} days" if within_days else "recordings of one visit"
    return Repeatability(
        cv_percent=cv,
        sd=sd,
        source=f"own repeated recordings: {len(groups)} groups of {how}, {subjects_in_words(subjects)}",
        degrees_of_freedom=freedom,
        n=len(groups),
        cv_low=cv * low,
        cv_high=cv * high,
        sd_low=sd * low,
        sd_high=sd * high,
    )


def _groups(series: Series, within_days: int) -> list[tuple[float, ...]]:
    """Return the values that repeat each other, two or more each; a visit belongs to one group only."""
    here = [visit for visit in series.visits if not visit.place]
    if within_days == 0:
        return [visit.values for visit in here if len(visit.values) > 1]
    groups: list[list[VisitValue]] = []
    for visit in here:
        if visit.value is None:
            continue
        if groups and (visit.date - groups[-1][0].date).days <= within_days:
            groups[-1].append(visit)
        else:
            groups.append([visit])
    return [tuple(v.value for v in group if v.value is not None) for group in groups if len(group) > 1]


def _refusal(groups: Sequence[object], series: Iterable[Series], quantity: str, nerve: str, within_days: int) -> str:
    how = f"visits within {within_days} days of each other" if within_days else "several recordings of one visit"
    text = (
        f"repeatability: expected at least {FEWEST_GROUPS} groups of {how} with a value of {quantity} of the {nerve} "
        f"nerve, found {len(groups)}"
    )
    everything = tuple(series)
    if within_days:
        same = sum(len(_groups(one, 0)) for one in everything)
        if same >= FEWEST_GROUPS:
            return f"{text}. There are {same} visits with several recordings: try within_days 0"
    gaps = [
        (later.date - sooner.date).days
        for one in everything
        for sooner, later in zip(one.visits, one.visits[1:], strict=False)
    ]
    return f"{text}. The visits nearest to each other are {min(gaps)} days apart" if gaps else text


def _mean(group: Sequence[float]) -> float:
    return math.fsum(group) / len(group)


def _squares(group: Sequence[float]) -> float:
    mean = _mean(group)
    return math.fsum((value - mean) ** 2 for value in group)


def _spread(freedom: int) -> tuple[float, float]:
    """Return what a standard deviation is multiplied with to get its 95 % interval."""
    from scipy.special import chdtri  # inverse of the upper tail of chi-squared

    return math.sqrt(freedom / float(chdtri(freedom, 0.025))), math.sqrt(freedom / float(chdtri(freedom, 0.975)))
