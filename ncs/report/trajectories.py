"""Small multiples of individual trajectories: one panel per subject, one scale for all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ncs.errors import InvalidInputError
from ncs.quantities import quantity
from ncs.report._svg import BOLD, INK, PAGE_WIDTH_IN, drawing, shortened, to_svg
from ncs.report.numbers import clean, display_unit, quantity_words, signed

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ncs.longitudinal import Change, ChangeTable, Series, VisitValue

__all__ = ["axis_words", "change_words", "error_bar_95", "trajectories_svg"]

DAYS_PER_MONTH: Final = 365.25 / 12
_PANEL_IN: Final = 1.55
_TOP_IN: Final = 0.55
_BOTTOM_IN: Final = 0.85
_LEFT_IN: Final = 0.5
_SUBJECT_PT: Final = 6.0
_VERDICT_PT: Final = 4.4
"""Widths of a letter in a panel's heading."""
_MONTH_STEPS: Final = (1, 2, 3, 6, 12, 24, 60, 120)
_MOST_TICKS: Final = 5
_TICK_SLACK: Final = 0.05
"""Visits half a year apart are not six months to the day; the tick beside the last visit is drawn all the same."""
_LOOKS: Final = (("o", INK, "-"), ("s", "white", (0, (4, 2))), ("^", "0.6", (0, (1, 1.5))), ("D", "white", "-."))
"""Marker, its filling and the line, for the first, second, … place of a subject."""
_ARROWS: Final = {
    "increased": "↑",
    "decreased": "↓",
    "unchanged within error": "=",
    "not comparable": "\N{MULTIPLICATION SIGN}",
}


def axis_words(table: ChangeTable) -> str:
    """Return the label of an axis: the quantity in words and its display unit."""
    return ", ".join(part for part in (quantity_words(table.quantity), display_unit(table.quantity)) if part)


def error_bar_95(table: ChangeTable, visit: VisitValue) -> float:
    """Return half the 95 % interval of one visit: noise of the recording and repeatability together.

    Raises
    ------
    ValueError
        When the visit has no value.
    """
    if visit.value is None:
        raise ValueError(f"{visit.subject}, {visit.date}: expected a value, found none")
    return 1.96 * math.hypot(visit.sd or 0.0, table.repeatability.sd_at(visit.value))


def change_words(table: ChangeTable, change: Change) -> str:
    """Return a change with its sign, in the display unit: ``"+14.2 m/s"``; empty where there is none."""
    if change.difference is None:
        return ""
    row = quantity(table.quantity)
    text = signed(change.difference * row.display_factor, row.decimals)
    return f"{text} {display_unit(table.quantity)}".rstrip()


def trajectories_svg(
    table: ChangeTable,
    *,
    limit: float | None = None,
    limit_label: str = "",
    columns: int = 3,
    ident: str = "trajectories",
) -> str:
    """Draw every subject's values over the months since the first visit.

    Parameters
    ----------
    table
        As ``ncs.change`` returns it. Bars are 95 % intervals of a single visit: the noise of the recording and the
        repeatability of the table together.
    limit
        Limit of normal in the unit of the quantity, drawn as a dashed line.
    limit_label
        What that limit is, and where it comes from.
    columns
        Panels side by side.
    ident
        Prefix of the ids in the SVG.

    Returns
    -------
    str
        Text of an SVG element.

    Raises
    ------
    InvalidInputError
        When there is nothing to draw, or no column to draw it in.
    """
    if columns < 1:
        raise InvalidInputError(f"columns: expected at least 1, found {columns}")
    subjects = list(dict.fromkeys(series.subject for series in table.series))
    if not subjects:
        raise InvalidInputError(f"table: expected values of {table.quantity}, found no subject")
    lines = -(-len(subjects) // columns)
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(PAGE_WIDTH_IN, _TOP_IN + lines * _PANEL_IN + _BOTTOM_IN))
        axes = _panels(figure, lines, columns)
        for number, subject in enumerate(subjects):
            _draw_subject(axes[number], table, subject, number)
        _scale(axes, table, limit, len(subjects), columns)
        _words(figure, table, limit, limit_label)
        title = f"{axis_words(table)}, {table.nerve}: trajectories of {len(subjects)} subjects"
        return to_svg(figure, ident=ident, title=title)


def _panels(figure: Figure, lines: int, columns: int) -> list[Axes]:
    wide, high = figure.get_size_inches()
    grid = figure.add_gridspec(
        lines, columns, left=_LEFT_IN / wide, right=1 - 0.05 / wide, top=1 - _TOP_IN / high,
        bottom=_BOTTOM_IN / high, wspace=0.08, hspace=0.3,
    )  # fmt: skip
    first = figure.add_subplot(grid[0, 0])
    others = [(i, j) for i in range(lines) for j in range(columns) if (i, j) != (0, 0)]
    return [first, *(figure.add_subplot(grid[i, j], sharex=first, sharey=first) for i, j in others)]


def _draw_subject(ax: Axes, table: ChangeTable, subject: str, number: int) -> None:
    chosen = {id(series) for series in table.chosen()}
    mine = [series for series in table.series if series.subject == subject]
    mine.sort(key=lambda series: id(series) not in chosen)
    first = min(series.baseline.date for series in mine)
    for place, series in enumerate(mine):
        _draw_series(ax, table, series, first, _LOOKS[place % len(_LOOKS)], f"subject-{number}-series-{place}")
    change = next((row for row in table.last() if row.subject == subject), None)
    verdict = _verdict(table, change)
    free_pt = 72 * ax.get_window_extent().width / ax.figure.dpi - _VERDICT_PT * (len(verdict) + 1)
    ax.set_title(shortened(subject, max(4, int(free_pt / _SUBJECT_PT))), loc="left", fontsize=8, weight=BOLD, pad=3)
    ax.set_title(verdict, loc="right", fontsize=7, pad=3)


def _verdict(table: ChangeTable, change: Change | None) -> str:
    if change is None:
        return "one visit"
    return f"{change_words(table, change)} {_ARROWS.get(change.verdict.value, '')} {_short(change.verdict)}".strip()


def _short(verdict: str) -> str:
    return str(verdict).removesuffix(" within error")


def _draw_series(
    ax: Axes, table: ChangeTable, series: Series, first: dt.date, look: tuple[str, str, object], ident: str
) -> None:
    marker, filling, line = look
    factor = quantity(table.quantity).display_factor
    known = [visit for visit in series.visits if visit.value is not None and not visit.place]
    months = [_months(first, visit.date) for visit in known]
    values = [visit.value * factor for visit in known if visit.value is not None]
    bars = [error_bar_95(table, visit) * factor for visit in known]
    drawn = ax.errorbar(
        months, values, yerr=bars, color=INK, marker=marker, markersize=4, markerfacecolor=filling, linewidth=0.8,
        linestyle=line, elinewidth=0.7, capsize=2, capthick=0.7, clip_on=False, zorder=3,
    )  # fmt: skip
    drawn.lines[0].set_gid(ident)
    for visit in series.visits:
        if visit.value is None:
            _draw_missing(ax, _months(first, visit.date), "NR" if visit.reason == "no_response" else "?")
        elif visit.place:
            ax.plot(_months(first, visit.date), visit.value * factor, "x", color=INK, markersize=4, clip_on=False)


def _draw_missing(ax: Axes, months: float, words: str) -> None:
    where = ax.get_xaxis_transform()
    ax.text(months, 0.03, words, transform=where, ha="center", va="bottom", fontsize=6.5, style="italic")


def _months(first: dt.date, date: dt.date) -> float:
    return (date - first).days / DAYS_PER_MONTH


def _scale(axes: Sequence[Axes], table: ChangeTable, limit: float | None, subjects: int, columns: int) -> None:
    """Give all panels one scale that shows every bar and the limit, ticks only at the edges, and hide spare panels."""
    low, high = _range(table, limit)
    first = axes[0]
    first.set_ylim(low, high)
    latest = max((_months(s.baseline.date, v.date) for s in table.series for v in s.visits), default=0.0)
    first.set_xlim(-0.06 * max(latest, 1.0), 1.06 * max(latest, 1.0))
    step = next((step for step in _MONTH_STEPS if latest / step <= _MOST_TICKS), _MONTH_STEPS[-1])
    first.set_xticks([step * n for n in range(math.floor(latest / step + _TICK_SLACK) + 1)])
    factor = quantity(table.quantity).display_factor
    for number, ax in enumerate(axes):
        if number >= subjects:
            ax.set_visible(False)
            continue
        ax.tick_params(
            length=2.5, labelsize=7, labelleft=number % columns == 0, labelbottom=number + columns >= subjects
        )
        ax.spines[["top", "right"]].set_visible(False)
        if limit is not None:
            line = ax.axhline(limit * factor, color="0.3", linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
            line.set_gid(f"subject-{number}-limit")


def _range(table: ChangeTable, limit: float | None) -> tuple[float, float]:
    factor = quantity(table.quantity).display_factor
    ends = [] if limit is None else [limit]
    for visit in (visit for series in table.series for visit in series.visits):
        if visit.value is not None:
            bar = error_bar_95(table, visit)
            ends += [visit.value - bar, visit.value + bar]
    low, high = min(ends, default=0.0) * factor, max(ends, default=1.0) * factor
    room = 0.12 * (high - low) or 0.5
    return low - 1.5 * room, high + room


def _words(figure: Figure, table: ChangeTable, limit: float | None, limit_label: str) -> None:
    wide, high = figure.get_size_inches()
    row = quantity(table.quantity)
    figure.text(0, 1 - 0.02 / high, clean(f"{table.nerve}: {axis_words(table)}"), va="top", fontsize=9, weight=BOLD)
    figure.text(
        (_LEFT_IN + wide) / (2 * wide), (_BOTTOM_IN - 0.28) / high, "months since the first visit", ha="center",
        va="top", fontsize=7.5,
    )  # fmt: skip
    lines = ["Bars: 95 % interval of one visit (noise of the recording and repeatability). NR: not recordable."]
    if any(visit.value is None and visit.recordable is None for s in table.series for visit in s.visits):
        lines[0] += " ?: not measured."
    if len(table.series) > len({series.subject for series in table.series}):
        lines.append("Filled, solid: the place that is counted. Open, grey or dashed: other places of a subject.")
    if any(visit.place for series in table.series for visit in series.visits):
        lines.append("x: measured at another place, not compared.")
    if limit is not None:
        value = f"{limit * row.display_factor:g} {display_unit(table.quantity)}".rstrip()
        lines.append(f"Dashed: {limit_label or 'limit of normal'}, {value}.")
    figure.text(0, 0.03 / high, "\n".join(shortened(line, 130) for line in lines), va="bottom", fontsize=7)
