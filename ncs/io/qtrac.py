"""Reader of QTRAC result files (``.MEM``): nerve excitability as QTRAC measured it, tables and numbers, no waveforms.

A number that has a quantity in ``ncs.quantities`` is one line of ``_NAMES``; all others keep the words of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ncs.io._dates import state_date
from ncs.io._faults import Faults, quoted
from ncs.io._sites import split_side
from ncs.io._study_words import read_study_words
from ncs.io._units import voltage_factor
from ncs.model import (
    Origin,
    Provenance,
    ReportedCurve,
    ReportedMeasurement,
    Study,
    Subject,
    Technique,
    Visit,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ncs.io._recording import ReadRequest

__all__ = ["QTRAC", "QtracReader"]

_NAMES = {
    "stimulus (ma) for 50% max response": "half_maximum_stimulus",
    "strength-duration time constant (ms)": "strength_duration_time_constant",
    "rheobase (ma)": "rheobase",
    "stimulus-response slope": "stimulus_response_slope",
    "peak response (mv)": "excitability_peak_response",
    "peak response (uv)": "excitability_peak_response",
    "resting i/v slope": "resting_iv_slope",
    "minimum i/v slope": "minimum_iv_slope",
    "hyperpol. i/v slope": "hyperpolarizing_iv_slope",
    "rrp (ms)": "relative_refractory_period",
    "refractoriness at 2 ms (%)": "refractoriness_2_ms",
    "refractoriness at 2.5ms (%)": "refractoriness_2_5_ms",
    "superexcitability (%)": "superexcitability",
    "superexcitability at 5 ms (%)": "superexcitability_5_ms",
    "superexcitability at 7 ms (%)": "superexcitability_7_ms",
    "subexcitability (%)": "subexcitability",
    "ted(10-20ms)": "ted_10_20_ms",
    "ted(40-60ms)": "ted_40_60_ms",
    "ted(90-100ms)": "ted_90_100_ms",
    "ted(peak)": "ted_peak",
    "ted(undershoot)": "ted_undershoot",
    "teh(10-20ms)": "teh_10_20_ms",
    "teh(20-40ms)": "teh_20_40_ms",
    "teh(90-100ms)": "teh_90_100_ms",
    "teh(overshoot)": "teh_overshoot",
    "teh(slope 101-140ms)": "teh_slope_101_140_ms",
    "ted20(peak)": "ted20_peak",
    "ted20(10-20ms)": "ted20_10_20_ms",
    "teh20(10-20ms)": "teh20_10_20_ms",
    "ted40(accom)": "ted40_accommodation",
    "s2 accommodation": "s2_accommodation",
    "accommodation half-time (ms)": "accommodation_half_time",
    "latency (ms)": "excitability_latency",
    "polarizing current (ma)": "polarizing_current",
    "polarizing current (% threshold)": "polarizing_current_percent",
}
_HEADER_NAMES = {"temperature ( c)": "Temperature", "age (years)": "Age", "sex (m=1, f=2)": "Sex"}
"""Numbered variables that repeat the header."""
_SEXES = {1.0: "M", 2.0: "F"}

_KEY = re.compile(r"\s*([^:\t]{1,40}?)\s*:\s*(.*)")
_HEADING = re.compile(r"\s*([A-Z][A-Z/ -]{6,60}?)\s*(?:\(.*\))?\s*")
_ROW = re.compile(r"\s*([A-Za-z]+\d*)\.(\d+)\s*\t(.*)")
_VARIABLE = re.compile(r"\s*(\d{1,4})\.\s*\t([^\t]*)\t(.*)")
_SETTING = re.compile(r"\s*([^=\t]{1,60}?)\s*=\s*(.*?)\s*")
_LARGEST = re.compile(r"\s*(Max\s+(\w+)\s+(\S+)\s*ms)\s*=\s*(\S+)\s+(\S+)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_UNIT = re.compile(r"\(([^()]{1,20})\)\s*\Z")
_SIGNS = (b"S/R sites:", b"STIMULUS-RESPONSE DATA", b"DERIVED EXCITABILITY VARIABLES", b"THRESHOLD ELECTROTONUS DATA")
_DERIVED = "DERIVED EXCITABILITY VARIABLES"
_EXTRA = "EXTRA VARIABLES"
_MOST_BYTES = 1 << 20
"""Real files have some ten thousand."""
_LONGEST_LINE = 500


class QtracReader:
    """QTRAC MEM files: the numbered excitability variables, the extra ones, and the tables behind them."""

    name = "qtrac"
    description = "QTRAC nerve excitability results (MEM): numbers and tables, no waveforms"
    extensions: tuple[str, ...] = (".mem",)
    carries: Mapping[str, str] = MappingProxyType(
        {
            "waveforms": "no, results",
            "site": "S/R sites",
            "distance": "no",
            "intensity": "in its tables",
            "units": "yes",
            "filters": "no",
            "stimulus time": "no",
            "temperature": "yes",
        }
    )
    experimental = False

    def sniff(self, head: bytes, path: Path) -> float:  # noqa: ARG002  # part of the contract
        """Return the confidence from the headings that only QTRAC writes: 0.5 for one, 1 for two or more."""
        return min(1.0, 0.5 * sum(sign in head for sign in _SIGNS))

    def read(self, request: ReadRequest) -> Visit:
        """Return the results of a MEM file.

        Returns
        -------
        Visit
            One study without traces; ``reported`` holds the numbers and ``curves`` the tables.

        Raises
        ------
        ReadError
            With everything that is wrong with the file, and when it holds no result at all.
        """
        faults = Faults(file=str(request.path))
        text = _decode(request.content, faults)
        faults.raise_if_fatal()
        content = _parse(text, faults)
        values = _header_values(content, faults)
        study = _study(content, values, faults)
        if not study.reported and not study.curves:
            faults.add("", "content", "results of QTRAC", "none that can be read")
        date = state_date(*content.header.get("Date", ("", "")), request.sidecar, faults)
        faults.raise_if_fatal()
        return _visit(content, values, study, request, faults, date)


@dataclass(slots=True)
class _Table:
    """Rows of one code (``TE1``) under the column headings that were last read."""

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[float | None, ...]] = field(default_factory=list)


@dataclass(slots=True)
class _Content:
    """Everything that stands in the file, by kind."""

    header: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Key to value and place."""
    largest: list[tuple[str, str, float, str, str]] = field(default_factory=list)
    """Name, kind of response, value, unit and place."""
    settings: dict[str, str] = field(default_factory=dict)
    variables: list[tuple[str, float, str]] = field(default_factory=list)
    """Name, value and place."""
    tables: dict[str, _Table] = field(default_factory=dict)


def number(text: str) -> float | None:
    """Return a number, with a decimal point or comma, or ``None``.

    >>> number(" .2 "), number("33,5"), number("33.5 / 33.1")
    (0.2, 33.5, None)
    """
    stripped = text.strip()
    return float(stripped.replace(",", ".")) if _NUMBER.fullmatch(stripped) else None


def _decode(content: bytes, faults: Faults) -> str:
    if len(content) > _MOST_BYTES:
        faults.add("", "content", f"at most {_MOST_BYTES} bytes", str(len(content)))
        return ""
    if b"\0" in content:
        faults.add(f"byte {content.index(0)}", "content", "text", "a zero byte")
        return ""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _parse(text: str, faults: Faults) -> _Content:
    """Sort the lines into header, settings, variables and tables."""
    content = _Content()
    section: str | None = None
    columns: tuple[str, ...] = ()
    for line_number, whole_line in enumerate(text.splitlines(), start=1):
        line = whole_line.strip(" \r")
        if not line.strip():
            continue
        place = f"line {line_number}"
        if len(line) > _LONGEST_LINE:
            faults.note(place, "content", f"at most {_LONGEST_LINE} characters", str(len(line)), "it was not read")
            continue
        heading = _HEADING.fullmatch(line)
        if heading is not None:
            section, columns = heading[1].strip(), ()
        elif section is None:
            _take_header(line, place, content)
        elif not _take_result(section, line, columns, place, content, faults) and "\t" in line:
            columns = tuple(cell.strip() for cell in line.split("\t")[1:])
    return content


def _take_header(line: str, place: str, content: _Content) -> None:
    entry = _KEY.fullmatch(line)
    if entry is not None:
        content.header.setdefault(entry[1], (entry[2].strip(), place))


def _take_result(
    section: str, line: str, columns: tuple[str, ...], place: str, content: _Content, faults: Faults
) -> bool:
    """Take a line of a section; return whether it was one that holds results or settings."""
    if (row := _ROW.fullmatch(line)) is not None:
        _take_row(section, row, columns, place, content, faults)
    elif (variable := _VARIABLE.fullmatch(line)) is not None:
        _take_variable(variable[3], variable[2], place, content, faults)
    elif (largest := _LARGEST.fullmatch(line)) is not None:
        _take_largest(largest, place, content, faults)
    elif (setting := _SETTING.fullmatch(line)) is not None:
        if section == _DERIVED:
            content.settings[setting[1]] = setting[2]
        elif section == _EXTRA:
            _take_variable(setting[1], setting[2], place, content, faults)
    else:
        return False
    return True


def _take_row(
    section: str, row: re.Match[str], columns: tuple[str, ...], place: str, content: _Content, faults: Faults
) -> None:
    cells = [cell.strip() for cell in row[3].split("\t")]
    values = tuple(number(cell) for cell in cells)
    bad = [cell for cell, value in zip(cells, values, strict=True) if value is None and cell]
    if bad:
        faults.note(place, f"{row[1]}.{row[2]}", "numbers", quoted(bad[0]), "the row was not used")
        return
    table = content.tables.setdefault(row[1], _Table(f"{section} {row[1]}", columns))
    if columns and len(values) != len(columns):
        expected = f"{len(columns)} numbers, as the heading has"
        faults.note(place, f"{row[1]}.{row[2]}", expected, str(len(values)), "the row was not used")
        return
    table.rows.append(values)


def _take_variable(name: str, text: str, place: str, content: _Content, faults: Faults) -> None:
    name = " ".join(name.replace("\\", " ").split())
    value = number(text)
    if not name:
        faults.note(place, "variable", "a name", "none", "the number was not used")
    elif value is None:
        if text.strip():
            faults.note(place, name, "a number", quoted(text.strip()), "it was not used")
    else:
        content.variables.append((name, value, place))


def _take_largest(match: re.Match[str], place: str, content: _Content, faults: Faults) -> None:
    name = " ".join(match[1].split())
    value = number(match[4])
    if value is None:
        faults.note(place, name, "a number", quoted(match[4]), "it was not used")
    else:
        content.largest.append((name, match[2], value, match[5], place))


def _header_values(content: _Content, faults: Faults) -> dict[str, Any]:
    """Return temperature, age and sex; where a variable differs from the header, that is noted."""
    found: dict[str, Any] = {}
    for name in ("Temperature", "Age"):
        text, place = content.header.get(name, ("", ""))
        value = number(text)
        if value is not None:
            found[name] = value
        elif text:
            faults.note(place, name, "a number", quoted(text), "it was not used")
    sex = content.header.get("Sex", ("", ""))[0].upper()
    if sex in _SEXES.values():
        found["Sex"] = sex
    for name, value, place in content.variables:
        key = _HEADER_NAMES.get(name.casefold())
        if key is None:
            continue
        repeated = _SEXES.get(value) if key == "Sex" else value
        if repeated is not None and found.setdefault(key, repeated) != repeated:
            faults.note(place, name, f"{found[key]}, as in the header", str(repeated), "the header was used")
    return found


def _study(content: _Content, values: Mapping[str, Any], faults: Faults) -> Study:
    text = content.header.get("S/R sites", ("", ""))[0]
    stimulated, separator, recorded = text.rpartition("-")
    words = read_study_words(text)
    side, place = split_side(stimulated if separator else text)
    site = _without(place, words.nerve).lower() or None
    is_motor = any(kind.casefold() == "cmap" for _, kind, *_ in content.largest)
    temperature = values.get("Temperature")
    if temperature is not None and not 0 < temperature <= 50:
        faults.note("", "Temperature", "0 to 50 degrees Celsius", f"{temperature:g}", "it was not used")
        temperature = None
    stated: dict[str, Any] = {
        "nerve": words.nerve,
        "side": words.side or side,
        "technique": Technique.MOTOR if is_motor else words.technique,
        "recording_site": (recorded.strip() or None) if separator else None,
        "skin_temperature_c": temperature,
    }
    origins = {name: Origin.FILE for name, value in stated.items() if value is not None}
    curves = tuple(
        ReportedCurve(name=table.name, columns=table.columns, rows=tuple(table.rows))
        for table in content.tables.values()
        if table.rows
    )
    reported = tuple(_reported(content, site, faults))
    origins |= {name: Origin.FILE for name, value in (("reported", reported), ("curves", curves)) if value}
    return Study(traces=(), reported=reported, curves=curves, provenance=Provenance(origins), **stated)


def _without(place: str, nerve: str | None) -> str:
    """Return a place without the words of the nerve."""
    names = set((nerve or "").split())
    return " ".join(word for word in place.split() if word.casefold() not in names)


def _reported(content: _Content, site: str | None, faults: Faults) -> list[ReportedMeasurement]:
    by = _program(content)
    found = []
    for name, kind, value, unit, place in content.largest:
        factor = voltage_factor(unit)
        if factor is None:
            faults.note(place, name, "a unit of voltage", quoted(unit), "it was not used")
            continue
        quantity = "excitability_maximum_cmap" if kind.casefold() == "cmap" else "reported_value"
        source = f"{by}: {name}"
        found.append(ReportedMeasurement(quantity=quantity, value=value * factor, unit="uV", source=source, site=site))
    for name, value, _ in content.variables:
        if name.casefold() in _HEADER_NAMES:
            continue
        quantity = _NAMES.get(name.casefold(), "reported_value")
        stated = _UNIT.search(name)
        unit = _unit_of(quantity, stated[1].strip() if stated is not None else "")
        factor = voltage_factor(stated[1]) if unit == "uV" and stated is not None else 1.0
        converted = value * (factor or 1.0)
        source = f"{by}: {name}"
        found.append(ReportedMeasurement(quantity=quantity, value=converted, unit=unit, source=source, site=site))
    return found


def _unit_of(quantity: str, stated: str) -> str:
    """Return the unit of a known quantity, or for an unknown name what stands in its brackets."""
    from ncs.quantities import QUANTITIES

    return QUANTITIES[quantity].unit if quantity != "reported_value" else stated


def _program(content: _Content) -> str:
    """Return the program and its settings in words; the methods by their number, as QTRAC names them."""
    said = [content.settings["Program"]] if content.settings.get("Program") else []
    protocol = content.header.get("Protocol", ("", ""))[0]
    said += [f"protocol {protocol}"] if protocol else []
    for name in ("Threshold method", "SR method"):
        text = content.settings.get(name, "")
        said += [f"{name.replace('Threshold', 'threshold')} {text.split()[0]}"] if text else []
    return f"QTRAC ({', '.join(said)})" if said else "QTRAC"


def _visit(
    content: _Content, values: Mapping[str, Any], study: Study, request: ReadRequest, faults: Faults, date: Any
) -> Visit:
    covariates: dict[str, float | str] = {}
    if "Age" in values:
        covariates["age_years"] = values["Age"]
    disease = content.header.get("NC/disease", ("", ""))[0]
    if disease:
        covariates["nc_disease"] = disease
    if request.keep_identifiers:
        comment = content.header.get("Comments", ("", ""))[0]
        covariates.update({"comments": comment} if comment else {})
    name = content.header.get("Name", ("", ""))[0]
    subject = Subject(sex=values.get("Sex"), name=name if request.keep_identifiers and name else None)
    origins = {f"covariates.{key}": Origin.FILE for key in covariates}
    origins |= {"sex": Origin.FILE} if subject.sex is not None else {}
    origins |= {"date": Origin.FILE} if date is not None else {}
    return Visit(
        subject=subject,
        date=date,
        studies=(study,),
        covariates=covariates,
        problems=tuple(faults.noted),
        provenance=Provenance(origins),
    )


QTRAC = QtracReader()
