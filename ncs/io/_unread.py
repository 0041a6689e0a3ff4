"""Formats that are deliberately not read, and what to export instead. A new one is one entry in ``UNREAD``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["UNREAD", "UnreadFormat", "unread_format_of"]

_TABLE = "the curves as text or CSV (reader text, with a sidecar)"
_NO_DESCRIPTION = "no description of the format and no recording are public"
_MAKERS_LIBRARY = "only the maker's library for Windows opens it"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadFormat:
    """A format of machines that users have, and the way around it.

    Parameters
    ----------
    name
        Maker and format.
    extensions
        File name endings that mean nothing else, lower case, with the dot.
    reason
        Why there is no reader.
    instead
        What to export on the machine, and which reader takes it.
    """

    name: str
    extensions: tuple[str, ...]
    reason: str
    instead: str


UNREAD: tuple[UnreadFormat, ...] = (
    UnreadFormat(
        name="Keypoint, native (Dantec, Natus)",
        extensions=(),
        reason=_NO_DESCRIPTION,
        instead=f"export EDF where the version offers it (reader edf), else {_TABLE}; text with sections such as "
        "[1.1.1 - Store Data] is tried by the reader natus",
    ),
    UnreadFormat(
        name="Nicolet, Medelec and Synergy, native (Natus)",
        extensions=(".nrp",),
        reason=_NO_DESCRIPTION,
        instead="export the averaged curves as text (reader natus, experimental)",
    ),
    UnreadFormat(
        name="Cadwell Sierra Wave and Summit",
        extensions=(".sd",),
        reason="a proprietary binary format without a public description",
        instead=f"export EDF (reader edf), or {_TABLE}",
    ),
    UnreadFormat(
        name="LabChart, native (ADInstruments)",
        extensions=(".adicht",),
        reason=_MAKERS_LIBRARY,
        instead="in LabChart: File, Export, LabChart text file, with block header, time as always seconds and comments "
        "(reader labchart)",
    ),
    UnreadFormat(
        name="Spike2, 64 bit (CED)",
        extensions=(".smrx",),
        reason=_MAKERS_LIBRARY,
        instead="in Spike2: export as a 32-bit .smr file (reader neo), or as text (reader text, with a sidecar)",
    ),
    UnreadFormat(
        name="QTRAC raw recording",
        extensions=(".qzd",),
        reason=_NO_DESCRIPTION,
        instead="in QTRAC: write a MEM file (reader qtrac); it holds results, no waveforms",
    ),
    UnreadFormat(
        name="Neuro-MEP.NET, native (Neurosoft)",
        extensions=(),
        reason=_NO_DESCRIPTION,
        instead="export EDF (reader edf); where it comes without annotations, a sidecar states stimulus, site and "
        "distance",
    ),
    UnreadFormat(
        name="Nihon Kohden Neuropack, Deymed TruTrace, XLTEK NeuroMax, NeuroMetrix",
        extensions=(),
        reason=_NO_DESCRIPTION,
        instead=f"export EDF where the version offers it (reader edf), else {_TABLE}",
    ),
)


def unread_format_of(path: Path) -> UnreadFormat | None:
    """Return the format that the name of a file tells.

    Examples
    --------
    >>> from pathlib import Path
    >>> unread_format_of(Path("Study 1.ADICHT")).name
    'LabChart, native (ADInstruments)'
    """
    ending = path.suffix.lower()
    return next((each for each in UNREAD if ending in each.extensions), None)
