"""Runs over several files whose studies belong together: which visits could have one, and which runs are in force.

A joined run takes the place of the runs of its files, its parts; these stay stored, and come back when it goes. What
belongs together is decided in ``ncs.io.merging``; here are rows only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from ncs.store import _schema as s

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from ncs.model import Visit
    from ncs.results import VisitResult
    from ncs.store._rows import Prepared

__all__ = [
    "Joined", "Part", "alone", "joined_run", "parts_of", "record", "settle", "split_visits",
    "stated_elsewhere", "without",
]  # fmt: skip


class Joined(NamedTuple):
    """Several files' runs that become one: what it is filed under, and how its result is made."""

    content_key: str
    fingerprint: str
    parts: tuple[int, ...]
    analyse: Callable[[], VisitResult]


class Part(NamedTuple):
    """One file's run of a visit, whether it is current or a joined run stands in its place."""

    run: int
    content_key: str
    fingerprint: str
    parameters: dict[str, Any]
    visit: Visit


def split_visits(connection: sa.Connection) -> list[int]:
    """Return the visits in which several current runs hold one study, unless all of them have the same sites."""
    r, t, x = s.runs.c, s.studies.c, s.traces.c
    study = (r.visit_id, sa.func.lower(t.nerve), t.side, t.technique)
    current = s.studies.join(s.runs, r.id == t.run_id)
    several = (
        sa.select(r.visit_id)
        .select_from(current)
        .where(r.current.is_(sa.true()), t.nerve.is_not(None), t.side.is_not(None), t.technique.is_not(None))
        .group_by(*study)
        .having(sa.func.count(t.run_id.distinct()) > 1)
        .distinct()
    )
    candidates = list(connection.execute(several.order_by(r.visit_id)).scalars())
    found = []
    for start in range(0, len(candidates), _AT_ONCE):
        some = candidates[start : start + _AT_ONCE]
        rows = connection.execute(
            sa.select(*study, t.run_id, x.stimulation_site)
            .select_from(current.join(s.traces, (x.run_id == t.run_id) & (x.study_index == t.study_index)))
            .where(r.current.is_(sa.true()), r.visit_id.in_(some))
        )
        found += _with_different_sites(rows)
    return found


_AT_ONCE = 400
"""Databases limit how many parameters one statement takes."""


def _with_different_sites(rows: Iterable[Any]) -> list[int]:
    sites: dict[tuple[Any, ...], dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for visit, nerve, side, technique, run, site in rows:
        sites[visit, nerve, side, technique][run].add((site or "").casefold())
    split = {key[0] for key, runs in sites.items() if len(set(map(frozenset, runs.values()))) > 1}
    return sorted(split)


def parts_of(connection: sa.Connection, visit_id: int) -> tuple[list[Part], set[int]]:
    """Return the files' runs of a visit, joined runs taken apart; and the numbers of its current runs."""
    from ncs.store._load import load_visits

    r, p = s.runs.c, s.run_parts.c
    current = set(connection.execute(sa.select(r.id).where(r.visit_id == visit_id, r.current.is_(sa.true()))).scalars())
    joined = connection.execute(sa.select(p.run_id, p.part_run_id).where(p.run_id.in_(current))).all()
    runs = sorted((current - {row.run_id for row in joined}) | {row.part_run_id for row in joined})
    query = sa.select(r.id, r.content_key, r.fingerprint, s.analyses.c.parameters).where(r.id.in_(runs))
    query = query.join(s.analyses, s.analyses.c.id == r.analysis_id)
    facts = {row.id: row for row in connection.execute(query)}
    visits = load_visits(connection, runs)
    return [Part(*facts[run], visit) for run, visit in zip(runs, visits, strict=True)], current


def joined_run(connection: sa.Connection, visit_id: int, joined: Joined) -> int | None:
    """Return the stored run of what is to be joined, current or not."""
    r = s.runs.c
    same = (r.visit_id == visit_id, r.content_key == joined.content_key, r.fingerprint == joined.fingerprint)
    return connection.execute(sa.select(r.id).where(*same)).scalar()


def alone(connection: sa.Connection, runs: Collection[int], joined: Iterable[Joined]) -> set[int]:
    """Return those of some runs that are a file's own and in nothing that is joined."""
    p = s.run_parts.c
    made = set(connection.execute(sa.select(p.run_id).where(p.run_id.in_(runs))).scalars())
    return set(runs) - made - {part for each in joined for part in each.parts}


def without(result: Prepared, covariates: Collection[str]) -> Prepared:
    """Return a result without some covariates."""
    kept = {name: value for name, value in result.covariates.items() if name not in covariates}
    return replace(result, covariates=kept)


def record(connection: sa.Connection, run: int, parts: Sequence[int]) -> None:
    """Write down which runs a joined run takes the place of."""
    connection.execute(sa.insert(s.run_parts), [{"run_id": run, "part_run_id": part} for part in parts])


def settle(connection: sa.Connection, *, instead_of: Collection[int], wanted: Collection[int]) -> None:
    """Let the wanted runs be current, and the others of a visit not."""
    r = s.runs.c
    for runs, flag in ((set(instead_of) - set(wanted), False), (set(wanted), True)):
        if runs:
            changed = r.id.in_(runs) & r.current.is_(sa.false() if flag else sa.true())
            connection.execute(sa.update(s.runs).where(changed).values(current=flag))


def stated_elsewhere(connection: sa.Connection, visit_id: int) -> set[str]:
    """Return the covariates of a visit that were stated apart from its files; those are newer than any of a file."""
    c = s.covariates.c
    return set(connection.execute(sa.select(c.name).where(c.visit_id == visit_id, c.run_id.is_(None))).scalars())
