"""The oscilloscope: divisions, gain and sweep as on an EMG machine, and one trace with its numbered marks on it.

Everything is drawn in divisions upward and milliseconds to the right, so that gain and sweep hold on the whole picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ncs.model import Technique
from ncs.report._svg import FAINT, GRID, INK, round_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from ncs.report._traces import Curve, DrawnMark, DrawnTrace

__all__ = ["DIVISION_IN", "Lane", "Screen", "draw_gain", "draw_grid", "draw_lane", "lane_of", "screen_for", "voltage"]

DIVISION_IN: Final = 0.26
"""Height of one division."""
_DIVISIONS_UP: Final = 3.0
_DIVISIONS_DOWN: Final = 2.0
_DIVISIONS_ACROSS: Final = 10
_LEAST_GAIN_UV: Final = {Technique.MOTOR: 200.0, Technique.SENSORY: 5.0}
"""Microvolts per division below which a trace without a response would show its noise only."""
_AFTER_ARTEFACT_MS: Final = 1.5
_ROOM_UP: Final = 0.75
_ROOM_DOWN: Final = 0.75
_CLIP: Final = 0.08
"""Between two traces, so that the artefacts of neighbours do not run into each other."""
_ABOVE: Final = (2,)
"""Marks whose number stands above the trace; the others' stands below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Scales of a picture: microvolts per division, milliseconds per division, first and last time."""

    gain_uv: float
    sweep_ms: float
    first_ms: float
    last_ms: float

    @property
    def divisions(self) -> int:
        """Divisions from left to right."""
        return round((self.last_ms - self.first_ms) / self.sweep_ms)

    @property
    def words(self) -> str:
        """Gain and sweep as machines print them."""
        return f"gain {voltage(self.gain_uv)}/div · sweep {self.sweep_ms:g} ms/div · negative up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Room that a trace needs above and below its baseline, in divisions."""

    up: float
    down: float


def voltage(uv: float) -> str:
    """Return a voltage with its unit.

    >>> voltage(2000.0), voltage(20.0), voltage(0.5)
    ('2 mV', '20 µV', '0.5 µV')
    """
    return f"{uv / 1000:g} mV" if uv >= 1000 else f"{uv:g} µV"


def screen_for(traces: Sequence[DrawnTrace], *, most_divisions: int = _DIVISIONS_ACROSS) -> Screen:
    """Return scales that show all these traces at one gain and one time base."""
    sweep_ms, first_ms, last_ms = _times(traces, most_divisions)
    up, down = 0.0, 0.0
    for trace in traces:
        high, low = _extent(trace, last_ms)
        up, down = max(up, high), max(down, -low)
    least = min((_least_gain(trace) for trace in traces), default=1.0)
    gain_uv = round_step(max(up / _DIVISIONS_UP, down / _DIVISIONS_DOWN, least))
    return Screen(gain_uv=gain_uv, sweep_ms=sweep_ms, first_ms=first_ms, last_ms=last_ms)


def _least_gain(trace: DrawnTrace) -> float:
    technique = trace.study.technique
    return _LEAST_GAIN_UV.get(technique, 1.0) if technique is not None else 1.0


def _times(traces: Sequence[DrawnTrace], most_divisions: int) -> tuple[float, float, float]:
    """Return the time per division, and the first and the last time; whole divisions on both sides of the stimulus."""
    curves = [curve for trace in traces for curve in trace.curves if curve.time_ms.size]
    start = min((float(curve.time_ms[0]) for curve in curves), default=0.0)
    end = max((float(curve.time_ms[-1]) for curve in curves), default=1.0)
    marks = [mark.at_ms for trace in traces for mark in trace.marks]
    if marks and all(trace.marks for trace in traces):
        end = min(end, 1.2 * max(marks) + 1.0)
    shown_before = min(-min(start, 0.0), 0.1 * abs(end))
    sweep_ms = round_step(max(end - max(start, 0.0) + shown_before, 1e-3) / most_divisions)
    before = sweep_ms if shown_before > 0.25 * sweep_ms else 0.0
    first_ms = math.floor(max(start, 0.0) / sweep_ms) * sweep_ms - before
    last_ms = first_ms + max(1, math.ceil((end - first_ms) / sweep_ms - 1e-6)) * sweep_ms
    return sweep_ms, first_ms, last_ms


def _extent(trace: DrawnTrace, last_ms: float) -> tuple[float, float]:
    """Return the highest and lowest voltage that has to be seen: of the response, never of the artefact before it."""
    onset = trace.mark(1)
    first_ms = onset.at_ms if onset is not None else _AFTER_ARTEFACT_MS if trace.from_stimulus else -math.inf
    high, low = 0.0, 0.0
    for curve in trace.curves:
        seen = curve.uv[(curve.time_ms >= first_ms) & (curve.time_ms <= last_ms) & np.isfinite(curve.uv)]
        if seen.size and trace.from_stimulus:
            high, low = max(high, float(seen.max())), min(low, float(seen.min()))
        elif seen.size:
            bottom, top = np.percentile(seen, [0.5, 99.5])
            high, low = max(high, float(top)), min(low, float(bottom))
    return high, low


def lane_of(traces: Iterable[DrawnTrace], screen: Screen) -> Lane:
    """Return the room that these traces need beside each other, their numbers included."""
    extents = [_extent(trace, screen.last_ms) for trace in traces]
    up = max((high for high, _ in extents), default=0.0) / screen.gain_uv
    down = -min((low for _, low in extents), default=0.0) / screen.gain_uv
    return Lane(up=min(up, 2 * _DIVISIONS_UP) + _ROOM_UP, down=min(down, 2 * _DIVISIONS_DOWN) + _ROOM_DOWN)


def draw_grid(ax: Axes, screen: Screen, height: float, *, from_stimulus: bool, ident: str) -> None:
    """Draw the divisions of time, the stimulus at 0 and the time axis into a picture ``height`` divisions high."""
    ax.set_xlim(screen.first_ms, screen.last_ms)
    ax.set_ylim(0, height)
    ticks = screen.first_ms + screen.sweep_ms * np.arange(screen.divisions + 1)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in np.round(ticks, 6)])
    ax.set_yticks([])
    ax.grid(visible=True, axis="x", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.tick_params(axis="x", length=2.5, labelsize=7)
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    if from_stimulus and screen.first_ms <= 0 <= screen.last_ms:
        line = ax.axvline(0, color=INK, linewidth=0.7, linestyle=(0, (1, 1.5)))
        line.set_gid(f"{ident}-stimulus")
    ax.set_xlabel("ms after the stimulus" if from_stimulus else "ms from the start of the record", labelpad=2)


def draw_gain(ax: Axes, screen: Screen, height: float, *, ident: str) -> None:
    """Draw the gain as an upright bar of one division, to the right of the uppermost trace."""
    where = ax.get_yaxis_transform()
    middle = max(height - _ROOM_UP - 1.0, 0.5)
    (bar,) = ax.plot(
        [1.015] * 2, [middle - 0.5, middle + 0.5], transform=where, color=INK, linewidth=1.2, clip_on=False
    )  # fmt: skip
    bar.set_gid(f"{ident}-gain")
    ax.text(1.03, middle, voltage(screen.gain_uv), transform=where, ha="left", va="center", fontsize=7)


def draw_lane(ax: Axes, trace: DrawnTrace, screen: Screen, *, baseline: float, lane: Lane, ident: str) -> None:
    """Draw one trace around a baseline: single sweeps faintly, the measured one strongly, its marks with numbers."""
    from matplotlib.patches import Rectangle

    corner = screen.first_ms, baseline - lane.down + _CLIP
    room = corner, screen.last_ms - screen.first_ms, lane.up + lane.down - 2 * _CLIP
    clip = Rectangle(*room, transform=ax.transData)
    ax.plot([screen.first_ms, screen.last_ms], [baseline] * 2, color=GRID, linewidth=0.5, zorder=1)
    for number, sweep in enumerate(trace.sweeps):
        strong = trace.mean is None
        _plot(ax, sweep, screen, baseline, clip, ident=f"{ident}-sweep-{number}", strong=strong)
    if trace.mean is not None:
        _plot(ax, trace.mean, screen, baseline, clip, ident=f"{ident}-mean", strong=True)
        for mark in trace.marks:
            _draw_mark(ax, mark, baseline + trace.mean.at(mark.at_ms) / screen.gain_uv, ident=ident)
    if trace.remark:
        ax.text(
            screen.last_ms, baseline + lane.up - 2 * _CLIP, trace.remark, ha="right", va="top", fontsize=7,
            style="italic", zorder=5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _plot(ax: Axes, curve: Curve, screen: Screen, baseline: float, clip: object, *, ident: str, strong: bool) -> None:
    shown = (curve.time_ms >= screen.first_ms - screen.sweep_ms) & (curve.time_ms <= screen.last_ms + screen.sweep_ms)
    heights = baseline + curve.uv[shown] / screen.gain_uv
    (line,) = ax.plot(
        curve.time_ms[shown], heights, color=INK if strong else FAINT, linewidth=0.9 if strong else 0.35,
        zorder=3 if strong else 2, gid=ident,
    )  # fmt: skip
    line.set_clip_path(clip)  # type: ignore[arg-type]


def _draw_mark(ax: Axes, mark: DrawnMark, height: float, *, ident: str) -> None:
    """Draw a short upright line through the trace, its number beside it, and its 95 % interval where it is an onset."""
    name = f"{ident}-mark-{mark.number}"
    ax.plot([mark.at_ms] * 2, [height - 0.28, height + 0.28], color=INK, linewidth=0.8, zorder=4, gid=name)
    if mark.number == 1 and mark.interval_ms is not None:
        ax.plot(
            mark.interval_ms, [height] * 2, color=INK, linewidth=2.4, zorder=4, gid=f"{name}-interval",
        )  # fmt: skip
    above = mark.number in _ABOVE
    ax.text(
        mark.at_ms, height + (0.3 if above else -0.3), str(mark.number), ha="center", va="bottom" if above else "top",
        fontsize=6.5, zorder=5, gid=f"{name}-number",
    )  # fmt: skip
