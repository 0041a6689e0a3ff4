"""Late responses sweep under sweep: every stimulus of a series with its onset, as on an EMG machine.

The M wave is drawn at a gain of its own, up to a dashed line; from there on the gain is that of the late responses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ncs.detect.late import LATE
from ncs.detect.marks import Flag, Outcome
from ncs.errors import InvalidInputError
from ncs.report._screen import voltage
from ncs.report._svg import BOLD, FAINT, GRID, INK, PAGE_WIDTH_IN, drawing, round_step, shortened, to_svg
from ncs.report._traces import every_sweep
from ncs.report.tables import study_name, technique_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ncs.detect.marks import Marks
    from ncs.model import Study, Trace
    from ncs.report._traces import Curve
    from ncs.results import Measurement, VisitResult

__all__ = ["has_raster", "raster_svg"]

_MARK: Final = "#b3261e"
_A_WAVE: Final = "#1f4e9c"
_LEFT_IN, _RIGHT_IN, _HEAD_IN, _FOOT_IN = 0.75, 0.95, 0.62, 0.72
_ROW_IN: Final = 0.24
_LEAST_ROW_IN: Final = 0.075
_HIGHEST_IN: Final = 9.0
_ROOM: Final = 1.2
"""Rows above the first and below the last one, so that their waves are not cut."""
_REACH: Final = 1.4
"""How far a wave may reach into the rows of its neighbours, in rows."""
_LATE_DIVISIONS: Final = 1.3
"""A usual late response is this many rows high."""
_M_DIVISIONS: Final = 1.6
_CALM: Final = 2.0
"""The gain changes where what all sweeps share has come back to so many rows."""
_APART: Final = 5.0
"""With less than this between the two gains, one serves both."""
_LEAST_GAIN_UV, _USUAL_GAIN_UV = 20.0, 200.0
_BEFORE_LATE_MS: Final = 2.0
_AFTER_LATE_MS: Final = 15.0
_NUMBERED: Final = 30
"""With more rows than this, only every fifth is numbered."""


def has_raster(result: VisitResult, study_index: int, trace_index: int = 0) -> bool:
    """Return whether a trace has a late response whose sweeps can be drawn."""
    return _response(result, study_index, trace_index) is not None


def raster_svg(result: VisitResult, study_index: int, *, trace_index: int = 0, ident: str = "raster") -> str:
    """Draw every sweep of a trace with a late response, the first above, as the text of an SVG element.

    Parameters
    ----------
    result
        What ``ncs.analyze`` returned.
    study_index, trace_index
        Which study, and which of its stimulation sites.
    ident
        Prefix of every id in it.

    Returns
    -------
    str
        Negative is up. Each onset has its 95 % interval; repeats of an earlier wave are open, and a sweep in which an A
        wave was left out has an A. A dashed line stands at the minimum latency.

    Raises
    ------
    InvalidInputError
        When there is no such study or trace, or none of its sweeps has a late response to look for.
    """
    response = _response(result, study_index, trace_index)
    if response is None:
        raise InvalidInputError(
            f"study_index: expected a study with marked F waves or H reflexes, found study {study_index}, "
            f"trace {trace_index}"
        )
    study = result.visit.studies[study_index]
    series = _series(result, study_index, trace_index, response)
    title = f"{study_name(study)}, {technique_words(study.technique)}, recorded from {study.recording_site or '?'}"
    with drawing():
        figure, ax = _sheet(series)
        _rows(ax, series, ident="sweep")
        _scales(ax, series)
        _head(figure, shortened(title, 90), _conditions(series, study.traces[trace_index]))
        _foot(figure, series)
        return to_svg(figure, ident=ident, title=f"{title}: {len(series.curves)} sweeps")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Series:
    """What is drawn: sweeps, marks, and scales; voltages per row, times in ms."""

    response: str
    study: Study
    curves: tuple[Curve, ...]
    marks: Marks
    labels: tuple[str, ...]
    minimum_ms: float | None
    split_ms: float
    first_ms: float
    last_ms: float
    early_gain_uv: float
    late_gain_uv: float

    @property
    def is_split(self) -> bool:
        """Whether there are two gains."""
        return self.early_gain_uv != self.late_gain_uv


def _response(result: VisitResult, study_index: int, trace_index: int) -> str | None:
    for found in result.marks:
        if (found.study_index, found.trace_index) == (study_index, trace_index) and found.response in LATE:
            return found.response
    return None


def _series(result: VisitResult, study_index: int, trace_index: int, response: str) -> _Series:
    study = result.visit.studies[study_index]
    trace = study.traces[trace_index]
    here = {
        found.response: found
        for found in result.marks
        if (found.study_index, found.trace_index) == (study_index, trace_index)
    }
    marks = here[response].sweeps
    direct = here["cmap"].sweeps if "cmap" in here else None
    curves = every_sweep(trace)
    early, late = _gains(marks, direct, response)
    name = {"f_wave": "f_minimum_latency", "h_reflex": "h_latency"}[response]
    return _Series(
        response=response, study=study, curves=curves, marks=marks, labels=_labels(trace, response),
        minimum_ms=_measured(result, study_index, trace.stimulation_site, name),
        split_ms=_split(curves, marks, late, response), early_gain_uv=early, late_gain_uv=late,
        first_ms=max(-2.0, min((float(c.time_ms[0]) for c in curves if np.isfinite(c.time_ms[0])), default=0.0)),
        last_ms=_last(curves, marks),
    )  # fmt: skip


def _gains(marks: Marks, direct: Marks | None, response: str) -> tuple[float, float]:
    """Return microvolts in a row for the M wave and for the late responses; one for both where they are of a size."""
    late = _usual(marks.peak_to_peak_uv, most=not LATE[response].varies)
    late_gain = round_step(max(late / _LATE_DIVISIONS, _LEAST_GAIN_UV)) if math.isfinite(late) else _USUAL_GAIN_UV
    early = _usual(direct.peak_uv, most=True) if direct is not None else math.nan
    early_gain = round_step(early / _M_DIVISIONS) if early > 0 else late_gain
    if early_gain < _APART * late_gain:
        early_gain = late_gain = max(early_gain, late_gain)
    return early_gain, late_gain


def _usual(values: NDArray[np.float64], *, most: bool) -> float:
    """Return a usual height of single sweeps, or the largest; NaN without any."""
    known = values[np.isfinite(values)]
    return float(known.max() if most else np.median(known)) if known.size else math.nan


def _split(curves: tuple[Curve, ...], marks: Marks, gain_uv: float, response: str) -> float:
    """Return where the gain changes: before the first late response, as soon as what the sweeps share has calmed."""
    onsets = marks.onset_ms[np.isfinite(marks.onset_ms)]
    latest = float(onsets.min()) - _BEFORE_LATE_MS if onsets.size else math.inf
    start = min(LATE[response].earliest_ms, latest)
    usable = [curve for curve in curves if np.isfinite(curve.time_ms[0]) and np.isfinite(curve.uv).all()]
    if not usable:
        return start
    n = min(curve.uv.size for curve in usable)
    shared, time_ms = np.median([curve.uv[:n] for curve in usable], axis=0), usable[0].time_ms[:n]
    after = time_ms > start
    if not after.any():
        return start
    loud = np.abs(shared - np.median(shared[after])) > _CALM * gain_uv
    before = np.flatnonzero(loud & after & (time_ms < min(latest, 2.0 * start)))
    return float(time_ms[before[-1]]) if before.size else start


def _last(curves: tuple[Curve, ...], marks: Marks) -> float:
    """Return the time at which the picture ends."""
    last = max((float(c.time_ms[-1]) for c in curves if np.isfinite(c.time_ms[-1])), default=1.0)
    ends = marks.end_ms[np.isfinite(marks.end_ms)]
    return min(last, float(ends.max()) + _AFTER_LATE_MS) if ends.size else last


def _labels(trace: Trace, response: str) -> tuple[str, ...]:
    """Return what stands to the left of each sweep: its number, or its current in a recruitment series."""
    current = trace.stimulus.intensity_ma
    if response == "h_reflex" and current is not None:
        return tuple(f"{x:.3g} mA" if math.isfinite(x) else "? mA" for x in current)
    several = trace.n_sweeps > _NUMBERED
    return tuple("" if several and i % 5 else str(i) for i in range(1, trace.n_sweeps + 1))


def _measured(result: VisitResult, study_index: int, site: str | None, name: str) -> float | None:
    found: list[Measurement] = [
        m for m in result.measurements if m.study_index == study_index and m.quantity == name and m.site == site
    ]
    return found[0].value if found else None


def _sheet(series: _Series) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    n = len(series.curves)
    row = max(_LEAST_ROW_IN, min(_ROW_IN, (_HIGHEST_IN - _HEAD_IN - _FOOT_IN) / (n + 2 * _ROOM)))
    height = _HEAD_IN + _FOOT_IN + row * (n + 2 * _ROOM)
    figure = Figure(figsize=(PAGE_WIDTH_IN, height))
    wide = PAGE_WIDTH_IN - _LEFT_IN - _RIGHT_IN
    box = (_LEFT_IN / PAGE_WIDTH_IN, _FOOT_IN / height, wide / PAGE_WIDTH_IN, 1 - (_HEAD_IN + _FOOT_IN) / height)
    ax = figure.add_axes(box)
    ax.set_xlim(series.first_ms, series.last_ms)
    ax.set_ylim(n - 1 + _ROOM, -_ROOM)
    ax.set_yticks([])
    ax.grid(visible=True, axis="x", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.tick_params(axis="x", length=2.5, labelsize=7)
    ax.spines[["left", "right", "top"]].set_visible(False)
    ax.set_xlabel("ms after the stimulus", labelpad=2)
    return figure, ax


def _rows(ax: Axes, series: _Series, *, ident: str) -> None:
    beside = ax.get_yaxis_transform()
    size = 6.5 if len(series.curves) <= _NUMBERED else 5.0
    for k, curve in enumerate(series.curves):
        late = _drawn(ax, series, curve, k, ident=f"{ident}-{k + 1}")
        ax.text(-0.015, k, series.labels[k], transform=beside, ha="right", va="center", fontsize=size)
        words, colour = _words(series, k)
        if words and (series.labels[k] or len(series.curves) <= _NUMBERED or colour != INK):
            ax.text(1.015, k, words, transform=beside, ha="left", va="center", fontsize=size, color=colour)
        if math.isfinite(series.marks.onset_ms[k]):
            _onset(ax, series, k, late, ident=f"{ident}-{k + 1}")


def _drawn(ax: Axes, series: _Series, curve: Curve, row: int, *, ident: str) -> Curve:
    """Draw one sweep in its row, each part at its gain, and return the late part."""
    from matplotlib.patches import Rectangle

    room = Rectangle((series.first_ms, row - _REACH), series.last_ms - series.first_ms, 2 * _REACH)
    room.set_transform(ax.transData)
    inside = (curve.time_ms >= series.first_ms) & (curve.time_ms <= series.last_ms)
    after = inside & ((curve.time_ms > series.split_ms) | (not series.is_split))
    late = curve.uv
    if series.is_split and np.isfinite(curve.uv[after]).any():
        late = curve.uv - float(np.nanmedian(curve.uv[after]))
    is_judged = series.marks.outcome[row] != Outcome.INVALID_INPUT
    for shown, uv, gain, part in (
        (inside & ~after, curve.uv, series.early_gain_uv, "early"), (after, late, series.late_gain_uv, "late"),
    ):  # fmt: skip
        (line,) = ax.plot(
            curve.time_ms[shown], row - uv[shown] / gain, color=INK if is_judged else FAINT, linewidth=0.6,
            gid=f"{ident}-{part}",
        )  # fmt: skip
        line.set_clip_path(room)
    return type(curve)(time_ms=curve.time_ms, uv=late)


def _onset(ax: Axes, series: _Series, row: int, late: Curve, *, ident: str) -> None:
    """Draw the onset of one sweep with its 95 % interval: a filled triangle, an open one for a repeat."""
    at, sd = float(series.marks.onset_ms[row]), float(series.marks.onset_sd_ms[row])
    height = row - max(min(late.at(at) / series.late_gain_uv, _REACH), -_REACH)
    if math.isfinite(sd):
        ends = [at - 1.96 * sd, at + 1.96 * sd]
        ax.plot(ends, [height] * 2, color=_MARK, linewidth=1.0, zorder=4, gid=f"{ident}-interval")
    is_repeat = bool(series.marks.flags[row] & Flag.REPEATER)
    ax.plot(
        [at], [height], marker="o" if is_repeat else "|", markersize=4.0 if is_repeat else 7.0, color=_MARK,
        markerfacecolor="white", markeredgewidth=1.1, zorder=5, gid=f"{ident}-onset",
    )  # fmt: skip


def _words(series: _Series, row: int) -> tuple[str, str]:
    """Return what stands to the right of a sweep, and its colour."""
    outcome, flags = Outcome(int(series.marks.outcome[row])), int(series.marks.flags[row])
    onset = float(series.marks.onset_ms[row])
    if outcome is Outcome.INVALID_INPUT:
        return "not usable", FAINT
    words = f"{onset:.2f}" if math.isfinite(onset) else "none" if outcome is Outcome.NO_RESPONSE else "not timed"
    letters = [letter for flag, letter in ((Flag.REPEATER, "R"), (Flag.A_WAVE, "A")) if flags & flag]
    return " ".join([words, *letters]), _A_WAVE if flags & Flag.A_WAVE else INK


def _scales(ax: Axes, series: _Series) -> None:
    """Draw where the gain changes, one division of each gain, and the minimum latency."""
    top = -_ROOM
    if series.first_ms <= 0:
        ax.axvline(0, color=INK, linewidth=0.7, linestyle=(0, (1, 1.5)), gid="stimulus")
    if series.is_split:
        ax.axvline(series.split_ms, color="0.45", linewidth=0.7, linestyle=(0, (4, 2)), gid="split")
        middle = (max(series.first_ms, 0.0) + series.split_ms) / 2
        ax.text(middle, top, f"{voltage(series.early_gain_uv)}/row", ha="center", va="bottom", fontsize=7)
    middle = ((series.split_ms if series.is_split else series.first_ms) + series.last_ms) / 2
    ax.text(middle, top, f"{voltage(series.late_gain_uv)}/row", ha="center", va="bottom", fontsize=7)
    if series.minimum_ms is not None:
        ax.axvline(series.minimum_ms, color=_MARK, linewidth=0.8, linestyle=(0, (5, 2)), zorder=1, gid="minimum")


def _head(figure: Figure, title: str, conditions: str) -> None:
    height = float(figure.get_size_inches()[1])
    figure.text(0.0, 1 - 0.02 / height, title, ha="left", va="top", fontsize=9, weight=BOLD)
    figure.text(0.0, 1 - 0.21 / height, conditions, ha="left", va="top", fontsize=7.5)


def _conditions(series: _Series, trace: Trace) -> str:
    site = trace.stimulation_site or "site?"
    n = len(series.curves)
    gains = voltage(series.late_gain_uv)
    if series.is_split:
        gains = f"{voltage(series.early_gain_uv)}, after the dashed line {gains}"
    return shortened(f"{site} · {n} sweeps, the first above · a row is {gains} · negative up", 125)


def _foot(figure: Figure, series: _Series) -> None:
    words = ["| onset (bar: 95 % interval), in ms to the right"]
    flags = int(np.bitwise_or.reduce(series.marks.flags.astype(int))) if len(series.curves) else 0
    if flags & Flag.REPEATER:
        words.append("o, R: repeat of an earlier wave")
    if flags & Flag.A_WAVE:
        words.append("blue, A: with an A wave, which was left out")
    lines = [" · ".join(words)]
    if series.minimum_ms is not None:
        name = "minimum F latency" if series.response == "f_wave" else "latency of the largest H reflex"
        lines.append(f"red dashed line: {name}, {series.minimum_ms:.2f} ms")
    for number, line in enumerate(reversed(lines)):
        low = (0.05 + 0.14 * number) / float(figure.get_size_inches()[1])
        figure.text(0.0, low, line, ha="left", va="bottom", fontsize=7)
