"""How kernels are compiled, and how what was compiled is kept: a cache may save time, never cost a result.

numba takes a damaged file of its cache for code: at best the run ends in a traceback. It cannot tell code that checks
its bounds from code that does not, and does not start where no folder can be written. All of that is mended here.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numba import njit
from numba.core import config
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.sigutils import normalize_signature

from ncs.errors import NcsWarning

__all__ = ["kernel", "unwarned"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function at its first call, or load what an earlier process has compiled.

    Where the JIT is disabled, the function stays as it is.
    """
    compiled: Any = njit(nogil=True, error_model="numpy")(function)
    if compiled is not function:
        try:
            compiled._cache = _Cache(function)  # noqa: SLF001  what njit(cache=True) does, with another class
        except RuntimeError:  # numba has found no folder that can be written
            _warn_once()
    return compiled  # type: ignore[no-any-return]


def unwarned() -> AbstractContextManager[object]:
    """Return a context for kernels, which count on inf and NaN: without the JIT, numpy would warn of them."""
    return np.errstate(all="ignore") if getattr(config, "DISABLE_JIT", None) else nullcontext()


class _CheckedFile(IndexDataCacheFile):
    """Data files that begin with their own hash: what a disk or a power cut has changed must not run."""

    def _save_data(self, name: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as stream:
            stream.write(hashlib.sha256(content).digest() + content)

    def _load_data(self, name: str) -> Any:
        whole = Path(self._data_path(name)).read_bytes()
        if hashlib.sha256(whole[32:]).digest() != whole[:32]:
            raise ValueError(f"{name} is damaged")
        return pickle.loads(whole[32:])  # noqa: S301  written by numba, in a folder of the user's own


class _Cache(FunctionCache):
    """A cache of which every fault means: compile anew, and write what is faulty again if that is possible."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        variant = ".bounds" if getattr(config, "BOUNDSCHECK", None) else ""
        name = f"{self._impl.filename_base}{variant}"
        self._cache_file = _CheckedFile(self._cache_path, name, self._impl.locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was compiled for a signature, ``None`` where there is nothing or it cannot be used."""
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001  a damaged pickle can raise anything
            self._forget()
            return None
        if found is not None and found.signature.args != normalize_signature(sig)[0]:  # two processes wrote at a time
            self._forget()
            return None
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, where that is possible."""
        try:
            super().save_overload(sig, data)
        except Exception:  # noqa: BLE001  a damaged index, a full disk, a folder that has gone
            self._forget()

    def _forget(self) -> None:
        with suppress(OSError):
            self.flush()


_warned: list[bool] = []


def _warn_once() -> None:
    if not _warned and multiprocessing.parent_process() is None:
        warnings.warn(
            "Compiled code cannot be kept, because no folder can be written, so every command compiles anew: "
            "set NUMBA_CACHE_DIR to a folder that can be written",
            NcsWarning,
            stacklevel=3,
        )
    _warned.append(True)
