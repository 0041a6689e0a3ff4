"""MATLAB files of version 5 to 7.2: the arrays of a file, found without loading them, and the values of numeric ones.

Decoded here because sizes have to be known before anything is unpacked, and because a fault has a position. Source: the
MAT-File Format document of MathWorks, level 5. Cells, structures, objects, text, sparse and complex arrays are named,
never read.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io._faults import Faults
from ncs.io._variables import DamagedArrayError, FileVariable, allowed_bytes, plain_array

__all__ = ["HEADER_BYTES", "read_variables"]

HEADER_BYTES = 128
_COMPRESSED, _MATRIX = 15, 14
_CLASSES = {
    1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 6: "double", 7: "single", 8: "int8", 9: "uint8",
    10: "int16", 11: "uint16", 12: "int32", 13: "uint32", 14: "int64", 15: "uint64", 16: "function", 17: "object",
}  # fmt: skip
_NUMERIC = range(6, 16)
_OPAQUE = 17
_REFUSALS = {
    1: "a cell array", 2: "a structure", 3: "an object", 4: "text", 5: "a sparse matrix", 16: "a function",
    17: "an object",
}  # fmt: skip
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_COMPLEX, _LOGICAL = 0x08, 0x02
_HEAD_BYTES = 4096
"""As much of an array as its flags, dimensions and name take."""
_MOST_ARRAYS = 1_000
_MOST_DIMENSIONS = 32


class _Element(NamedTuple):
    """One tagged piece of data: its type, where its bytes are, and where the next one begins."""

    kind: int
    start: int
    size: int
    end: int


@dataclass(frozen=True, slots=True)
class _Matrix:
    """The head of an array; ``data_at`` is where its values begin in the (unpacked) element."""

    name: str
    shape: tuple[int, ...]
    array_class: int
    flags: int
    data_at: int


def read_variables(content: bytes, faults: Faults) -> list[FileVariable]:
    """Return the arrays of a file; the values of each are read when they are asked for."""
    order = ">" if content[126:128] == b"MI" else "<"
    variables: list[FileVariable] = []
    at = HEADER_BYTES
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        place = f"byte {at}"
        end = at + 8 + size
        if kind not in {_COMPRESSED, _MATRIX}:
            faults.add(place, "type of an element", f"{_MATRIX} or {_COMPRESSED}, an array", str(kind))
            break
        if end > len(content):
            found = f"{len(content) - at - 8} bytes"
            faults.add(place, "array", f"{size} bytes, as its tag says", found, "the file is truncated or damaged")
            break
        if len(variables) >= _MOST_ARRAYS:
            faults.add(place, "arrays", f"at most {_MOST_ARRAYS}", "more")
            break
        try:
            variable = _variable(content, at, order)
        except DamagedArrayError as error:
            faults.add(place, "array", error.expected, error.found)
        else:
            variables += [variable] if variable is not None else []
        at = end
    rest = len(content) - at
    if not faults.fatal and 0 < rest < 8 and any(content[at:]):
        faults.note(f"byte {at}", "end of file", "nothing after the last array", f"{rest} bytes")
    _report_twice(variables, faults)
    return variables


def _report_twice(variables: list[FileVariable], faults: Faults) -> None:
    names = [variable.name for variable in variables]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add("", "arrays", "each array once", f"{name!r} twice")


def _variable(content: bytes, at: int, order: str) -> FileVariable | None:
    """Return the array of a top-level element; ``None`` for the nameless one in which MATLAB keeps objects."""
    kind, size = struct.unpack_from(f"{order}II", content, at)
    is_packed = kind == _COMPRESSED
    start, end = at + 8, at + 8 + size
    head = _unpacked(content[start : min(end, start + _HEAD_BYTES)], _HEAD_BYTES) if is_packed else b""
    body = head[8:] if is_packed else content[start : min(end, start + _HEAD_BYTES)]
    if is_packed:
        if len(head) < 8:
            raise DamagedArrayError("an array", f"{len(head)} unpacked bytes")
        inner, size = struct.unpack_from(f"{order}II", head, 0)
        if inner != _MATRIX:
            raise DamagedArrayError(f"an unpacked element of type {_MATRIX}", str(inner))
    matrix = _matrix(body, size, order)
    if not matrix.name:
        return None
    refusal = _REFUSALS.get(matrix.array_class, "")
    if matrix.array_class in _NUMERIC and matrix.flags & _COMPLEX:
        refusal = "complex numbers"
    elif matrix.array_class in _NUMERIC and matrix.flags & _LOGICAL:
        refusal = "truth values"
    kind_text = "logical" if refusal == "truth values" else _CLASSES[matrix.array_class]

    def load() -> NDArray[Any]:
        if not is_packed:
            return _values(memoryview(content)[start:end], matrix, order)
        if size > allowed_bytes(len(content)):
            raise DamagedArrayError(f"at most {allowed_bytes(len(content))} bytes", f"{size}, unpacked")
        unpacked = _unpacked(content[start:end], size + 8)
        if len(unpacked) != size + 8:
            raise DamagedArrayError(f"{size + 8} unpacked bytes", str(len(unpacked)))
        return _values(memoryview(unpacked)[8:], matrix, order)

    return FileVariable(
        name=matrix.name, shape=matrix.shape, kind=kind_text, place=f"byte {at}", refusal=refusal, load=load
    )


def _unpacked(packed: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error as error:
        raise DamagedArrayError("zlib data", str(error)) from None


def _element(body: bytes | memoryview, at: int, order: str, limit: int) -> _Element:
    """Return the element at a position; small ones keep up to four bytes in their own tag."""
    if at + 8 > len(body):
        raise DamagedArrayError("an element", f"the end of the array at its byte {len(body)}")
    kind, size = struct.unpack_from(f"{order}II", body, at)
    if kind >> 16:
        size, kind = kind >> 16, kind & 0xFFFF
        if size > 4:
            raise DamagedArrayError("at most 4 bytes in a small element", str(size))
        return _Element(kind, at + 4, size, at + 8)
    if at + 8 + size > limit:
        raise DamagedArrayError(f"an element within the array's {limit} bytes", f"{size} bytes from byte {at + 8}")
    return _Element(kind, at + 8, size, at + 8 + size + -size % 8)


def _matrix(body: bytes, size: int, order: str) -> _Matrix:
    flags = _element(body, 0, order, size)
    if flags.kind != 6 or flags.size != 8 or flags.start + 8 > len(body):
        raise DamagedArrayError("array flags of 8 bytes", f"type {flags.kind} with {flags.size} bytes")
    (word,) = struct.unpack_from(f"{order}I", body, flags.start)
    array_class, bits = word & 0xFF, word >> 8 & 0xFF
    if array_class not in _CLASSES:
        raise DamagedArrayError("an array class from 1 to 17", str(array_class))
    at, shape = flags.end, ()
    if array_class != _OPAQUE:
        dimensions = _element(body, at, order, size)
        count = dimensions.size // 4
        if dimensions.kind != 5 or not 2 <= count <= _MOST_DIMENSIONS or dimensions.size % 4:
            raise DamagedArrayError("2 to 32 dimensions", f"{dimensions.size} bytes of type {dimensions.kind}")
        if dimensions.start + dimensions.size > len(body):
            raise DamagedArrayError(f"{count} dimensions", f"the end of the array at its byte {len(body)}")
        shape = struct.unpack_from(f"{order}{count}i", body, dimensions.start)
        if min(shape) < 0:
            raise DamagedArrayError("dimensions of at least 0", " x ".join(map(str, shape)))
        at = dimensions.end
    name = _element(body, at, order, size)
    if name.kind not in {1, 2, 16} or name.start + name.size > len(body):
        raise DamagedArrayError("the name of the array", f"{name.size} bytes of type {name.kind}")
    text = body[name.start : name.start + name.size].decode("utf-8", "replace").rstrip("\0")
    return _Matrix(text, shape, array_class, bits, name.end)


def _values(body: memoryview, matrix: _Matrix, order: str) -> NDArray[Any]:
    """Return the real numbers of an array; MATLAB stores whole ones in the smallest type that holds them."""
    data = _element(body, matrix.data_at, order, len(body))
    if data.kind not in _STORED:
        raise DamagedArrayError("numbers", f"an element of type {data.kind}")
    dtype = np.dtype(order + _STORED[data.kind])
    count = 1
    for length in matrix.shape:
        count *= length
    if data.size != count * dtype.itemsize or data.start + data.size > len(body):
        shape = " x ".join(map(str, matrix.shape))
        raise DamagedArrayError(f"{count * dtype.itemsize} bytes for {shape} numbers", str(data.size))
    return plain_array(body[data.start : data.start + data.size], dtype, matrix.shape, "F")
