"""A store's measurements in the order of time: one series per subject and place. Nothing is compared here."""

from __future__ import annotations

import datetime as dt
import difflib
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ncs.errors import InvalidInputError
from ncs.longitudinal._nouns import Series, VisitValue
from ncs.quantities import QUANTITIES, Quantity
from ncs.results import Reason

if TYPE_CHECKING:
    from ncs.store import Store

__all__ = ["checked_quantity", "series_of"]

_Row = dict[Any, Any]
_Place = tuple[str, str, str, str]
"""Side, recording site, site, segment; lower case, empty where not stated."""


def checked_quantity(name: str) -> Quantity:
    """Return a row of the table of quantities.

    Raises
    ------
    InvalidInputError
        When there is no such quantity.
    """
    if name not in QUANTITIES:
        close = difflib.get_close_matches(name, QUANTITIES, n=1, cutoff=0.4)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InvalidInputError(f"quantity: expected a name in ncs.quantities.QUANTITIES, found {name!r}.{hint}")
    return QUANTITIES[name]


def series_of(
    store: Store,
    quantity: str,
    nerve: str,
    *,
    side: str | None = None,
    segment: str | None = None,
    site: str | None = None,
    subject: str | Sequence[str] | None = None,
) -> tuple[Series, ...]:
    """Return every series of a quantity of a nerve, in the order subject, place.

    A visit at which the nerve was studied only at places that the baseline does not have stands in the series with its
    ``place``: it was measured elsewhere, and would be lost otherwise.
    """
    row = checked_quantity(quantity)
    subjects: dict[str, list[_Row]] = defaultdict(list)
    for found in store.measurements(subject, nerve=nerve, quantity=quantity).to_dict(orient="records"):
        subjects[found["subject"]].append(found)
    wanted = {"side": side, "segment": segment, "site": site}
    return tuple(
        series
        for code in sorted(subjects)
        for series in _of_subject(subjects[code], row, nerve)
        if all(value is None or _key(getattr(series, name)) == _key(value) for name, value in wanted.items())
    )


def _of_subject(rows: Iterable[_Row], quantity: Quantity, nerve: str) -> list[Series]:
    places: dict[_Place, dict[dt.date, list[_Row]]] = defaultdict(lambda: defaultdict(list))
    dates: dict[dt.date, set[_Place]] = defaultdict(set)
    for row in rows:
        date, place = dt.date.fromisoformat(row["date"]), _place(row)
        places[place][date].append(row)
        dates[date].add(place)
    made = []
    for here in places.values():  # as measured: distal first
        first = min(here)
        visits = []
        for date in sorted(date for date in dates if date >= first):
            if date in here:
                visits.append(_visit_value(here[date], date))
                continue
            elsewhere = sorted(dates[date] - dates[first])
            if elsewhere:
                other = places[elsewhere[0]][date]
                visits.append(_visit_value(other, date, place=_place_in_words(other[0])))
        example = here[first][0]
        made.append(
            Series(
                subject=example["subject"],
                quantity=quantity.name,
                unit=quantity.unit,
                nerve=nerve,
                side=_text(example["side"]),
                recording_site=_text(example["recording_site"]),
                site=_text(example["site"]),
                segment=_text(example["segment"]),
                visits=tuple(visits),
            )
        )
    return made


def _visit_value(rows: Sequence[_Row], date: dt.date, *, place: str = "") -> VisitValue:
    values = [number for row in rows if (number := _number(row["value"])) is not None]
    sds = [_number(row["sd"]) for row in rows if _number(row["value"]) is not None]
    known = [sd for sd in sds if sd is not None]
    reason = None if values else _common_reason([_text(row["reason"]) for row in rows])
    return VisitValue(
        subject=rows[0]["subject"],
        date=date,
        value=math.fsum(values) / len(values) if values else None,
        sd=math.hypot(*known) / len(known) if known and len(known) == len(sds) else None,
        reason=reason,
        reason_text=Reason(reason).sentence if reason in set(Reason) else reason or "",
        distance_mm=_mean(row["distance_mm"] for row in rows),
        skin_temperature_c=_mean(row["skin_temperature_c"] for row in rows),
        n_recordings=len(rows),
        values=tuple(values),
        runs=tuple(int(row["run"]) for row in rows),
        source=", ".join(dict.fromkeys(row["source"] for row in rows if row["source"])),
        flags=tuple(dict.fromkeys(flag for row in rows for flag in (row["flags"] or "").split(";") if flag)),
        place=place,
    )


def _common_reason(reasons: Collection[str | None]) -> str:
    """Return ``no_response`` only where all recordings say so: one that failed for another reason leaves it open."""
    others = [reason for reason in reasons if reason is not None and reason != Reason.NO_RESPONSE]
    return others[0] if others else Reason.NO_RESPONSE.value


def _place(row: _Row) -> _Place:
    return _key(row["side"]), _key(row["recording_site"]), _key(row["site"]), _key(row["segment"])


def _place_in_words(row: _Row) -> str:
    recorded = f"recorded from {row['recording_site']}" if _text(row["recording_site"]) else ""
    where = _text(row["segment"]) or _text(row["site"]) or ""
    return ", ".join(part for part in (_text(row["side"]) or "side not stated", where, recorded) if part)


def _key(value: Any) -> str:
    return (_text(value) or "").casefold()


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str) and value else None


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _mean(values: Iterable[Any]) -> float | None:
    known = [number for value in values if (number := _number(value)) is not None]
    return math.fsum(known) / len(known) if known else None
