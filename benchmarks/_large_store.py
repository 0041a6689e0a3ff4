"""A store with a million measurements, made once and kept in build/: the rows that ``save`` writes, values varied."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import ncs
from ncs import simulate
from ncs.model import SourceFile, Subject, Visit
from ncs.store._rows import Head, Prepared, prepare

NERVES = ("median", "ulnar", "tibial", "peroneal")
"""One file of every visit for each."""
VISITS = 13_250
VISITS_OF_A_SUBJECT = 4
FIRST = dt.date(2014, 1, 6)
DAYS = 3650
TOGETHER = 500


def path() -> Path:
    """Return the store, made if there is none of this version."""
    made = Path("build") / f"queries-{ncs.__version__}-{VISITS}-{_revision()}.db"
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        fill(made)
    return made


def fill(place: Path, visits: int = VISITS) -> None:
    """Write the store; one that was interrupted is not taken for whole."""
    unfinished = place.with_suffix(".part")
    for leftover in unfinished.parent.glob(f"{unfinished.name}*"):
        leftover.unlink()
    with ncs.open_store(unfinished) as store:
        waiting = []
        for result in _results(visits):
            waiting.append(result)
            if len(waiting) == TOGETHER:
                store.save_many(waiting)
                waiting.clear()
        store.save_many(waiting)
    unfinished.replace(place)  # closing has emptied the journal


def _revision() -> str:
    from ncs.store._schema import REVISIONS

    return REVISIONS[-1]


def _templates() -> list[Prepared]:
    visit, _ = simulate.visit("V", FIRST, seed=1)
    motor = visit.studies[0]
    return [
        prepare(ncs.analyze(Visit(subject=visit.subject, date=FIRST, studies=(replace(motor, nerve=nerve),))))
        for nerve in NERVES
    ]


def _results(visits: int) -> Iterator[Prepared]:
    rng = np.random.default_rng(6)
    templates = _templates()
    for number in range(visits):
        subject = f"B{number // VISITS_OF_A_SUBJECT:06d}"
        # a subject comes back after months, so that neighbours in time are not neighbours in the file
        days = (number // VISITS_OF_A_SUBJECT * 17 + number % VISITS_OF_A_SUBJECT * 180) % DAYS
        date = FIRST + dt.timedelta(days=days)
        for nerve, template in zip(NERVES, templates, strict=True):
            yield _copy(template, Subject(id=subject), date, f"{number:06d}_{nerve}.edf", rng)


def _copy(template: Prepared, subject: Subject, date: dt.date, name: str, rng: np.random.Generator) -> Prepared:
    key = hashlib.sha256(name.encode()).hexdigest()
    source = SourceFile(name=name, sha256=key, size_bytes=4768, format="edf")
    head = Head(subject=subject.id, date=date, key=key, fingerprint=template.head.fingerprint, sources=(source,))
    factors = rng.normal(1, 0.05, len(template.measurements)).tolist()
    measurements = [
        (*row[:3], None if row[3] is None else row[3] * factor, *row[4:])
        for row, factor in zip(template.measurements, factors, strict=True)
    ]
    return replace(template, head=head, measurements=measurements)
