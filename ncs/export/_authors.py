"""Results without the names of the people who edited marks; how those are worded is known to ``ncs.measure``."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from ncs.results import VisitResult

__all__ = ["anonymous", "without_authors"]

_VERBS = ("moved", "placed", "taken away")
_PERSONAL = ("author", "reason")
_EDITED_BY = re.compile(rf"( (?:{'|'.join(_VERBS)}) by ).*?(?=; |$)")


def without_authors(method: str, authors: Collection[str]) -> str:
    """Return a method without the names of those who edited marks.

    >>> without_authors("onset changepoint; onset moved by A. Author; negative peak placed by B; C", {"B; C"})
    'onset changepoint; onset moved by a person; negative peak placed by a person'
    """
    if _EDITED_BY.search(method) is None:
        return method
    for author in sorted(authors, key=len, reverse=True):
        for verb in _VERBS:
            method = method.replace(f" {verb} by {author}", f" {verb} by a person")
    return _EDITED_BY.sub(r"\1a person", method)  # what another program has edited in the meantime


def anonymous(result: VisitResult, authors: Collection[str]) -> VisitResult:
    """Return a result that neither its methods nor its parameters connect with a person who edited it."""
    parameters = dict(result.parameters)
    if "edits" in parameters:
        parameters["edits"] = [
            {name: value for name, value in edit.items() if name not in _PERSONAL} for edit in parameters["edits"]
        ]
    measurements = tuple(replace(m, method=without_authors(m.method, authors)) for m in result.measurements)
    return replace(result, parameters=parameters, measurements=measurements)
