"""What the annotations of a nerve conduction file say: plain text and ``EDF_XMLnote`` to fields with units.

There is no schema for either; the words known here come from the EDF+ specification (3.7) and its worked examples.
A new word is one row in a table below. A value without a unit is never used; an unknown element is kept as a note.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ncs.io._sites import split_side
from ncs.io._units import current_factor, length_factor, temperature_is_celsius, time_factor, voltage_factor
from ncs.model import ReportedValue, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lxml.etree import XMLParser, _Element

__all__ = ["Misstatement", "Statement", "is_stimulus", "merge_statements", "read_note"]

_LONGEST_CACHED = 2000
_LONGEST_READ = 500
"""No stimulus is described in more characters; patterns see no more than this."""

_STIMULUS = re.compile(
    r"\s*(?i:stim)(?!(?i:ulator))(?i:ulus|ulation|uli)?(?=$|[\s_:.#/-]|[A-Z0-9])[\s_:.#/-]*(?P<rest>.*)", re.DOTALL
)
_NO_STIMULUS = re.compile(r"(?:off|stop|stopped|end|ended|pause|paused)\b", re.IGNORECASE)
_NUM = r"(?<![\w.,])(?P<{0}>\d{{1,9}}(?:\.\d{{1,12}})?)(?![\d.,]*\d)"
_PULSE = re.compile(_NUM.format("value") + r"\s*(?P<unit>us|µs|μs|ms)\b", re.IGNORECASE)
_INTENSITY = re.compile(_NUM.format("value") + r"\s*(?P<unit>uA|µA|μA|mA|A|mV|V)\b", re.IGNORECASE)
_DISTANCE = re.compile(
    r"\bat\s+" + _NUM.format("value") + r"\s*(?P<unit>mm|cm|m)\b"
    r"(?:\s+from\s+(?:the\s+)?(?:recording|active|electrode|G1|E1)\b[\w\s]*|\s*(?=$|[,;]))",
    re.IGNORECASE,
)
_UNITLESS = re.compile(
    r"\bx\s+(?P<intensity>\d[\d.,]*)(?![\d.,])(?!\s*(?:[uµμm]?A|m?V)\b)"
    r"|\bat\s+(?P<distance>\d[\d.,]*)(?![\d.,])(?!\s*(?:[mc]?m|°|deg|Hz)\b)",
    re.IGNORECASE,
)
_AVERAGED = re.compile(
    r"\baveraged?\s*(?:of|:|=)?\s*(?P<a>\d{1,6})\b(?!\.)"
    r"|\b(?P<b>\d{1,6})\s+(?:sweeps?|responses?)\s+(?:averaged|accepted)\b",
    re.IGNORECASE,
)
# The specification's own wording, which machines copy, in one match each: this is the hot path of large archives.
_N = r"(\d{1,9}(?:\.\d{1,12})?)"
_SPEC_STIMULUS = re.compile(
    rf"Stimulus (?:(left|right) )?([a-z]{{3,}}(?: [a-z]{{3,}})?) {_N}(us|ms) x {_N}(mA|V)"
    rf" at {_N}(mm|cm) from recording site"
)
_SPEC_RESPONSE = re.compile(rf"Response {_N}(uV|mV) at {_N}(ms)(?: \({_N}m/s\))?")
_RESPONSE = re.compile(r"\s*response\b", re.IGNORECASE)
_AMPLITUDE = re.compile(_NUM.format("value") + r"\s*(?P<unit>nV|uV|µV|μV|mV)\b", re.IGNORECASE)
_LATENCY = re.compile(r"\bat\s+" + _NUM.format("value") + r"\s*(?P<unit>us|µs|μs|ms|s)\b", re.IGNORECASE)
_VELOCITY = re.compile(_NUM.format("value") + r"\s*m/s(?:ec)?\b", re.IGNORECASE)
_SITE = re.compile(r"[^\W\d_]{3,}[^\d@]*(?:\d{1,2})?\Z|[Dd]\d\Z")
_AFTER_SITE = re.compile(r"\s*(?:(?<![\w.])\d+(?:[.,]\d+)?\s*(?:[unmµμ]?[AVs]\b|x\b)|\bat\s+\d|[,;(@]).*", re.DOTALL)
_NOT_A_SITE = frozenset(
    {"artefact", "artifact", "checkerboard", "click", "distal", "electric", "electrical", "flash", "number", "on",
     "proximal", "pulse", "single", "tone", "train", "trigger"}
)  # fmt: skip
_XML_NUMBER = re.compile(r"[+-]?(?:\d{1,9}\.?\d{0,30}|\.\d{1,30})\Z", re.ASCII)
_VELOCITY_UNITS = frozenset({"m/s", "m/sec", "mm/ms"})
_MOST_AVERAGED = 1_000_000
_SPEC_FACTORS = {"us": 1e-3, "ms": 1.0, "mm": 1.0, "cm": 10.0, "uV": 1.0, "mV": 1e3}


class Misstatement(NamedTuple):
    """Something an annotation states in a form that cannot be used."""

    field: str
    expected: str
    found: str
    fatal: bool = False


class Statement(NamedTuple):
    """What one annotation, or all annotations of one stimulus, state; ``None`` is what they do not state.

    ``stimulus`` names the stimulus where the annotation marks one; ``named_site`` is a site that is only part of such
    a name, so that an explicit position wins over it.
    """

    stimulus: str | None = None
    side: Side | None = None
    site: str | None = None
    named_site: str | None = None
    distance_mm: float | None = None
    duration_ms: float | None = None
    intensity_ma: float | None = None
    intensity_v: float | None = None
    temperature_c: float | None = None
    temperature_site: str | None = None
    recording: str | None = None
    averaged_count: int | None = None
    nerve: str | None = None
    technique: str | None = None
    reported: tuple[ReportedValue, ...] = ()
    notes: tuple[str, ...] = ()
    faults: tuple[Misstatement, ...] = ()


_EMPTY = Statement()
_SINGLE = Statement._fields[:-3]
_NOTHING = _EMPTY[: len(_SINGLE)]
_MAY_DIFFER = frozenset({"stimulus", "named_site"})
_PLACES = frozenset(
    {"ankle", "axilla", "elbow", "finger", "fibular head", "foot", "forearm", "knee", "palm", "popliteal fossa",
     "shoulder", "thumb", "toe", "wrist"}
)  # fmt: skip


def merge_statements(statements: Sequence[Statement]) -> tuple[Statement, tuple[Misstatement, ...]]:
    """Join what the annotations of one stimulus state; also return how they contradict each other.

    The site in a stimulus's name stands in for a position that is not stated. Faults of the single statements are left
    behind: they were reported with their own place.
    """
    if len(statements) == 1 and not statements[0].named_site:
        return statements[0], ()
    if not statements:
        return _EMPTY, ()
    if len(statements) == 2 and statements[1][: len(_SINGLE)] == _NOTHING and statements[0].site is None:
        first, second = statements
        joined = first._replace(
            site=first.named_site, reported=first.reported + second.reported, notes=first.notes + second.notes
        )
        return joined, ()
    merged: dict[str, Any] = {}
    faults: list[Misstatement] = []
    for statement in statements:
        for name, value in zip(_SINGLE, statement, strict=False):
            if value is not None and merged.setdefault(name, value) != value and name not in _MAY_DIFFER:
                faults.append(Misstatement(name, f"one value, {merged[name]}", str(value)))
    named, site = merged.get("named_site"), merged.get("site")
    if named is not None:
        merged.setdefault("site", named)
        if site is not None and named != site and named in _PLACES and site in _PLACES:
            faults.append(Misstatement("position", f"the place in the name of the stimulus, {named}", site))
    merged["reported"] = tuple([value for statement in statements for value in statement.reported])
    merged["notes"] = tuple([note for statement in statements for note in statement.notes])
    return Statement(**merged), tuple(faults)


def is_stimulus(text: str) -> bool:
    """Return whether an annotation text names a stimulus: ``Stimulus …``, ``StimA``, ``Stimulus_elbow``.

    Examples
    --------
    >>> is_stimulus("StimA"), is_stimulus("Pre-stimulus beep 1000Hz"), is_stimulus("Stimulator off")
    (True, False, False)
    """
    match = _STIMULUS.match(text)
    return match is not None and not _NO_STIMULUS.match(match["rest"])


def read_note(text: str) -> Statement:
    """Return what one annotation text states.

    Examples
    --------
    >>> said = read_note("Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site")
    >>> said.named_site, said.side.value, said.duration_ms, said.intensity_ma, said.distance_mm
    ('wrist', 'right', 0.2, 8.2, 65.0)
    >>> [(value.kind, value.value) for value in read_note("Response 7.2mV at 7.8ms (55.0m/s)").reported]
    [('latency_ms', 7.8), ('amplitude_uv', 7200.0), ('velocity_m_s', 55.0)]
    """
    return _read_note(text) if len(text) <= _LONGEST_CACHED else _read_note.__wrapped__(text)


@lru_cache(maxsize=256)
def _read_note(text: str) -> Statement:
    if match := _SPEC_STIMULUS.fullmatch(text):
        return _read_spec_stimulus(text, match)
    if match := _SPEC_RESPONSE.fullmatch(text):
        return _read_spec_response(match)
    if text.lstrip().startswith("<"):
        is_xml = "<EDF_XMLnote" in text or "<!DOCTYPE" in text
        return _read_xml(text) if is_xml else Statement(notes=(text,))
    head = text[:_LONGEST_READ]
    if is_stimulus(head):
        return _read_stimulus(text)
    if _RESPONSE.match(head):
        return _read_response(text)
    averaged = _averaged_count(head)
    return Statement(averaged_count=averaged) if averaged is not None else Statement(notes=(text,))


def _read_spec_stimulus(text: str, match: re.Match[str]) -> Statement:
    side, site, pulse, pulse_unit, intensity, intensity_unit, distance, distance_unit = match.groups()
    if _NOT_A_SITE.intersection(site.split()):
        return _read_stimulus(text)
    return Statement(
        stimulus=text, side=None if side is None else Side(side), named_site=site,
        distance_mm=_times(distance, _SPEC_FACTORS[distance_unit]),
        duration_ms=_times(pulse, _SPEC_FACTORS[pulse_unit]),
        intensity_ma=float(intensity) if intensity_unit == "mA" else None,
        intensity_v=float(intensity) if intensity_unit == "V" else None,
    )  # fmt: skip


def _read_spec_response(match: re.Match[str]) -> Statement:
    amplitude, unit, latency, _, velocity = match.groups()
    reported = [
        ReportedValue(kind="latency_ms", value=float(latency)),
        ReportedValue(kind="amplitude_uv", value=_times(amplitude, _SPEC_FACTORS[unit])),
    ]
    if velocity is not None:
        reported.append(ReportedValue(kind="velocity_m_s", value=float(velocity)))
    return Statement(reported=tuple(reported))


def _averaged_count(text: str) -> int | None:
    if "averag" not in text.lower() and "accept" not in text.lower():
        return None
    match = _AVERAGED.search(text)
    return None if match is None else int(match["a"] or match["b"])


def _scaled(match: re.Match[str] | None, factor: Callable[[str], float | None]) -> float | None:
    if match is None:
        return None
    scale = factor(match["unit"])
    return None if scale is None else _times(match["value"], scale)


def _times(number: str, factor: float) -> float:
    """Multiply in decimal: 0.57 cm are 5.7 mm to the last bit."""
    if factor == 1:
        return float(number)
    return float(Decimal(number) * int(factor) if factor > 1 else Decimal(number) / round(1 / factor))


def _read_stimulus(text: str) -> Statement:
    match = _STIMULUS.match(text[:_LONGEST_READ])
    rest = match["rest"] if match else ""
    if not rest:
        return Statement(stimulus=text)
    side, place = split_side(_AFTER_SITE.sub("", rest.replace("_", " ")).strip(" .:-"))
    site = None
    if _SITE.match(place) and not _NOT_A_SITE.intersection(place.lower().split()):
        site = place.lower()
    if not any(map(str.isdigit, rest)):
        return Statement(stimulus=text, side=side, named_site=site)
    intensity = _INTENSITY.search(rest)
    is_volts = intensity is not None and intensity["unit"][-1] in "vV"
    distance_mm = _scaled(_DISTANCE.search(rest), length_factor) if "at" in rest else None
    faults: tuple[Misstatement, ...] = ()
    if intensity is None or distance_mm is None:
        for lone in _UNITLESS.finditer(rest):
            name = lone.lastgroup or ""
            faults += (Misstatement(name, "a value with its unit", lone[name]),)
    return Statement(
        stimulus=text, side=side, named_site=site, distance_mm=distance_mm,
        duration_ms=_scaled(_PULSE.search(rest), time_factor),
        intensity_ma=None if is_volts else _scaled(intensity, current_factor),
        intensity_v=_scaled(intensity, _volt_factor) if is_volts else None,
        averaged_count=_averaged_count(rest), faults=faults,
    )  # fmt: skip


def _volt_factor(unit: str) -> float | None:
    factor = voltage_factor(unit)
    return None if factor is None else factor / 1e6


def _read_response(text: str) -> Statement:
    reported: list[ReportedValue] = []
    head = text[:_LONGEST_READ]
    latency = _scaled(_LATENCY.search(head), time_factor)
    if latency is not None:
        reported.append(ReportedValue(kind="latency_ms", value=latency))
    amplitude = _scaled(_AMPLITUDE.search(head), voltage_factor)
    if amplitude is not None:
        reported.append(ReportedValue(kind="amplitude_uv", value=amplitude))
    velocity = _VELOCITY.search(head)
    if velocity is not None:
        reported.append(ReportedValue(kind="velocity_m_s", value=float(velocity["value"])))
    return Statement(reported=tuple(reported), notes=() if reported else (text,))


@lru_cache(maxsize=1)
def _parser() -> XMLParser:
    from lxml import etree

    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, dtd_validation=False,
        huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip


def _read_xml(text: str) -> Statement:
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
        named = _read_stimulus(tag)
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
        return _times(value, scale)

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
            value = self._number(element, _volt_factor, "mA or V")
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
    "comment": _XmlNote.read_comment,
    "comments": _XmlNote.read_comment,
    "distance": _XmlNote.read_distance,
    "duration": _XmlNote.read_duration,
    "intensity": _XmlNote.read_intensity,
    "latency": _XmlNote.read_latency,
    "nerve": _XmlNote.read_text,
    "position": _XmlNote.read_position,
    "recording": _XmlNote.read_text,
    "side": _XmlNote.read_side,
    "technique": _XmlNote.read_text,
    "temperature": _XmlNote.read_temperature,
    "velocity": _XmlNote.read_velocity,
}
