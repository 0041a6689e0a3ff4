"""Who analyses the files of a batch: this process, processes of its own, or somebody else's executor.

Workers are stateless functions of a path; nothing here knows the store. What a death of a worker means is decided here.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs._memory import sha256_of
from ncs.errors import ClusterError, NcsError, Problem
from ncs.model import Visit
from ncs.results import VisitResult
from ncs.store._rows import Prepared, prepare
from ncs.store.failure import Failure

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event, Lock

    from ncs._finding import Item
    from ncs.analysis import TemperatureCorrection

__all__ = ["ANALYSIS", "Crew", "How", "Outcome", "Step", "Work", "failure_from", "failure_of"]

_CHUNK = 16
"""Files per task: many, to spread the cost of passing messages; few enough that a lost task is soon repeated."""
_TOGETHER = 16
_TOGETHER_BYTES = 1 << 20
"""Files, and bytes of files, that go through the steps together."""
_TICK_SECONDS = 1.0
_COMPILING_SECONDS = 180.0
"""How long a process waits for the one that compiles the kernels, which may have been killed."""
_WORKERS_ELSEWHERE = 24
"""How many workers an executor is taken to have that does not say."""

_GONE = (
    "(batch): expected an executor that does the work, found one that has cancelled it: its workers are gone. "
    "What was committed is kept; start the same command again to go on."
)

_stopping: Event | None = None
"""In a process that was started to work: whether its task is to end early."""

Outcome = VisitResult | Prepared | Failure
Step = Callable[[Any, "How"], Any]
Work = tuple[Step, ...]
"""What is done to a file: the first step gets its path, every other one what the step before has returned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What every worker needs to know; small, because it travels with every task."""

    onset_method: str
    find_stimulus: bool = False
    review: bool = False
    temperature_correction: TemperatureCorrection | None = None
    protocol: Any = None
    subject: str | None = None
    keep_identifiers: bool = False
    for_store: bool = False


def _read(path: str, how: How) -> Visit:
    from ncs.io.reading import read_quietly

    return read_quietly(path, protocol=how.protocol, keep_identifiers=how.keep_identifiers, subject=how.subject)


def _analyze(visit: Visit, how: How) -> VisitResult:
    from ncs.analysis import analyze

    return analyze(
        visit,
        onset_method=how.onset_method,
        find_stimulus=how.find_stimulus,
        review=how.review,
        temperature_correction=how.temperature_correction,
    )


def _ready(outcome: Outcome, how: How) -> Outcome:
    return prepare(outcome) if how.for_store and isinstance(outcome, VisitResult) else outcome


ANALYSIS: Work = (_read, _analyze)


def _work_through(work: Work, how: How, paths: Sequence[str]) -> Iterator[Outcome]:
    """Yield what becomes of files; whatever happens to one, the others get their turn.

    Every step is done for some files before the next one: its code is in the processor's cache then, which saves a
    fifth of the time. Of large files there are fewer at a time, because all of them are held in memory.
    """
    first, *others = (*work, _ready)
    together = _TOGETHER if len(work) > 1 else 1
    group: list[tuple[str, Any]] = []
    size = 0
    for path in paths:
        if _stopping is not None and _stopping.is_set():
            raise KeyboardInterrupt
        value = _attempt(first, how, path, path)
        group.append((path, value))
        if isinstance(value, Visit):
            size += sum([source.size_bytes for source in value.sources])
        if len(group) >= together or size > _TOGETHER_BYTES:
            yield from _finished(others, how, group)
            group, size = [], 0
    yield from _finished(others, how, group)


def _finished(steps: Sequence[Step], how: How, group: Sequence[tuple[str, Any]]) -> list[Outcome]:
    for step in steps:
        group = [(path, _attempt(step, how, path, value)) for path, value in group]
    return [value for _, value in group]


def _all_of(work: Work, how: How, paths: Sequence[str]) -> list[Outcome]:
    return list(_work_through(work, how, paths))


def _attempt(step: Step, how: How, path: str, value: Any) -> Any:
    """Return what a step makes of a value, or the failure that it ends in; a failure stays what it is."""
    if isinstance(value, Failure):
        return value
    try:
        return step(value, how)
    except Exception as error:  # noqa: BLE001 - a bug that one file brings out must not stop the others
        return failure_from(path, error)


def failure_from(path: str, error: BaseException) -> Failure:
    """Return the failure an exception means for a file; a fault of ncs itself with the line that raised it."""
    name = type(error).__name__
    problems: tuple[Problem, ...] = getattr(error, "problems", ()) if isinstance(error, NcsError) else ()
    if not problems:
        found = str(error) or name
        if not isinstance(error, NcsError):
            last = traceback.extract_tb(error.__traceback__)[-1:]
            where = f" at {Path(last[0].filename).name}:{last[0].lineno} in {last[0].name}" if last else ""
            found = f"{name}: {error}{where}"
        problems = (Problem(file=path, place="", field="", expected="a recording that can be analysed", found=found),)
    sha256 = ""
    with suppress(OSError, ValueError):
        sha256 = sha256_of(path)
    return failure_of(path, name, problems, sha256)


def failure_of(path: str, error: str, problems: tuple[Problem, ...], sha256: str = "") -> Failure:
    """Return a failure with its problems in words."""
    message = "\n".join(map(str, problems))
    return Failure(path=path, error=error, problems=problems, message=message, sha256=sha256)


def _prepare_worker(stopping: Event | None, compiled: Event, turn: Lock) -> None:
    global _stopping  # noqa: PLW0603 - what a process is told when it starts has to be kept somewhere
    _stopping = stopping
    # Ctrl-C reaches every process of a terminal; only the writer decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(Exception):  # what fails here fails again, with a file's name, in the first file
        _warm_up_in_turn(compiled, turn)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: the collector need not look through it for every few files
    gc.set_threshold(20_000, 20, 20)


def _end_with_parent() -> None:
    """End when the writer has been killed, which cannot send its workers home; they would wait for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _warm_up_in_turn(compiled: Event, turn: Lock) -> None:
    """Let the first process compile the kernels, where that has not been done yet; the others load what it has made."""
    if not compiled.is_set() and turn.acquire(timeout=_COMPILING_SECONDS):
        try:
            if not compiled.is_set():
                _warm_up()
                compiled.set()
        finally:
            turn.release()
    _warm_up()


def _warm_up() -> None:
    from ncs.detect import warm_up
    from ncs.store._planes import planes_of

    warm_up()
    planes_of(np.zeros((1, 1), np.float32), 0.0, 1.0, 0.0)


def _ping() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Task:
    items: list[Item]
    future: Future[list[Outcome]]
    executor: Executor


class Crew:
    """Whoever does the work: this process, processes of its own, or somebody else's executor."""

    def __init__(self, *, work: Work, how: How, executor: Executor | None, jobs: int | None = None) -> None:
        self.in_process = False
        self.jobs = jobs or _processors()
        self.warnings: list[Problem] = []
        self._work = work
        self._how = how
        self._theirs = executor
        self._ours: ProcessPoolExecutor | None = None
        self._single: ProcessPoolExecutor | None = None
        self._proven = False
        self._stopping: Event | None = None
        self._under_way: deque[_Task] = deque()
        self._most = _tasks_for(self.jobs if executor is None else jobs or _workers_of(executor))

    def outcomes(self, items: Iterator[Item]) -> Iterator[tuple[Item | None, Outcome | None]]:
        """Yield every file with what became of it, in order; a pair of ``None`` while there is nothing to tell."""
        while chunk := list(islice(items, _CHUNK)):
            if self.in_process:
                yield from self._collect_all()
                yield from self._here(chunk)
                continue
            self._under_way.append(self._submit(chunk))
            while len(self._under_way) >= self._most:
                yield from self._collect()
        yield from self._collect_all()

    def finished(self) -> Iterator[tuple[Item, Outcome]]:
        """Yield what is done and not yet told, without waiting."""
        for task in self._under_way:
            if task.future.done() and not task.future.cancelled() and task.future.exception() is None:
                yield from _paired(task.items, task.future.result())

    def stop(self) -> None:
        """Let processes that are ours end their tasks after the files they have at hand."""
        if self._stopping is not None:
            self._stopping.set()

    def dismiss(self) -> None:
        """Cancel what has not begun; end the processes that are ours."""
        for task in self._under_way:
            task.future.cancel()
        for pool in (self._ours, self._single):
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)

    def _here(self, chunk: list[Item]) -> Iterator[tuple[Item, Outcome]]:
        yield from _paired(chunk, _work_through(self._work, self._how, [item.place for item in chunk]))

    def _submit(self, chunk: list[Item]) -> _Task:
        executor = self._theirs
        if executor is None:
            if self._ours is None:
                self._stopping = get_context("spawn").Event()
                self._ours = _pool(self.jobs, self._stopping)
            executor = self._ours
        try:
            future = self._hand_over(executor, chunk)
        except RuntimeError as error:  # broken, or shut down
            future = Future()
            future.set_exception(error)
        return _Task(chunk, future, executor)

    def _hand_over(self, executor: Executor, chunk: list[Item]) -> Future[list[Outcome]]:
        """Submit files by their absolute paths: who works on them may be in another folder."""
        # A cluster takes equal tasks for one and the same, and would give an old answer for a file that has changed.
        options = {"pure": False} if type(executor).__module__.startswith("distributed.") else {}
        try:
            return executor.submit(_all_of, self._work, self._how, [item.place for item in chunk], **options)
        except Exception as error:
            if type(error).__name__ == "ClosedClientError":  # of a package that need not be there
                raise ClusterError(_GONE) from error
            raise

    def _collect_all(self) -> Iterator[tuple[Item | None, Outcome | None]]:
        while self._under_way:
            yield from self._collect()

    def _collect(self) -> Iterator[tuple[Item | None, Outcome | None]]:
        task = self._under_way[0]
        if not wait([task.future], timeout=_TICK_SECONDS).done:
            yield None, None
            return
        try:
            error = task.future.exception()
        except CancelledError as cancelled:
            raise ClusterError(_GONE) from cancelled
        self._under_way.popleft()
        if error is None:
            self._proven = True
            yield from _paired(task.items, task.future.result())
        else:
            yield from self._rescue(task, error)

    def _rescue(self, task: _Task, error: BaseException) -> Iterator[tuple[Item, Outcome]]:
        """Repeat a lost task file by file: the one that broke it fails, the others do not."""
        if isinstance(error, BrokenExecutor):
            self._let_go(task.executor)
            self._check_start()
        for item in task.items:
            yield from self._here([item]) if self.in_process else _paired([item], [self._alone(item)])

    def _let_go(self, executor: Executor) -> None:
        """Give up broken processes; other tasks they had may come here later, when new ones are at work."""
        if executor is self._theirs:
            self._theirs, self._most = None, _tasks_for(self.jobs)
        elif executor is self._ours:
            executor.shutdown(wait=False, cancel_futures=True)
            self._ours = None

    def _check_start(self) -> None:
        """Where no process can be started at all, go on without, and say so."""
        if self._proven or self.in_process:
            return
        self._single = _pool(1)
        try:
            self._proven = self._single.submit(_ping).result()
        except BrokenExecutor:
            self._single = None
            self.in_process = True
            hint = "A script that calls ncs needs `if __name__ == '__main__':` around its calls, or jobs=1."
            found = "processes that end at once; the files were analysed one after the other"
            self.warnings.append(
                Problem(file="(batch)", place="", field="jobs", expected="worker processes", found=found, hint=hint)
            )

    def _alone(self, item: Item) -> Outcome:
        executor = self._theirs
        if executor is None:
            if self._single is None:
                self._single = _pool(1)
            executor = self._single
        try:
            return self._hand_over(executor, [item]).result()[0]
        except CancelledError as error:
            raise ClusterError(_GONE) from error
        except ClusterError:
            raise
        except BrokenExecutor:
            self._single = None
            return _death(item.path)
        except Exception as error:  # noqa: BLE001 - any executor, any fault: it is this file's
            return _death(item.path) if type(error).__name__ == "KilledWorker" else failure_from(item.path, error)


def _paired(items: Sequence[Item], outcomes: Iterable[Outcome]) -> Iterator[tuple[Item, Outcome]]:
    """Yield files with what became of them; failures under the names that the user knows."""
    for item, outcome in zip(items, outcomes, strict=True):
        yield item, replace(outcome, path=item.path) if isinstance(outcome, Failure) else outcome


def _death(path: str) -> Failure:
    hint = "Analyse this file alone; it may be too large for the memory, or bring out a fault in a library."
    found = "a worker process that died each time"
    problem = Problem(file=path, place="", field="", expected="a result", found=found, hint=hint)
    return failure_of(path, "WorkerDied", (problem,))


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _workers_of(executor: Executor) -> int:
    """Return how many workers an executor has: the pools of Python say so, and a client of a cluster."""
    stated = getattr(executor, "_max_workers", None)
    client = getattr(executor, "_client", None)
    if client is not None:
        with suppress(Exception):  # any client: what cannot be asked is not known
            stated = sum(client.nthreads().values())
    return stated if isinstance(stated, int) and stated > 0 else _WORKERS_ELSEWHERE


def _tasks_for(jobs: int) -> int:
    """Return how many tasks keep everybody busy while the writer commits; bounded, so that memory is as well."""
    return 3 * jobs


def _pool(jobs: int, stopping: Event | None = None) -> ProcessPoolExecutor:
    context = get_context("spawn")
    told = (stopping, context.Event(), context.Lock())
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare_worker, initargs=told)
