"""The EDF and BDF header: bytes to fields, with the byte offset of every fault.

A rule about one header field is changed here; what the free-text fields mean is in ``_edf_identity`` and
``_study_words``. Nothing here allocates by a number the header states.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from ncs.errors import ReadError
from ncs.io._faults import Faults, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Header", "Signal", "decode_header", "decode_text"]

_FIXED_BYTES = 256
_SIGNAL_BYTES = 256
_FIXED_WIDTHS = (80, 80, 8, 8, 8, 44, 8, 8, 4)
_SIGNAL_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_LABEL, _TRANSDUCER, _UNIT, _PMIN, _PMAX, _DMIN, _DMAX, _PREFILTER, _SAMPLES = range(9)
_SIZE_AT, _COUNT_AT = 184, 252
_LIMITS_AT = sum(_SIGNAL_WIDTHS[:_PMIN])
_LIMIT_BYTES = 8
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\Z")
_INTEGER = re.compile(r"[+-]?\d+(?:\.0*)?\Z")
_LONGEST_RECORD_S = 366 * 86400
_HIGHEST_RATE_HZ = 1e8
_LARGEST_PHYSICAL = 1e15
_CYRILLIC_SHARE = 0.6
_MOST_REMEMBERED = 32


class Signal(NamedTuple):
    """One signal of the header. ``offset`` is its first sample inside a data record, counted in samples."""

    number: int
    label: str
    transducer: str
    unit: str
    physical_min: float
    physical_max: float
    digital_min: int
    digital_max: int
    prefilter: str
    samples: int
    offset: int
    is_annotations: bool


class Header(NamedTuple):
    """The header of an EDF or BDF file.

    Parameters
    ----------
    sample_bytes
        2 for EDF, 3 for BDF.
    continuity
        ``"C"`` or ``"D"`` for EDF+ and BDF+, ``""`` without the plus.
    start_date, start_time
        As the file words them.
    records
        Number of data records as stated; -1 while recording.
    record_seconds
        Duration of a data record.
    annotations
        Those of the signals that hold annotations.
    """

    sample_bytes: int
    continuity: str
    patient: str
    recording: str
    start_date: str
    start_time: str
    header_bytes: int
    records: int
    record_seconds: Decimal
    record_samples: int
    signals: tuple[Signal, ...]
    annotations: tuple[Signal, ...]

    @property
    def record_bytes(self) -> int:
        """Size of one data record."""
        return self.record_samples * self.sample_bytes

    def rate_hz(self, signal: Signal) -> float:
        """Return the sampling rate of a signal, divided in decimal so that 1000 samples in 0.05 s are 20 kHz."""
        return float(signal.samples / self.record_seconds)


def decode_text(raw: bytes) -> str:
    r"""Decode a text field: ASCII, else UTF-8, else cp1251 or Latin-1 by the share of letters above ASCII.

    The specification allows ASCII only; machines write the alphabet of their country. Padding is removed.

    Examples
    --------
    >>> decode_text(b"R APB           ")
    'R APB'
    >>> decode_text("Срединный".encode("cp1251")), decode_text("é".encode("latin-1") + b"cole")
    ('Срединный', 'école')
    """
    raw = raw.strip(b" \0")
    if raw.isascii():
        return raw.decode("ascii")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    words = [word for word in re.split(rb"[^A-Za-z\x80-\xff]+", raw) if not word.isascii()]
    high = sum(byte >= 0xC0 for word in words for byte in word)
    is_cyrillic = high >= _CYRILLIC_SHARE * sum(map(len, words)) and max(map(len, words), default=0) > 1
    return raw.decode("cp1251" if is_cyrillic else "latin-1", errors="replace")


def _number(text: str) -> float | None:
    value = float(text) if _NUMBER.match(text) else math.nan
    return value if math.isfinite(value) else None


def _comma_hint(text: str) -> str:
    return "EDF requires a decimal point" if "," in text else ""


def _integer(text: str) -> int | None:
    if text.isdecimal() and text.isascii():
        return int(text)
    return int(text.partition(".")[0]) if _INTEGER.match(text) else None


def _decode_integer(text: str, place: str, name: str, faults: Faults) -> int:
    value = _integer(text)
    if value is None:
        faults.add(place, name, "a whole number", quoted(text))
    return value or 0


def decode_header(content: bytes, faults: Faults) -> Header:
    """Decode the header of an EDF, EDF+, BDF or BDF+ file.

    Parameters
    ----------
    content
        The file.
    faults
        Receives what is wrong.

    Raises
    ------
    ReadError
        With every fault of the header at once.
    """
    known = None if faults.fatal else _known_header(content)
    return _decode_header(content, faults) if known is None else known


def _known_header(content: bytes) -> Header | None:
    """Return a header with which nothing is wrong; only what differs from recording to recording is decoded.

    That is who was recorded and when, and the physical limits, which some machines fit to the samples.
    """
    count = _integer(decode_text(content[_COUNT_AT:_FIXED_BYTES]))
    if count is None or not 0 < count <= _MOST_REMEMBERED:
        return None
    lows = _FIXED_BYTES + count * _LIMITS_AT
    highs, end = lows + count * _LIMIT_BYTES, lows + 2 * count * _LIMIT_BYTES
    header = _faultless_header(content[:8], content[_SIZE_AT:lows], content[end : (count + 1) * _SIGNAL_BYTES], count)
    if header is None:
        return None
    signals = list(header.signals)
    for at, signal in enumerate(header.signals):
        if not signal.is_annotations:
            low = _number(decode_text(content[lows : lows + _LIMIT_BYTES]))
            high = _number(decode_text(content[highs : highs + _LIMIT_BYTES]))
            if low is None or high is None or low == high or max(abs(low), abs(high)) > _LARGEST_PHYSICAL:
                return None
            signals[at] = signal._replace(physical_min=low or 0.0, physical_max=high or 0.0)  # never -0.0
        lows, highs = lows + _LIMIT_BYTES, highs + _LIMIT_BYTES
    patient, recording, start_date, start_time = _decode_fields(content[8:_SIZE_AT], _FIXED_FIELDS[:4])
    return header._replace(
        patient=patient, recording=recording, start_date=start_date, start_time=start_time, signals=tuple(signals)
    )


@lru_cache(maxsize=64)
def _faultless_header(version: bytes, before: bytes, after: bytes, count: int) -> Header | None:
    """Return a header of nobody with any limits, if nothing else is wrong: one machine writes few different ones."""
    limits = b"".join([limit.ljust(_LIMIT_BYTES) * count for limit in (b"0", b"1")])
    content = version.ljust(_SIZE_AT) + before + limits + after
    faults = Faults(file="")
    try:
        header = _decode_header(content, faults)
    except ReadError:
        return None
    return None if faults.noted else header


def _decode_header(content: bytes, faults: Faults) -> Header:
    if len(content) < _FIXED_BYTES:
        found = f"{len(content)} bytes" if content else "an empty file"
        faults.add("byte 0", "header", "at least 256 bytes", found, "the file is incomplete: copy or export it again")
        faults.raise_if_fatal()
    is_bdf = content[:8] == b"\xffBIOSEMI"
    if not is_bdf and content[:8].strip(b" \0") != b"0":
        faults.add("byte 0", "version", "'0       ' (EDF) or '\\xffBIOSEMI' (BDF)", ascii(content[:8])[1:])
        faults.raise_if_fatal()
    fixed = _decode_fields(content[8:_FIXED_BYTES], _FIXED_FIELDS)
    patient, recording, start_date, start_time, size_text, reserved, records_text, duration, count_text = fixed
    count = _decode_integer(count_text, "byte 252", "number of signals", faults)
    header_bytes = _decode_size(content, size_text, count, faults)
    continuity = _decode_continuity(reserved, faults)
    records = _decode_integer(records_text, "byte 236", "number of data records", faults)
    if records < -1:
        faults.add("byte 236", "number of data records", "-1, 0 or more", str(records))
    signals = _decode_signals(content[_FIXED_BYTES:header_bytes], count, faults, is_bdf=is_bdf)
    seconds = _decode_duration(duration, signals, faults)
    faults.raise_if_fatal()
    return Header(
        sample_bytes=3 if is_bdf else 2, continuity=continuity, patient=patient, recording=recording,
        start_date=start_date, start_time=start_time, header_bytes=header_bytes, records=records,
        record_seconds=seconds, record_samples=sum([signal.samples for signal in signals]), signals=signals,
        annotations=tuple([signal for signal in signals if signal.is_annotations]),
    )  # fmt: skip


def _consecutive(widths: Iterable[int]) -> tuple[slice, ...]:
    return tuple([slice(first, end) for first, end in pairwise(accumulate(widths, initial=0))])


_FIXED_FIELDS = _consecutive(_FIXED_WIDTHS)


def _decode_fields(raw: bytes, fields: Iterable[slice]) -> list[str]:
    """Decode text fields; those of an ASCII header in one go."""
    if not raw.isascii():
        return [decode_text(raw[field]) for field in fields]
    text = raw.decode("ascii")
    return [text[field].strip(" \0") for field in fields]


def _decode_size(content: bytes, text: str, count: int, faults: Faults) -> int:
    """Return the size of the header; stop where the signal headers cannot be found."""
    if not faults.fatal and count < 1:
        faults.add("byte 252", "number of signals", "at least 1", str(count))
    faults.raise_if_fatal()
    needed = _FIXED_BYTES + count * _SIGNAL_BYTES
    stated = _decode_integer(text, "byte 184", "number of bytes in header", faults)
    if not faults.fatal and stated != needed:
        faults.add("byte 184", "number of bytes in header", f"{needed}, for {count} signals", str(stated))
    if len(content) < needed:
        faults.add(f"byte {len(content)}", "header", f"{needed} bytes, for {count} signals",
                   f"a file of {len(content)} bytes", "the file is incomplete: copy or export it again")  # fmt: skip
        faults.raise_if_fatal()
    return needed


def _decode_continuity(text: str, faults: Faults) -> str:
    if not text.startswith(("EDF+", "BDF+")):
        return ""
    if text[4:5] not in {"C", "D"}:
        faults.add("byte 192", "reserved", "EDF+C or EDF+D", quoted(text))
    return text[4:5]


def _decode_signals(raw: bytes, count: int, faults: Faults, *, is_bdf: bool) -> tuple[Signal, ...]:
    texts = _decode_fields(raw, _consecutive(width for width in _SIGNAL_WIDTHS for _ in range(count)))
    starts = [_FIXED_BYTES + count * before for before in accumulate(_SIGNAL_WIDTHS, initial=0)]
    signals: list[Signal] = []
    offset = 0
    annotations = "BDF Annotations" if is_bdf else "EDF Annotations"
    for index in range(count):
        row = texts[index::count]
        signal = _decode_signal(row, starts, index, offset, faults, is_annotations=row[_LABEL] == annotations)
        signals.append(signal)
        offset += signal.samples
        if faults.overflowing:
            break
    return tuple(signals)


def _decode_signal(
    row: list[str], starts: list[int], index: int, offset: int, faults: Faults, *, is_annotations: bool
) -> Signal:
    def fault(column: int, what: str, expected: str, found: str) -> None:
        name = f"signal {index + 1}" + (f" ({row[_LABEL]})" if row[_LABEL] else "")
        hint = _comma_hint(found) if expected == "a number" else ""
        place = f"byte {starts[column] + index * _SIGNAL_WIDTHS[column]}"
        faults.add(place, f"{name}, {what}", expected, found, hint)

    def number(column: int, what: str) -> float:
        value = _number(row[column])
        if value is None:
            fault(column, what, "a number", quoted(row[column]))
        return value or 0.0

    def integer(column: int, what: str) -> int:
        value = _integer(row[column])
        if value is None:
            fault(column, what, "a whole number", quoted(row[column]))
        return value or 0

    samples = integer(_SAMPLES, "samples in each record")
    if samples < 1 and row[_SAMPLES].lstrip("+-").isdecimal():
        fault(_SAMPLES, "samples in each record", "at least 1", row[_SAMPLES])
    physical_min, physical_max, digital_min, digital_max = 0.0, 1.0, -32768, 32767
    if not is_annotations:
        known = len(faults.fatal)
        physical_min = number(_PMIN, "physical minimum")
        physical_max = number(_PMAX, "physical maximum")
        digital_min = integer(_DMIN, "digital minimum")
        digital_max = integer(_DMAX, "digital maximum")
        if len(faults.fatal) == known:
            if not digital_min < digital_max:
                fault(_DMAX, "digital maximum", f"more than the digital minimum, {digital_min}", str(digital_max))
            if physical_min == physical_max:
                found = f"{physical_max:g}"
                fault(_PMAX, "physical maximum", f"other than the physical minimum, {physical_min:g}", found)
            if max(abs(physical_min), abs(physical_max)) > _LARGEST_PHYSICAL:
                found = f"{physical_min:g} to {physical_max:g}"
                fault(_PMAX, "physical range", f"within {_LARGEST_PHYSICAL:g}", found)
    return Signal(
        index + 1, row[_LABEL], row[_TRANSDUCER], row[_UNIT], physical_min, physical_max, digital_min, digital_max,
        row[_PREFILTER], samples, offset, is_annotations,
    )  # fmt: skip


def _decode_duration(text: str, signals: tuple[Signal, ...], faults: Faults) -> Decimal:
    name = "duration of a data record"
    value = _number(text)
    if value is None:
        faults.add("byte 244", name, "a number", quoted(text), _comma_hint(text))
        return Decimal(1)
    ordinary = [signal.samples for signal in signals if not signal.is_annotations]
    if not ordinary and value >= 0:
        return Decimal(text)
    if not 0 < value <= _LONGEST_RECORD_S:
        hint = "without a duration the samples have no rate" if value == 0 else ""
        faults.add("byte 244", name, f"more than 0 and at most {_LONGEST_RECORD_S} s", text, hint)
        return Decimal(1)
    seconds = Decimal(text)
    if max(ordinary) / value > _HIGHEST_RATE_HZ:
        faults.add("byte 244", name, f"a sampling rate of at most {_HIGHEST_RATE_HZ:g} Hz",
                   f"{max(ordinary)} samples in {text} s")  # fmt: skip
    return seconds
