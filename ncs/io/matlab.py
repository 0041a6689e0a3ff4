"""Reader of MATLAB files (``.mat``, version 5 to 7.3): arrays that a sidecar explains.

Version 5 to 7.2 is decoded in ``_mat5``, version 7.3 (HDF5) in ``_mat73``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ncs.io import _mat5, _mat73
from ncs.io._arrays import visit_of_arrays
from ncs.io._faults import Faults

if TYPE_CHECKING:
    from pathlib import Path

    from ncs.io._recording import ReadRequest
    from ncs.model import Visit

__all__ = ["MATLAB", "MatlabReader"]

_VERSION_5 = (b"\x00\x01IM", b"\x01\x00MI")
_VERSION_7_3 = (b"\x00\x02IM", b"\x02\x00MI")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF5_AT = 512


class MatlabReader:
    """MATLAB arrays with a sidecar."""

    name = "matlab"
    description = "MATLAB arrays (.mat, version 5 to 7.3) with a sidecar that says what they are"
    extensions: tuple[str, ...] = (".mat",)
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

    def sniff(self, head: bytes, path: Path) -> float:
        """Return 1 for the header of version 5 to 7.3, 0.3 for a file named ``.mat`` that looks like version 4."""
        version = head[124:128]
        if version in _VERSION_5 or (version in _VERSION_7_3 and head[_HDF5_AT : _HDF5_AT + 8] == _HDF5):
            return 1.0
        return 0.3 if path.suffix.lower() == ".mat" and _is_version_4(head) else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Return the sweeps of the arrays that the sidecar names.

        Raises
        ------
        ReadError
            With everything that is wrong with the file, and everything that nothing states.
        MissingDependencyError
            When a file of version 7.3 needs h5py, and it is not installed.
        """
        faults = Faults(file=str(request.path))
        content, version = request.content, request.content[124:128]
        variables = []
        if version in _VERSION_5:
            variables = _mat5.read_variables(content, faults)
        elif version in _VERSION_7_3:
            variables = _mat73.read_variables(content, faults)
        else:
            is_old = _is_version_4(content)
            found = "version 4" if is_old else f"{len(content)} bytes without it"
            faults.add("byte 124", "version", "the header of a MATLAB file of version 5 to 7.3", found,
                       "save with -v7 in MATLAB" if is_old else "")  # fmt: skip
        faults.raise_if_fatal()
        return visit_of_arrays(variables, request, faults)


def _is_version_4(head: bytes) -> bool:
    """Return whether a file begins like an array of version 4: type, rows, columns, complex or not, length of name."""
    if len(head) < 20:
        return False
    for order in "<>":
        kind, rows, columns, is_complex, length = struct.unpack_from(f"{order}5i", head)
        if 0 <= kind <= 4052 and min(rows, columns) >= 0 and is_complex in {0, 1} and 1 <= length <= 64:
            return True
    return False


MATLAB = MatlabReader()
