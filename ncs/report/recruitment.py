"""Recruitment curves of an H-reflex study: M wave and H reflex against the stimulus, with the fitted sigmoids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ncs.errors import InvalidInputError
from ncs.measure.h_reflex import recruitment_of
from ncs.model import Technique
from ncs.report._svg import FAINT, GRID, INK, PAGE_WIDTH_IN, drawing, shortened, to_svg
from ncs.report.tables import study_name
from ncs.results import Reason

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ncs.measure.h_reflex import Recruitment, Sigmoid
    from ncs.model import Study
    from ncs.results import VisitResult

__all__ = ["has_recruitment", "recruitment_svg"]

_HEIGHT_IN = 3.0
_M_COLOUR, _H_COLOUR = "0.45", "#b3261e"


def recruitment_svg(result: VisitResult, study_index: int, *, trace_index: int = 0, ident: str = "recruitment") -> str:
    """Return the recruitment curves of an H-reflex study as the text of an SVG element.

    Parameters
    ----------
    result
        What ``ncs.analyze`` returned.
    study_index, trace_index
        Which study, and which of its stimulation sites.
    ident
        Prefix of every id in it.

    Raises
    ------
    InvalidInputError
        When the study is no H-reflex study, or has no recruitment curve; the message says why.
    """
    study = _study(result, study_index)
    curves = _curves(result, study_index, trace_index)
    if curves is None:
        raise InvalidInputError(f"trace_index: no marked trace {trace_index} in study {study_index}")
    if isinstance(curves, Reason):
        raise InvalidInputError(f"study {study_index} has no recruitment curve: {curves.sentence}")
    site = study.traces[trace_index].stimulation_site or "site?"
    return _drawn(curves, shortened(f"{study_name(study)}, H reflex, {site}", 90), ident)


def has_recruitment(result: VisitResult, study_index: int, trace_index: int = 0) -> bool:
    """Return whether a trace has recruitment curves that can be drawn."""
    is_h_reflex = result.visit.studies[study_index].technique is Technique.H_REFLEX
    return is_h_reflex and not isinstance(_curves(result, study_index, trace_index), (Reason, type(None)))


def _curves(result: VisitResult, study_index: int, trace_index: int) -> Recruitment | Reason | None:
    """Return the curves of a trace, the reason why there are none, or ``None`` for a trace that was not marked."""
    traces = result.visit.studies[study_index].traces
    marks = {
        found.response: found.sweeps
        for found in result.marks
        if (found.study_index, found.trace_index) == (study_index, trace_index)
    }
    if not 0 <= trace_index < len(traces) or not {"cmap", "h_reflex"} <= set(marks):
        return None
    return recruitment_of(traces[trace_index], marks["cmap"], marks["h_reflex"])


def _study(result: VisitResult, study_index: int) -> Study:
    studies = result.visit.studies
    if not 0 <= study_index < len(studies) or studies[study_index].technique is not Technique.H_REFLEX:
        raise InvalidInputError(f"study_index: expected that of an H-reflex study, found {study_index}")
    return studies[study_index]


def _drawn(curves: Recruitment, title: str, ident: str) -> str:
    from matplotlib.figure import Figure

    with drawing():
        figure = Figure(figsize=(PAGE_WIDTH_IN, _HEIGHT_IN), layout="constrained")
        axes = figure.subplots()
        _curve(axes, curves, curves.sweep_m_uv, curves.m_uv, curves.m_fit, "M wave", _M_COLOUR, "s")
        _curve(axes, curves, curves.sweep_h_uv, curves.h_uv, curves.h_fit, "H reflex", _H_COLOUR, "o")
        axes.set_title(title, loc="left", fontsize=8.5, color=INK)
        axes.set_xlabel("stimulus intensity (mA)")
        axes.set_ylabel("peak-to-peak amplitude (mV)")
        axes.set_ylim(bottom=0.0)
        axes.grid(color=GRID, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
        return to_svg(figure, ident=ident, title=title)


def _curve(
    axes: Axes,
    curves: Recruitment,
    sweeps_uv: NDArray[np.float64],
    means_uv: NDArray[np.float64],
    fit: Sigmoid | None,
    name: str,
    colour: str,
    marker: str,
) -> None:
    """Draw single sweeps, their means, and the sigmoid as far as it was fitted."""
    axes.plot(curves.sweep_intensity_ma, sweeps_uv / 1000, marker, color=FAINT, markersize=2.0)
    axes.plot(curves.intensity_ma, means_uv / 1000, marker, color=colour, markersize=3.5, label=name)
    if fit is None:
        return
    last = curves.intensity_ma[-1] if name == "M wave" else curves.intensity_ma[curves.largest_h]
    at = np.linspace(curves.intensity_ma[0], last, 200)
    label = f"sigmoid, half at {fit.half_ma:.2f} mA"
    axes.plot(at, fit.at(at) / 1000, "-", color=colour, linewidth=1.0, label=label)
