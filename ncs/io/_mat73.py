"""MATLAB files of version 7.3 (HDF5 with MATLAB's attributes): the arrays, and the values of numeric ones.

HDF5 lets a file name other files, and lets a few bytes unpack to any size. Neither is followed: links and external or
virtual data are refused, and packed blocks are unpacked here, each to no more than it may hold.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ncs.errors import MissingDependencyError
from ncs.io._faults import Faults
from ncs.io._variables import DamagedArrayError, FileVariable, allowed_bytes

if TYPE_CHECKING:
    import h5py

__all__ = ["read_variables"]

_MOST_ARRAYS = 1_000
_MOST_BLOCKS = 100_000
_FILTERS = {1: "deflate", 2: "shuffle"}
_REFUSALS = {
    "cell": "a cell array",
    "struct": "a structure",
    "char": "text",
    "logical": "truth values",
    "function_handle": "a function",
}
_NUMERIC = frozenset({"double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))})


def read_variables(content: bytes, faults: Faults) -> list[FileVariable]:
    """Return the arrays of a file; the values of each are read when they are asked for.

    Raises
    ------
    MissingDependencyError
        When h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise MissingDependencyError(
            "MATLAB files of version 7.3 need h5py: pip install 'ncs[recorders]', or save with -v7 in MATLAB"
        ) from None
    variables: list[FileVariable] = []
    try:
        file = h5py.File(io.BytesIO(content), "r")
        names = list(file)
    except Exception as error:  # noqa: BLE001  # the library fails in many ways on a damaged file
        faults.add("byte 512", "HDF5 data", "a complete file", _words(error), "the file is truncated or damaged")
        return []
    if len(names) > _MOST_ARRAYS:
        faults.add("", "arrays", f"at most {_MOST_ARRAYS}", str(len(names)))
        return []
    for name in names:
        if not isinstance(name, str):  # h5py gives bytes where the name is no text
            faults.add("", "name of an array", "UTF-8 text", repr(name[:40]), "the file is damaged")
            continue
        if name.startswith("#"):
            continue
        try:
            variables.append(_variable(file, name, content))
        except Exception as error:  # noqa: BLE001
            faults.add("", name, "an array", _words(error), "the file is damaged")
    return variables


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:100] or type(error).__name__


def _variable(file: h5py.File, name: str, content: bytes) -> FileVariable:
    import h5py

    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        return _refused(name, "link", "a link to another place")
    node = file[name]
    matlab_class = node.attrs.get("MATLAB_class", b"")
    kind = matlab_class.decode("latin-1") if isinstance(matlab_class, bytes) else str(matlab_class)
    if not isinstance(node, h5py.Dataset):
        is_sparse = "MATLAB_sparse" in node.attrs
        return _refused(name, "sparse" if is_sparse else "struct", "a sparse matrix" if is_sparse else "a structure")
    shape = tuple(int(length) for length in node.shape[::-1]) if node.shape is not None else ()
    if node.attrs.get("MATLAB_empty", 0):
        shape = (0, 0)
    refusal = _refusal(node, kind)

    def load() -> NDArray[Any]:
        return _guarded(lambda: _values(node, content))

    return FileVariable(name=name, shape=shape, kind=kind or node.dtype.name, place="", refusal=refusal, load=load)


def _refused(name: str, kind: str, refusal: str) -> FileVariable:
    return FileVariable(name=name, shape=(), kind=kind, place="", refusal=refusal, load=lambda: np.empty(0))


def _refusal(node: h5py.Dataset, kind: str) -> str:
    """Return why a dataset cannot be samples, or empty text."""
    if node.dtype.names is not None:
        return "complex numbers" if set(node.dtype.names) == {"real", "imag"} else "records"
    if kind in _REFUSALS:
        return _REFUSALS[kind]
    if kind and kind not in _NUMERIC:
        return f"an object ({kind[:40]})"
    if node.dtype.kind not in "iuf":
        return "values that are no numbers"
    if node.is_virtual or node.external:
        return "data in another file"
    plist = node.id.get_create_plist()
    filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
    unknown = [str(number) for number in filters if number not in _FILTERS]
    return f"data packed with filter {', '.join(unknown)}" if unknown else ""


def _guarded(read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    try:
        return read()
    except DamagedArrayError:
        raise
    except Exception as error:  # noqa: BLE001  # the library fails in many ways on a damaged file
        raise DamagedArrayError("values that can be read", _words(error)) from None


def _values(node: h5py.Dataset, content: bytes) -> NDArray[Any]:
    """Return the values in MATLAB's order of dimensions."""
    if node.nbytes > allowed_bytes(len(content)):
        raise DamagedArrayError(f"at most {allowed_bytes(len(content))} bytes", f"{node.nbytes}, unpacked")
    if node.chunks is None:
        offset = node.id.get_offset() if node.id.get_storage_size() else None  # what was never written reads as zeros
        if offset is None or offset + node.nbytes > len(content):
            raise DamagedArrayError(f"{node.nbytes} bytes within the file", "an array that is not stored there")
        return np.asarray(node[()]).T
    return _blocks(node, content).T


def _blocks(node: h5py.Dataset, content: bytes) -> NDArray[Any]:
    """Put together an array that is stored in blocks, unpacking each to at most its size."""
    chunk = tuple(int(length) for length in node.chunks)
    block_bytes = int(np.prod(chunk, dtype=object)) * node.dtype.itemsize
    count = node.id.get_num_chunks()
    if block_bytes > allowed_bytes(len(content)) or count > _MOST_BLOCKS:
        raise DamagedArrayError("blocks of ordinary size", f"{count} of {block_bytes} bytes")
    plist = node.id.get_create_plist()
    filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
    stored: list[Any] = []
    node.id.chunk_iter(stored.append)
    expected = int(
        np.prod([-(-whole // length) for whole, length in zip(node.shape, chunk, strict=True)], dtype=object)
    )
    if len(stored) != expected:
        raise DamagedArrayError(f"{expected} blocks", str(len(stored)))
    values = np.zeros(node.shape, node.dtype)
    for info in stored:
        if info.byte_offset is None or info.byte_offset + info.size > len(content):
            raise DamagedArrayError("blocks within the file", f"{info.size} bytes from byte {info.byte_offset}")
        mask, packed = node.id.read_direct_chunk(info.chunk_offset)
        block = np.frombuffer(_unpacked(packed, filters, mask, block_bytes, node.dtype.itemsize), node.dtype)
        corner = tuple(
            slice(first, min(first + length, whole))
            for first, length, whole in zip(info.chunk_offset, chunk, node.shape, strict=True)
        )
        inside = tuple(slice(0, part.stop - part.start) for part in corner)
        values[corner] = block.reshape(chunk)[inside]
    return values


def _unpacked(packed: bytes, filters: list[int], mask: int, size: int, item: int) -> bytes:
    data = packed
    for index in reversed(range(len(filters))):
        if mask >> index & 1:
            continue
        if _FILTERS[filters[index]] == "deflate":
            data = zlib.decompressobj().decompress(data, size + 1)
        else:
            data = np.frombuffer(data, np.uint8).reshape(item, -1).T.tobytes()
    if len(data) != size:
        raise DamagedArrayError(f"a block of {size} bytes", f"{len(data)}")
    return data
