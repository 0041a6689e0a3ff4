"""Measurements as text: display unit, digits, standard deviation, and footnotes for what is missing.

What is printed in which unit stands in ``ncs.quantities``; reasons in words stand in ``ncs.results``. The terminal and
the pages both print through this module.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncs.quantities import QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ncs.results import Measurement

__all__ = [
    "FLAGS", "SD_SENTENCE", "Notes", "clean", "display_unit", "fixed", "flag_words", "missing_sentence", "number",
    "quantity_words", "signed",
]  # fmt: skip

SD_SENTENCE = "± one standard deviation, as far as it follows from the noise of the recording"
FLAGS = {
    "initial_positivity": "a positive deflection comes before the response: check the electrode",
    "multiple_peaks": "several negative peaks",
    "artefact_tail": "the stimulus artefact runs into the response",
    "no_baseline_before_stimulus": "no baseline before the stimulus was recorded",
    "stimulus_from_artefact": "no stimulus time is stated: the beginning of the artefact was taken for it",
    "edited": "a mark was moved by hand",
    "few_stimuli": "fewer stimuli than this figure needs (the method says how many)",
    "no_m_wave": "no M wave was measured: absent F waves say nothing by themselves",
    "onset_at_positive_peak": "orthodromic: the latency is that of the initial positive peak",
    "no_initial_positive_peak": "orthodromic, but no initial positive peak stands above the noise",
    "direction_not_stated": (
        "a positive peak comes first and nothing states the direction: if orthodromic, its time is the latency"
    ),
    "methods_disagree": "named onset rules contradict the onset: look at it",
    "spread_exceeds_sd": "the onsets of single sweeps spread more than their stated standard deviations allow",
    "sweeps_rejected": "sweeps with artefacts were left out of the average",
    "low_cut_not_stated": "the low-frequency filter is not stated: no limit of a duration applies",
    "distance_not_stated": "the distance is not stated: no limit of a latency applies",
    "short_segment": "over less than 10 cm: small errors of distance or latency weigh much",
    "submaximal_suspected": "the proximal response is larger than the distal one: distal stimulus not supramaximal?",
    "martin_gruber_1_suspected": (
        "pattern of a Martin-Gruber anastomosis to the hypothenar (type I), or conduction block in the forearm: "
        "stimulate the median nerve at the elbow, recording here"
    ),
    "martin_gruber_2_suspected": (
        "pattern of a Martin-Gruber anastomosis to the first dorsal interosseous (type II), or conduction block in the "
        "forearm: stimulate the median nerve at the elbow, recording here"
    ),
    "martin_gruber_3_suspected": (
        "pattern of a Martin-Gruber anastomosis to the thenar (type III), or a submaximal stimulus at the wrist: "
        "stimulate the ulnar nerve at wrist and elbow, recording here"
    ),
    "accessory_fibular_suspected": (
        "pattern of an accessory deep fibular nerve, or a submaximal stimulus at the ankle: stimulate behind the "
        "lateral malleolus"
    ),
}

_SAID_IN_METHOD = {"sweeps_rejected": " rejected", "spread_exceeds_sd": "onsets of "}
"""Flags whose numbers stand in the method: what the part of the method that has them contains."""

_ABBREVIATIONS = frozenset({"cmap", "snap"})


def clean(text: object) -> str:
    r"""Return text that obeys nobody: control and invisible characters, which terminals and XML mind, become spaces.

    >>> clean("S01\x1b[31m\n[bold]")
    'S01 [31m [bold]'
    """
    return "".join(letter if letter.isprintable() else " " for letter in str(text))


def flag_words(flag: str, measurements: Iterable[Measurement]) -> str:
    """Return what a flag of measurements says, with the numbers that their method has for it."""
    wanted = _SAID_IN_METHOD.get(flag)
    parts = [part for m in measurements if flag in m.flags for part in m.method.split("; ")] if wanted else []
    numbers = next((part.partition(" (left out")[0] for part in parts if wanted is not None and wanted in part), "")
    return ": ".join(filter(None, (FLAGS[flag], numbers)))


def quantity_words(name: str) -> str:
    """Return the name of a quantity as a person writes it.

    >>> quantity_words("cmap_amplitude")
    'CMAP amplitude'
    """
    return " ".join(word.upper() if word in _ABBREVIATIONS else word for word in name.split("_"))


def display_unit(quantity: str) -> str:
    """Return the unit in which a quantity is printed; empty for a ratio."""
    unit = QUANTITIES[quantity].display_unit
    return "" if unit == "1" else unit


class Notes:
    """Footnotes of a table: every sentence gets one letter, in the order of appearance."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}
        self.has_sd = False

    def mark(self, sentence: str) -> str:
        """Return the mark of a sentence, such as ``(a)``."""
        return f"({self._letters.setdefault(sentence, _letter(len(self._letters)))})"

    def missing(self, measurement: Measurement) -> str:
        """Return what stands in the place of a number that is missing."""
        return self.mark(missing_sentence(measurement))

    def lines(self) -> list[str]:
        """Return the footnotes, one per line."""
        lines = [SD_SENTENCE] if self.has_sd else []
        return lines + [f"({letter}) {sentence}" for sentence, letter in self._letters.items()]


def _letter(number: int) -> str:
    """Return a letter, or two after the 26th: a, b, …, z, aa, ab."""
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)


def missing_sentence(measurement: Measurement) -> str:
    """Return why a measurement has no value, in words."""
    return measurement.reason.sentence if measurement.reason is not None else "not stated why"


def number(measurement: Measurement | None, notes: Notes) -> str:
    """Return a measurement in its display unit, or the footnote that says why there is none."""
    if measurement is None:
        return ""
    if measurement.value is None:
        return notes.missing(measurement)
    row = QUANTITIES[measurement.quantity]
    text = fixed(measurement.value * row.display_factor, row.decimals)
    if measurement.sd is None or not math.isfinite(measurement.sd):
        return text
    notes.has_sd = True
    sd = fixed(measurement.sd * row.display_factor, row.decimals)
    if float(sd) == 0 and measurement.sd > 0:
        sd = f"<{10.0**-row.decimals:.{row.decimals}f}"
    return f"{text} ±{sd}"


def fixed(value: float, decimals: int) -> str:
    """Return a number with so many decimals, never ``-0``."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def signed(value: float, decimals: int) -> str:
    """Return a difference with its sign; zero has none.

    >>> signed(7.04, 1), signed(-0.01, 1)
    ('+7.0', '0.0')
    """
    text = fixed(value, decimals)
    if text.startswith("-"):
        return f"\N{MINUS SIGN}{text[1:]}"
    return text if float(text) == 0 else f"+{text}"
