"""Parameters that are a number or a range to draw from, and the checks every entry point shares."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import fields
from operator import index
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncs.errors import InvalidInputError

__all__ = ["Range", "Seed", "check_ranges", "draw", "entropy", "generators", "raise_all", "seeds", "upper"]

Range: TypeAlias = float | tuple[float, float]
"""A number (the same for every sweep) or ``(low, high)`` (drawn uniformly for every sweep)."""

Seed: TypeAlias = SupportsIndex | Sequence[int]
"""A whole number of at least 0, or several."""

FloatArray = NDArray[np.float64]


def upper(value: Range) -> float:
    """Return the number, or the upper end of the range."""
    return float(value[1]) if isinstance(value, tuple) else float(value)


def draw(rng: np.random.Generator, value: Range, n: int, *, logarithmic: bool = False) -> FloatArray:
    """Return ``n`` values: uniform in the range, or uniform in its logarithm.

    The generator advances by the same amount whether the value is a number or a range, so that fixing one parameter
    leaves everything else as it was.
    """
    share = rng.random(n)
    if not isinstance(value, tuple):
        return np.full(n, float(value))
    low, high = map(float, value)
    if logarithmic and low > 0:
        return np.asarray(low * (high / low) ** share)
    return np.asarray(low + (high - low) * share)


def check_ranges(parameters: Any, *, least: dict[str, float], most: dict[str, float] | None = None) -> list[str]:
    """Return one sentence for every field named in ``least`` or ``most`` that is no ordered range within the limits."""
    ceilings = most or {}
    faults = []
    for name in (field.name for field in fields(parameters) if field.name in least or field.name in ceilings):
        value = getattr(parameters, name)
        ends = value if isinstance(value, tuple) else (value, value)
        low, high = least.get(name, -math.inf), ceilings.get(name, math.inf)
        numbers = len(ends) == 2 and all(isinstance(end, (int, float)) and math.isfinite(end) for end in ends)
        if not numbers or not low <= ends[0] <= ends[1] <= high:
            wanted = f"at least {low:g}" if high == math.inf else f"within {low:g} to {high:g}"
            faults.append(f"{name}: expected a number or an ordered pair (low, high) {wanted}, found {value!r}")
    return faults


def raise_all(faults: Sequence[str]) -> None:
    """Raise one error that holds every sentence; do nothing when there is none.

    Raises
    ------
    InvalidInputError
        When there is at least one fault.
    """
    if faults:
        raise InvalidInputError("\n".join(faults))


def entropy(seed: Seed, *words: str) -> list[int]:
    """Return a seed as a list of whole numbers, one more for the words.

    Raises
    ------
    InvalidInputError
        When the seed is not one or several whole numbers of at least 0.
    """
    try:
        whole = [index(seed)] if isinstance(seed, SupportsIndex) else [index(part) for part in seed]
    except TypeError:
        whole = [-1]
    if not whole or min(whole) < 0:
        raise InvalidInputError(f"seed: expected one or several whole numbers of at least 0, found {seed!r}")
    return [*whole, zlib.crc32(" ".join(words).encode())] if words else whole


def generators(seed: Seed, n: int) -> list[np.random.Generator]:
    """Return ``n`` independent generators: drawing more from one changes nothing in the others."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(entropy(seed)).spawn(n)]


def seeds(seed: Seed, n: int) -> list[int]:
    """Return ``n`` independent seeds that depend on ``seed`` only."""
    return [int(number) for number in np.random.SeedSequence(entropy(seed)).generate_state(n, np.uint64)]
