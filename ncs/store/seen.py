"""What is remembered of a file that a batch has dealt with. No database here: the batch decides, the store keeps."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Recalled", "Seen", "SeenOutcome"]

SeenOutcome = Literal["stored", "failed", "ignored"]


class Seen(NamedTuple):
    """One file as it was when it was last dealt with.

    Parameters
    ----------
    path
        Absolute.
    stamp
        Its size, times and number, and those of its sidecar.
    outcome
        Whether it gave a result, failed, or is no recording.
    content_key, sidecar_sha256
        What a result is filed under; ``None`` where there is none.
    circumstances
        Of a file that gave no result: the SHA-256 over everything else that decided it.
    """

    path: str
    stamp: str
    outcome: SeenOutcome
    content_key: str | None = None
    sidecar_sha256: str | None = None
    circumstances: str | None = None


class Recalled(NamedTuple):
    """What a store remembers.

    Parameters
    ----------
    files
        By absolute path.
    runs
        Of their contents, by content key and fingerprint: whether they are current.
    """

    files: dict[str, Seen]
    runs: dict[tuple[str, str], bool]
