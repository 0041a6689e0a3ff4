"""Bytes to model: one module per format, a registry that sniffs, sidecar and protocol files.

Nothing is imported here until it is used; a new public function of this package gets a line in ``_HOMES``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncs.io._recording import HEAD_BYTES, Reader, ReadRequest
    from ncs.io._unread import UNREAD, UnreadFormat
    from ncs.io.merging import merge
    from ncs.io.protocol import Protocol, load_protocol
    from ncs.io.reading import find_sidecar, read
    from ncs.io.registry import FormatInfo, formats
    from ncs.io.sidecar import Sidecar, load_sidecar, sidecar_schema

_HOMES = {
    "FormatInfo": "ncs.io.registry",
    "HEAD_BYTES": "ncs.io._recording",
    "Protocol": "ncs.io.protocol",
    "ReadRequest": "ncs.io._recording",
    "Reader": "ncs.io._recording",
    "Sidecar": "ncs.io.sidecar",
    "UNREAD": "ncs.io._unread",
    "UnreadFormat": "ncs.io._unread",
    "find_sidecar": "ncs.io.reading",
    "formats": "ncs.io.registry",
    "load_protocol": "ncs.io.protocol",
    "load_sidecar": "ncs.io.sidecar",
    "merge": "ncs.io.merging",
    "read": "ncs.io.reading",
    "sidecar_schema": "ncs.io.sidecar",
}

__all__ = [
    "HEAD_BYTES",
    "UNREAD",
    "FormatInfo",
    "Protocol",
    "ReadRequest",
    "Reader",
    "Sidecar",
    "UnreadFormat",
    "find_sidecar",
    "formats",
    "load_protocol",
    "load_sidecar",
    "merge",
    "read",
    "sidecar_schema",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ncs.io' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
