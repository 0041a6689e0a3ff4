"""Reader of BIOPAC AcqKnowledge ``.acq`` files, through bioread: event markers are the annotations of the recording."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs.io._continuous import Channel, Recording, attempt, to_visit
from ncs.io._faults import Faults
from ncs.io._stimuli import Mark
from ncs.model import Calibration, Filters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ncs.io._recording import ReadRequest
    from ncs.model import Visit

__all__ = ["ACQ", "AcqReader"]

_REVISIONS = range(30, 200)
_BAND = re.compile(r"\(\s*(\d*\.?\d+)\s*-\s*(\d+(?:\.\d+)?)\s*(k?)Hz\s*\)", re.IGNORECASE)
_SEGMENT = re.compile(r"segment\s+\d+", re.IGNORECASE)
_CARRIES = MappingProxyType(
    {
        "waveforms": "yes",
        "site": "marker, with a sidecar or protocol",
        "distance": "no",
        "intensity": "no",
        "units": "yes",
        "filters": "in the channel's name, at best",
        "stimulus time": "marker, trigger channel",
        "temperature": "no",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcqReader:
    """Reader of AcqKnowledge files; see ``ncs.io._recording.Reader``."""

    name: str = "acq"
    description: str = "BIOPAC AcqKnowledge .acq recordings, through bioread"
    extensions: tuple[str, ...] = (".acq",)
    carries: Mapping[str, str] = field(default_factory=lambda: _CARRIES)
    experimental: bool = False
    requires: tuple[str, ...] = ("bioread",)

    def sniff(self, head: bytes, path: Path) -> float:
        """Return 0.7 for a header with a known revision and plausible counts, in either byte order."""
        del path
        return 0.7 if any(_is_header(head, order) for order in "<>") else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Read a recording.

        Raises
        ------
        ReadError
            With everything that is wrong with the file.
        """
        faults = Faults(file=str(request.path))
        recordings = attempt("bioread", faults, lambda: _recordings(request.content))
        return to_visit(recordings or [], request, faults)


ACQ = AcqReader()


def _is_header(head: bytes, order: str) -> bool:
    if len(head) < 256:
        return False
    _, revision, item_bytes, channels, _, _, step_ms = struct.unpack_from(f"{order}hiihhhd", head)
    return revision in _REVISIONS and 100 <= item_bytes <= 1_000_000 and 0 < channels <= 4096 and 0 < step_ms < 1e7


def _recordings(content: bytes) -> list[Recording]:
    import bioread

    source = bioread.read(io.BytesIO(content))
    base = float(source.samples_per_second)
    marks, starts = [], [0]
    for number, marker in enumerate(source.event_markers, start=1):
        text = (marker.text or "").strip()
        if (marker.type_code or "") == "apnd" or _SEGMENT.fullmatch(text):
            starts.append(int(marker.sample_index))
        elif marker.channel is None or text:
            marks.append(Mark(repr(marker.sample_index / base), text, f"marker {number}"))
    starts = sorted(set(starts))
    onsets = tuple(start / base for start in starts)
    # An old file's markers may name moments after the last sample; such a segment would be empty.
    channels = tuple(_channel(channel, onsets) for channel in source.channels)
    kept = [index for index in range(len(onsets)) if all(channel.lengths[index] > 0 for channel in channels)]
    if len(kept) < len(onsets):
        onsets = tuple(onsets[index] for index in kept)
        channels = tuple(_channel(channel, onsets) for channel in source.channels)
    return [Recording(channels=channels, library="bioread", onsets_s=onsets, marks=tuple(marks))]


def _channel(channel: Any, onsets: tuple[float, ...]) -> Channel:
    rate = float(channel.samples_per_second)
    firsts = [min(int(np.ceil(onset * rate - 1e-6)), int(channel.point_count)) for onset in onsets]
    unit = str(channel.units).strip()
    return Channel(
        label=str(channel.name).strip(),
        unit=unit,
        rate_hz=rate,
        lengths=tuple(end - start for start, end in pairwise([*firsts, int(channel.point_count)])),
        values=lambda: np.asarray(channel.data, np.float64),
        filters=_filters(str(channel.name)),
        calibration=_calibration(channel, unit),
    )


def _filters(name: str) -> Filters:
    """Return the band that the amplifier's preset writes into the channel's name, such as ``EMG (30 - 500 Hz)``."""
    band = _BAND.search(name)
    if band is None:
        return Filters()
    low, high = float(band[1]), float(band[2]) * (1000 if band[3] else 1)
    return Filters(low_cut_hz=low if low > 0 else None, high_cut_hz=high, text=band[0].strip("()"))


def _calibration(channel: Any, unit: str) -> Calibration:
    if np.dtype(channel.dtype).kind != "i":
        return Calibration(unit=unit)
    limits = np.iinfo(channel.dtype)
    scale, offset = float(channel.raw_scale_factor), float(channel.raw_offset)
    return Calibration(
        unit=unit,
        digital_min=int(limits.min),
        digital_max=int(limits.max),
        physical_min=int(limits.min) * scale + offset,
        physical_max=int(limits.max) * scale + offset,
    )
