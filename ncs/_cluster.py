"""Workers of a ``dask.distributed`` cluster as an executor, after a look at whether they can do the work at all.

What must be true on every machine stands in ``docs/cluster.md``; what can be checked of it is checked here.
"""

from __future__ import annotations

import importlib
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ncs import __version__
from ncs.errors import ClusterError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

__all__ = ["Cluster", "connected"]

_ADVICE = "See docs/cluster.md."
_MOST_NAMED = 3


class Cluster(NamedTuple):
    """An executor, and how many tasks it works on at once."""

    executor: Executor
    threads: int


@contextmanager
def connected(address: str, paths: Sequence[str] = (), *, timeout_s: float = 10.0) -> Iterator[Cluster]:
    """Connect to a scheduler for as long as the context lasts.

    Parameters
    ----------
    address
        Such as ``"tcp://host:8786"``.
    paths
        Files and folders that every worker must see.
    timeout_s
        How long to wait for the scheduler, and for the first worker.

    Yields
    ------
    Cluster
        The executor; the cluster goes on when the context ends.

    Raises
    ------
    MissingDependencyError
        When ``distributed`` is not installed here.
    ClusterError
        When the scheduler does not answer, has no workers, or a worker lacks this version of ncs or the files.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise MissingDependencyError(
            "work on a cluster needs distributed, which is not installed: pip install 'ncs[cluster]'"
        ) from error
    try:
        client = distributed.Client(address, timeout=timeout_s, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"{address}: expected a scheduler of dask.distributed that answers within {timeout_s:g} s, "
            f"found: {str(error) or type(error).__name__}. Check the address; start one with: dask scheduler"
        ) from error
    with client:
        _check(client, address, [os.path.abspath(path) for path in paths], timeout_s)  # noqa: PTH100
        yield Cluster(client.get_executor(), sum(client.nthreads().values()))


def _check(client: Any, address: str, places: list[str], timeout_s: float) -> None:
    try:
        client.wait_for_workers(1, timeout=timeout_s)
    except TimeoutError as error:
        raise ClusterError(
            f"{address}: expected a worker within {timeout_s:g} s, found none. Start one with: dask worker {address}"
        ) from error
    present = [place for place in places if Path(place).exists()]  # patterns, and what is missing everywhere
    answers = client.run(_look, present, on_error="return")
    faults = [f"worker {worker}: {fault}" for worker, answer in answers.items() if (fault := _fault(answer))]
    if faults:
        more = f" (and {len(faults) - _MOST_NAMED} more)" if len(faults) > _MOST_NAMED else ""
        raise ClusterError("\n".join([*faults[:_MOST_NAMED], f"{_ADVICE}{more}"]))


def _look(places: list[str]) -> tuple[str, list[str]]:
    """Return, on a worker, its version of ncs and what it cannot see of some files and folders."""
    return __version__, [place for place in places if not Path(place).exists()]


def _fault(answer: Any) -> str:
    if isinstance(answer, BaseException):
        return f"expected ncs {__version__}, found {type(answer).__name__}: {answer}"
    version, missing = answer
    if version != __version__:
        return f"expected ncs {__version__}, as here, found {version}"
    if missing:
        return f"expected to find {missing[0]}, as here, found nothing there; the workers need the same shared folder"
    return ""
