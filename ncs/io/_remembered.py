"""A memory for functions of one short text: what an archive's files say is said in few different words."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

__all__ = ["remembered"]

_MOST = 1024
_LONGEST = 200
Result = TypeVar("Result")


def remembered(function: Callable[[str], Result]) -> Callable[[str], Result]:
    """Keep what a pure function returned for the last thousand short texts; longer ones are not kept."""
    known = lru_cache(maxsize=_MOST)(function)

    @wraps(function)
    def look_up(text: str) -> Result:
        return known(text) if len(text) <= _LONGEST else function(text)

    return look_up
