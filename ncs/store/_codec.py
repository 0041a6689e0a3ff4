"""Values to columns and back: samples to compressed bytes, floats to JSON. Exact in both directions, NaN included.

A new way of packing samples is a new name in ``decode_samples``; old names stay readable for ever.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs.errors import StoreError
from ncs.io._units import voltage_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from ncs.model import Calibration, SampleArray

__all__ = [
    "decode_samples", "dumps", "encode_samples", "floats_from_json", "floats_to_json", "sample_digest", "storable",
]  # fmt: skip

_PLAIN = "f4"
_ZLIB = "f4-zlib"
_CODES = "i2-delta-zlib"
_SPLIT_CODES = "i2-delta-split"
_SHORT = 1 << 14
_HEADER = struct.Struct("<qdd")


def sample_digest(samples: SampleArray) -> str:
    """Return the SHA-256 (hex) of the samples' little-endian float32 bytes."""
    return hashlib.sha256(samples.astype("<f4", copy=False).tobytes()).hexdigest()


def encode_samples(samples: SampleArray, calibration: Calibration | None = None) -> tuple[str, bytes]:
    """Pack samples without loss.

    Samples that are exactly what a 16-bit converter with this calibration gives are stored as its codes; that is tried,
    decoded and compared bit for bit, never assumed.

    Returns
    -------
    tuple
        Name of the encoding, and the bytes.
    """
    packed = _encode_codes(samples, calibration) if calibration is not None else None
    if packed is not None:
        return packed
    raw = samples.astype("<f4", copy=False).tobytes()
    squeezed = _squeeze(raw)
    return (_ZLIB, squeezed) if len(squeezed) < len(raw) else (_PLAIN, raw)


def _squeeze(raw: bytes) -> bytes:
    """Compress quickly; a short stretch with a small window, whose tables leave the processor's cache alone."""
    window, memory = (12, 5) if len(raw) <= _SHORT else (15, 8)
    squeezer = zlib.compressobj(1, zlib.DEFLATED, window, memory)
    return squeezer.compress(raw) + squeezer.flush()


def decode_samples(encoding: str, data: bytes, shape: tuple[int, int]) -> SampleArray:
    """Unpack samples.

    Raises
    ------
    StoreError
        When the encoding is not known, or the bytes do not hold ``shape`` samples.
    """
    try:
        unpack = _DECODERS[encoding]
    except KeyError:
        known = ", ".join(sorted(_DECODERS))
        raise StoreError(f"waveforms: encoding: expected one of {known}, found {encoding!r}") from None
    try:
        return unpack(data, shape[0] * shape[1]).reshape(shape)
    except (zlib.error, struct.error, ValueError) as error:
        raise StoreError(f"waveforms: data: expected {shape} samples as {encoding}, found damage: {error}") from error


def _encode_codes(samples: SampleArray, calibration: Calibration) -> tuple[str, bytes] | None:
    low, high = calibration.digital_min, calibration.digital_max
    bottom, top = calibration.physical_min, calibration.physical_max
    factor = voltage_factor(calibration.unit)
    if low is None or high is None or bottom is None or top is None or factor is None or low == high or bottom == top:
        return None
    from ncs.store._planes import planes_of

    step, base = (top - bottom) * factor / (high - low), bottom * factor
    planes = planes_of(samples, float(low), step, base)
    if planes is None:
        return None
    header = _HEADER.pack(low, step, base)
    if len(planes) > _SHORT:
        return _CODES, header + _squeeze(planes)
    # Of a short stretch the low bytes are mostly noise: squeezing them takes three times as long and gains nothing.
    squeezer = zlib.compressobj(1, zlib.DEFLATED, 9, 4, zlib.Z_RLE)
    middle = len(planes) // 2
    return _SPLIT_CODES, header + planes[:middle] + squeezer.compress(planes[middle:]) + squeezer.flush()


def _from_codes(codes: NDArray[np.int16], low: int, step: float, base: float) -> SampleArray:
    """Return microvolts, step by step as the EDF reader computes them, so that the last bit agrees."""
    values = np.subtract(codes, low, dtype=np.float64)
    values *= step
    values += base
    return values.astype("<f4")


def _decode_codes(data: bytes, size: int) -> SampleArray:
    del size
    return _from_planes(data, zlib.decompress(data[_HEADER.size :]))


def _decode_split_codes(data: bytes, size: int) -> SampleArray:
    middle = _HEADER.size + size
    return _from_planes(data, data[_HEADER.size : middle] + zlib.decompress(data[middle:]))


def _from_planes(header: bytes, planes: bytes) -> SampleArray:
    low, step, base = _HEADER.unpack_from(header)
    delta = np.ascontiguousarray(np.frombuffer(planes, np.uint8).reshape(2, -1).T).view("<i2").ravel()
    return _from_codes(np.cumsum(delta, dtype=np.int16), low, step, base)


def _decode_plain(data: bytes, size: int) -> SampleArray:
    del size
    return np.frombuffer(data, "<f4").astype(np.float32)


def _decode_zlib(data: bytes, size: int) -> SampleArray:
    return _decode_plain(zlib.decompress(data), size)


_DECODERS: dict[str, Callable[[bytes, int], SampleArray]] = {
    _PLAIN: _decode_plain,
    _ZLIB: _decode_zlib,
    _CODES: _decode_codes,
    _SPLIT_CODES: _decode_split_codes,
}


def floats_to_json(values: NDArray[np.float64]) -> str:
    """Return floats as JSON text; NaN and the infinities become their names, which JSON lacks."""
    numbers = np.asarray(values, np.float64).ravel().tolist()
    text = ",".join(map(repr, numbers))
    return f"[{text}]" if "n" not in text else dumps(numbers)  # "nan", "inf"


def floats_from_json(values: Iterable[float | str]) -> list[float]:
    """Undo ``floats_to_json``."""
    return [float(value) for value in values]


def dumps(value: Any) -> str:
    """Return JSON text that every database accepts; numpy numbers and non-finite floats included."""
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError):
        text = _ENCODER.encode(_plain(value))
    return text if text.isascii() else storable(text)


def storable(text: str) -> str:
    r"""Return text that every database takes: bytes that are no text, as in some file names, and NUL become escapes.

    >>> storable("Müller.edf"), storable(b"M\xfcller.edf".decode("utf-8", "surrogateescape"))
    ('Müller.edf', 'M\\udcfcller.edf')
    """
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


# ``json.dumps`` with options would make an encoder at every call.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    return value if value is None or isinstance(value, str | int | bool) else str(value)
