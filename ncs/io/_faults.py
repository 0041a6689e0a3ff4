"""Everything that is wrong with one file, collected while it is read, and raised at once.

Shared by the readers of all formats; no format's rules belong here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ncs.errors import Problem, ReadError

__all__ = ["Faults", "quoted"]

_MOST_FAULTS = 100
_MOST_QUOTED = 40


@dataclass(slots=True, kw_only=True)
class Faults:
    """Every problem of one file, in the order found; what comes after the first hundred is only counted."""

    file: str
    fatal: list[Problem] = field(default_factory=list)
    noted: list[Problem] = field(default_factory=list)
    uncounted: int = 0

    def add(self, place: str, name: str, expected: str, found: str, hint: str = "") -> None:
        """Record a fault because of which the file cannot be used."""
        self._keep(self.fatal, (place, name, expected, found), hint)

    def note(self, place: str, name: str, expected: str, found: str, hint: str = "") -> None:
        """Record a fault in spite of which the reading goes on."""
        self._keep(self.noted, (place, name, expected, found), hint)

    def _keep(self, faults: list[Problem], words: tuple[str, str, str, str], hint: str) -> None:
        if len(faults) >= _MOST_FAULTS:
            self.uncounted += 1
            return
        place, name, expected, found = words
        sentence = f"{hint[0].upper()}{hint[1:]}." if hint else ""
        faults.append(Problem(file=self.file, place=place, field=name, expected=expected, found=found, hint=sentence))

    @property
    def overflowing(self) -> bool:
        """Whether so much is wrong that looking further helps nobody."""
        return self.uncounted > 0

    def raise_if_fatal(self) -> None:
        """Raise everything found so far, if any of it forbids using the file.

        Raises
        ------
        ReadError
            With all problems of the file, the fatal ones first.
        """
        if not self.fatal:
            return
        problems = [*self.fatal, *self.noted]
        if self.uncounted:
            more = Problem(file=self.file, place="", field="file", expected="no further fault",
                           found=f"{self.uncounted} more or not looked for")  # fmt: skip
            problems.append(more)
        raise ReadError(problems)


def quoted(text: str) -> str:
    """Return text for an error message: visible, and not longer than anybody reads."""
    shown = ascii(text[:_MOST_QUOTED])
    return shown + "..." if len(text) > _MOST_QUOTED else shown
