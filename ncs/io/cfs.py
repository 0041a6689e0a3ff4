"""Reader of CED Filing System files (``.cfs``), as CED Signal and its relatives write them.

The bytes are taken apart in ``_cfs_header``; here a data section becomes a
sweep of voltages. ``physical = raw * scale +
offset``, with a scale and an offset of its own for every section and channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io._cfs_header import (
    EQUALLY_SPACED,
    MARKER,
    CfsHeader,
    Channel,
    Sections,
    Variable,
    counted_text,
    decode_header,
    decode_sections,
)
from ncs.io._dates import state_date
from ncs.io._faults import Faults, quoted
from ncs.io._study_words import read_label
from ncs.io._units import current_factor, time_factor, voltage_factor
from ncs.model import Calibration, Origin, Provenance, Stimulus, Study, Subject, Trace, Visit

if TYPE_CHECKING:
    from pathlib import Path

    from ncs.io._recording import ReadRequest
    from ncs.io.sidecar import Layout, Sidecar

__all__ = ["CFS", "CfsReader"]

FloatArray = NDArray[np.float64]
RowArray = NDArray[np.intp]
"""Numbers of data sections, from 0."""

_STATE = "state"
_MOST_TRACES = 10_000
_MOST_LISTED = 8
_BLOCK_SAMPLES = 1 << 16
_HIGHEST_RATE_HZ = 1e9


class CfsReader:
    """CED Filing System: equally spaced channels of 8, 16 and 32 bit and floating point."""

    name = "cfs"
    description = "CED Signal and other CED Filing System recordings, one data section per sweep"
    extensions: tuple[str, ...] = (".cfs",)
    carries: Mapping[str, str] = MappingProxyType(
        {
            "waveforms": "yes",
            "site": "channel name, at best",
            "distance": "no",
            "intensity": "a data section variable that the sidecar names",
            "units": "yes",
            "filters": "no",
            "stimulus time": "zero of the time axis, if the sidecar says so",
            "temperature": "no",
        }
    )
    experimental = False

    def sniff(self, head: bytes, path: Path) -> float:  # noqa: ARG002  # part of the contract
        """Return 1 for content that starts with the marker of CFS files, 0 otherwise."""
        return 1.0 if head.startswith(MARKER) else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Return the sweeps of a CFS file.

        Returns
        -------
        Visit
            One study for each channel of voltages, one trace for each state and sweep length.

        Raises
        ------
        ReadError
            With everything that is wrong with the file.
        """
        faults = Faults(file=str(request.path))
        header = decode_header(request.content, faults)
        sections = decode_sections(request.content, header, faults) if header is not None else None
        faults.raise_if_fatal()
        assert header is not None  # raise_if_fatal has raised otherwise
        assert sections is not None
        layout = request.sidecar.layout if request.sidecar is not None else None
        stimuli = _read_stimuli(header, sections, layout, faults)
        file = _File(request, header, sections, stimuli, _notes(request, header), faults)
        studies = tuple(_read_study(file, *one) for one in _usable_channels(file))
        date = state_date(header.date, "byte 34", request.sidecar, faults)
        faults.raise_if_fatal()
        return Visit(
            subject=Subject(),
            date=date,
            studies=studies,
            problems=tuple(faults.noted),
            provenance=Provenance() if date is None else Provenance(date=Origin.FILE),
        )


class _Stimuli(NamedTuple):
    """The stimuli in words; per section, shape ``(n_sections,)``, which of them it was, and its intensity.

    ``kind`` is the name of the field that the intensity belongs into.
    """

    labels: Sequence[str]
    codes: RowArray
    kind: str
    intensity: FloatArray | None


@dataclass(frozen=True, slots=True)
class _File:
    """What the channels of one file share."""

    request: ReadRequest
    header: CfsHeader
    sections: Sections
    stimuli: _Stimuli
    notes: tuple[str, ...]
    faults: Faults
    section_notes: dict[bytes, tuple[str, ...]] = field(default_factory=dict)

    @property
    def sidecar(self) -> Sidecar | None:
        return self.request.sidecar


def _usable_channels(file: _File) -> list[tuple[Channel, str, float]]:
    """Return the channels of voltages with their unit and its factor to microvolts; others are noted."""
    usable, unusable = [], []
    stated = file.sidecar.unit if file.sidecar is not None else None
    for channel in file.header.channels:
        if channel.kind != EQUALLY_SPACED:
            continue
        unit = channel.unit or stated or ""
        factor = voltage_factor(unit)
        if factor is None:
            unusable.append(channel)
        else:
            usable.append((channel, unit, factor))
    report = file.faults.note if usable else file.faults.add
    for channel in unusable:
        hint = "its samples were not read" if channel.unit else "state `unit` in the sidecar"
        report(channel.place, "unit", "a unit of voltage", quoted(channel.unit) if channel.unit else "none", hint)
    if not usable and not unusable:
        file.faults.add("byte 42", "channels", "a channel of equally spaced samples", "none")
    return usable


def _read_study(file: _File, channel: Channel, unit: str, factor: float) -> Study:
    label = read_label(channel.name)
    fields: dict[str, Any] = {
        "nerve": label.words.nerve,
        "side": label.words.side,
        "technique": label.words.technique,
        "recording_site": label.site,
    }
    origins = {name: Origin.FILE for name, value in fields.items() if value is not None}
    parts = file.sections.headers["parts"][:, channel.number - 1]
    groups = _alike(file.stimuli, parts)
    if len(groups) > _MOST_TRACES:
        file.faults.add(channel.place, "data sections", f"at most {_MOST_TRACES} kinds of sweeps", str(len(groups)))
        groups = []
    elif not groups:
        file.faults.note(channel.place, "samples", "a data section that holds some", "none")
    traces = [_read_trace(file, (channel, unit, factor), rows) for rows in groups]
    return Study(traces=tuple(trace for trace in traces if trace is not None), provenance=Provenance(origins), **fields)


def _alike(stimuli: _Stimuli, parts: NDArray[Any]) -> list[RowArray]:
    """Return the sections that go into one trace each: of one stimulus, length and rate, in order of appearance."""
    filled = np.flatnonzero(parts["points"] > 0)
    steps = parts["scale_x"][filled].view(np.uint32)  # bits, because NaN differs from itself
    keys = np.stack([stimuli.codes[filled], parts["points"][filled], steps]).astype(np.int64)
    _, first, inverse = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    groups = np.split(filled[order], np.cumsum(np.bincount(inverse.ravel(), minlength=len(first)))[:-1])
    return [groups[group] for group in np.argsort(first)] if len(filled) else []


def _read_trace(file: _File, what: tuple[Channel, str, float], rows: RowArray) -> Trace | None:
    channel, unit, factor = what
    part = file.sections.headers["parts"][rows, channel.number - 1]
    rate_hz = _rate(file, channel, float(str(part["scale_x"][0])), int(rows[0]))
    samples = _microvolts(file, channel, factor, rows)
    if rate_hz is None or samples is None:
        return None
    unit_origin = Origin.FILE if channel.unit else Origin.SIDECAR
    origins = {"samples_uv": unit_origin, "calibration": unit_origin, "channel": Origin.FILE}
    origins["sampling_rate_hz"] = Origin.FILE if time_factor(channel.time_unit) is not None else Origin.SIDECAR
    intensity: dict[str, Any] = {}
    if file.stimuli.intensity is not None:
        intensity[file.stimuli.kind] = file.stimuli.intensity[rows]
        origins[file.stimuli.kind] = Origin.FILE
    stimulus_ms = _stimulus_times(file, channel, part["offset_x"])
    if stimulus_ms is not None:
        origins["stimulus_ms"] = Origin.SIDECAR
    return Trace(
        samples_uv=samples,
        sampling_rate_hz=rate_hz,
        stimulus_ms=stimulus_ms,
        stimulus=Stimulus(label=file.stimuli.labels[file.stimuli.codes[rows[0]]], **intensity),
        calibration=_calibration(channel, unit, part),
        channel=channel.name,
        notes=(*file.notes, *_section_notes(file, rows)),
        provenance=Provenance(origins),
    )


def _rate(file: _File, channel: Channel, step: float, row: int) -> float | None:
    """Return the sampling rate; ``step`` is the shortest decimal that the stored float can stand for."""
    factor = time_factor(channel.time_unit)
    if factor is None:
        stated = file.sidecar.sampling_rate_hz if file.sidecar is not None else None
        if stated is None:
            found = quoted(channel.time_unit) if channel.time_unit else "none"
            file.faults.add(
                channel.place, "unit of time", "s, ms or us", found, "state `sampling_rate_hz` in the sidecar"
            )
        return stated
    if step > 0 and 1000 / _HIGHEST_RATE_HZ <= step * factor < np.inf:
        return 1000 / (step * factor)
    at = file.sections.positions[row] + 30 + 24 * (channel.number - 1) + 16
    file.faults.add(f"byte {at}", f"data section {row + 1}, {channel.place}: time between samples",
                    "a time above zero", f"{step:g} {channel.time_unit}")  # fmt: skip
    return None


def _microvolts(file: _File, channel: Channel, factor: float, rows: RowArray) -> NDArray[np.float32] | None:
    headers = file.sections.headers
    part = headers["parts"][rows, channel.number - 1]
    points = int(part["points"][0])
    scale, offset = (part[name].astype(np.float64)[:, np.newaxis] for name in ("scale_y", "offset_y"))
    firsts = headers["start"][rows].astype(np.intp) + part["offset"]
    samples = np.empty((len(rows), points), np.float32)
    step = max(1, _BLOCK_SAMPLES // points)
    with np.errstate(over="ignore", invalid="ignore"):
        for sweep in range(0, len(rows), step):
            sweeps = slice(sweep, sweep + step)
            for start in range(0, points, _BLOCK_SAMPLES):
                count = min(_BLOCK_SAMPLES, points - start)
                block = _stored(file.request.content, channel, firsts[sweeps] + start * channel.spacing, count)
                physical = block * scale[sweeps] + offset[sweeps]
                samples[sweeps, start : start + count] = physical * factor
    unusable = ~np.isfinite(scale[:, 0]) | ~np.isfinite(offset[:, 0]) | np.isinf(samples).any(axis=1)
    for sweep in np.flatnonzero(unusable)[:_MOST_LISTED]:
        file.faults.add(f"data section {rows[sweep] + 1}", channel.place, "voltages of ordinary size",
                        f"scale {scale[sweep, 0]:g}, offset {offset[sweep, 0]:g}")  # fmt: skip
    return None if unusable.any() else samples


def _stored(content: bytes, channel: Channel, firsts: RowArray, count: int) -> FloatArray:
    """Return stored numbers of some sweeps, shape ``(len(firsts), count)``; ``firsts`` are bytes in the file."""
    assert channel.dtype is not None  # the header has been checked
    if len(firsts) == 1:
        return np.ndarray((1, count), channel.dtype, content, int(firsts[0]), (0, channel.spacing)).astype(np.float64)
    octets = np.frombuffer(content, np.uint8)
    places = firsts[:, np.newaxis, np.newaxis] + np.arange(count)[:, np.newaxis] * channel.spacing
    numbers = octets[places + np.arange(channel.dtype.itemsize)].view(channel.dtype)
    return np.asarray(numbers.reshape(len(firsts), count), np.float64)


def _calibration(channel: Channel, unit: str, part: NDArray[Any]) -> Calibration:
    """Return unit and, where all sweeps share one scale, the ranges."""
    dtype = channel.dtype
    scale, offset = float(part["scale_y"][0]), float(part["offset_y"][0])
    if dtype is None or dtype.kind == "f" or (part["scale_y"] != scale).any() or (part["offset_y"] != offset).any():
        return Calibration(unit=unit)
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    return Calibration(
        unit=unit,
        digital_min=low,
        digital_max=high,
        physical_min=low * scale + offset,
        physical_max=high * scale + offset,
    )


def _stimulus_times(file: _File, channel: Channel, starts: NDArray[np.float32]) -> FloatArray | None:
    """Return the zero of the time axis after sample 0, if the sidecar says that the stimulus came then."""
    if file.sidecar is None or "time_zero" not in _stimulus_statements(file.sidecar):
        return None
    factor = time_factor(channel.time_unit)
    different, which = np.unique(starts, return_inverse=True)
    times = np.array([float(str(start)) for start in different])[which]
    if factor is None or not np.isfinite(times).all():
        file.faults.add(channel.place, "stimulus_ms", 'a time axis, for "time_zero"', "none that can be used")
        return None
    return 0.0 - times * factor


def _stimulus_statements(sidecar: Sidecar) -> set[tuple[float, ...] | str]:
    return {
        stated
        for entry in sidecar.study_entries()
        for stated in (entry.stimulus_ms, *(trace.stimulus_ms for trace in entry.traces or ()))
        if stated is not None
    }


def _read_stimuli(header: CfsHeader, sections: Sections, layout: Layout | None, faults: Faults) -> _Stimuli:
    """Return what the data section variables say about the stimulus of each section."""
    named = layout.label_variable if layout is not None else None
    state = _variable(header, named or _STATE, "label_variable", faults if named is not None else None)
    labels, codes = [""], np.zeros(len(sections.positions), np.intp)
    if state is not None:
        texts = [_word(value) for value in sections.values(state, len(header.channels)).tolist()]
        different = {text: code for code, text in enumerate(dict.fromkeys(texts))}
        codes = np.array([different[text] for text in texts], np.intp)
        labels = [text if state.dtype is None else f"{state.name} {text}" for text in different]
    wanted = layout.intensity_variable if layout is not None else None
    level = _variable(header, wanted, "intensity_variable", faults) if wanted is not None else None
    if layout is None or level is None:
        return _Stimuli(labels, codes, "", None)
    unit = layout.intensity_unit or level.unit
    milliamperes, microvolts = current_factor(unit), voltage_factor(unit)
    if level.dtype is None or (milliamperes is None and microvolts is None):
        found = "text" if level.dtype is None else f"numbers in {unit or 'no unit'}"
        faults.add("", "layout.intensity_unit", f"numbers in mA, uA, A, V or mV in {level.name!r}", found)
        return _Stimuli(labels, codes, "", None)
    values = sections.values(level, len(header.channels)).astype(np.float64)
    if milliamperes is not None:
        return _Stimuli(labels, codes, "intensity_ma", values * milliamperes)
    return _Stimuli(labels, codes, "intensity_v", values * ((microvolts or 0.0) * 1e-6))


def _variable(header: CfsHeader, name: str, field: str, faults: Faults | None) -> Variable | None:
    """Return a data section variable by name; where a person has named it, its absence is a fault."""
    fitting = [one for one in header.section_variables if one.name.casefold() == name.casefold()]
    if len(fitting) == 1:
        return fitting[0]
    if faults is not None:
        known = ", ".join(repr(one.name) for one in header.section_variables) or "none"
        faults.add("", f"layout.{field}", f"the data section variable {name!r} once", known)
    return None


def _word(value: object) -> str:
    if isinstance(value, bytes):
        return counted_text(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _notes(request: ReadRequest, header: CfsHeader) -> tuple[str, ...]:
    """Return what the file says without a meaning for ncs; free text only where identifiers are asked for."""
    notes = [f"file written {header.date} {header.time}"] if header.date else []
    for variable in header.file_variables:
        at = header.values_at + variable.offset
        field = request.content[at : at + variable.size]
        if variable.dtype is not None:
            notes.append(_said(variable, [_word(np.frombuffer(field, variable.dtype)[0].item())]))
        elif request.keep_identifiers and counted_text(field):
            notes.append(_said(variable, [counted_text(field)]))
    if request.keep_identifiers and header.comment:
        notes.append(header.comment)
    return tuple(notes)


def _section_notes(file: _File, rows: RowArray) -> tuple[str, ...]:
    """Return what the variables of some sections say; channels whose sections are the same share the answer."""
    key = rows.tobytes()
    if key not in file.section_notes:
        with_text = file.request.keep_identifiers
        chosen = [one for one in file.header.section_variables if one.dtype is not None or with_text]
        said = [(variable, _different_values(file, variable, rows)) for variable in chosen]
        file.section_notes[key] = tuple(_said(variable, values) for variable, values in said if any(values))
    return file.section_notes[key]


def _different_values(file: _File, variable: Variable, rows: RowArray) -> list[str]:
    """Return the different values of a variable in some sections as text, in order of first appearance."""
    values = file.sections.values(variable, len(file.header.channels))[rows]
    if variable.dtype is None:
        return [_word(value) for value in dict.fromkeys(values.tolist())]
    different, first = np.unique(values, return_index=True)
    return [_word(value) for value in different[np.argsort(first)].tolist()]


def _said(variable: Variable, values: Sequence[str]) -> str:
    shown = ", ".join(values[:_MOST_LISTED]) + (f", … ({len(values)} values)" if len(values) > _MOST_LISTED else "")
    return " ".join(part for part in (f"{variable.name}: {shown}", variable.unit) if part)


CFS = CfsReader()
