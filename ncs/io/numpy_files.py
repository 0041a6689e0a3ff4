"""Reader of NumPy files (``.npy``, ``.npz``): arrays that a sidecar explains. Pickled objects are never loaded."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ncs.io._arrays import visit_of_arrays
from ncs.io._faults import Faults, quoted
from ncs.io._npy import MAGIC, MOST_HEADER_BYTES, NpyHeader, read_npy_header
from ncs.io._variables import DamagedArrayError, FileVariable, allowed_bytes, plain_array

if TYPE_CHECKING:
    from pathlib import Path

    from ncs.io._recording import ReadRequest
    from ncs.model import Visit

__all__ = ["NUMPY", "NumpyReader"]

_ZIP = b"PK\x03\x04"
_ZIP_ENTRY = b"PK\x01\x02"
_MOST_ARRAYS = 1_000
_ZIP_FAULTS = (
    zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, KeyError,
    OSError, OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
"""What ``zipfile`` raises for damaged archives."""


class NumpyReader:
    """NumPy arrays with a sidecar."""

    name = "numpy"
    description = "NumPy arrays (.npy, .npz) with a sidecar that says what they are"
    extensions: tuple[str, ...] = (".npy", ".npz")
    carries: Mapping[str, str] = MappingProxyType(
        {
            "waveforms": "yes",
            "site": "no",
            "distance": "no",
            "intensity": "an array that the sidecar names",
            "units": "no",
            "filters": "no",
            "stimulus time": "an array that the sidecar names",
            "temperature": "no",
        }
    )
    experimental = False

    def sniff(self, head: bytes, path: Path) -> float:  # noqa: ARG002  # part of the contract
        """Return 1 for an NPY array and for a ZIP archive whose first member is one, 0 otherwise."""
        if head.startswith(MAGIC):
            return 1.0
        if not head.startswith(_ZIP) or len(head) < 30:
            return 0.0
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        return 1.0 if name.endswith(b".npy") else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Return the sweeps of the arrays that the sidecar names.

        Raises
        ------
        ReadError
            With everything that is wrong with the file, and everything that nothing states.
        """
        faults = Faults(file=str(request.path))
        is_archive = request.content.startswith(b"PK")
        variables = _archived(request.content, faults) if is_archive else _single(request.content, faults)
        faults.raise_if_fatal()
        return visit_of_arrays(variables, request, faults)


def _single(content: bytes, faults: Faults) -> list[FileVariable]:
    try:
        header = read_npy_header(content)
    except DamagedArrayError as error:
        faults.add("byte 0", "NPY header", error.expected, error.found)
        return []
    held = len(content) - header.data_at
    if header.dtype is not None and held < header.data_bytes:
        faults.add(f"byte {header.data_at}", "values", f"{header.data_bytes} bytes", f"{held}", "the file is truncated")
    elif header.dtype is not None and held > header.data_bytes:
        place = f"byte {header.data_at + header.data_bytes}"
        faults.note(place, "end of file", "nothing after the array", f"{held - header.data_bytes} bytes")

    def load() -> NDArray[Any]:
        view = memoryview(content)[header.data_at : header.data_at + header.data_bytes]
        return _array(header, view)

    return [_variable("", header, f"byte {header.data_at}", load)]


def _array(header: NpyHeader, view: bytes | memoryview) -> NDArray[Any]:
    assert header.dtype is not None  # an array of anything else is refused before
    return plain_array(view, header.dtype, header.shape, header.order)


def _variable(name: str, header: NpyHeader, place: str, load: Callable[[], NDArray[Any]]) -> FileVariable:
    return FileVariable(name=name, shape=header.shape, kind=header.kind, place=place, refusal=header.refusal, load=load)


def _archived(content: bytes, faults: Faults) -> list[FileVariable]:
    count = content.count(_ZIP_ENTRY)
    if count > _MOST_ARRAYS:
        faults.add("", "archive", f"at most {_MOST_ARRAYS} arrays", str(count))
        return []
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = archive.infolist()
    except _ZIP_FAULTS as error:
        faults.add("", "archive", "a complete ZIP archive", str(error)[:80] or type(error).__name__,
                   "the file is truncated or damaged")  # fmt: skip
        return []
    variables = []
    for member in members:
        place = f"byte {member.header_offset}"
        if not member.filename.endswith(".npy"):
            faults.note(place, quoted(member.filename), "an array (.npy)", "another file", "it was not read")
            continue
        try:
            variables.append(_member(archive, member, allowed_bytes(len(content))))
        except DamagedArrayError as error:
            faults.add(place, quoted(member.filename), error.expected, error.found)
    names = [variable.name for variable in variables]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add("", "archive", "each array once", f"{name!r} twice")
    return variables


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> FileVariable:
    header = read_npy_header(_read(archive, member, MOST_HEADER_BYTES + 12))
    size = header.data_at + header.data_bytes
    if header.dtype is not None and member.file_size != size:
        raise DamagedArrayError(f"an array of {size} bytes, as its header says", f"{member.file_size} bytes")

    def load() -> NDArray[Any]:
        if size > most:
            raise DamagedArrayError(f"at most {most} bytes", f"{size}, unpacked")
        content = _read(archive, member, size)
        if len(content) != size:
            raise DamagedArrayError(f"{size} bytes", f"{len(content)}")
        return _array(header, memoryview(content)[header.data_at :])

    return _variable(member.filename.removesuffix(".npy"), header, f"byte {member.header_offset}", load)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """Return the start of a member; only what NumPy writes, stored or deflated, is unpacked."""
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise DamagedArrayError("a stored or deflated array", f"compression method {member.compress_type}")
    try:
        with archive.open(member) as stream:
            return stream.read(most)
    except _ZIP_FAULTS as error:
        raise DamagedArrayError("an array that can be unpacked", str(error)[:80] or type(error).__name__) from None


NUMPY = NumpyReader()
