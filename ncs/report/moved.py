"""What moved between two versions, as a page: per recording a table, and its traces with the old marks and the new.

New marks are drawn as on every page; where one was expected elsewhere, a dashed line says where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ncs.report import _screen
from ncs.report._page import page, page_figure
from ncs.report._svg import BOLD, PAGE_WIDTH_IN, drawing, shortened, to_svg
from ncs.report._traces import MARK_FIELDS, MARK_NAMES, drawn_traces
from ncs.report.tables import Column, TextTable, study_name, technique_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from ncs.report._traces import DrawnTrace
    from ncs.results import VisitResult

__all__ = ["MovedFile", "OldMark", "moved_page", "moved_svg"]

_LEFT_IN: Final = 1.35
_RIGHT_IN: Final = 0.5
_HEAD_IN: Final = 0.3
_FOOT_IN: Final = 0.62
_OLD: Final = "#b04a00"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldMark:
    """Where a mark was expected: a field of `ncs.detect.Marks` that is a time, and that time after the stimulus."""

    field: str
    at_ms: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovedFile:
    """One recording in which something moved.

    Parameters
    ----------
    name
        Name of the recording.
    problem
        Why it could not be compared; empty where it could.
    rows
        Cells of the table of what moved.
    result
        What the analysis gives now; ``None`` where it fails.
    old
        Marks expected elsewhere, by indices of study and trace.
    """

    name: str
    problem: str
    rows: tuple[tuple[str, ...], ...]
    result: VisitResult | None
    old: Mapping[tuple[int, int], Sequence[OldMark]]


def moved_page(files: Sequence[MovedFile], *, columns: Sequence[tuple[str, bool]], summary: str) -> str:
    """Return what moved as a self-contained HTML page.

    Parameters
    ----------
    files
        The recordings in which something moved.
    columns
        Headings of their tables, and whether the column holds numbers.
    summary
        All of it in a sentence.

    Returns
    -------
    str
        Text of an HTML file that refers to nothing outside itself.
    """
    head = tuple(Column(label=label, is_number=is_number) for label, is_number in columns)
    sections = [
        {
            "name": file.name,
            "problem": file.problem,
            "table": TextTable(columns=head, rows=file.rows) if file.rows else None,
            "figures": _figures(file, number),
        }
        for number, file in enumerate(files)
    ]
    return page("moved.html", title="What moved", notice="", summary=summary, sections=sections)


def _figures(file: MovedFile, number: int) -> list[object]:
    if file.result is None:
        return []
    studies = sorted({study for study, _ in file.old})
    return [page_figure(moved_svg(file.result, study, file.old, ident=f"moved-{number}-{study}")) for study in studies]


def moved_svg(
    result: VisitResult,
    study_index: int,
    old: Mapping[tuple[int, int], Sequence[OldMark]],
    *,
    ident: str = "moved",
) -> str:
    """Draw the traces of a study whose marks moved, with the marks as they are and as they were expected.

    Parameters
    ----------
    result
        What the analysis gives now.
    study_index
        Index into ``result.visit.studies``.
    old
        As in `MovedFile`; traces without an entry are not drawn.
    ident
        Prefix of the ids in the SVG.

    Returns
    -------
    str
        Text of an SVG element; negative is up.
    """
    study = result.visit.studies[study_index]
    numbers = {id(trace): index for index, trace in enumerate(study.traces)}
    every = [(each, old.get((study_index, numbers[id(each.trace)]), ())) for each in drawn_traces(result, study_index)]
    shown = [(each, marks) for each, marks in every if marks]
    screen = _screen.screen_for([each for each, _ in shown])
    lanes = [_screen.lane_of([each], screen) for each, _ in shown]
    height = sum(lane.up + lane.down for lane in lanes)
    title = shortened(f"{study_name(study)}, {technique_words(study.technique)}", 90)
    with drawing():
        from matplotlib.figure import Figure

        high = _HEAD_IN + height * _screen.DIVISION_IN + _FOOT_IN
        figure = Figure(figsize=(PAGE_WIDTH_IN, high))
        figure.text(0.0, 1 - 0.02 / high, f"{title}, {screen.words}", ha="left", va="top", fontsize=8, weight=BOLD)
        width = PAGE_WIDTH_IN - _LEFT_IN - _RIGHT_IN
        ax = figure.add_axes(
            (_LEFT_IN / PAGE_WIDTH_IN, _FOOT_IN / high, width / PAGE_WIDTH_IN, 1 - (_HEAD_IN + _FOOT_IN) / high)
        )
        _screen.draw_grid(ax, screen, height, from_stimulus=shown[0][0].from_stimulus, ident="screen")
        _screen.draw_gain(ax, screen, height, ident="screen")
        top = height
        for number, ((trace, marks), lane) in enumerate(zip(shown, lanes, strict=True)):
            baseline = top - lane.up
            _screen.draw_lane(ax, trace, screen, baseline=baseline, lane=lane, ident=f"trace-{number}")
            _draw_old(ax, trace, marks, screen.gain_uv, baseline, f"trace-{number}")
            words = shortened(trace.trace.stimulation_site or "site?", 22)
            across = -_LEFT_IN / width
            ax.text(across, baseline, words, transform=ax.get_yaxis_transform(), ha="left", va="center", fontsize=7)
            top = baseline - lane.down
        below = -0.36 / (height * _screen.DIVISION_IN)
        ax.text(0, below, _legend(shown), transform=ax.transAxes, ha="left", va="top", fontsize=7)
        return to_svg(figure, ident=ident, title=f"{title}: marks expected and found")


def _draw_old(
    ax: Axes, trace: DrawnTrace, marks: Sequence[OldMark], gain_uv: float, baseline: float, ident: str
) -> None:
    for mark in marks:
        number = MARK_FIELDS.index(mark.field) + 1
        height = baseline + (0.0 if trace.mean is None else trace.mean.at(mark.at_ms) / gain_uv)
        name = f"{ident}-old-{number}"
        ax.plot(
            [mark.at_ms] * 2, [height - 0.55, height + 0.55], color=_OLD, linewidth=1.0, linestyle=(0, (2, 1)),
            zorder=4, gid=name,
        )  # fmt: skip
        ax.text(
            mark.at_ms, height + 0.6, f"{number} old", color=_OLD, ha="center", va="bottom", fontsize=6.5, zorder=5,
            gid=f"{name}-number",
        )  # fmt: skip


def _legend(shown: Sequence[tuple[DrawnTrace, Sequence[OldMark]]]) -> str:
    found = {mark.number for trace, _ in shown for mark in trace.marks}
    numbers = sorted(found | {MARK_FIELDS.index(mark.field) + 1 for _, marks in shown for mark in marks})
    return " · ".join([*(f"{n} {MARK_NAMES[n - 1]}" for n in numbers), "dashed, old: where it was expected"])
