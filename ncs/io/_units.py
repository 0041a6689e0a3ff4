"""Unit texts of files to factors: the one place where the many spellings of a unit are known."""

from __future__ import annotations

from ncs.io._remembered import remembered

__all__ = ["current_factor", "length_factor", "temperature_is_celsius", "time_factor", "voltage_factor"]

_MICRO = str.maketrans({"µ": "u", "μ": "u"})
_VOLTS = {"nv": 1e-3, "uv": 1.0, "mv": 1e3, "v": 1e6, "volt": 1e6, "volts": 1e6}
_LENGTHS = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3, "sec": 1e3}
_CURRENTS = {"ua": 1e-3, "ma": 1.0, "a": 1e3}
_CELSIUS = {"c", "°c", "degc", "deg c", "degree c", "degrees c", "celsius"}


@remembered
def _key(text: str) -> str:
    return text.translate(_MICRO).strip().lower()


def voltage_factor(text: str) -> float | None:
    """Return what a value in this unit is multiplied with to give microvolts, or ``None`` if it is no voltage.

    ``MV`` could mean megavolt; in a recording of a nerve it never does.

    >>> voltage_factor("mV"), voltage_factor("µV"), voltage_factor("kg")
    (1000.0, 1.0, None)
    """
    return _VOLTS.get(_key(text))


def length_factor(text: str) -> float | None:
    """Return the factor to millimetres, or ``None``."""
    return _LENGTHS.get(_key(text))


def time_factor(text: str) -> float | None:
    """Return the factor to milliseconds, or ``None``."""
    return _TIMES.get(_key(text))


def current_factor(text: str) -> float | None:
    """Return the factor to milliamperes, or ``None``."""
    return _CURRENTS.get(_key(text))


def temperature_is_celsius(text: str) -> bool:
    """Return whether the text means degrees Celsius."""
    return _key(text) in _CELSIUS
