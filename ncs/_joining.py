"""After a batch: studies whose stimulation sites lie in different files get a run over all of these files.

Only together do they have a velocity. What belongs together is always decided from the files' own runs, never from an
earlier joined one, so that neither the order of files nor the number of batches they came in matters.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ncs.analysis import analyze, how_of
from ncs.errors import InvalidInputError
from ncs.io._companions import content_hash_of
from ncs.io.merging import merge, split_studies
from ncs.model import Subject, Visit
from ncs.store._codec import dumps
from ncs.store._parts import Joined

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Sequence

    from ncs.errors import Problem
    from ncs.io.protocol import Protocol
    from ncs.results import VisitResult
    from ncs.store import Store
    from ncs.store._parts import Part

__all__ = ["join_split_studies"]


def join_split_studies(
    store: Store, *, protocol: Protocol | None = None, tell: Collection[tuple[str | None, dt.date | None]] = ()
) -> tuple[Problem, ...]:
    """Join what belongs together in every visit of a store, and take apart what no longer does.

    Where nothing has changed, nothing is written.

    Parameters
    ----------
    store
        Where the files' results are.
    protocol
        The laboratory's protocol. Files that were read with another one are left as they are.
    tell
        Visits whose problems are of interest.

    Returns
    -------
    tuple of Problem
        Why studies of these visits stay apart that might have been meant as one.
    """
    problems: list[Problem] = []
    for visit_id in store.split_visits():
        found = _join_visit(store, visit_id, protocol)
        problems += [problem for visit, problem in found if visit in tell]
    return tuple(dict.fromkeys(problems))


def _join_visit(
    store: Store, visit_id: int, protocol: Protocol | None
) -> list[tuple[tuple[str | None, dt.date | None], Problem]]:
    parts, current = store.load_parts(visit_id)
    joined: list[Joined] = []
    told: list[Problem] = []
    for alike in _analysed_alike(parts):
        groups, problems = split_studies([part.visit for part in alike])
        told += problems
        for group in groups:
            members = [alike[at] for at in group]
            settings = _protocol_of(members, protocol)
            if settings is None or not _is_how_ncs_analyses(members[0].parameters):
                return []
            joined.append(_joined(members, settings[0]))
    if parts:
        store.join(visit_id, joined, instead_of=current | {part.run for part in parts})
    return [((parts[0].visit.subject.id, parts[0].visit.date), problem) for problem in told]


def _analysed_alike(parts: Sequence[Part]) -> list[list[Part]]:
    """Return the parts by the parameters of their analysis: numbers of two methods make no velocity."""
    found: list[list[Part]] = []
    for part in parts:
        same = next((known for known in found if known[0].parameters == part.parameters), None)
        if same is None:
            found.append([part])
        else:
            same.append(part)
    return found


def _protocol_of(parts: Sequence[Part], protocol: Protocol | None) -> tuple[Protocol | None] | None:
    """Return the protocol that all parts were read with; ``None`` where it is not at hand."""
    hashes = {source.protocol_sha256 for part in parts for source in part.visit.sources}
    if hashes == {""} or len(hashes) > 1:
        return (None,)
    if protocol is None:
        return None
    from ncs.io._settings import content_sha256

    return (protocol,) if hashes == {content_sha256(protocol)} else None


def _joined(parts: Sequence[Part], protocol: Protocol | None) -> Joined:
    ways = sorted(f"{part.content_key} {part.fingerprint}" for part in parts)
    fingerprint = hashlib.sha256("\n".join(ways).encode()).hexdigest()

    def analysed() -> VisitResult:
        whole = merge([part.visit for part in parts], protocol=protocol)
        return replace(analyze(whole, **how_of(parts[0].parameters)), fingerprint=fingerprint)

    content_key = content_hash_of(source.sha256 for part in parts for source in part.visit.sources)
    return Joined(content_key, fingerprint, tuple(part.run for part in parts), analysed)


def _how(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"onset_method": parameters.get("onset_method", ""), "find_stimulus": "find_stimulus" in parameters}


def _is_how_ncs_analyses(parameters: dict[str, Any]) -> bool:
    """Return whether this ncs would analyse in the same way; what an older one left is not mixed with new numbers."""
    try:
        now = analyze(Visit(subject=Subject(), date=None, studies=()), **how_of(parameters)).parameters
    except InvalidInputError:
        return False
    return bool(json.loads(dumps(now)) == parameters)
