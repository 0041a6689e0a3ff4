"""Errors in plain sentences: the one place where an ``NcsError`` meets the user of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncs.cli._output import clean, print_error
from ncs.errors import advice_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ncs.errors import NcsError, Problem

__all__ = ["describe", "problem_lines", "report_failure"]


def problem_lines(problems: Iterable[Problem], *, indent: str = "", error: str = "") -> list[str]:
    """Return what is wrong with an input, one fault after the other: where, expected, found, what to do.

    ``error`` is the name of the error that lists them: it knows what to do where they do not.
    """
    lines = []
    problems = list(problems)
    for problem in problems:
        where = ", ".join(clean(part) for part in (problem.place, problem.field) if part)
        words = f"expected {clean(problem.expected)}, found {clean(problem.found)}."
        lines.append(f"{indent}{where}: {words}" if where else f"{indent}{words[:1].upper()}{words[1:]}")
        if problem.hint:
            lines.append(f"{indent}  {clean(problem.hint)}")
    if advice := advice_for(error, problems):
        lines.append(f"{indent}{advice}")
    return lines


def describe(error: NcsError) -> list[str]:
    """Return an error as lines: grouped by file where it lists problems, else its sentence."""
    problems: tuple[Problem, ...] = getattr(error, "problems", ())
    if not problems:
        return [clean(line) for line in str(error).splitlines()] or [type(error).__name__]
    lines = []
    for file in dict.fromkeys(problem.file for problem in problems):
        lines.append(f"{clean(file)}:")
        lines += problem_lines([problem for problem in problems if problem.file == file], indent="  ")
    if advice := advice_for(type(error).__name__, problems):
        lines.append(f"  {advice}")
    return lines


def report_failure(error: NcsError) -> None:
    """Print an error that ended the command."""
    first, *rest = describe(error)
    print_error(f"ncs: {first}", *rest)
