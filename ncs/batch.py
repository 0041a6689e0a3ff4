"""Many files to a store (or to memory), over any executor: find, skip what is known, analyse, commit in groups.

The one writer is here. Which files there are is ``_finding``'s business, who works on them ``_crew``'s.
"""

from __future__ import annotations

import gc
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ncs._crew import ANALYSIS, Crew, How, Outcome, Step, failure_from, failure_of
from ncs._finding import Item, Tally, count, find
from ncs._memory import Identity, Memory, identify
from ncs.errors import ClusterError, InvalidInputError, Problem, StoreAccessError, StoreError, StoreLostError
from ncs.results import VisitResult
from ncs.store._rows import Prepared, identity_problems
from ncs.store.failure import Failure

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from ncs.analysis import TemperatureCorrection
    from ncs.store import SaveOutcome, Store
    from ncs.store.seen import Seen

__all__ = ["BatchProgress", "BatchSummary", "Failure", "analyze_files"]

Done = TypeVar("Done")

_FEW = 400
"""Fewer files than this are analysed here unless jobs are asked for: starting processes would take longer."""
_GROUP = 200
_GROUP_SECONDS = 1.0
_PORTION = 1000
"""Files looked up in the store at once."""
_PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.5


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
        Files that gave no result, those that were not tried again included.
    n_not_retried
        Of these, the files that failed before and would again: neither they nor their sidecars, nor the version of ncs,
        nor anything else that decides it has changed.
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
    n_not_retried: int = 0

    def __str__(self) -> str:
        as_before = f" ({self.n_not_retried} as before)" if self.n_not_retried else ""
        text = (
            f"{self.n_done} analysed, {self.n_skipped} already stored, {len(self.failures)} failed{as_before}, "
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
    review: bool = False,
    temperature_correction: TemperatureCorrection | None = None,
    subject: str | None = None,
    keep_identifiers: bool = False,
    check_content: bool = False,
    progress: Callable[[BatchProgress], object] | None = None,
    _work: Step | None = None,
    _key: Callable[[str, How], Identity | None] | None = None,
) -> BatchSummary:
    """Read and analyse many files.

    A file whose content is stored already, analysed in the same way, is skipped (and becomes current again if another
    way had taken its place). One bad file never stops the others. A file that failed is tried again when it, its
    sidecar, the protocol, the other arguments or the version of ncs has changed, or when the cause can have gone by
    itself.

    Parameters
    ----------
    paths
        Files, folders (searched with everything below them), and patterns such as ``"exports/**/*.edf"``. In folders
        and patterns, what no reader recognises is ignored; a file that is named must be readable.
    store
        Where the results go. Without one they are returned, and held in memory.
    executor
        Any ``concurrent.futures.Executor``, which is not shut down; by default processes are started where they pay.
        ``distributed.Client(…).get_executor()`` hands the work to a cluster, whose workers must find the files under
        the same absolute paths.
    protocol
        As for ``ncs.read``.
    jobs
        How many processes; 1 works without any, the default is one per processor. With an executor, how many workers
        it has, where it does not say so itself.
    onset_method, find_stimulus, review, temperature_correction, subject, keep_identifiers
        As for ``ncs.analyze`` and ``ncs.read``.
    check_content
        Read every file again to find out whether its content is stored, and try again what failed. Without it, a file
        whose size, times and number in the file system are those it had is taken for unchanged.
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
    ClusterError
        When the executor gives up; what was committed before is kept.
    """
    how = replace(
        _how(onset_method, protocol, subject, keep_identifiers),
        find_stimulus=find_stimulus,
        review=review,
        temperature_correction=temperature_correction,
        for_store=store is not None,
    )
    if jobs is not None and jobs < 1:
        raise InvalidInputError(f"jobs: expected 1 or more, found {jobs}")
    named = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    memory = None
    if store is not None:
        memory = Memory(store, how, key=_key or identify, check_content=check_content)
    run = _Run(store=store, how=how, memory=memory, progress=progress)
    if progress is not None:
        run.total = count(named)
    found = find(named, run.tally)
    first = list(islice(found, _FEW))
    unknown = run.unknown(chain(first, found))
    crew = Crew(work=(_work,) if _work else ANALYSIS, how=how, executor=executor, jobs=jobs)
    crew.in_process = executor is None and (crew.jobs == 1 or (jobs is None and len(first) < _FEW))
    with _young_garbage_only():
        _carry_out(run, crew, unknown)
    return run.summary([*crew.warnings, *run.join()])


def _carry_out(run: _Run, crew: Crew, unknown: Iterator[Item]) -> None:
    """Let the crew work until all is done, somebody stops it, or it is gone; what is done by then is committed."""
    try:
        for item, outcome in crew.outcomes(unknown):
            run.accept(item, outcome)
    except (KeyboardInterrupt, ClusterError) as error:
        run.interrupted = True
        crew.stop()
        for item, outcome in crew.finished():
            run.accept(item, outcome)
        if isinstance(error, ClusterError):
            run.commit()
            raise
    finally:
        crew.dismiss()
    run.commit()


@contextmanager
def _young_garbage_only() -> Iterator[None]:
    """Spare the collector the objects of all loaded packages, which it would look through every few thousand files."""
    if gc.get_freeze_count():  # somebody has done so already
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _how(onset_method: str, protocol: Any, subject: str | None, keep_identifiers: bool) -> How:  # noqa: FBT001
    """Check once what would otherwise fail in every file."""
    from ncs.detect import check_method

    check_method(onset_method)
    if protocol is not None:
        from ncs.io import load_protocol

        protocol = load_protocol(protocol)
    return How(onset_method=onset_method, protocol=protocol, subject=subject, keep_identifiers=keep_identifiers)


@dataclass(slots=True, kw_only=True)
class _Run:
    """What has come out so far; the only part of a batch that touches the store."""

    store: Store | None
    how: How
    memory: Memory | None
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
    not_retried: list[Failure] = field(default_factory=list)
    waiting: list[tuple[Item, Prepared]] = field(default_factory=list)
    succeeded: list[str] = field(default_factory=list)
    heals: bool = False

    def unknown(self, items: Iterator[Item]) -> Iterator[Item]:
        """Pass on the files that need work."""
        if self.store is None or self.memory is None:
            yield from items
            return
        self.heals = self.store.has_failures
        while portion := list(islice(items, _PORTION)):
            for item, verdict in self._patiently(partial(self.memory.judge, portion)):
                if verdict == "work":
                    yield item
                    continue
                if verdict == "known":
                    self.skipped += 1
                    self._succeed(item)
                elif verdict == "ignored":
                    self._ignore()
                else:
                    self.not_retried.append(verdict)
                self._tell()
            if time.monotonic() - self.committed > _GROUP_SECONDS:
                self.commit()

    def _patiently(self, do: Callable[[], Done]) -> Done:
        """Wait for a database that has gone away, as servers do that are started anew."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return do()
            except StoreLostError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def accept(self, item: Item | None, outcome: Outcome | None) -> None:
        """Take in what became of a file; commit when enough has gathered, or enough time has passed."""
        if isinstance(outcome, Failure) and item is not None:
            self._fail(item, outcome)
        elif isinstance(outcome, VisitResult) and item is not None:
            self.results.append(outcome)
            self._count(item, (outcome.subject.id, outcome.date), outcome.visit.problems)
            self._tell()
        elif isinstance(outcome, Prepared) and item is not None:
            self._keep(item, outcome)
        if len(self.waiting) >= _GROUP or time.monotonic() - self.committed > _GROUP_SECONDS:
            self.commit()

    def _fail(self, item: Item, failure: Failure) -> None:
        meant = item.explicit or self._is_named_as_recording(item.path) or self._is_described(item.path)
        if failure.error == "UnknownFormatError" and not meant:
            self._ignore()
            if self.memory is not None:
                self.memory.ignored(item)
        else:
            self.tally.failures.append(failure)
            if self.memory is not None:
                self.memory.failed(item, failure)
        self._tell()

    def _ignore(self) -> None:
        self.tally.ignored += 1
        self.total -= 1

    @staticmethod
    def _is_named_as_recording(path: str) -> bool:
        """Return whether the name ends as a machine's recordings do, also those not read; text may be anything."""
        from ncs.io import UNREAD
        from ncs.io.registry import readers

        formats = [entry.reader for entry in readers() if entry.reader is not None]
        anything = {ending for each in formats if each.name == "text" for ending in each.extensions}
        known = {ending for each in formats for ending in each.extensions}
        known |= {ending for each in UNREAD for ending in each.extensions}
        return Path(path).suffix.lower() in known - anything

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
            self.waiting.append((item, result))
            self._tell()

    def _count(self, item: Item, visit: tuple[str | None, dt.date | None], problems: Iterable[Problem]) -> None:
        self.done += 1
        self._succeed(item)
        self.visits.add(visit)
        self.warnings.extend(replace(problem, file=item.path) for problem in problems)

    def _count_saved(self, item: Item, result: Prepared, outcome: SaveOutcome) -> None:
        if outcome.saved:
            self._count(item, (result.head.subject, result.head.date), result.problems)
            self.warnings.extend(_same_name(item.path, run) for run in outcome.same_name)
            self.warnings.extend(_lost_edit(item.path, edit) for edit in outcome.lost_edits)
        else:
            self.skipped += 1
            self._succeed(item)

    def _succeed(self, item: Item) -> None:
        if self.heals:  # an earlier batch has left failures
            self.succeeded.extend({item.path, item.place})

    def commit(self) -> None:
        """Write what is waiting, the failures and what they are no longer, in one transaction."""
        self.committed = time.monotonic()
        if self.store is None or self.memory is None:
            return
        failures = self.tally.failures[self.recorded :]
        for item, result in self.waiting:
            self.memory.stored(item, result.head)
        news = list(self.memory.news())
        if not (self.waiting or failures or self.succeeded or news):
            return
        try:
            outcomes = self._patiently(partial(self._write, self.store, failures, news))
        except StoreAccessError:
            raise
        except StoreError:
            self._save_one_by_one()
            return
        self.recorded += len(failures)
        waiting, self.waiting = self.waiting, []
        for (item, result), outcome in zip(waiting, outcomes, strict=True):
            self._count_saved(item, result, outcome)
        self.succeeded.clear()

    def _write(self, store: Store, failures: list[Failure], news: list[Seen]) -> tuple[SaveOutcome, ...]:
        with store.transaction():
            outcomes = store.save_many(result for _, result in self.waiting)
            if self.heals:
                healed = [name for item, _ in self.waiting for name in {item.path, item.place}]
                store.resolve_failures([*self.succeeded, *healed])
            store.record_failures([replace(each, path=os.path.abspath(each.path)) for each in failures])  # noqa: PTH100
            store.remember(news)
        return outcomes

    def _save_one_by_one(self) -> None:
        """One result does not fit the tables; find it, and keep the others."""
        assert self.store is not None
        waiting, self.waiting = self.waiting, []
        for item, result in waiting:
            try:
                outcome = self._patiently(partial(self.store.save, result))
            except StoreAccessError:
                raise
            except StoreError as error:
                self.tally.failures.append(failure_from(item.path, error))
            else:
                self._count_saved(item, result, outcome)
        self.commit()

    def join(self) -> tuple[Problem, ...]:
        """Join studies whose stimulation sites lie in different files; return what kept some of them apart."""
        if self.store is None or self.interrupted:
            return ()
        from ncs._joining import join_split_studies

        return self._patiently(partial(join_split_studies, self.store, protocol=self.how.protocol, tell=self.visits))

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(
                BatchProgress(
                    done=self.done + len(self.waiting),
                    failed=len(self.tally.failures) + len(self.not_retried),
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
            failures=(*self.not_retried, *self.tally.failures),
            warnings=(*more, *self.warnings),
            visits=tuple(sorted(self.visits, key=lambda visit: (visit[0] or "", str(visit[1] or "")))),
            results=tuple(self.results),
            seconds=time.monotonic() - self.started,
            interrupted=self.interrupted,
            n_not_retried=len(self.not_retried),
        )


def _lost_edit(path: str, edit: int) -> Problem:
    return Problem(
        file=path,
        place="",
        field="marks",
        expected=f"the recording in which a person moved a mark (edit {edit})",
        found="other samples: the file is read in another way now",
        hint="The number is the automatic one. See ncs show --history, and move the mark again.",
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
