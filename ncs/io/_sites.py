"""Names of places on the body: side and site are separated here and nowhere else."""

from __future__ import annotations

import re

from ncs.io._remembered import remembered
from ncs.model import Side

__all__ = ["split_side"]

_SIDE_WORDS = {
    "left": Side.LEFT, "lt": Side.LEFT, "l": Side.LEFT, "links": Side.LEFT,
    "right": Side.RIGHT, "rt": Side.RIGHT, "r": Side.RIGHT, "rechts": Side.RIGHT,
}  # fmt: skip
_SEPARATORS = re.compile(r"[\s_]+")


@remembered
def split_side(text: str) -> tuple[Side | None, str]:
    """Split a place into side and the rest; underscores become spaces; the rest keeps its letters' case.

    Two contradicting side words leave the text as it is and no side.

    >>> split_side("right wrist")
    (<Side.RIGHT: 'right'>, 'wrist')
    >>> split_side("L_APB")
    (<Side.LEFT: 'left'>, 'APB')
    >>> split_side("Second Finger")
    (None, 'Second Finger')
    """
    words = [word for word in _SEPARATORS.split(text.strip()) if word]
    sides = {_SIDE_WORDS[word.lower().rstrip(".")] for word in words if word.lower().rstrip(".") in _SIDE_WORDS}
    if len(sides) != 1:
        return None, " ".join(words)
    rest = [word for word in words if word.lower().rstrip(".") not in _SIDE_WORDS]
    return sides.pop(), " ".join(rest)
