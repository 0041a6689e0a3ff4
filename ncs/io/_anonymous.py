"""Visits without what could name a person: the one place that knows what stays behind when recordings leave the house.

``without_identity`` takes away who and when, and comments; ``without_free_text`` also every text that an operator may
have typed. A field that a noun gains and that holds such a text needs a line here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ncs.model import Subject

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from ncs.model import Study, Trace, Visit

__all__ = ["REFERENCE_ELECTRODE", "without_free_text", "without_identity"]

REFERENCE_ELECTRODE: Final = "reference electrode: "
"""How the one kind of note begins that ncs writes itself, from a field of the sidecar."""


def without_identity(visit: Visit, code: str, date: dt.date | None = None) -> Visit:
    """Return a visit without what could name a person: comments may, and so may everything in an identification.

    Parameters
    ----------
    visit
        Of a person.
    code
        What the subject is called instead.
    date
        What is written for the date of the visit.
    """
    studies = tuple(
        replace(study, traces=tuple(replace(trace, notes=_harmless(trace.notes)) for trace in study.traces))
        for study in visit.studies
    )
    return replace(visit, subject=Subject(id=code, sex=visit.subject.sex), date=date, studies=studies)


def _harmless(notes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(note for note in notes if note.startswith(REFERENCE_ELECTRODE))


def without_free_text(visit: Visit, words: Callable[[Study, Trace], str]) -> Visit:
    """Return a visit with no texts but the names of nerves and of sites of stimulation and recording.

    Without sex, covariates, labels of channels and stimuli, settings of filters in words (their numbers stay), what the
    machine measured, tables of results, notes, names of files and problems of their reading.

    Parameters
    ----------
    visit
        Of a person.
    words
        What has to be said of a trace in the place of its texts, in words of ours.
    """
    return replace(
        visit,
        subject=replace(visit.subject, sex=None),
        covariates={},
        sources=(),
        problems=(),
        studies=tuple(
            replace(
                study,
                temperature_site=None,
                reported=(),
                curves=(),
                traces=tuple(_bare(trace, words(study, trace)) for trace in study.traces),
            )
            for study in visit.studies
        ),
    )


def _bare(trace: Trace, words: str) -> Trace:
    return replace(
        trace,
        stimulus=replace(trace.stimulus, label=words),
        filters=replace(trace.filters, text=""),
        channel="",
        reported=(),
        notes=(),
    )
