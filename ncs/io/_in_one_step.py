"""A file that is there whole or not at all: what a full disk or a power cut must not leave half-written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["write_in_one_step"]


def write_in_one_step(path: Path, content: bytes) -> None:
    """Write a file beside its place, then let it take its name; what stood there stays until then.

    Raises
    ------
    OSError
        When it cannot be written; what stood there is as it was.
    """
    if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced
        path.write_bytes(content)
        return
    place = path.resolve()
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
