"""Waveform figures: one study with its numbered marks, and one nerve over the visits at one gain and one time base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ncs.errors import InvalidInputError
from ncs.model import Side, Technique
from ncs.report import _screen
from ncs.report._svg import BOLD, PAGE_WIDTH_IN, drawing, shortened, to_svg
from ncs.report._traces import MARK_NAMES, drawn_traces
from ncs.report.tables import filter_words, study_name, technique_words, temperature_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ncs.model import Study
    from ncs.report._screen import Lane, Screen
    from ncs.report._traces import DrawnTrace
    from ncs.results import VisitResult

__all__ = ["mark_legend", "study_svg", "waveforms_svg"]

_LEFT_IN: Final = 1.35
_RIGHT_IN: Final = 0.5
_HEAD_IN: Final = 0.46
_FOOT_IN: Final = 0.62
_GAP_IN: Final = 0.3
_MOST_LETTERS: Final = 22


def mark_legend(traces: Sequence[DrawnTrace]) -> str:
    """Return what the numbers on these traces mean."""
    numbers = sorted({mark.number for trace in traces for mark in trace.marks})
    words = [f"{number} {MARK_NAMES[number - 1]}" for number in numbers]
    if 1 in numbers:
        words[0] += " (bar: 95 % interval)"
    return " · ".join(words)


def study_svg(result: VisitResult, study_index: int, *, ident: str = "study") -> str:
    """Draw the traces of one study: distal above, proximal below, one gain, one time base, marks with numbers.

    Parameters
    ----------
    result
        One file's part of a visit.
    study_index
        Index into ``result.visit.studies``.
    ident
        Prefix of the ids in the SVG.

    Returns
    -------
    str
        Text of an SVG element; negative is up.
    """
    study = result.visit.studies[study_index]
    traces = drawn_traces(result, study_index)
    groups = [[t for t in traces if t.from_stimulus is flag] for flag in (True, False)]
    groups = [group for group in groups if group]
    title = _study_title(study)
    with drawing():
        plans = [(group, screen := _screen.screen_for(group), _lanes(group, screen)) for group in groups]
        heights = [_height(lanes) * _screen.DIVISION_IN + _FOOT_IN for *_, lanes in plans]
        figure = _figure(_HEAD_IN + sum(heights))
        _heading(figure, title, _conditions(study, [screen for _, screen, _ in plans]))
        top, number = _HEAD_IN, 0
        for (group, screen, lanes), height in zip(plans, heights, strict=True):
            ax = _axes(figure, (_LEFT_IN, top), (PAGE_WIDTH_IN - _LEFT_IN - _RIGHT_IN, height - _FOOT_IN))
            _draw_group(ax, group, screen, lanes, number)
            number += len(group)
            top += height
        return to_svg(figure, ident=ident, title=f"{title}: {', '.join(_site(t) for t in traces)}")


def _study_title(study: Study) -> str:
    where = f"recorded from {study.recording_site or '?'}"
    return shortened(f"{study_name(study)}, {technique_words(study.technique)}, {where}", 90)


def _conditions(study: Study, screens: Sequence[Screen]) -> str:
    scales = " / ".join(dict.fromkeys(screen.words for screen in screens))
    words = f"{scales} · filters {filter_words(study)} · skin {temperature_words(study)}"
    return shortened(words, 125)


def _figure(height_in: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(PAGE_WIDTH_IN, height_in))


def _axes(figure: Figure, corner_in: tuple[float, float], size_in: tuple[float, float]) -> Axes:
    """Return axes whose upper left corner lies so many inches from the left and from the top."""
    wide, high = figure.get_size_inches()
    left, top = corner_in
    return figure.add_axes((left / wide, 1 - (top + size_in[1]) / high, size_in[0] / wide, size_in[1] / high))


def _heading(figure: Figure, title: str, conditions: str) -> None:
    height = float(figure.get_size_inches()[1])
    figure.text(0.0, 1 - 0.02 / height, title, ha="left", va="top", fontsize=9, weight=BOLD)
    figure.text(0.0, 1 - 0.21 / height, conditions, ha="left", va="top", fontsize=7.5)


def _lanes(traces: Sequence[DrawnTrace], screen: Screen) -> list[Lane]:
    return [_screen.lane_of([trace], screen) for trace in traces]


def _height(lanes: Sequence[Lane]) -> float:
    return sum(lane.up + lane.down for lane in lanes)


def _draw_group(ax: Axes, traces: Sequence[DrawnTrace], screen: Screen, lanes: Sequence[Lane], first: int) -> None:
    height = _height(lanes)
    _screen.draw_grid(ax, screen, height, from_stimulus=traces[0].from_stimulus, ident=f"screen-{first}")
    _screen.draw_gain(ax, screen, height, ident=f"screen-{first}")
    top = height
    for number, (trace, lane) in enumerate(zip(traces, lanes, strict=True), start=first):
        baseline = top - lane.up
        _screen.draw_lane(ax, trace, screen, baseline=baseline, lane=lane, ident=f"trace-{number}")
        _beside(ax, baseline, _trace_words(trace))
        top = baseline - lane.down
    if legend := mark_legend(traces):
        below = -0.36 / (height * _screen.DIVISION_IN)
        ax.text(0, below, legend, transform=ax.transAxes, ha="left", va="top", fontsize=7)


def _beside(ax: Axes, baseline: float, words: Sequence[str]) -> None:
    """Write lines to the left of a trace, the first one strongly."""
    across = -(_LEFT_IN / (PAGE_WIDTH_IN - _LEFT_IN - _RIGHT_IN))
    where = ax.get_yaxis_transform()
    for number, line in enumerate(words):
        weight = BOLD if number == 0 else "normal"
        height = baseline + 0.55 * (len(words) / 2 - number)
        ax.text(across, height, line, transform=where, ha="left", va="center", fontsize=7, weight=weight)


def _site(trace: DrawnTrace) -> str:
    return shortened(trace.trace.stimulation_site or "site?", _MOST_LETTERS)


def _trace_words(trace: DrawnTrace) -> list[str]:
    words = [_site(trace)]
    if trace.averaged > 1:
        words.append(f"mean of {trace.averaged} sweeps")
    elif trace.trace.n_sweeps > 1:
        words.append(f"{trace.trace.n_sweeps} sweeps")
    onset = trace.mark(1)
    if onset is not None:
        words.append(f"onset {onset.at_ms:.2f} ms")
        if onset.interval_ms is not None:
            low, high = onset.interval_ms
            words.append(f"95 % {low:.2f} to {high:.2f}")
    return words


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Row:
    """One recording of the nerve at one visit; its traces by stimulation site."""

    label: tuple[str, ...]
    traces: dict[str, DrawnTrace]


def waveforms_svg(
    results: Sequence[VisitResult],
    *,
    nerve: str,
    technique: str = Technique.MOTOR,
    side: str | None = None,
    ident: str = "waveforms",
) -> str:
    """Draw one nerve over the visits: a row per visit, a column per stimulation site, aligned at the stimulus.

    All traces have the same gain and time base; in every column, a dashed line goes down from the onset of the first
    visit that has one, so that a later onset can be seen to move.

    Parameters
    ----------
    results
        Results of any visits and files; what belongs to other nerves is passed over.
    nerve, technique
        Which studies to draw.
    side
        ``"left"`` or ``"right"``; may be left out where only one occurs.
    ident
        Prefix of the ids in the SVG.

    Returns
    -------
    str
        Text of an SVG element; negative is up.

    Raises
    ------
    InvalidInputError
        When no such study is there, or both sides are and none is named.
    """
    studies = _matching(results, nerve, technique, side)
    rows = _rows(studies)
    sites = _sites_in_order(rows)
    title = shortened(f"{study_name(studies[0][2])}, {technique_words(studies[0][2].technique)}", 90)
    traces = [trace for row in rows for trace in row.traces.values()]
    with drawing():
        screen = _screen.screen_for(traces, most_divisions=10 if len(sites) == 1 else 6)
        lanes = [_screen.lane_of(row.traces.values(), screen) for row in rows]
        height = _height(lanes)
        figure = _figure(_HEAD_IN + 0.2 + height * _screen.DIVISION_IN + _FOOT_IN)
        _heading(figure, title, f"{screen.words} · filters {_all_filters(studies)}")
        width = (PAGE_WIDTH_IN - _LEFT_IN - _RIGHT_IN - _GAP_IN * (len(sites) - 1)) / len(sites)
        for column, site in enumerate(sites):
            corner = (_LEFT_IN + column * (width + _GAP_IN), _HEAD_IN + 0.2)
            ax = _axes(figure, corner, (width, height * _screen.DIVISION_IN))
            _draw_column(ax, rows, site, screen, lanes, column)
        _screen.draw_gain(ax, screen, height, ident="screen")
        _label_rows(figure, rows, lanes)
        _foot(figure, traces)
        return to_svg(figure, ident=ident, title=f"{title}, {len(rows)} recordings over the visits")


def _matching(
    results: Sequence[VisitResult], nerve: str, technique: str, side: str | None
) -> list[tuple[VisitResult, int, Study]]:
    if side is not None and side not in set(Side):
        raise InvalidInputError(f"side: expected left or right, found {side!r}")
    every = [(r, i, study) for r in results for i, study in enumerate(r.visit.studies) if study.technique is not None]
    found = [at for at in every if at[2].nerve == nerve and at[2].technique == technique]
    sides = {str(study.side.value if study.side is not None else None) for *_, study in found}
    found = [at for at in found if side is None or at[2].side == side]
    if not found:
        there = dict.fromkeys(f"{study_name(study)} {study.technique}" for *_, study in every)
        raise InvalidInputError(
            f"nerve: expected a study of the {f'{side} ' if side else ''}{nerve} nerve, {technique}; "
            f"found {', '.join(there) or 'no study'}"
        )
    if side is None and len(sides) > 1:
        raise InvalidInputError(f"side: expected left or right, because both occur ({nerve}, {technique}); found none")
    return found


def _key(trace: DrawnTrace) -> str:
    return (trace.trace.stimulation_site or "site?").casefold()


def _rows(studies: Sequence[tuple[VisitResult, int, Study]]) -> list[_Row]:
    several = len({result.subject.id for result, *_ in studies}) > 1
    ordered = sorted(studies, key=lambda at: (str(at[0].subject), str(at[0].date), at[1]))
    rows = []
    for result, index, study in ordered:
        date = result.date.isoformat() if result.date is not None else "no date"
        label = (shortened(result.subject, _MOST_LETTERS), date) if several else (date,)
        traces: dict[str, DrawnTrace] = {}
        for trace in drawn_traces(result, index):
            traces.setdefault(_key(trace), trace)
        rows.append(_Row(label=(*label, f"skin {temperature_words(study)}"), traces=traces))
    return rows


def _sites_in_order(rows: Sequence[_Row]) -> list[str]:
    """Return the sites from distal to proximal by their median place among the rows that have a distance."""
    distances: dict[str, list[float]] = {}
    for row in rows:
        for site, trace in row.traces.items():
            known = distances.setdefault(site, [])
            if trace.trace.distance_mm is not None:
                known.append(trace.trace.distance_mm)
    if all(distances.values()):
        return sorted(distances, key=lambda site: sorted(distances[site])[len(distances[site]) // 2])
    return list(distances)


def _all_filters(studies: Sequence[tuple[VisitResult, int, Study]]) -> str:
    return shortened(" / ".join(dict.fromkeys(filter_words(study) for *_, study in studies)), 60)


def _draw_column(ax: Axes, rows: Sequence[_Row], site: str, screen: Screen, lanes: Sequence[Lane], column: int) -> None:
    height = _height(lanes)
    found = [row.traces[site] for row in rows if site in row.traces]
    from_stimulus = all(trace.from_stimulus for trace in found)
    _screen.draw_grid(ax, screen, height, from_stimulus=from_stimulus, ident=f"column-{column}")
    ax.set_title(_site(found[0]), loc="left", fontsize=8, weight=BOLD, pad=3)
    top, first_onset = height, None
    for number, (row, lane) in enumerate(zip(rows, lanes, strict=True)):
        baseline = top - lane.up
        trace = row.traces.get(site)
        if trace is None:
            ax.text(screen.last_ms, baseline, "not recorded", ha="right", va="bottom", fontsize=7, style="italic")
        else:
            ident = f"visit-{number}-site-{column}"
            _screen.draw_lane(ax, trace, screen, baseline=baseline, lane=lane, ident=ident)
            first_onset = first_onset or trace.mark(1)
        top = baseline - lane.down
    if first_onset is not None:
        line = ax.axvline(first_onset.at_ms, color="0.35", linewidth=0.6, linestyle=(0, (4, 2)), zorder=1)
        line.set_gid(f"column-{column}-first-onset")


def _foot(figure: Figure, traces: Sequence[DrawnTrace]) -> None:
    if legend := mark_legend(traces):
        words = f"{legend} · dashed: onset at the first visit that has one"
        figure.text(0, 0.06 / float(figure.get_size_inches()[1]), words, ha="left", va="bottom", fontsize=7)


def _label_rows(figure: Figure, rows: Sequence[_Row], lanes: Sequence[Lane]) -> None:
    top, height = _HEAD_IN + 0.2, float(figure.get_size_inches()[1])
    for row, lane in zip(rows, lanes, strict=True):
        middle = top + lane.up * _screen.DIVISION_IN
        for number, line in enumerate(row.label):
            weight = BOLD if number == 0 else "normal"
            figure.text(0, 1 - (middle - 0.14 + 0.14 * number) / height, line, va="center", fontsize=7, weight=weight)
        top += (lane.up + lane.down) * _screen.DIVISION_IN
