"""Measurements as text: display unit, digits, standard deviation, and footnotes for what is missing.

What is printed in which unit stands in ``ncs.quantities``; reasons in words stand in ``ncs.results``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncs.quantities import QUANTITIES

if TYPE_CHECKING:
    from ncs.results import Measurement

__all__ = ["FLAGS", "SD_SENTENCE", "Notes", "heading", "number"]

SD_SENTENCE = "± one standard deviation, as far as it follows from the noise of the recording"
FLAGS = {
    "initial_positivity": "a positive deflection comes before the response: check the electrode",
    "multiple_peaks": "several negative peaks",
    "artefact_tail": "the stimulus artefact runs into the response",
    "no_baseline_before_stimulus": "no baseline before the stimulus was recorded",
}


class Notes:
    """Footnotes of a table: every sentence gets one letter, in the order of appearance."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}
        self.has_sd = False

    def mark(self, sentence: str) -> str:
        """Return the mark of a sentence, such as ``(a)``."""
        return f"({self._letters.setdefault(sentence, _letter(len(self._letters)))})"

    def lines(self) -> list[str]:
        """Return the footnotes, one per line."""
        lines = [SD_SENTENCE] if self.has_sd else []
        return lines + [f"({letter}) {sentence}" for sentence, letter in self._letters.items()]


def _letter(number: int) -> str:
    """Return a letter, or two after the 26th: a, b, …, z, aa, ab."""
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)


def heading(quantity: str) -> str:
    """Return the heading of a column: label, and the unit below it."""
    row = QUANTITIES[quantity]
    return row.label if row.display_unit == "1" else f"{row.label}\n{row.display_unit}"


def number(measurement: Measurement | None, notes: Notes) -> str:
    """Return a measurement in its display unit, or the footnote that says why there is none."""
    if measurement is None:
        return ""
    if measurement.value is None:
        return notes.mark(measurement.reason.sentence if measurement.reason is not None else "not stated why")
    row = QUANTITIES[measurement.quantity]
    text = _fixed(measurement.value * row.display_factor, row.decimals)
    if measurement.sd is None or not math.isfinite(measurement.sd):
        return text
    notes.has_sd = True
    sd = _fixed(measurement.sd * row.display_factor, row.decimals)
    if float(sd) == 0 and measurement.sd > 0:
        sd = f"<{10.0**-row.decimals:.{row.decimals}f}"
    return f"{text} ±{sd}"


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text
