"""A named array of a file that does not say what its arrays are; how large one may be, and how a list of them reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DamagedArrayError", "FileVariable", "allowed_bytes", "is_allowed", "listed", "plain_array"]

_FACTOR = 10
_ALWAYS_BYTES = 16 << 20
_MOST_LISTED = 20
_SAMPLE_BYTES = 4
"""Of a sample in memory, float32."""


class DamagedArrayError(Exception):
    """The bytes of one array cannot be used; ``expected`` and ``found`` go into the problem of the file."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVariable:
    """One array of a file, not yet read.

    Parameters
    ----------
    name
        As the file has it; empty for the only array of a ``.npy`` file.
    shape
        In the order in which the program that wrote the file shows it.
    kind
        Type of its values in words, such as ``"double"``.
    place
        Where it begins, such as ``"byte 128"``.
    refusal
        Why it cannot be samples, such as ``"complex numbers"``; empty where it can.
    load
        Returns the values, in ``shape``; raises ``DamagedArrayError``.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    place: str
    refusal: str = ""
    load: Callable[[], NDArray[Any]]

    @property
    def size(self) -> int:
        """Number of values."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.shape))
        return f"{self.name or 'the array'} ({' '.join(part for part in (shape, self.kind) if part)})"


def allowed_bytes(file_bytes: int) -> int:
    """Return how much memory one array of a file of a given size may take: what is beyond is damage or a trap."""
    return _FACTOR * file_bytes + _ALWAYS_BYTES


def is_allowed(variable: FileVariable, file_bytes: int) -> bool:
    """Return whether an array may be loaded, as it is stored and as samples."""
    return variable.size * _SAMPLE_BYTES <= allowed_bytes(file_bytes)


def listed(variables: Iterable[FileVariable]) -> str:
    """Return all arrays of a file with their shapes, in words."""
    texts = [str(variable) for variable in variables]
    more = f", … ({len(texts)} in all)" if len(texts) > _MOST_LISTED else ""
    return ", ".join(texts[:_MOST_LISTED]) + more if texts else "no arrays"


def plain_array(content: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> NDArray[Any]:
    """Return bytes as an array without copying them; ``order`` is ``"C"`` or ``"F"``."""
    flat = np.frombuffer(content, dtype)
    return flat.reshape(shape, order="F") if order == "F" else flat.reshape(shape)
