"""The NPY format: header and values of one array. Nothing is unpickled, and nothing in the header is evaluated.

Source: the specification in ``numpy.lib.format``, versions 1.0 to 3.0.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from ncs.io._variables import DamagedArrayError

__all__ = ["MAGIC", "NpyHeader", "read_npy_header"]

MAGIC = b"\x93NUMPY"
MOST_HEADER_BYTES = 65536

_DESCR = re.compile(r"""['"]descr['"]\s*:\s*(?:['"](?P<plain>[^'"]{1,40})['"]|(?P<other>[\[(]))""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([\d,\sL]*)\)""")
_REFUSED = {
    "O": "Python objects, which only pickle could read",
    "c": "complex numbers",
    "b": "truth values",
    "S": "text",
    "U": "text",
    "V": "records",
    "M": "dates",
    "m": "durations",
}


class NpyHeader(NamedTuple):
    """What the header states; ``dtype`` is ``None`` where the values are no plain numbers, and ``refusal`` says why."""

    shape: tuple[int, ...]
    kind: str
    dtype: np.dtype[Any] | None
    order: str
    data_at: int
    refusal: str

    @property
    def data_bytes(self) -> int:
        """Size of the values."""
        size = self.dtype.itemsize if self.dtype is not None else 0
        for length in self.shape:
            size *= length
        return size


def read_npy_header(start: bytes) -> NpyHeader:
    """Decode the header at the start of some bytes.

    Raises
    ------
    DamagedArrayError
        When it is not a header, or longer than the bytes or 64 KB.
    """
    if len(start) < 12 or not start.startswith(MAGIC):
        raise DamagedArrayError("the start of an NPY array", f"{start[:8]!r}")
    major = start[6]
    if not 1 <= major <= 3:
        raise DamagedArrayError("NPY version 1 to 3", f"version {major}")
    width = 2 if major == 1 else 4
    length = int.from_bytes(start[8 : 8 + width], "little")
    data_at = 8 + width + length
    if length > MOST_HEADER_BYTES or data_at > len(start):
        raise DamagedArrayError(f"a header of at most {min(MOST_HEADER_BYTES, len(start))} bytes", f"{length} bytes")
    text = start[8 + width : data_at].decode("utf-8" if major == 3 else "latin-1", "replace")
    descr, order, shape = _DESCR.search(text), _ORDER.search(text), _SHAPE.search(text)
    if descr is None or order is None or shape is None:
        raise DamagedArrayError("a header with descr, fortran_order and shape", repr(text[:60]))
    digits = [part.strip().rstrip("L") for part in shape[1].split(",")]
    if any(len(part) > 18 or (part and not part.isdecimal()) for part in digits) or len(digits) > 33:
        raise DamagedArrayError("a shape", repr(shape[1][:40]))
    dimensions = tuple(int(part) for part in digits if part)
    kind, dtype, refusal = _number_type(descr["plain"])
    return NpyHeader(dimensions, kind, dtype, "F" if order[1] == "True" else "C", data_at, refusal)


def _number_type(text: str | None) -> tuple[str, np.dtype[Any] | None, str]:
    if text is None:
        return "records", None, "records"
    try:
        dtype = np.dtype(text)
    except (TypeError, ValueError, SyntaxError):
        raise DamagedArrayError("a type of values", repr(text)) from None
    if dtype.kind in "iuf" and dtype.itemsize > 0:
        return dtype.name, dtype, ""
    return dtype.name, None, _REFUSED.get(dtype.kind, dtype.name)
