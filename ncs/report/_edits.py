"""What the page says about a mark that a person moved."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

__all__ = ["MarkEdit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkEdit:
    """One mark that a person moved: which, from where to where, who, when and why.

    Parameters
    ----------
    nerve, side, technique, site
        Where it stands, as the study and its trace state it.
    mark
        Name of the mark: ``"onset"``.
    old_ms, new_ms
        After the stimulus; ``None`` where there was none, or where it was taken away.
    author, when, why
        As recorded with the edit.
    """

    nerve: str | None = None
    side: str | None = None
    technique: str | None = None
    site: str | None = None
    mark: str
    old_ms: float | None
    new_ms: float | None
    author: str
    when: dt.datetime
    why: str = ""
