"""Data frames as CSV or JSON, alike for every verb."""

from __future__ import annotations

from typing import Any

from ncs.cli._documents import document, frame_entries
from ncs.cli._options import OutputFormat
from ncs.cli._output import clean, print_json, print_lines

__all__ = ["print_csv", "print_frame"]


def print_csv(frame: Any) -> None:
    """Print a data frame as CSV, freed of control characters."""
    safe = frame.apply(lambda column: [clean(cell) if isinstance(cell, str) else cell for cell in column])
    print_lines(*safe.to_csv(index=False, lineterminator="\n").rstrip("\n").split("\n"))


def print_frame(frame: Any, output: OutputFormat, key: str) -> None:
    """Print a data frame as CSV, or as a JSON document with its rows under a key."""
    if output is OutputFormat.CSV:
        print_csv(frame)
    else:
        print_json(document(**{key: frame_entries(frame)}))
