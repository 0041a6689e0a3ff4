"""Reader of what neo reads: Spike2 ``.smr``, WinWCP, Intan, Blackrock and Micromed.

neo gives numbers with gain, offset and unit per channel, and events; what they mean is decided in ``_continuous``. A
further format of neo is one row in ``_FORMATS``.
"""

from __future__ import annotations

import datetime as dt
import gc
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ncs.errors import ReadError
from ncs.io._continuous import Channel, Recording, attempt, to_visit
from ncs.io._faults import Faults
from ncs.io._stimuli import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ncs.io._recording import ReadRequest
    from ncs.model import Visit

__all__ = ["NEO", "NeoReader"]


class _Format(NamedTuple):
    """A format of neo: the class that reads it, how its content begins, and whether its segments are sweeps."""

    reader: str
    recognises: Callable[[bytes], object]
    is_episodic: bool = False


_FORMATS = (
    _Format("Spike2RawIO", lambda head: head[2:12] == b"(C) CED 87"),
    _Format("WinWcpRawIO", lambda head: head[:4] == b"VER=" and b"\nNR=" in head[:1024], is_episodic=True),
    _Format("IntanRawIO", lambda head: head[:4] in {b"\x02\x27\x91\xc6", b"\xac\x27\x91\xd6"}),
    _Format("BlackrockRawIO", lambda head: head[:8] in {b"NEURALSG", b"NEURALCD", b"BRSMPGRP"}),
    _Format("MicromedRawIO", lambda head: b"MICROMED" in head[:64]),
)
_CARRIES = MappingProxyType(
    {
        "waveforms": "yes",
        "site": "event, with a sidecar or protocol",
        "distance": "no",
        "intensity": "no",
        "units": "yes",
        "filters": "no",
        "stimulus time": "event, trigger channel",
        "temperature": "no",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeoReader:
    """Reader of laboratory recorders through neo; see ``ncs.io._recording.Reader``."""

    name: str = "neo"
    description: str = "Spike2 .smr, WinWCP, Intan, Blackrock and Micromed recordings, through neo"
    extensions: tuple[str, ...] = (
        ".smr", ".wcp", ".rhd", ".rhs", ".ns1", ".ns2", ".ns3", ".ns4", ".ns5", ".ns6", ".trc",
    )  # fmt: skip
    carries: Mapping[str, str] = field(default_factory=lambda: _CARRIES)
    experimental: bool = False
    requires: tuple[str, ...] = ("neo",)

    def sniff(self, head: bytes, path: Path) -> float:
        """Return 0.8 for content of the formats above, 0 for all others."""
        del path
        return 0.8 if any(format_.recognises(head) for format_ in _FORMATS) else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Read a recording.

        Raises
        ------
        ReadError
            With everything that is wrong with the file.
        """
        faults = Faults(file=str(request.path))
        format_ = next((each for each in _FORMATS if each.recognises(request.content)), None)
        if format_ is None:
            faults.add("byte 0", "format", f"content for one of {', '.join(each.reader for each in _FORMATS)}", "other")
            faults.raise_if_fatal()
        assert format_ is not None  # raise_if_fatal has raised otherwise
        try:
            recordings = attempt("neo", faults, lambda: _recordings(format_, request.path))
            return to_visit(recordings or [], request, faults)
        except ReadError as error:
            failure = type(error)(error.problems)  # without the frames, which hold what neo has opened
        finally:
            # Some of neo's readers leave files open until they are collected.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                recordings = None
                gc.collect()
        raise failure


NEO = NeoReader()


def _recordings(format_: _Format, path: Path) -> list[Recording]:
    from neo import rawio

    source = getattr(rawio, format_.reader)(filename=str(path))
    source.parse_header()
    segments = range(source.segment_count(0))
    events = _events(source, segments)
    by_time: dict[tuple[float, ...], list[Channel]] = defaultdict(list)
    for stream in range(source.signal_streams_count()):
        channels = list(_channels(source, stream, segments))
        if format_.is_episodic and channels:  # neo lets every sweep begin at 0
            onsets = tuple(first / channels[0].rate_hz for first in accumulate((0, *channels[0].lengths[:-1])))
        else:
            onsets = tuple(float(source.get_signal_t_start(0, segment, stream)) for segment in segments)
        by_time[onsets] += channels
    marks = () if format_.is_episodic else tuple(mark for found in events.values() for mark in found)
    date = _date(source)
    return [
        Recording(
            channels=tuple(channels), library="neo",
            onsets_s=onsets, marks=marks, events=events, is_episodic=format_.is_episodic,
            date=date,
        )
        for onsets, channels in by_time.items()
    ]  # fmt: skip


def _channels(source: Any, stream: int, segments: range) -> Iterator[Channel]:
    stream_id = source.header["signal_streams"][stream]["id"]
    known = source.header["signal_channels"]
    lengths = tuple(int(source.get_signal_size(0, segment, stream)) for segment in segments)
    for index, channel in enumerate(known[known["stream_id"] == stream_id]):
        yield Channel(
            label=str(channel["name"]),
            unit=str(channel["units"]).strip(),
            rate_hz=float(channel["sampling_rate"]),
            lengths=lengths,
            values=_samples(source, stream, index, segments),
            is_digital=not str(channel["units"]).strip(),
        )


def _samples(source: Any, stream: int, index: int, segments: range) -> Callable[[], NDArray[np.float64]]:
    def read() -> NDArray[np.float64]:
        parts = []
        for segment in segments:
            stored = source.get_analogsignal_chunk(
                block_index=0, seg_index=segment, stream_index=stream, channel_indexes=[index]
            )
            scaled = source.rescale_signal_raw_to_float(
                stored, dtype="float64", stream_index=stream, channel_indexes=[index]
            )
            parts.append(np.asarray(scaled[:, 0], np.float64))
        return np.concatenate(parts) if parts else np.empty(0)

    return read


def _events(source: Any, segments: range) -> dict[str, list[Mark]]:
    """Return the marks of every event channel; one that is known by its code only is named after it."""
    events: dict[str, list[Mark]] = {}
    for index, channel in enumerate(source.header["event_channels"]):
        name = str(channel["name"]).strip()
        found = events.setdefault(name, [])
        for segment in segments:
            stamps, _, labels = source.get_event_timestamps(0, segment, index)
            seconds = source.rescale_event_timestamp(stamps, dtype="float64", event_channel_index=index)
            for number, (second, label) in enumerate(zip(seconds, labels, strict=True), start=1):
                text = f"{name}/{label}".rstrip("/") if str(label).strip() else name
                found.append(Mark(repr(float(second)), text, f"event {number} of {name}"))
    return {name: marks for name, marks in events.items() if marks}


def _date(source: Any) -> dt.date | None:
    block = source.raw_annotations["blocks"][0]
    for said in (block, *block.get("segments", ())):
        started = said.get("rec_datetime")
        if isinstance(started, dt.datetime):
            return started.date()
    return None
