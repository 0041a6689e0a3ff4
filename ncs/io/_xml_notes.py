"""``EDF_XMLnote``: the elements of a note to fields with units.

A new word is one row in ``_ELEMENTS``. A value without a unit is never used; an unknown element is kept as a note.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

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
_LISTS = frozenset({"segments", "covariates"})
_LEAF = re.compile(r"(<[^>]+>[^<]*</[^>]+>)")
_STAND_IN = "ncs_leaf"
_LONGEST_DIVIDED = 2000
_LONGEST_CACHED = 200


@lru_cache(maxsize=1)
def _parser() -> XMLParser:
    from lxml import etree

    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, dtd_validation=False,
        huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip


def _parsed(text: str) -> _Element:
    from lxml import etree

    return etree.fromstring(text.encode(), _parser())


def read_xml(text: str) -> Statement:
    """Return what one ``EDF_XMLnote`` states."""
    divided = _read_divided(text)
    return read_whole(text) if divided is None else divided


def read_whole(text: str) -> Statement:
    """Return the same from the note in one piece: every note can be read so, but it takes longer."""
    if "<!DOCTYPE" in text:
        return Statement(faults=(Misstatement("EDF_XMLnote", "no DOCTYPE", "a DOCTYPE, refused", fatal=True),))
    try:
        root = _parsed(text.strip())
    except (SyntaxError, ValueError) as error:
        return Statement(faults=(Misstatement("EDF_XMLnote", "well-formed XML", _first_line(error), fatal=True),))
    note = _XmlNote()
    note.read_children(root)
    return note.statement()


class _Part(NamedTuple):
    """What one element of a note states, in the order of ``Statement``'s last fields."""

    values: tuple[tuple[str, Any], ...]
    reported: tuple[ReportedValue, ...]
    notes: tuple[str, ...]
    faults: tuple[Misstatement, ...]


def _read_divided(text: str) -> Statement | None:
    """Return what the parts of a note state, ``None`` where it has to be read in one piece.

    The notes of an archive are of many kinds, their leaves and what is around these are of few: one muscle, one
    duration, some distances. An element in the place of another leaves XML well-formed as long as nothing reaches
    beyond it, as sections and declarations (``<!``, ``<?``, ``xmlns``) do. What is stated twice depends on the order.
    """
    if len(text) > _LONGEST_DIVIDED or "<!" in text or "<?" in text or "xml" in text:
        return None
    pieces = _LEAF.split(text.strip())
    parts = [_read_frame(*pieces[::2]), *map(_read_leaf, pieces[1::2])]
    if None in parts:
        return None
    stated, reported, notes, faults = map(tuple, map(chain.from_iterable, zip(*parts, strict=True)))
    values = dict(stated)
    if len(values) < len(stated):
        return None
    return Statement(**values, reported=reported, notes=notes, faults=faults)


@lru_cache(maxsize=256)
def _read_frame(*gaps: str) -> _Part | None:
    """Return what a note without its leaves states; ``None`` where it is more than the name of one stimulus."""
    try:
        root = _parsed(f"<{_STAND_IN}/>".join(gaps))
    except (SyntaxError, ValueError):
        return None
    tags = [str(element.tag) for element in root.iterdescendants()]
    others = [tag for tag in tags if tag != _STAND_IN and tag.lower() not in _CONTAINERS]
    if root.tag == _STAND_IN or tags.count(_STAND_IN) != len(gaps) - 1:
        return None
    if len(others) > 1 or not all(map(_names_stimulus, others)):
        return None
    note = _XmlNote()
    for tag in others:
        note.enter_stimulus(tag)
    return note.part()


@lru_cache(maxsize=2048)
def _read_leaf(text: str) -> _Part | None:
    """Return what an element without others in it states; ``None`` for a stimulus and what is no element."""
    try:
        element = _parsed(text)
    except (SyntaxError, ValueError):
        return None
    if _names_stimulus(str(element.tag)):
        return None
    note = _XmlNote()
    note.read_element(element)
    return note.part()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


class _Piece(NamedTuple):
    """An element without those inside it: what it is called, its own text, all text in it, and its attributes."""

    name: str
    text: str
    whole: str
    attributes: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        return next((value for known, value in self.attributes if known == name), "")


def _piece(element: _Element, name: str) -> _Piece:
    text = element.text or ""
    whole = "".join(element.itertext()) if len(element) else text
    return _Piece(name, text, whole, tuple(element.items()))


def _names_stimulus(tag: str) -> bool:
    return tag.lower().startswith("stim") and is_stimulus(tag)


def _is_to_recording(distance: _Piece) -> bool:
    mode = _plain(distance.get("mode")).lower()
    return not mode or ("stim" in mode and "record" in mode)


def _read_piece(piece: _Piece) -> _XmlNote:
    note = _XmlNote()
    _ELEMENTS[piece.name](note, piece)
    return note


_remembered_piece = lru_cache(maxsize=2048)(_read_piece)


class _XmlNote:
    """Collects what the elements of one note state."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._reported: list[ReportedValue] = []
        self._notes: list[str] = []
        self._faults: list[Misstatement] = []

    def part(self) -> _Part:
        values = tuple(self._values.items())
        return _Part(values, tuple(self._reported), tuple(self._notes), tuple(self._faults))

    def statement(self) -> Statement:
        values, reported, notes, faults = self.part()
        return Statement(**dict(values), reported=reported, notes=notes, faults=faults)

    def read_children(self, parent: _Element) -> None:
        for element in parent:
            self.read_element(element)

    def read_element(self, element: _Element) -> None:
        if not isinstance(element.tag, str):
            return
        tag = element.tag.rpartition("}")[2]
        name = tag.lower()
        if name in _CONTAINERS:
            self.read_children(element)
        elif _names_stimulus(tag):
            self.enter_stimulus(tag)
            self.read_children(element)
        elif name in _ELEMENTS:
            piece = _piece(element, name)
            if name == "distance" and not _is_to_recording(piece):
                self._keep_unknown(element)
            else:
                self.add(_remembered_piece(piece) if len(piece.whole) <= _LONGEST_CACHED else _read_piece(piece))
        else:
            self._keep_unknown(element)

    def add(self, other: _XmlNote) -> None:
        """Take over what an element states; ``other`` stays as it is."""
        for name, value in other._values.items():
            if name in _LISTS:
                self._values[name] = self._values.get(name, ()) + value
            else:
                self.set(name, value)
        self._reported += other._reported
        self._notes += other._notes
        self._faults += other._faults

    def set(self, name: str, value: object) -> None:
        known = self._values.setdefault(name, value)
        if known != value:
            self._faults.append(Misstatement(name, f"one value, {known}", str(value), fatal=True))

    def enter_stimulus(self, tag: str) -> None:
        named = read_stimulus(tag)
        known = self._values.setdefault("stimulus", tag)
        if known != tag:
            self._faults.append(Misstatement("stimulus", f"one stimulus, {known}", tag, fatal=True))
        if named.side is not None:
            self.set("side", named.side)
        if named.named_site is not None:
            self._values.setdefault("named_site", named.named_site)

    def _keep_unknown(self, element: _Element) -> None:
        from lxml import etree

        self._notes.append(_plain(etree.tostring(element, encoding="unicode", with_tail=False)))

    def _number(self, piece: _Piece, factor: Callable[[str], float | None], units: str) -> float | None:
        """Return the element's value in our unit; without a known unit report it and return ``None``."""
        name = piece.name
        value, unit = _plain(piece.text), _plain(piece.get("unit"))
        if not _XML_NUMBER.match(value):
            self._faults.append(Misstatement(name, "a number", ascii(value[:40])))
            return None
        scale = factor(unit) if unit else None
        if scale is None:
            found = f"{value} {unit[:20]!a}" if unit else f"{value} without a unit"
            self._faults.append(Misstatement(name, f"a value with its unit ({units})", found))
            return None
        return times(value, scale)

    def _positive(self, piece: _Piece, factor: Callable[[str], float | None], units: str) -> float | None:
        value = self._number(piece, factor, units)
        if value is not None and value <= 0:
            self._faults.append(Misstatement(piece.name, "more than 0", f"{value:g}"))
            return None
        return value

    def read_duration(self, piece: _Piece) -> None:
        value = self._positive(piece, time_factor, "us, ms or s")
        if value is not None:
            self.set("duration_ms", value)

    def read_intensity(self, piece: _Piece) -> None:
        mode = _plain(piece.get("mode")).lower()
        current = None if mode == "voltage" else current_factor(_plain(piece.get("unit")))
        if current is not None or mode == "current":
            value = self._number(piece, current_factor, "uA, mA or A")
            field = "intensity_ma"
        else:
            value = self._number(piece, volt_factor, "mA or V")
            field = "intensity_v"
        if value is not None:
            self.set(field, value)

    def read_position(self, piece: _Piece) -> None:
        side, place = split_side(_plain(piece.text))
        if side is not None:
            self.set("side", side)
        if place:
            self.set("site", place.lower())

    def read_distance(self, piece: _Piece) -> None:
        value = self._positive(piece, length_factor, "mm, cm or m")
        if value is not None:
            self.set("distance_mm", value)

    def read_temperature(self, piece: _Piece) -> None:
        value = self._number(piece, lambda unit: 1.0 if temperature_is_celsius(unit) else None, "degree C")
        if value is not None:
            self.set("temperature_c", value)
            if place := _plain(piece.get("position")):
                self.set("temperature_site", place)

    def read_text(self, piece: _Piece) -> None:
        if text := _plain(piece.text):
            self.set(piece.name, text)

    def read_comment(self, piece: _Piece) -> None:
        if text := piece.whole.strip():
            self._notes.append(text)

    def read_side(self, piece: _Piece) -> None:
        side, rest = split_side(_plain(piece.text))
        if side is None or rest:
            self._faults.append(Misstatement(piece.name, "left or right", ascii(_plain(piece.text)[:40])))
        else:
            self.set("side", side)

    def read_count(self, piece: _Piece) -> None:
        text = _plain(piece.text)
        if text.isdecimal() and len(text) < 7 and 0 < int(text) <= _MOST_AVERAGED:
            self.set("averaged_count", int(text))
        else:
            self._faults.append(Misstatement(piece.name, "a number of sweeps", ascii(text[:40])))

    def read_exact_text(self, piece: _Piece) -> None:
        """Read text in which every blank counts."""
        self.set(piece.name, piece.whole)

    def read_elapsed(self, piece: _Piece) -> None:
        value = self._number(piece, lambda unit: 1.0 if unit == "s" else None, "s")
        if value is not None:
            self.set("elapsed_s", value)

    def read_distance_sd(self, piece: _Piece) -> None:
        value = self._number(piece, length_factor, "mm, cm or m")
        if value is not None and value < 0:
            self._faults.append(Misstatement(piece.name, "0 or more", f"{value:g}"))
        elif value is not None:
            self.set("distance_sd_mm", value)

    def read_segment(self, piece: _Piece) -> None:
        ends = [" ".join(piece.get(name).split()) for name in ("distal", "proximal")]
        value = self._positive(piece, length_factor, "mm, cm or m")
        if not all(ends):
            self._faults.append(Misstatement("segment", "its distal and its proximal site", "not both"))
        elif value is not None:
            segment = Segment(distal_site=ends[0], proximal_site=ends[1], distance_mm=value, origin=Origin.FILE)
            self._values["segments"] = (*self._values.get("segments", ()), segment)

    def read_covariate(self, piece: _Piece) -> None:
        name, text = _plain(piece.get("name")), piece.whole
        value = float(text) if piece.get("type") == "number" and _FLOAT.match(text) else text
        if name and text:
            self._values["covariates"] = (*self._values.get("covariates", ()), (name, value))

    def read_latency(self, piece: _Piece) -> None:
        self._report(piece, "latency_ms", self._number(piece, time_factor, "us, ms or s"))

    def read_amplitude(self, piece: _Piece) -> None:
        self._report(piece, "amplitude_uv", self._number(piece, voltage_factor, "uV or mV"))

    def read_velocity(self, piece: _Piece) -> None:
        value = self._number(piece, lambda unit: 1.0 if unit.lower() in _VELOCITY_UNITS else None, "m/s")
        self._report(piece, "velocity_m_s", value)

    def _report(self, piece: _Piece, kind: str, value: float | None) -> None:
        if value is not None:
            self._reported.append(ReportedValue(kind=kind, value=value, mode=_plain(piece.get("mode"))))


_CONTAINERS = frozenset({"measurements", "sweeps", "study"})
_ELEMENTS: dict[str, Callable[[_XmlNote, _Piece], None]] = {
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
