"""The nouns of change over visits: series, values, what they are compared with, and what came of it. No arithmetic.

Values stand in the unit of ``ncs.quantities``; whoever prints them converts to the display unit.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHANGE_COLUMNS",
    "Change",
    "ChangeTable",
    "NotComparable",
    "Repeatability",
    "Series",
    "Verdict",
    "VisitValue",
]

CHANGE_COLUMNS = (
    "subject", "nerve", "side", "recording_site", "site", "segment", "quantity", "unit", "baseline_date", "date",
    "months", "baseline", "baseline_sd", "value", "sd", "difference", "percent", "difference_sd", "repeatability_sd",
    "error_95", "verdict", "reason", "detail", "notes",
)  # fmt: skip
"""Columns of ``ChangeTable.to_dataframe()``."""


class Verdict(StrEnum):
    """What became of a quantity since baseline."""

    INCREASED = "increased"
    DECREASED = "decreased"
    UNCHANGED = "unchanged within error"
    NOT_COMPARABLE = "not comparable"


class NotComparable(StrEnum):
    """Why two visits cannot be compared; ``sentence`` says it to a person."""

    NOT_RECORDABLE_AT_BASELINE = "not_recordable_at_baseline"
    NOT_RECORDABLE_NOW = "not_recordable_now"
    NOT_RECORDABLE_AT_BOTH = "not_recordable_at_both"
    NOT_MEASURED_AT_BASELINE = "not_measured_at_baseline"
    NOT_MEASURED_NOW = "not_measured_now"
    OTHER_SITE = "other_site"
    SITE_NOT_STATED = "site_not_stated"
    OTHER_DISTANCE = "other_distance"
    TEMPERATURE = "temperature"

    @property
    def sentence(self) -> str:
        """The reason in words."""
        return _SENTENCES[self]


_SENTENCES = {
    NotComparable.NOT_RECORDABLE_AT_BASELINE: "recordable now, not recordable at baseline",
    NotComparable.NOT_RECORDABLE_NOW: "no longer recordable",
    NotComparable.NOT_RECORDABLE_AT_BOTH: "not recordable at both visits",
    NotComparable.NOT_MEASURED_AT_BASELINE: "not measured at baseline",
    NotComparable.NOT_MEASURED_NOW: "not measured",
    NotComparable.OTHER_SITE: "other site",
    NotComparable.SITE_NOT_STATED: "the site or the side is not stated",
    NotComparable.OTHER_DISTANCE: "other distance",
    NotComparable.TEMPERATURE: "other skin temperature",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeatability:
    """How far two recordings of one unchanged nerve differ: the within-subject standard deviation of one visit.

    Parameters
    ----------
    cv_percent
        As a percentage of the value. It is used wherever it is given.
    sd
        In the unit of the quantity; used where there is no ``cv_percent``.
    source
        A citation, or which own recordings.
    degrees_of_freedom
        Behind an estimate from own recordings; ``None`` for a figure that is taken as known.
    n
        Groups of repeated recordings behind it.
    cv_low, cv_high, sd_low, sd_high
        95 % interval of the estimate.

    Raises
    ------
    ValueError
        When neither is given, or one is not above zero.
    """

    cv_percent: float | None = None
    sd: float | None = None
    source: str
    degrees_of_freedom: int | None = None
    n: int | None = None
    cv_low: float | None = None
    cv_high: float | None = None
    sd_low: float | None = None
    sd_high: float | None = None

    def __post_init__(self) -> None:
        given = [number for number in (self.cv_percent, self.sd) if number is not None]
        if not given:
            raise ValueError("repeatability: expected cv_percent or sd, found neither")
        for number in given:
            if not 0 < number < math.inf:
                raise ValueError(f"repeatability: expected a number above 0, found {number}")

    def sd_at(self, value: float) -> float:
        """Return the standard deviation of one visit at a value, in the unit of the quantity.

        >>> Repeatability(cv_percent=3.0, source="example").sd_at(40.0)
        1.2
        """
        if self.cv_percent is not None:
            return self.cv_percent * abs(value) / 100
        assert self.sd is not None  # __post_init__ has seen to it
        return self.sd


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitValue:
    """What one visit says about a quantity at one place.

    Parameters
    ----------
    value, sd
        In the unit of the quantity; the mean where the visit has several recordings. ``None`` where there is none.
    reason
        Why there is no value: a name in ``ncs.results.Reason``. ``"no_response"`` means not recordable.
    reason_text
        The same in words.
    n_recordings
        Recordings behind the value.
    values
        Their values, without those that are not recordable.
    runs, source
        Runs of the store, and their files, comma-separated.
    place
        Where it was measured, only when that is another place than the series': ``"wrist-axilla, recorded from APB"``.
    """

    subject: str
    date: dt.date
    value: float | None
    sd: float | None = None
    reason: str | None = None
    reason_text: str = ""
    distance_mm: float | None = None
    skin_temperature_c: float | None = None
    n_recordings: int = 1
    values: tuple[float, ...] = ()
    runs: tuple[int, ...] = ()
    source: str = ""
    flags: tuple[str, ...] = ()
    place: str = ""

    @property
    def recordable(self) -> bool | None:
        """Whether there was a response; ``None`` where the recording does not tell."""
        if self.value is not None:
            return True
        return False if self.reason == "no_response" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One quantity at one place of one subject over all visits, unrecordable ones included.

    Parameters
    ----------
    side, recording_site, site, segment
        The place; ``None`` where not stated, or where the quantity has none.
    visits
        In the order of their dates; the first is the baseline. A visit whose ``place`` is not empty was measured
        elsewhere and is here only so that it is not lost.
    """

    subject: str
    quantity: str
    unit: str
    nerve: str
    side: str | None = None
    recording_site: str | None = None
    site: str | None = None
    segment: str | None = None
    visits: tuple[VisitValue, ...]

    @property
    def baseline(self) -> VisitValue:
        """The first visit at which this was studied."""
        return self.visits[0]

    @property
    def place(self) -> str:
        """The place in words: ``"right median, wrist-elbow, recorded from APB"``."""
        where = self.segment or self.site
        recorded = f"recorded from {self.recording_site}" if self.recording_site else ""
        return ", ".join(part for part in (f"{self.side or 'side?'} {self.nerve}", where, recorded) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One later visit against the baseline.

    Parameters
    ----------
    series
        Where it was measured, with all visits.
    baseline, visit
        The two visits.
    months
        Between them; a month is 365.25 / 12 days.
    difference, percent
        Visit minus baseline, and that as a percentage of the baseline; ``None`` when not comparable.
    sd
        Standard deviation of the difference, from the noise of the recordings (the marks); ``None`` where unknown.
    repeatability_sd
        Standard deviation of the difference of two visits of an unchanged nerve, from the repeatability.
    error_95
        What a difference has to exceed to count as a change.
    verdict
        What became of the quantity.
    reason, detail
        Why it is not comparable, and with which numbers; ``None`` and empty otherwise.
    notes
        What a reader has to know beside the verdict: no temperature stated, several recordings averaged, …
    """

    series: Series
    baseline: VisitValue
    visit: VisitValue
    months: float
    verdict: Verdict
    difference: float | None = None
    percent: float | None = None
    sd: float | None = None
    repeatability_sd: float | None = None
    error_95: float | None = None
    reason: NotComparable | None = None
    detail: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.verdict is Verdict.NOT_COMPARABLE) != (self.reason is not None):
            raise ValueError("expected a reason exactly when the visits are not comparable")

    @property
    def subject(self) -> str:
        """Code of the subject."""
        return self.series.subject

    @property
    def quantity(self) -> str:
        """Name of the quantity."""
        return self.series.quantity

    @property
    def unit(self) -> str:
        """Unit of all values here."""
        return self.series.unit

    @property
    def nerve(self) -> str:
        """Name of the nerve."""
        return self.series.nerve

    @property
    def side(self) -> str | None:
        """Side of the body."""
        return self.series.side

    @property
    def site(self) -> str | None:
        """Stimulation site."""
        return self.series.site

    @property
    def segment(self) -> str | None:
        """Segment, distal site first."""
        return self.series.segment

    @property
    def lost(self) -> bool:
        """Whether a response that was recordable at baseline is no longer."""
        return self.reason is NotComparable.NOT_RECORDABLE_NOW

    @property
    def regained(self) -> bool:
        """Whether a response is recordable that was not at baseline."""
        return self.reason is NotComparable.NOT_RECORDABLE_AT_BASELINE

    @property
    def why(self) -> str:
        """Why the visits are not comparable, in words; empty otherwise."""
        if self.reason is None:
            return ""
        return f"{self.reason.sentence} ({self.detail})" if self.detail else self.reason.sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTable:
    """Change of one quantity of one nerve in all subjects of a store.

    Parameters
    ----------
    rows
        One per later visit, in the order subject, place, date.
    series
        One per subject and place, those with a single visit included.
    repeatability
        What the changes are compared with.
    factor
        Standard deviations of the difference that a change has to exceed: 1.96, or more where the repeatability was
        estimated from few recordings.
    temperature_limit_c, distance_tolerance_percent
        Beyond which visits are not compared.
    rule
        How the verdict is reached, in words, with every number.
    notes
        What concerns the whole table: subjects with several places, subjects with one visit, …
    """

    rows: tuple[Change, ...]
    series: tuple[Series, ...]
    quantity: str
    unit: str
    nerve: str
    repeatability: Repeatability
    factor: float
    temperature_limit_c: float
    distance_tolerance_percent: float
    rule: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def chosen(self) -> tuple[Series, ...]:
        """Return one series per subject: earliest baseline, then most visits, right before left, distal site first."""
        best: dict[str, Series] = {}
        for series in self.series:
            known = best.get(series.subject)
            if known is None or _rank(series) < _rank(known):
                best[series.subject] = series
        return tuple(best.values())

    def last(self) -> tuple[Change, ...]:
        """Return one row per subject with a later visit: the last visit of its chosen series against baseline."""
        chosen = {id(series) for series in self.chosen()}
        rows = {row.subject: row for row in self.rows if id(row.series) in chosen}
        return tuple(rows.values())

    def counts(self) -> dict[Verdict, int]:
        """Return how many subjects have which verdict at their last visit; every verdict is there."""
        counts = dict.fromkeys(Verdict, 0)
        for row in self.last():
            counts[row.verdict] += 1
        return counts

    def to_dataframe(self) -> pd.DataFrame:
        """Return the rows as a long table, columns ``CHANGE_COLUMNS``; NaN where absent, and ``reason`` says why."""
        import pandas as pd

        return pd.DataFrame([_cells(row) for row in self.rows], columns=list(CHANGE_COLUMNS))


_SIDES = {"right": 0, "left": 1}


def _rank(series: Series) -> tuple[Any, ...]:
    return (
        series.baseline.date,
        -len(series.visits),
        _SIDES.get(series.side or "", 2),
        series.baseline.distance_mm if series.site is not None and series.baseline.distance_mm is not None else 0.0,
    )


def _cells(row: Change) -> list[Any]:
    series, before, now = row.series, row.baseline, row.visit
    numbers = (
        row.months, before.value, before.sd, now.value, now.sd, row.difference, row.percent, row.sd,
        row.repeatability_sd, row.error_95,
    )  # fmt: skip
    where = dataclasses.astuple(dataclasses.replace(series, visits=()))[:-1]
    subject, quantity, unit, nerve, side, recording_site, site, segment = where
    return [
        subject, nerve, side, recording_site, site, segment, quantity, unit, before.date.isoformat(),
        now.date.isoformat(), *(math.nan if number is None else number for number in numbers), row.verdict.value,
        row.reason.value if row.reason is not None else None, row.detail, "; ".join(row.notes),
    ]  # fmt: skip
