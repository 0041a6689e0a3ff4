"""What is kept of a file that could not be analysed. No database here: workers that never see one use it too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncs.errors import Problem

__all__ = ["Failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One file that gave no result.

    Parameters
    ----------
    path
        The file as it was named or found.
    error
        Name of the exception's type.
    problems
        Everything that is wrong with the file; never empty.
    message
        The problems in words.
    sha256
        Of the file's content; empty where it could not be read.
    """

    path: str
    error: str
    problems: tuple[Problem, ...]
    message: str
    sha256: str = ""

    def __str__(self) -> str:
        return self.message
