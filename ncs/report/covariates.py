"""A quantity against a covariate: one line per subject from the first visit to the last."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ncs.errors import InvalidInputError
from ncs.quantities import quantity
from ncs.report._svg import BOLD, INK, PAGE_WIDTH_IN, drawing, shortened, to_svg
from ncs.report.numbers import clean
from ncs.report.trajectories import axis_words, error_bar_95

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ncs.longitudinal import ChangeTable, Covariate, VisitValue

__all__ = ["against_covariate_svg"]

_HIGH_IN: Final = 4.6
_LOGARITHMIC: Final = 20.0
"""Ratio of the largest to the smallest value from which the axis of the covariate is logarithmic."""
_LABEL_PT: Final = 7.0
_LETTER_PT: Final = 0.62 * _LABEL_PT
_LABEL_STEPS_PT: Final = (6.0, -6.0, 13.0, -13.0, 20.0, -20.0, 27.0, -27.0, 34.0, -34.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    covariate: Covariate
    visit: VisitValue
    x: float
    y: float
    bar: float


def against_covariate_svg(
    table: ChangeTable,
    covariates: Iterable[Covariate],
    *,
    limit: float | None = None,
    limit_label: str = "",
    ident: str = "covariate",
) -> str:
    """Draw the quantity of every subject's chosen place against a covariate of the same visits.

    Parameters
    ----------
    table
        As ``ncs.change`` returns it.
    covariates
        Values of one covariate; what is stated as below or above a limit is drawn at that limit, with an arrow.
    limit, limit_label
        Limit of normal of the quantity, in its unit, and what it is.
    ident
        Prefix of the ids in the SVG.

    Returns
    -------
    str
        Text of an SVG element.

    Raises
    ------
    InvalidInputError
        When the covariates have several names, or no visit has both a value and a covariate.
    """
    values = list(covariates)
    names = list(dict.fromkeys(value.name for value in values))
    if len(names) != 1:
        raise InvalidInputError(f"covariates: expected values of one covariate, found {', '.join(names) or 'none'}")
    units = dict.fromkeys(value.unit for value in values if value.unit)
    label = clean(f"{names[0]}, {' / '.join(units)}" if units else names[0])
    courses = _courses(table, values)
    if not courses:
        raise InvalidInputError(f"covariates: expected {names[0]} at a visit with {table.quantity}, found none")
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(PAGE_WIDTH_IN, _HIGH_IN))
        ax = figure.add_axes((0.08, 0.2, 0.9, 0.7))
        _scale(ax, courses, label, axis_words(table))
        for number, course in enumerate(courses.values()):
            _draw(ax, course, f"subject-{number}")
        _limits(ax, table, values, limit)
        _label(ax, courses)
        title = clean(f"{table.nerve}: {axis_words(table)}, against {label}")
        _words(figure, title, _notes(table, courses, limit_label if limit is not None else ""))
        return to_svg(figure, ident=ident, title=title)


def _courses(table: ChangeTable, values: Sequence[Covariate]) -> dict[str, list[_Point]]:
    factor = quantity(table.quantity).display_factor
    by_visit: dict[tuple[str, dt.date], Covariate] = {(value.subject, value.date): value for value in values}
    courses: dict[str, list[_Point]] = {}
    for series in table.chosen():
        for visit in series.visits:
            covariate = by_visit.get((series.subject, visit.date))
            if visit.value is None or visit.place or covariate is None or covariate.bound is None:
                continue
            point = _Point(
                covariate=covariate,
                visit=visit,
                x=covariate.bound,
                y=visit.value * factor,
                bar=error_bar_95(table, visit) * factor,
            )
            courses.setdefault(series.subject, []).append(point)
    return courses


def _scale(ax: Axes, courses: dict[str, list[_Point]], across: str, up: str) -> None:
    xs = [point.x for course in courses.values() for point in course]
    xs += [c.upper_limit for course in courses.values() for c in (p.covariate for p in course) if c.upper_limit]
    if min(xs) > 0 and max(xs) / min(xs) >= _LOGARITHMIC:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(shortened(across, 80))
    ax.set_ylabel(up)
    ax.tick_params(length=2.5, labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)


def _draw(ax: Axes, course: Sequence[_Point], ident: str) -> None:
    (line,) = ax.plot([p.x for p in course], [p.y for p in course], color="0.45", linewidth=0.8, zorder=2)
    line.set_gid(ident)
    for place, point in enumerate(course):
        last = place == len(course) - 1
        beyond = "<" if point.covariate.below is not None else ">" if point.covariate.above is not None else ""
        ax.errorbar(
            point.x, point.y, yerr=point.bar, color=INK, marker=beyond or "o", markersize=4.5,
            markerfacecolor=INK if last else "white", linestyle="none", elinewidth=0.5, capsize=1.5, zorder=3,
        )  # fmt: skip


def _label(ax: Axes, courses: dict[str, list[_Point]]) -> None:
    """Write every subject's code beside its last visit, where no other code and no last visit stands yet."""
    ax.autoscale_view()  # matplotlib would settle the limits only when it draws
    scale = 72.0 / ax.figure.dpi
    ends = {name: ax.transData.transform((course[-1].x, course[-1].y)) * scale for name, course in courses.items()}
    window = ax.get_window_extent()
    left, right = window.x0 * scale, window.x1 * scale
    taken = [(x - 3, y - 3, x + 3, y + 3) for x, y in ends.values()]
    for subject, (x, y) in sorted(ends.items(), key=lambda item: item[1][1]):
        words = shortened(subject, 20)
        wide = _LETTER_PT * len(words)
        places = [(dx, dy, wide) for dy in _LABEL_STEPS_PT for dx in (-5.0 - wide, 5.0)]
        inside = [place for place in places if left <= x + place[0] and x + place[0] + wide <= right] or places
        dx, dy, _ = next((place for place in inside if not _overlaps(_box(x, y, place), taken)), inside[0])
        taken.append(_box(x, y, (dx, dy, wide)))
        end = courses[subject][-1]
        ax.annotate(
            words, (end.x, end.y), xytext=(dx, dy), textcoords="offset points", ha="left", va="center",
            fontsize=_LABEL_PT, zorder=4,
        )  # fmt: skip


def _box(x: float, y: float, place: tuple[float, float, float]) -> tuple[float, float, float, float]:
    dx, dy, wide = place
    return x + dx, y + dy - _LABEL_PT / 2, x + dx + wide, y + dy + _LABEL_PT / 2


def _overlaps(box: tuple[float, ...], taken: Sequence[tuple[float, ...]]) -> bool:
    left, bottom, right, top = box
    return any(left < r and x < right and bottom < t and y < top for x, y, r, t in taken)


def _limits(ax: Axes, table: ChangeTable, values: Sequence[Covariate], limit: float | None) -> None:
    if limit is not None:
        height = limit * quantity(table.quantity).display_factor
        ax.axhline(height, color="0.3", linewidth=0.7, linestyle=(0, (4, 2)), zorder=1).set_gid("limit")
    for upper in sorted({value.upper_limit for value in values if value.upper_limit is not None}):
        line = ax.axvline(upper, color="0.3", linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=1)
        line.set_gid("upper-limit")
        where = ax.get_xaxis_transform()
        ax.text(upper, 1.01, f"upper limit {upper:g}", transform=where, ha="center", va="bottom", fontsize=6.5)


def _notes(table: ChangeTable, courses: dict[str, list[_Point]], limit_label: str) -> list[str]:
    lines = ["One line per subject; open: earlier visits, filled: last visit. Bars: 95 % interval of one visit."]
    if any(p.covariate.number is None for course in courses.values() for p in course):
        lines.append("Triangles: stated as below (◂) or above (▸) what the method detects, drawn at that limit.")
    missing = [series.subject for series in table.chosen() if series.subject not in courses]
    if missing:
        lines.append(f"Not drawn, without both values at a visit: {', '.join(missing)}.")
    if limit_label:
        lines.append(f"Dashed: {limit_label}.")
    return lines


def _words(figure: Figure, title: str, lines: Sequence[str]) -> None:
    high = float(figure.get_size_inches()[1])
    figure.text(0, 1 - 0.02 / high, shortened(title, 90), va="top", fontsize=9, weight=BOLD)
    figure.text(0, 0.03 / high, "\n".join(shortened(line, 130) for line in lines), va="bottom", fontsize=7)
