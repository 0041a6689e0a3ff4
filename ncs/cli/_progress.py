"""A progress bar on stderr for whatever takes longer than a second, and nothing at all where nobody watches."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ncs.batch import BatchProgress

__all__ = ["progress_bar"]

_PATIENCE_S = 1.0
_REDRAWN_S = 0.1
_NOTHING = (0, 0, 0)


class _Bar:
    """The bar; it appears when its time has come, whoever is at work in the meantime."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._lock = threading.Lock()
        self._state = _NOTHING
        self._bar: Any = None
        self._drawn = 0.0
        self._ended = False

    def appear(self) -> None:
        """Draw the bar for the first time."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from ncs.cli._output import stderr

        with self._lock:
            if self._ended:
                return
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                TextColumn("{task.fields[left]}"),
            )
            self._bar = Progress(*columns, console=stderr(), transient=True)
            self._bar.add_task("starting (slow only the first time)", total=None, rate="", left="")
            self._bar.start()
            if self._state != _NOTHING:
                self._draw()

    def update(self, progress: BatchProgress) -> None:
        """Take in how far the batch is."""
        with self._lock:
            self._state = (progress.done + progress.failed + progress.skipped, progress.total, progress.failed)
            if time.monotonic() - self._drawn >= _REDRAWN_S:
                self._draw()

    def end(self) -> None:
        """Remove the bar."""
        with self._lock:
            self._ended = True
            if self._bar is not None:
                self._bar.stop()

    def _draw(self) -> None:
        if self._bar is not None:
            finished, total, failed = self._state
            words = f"{self._words}, {failed} failed" if failed else self._words
            self._drawn = time.monotonic()
            task = self._bar.tasks[0]
            rate = f"{task.speed:.0f}/s" if task.speed else ""
            left = "left" if rate else ""
            self._bar.update(task.id, completed=finished, total=total or None, description=words, rate=rate, left=left)


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[BatchProgress], object] | None]:
    """Give a function to tell the progress to; ``None`` where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(words)
    timer = threading.Timer(_PATIENCE_S, bar.appear)
    timer.daemon = True
    timer.start()
    try:
        yield bar.update
    finally:
        timer.cancel()
        bar.end()
