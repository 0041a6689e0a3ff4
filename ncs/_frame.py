"""Measurements as rows of a long table: the one place that fixes its columns."""

from __future__ import annotations

import math
from typing import Any

from ncs.results import Measurement, VisitResult

__all__ = ["COLUMNS", "measurement_rows"]

COLUMNS = (
    "subject", "date", "nerve", "side", "technique", "recording_site", "site", "segment", "quantity", "value", "sd",
    "unit", "reason", "method", "distance_mm", "skin_temperature_c", "flags", "source", "sha256", "version",
)  # fmt: skip


def measurement_rows(result: VisitResult) -> dict[str, list[Any]]:
    """Return the long table of a result as columns."""
    source = result.sources[0] if result.sources else None
    fixed = {
        "subject": result.subject.id,
        "date": result.date.isoformat() if result.date is not None else None,
        "source": source.name if source is not None else None,
        "sha256": source.sha256 if source is not None else None,
        "version": result.version,
    }
    return {column: [_cell(column, m, fixed) for m in result.measurements] for column in COLUMNS}


def _cell(column: str, measurement: Measurement, fixed: dict[str, Any]) -> Any:
    if column in fixed:
        return fixed[column]
    value = getattr(measurement, column)
    if column in {"value", "sd", "distance_mm", "skin_temperature_c"}:
        return math.nan if value is None else value
    if column == "flags":
        return ";".join(value)
    return str(value) if value is not None else None
