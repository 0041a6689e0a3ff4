"""Pictures and pages: figures as SVG, one visit or a cohort as one self-contained HTML file.

Nothing is measured here. Figures return the text of an SVG, pages the text of an HTML file; the same results give the
same bytes. A new figure is one module here and one line in ``_HOMES``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncs.report._edits import MarkEdit
    from ncs.report.cohort import cohort_page
    from ncs.report.covariates import against_covariate_svg
    from ncs.report.trajectories import trajectories_svg
    from ncs.report.visit import visit_page
    from ncs.report.waveforms import study_svg, waveforms_svg

_HOMES = {
    "MarkEdit": "ncs.report._edits",
    "against_covariate_svg": "ncs.report.covariates",
    "cohort_page": "ncs.report.cohort",
    "study_svg": "ncs.report.waveforms",
    "trajectories_svg": "ncs.report.trajectories",
    "visit_page": "ncs.report.visit",
    "waveforms_svg": "ncs.report.waveforms",
}

__all__ = [
    "MarkEdit",
    "against_covariate_svg",
    "cohort_page",
    "study_svg",
    "trajectories_svg",
    "visit_page",
    "waveforms_svg",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ncs.report' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
