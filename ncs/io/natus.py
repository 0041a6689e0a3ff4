"""Reader of Natus text: Viking, the older Nicolet, and Synergy exports. Experimental.

What is known of the format comes from programs that read needle EMG exports; no nerve conduction export was at hand.
Which key means what is in the tables below; how the text is taken apart, in ``_natus_text``. The format is not known to
state stimulation site, distance, intensity or the time of the stimulus, so these come from a sidecar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io._dates import possible_dates, state_date
from ncs.io._dialect import Faults as TextFaults
from ncs.io._faults import Faults, quoted
from ncs.io._natus_text import (
    CONTINUOUS,
    SWEEPS,
    DataKey,
    Entry,
    Export,
    Section,
    decode_export,
    decode_text,
    key_of,
    read_numbers,
    split_data_key,
)
from ncs.io._study_words import read_study_words
from ncs.io._units import voltage_factor
from ncs.model import Calibration, Filters, Origin, Provenance, Study, Subject, Trace, Visit

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ncs.io._recording import ReadRequest
    from ncs.io.sidecar import Sidecar

__all__ = ["NATUS", "NatusReader"]

FloatArray = NDArray[np.float64]

_FILE, _SIDECAR = Origin.FILE, Origin.SIDECAR
# The rate of the exported samples goes before the rate of the converter.
_RATES = (
    {"subsampled(khz)": Decimal(1000), "subsampled(hz)": Decimal(1)},
    {"samplingfrequency(khz)": Decimal(1000), "samplingfrequency(hz)": Decimal(1)},
)
_DURATION = {"sweepduration(ms)": Decimal(1), "sweepduration(s)": Decimal(1000)}
_LOW = {"low(hz)": Decimal(1), "low(khz)": Decimal(1000)}
_HIGH = {"high(khz)": Decimal(1000), "high(hz)": Decimal(1)}
_ADC_UNITS = {f"oneadcunit({unit})": unit for unit in ("nv", "uv", "mv", "v")}
_NUMBER = re.compile(r"[+-]?\d{1,12}(?:[.,]\d{1,12})?\Z", re.ASCII)
_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}
_NAME_KEYS = (("fullname",), ("firstname",), ("middlename",), ("lastname",))
_SIGN = re.compile(r"viking|synergy|nicolet|natus", re.IGNORECASE)
_SNIFFED_LINES = 400
_HIGHEST_RATE_HZ = Decimal(10_000_000)
_MOST_TRACES = 10_000
_POLARITY_HINT = (
    'add "polarity": "true" to the sidecar if the file holds active minus reference, so that the negative peak of a '
    'CMAP is a negative number, else "polarity": "inverted"'
)


class _Number(NamedTuple):
    """A number of a key, in the unit that its table gives it."""

    value: Decimal
    entry: Entry


@dataclass(frozen=True, slots=True)
class _File:
    """What the sections of one file share. ``marks`` collects where which decimal mark stands."""

    export: Export
    sidecar: Sidecar | None
    faults: Faults
    marks: dict[str, list[int]]


class _Sweep(NamedTuple):
    """One list of numbers, in microvolts."""

    microvolts: FloatArray
    rate_hz: float
    unit: str
    origins: dict[str, Origin]


class NatusReader:
    """Text of Natus (Nicolet) Viking and Synergy: averaged data and single sweeps."""

    name = "natus"
    description = "Natus text export (Nicolet Viking, Synergy); not yet confirmed with a nerve conduction export"
    extensions: tuple[str, ...] = (".txt",)
    carries: Mapping[str, str] = MappingProxyType(
        {
            "waveforms": "yes",
            "site": "no",
            "distance": "no",
            "intensity": "no",
            "units": "yes",
            "filters": "yes",
            "stimulus time": "no",
            "temperature": "no",
        }
    )
    experimental = True

    def sniff(self, head: bytes, path: Path) -> float:  # noqa: ARG002  # part of the contract
        """Return 0.9 for sections with a list of numbers or a sampling rate, a little more if the maker is named."""
        text = decode_text(head, None, TextFaults(""))
        if text is None:
            return 0.0
        lines = [line.strip()[:200] for line in text.splitlines()[:_SNIFFED_LINES]]
        if not any(re.match(r"\[ *\d+(?:\.\d+)* *- *[^\]]+\]", line) for line in lines):
            return 0.0
        is_named = any(line.startswith(";") and _SIGN.search(line) for line in lines[:10])
        keys = [line.rpartition("]")[2].partition("=")[0] for line in lines if "=" in line]
        known = {key for table in (*_RATES, _DURATION) for key in table}
        has_data = any(split_data_key(key) is not None or key_of(key) in known for key in keys)
        if has_data:
            return 0.95 if is_named else 0.9
        return 0.8 if is_named else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Return each channel as a study, and each section with sweeps as a trace.

        Parameters
        ----------
        request
            The file. Of its sidecar ``unit`` and ``sampling_rate_hz`` are used where the file states none, ``date``
            where the file's is ambiguous, and ``layout.encoding`` is obeyed.

        Raises
        ------
        ReadError
            With everything that is wrong with the file.
        """
        faults = Faults(file=str(request.path))
        sidecar = request.sidecar
        encoding = sidecar.layout.encoding if sidecar is not None and sidecar.layout is not None else None
        export = decode_export(request.content, encoding, faults)
        file = _File(export, sidecar, faults, {})
        channels = _read_channels(file)
        if not channels and not faults.fatal:
            faults.add("", "content", "a list of numbers such as Averaged Data(mV)<1920>=", "none that holds sweeps")
        _check_decimal_marks(file)
        _check_polarity(sidecar, faults)
        studies = tuple(_make_study(file, traces) for traces in channels.values())
        subject = _read_subject(file, keep_identifiers=request.keep_identifiers)
        date = _read_date(file)
        faults.raise_if_fatal()
        origins = {"subject": _FILE} if subject.id is not None else {}
        origins |= {"date": _FILE} if date is not None else {}
        return Visit(
            subject=subject, date=date, studies=studies, problems=tuple(faults.noted), provenance=Provenance(origins)
        )


NATUS = NatusReader()


def _check_polarity(sidecar: Sidecar | None, faults: Faults) -> None:
    """Whoever states when the stimulus came has to state which way the curves go: nothing is known about it."""
    if sidecar is not None and sidecar.polarity is not None:
        return
    entries = sidecar.study_entries() if sidecar is not None else ()
    stated = [entry.stimulus_ms for entry in entries]
    stated += [trace.stimulus_ms for entry in entries for trace in entry.traces or ()]
    report = faults.note if all(time is None for time in stated) else faults.add
    report("", "polarity", "the polarity of the stored voltages", "nothing in the file or a sidecar", _POLARITY_HINT)


def _read_channels(file: _File) -> dict[str, list[tuple[Section, Trace]]]:
    """Return the traces of each channel, in the order of the file."""
    channels: dict[str, list[tuple[Section, Trace]]] = {}
    skipped: dict[str, list[Entry]] = {}
    for section in file.export.sections:
        alike: dict[tuple[Any, ...], list[_Sweep]] = {}
        for entry in section.entries:
            data = split_data_key(entry.key)
            if data is None:
                continue
            if data.kind not in SWEEPS:
                skipped.setdefault(data.kind, []).append(entry)
                continue
            sweep = _read_sweep(file, section, entry, data)
            if sweep is not None:
                key = (data.kind, len(sweep.microvolts), sweep.rate_hz, sweep.unit)
                alike.setdefault(key, []).append(sweep)
        for sweeps in alike.values():
            label = _channel(file, section)
            channels.setdefault(label, []).append((section, _make_trace(file, section, sweeps, label)))
    for kind, entries in skipped.items():
        found = f"{len(entries)} of them, the first in {entries[0].key!r}"
        expected = "averaged data or single sweeps"
        hint = "a recording without stimuli was not read" if kind in CONTINUOUS else "it was not read"
        file.faults.note(f"line {entries[0].line}", "section", expected, found, hint)
    if sum(map(len, channels.values())) > _MOST_TRACES:
        file.faults.add("", "sections", f"at most {_MOST_TRACES} traces in one file", "more")
    return channels


def _read_sweep(file: _File, section: Section, entry: Entry, data: DataKey) -> _Sweep | None:
    faults, place = file.faults, f"line {entry.line}"
    if data.is_size_wrong:
        faults.add(place, entry.key, "the count of its numbers, such as <1920>", "another text")
        return None
    rate, size = _check_size(file, section, entry, data)
    adc = file.export.find(section, tuple(_ADC_UNITS), is_elsewhere=False)
    known = len(faults.fatal)
    numbers = read_numbers(entry, size, faults)
    unit, factor, origin = "", None, _FILE
    if numbers is not None:
        if numbers.decimal:
            file.marks.setdefault(numbers.decimal, []).append(numbers.line)
        unit, factor, origin = _unit(file, entry, data, adc, is_whole=not numbers.decimal)
        _note_nan(entry, numbers.values, faults)
    if numbers is None or rate is None or factor is None or len(faults.fatal) > known:
        return None
    with np.errstate(over="ignore"):
        microvolts = numbers.values * factor
        if np.isinf(microvolts.astype(np.float32)).any():
            faults.add(place, entry.key, "voltages of ordinary size", f"{np.nanmax(np.abs(microvolts)):g} uV")
            return None
    origins = {"samples_uv": origin, "calibration": origin, "sampling_rate_hz": rate[1]}
    return _Sweep(microvolts, rate[0], unit, origins)


def _check_size(
    file: _File, section: Section, entry: Entry, data: DataKey
) -> tuple[tuple[float, Origin] | None, int | None]:
    """Return the rate with its origin, and the count that the key states or that follows from rate and duration."""
    faults, place = file.faults, f"line {entry.line}"
    rates = [_find(file, section, keys) for keys in _RATES]
    rate = next((one for one in rates if one is not None), None)
    duration = _find(file, section, _DURATION)
    if rate is None:
        stated = file.sidecar.sampling_rate_hz if file.sidecar is not None else None
        if stated is None:
            hint = "state `sampling_rate_hz` in the sidecar if the file really has no rate"
            faults.add(place, "Subsampled(kHz)", "the sampling rate of the section", "none", hint)
        return (None if stated is None else (stated, _SIDECAR)), data.size
    if not 0 < rate.value <= _HIGHEST_RATE_HZ:
        faults.add(f"line {rate.entry.line}", rate.entry.key, "a sampling rate", quoted(rate.entry.value))
        return None, data.size
    if duration is None:
        faults.note(place, "Sweep Duration(ms)", "the duration of the sweep, to check the sampling rate", "none")
        return (float(rate.value), _FILE), data.size
    product = rate.value * duration.value / 1000
    if data.size is not None and abs(product - data.size) > Decimal("0.5"):
        _report_size(entry, data.size, rate, duration, rates[1], faults)
        return None, data.size
    whole = int(product) if product == int(product) and 0 < product < 10**9 else None
    return (float(rate.value), _FILE), data.size if data.size is not None else whole


def _report_size(
    entry: Entry, size: int, rate: _Number, duration: _Number, converter: _Number | None, faults: Faults
) -> None:
    product = rate.value * duration.value / 1000
    expected = f"<{product.normalize():f}>, which is {rate.entry.key} x {duration.entry.key}"
    hint = f"{rate.entry.key} is in line {rate.entry.line}, {duration.entry.key} in line {duration.entry.line}"
    if rate.entry.key != (converter.entry.key if converter is not None else ""):
        is_converter = converter is not None and converter.value * duration.value / 1000 == size
        hint += f"; {converter.entry.key} would fit" if is_converter and converter is not None else ""
    faults.add(f"line {entry.line}", entry.key, expected, f"<{size}>", hint)


def _find(file: _File, section: Section, keys: Mapping[str, Decimal]) -> _Number | None:
    """Return the number that holds for a section; two different ones are a fault."""
    found = [_Number(value * keys[key_of(entry.key)], entry)
             for entry in file.export.find(section, tuple(keys))
             if (value := _number(file, entry)) is not None]  # fmt: skip
    for other in found[1:]:
        if other.value != found[0].value:
            expected = f"one value, {found[0].entry.value[:20]!r} as in line {found[0].entry.line}"
            hint = "the file contradicts itself"
            _add_once(file.faults, f"line {other.entry.line}", other.entry.key, expected, other.entry.value, hint)
            return None
    return found[0] if found else None


def _number(file: _File, entry: Entry) -> Decimal | None:
    text = entry.value
    if _NUMBER.match(text) is None:
        _add_once(file.faults, f"line {entry.line}", entry.key, "a number", quoted(text))
        return None
    for mark in {",", "."} & set(text):
        file.marks.setdefault(mark, []).append(entry.line)
    return Decimal(text.replace(",", "."))


def _add_once(faults: Faults, place: str, name: str, expected: str, found: str, hint: str = "") -> None:
    if all((known.place, known.field) != (place, name) for known in faults.fatal):
        faults.add(place, name, expected, found, hint)


def _unit(
    file: _File, entry: Entry, data: DataKey, adc: Sequence[Entry], *, is_whole: bool
) -> tuple[str, float | None, Origin]:
    """Return the unit of the numbers, their factor to microvolts, and which of file and sidecar states it.

    Beside a unit of the converter, numbers without decimals are its counts.
    """
    place = f"line {entry.line}"
    if adc and is_whole:
        sizes = {(_number(file, one), _ADC_UNITS[key_of(one.key)]) for one in adc}
        size, unit = sizes.pop()
        if sizes or size is None or size <= 0:
            found = ", ".join(f"{one.key}={one.value}" for one in adc)
            _add_once(file.faults, f"line {adc[0].line}", adc[0].key, "one size above zero", quoted(found))
            return "", None, _FILE
        if data.unit:
            file.faults.note(place, entry.key, "numbers with decimals, as the key names a unit", "whole numbers",
                             f"with {adc[0].key} they were taken as counts of the converter")  # fmt: skip
        return unit, float(size) * (voltage_factor(unit) or 1.0), _FILE
    stated = file.sidecar.unit if file.sidecar is not None else None
    unit = data.unit or stated or ""
    factor = voltage_factor(unit)
    if factor is None:
        hint = "state `unit` in the sidecar" if not data.unit else ""
        found = quoted(data.unit) if data.unit else "none"
        if adc:
            found = f"none, and decimals, which counts of {adc[0].key} cannot have"
        file.faults.add(place, entry.key, "a unit of voltage", found, hint)
    return unit, factor, _FILE if data.unit else _SIDECAR


def _note_nan(entry: Entry, values: FloatArray, faults: Faults) -> None:
    absent = int(np.isnan(values).sum())
    if absent:
        hint = "the sweep is kept, but no response can be marked in it"
        faults.note(f"line {entry.line}", entry.key, "a number for every sample", f"{absent} without one", hint)


def _check_decimal_marks(file: _File) -> None:
    if len(file.marks) > 1:
        lines = {mark: ", ".join(map(str, sorted(set(at))[:5])) for mark, at in sorted(file.marks.items())}
        found = "; ".join(f"{mark!r} in line {at}" for mark, at in lines.items())
        hint = "export the file again, and do not edit it"
        file.faults.add("", "decimal mark", "one decimal mark in the whole file", found, hint)


def _channel(file: _File, section: Section) -> str:
    """Return the label of the channel: its number as the file states it."""
    found = {entry.value for entry in file.export.find(section, ("channelnumber",)) if entry.value}
    return f"Channel {found.pop()}" if len(found) == 1 else ""


def _make_trace(file: _File, section: Section, sweeps: Sequence[_Sweep], label: str) -> Trace:
    filters = _filters(file, section)
    origins = sweeps[0].origins | ({"channel": _FILE} if label else {}) | ({"filters": _FILE} if filters.text else {})
    return Trace(
        samples_uv=np.stack([sweep.microvolts for sweep in sweeps]).astype(np.float32),
        sampling_rate_hz=sweeps[0].rate_hz,
        filters=filters,
        calibration=Calibration(unit=sweeps[0].unit),
        channel=label,
        notes=(f"section {section.title}",) if section.title else (),
        provenance=Provenance(origins),
    )


def _filters(file: _File, section: Section) -> Filters:
    low, high = _find(file, section, _LOW), _find(file, section, _HIGH)
    text = " ".join(f"{one.entry.key}={one.entry.value}" for one in (low, high) if one is not None)
    return Filters(
        low_cut_hz=None if low is None else float(low.value),
        high_cut_hz=None if high is None else float(high.value),
        text=text,
    )


def _make_study(file: _File, members: Sequence[tuple[Section, Trace]]) -> Study:
    """Return a channel as a study; its anatomy and the name of the test give only what their words say plainly."""
    texts: dict[str, list[str]] = {}
    for keys in (("masteranatomy",), ("test", "testname")):
        found = [entry.value for section, _ in members for entry in file.export.find(section, keys)]
        texts[keys[0]] = list(dict.fromkeys(text for text in found if text))
    words = [read_study_words(text, is_structured=True) for found in texts.values() for text in found]
    fields: dict[str, Any] = {}
    for name in ("nerve", "side", "technique"):
        stated = {getattr(one, name) for one in words} - {None}
        fields[name] = stated.pop() if len(stated) == 1 else None
    anatomy = tuple(f"Master Anatomy: {text}" for text in texts["masteranatomy"])
    traces = tuple(_with_notes(trace, anatomy) for _, trace in members)
    origins = {name: _FILE for name, value in fields.items() if value is not None}
    return Study(traces=traces, provenance=Provenance(origins), **fields)


def _with_notes(trace: Trace, notes: tuple[str, ...]) -> Trace:
    return replace(trace, notes=(*trace.notes, *notes)) if notes else trace


def _only(file: _File, keys: Sequence[str]) -> Entry | None:
    """Return the entry with one of the keys, if the file states one value; several are noted."""
    found = [entry for entry in file.export.everywhere(keys) if entry.value]
    values = {entry.value for entry in found}
    if len(values) > 1:
        file.faults.note(f"line {found[1].line}", found[1].key, "one value in the file", f"{len(values)}",
                         "it was not used")  # fmt: skip
        return None
    return found[0] if found else None


def _read_subject(file: _File, *, keep_identifiers: bool) -> Subject:
    code, sex = _only(file, ("patientid",)), _only(file, ("gender", "sex"))
    name, birth = None, None
    if keep_identifiers:
        names = [entry.value for keys in _NAME_KEYS if (entry := _only(file, keys)) is not None]
        whole = _only(file, ("fullname",))
        name = whole.value if whole is not None else " ".join(names) or None
        born = _only(file, ("dateofbirth", "birthdate", "dob"))
        dates = possible_dates(born.value) if born is not None else ()
        birth = dates[0] if len(dates) == 1 else None
    return Subject(
        id=code.value if code is not None else None,
        sex=_SEXES.get(sex.value.casefold()) if sex is not None else None,
        name=name,
        birth_date=birth,
    )


def _read_date(file: _File) -> dt.date | None:
    entry = _only(file, ("visitdate",))
    if entry is None:
        return None
    day = entry.value.partition(" ")[0] if ":" in entry.value else entry.value
    return state_date(day, f"line {entry.line}", file.sidecar, file.faults)
