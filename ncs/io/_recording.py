"""What every reader is: the contract, and the small helpers readers share.

A reader turns bytes into a ``Visit`` that holds what the *file* states and nothing else. The sidecar it is handed
tells it only how to read the file (unit, rate, stimulus time, which column is what); filling absent fields from
sidecar and protocol, and finding contradictions, happens once, in ``ncs.io._complete``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ncs.io.protocol import Protocol as LaboratoryProtocol
    from ncs.io.sidecar import Sidecar
    from ncs.model import Visit

__all__ = ["HEAD_BYTES", "ReadRequest", "Reader"]

HEAD_BYTES = 65536
"""How much of a file a sniffer is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """What a reader is asked for.

    Parameters
    ----------
    path
        The file, as the user gave it; names in errors are ``path.name`` or this path as text.
    content
        The whole file, read once.
    sidecar
        The sidecar that belongs to the file, or ``None``.
    keep_identifiers
        Whether names and dates of birth may enter the result.
    protocol
        The laboratory's protocol, or ``None``; a reader takes from it only how stimuli are marked in the file.
    """

    path: Path
    content: bytes
    sidecar: Sidecar | None = None
    keep_identifiers: bool = False
    protocol: LaboratoryProtocol | None = None


@runtime_checkable
class Reader(Protocol):
    """One format. Register an instance in ``ncs.io.registry`` or under the entry point group ``ncs.readers``."""

    name: str
    """Short lower-case name, as given to ``ncs.read(format=…)``."""
    description: str
    """One line for ``ncs formats``."""
    extensions: tuple[str, ...]
    """Usual file name endings, lower case, with the dot: a tie-breaker, never a proof."""
    carries: Mapping[str, str]
    """What the format can state: keys waveforms, site, distance, intensity, units, filters, stimulus time,
    temperature; values ``"yes"``, ``"no"`` or a short phrase."""
    experimental: bool

    def sniff(self, head: bytes, path: Path) -> float:
        """Return the confidence, 0 to 1, that the content is of this format; never raise."""
        ...

    def read(self, request: ReadRequest) -> Visit:
        """Return what the file states.

        Raises
        ------
        ReadError
            With every problem of the file at once.
        """
        ...
