"""ncs: nerve conduction studies from a machine's export to the change between visits.

The public interface is what ``__all__`` names. Everything heavy is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncs import detect, simulate, testing
    from ncs.analysis import analyze
    from ncs.batch import BatchSummary, analyze_files
    from ncs.errors import NcsError
    from ncs.exchange import from_mne, to_mne
    from ncs.io import read
    from ncs.longitudinal import ChangeTable, change
    from ncs.model import Filters, Provenance, Side, Stimulus, Study, Subject, Technique, Trace, Visit
    from ncs.results import Measurement, Reason, VisitResult
    from ncs.store import open_store

__version__ = "0.1.0"

_HOMES = {
    "BatchSummary": "ncs.batch",
    "ChangeTable": "ncs.longitudinal",
    "Filters": "ncs.model",
    "Measurement": "ncs.results",
    "NcsError": "ncs.errors",
    "Provenance": "ncs.model",
    "Reason": "ncs.results",
    "Side": "ncs.model",
    "Stimulus": "ncs.model",
    "Study": "ncs.model",
    "Subject": "ncs.model",
    "Technique": "ncs.model",
    "Trace": "ncs.model",
    "Visit": "ncs.model",
    "VisitResult": "ncs.results",
    "analyze": "ncs.analysis",
    "analyze_files": "ncs.batch",
    "change": "ncs.longitudinal",
    "from_mne": "ncs.exchange",
    "open_store": "ncs.store",
    "read": "ncs.io",
    "to_mne": "ncs.exchange",
}
_MODULES = ("detect", "simulate", "testing")

__all__ = [
    "BatchSummary",
    "ChangeTable",
    "Filters",
    "Measurement",
    "NcsError",
    "Provenance",
    "Reason",
    "Side",
    "Stimulus",
    "Study",
    "Subject",
    "Technique",
    "Trace",
    "Visit",
    "VisitResult",
    "analyze",
    "analyze_files",
    "change",
    "detect",
    "from_mne",
    "open_store",
    "read",
    "simulate",
    "testing",
    "to_mne",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"ncs.{name}")
    else:
        raise AttributeError(f"module 'ncs' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
