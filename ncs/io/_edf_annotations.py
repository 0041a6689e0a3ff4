r"""Time-stamped annotation lists (TALs) of EDF+ and BDF+: bytes to onset, duration and text.

What an annotation means is not decided here (see ``_stimulus_notes``). Onsets stay decimal text until two of them are
subtracted, so that a stimulus keeps its place to the last digit the file states.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ncs.io._edf_header import Header, Signal, decode_text
from ncs.io._faults import Faults, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Annotation", "Timeline", "read_annotations"]

_STAMP = re.compile(rb"([+-]?(?:\d{1,20}(?:\.\d{0,40})?|\.\d{1,40}))(?:\x15(\d{1,20}(?:\.\d{0,40})?|\.\d{1,40}))?\Z")
_TAL = re.compile(rb"[^\0]+")
_LONGEST_STAMP = 130
_END_OF_TEXT = 0x14
_MOST_ANNOTATIONS = 200_000


class Annotation(NamedTuple):
    """One annotation text.

    Parameters
    ----------
    onset
        Seconds after the start stated in the header, as decimal text.
    duration
        Seconds, as decimal text; empty where none is stated.
    text
        What is annotated.
    record
        Index of the data record that holds it.
    signal
        Which annotation signal holds it, from 1.
    byte
        Position of its TAL within that signal's part of the record.
    """

    onset: str
    duration: str
    text: str
    record: int
    signal: int
    byte: int

    @property
    def place(self) -> str:
        """Where it stands, for an error message."""
        return f"record {self.record + 1}, annotation signal {self.signal}, byte {self.byte}"


class Timeline(NamedTuple):
    """When each data record starts (decimal text, ``""`` where the file does not say), and all annotations."""

    record_onsets: list[str]
    annotations: list[Annotation]


def milliseconds_between(start: str, end: str) -> float:
    """Return ``end - start`` in milliseconds; both are seconds in decimal text.

    Examples
    --------
    >>> milliseconds_between("+10.123", "+10.1251"), milliseconds_between("+0.320", "+0.235")
    (2.1, -85.0)
    """
    return 0.0 if start == end else float((Decimal(end) - Decimal(start)) * 1000)


def read_annotations(content: bytes, header: Header, records: int, faults: Faults) -> Timeline:
    """Decode every annotation signal of every complete data record.

    Parameters
    ----------
    content
        The file.
    header
        Its decoded header.
    records
        Number of complete data records.
    faults
        Receives a fatal fault for every TAL that breaks the rules, and for a record of an EDF+D file that does not
        state its onset.
    """
    if not header.annotations:
        return Timeline([""] * records, [])
    found: list[Annotation] = []
    onsets: list[str] = []
    width, record_bytes = header.sample_bytes, header.record_bytes
    areas = [
        (number, signal.offset * width, (signal.offset + signal.samples) * width)
        for number, signal in enumerate(header.annotations, start=1)
    ]
    untimed: list[int] = []
    for record in range(records):
        base = header.header_bytes + record * record_bytes
        onset = ""
        for number, first, end in areas:
            area = content[base + first : base + end].rstrip(b"\0")
            stated = _read_area(area, record, number, found, faults)
            if number == 1:
                onset = stated
        onsets.append(onset)
        if not onset:
            untimed.append(record)
        if len(found) >= _MOST_ANNOTATIONS:
            faults.add(f"record {record + 1}", "annotations", f"fewer than {_MOST_ANNOTATIONS} in one file", "more")
            break
        if faults.overflowing:
            break
    _report_untimed(untimed, content, header, header.annotations[0], faults)
    return Timeline(onsets, found)


def _read_area(area: bytes, record: int, number: int, found: list[Annotation], faults: Faults) -> str:
    """Decode one record's part of one annotation signal; return the record's onset, if this is where it stands."""
    record_onset = ""
    for piece in _TAL.finditer(area):
        tal, byte = piece[0], piece.start()
        stamp, *texts = tal.split(b"\x14", _MOST_ANNOTATIONS)
        times = _read_stamp(stamp) if len(stamp) <= _LONGEST_STAMP else None
        if times is None or not texts or tal[-1] != _END_OF_TEXT:
            _report_tal(tal, stamp, f"record {record + 1}, annotation signal {number}, byte {byte}", faults)
            if faults.overflowing:
                break
            continue
        onset, duration = times
        if byte == 0 and number == 1 and not texts[0]:
            record_onset = onset
        found += [Annotation(onset, duration, decode_text(text), record, number, byte) for text in texts if text]
        if len(found) >= _MOST_ANNOTATIONS:
            break
    return record_onset


@lru_cache(maxsize=256)
def _read_stamp(stamp: bytes) -> tuple[str, str] | None:
    """Return onset and duration; the annotations of one stimulus have the same."""
    match = _STAMP.match(stamp)
    return None if match is None else (match[1].decode(), (match[2] or b"").decode())


def _report_tal(tal: bytes, stamp: bytes, place: str, faults: Faults) -> None:
    shown = quoted(tal.decode("latin-1"))
    if not stamp:
        faults.add(place, "annotation", "an onset before the text", shown)
    elif b"\x14" in tal and _STAMP.match(stamp):
        faults.add(place, "annotation", "a closing byte 20 and byte 0", shown, "the annotation does not fit its record")
    else:
        faults.add(place, "annotation", "an onset such as +0.05 and byte 20", shown)


def _report_untimed(untimed: Sequence[int], content: bytes, header: Header, signal: Signal, faults: Faults) -> None:
    for record in untimed:
        start = header.header_bytes + record * header.record_bytes + signal.offset * header.sample_bytes
        shown = quoted(content[start : start + 24].rstrip(b"\0").decode("latin-1"))
        report = faults.add if header.continuity == "D" else faults.note
        hint = "" if header.continuity == "D" else "taken as following the record before it without a gap"
        place = f"record {record + 1}, annotation signal 1, byte 0"
        report(place, "time-keeping annotation", "the record's onset and an empty text", shown, hint)
        if header.continuity != "D" or faults.overflowing:
            return
