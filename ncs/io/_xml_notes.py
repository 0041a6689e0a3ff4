"""``EDF_XMLnote``: the elements of a note to fields with units.

A new word is one row in ``_ELEMENTS``. A value without a unit is never used; an unknown element is kept as a note.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ncs.io._sites import split_side
from ncs.io._stimulus_notes import Misstatement, Statement, is_stimulus, read_stimulus, times, volt_factor
from ncs.io._units import current_factor, length_factor, temperature_is_celsius, time_factor, voltage_factor
from ncs.model import Origin, ReportedValue, Segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import XMLParser, _Element

__all__ = ["read_xml"]

_FLOAT = re.compile(r"-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf|nan)\Z", re.ASCII)
_XML_NUMBER = re.compile(r"[+-]?(?:\d{1,9}\.?\d{0,30}|\.\d{1,30})\Z", re.ASCII)
_VELOCITY_UNITS = frozenset({"m/s", "m/sec", "mm/ms"})
_MOST_AVERAGED = 1_000_000


@lru_cache(maxsize=1)
def _parser() -> XMLParser:
    from lxml import etree

    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, dtd_validation=False,
        huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip


def read_xml(text: str) -> Statement:
    """Return what one ``EDF_XMLnote`` states."""
    from lxml import etree

    if "<!DOCTYPE" in text:
        return Statement(faults=(Misstatement("EDF_XMLnote", "no DOCTYPE", "a DOCTYPE, refused", fatal=True),))
    try:
        root = etree.fromstring(text.strip().encode(), _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        return Statement(faults=(Misstatement("EDF_XMLnote", "well-formed XML", _first_line(error), fatal=True),))
    if root.getroottree().docinfo.internalDTD is not None:
        return Statement(faults=(Misstatement("EDF_XMLnote", "no DOCTYPE", "a DOCTYPE, refused", fatal=True),))
    note = _XmlNote()
    note.read_children(root)
    return note.statement()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]


def _name(element: _Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


class _XmlNote:
    """Collects what the elements of one note state."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._reported: list[ReportedValue] = []
        self._notes: list[str] = []
        self._faults: list[Misstatement] = []

    def statement(self) -> Statement:
        return Statement(
            **self._values, reported=tuple(self._reported), notes=tuple(self._notes), faults=tuple(self._faults)
        )

    def read_children(self, parent: _Element) -> None:
        for element in parent:
            tag = element.tag
            if not isinstance(tag, str):
                continue
            name = tag.rpartition("}")[2].lower()
            if name in _CONTAINERS:
                self.read_children(element)
            elif name.startswith("stim") and is_stimulus(tag.rpartition("}")[2]):
                self._read_stimulus(element, tag.rpartition("}")[2])
            elif name in _ELEMENTS:
                _ELEMENTS[name](self, element)
            else:
                self._keep_unknown(element)

    def set(self, name: str, value: object) -> None:
        known = self._values.setdefault(name, value)
        if known != value:
            self._faults.append(Misstatement(name, f"one value, {known}", str(value), fatal=True))

    def _read_stimulus(self, element: _Element, tag: str) -> None:
        named = read_stimulus(tag)
        known = self._values.setdefault("stimulus", tag)
        if known != tag:
            self._faults.append(Misstatement("stimulus", f"one stimulus, {known}", tag, fatal=True))
        if named.side is not None:
            self.set("side", named.side)
        if named.named_site is not None:
            self._values.setdefault("named_site", named.named_site)
        self.read_children(element)

    def _keep_unknown(self, element: _Element) -> None:
        from lxml import etree

        self._notes.append(_plain(etree.tostring(element, encoding="unicode", with_tail=False)))

    def _number(self, element: _Element, factor: Callable[[str], float | None], units: str) -> float | None:
        """Return the element's value in our unit; without a known unit report it and return ``None``."""
        name = _name(element)
        value, unit = _plain(element.text), _plain(element.get("unit"))
        if not _XML_NUMBER.match(value):
            self._faults.append(Misstatement(name, "a number", ascii(value[:40])))
            return None
        scale = factor(unit) if unit else None
        if scale is None:
            found = f"{value} {unit[:20]!a}" if unit else f"{value} without a unit"
            self._faults.append(Misstatement(name, f"a value with its unit ({units})", found))
            return None
        return times(value, scale)

    def _positive(self, element: _Element, factor: Callable[[str], float | None], units: str) -> float | None:
        value = self._number(element, factor, units)
        if value is not None and value <= 0:
            self._faults.append(Misstatement(_name(element), "more than 0", f"{value:g}"))
            return None
        return value

    def read_duration(self, element: _Element) -> None:
        value = self._positive(element, time_factor, "us, ms or s")
        if value is not None:
            self.set("duration_ms", value)

    def read_intensity(self, element: _Element) -> None:
        mode = _plain(element.get("mode")).lower()
        current = None if mode == "voltage" else current_factor(_plain(element.get("unit")))
        if current is not None or mode == "current":
            value = self._number(element, current_factor, "uA, mA or A")
            field = "intensity_ma"
        else:
            value = self._number(element, volt_factor, "mA or V")
            field = "intensity_v"
        if value is not None:
            self.set(field, value)

    def read_position(self, element: _Element) -> None:
        side, place = split_side(_plain(element.text))
        if side is not None:
            self.set("side", side)
        if place:
            self.set("site", place.lower())

    def read_distance(self, element: _Element) -> None:
        mode = _plain(element.get("mode")).lower()
        if mode and not ("stim" in mode and "record" in mode):
            self._keep_unknown(element)
            return
        value = self._positive(element, length_factor, "mm, cm or m")
        if value is not None:
            self.set("distance_mm", value)

    def read_temperature(self, element: _Element) -> None:
        value = self._number(element, lambda unit: 1.0 if temperature_is_celsius(unit) else None, "degree C")
        if value is not None:
            self.set("temperature_c", value)
            if place := _plain(element.get("position")):
                self.set("temperature_site", place)

    def read_text(self, element: _Element) -> None:
        if text := _plain(element.text):
            self.set(_name(element), text)

    def read_comment(self, element: _Element) -> None:
        if text := "".join(element.itertext()).strip():
            self._notes.append(text)

    def read_side(self, element: _Element) -> None:
        side, rest = split_side(_plain(element.text))
        if side is None or rest:
            self._faults.append(Misstatement(_name(element), "left or right", ascii(_plain(element.text)[:40])))
        else:
            self.set("side", side)

    def read_count(self, element: _Element) -> None:
        text = _plain(element.text)
        if text.isdecimal() and len(text) < 7 and 0 < int(text) <= _MOST_AVERAGED:
            self.set("averaged_count", int(text))
        else:
            self._faults.append(Misstatement(_name(element), "a number of sweeps", ascii(text[:40])))

    def read_exact_text(self, element: _Element) -> None:
        """Read text in which every blank counts."""
        self.set(_name(element), "".join(element.itertext()))

    def read_elapsed(self, element: _Element) -> None:
        value = self._number(element, lambda unit: 1.0 if unit == "s" else None, "s")
        if value is not None:
            self.set("elapsed_s", value)

    def read_distance_sd(self, element: _Element) -> None:
        value = self._number(element, length_factor, "mm, cm or m")
        if value is not None:
            self.set("distance_sd_mm", value)

    def read_segment(self, element: _Element) -> None:
        ends = [" ".join((element.get(name) or "").split()) for name in ("distal", "proximal")]
        value = self._positive(element, length_factor, "mm, cm or m")
        if not all(ends):
            self._faults.append(Misstatement("segment", "its distal and its proximal site", "not both"))
        elif value is not None:
            segment = Segment(distal_site=ends[0], proximal_site=ends[1], distance_mm=value, origin=Origin.FILE)
            self._values["segments"] = (*self._values.get("segments", ()), segment)

    def read_covariate(self, element: _Element) -> None:
        name, text = _plain(element.get("name")), "".join(element.itertext())
        value = float(text) if element.get("type") == "number" and _FLOAT.match(text) else text
        if name and text:
            self._values["covariates"] = (*self._values.get("covariates", ()), (name, value))

    def read_latency(self, element: _Element) -> None:
        self._report(element, "latency_ms", self._number(element, time_factor, "us, ms or s"))

    def read_amplitude(self, element: _Element) -> None:
        self._report(element, "amplitude_uv", self._number(element, voltage_factor, "uV or mV"))

    def read_velocity(self, element: _Element) -> None:
        value = self._number(element, lambda unit: 1.0 if unit.lower() in _VELOCITY_UNITS else None, "m/s")
        self._report(element, "velocity_m_s", value)

    def _report(self, element: _Element, kind: str, value: float | None) -> None:
        if value is not None:
            self._reported.append(ReportedValue(kind=kind, value=value, mode=_plain(element.get("mode"))))


_CONTAINERS = frozenset({"measurements", "sweeps", "study"})
_ELEMENTS: dict[str, Callable[[_XmlNote, _Element], None]] = {
    "accepted": _XmlNote.read_count,
    "amplitude": _XmlNote.read_amplitude,
    "averaged": _XmlNote.read_count,
    "averages": _XmlNote.read_count,
    "channel": _XmlNote.read_exact_text,
    "comment": _XmlNote.read_comment,
    "comments": _XmlNote.read_comment,
    "covariate": _XmlNote.read_covariate,
    "distance": _XmlNote.read_distance,
    "distance_sd": _XmlNote.read_distance_sd,
    "duration": _XmlNote.read_duration,
    "elapsed": _XmlNote.read_elapsed,
    "intensity": _XmlNote.read_intensity,
    "label": _XmlNote.read_exact_text,
    "latency": _XmlNote.read_latency,
    "nerve": _XmlNote.read_text,
    "position": _XmlNote.read_position,
    "prefilter": _XmlNote.read_exact_text,
    "recording": _XmlNote.read_text,
    "segment": _XmlNote.read_segment,
    "side": _XmlNote.read_side,
    "technique": _XmlNote.read_text,
    "temperature": _XmlNote.read_temperature,
    "temperature_site": _XmlNote.read_text,
    "velocity": _XmlNote.read_velocity,
}
