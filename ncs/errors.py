"""Every error that ncs raises on purpose. Add a leaf here; never raise a bare ValueError at a user.

The tree::

    NcsError
    ├── ReadError (ValueError)            a file's content cannot be used; lists every problem found
    │   ├── UnknownFormatError            no reader recognises the content
    │   ├── AmbiguousFormatError          two readers claim it equally
    │   └── ConflictError                 file, sidecar and protocol contradict each other
    ├── FileAccessError (OSError)         the file cannot be opened at all
    ├── SidecarError (ValueError)         a sidecar, protocol or similar settings file is wrong
    ├── InvalidInputError (ValueError)    an argument of the Python interface is wrong
    ├── MissingDependencyError (ImportError)
    ├── ClusterError (OSError)            the workers elsewhere cannot be reached, cannot do the work, or are gone
    └── StoreError
        ├── StoreAccessError (OSError)    the database cannot be opened or written
        │   └── StoreLostError            the database went away while it was in use; another try may succeed
        └── StoreVersionError (ValueError)  the database was made by a newer ncs

Warnings: ``NcsWarning(UserWarning)`` for a fault that did not stop the reading (also listed in ``Visit.problems``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "AmbiguousFormatError",
    "ClusterError",
    "ConflictError",
    "FileAccessError",
    "InvalidInputError",
    "MissingDependencyError",
    "NcsError",
    "NcsWarning",
    "Problem",
    "ReadError",
    "SidecarError",
    "StoreAccessError",
    "StoreError",
    "StoreLostError",
    "StoreVersionError",
    "UnknownFormatError",
    "advice_for",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of one input: where it is, what was expected there, what was found, what to do next.

    Parameters
    ----------
    file
        Name of the file as the user gave it.
    place
        Position inside the file: ``"byte 184"``, ``"line 3"``, ``"record 2, annotation 1"``, ``"$.traces[0].unit"``.
    field
        The field that is wrong, in the words of the format.
    expected, found
        The two halves of the disagreement.
    hint
        What the user can do about it; may be empty.
    """

    file: str
    place: str
    field: str
    expected: str
    found: str
    hint: str = ""

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.place, self.field) if part)
        text = f"{where}: expected {self.expected}, found {self.found}"
        return f"{text}. {self.hint}" if self.hint else text


class NcsWarning(UserWarning):
    """A fault that did not stop the reading; the same text stands in ``Visit.problems``."""


class NcsError(Exception):
    """Base of every error that ncs raises on purpose."""


class _ProblemsError(NcsError):
    """An error that lists all problems of an input at once."""

    advice: ClassVar[str] = ""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        advice = advice_for(type(self).__name__, self.problems)
        return "\n".join([*map(str, self.problems), *([advice] if advice else [])])


def advice_for(error: str, problems: Iterable[Problem]) -> str:
    """Return what to do about an error of this name, where none of its problems says anything better; else nothing."""
    kind = globals().get(error)
    if not (isinstance(kind, type) and issubclass(kind, _ProblemsError)):
        return ""
    return "" if any(problem.hint for problem in problems) else kind.advice


class ReadError(_ProblemsError, ValueError):
    """A file's content cannot be used; ``problems`` lists everything that is wrong with it."""

    advice = "Correct the file or export it again; `ncs formats` lists what can be read."


class UnknownFormatError(ReadError):
    """No reader recognises the content."""


class AmbiguousFormatError(ReadError):
    """Two readers claim the content with the same confidence."""


class ConflictError(ReadError):
    """File, sidecar and protocol state different values for one field."""

    advice = "Correct one of them, or remove the field there."


class SidecarError(_ProblemsError, ValueError):
    """A sidecar or protocol file is wrong; ``problems`` lists every mistake in it."""

    advice = "Correct it there; docs/sidecar.md and docs/protocol.md explain every field."


class FileAccessError(_ProblemsError, OSError):
    """A file cannot be opened."""

    advice = "Check its name, its folder, and who may read and write there."


class InvalidInputError(NcsError, ValueError):
    """An argument of the Python interface is wrong."""


class MissingDependencyError(NcsError, ImportError):
    """An optional package is needed; the message names it and the command that installs it."""


class ClusterError(NcsError, OSError):
    """The workers elsewhere cannot be reached, cannot do the work, or are gone."""


class StoreError(NcsError):
    """The store cannot do what was asked."""


class StoreAccessError(StoreError, OSError):
    """The database cannot be opened or written."""


class StoreLostError(StoreAccessError):
    """The database went away while it was in use; what was committed is kept, and another try may succeed."""


class StoreVersionError(StoreError, ValueError):
    """The database was made by a newer ncs."""
