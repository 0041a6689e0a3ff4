"""What the annotations of a nerve conduction file say: plain text and ``EDF_XMLnote`` to fields with units.

There is no schema for either; the words known here come from the EDF+ specification (3.7) and its worked examples.
What the notes' elements mean stands in ``_xml_notes``. A value without a unit is never used.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache, lru_cache, partial
from itertools import compress
from operator import is_not
from typing import TYPE_CHECKING, Any, NamedTuple

from ncs.io._remembered import remembered
from ncs.io._sites import split_side
from ncs.io._units import current_factor, length_factor, time_factor, voltage_factor
from ncs.model import ReportedValue, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from ncs.model import Segment

__all__ = [
    "NOTHING_STATED", "Misstatement", "Statement", "is_stimulus", "merge_statements", "read_note", "read_stimulus",
    "times", "volt_factor",
]  # fmt: skip

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
    a name, so that an explicit position wins over it. What stands between ``label`` and ``covariates`` is said by files
    that ncs wrote, for what other fields of EDF+ have no room for.
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
    label: str | None = None
    elapsed_s: float | None = None
    channel: str | None = None
    prefilter: str | None = None
    distance_sd_mm: float | None = None
    segments: tuple[Segment, ...] | None = None
    covariates: tuple[tuple[str, float | str], ...] | None = None
    reported: tuple[ReportedValue, ...] = ()
    notes: tuple[str, ...] = ()
    faults: tuple[Misstatement, ...] = ()


NOTHING_STATED = Statement()
_SINGLE = Statement._fields[:-3]
_NOTHING = NOTHING_STATED[: len(_SINGLE)]
_is_stated = partial(is_not, None)
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
        return NOTHING_STATED, ()
    if len(statements) == 2 and statements[1][: len(_SINGLE)] == _NOTHING and statements[0].site is None:
        first, second = statements
        joined = first._replace(
            site=first.named_site, reported=first.reported + second.reported, notes=first.notes + second.notes
        )
        return joined, ()
    values: list[Any] = list(statements[0][: len(_SINGLE)])
    reported, notes = list(statements[0].reported), list(statements[0].notes)
    faults: list[Misstatement] = []
    for statement in statements[1:]:
        reported += statement.reported
        notes += statement.notes
        for at, value in compress(enumerate(statement[: len(_SINGLE)]), map(_is_stated, statement)):
            if values[at] is None:
                values[at] = value
            elif values[at] != value and _SINGLE[at] not in _MAY_DIFFER:
                faults.append(Misstatement(_SINGLE[at], f"one value, {values[at]}", str(value)))
    merged = Statement._make((*values, tuple(reported), tuple(notes), ()))
    named, site = merged.named_site, merged.site
    if named is not None and site is None:
        merged = merged._replace(site=named)
    elif named is not None and named != site and named in _PLACES and site in _PLACES:
        faults.append(Misstatement("position", f"the place in the name of the stimulus, {named}", str(site)))
    return merged, tuple(faults)


@remembered
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
    if text.lstrip().startswith("<"):
        is_xml = "<EDF_XMLnote" in text or "<!DOCTYPE" in text
        return _xml_notes().read_xml(text) if is_xml else Statement(notes=(text,))
    if match := _SPEC_STIMULUS.fullmatch(text):
        return _read_spec_stimulus(text, match)
    if match := _SPEC_RESPONSE.fullmatch(text):
        return _read_spec_response(match)
    head = text[:_LONGEST_READ]
    if is_stimulus(head):
        return read_stimulus(text)
    if _RESPONSE.match(head):
        return _read_response(text)
    averaged = _averaged_count(head)
    return Statement(averaged_count=averaged) if averaged is not None else Statement(notes=(text,))


@cache
def _xml_notes() -> ModuleType:
    from ncs.io import _xml_notes as notes  # which needs the names of stimuli from here

    return notes


def _read_spec_stimulus(text: str, match: re.Match[str]) -> Statement:
    side, site, pulse, pulse_unit, intensity, intensity_unit, distance, distance_unit = match.groups()
    if _NOT_A_SITE.intersection(site.split()):
        return read_stimulus(text)
    return Statement(
        stimulus=text, side=None if side is None else Side(side), named_site=site,
        distance_mm=times(distance, _SPEC_FACTORS[distance_unit]),
        duration_ms=times(pulse, _SPEC_FACTORS[pulse_unit]),
        intensity_ma=float(intensity) if intensity_unit == "mA" else None,
        intensity_v=float(intensity) if intensity_unit == "V" else None,
    )  # fmt: skip


def _read_spec_response(match: re.Match[str]) -> Statement:
    amplitude, unit, latency, _, velocity = match.groups()
    reported = [
        ReportedValue(kind="latency_ms", value=float(latency)),
        ReportedValue(kind="amplitude_uv", value=times(amplitude, _SPEC_FACTORS[unit])),
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
    return None if scale is None else times(match["value"], scale)


def times(number: str, factor: float) -> float:
    """Multiply in decimal: 0.57 cm are 5.7 mm to the last bit."""
    if factor == 1:
        return float(number)
    return float(Decimal(number) * int(factor) if factor > 1 else Decimal(number) / round(1 / factor))


@remembered
def read_stimulus(text: str) -> Statement:
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
        intensity_v=_scaled(intensity, volt_factor) if is_volts else None,
        averaged_count=_averaged_count(rest), faults=faults,
    )  # fmt: skip


def volt_factor(unit: str) -> float | None:
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
