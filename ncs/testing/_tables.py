"""Tables in plain text, for messages that no terminal lays out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MOST_ROWS", "text_table"]

MOST_ROWS = 40
"""Rows of a message; more of them would bury the first."""
_GAP = "  "


def text_table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], *, most: int = MOST_ROWS) -> str:
    """Return rows under their headings, as lines of text; ``columns`` are ``(heading, "left" | "right")``.

    >>> print(text_table([("field", "left"), ("ms", "right")], [["onset", "3.4"], ["peak", "10.25"]]))
    field     ms
    onset    3.4
    peak   10.25
    """
    from ncs.report.numbers import clean

    shown = [[heading for heading, _ in columns], *([clean(cell) for cell in row] for row in rows[:most])]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = [
        _GAP.join(
            cell.rjust(width) if justify == "right" else cell.ljust(width)
            for cell, width, (_, justify) in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in shown
    ]
    if len(rows) > most:
        lines.append(f"… and {len(rows) - most} more")
    return "\n".join(lines)
