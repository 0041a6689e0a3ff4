"""Many files to a store (or to memory), over any executor: find, skip what is known, analyse, commit in groups.

The one writer is here. Which files there are is ``_finding``'s business, who works on them ``_crew``'s.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncs._crew import Crew, How, Key, Outcome, Work, analyze_file, failure_from, failure_of, key_of
from ncs._finding import Item, Tally, find
from ncs.errors import InvalidInputError, Problem, StoreAccessError, StoreError
from ncs.results import VisitResult
from ncs.store._rows import Prepared, identity_problems
from ncs.store.failure import Failure

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from ncs.store import SaveOutcome, Store

__all__ = ["BatchProgress", "BatchSummary", "Failure", "analyze_files"]

_FEW = 400
"""Fewer files than this are analysed here unless jobs are asked for: starting processes would take longer."""
_GROUP = 200
_GROUP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProgress:
    """How far a batch is; ``total`` counts the files that may be recordings."""

    done: int
    failed: int
    skipped: int
    total: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSummary:
    """What became of a batch.

    Parameters
    ----------
    n_done
        Files analysed (and saved, where there is a store).
    n_skipped
        Files whose content, analysed this way, was stored already.
    n_ignored
        Files in folders that are no recordings.
    failures
        Files that gave no result.
    warnings
        Faults that did not stop a file from being analysed.
    visits
        Subject and date of every visit that got a result, sorted.
    results
        The results, in the order of the files; empty where there is a store.
    seconds
        Wall clock.
    interrupted
        Whether the batch was stopped by hand; what was done until then is kept.
    """

    n_done: int
    n_skipped: int
    n_ignored: int
    failures: tuple[Failure, ...]
    warnings: tuple[Problem, ...]
    visits: tuple[tuple[str | None, dt.date | None], ...]
    results: tuple[VisitResult, ...]
    seconds: float
    interrupted: bool = False

    def __str__(self) -> str:
        text = (
            f"{self.n_done} analysed, {self.n_skipped} already stored, {len(self.failures)} failed, "
            f"{self.n_ignored} ignored in {self.seconds:.1f} s"
        )
        return f"{text} (interrupted)" if self.interrupted else text


def analyze_files(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    store: Store | None = None,
    executor: Executor | None = None,
    protocol: Any = None,
    jobs: int | None = None,
    onset_method: str = "changepoint",
    find_stimulus: bool = False,
    subject: str | None = None,
    keep_identifiers: bool = False,
    progress: Callable[[BatchProgress], object] | None = None,
    _work: Work | None = None,
    _key: Callable[[str, How], Key | None] | None = None,
) -> BatchSummary:
    """Read and analyse many files.

    A file whose content is stored already, analysed in the same way, is skipped (and becomes current again if another
    way had taken its place). One bad file never stops the others.

    Parameters
    ----------
    paths
        Files, folders (searched with everything below them), and patterns such as ``"exports/**/*.edf"``. In folders
        and patterns, what no reader recognises is ignored; a file that is named must be readable.
    store
        Where the results go. Without one they are returned, and held in memory.
    executor
        Any ``concurrent.futures.Executor``, which is not shut down; by default processes are started where they pay.
    protocol
        As for ``ncs.read``.
    jobs
        How many processes; 1 works without any, the default is one per processor.
    onset_method, find_stimulus, subject, keep_identifiers
        As for ``ncs.analyze`` and ``ncs.read``.
    progress
        Called after every file.

    Returns
    -------
    BatchSummary
        Counts, failures and warnings. Ctrl-C stops the batch, commits what is done and sets ``interrupted``.

    Raises
    ------
    InvalidInputError, SidecarError, FileAccessError
        When an argument or the protocol itself is wrong.
    StoreAccessError
        When the store cannot be written; what was committed before is kept.
    """
    how = replace(
        _how(onset_method, protocol, subject, keep_identifiers),
        find_stimulus=find_stimulus,
        for_store=store is not None,
    )
    if jobs is not None and jobs < 1:
        raise InvalidInputError(f"jobs: expected 1 or more, found {jobs}")
    named = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    run = _Run(store=store, how=how, key=_key or key_of, progress=progress)
    if progress is not None:
        run.total = sum(1 for _ in find(named, Tally()))
    found = find(named, run.tally)
    first = list(islice(found, _FEW))
    crew = Crew(work=_work or analyze_file, how=how, executor=executor, jobs=jobs or _processors())
    crew.in_process = executor is None and (crew.jobs == 1 or (jobs is None and len(first) < _FEW))
    try:
        for item, outcome in crew.outcomes(run.unknown(chain(first, found))):
            run.accept(item, outcome)
    except KeyboardInterrupt:
        run.interrupted = True
        for item, outcome in crew.finished():
            run.accept(item, outcome)
    finally:
        crew.dismiss()
    run.commit()
    return run.summary(crew.warnings)


def _how(onset_method: str, protocol: Any, subject: str | None, keep_identifiers: bool) -> How:  # noqa: FBT001
    """Check once what would otherwise fail in every file."""
    from ncs.detect import check_method

    check_method(onset_method)
    if protocol is not None:
        from ncs.io import load_protocol

        protocol = load_protocol(protocol)
    return How(onset_method=onset_method, protocol=protocol, subject=subject, keep_identifiers=keep_identifiers)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(slots=True, kw_only=True)
class _Run:
    """What has come out so far; the only part of a batch that touches the store."""

    store: Store | None
    how: How
    key: Callable[[str, How], Key | None]
    progress: Callable[[BatchProgress], object] | None
    total: int = 0
    interrupted: bool = False
    tally: Tally = field(default_factory=Tally)
    done: int = 0
    skipped: int = 0
    warnings: list[Problem] = field(default_factory=list)
    visits: set[tuple[str | None, dt.date | None]] = field(default_factory=set)
    results: list[VisitResult] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    committed: float = field(default_factory=time.monotonic)
    recorded: int = 0
    waiting: list[tuple[str, Prepared]] = field(default_factory=list)
    succeeded: list[str] = field(default_factory=list)
    heals: bool = False

    def unknown(self, items: Iterator[Item]) -> Iterator[Item]:
        """Pass on the files that are not stored yet."""
        if self.store is not None:
            self.heals = self.store.has_failures
        if self.store is None or self.store.is_empty:
            yield from items
            return
        while chunk := list(islice(items, _GROUP)):
            keys = {item.path: self.key(item.path, self.how) for item in chunk}
            known = self.store.known((key for key in keys.values() if key), subject=self.how.subject)
            self.store.make_current(known)
            for item in chunk:
                if keys[item.path] in known:
                    self.skipped += 1
                    self._succeed(item.path)
                    self._tell()
                else:
                    yield item
            if len(self.succeeded) >= _GROUP:
                self.commit()

    def accept(self, item: Item | None, outcome: Outcome | None) -> None:
        """Take in what became of a file; commit when enough has gathered, or enough time has passed."""
        if isinstance(outcome, Failure) and item is not None:
            self._fail(item, outcome)
        elif isinstance(outcome, VisitResult) and item is not None:
            self.results.append(outcome)
            self._count(item.path, (outcome.subject.id, outcome.date), outcome.visit.problems)
            self._tell()
        elif isinstance(outcome, Prepared) and item is not None:
            self._keep(item, outcome)
        if len(self.waiting) >= _GROUP or time.monotonic() - self.committed > _GROUP_SECONDS:
            self.commit()

    def _fail(self, item: Item, failure: Failure) -> None:
        meant = item.explicit or self._is_named_as_recording(item.path) or self._is_described(item.path)
        if failure.error == "UnknownFormatError" and not meant:
            self.tally.ignored += 1
            self.total -= 1
        else:
            self.tally.failures.append(failure)
        self._tell()

    @staticmethod
    def _is_named_as_recording(path: str) -> bool:
        """Return whether the name ends as a machine's recordings do; text may be anything."""
        from ncs.io.registry import readers

        formats = [entry.reader for entry in readers() if entry.reader is not None]
        anything = {ending for each in formats if each.name == "text" for ending in each.extensions}
        ending = Path(path).suffix.lower()
        return ending not in anything and any(ending in each.extensions for each in formats)

    @staticmethod
    def _is_described(path: str) -> bool:
        """Return whether there is a sidecar, and it is not that of a recording of which the file is only a part."""
        from ncs.io import find_sidecar
        from ncs.io._companions import is_part
        from ncs.io._recording import HEAD_BYTES

        return find_sidecar(Path(path)) is not None and not is_part(Path(path), HEAD_BYTES)

    def _keep(self, item: Item, result: Prepared) -> None:
        problems = tuple(replace(problem, file=item.path) for problem in identity_problems(result.head))
        if problems:
            sha256 = result.head.sources[0].sha256 if result.head.sources else ""
            self._fail(item, failure_of(item.path, "StoreError", problems, sha256))
        else:
            self.waiting.append((item.path, result))
            self._tell()

    def _count(self, path: str, visit: tuple[str | None, dt.date | None], problems: Iterable[Problem]) -> None:
        self.done += 1
        self._succeed(path)
        self.visits.add(visit)
        self.warnings.extend(replace(problem, file=path) for problem in problems)

    def _count_saved(self, path: str, result: Prepared, outcome: SaveOutcome) -> None:
        if outcome.saved:
            self._count(path, (result.head.subject, result.head.date), result.problems)
            self.warnings.extend(_same_name(path, run) for run in outcome.same_name)
        else:
            self.skipped += 1
            self._succeed(path)

    def _succeed(self, path: str) -> None:
        if self.heals:  # an earlier batch has left failures
            self.succeeded.append(path)

    def commit(self) -> None:
        """Write what is waiting, the failures and what they are no longer, in one transaction."""
        self.committed = time.monotonic()
        if self.store is None:
            return
        failures = self.tally.failures[self.recorded :]
        if not (self.waiting or failures or self.succeeded):
            return
        try:
            with self.store.transaction():
                outcomes = self.store.save_many(result for _, result in self.waiting)
                if self.heals:
                    self.store.resolve_failures([*self.succeeded, *(path for path, _ in self.waiting)])
                self.store.record_failures(failures)
        except StoreAccessError:
            raise
        except StoreError:
            self._save_one_by_one()
            return
        self.recorded += len(failures)
        waiting, self.waiting = self.waiting, []
        for (path, result), outcome in zip(waiting, outcomes, strict=True):
            self._count_saved(path, result, outcome)
        self.succeeded.clear()

    def _save_one_by_one(self) -> None:
        """One result does not fit the tables; find it, and keep the others."""
        assert self.store is not None
        waiting, self.waiting = self.waiting, []
        for path, result in waiting:
            try:
                outcome = self.store.save(result)
            except StoreAccessError:
                raise
            except StoreError as error:
                self.tally.failures.append(failure_from(path, error))
            else:
                self._count_saved(path, result, outcome)
        self.commit()

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(
                BatchProgress(
                    done=self.done + len(self.waiting),
                    failed=len(self.tally.failures),
                    skipped=self.skipped,
                    total=self.total,
                    seconds=time.monotonic() - self.started,
                )
            )

    def summary(self, more: Iterable[Problem]) -> BatchSummary:
        """Return what became of the batch."""
        return BatchSummary(
            n_done=self.done,
            n_skipped=self.skipped,
            n_ignored=self.tally.ignored,
            failures=tuple(self.tally.failures),
            warnings=(*more, *self.warnings),
            visits=tuple(sorted(self.visits, key=lambda visit: (visit[0] or "", str(visit[1] or "")))),
            results=tuple(self.results),
            seconds=time.monotonic() - self.started,
            interrupted=self.interrupted,
        )


def _same_name(path: str, run: int) -> Problem:
    return Problem(
        file=path,
        place="",
        field="content",
        expected="one content under one name in one visit",
        found=f"another, stored as run {run}",
        hint=f"Both count. If this file replaces the other, call store.withdraw({run}).",
    )
