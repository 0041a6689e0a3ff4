"""Dates of files that leave the order of day, month and year, or the century, open: what they could mean."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncs.io._faults import Faults
    from ncs.io.sidecar import Sidecar

__all__ = ["possible_dates", "state_date"]

_DATE = re.compile(r"\s*(\d{1,4})[/.\- ](\d{1,2})[/.\- ](\d{1,4})\s*", re.ASCII)
_CENTURIES = (1900, 2000)


def possible_dates(text: str) -> tuple[dt.date, ...]:
    """Return every date that a text can mean, oldest first; a year of two digits can be of two centuries.

    >>> [str(date) for date in possible_dates("21/8/2017")]
    ['2017-08-21']
    >>> len(possible_dates("10/08/24")) > 1
    True
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return ()
    first, second, third = match.groups()
    orders = ((third, second, first), (third, first, second), (first, second, third))
    found = set()
    for year, month, day in orders:
        if len(year) in {1, 3} or max(len(month), len(day)) > 2:
            continue
        for century in _CENTURIES if len(year) == 2 else (0,):
            try:
                found.add(dt.date(century + int(year), int(month), int(day)))
            except ValueError:
                continue
    return tuple(sorted(found))


def state_date(text: str, place: str, sidecar: Sidecar | None, faults: Faults) -> dt.date | None:
    """Return the date where the text has one meaning; otherwise say that the sidecar has to state it.

    A date of the sidecar that the text cannot mean is noted.
    """
    dates = possible_dates(text)
    stated = sidecar.date if sidecar is not None else None
    if len(dates) == 1:
        return dates[0]
    if not dates:
        if text.strip():
            faults.note(place, "date", "a date", repr(text.strip()[:30]), "state `date` in the sidecar")
        return None
    if stated is None:
        faults.note(place, "date", "a date with one meaning", f"{text.strip()!r}, whose order or century is open",
                    "state `date` in the sidecar")  # fmt: skip
    elif stated not in dates:
        faults.note(place, "date", f"a text that can mean {stated} (the sidecar)", repr(text.strip()),
                    "check the date in the sidecar")  # fmt: skip
    return None
