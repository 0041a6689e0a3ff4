"""Nerve, side, technique, recording site and filters out of the free text of recording fields and channel labels.

Only whole, unambiguous words count: two nerves or two sides give none. New words go into the tables.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ncs.io._remembered import remembered
from ncs.io._sites import split_side
from ncs.model import Direction, Filters, Side, Technique

__all__ = [
    "LabelWords", "StudyWords", "direction_of", "parse_filters", "read_label", "read_study_words", "technique_of",
]  # fmt: skip

_TECHNIQUES = {
    **dict.fromkeys(("cmap", "mcs", "mcv", "mnc", "mncs", "mncv", "motor"), Technique.MOTOR),
    **dict.fromkeys(("antidromic", "orthodromic", "scs", "scv", "sensory", "snap", "snc", "sncs", "sncv"),
                    Technique.SENSORY),
    **dict.fromkeys(("mixed", "mixednerve"), Technique.MIXED),
    **dict.fromkeys(("fwave", "fwaves"), Technique.F_WAVE),
    **dict.fromkeys(("hreflex", "hwave"), Technique.H_REFLEX),
    **dict.fromkeys(("rns", "repetitive"), Technique.REPETITIVE_STIMULATION),
    **dict.fromkeys(("blink", "blinkreflex"), Technique.BLINK_REFLEX),
    "inching": Technique.INCHING,
    "cmapscan": Technique.CMAP_SCAN,
}  # fmt: skip
_NERVES = {
    ("accessory",): "accessory",
    ("axillary",): "axillary",
    ("common", "fibular"): "fibular",
    ("common", "peroneal"): "fibular",
    ("deep", "fibular"): "deep fibular",
    ("deep", "peroneal"): "deep fibular",
    ("dorsal", "ulnar", "cutaneous"): "dorsal ulnar cutaneous",
    ("facial",): "facial",
    ("femoral",): "femoral",
    ("fibular",): "fibular",
    ("lateral", "antebrachial", "cutaneous"): "lateral antebrachial cutaneous",
    ("lateral", "femoral", "cutaneous"): "lateral femoral cutaneous",
    ("lateral", "plantar"): "lateral plantar",
    ("medial", "antebrachial", "cutaneous"): "medial antebrachial cutaneous",
    ("medial", "plantar"): "medial plantar",
    ("median",): "median",
    ("medianus",): "median",
    ("musculocutaneous",): "musculocutaneous",
    ("peroneal",): "fibular",
    ("phrenic",): "phrenic",
    ("posterior", "tibial"): "tibial",
    ("radial",): "radial",
    ("saphenous",): "saphenous",
    ("sciatic",): "sciatic",
    ("superficial", "fibular"): "superficial fibular",
    ("superficial", "peroneal"): "superficial fibular",
    ("superficial", "radial"): "superficial radial",
    ("suprascapular",): "suprascapular",
    ("sural",): "sural",
    ("tibial",): "tibial",
    ("ulnar",): "ulnar",
}
_MUSCLES = frozenset({("anterior", "tibial"), ("tibial", "anterior")})
_LONGEST_NAME = max(map(len, _NERVES))
# They say what was recorded, never where.
_PREFIXES = frozenset(
    {"blink", "cmap", "eeg", "emg", "eng", "ep", "mcs", "mnc", "mncs", "mncv", "nc", "ncs", "ncv", "rns", "scs", "snap",
     "snc", "sncs", "sncv"}
)  # fmt: skip
_NUMBERED = re.compile(r"(?:ai|amp|ch|chan|channel|eeg|emg|eng|nc|signal|trace)?[\s_-]*\d*\Z", re.IGNORECASE)
_WORDS = re.compile(r"[^\W_]+")
_LONGEST_TEXT = 200
_FILTER = re.compile(r"\b(HP|LP|N|Notch)\s*:\s*(\d{1,9}(?:\.\d{1,9})?)\s*(k?)Hz", re.IGNORECASE)


class StudyWords(NamedTuple):
    """What a text says about the study; ``None`` where it says nothing or too much."""

    nerve: str | None
    side: Side | None
    technique: Technique | None


class LabelWords(NamedTuple):
    """What a channel label says."""

    site: str | None
    words: StudyWords


@remembered
def technique_of(text: str) -> Technique | None:
    """Return the technique a single word names, or ``None``."""
    word = text.strip().lower()
    return next((technique for technique in Technique if technique.value == word), None) or _TECHNIQUES.get(word)


@remembered
def direction_of(text: str) -> Direction | None:
    """Return the direction that a text names, ``None`` where it names none or both.

    >>> direction_of("SNC R Median orthodromic").value
    'orthodromic'
    """
    words = {word.lower() for word in _WORDS.findall(text[:_LONGEST_TEXT])}
    found = [direction for direction in Direction if direction.value in words]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=256)
def read_study_words(text: str, *, is_structured: bool = True) -> StudyWords:
    """Return nerve, side and technique named by a free text.

    Parameters
    ----------
    text
        What follows the fixed subfields of an EDF+ recording field, or a label.
    is_structured
        Whether names of people can be ruled out. If not, a single letter L or R counts as a side only beside a word
        of nerve or technique.

    Examples
    --------
    >>> words = read_study_words("MNC R Median Nerve.")
    >>> words.nerve, words.side.value, words.technique.value
    ('median', 'right', 'motor')
    >>> read_study_words("Dr L Smith", is_structured=False).side is None
    True
    """
    tokens = _WORDS.findall(text[:_LONGEST_TEXT])
    lower = [token.lower() for token in tokens]
    techniques = {_TECHNIQUES[word] for word in lower if word in _TECHNIQUES}
    nerves = _find_nerves(lower)
    sides = {side for index, side in _sides(tokens) if is_structured or _is_beside_study_word(lower, index)}
    return StudyWords(
        nerve=nerves.pop() if len(nerves) == 1 else None,
        side=sides.pop() if len(sides) == 1 else None,
        technique=techniques.pop() if len(techniques) == 1 else None,
    )


def _find_nerves(words: list[str]) -> set[str]:
    found: set[str] = set()
    index = 0
    while index < len(words):
        if tuple(words[index : index + 2]) in _MUSCLES:
            index += 2
            continue
        for length in range(_LONGEST_NAME, 0, -1):
            name = _NERVES.get(tuple(words[index : index + length]))
            if name is not None:
                found.add(name)
                index += length - 1
                break
        index += 1
    return found


def _sides(tokens: list[str]) -> list[tuple[int, Side]]:
    # An equipment or technician code may be in lower case; the side of a study never is a lone small letter.
    found = []
    for index, token in enumerate(tokens):
        side, rest = split_side(token)
        if side is not None and not rest and token not in {"l", "r"}:
            found.append((index, side))
    return found


def _is_beside_study_word(words: list[str], index: int) -> bool:
    if len(words[index]) > 1:
        return True
    beside = words[max(index - 1, 0) : index + 2]
    return any(word in _TECHNIQUES or word == "nerve" or (word,) in _NERVES for word in beside)


@remembered
def read_label(label: str) -> LabelWords:
    """Return the recording site, and nerve, side and technique, that a channel label names.

    Examples
    --------
    >>> read_label("NC L_APB").site, read_label("NC L_APB").words.side.value
    ('APB', 'left')
    >>> read_label("NC Second Finger").site, read_label("EMG1").site
    ('Second Finger', None)
    """
    tokens = label.replace("_", " ").split()
    words = read_study_words(label)
    start = 0
    while start < len(tokens) and tokens[start].lower().rstrip(".:") in _PREFIXES:
        start += 1
    side, place = split_side(" ".join(tokens[start:]))
    lower = place.lower().split()
    if _NUMBERED.match(place) or (lower and set(lower) <= {"nerve", *(word for name in _NERVES for word in name)}):
        return LabelWords(None, words)
    return LabelWords(place, StudyWords(words.nerve, side, words.technique))


@remembered
def parse_filters(text: str) -> Filters:
    """Return the filters of an EDF prefilter text; a number without Hz or kHz is not used.

    Examples
    --------
    >>> parse_filters("HP:10Hz LP:10kHz N:50Hz")
    Filters(low_cut_hz=10.0, high_cut_hz=10000.0, notch_hz=50.0, text='HP:10Hz LP:10kHz N:50Hz')
    >>> parse_filters("LP:   NaN Hz; HP:   NaN Hz; Notch: NaN").low_cut_hz is None
    True
    """
    found: dict[str, float] = {}
    for kind, value, kilo in _FILTER.findall(text):
        found[kind.upper()] = float(value) * (1000 if kilo else 1)
    return Filters(
        low_cut_hz=found.get("HP"), high_cut_hz=found.get("LP"), notch_hz=found.get("N", found.get("NOTCH")), text=text
    )
