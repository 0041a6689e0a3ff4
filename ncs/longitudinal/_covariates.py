"""Covariates out of a store, and how two of their values compare when one lies beyond a detection limit."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from ncs.longitudinal._cohort_nouns import Covariate

if TYPE_CHECKING:
    from ncs.store import Store

__all__ = ["Direction", "beyond_limit", "compare", "covariates", "difference", "is_normal"]

_BEYOND = re.compile(r"\s*([<>])\s*([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*")


class Direction(Enum):
    """How a later value lies to an earlier one."""

    FELL = "fell"
    ROSE = "rose"
    SAME = "same"
    UNDETERMINED = "undetermined"


def beyond_limit(text: str) -> tuple[float | None, float | None]:
    """Return the limit that a text states as ``below, above``; neither where it is another text.

    >>> beyond_limit("<15"), beyond_limit("> 2000"), beyond_limit("200 mg")
    ((15.0, None), (None, 2000.0), (None, None))
    """
    match = _BEYOND.fullmatch(text)
    if match is None:
        return None, None
    number = float(match[2])
    return (number, None) if match[1] == "<" else (None, number)


def covariates(
    store: Store, names: str | Iterable[str] | None = None, *, subject: str | Sequence[str] | None = None
) -> tuple[Covariate, ...]:
    """Return the covariates in force, in the order subject, name, date.

    Parameters
    ----------
    store
        As returned by ``ncs.open_store``.
    names
        One or several, in any case; all if not given.
    subject
        One or several; all if not given.
    """
    wanted = None if names is None else {name.casefold() for name in ([names] if isinstance(names, str) else names)}
    found = [_covariate(row) for row in store.covariates(subject).to_dict(orient="records")]
    kept = [one for one in found if wanted is None or one.name.casefold() in wanted]
    return tuple(sorted(kept, key=lambda one: (one.subject, one.name.casefold(), one.date)))


def _covariate(row: dict[Any, Any]) -> Covariate:
    text = row["text"] if isinstance(row["text"], str) else None
    below, above = (None, None) if text is None else beyond_limit(text)
    taken = row["stated_date"]
    return Covariate(
        subject=row["subject"],
        date=dt.date.fromisoformat(row["date"]),
        name=row["name"],
        number=_number(row["number"]),
        text=text,
        below=below,
        above=above,
        unit=row["unit"] if isinstance(row["unit"], str) else "",
        upper_limit=_number(row["upper_limit"]),
        stated_date=dt.date.fromisoformat(taken) if isinstance(taken, str) else None,
        source=row["source"],
    )


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _range(value: Covariate) -> tuple[float, float] | None:
    """Return between what the true value lies; ``None`` for text."""
    if value.number is not None:
        return value.number, value.number
    if value.below is not None:
        return -math.inf, value.below
    return (value.above, math.inf) if value.above is not None else None


def compare(first: Covariate, last: Covariate) -> Direction:
    """Return how the later value lies to the earlier one, as far as detection limits allow to say.

    A value below 15 lies under every number from 15 on; two values below the same limit are the same; below 15 after
    10, or below 20 after below 15, is undetermined.
    """
    before, now = _range(first), _range(last)
    if before is None or now is None:
        return Direction.SAME if first.text == last.text else Direction.UNDETERMINED
    if before == now:
        return Direction.SAME
    # A limit is open: below 15 is less than 15 itself.
    if now[1] <= before[0]:
        return Direction.FELL
    if now[0] >= before[1]:
        return Direction.ROSE
    return Direction.UNDETERMINED


def is_normal(value: Covariate, upper_limit: float) -> bool | None:
    """Return whether a value is at or below the upper limit of normal; ``None`` where that is open."""
    between = _range(value)
    if between is None:
        return None
    low, high = between
    if high <= upper_limit:
        return True
    above = low >= upper_limit if value.above is not None else low > upper_limit
    return False if above else None


def difference(first: Covariate, last: Covariate) -> float | None:
    """Return last minus first, a value beyond a detection limit standing at its limit; ``None`` for text."""
    before, now = first.bound, last.bound
    return None if before is None or now is None else now - before
