"""Reader of delimited text (CSV and its relatives), which needs a sidecar for everything a bare table cannot say.

How a text becomes a table is in ``_dialect.py``, how a table becomes sweeps in ``_layouts.py``; here is what must be
stated before numbers may be called microvolts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from ncs.errors import Problem, ReadError
from ncs.io._dialect import Faults, Lines, decode, numeric_share
from ncs.io._layouts import Block, Sweeps, read_sweeps
from ncs.io._recording import HEAD_BYTES
from ncs.io._units import current_factor, voltage_factor
from ncs.model import Calibration, Origin, Provenance, Stimulus, Study, Subject, Trace, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ncs.io._recording import ReadRequest
    from ncs.io.sidecar import Sidecar

__all__ = ["TEXT", "TextReader"]

_LEAST_CLAIM = 0.3
_SURE_LINES = 10
_SNIFFED_CHARACTERS = 16_000
_RATE_TOLERANCE = 1e-6

_SKELETON = {
    "unit": '"unit": "mV"',
    "sampling_rate_hz": '"sampling_rate_hz": <samples per second>',
    "polarity": '"polarity": "true" or "inverted"',
    "stimulus_ms": '"stimulus_ms": <ms after sample 0>',
}


class TextReader:
    """Delimited text: one column per sweep, one row per sweep, or a long table."""

    name = "text"
    description = "Delimited text (CSV, TSV, semicolons, spaces) with a sidecar"
    extensions: tuple[str, ...] = (".csv", ".tsv", ".txt", ".asc", ".dat")
    carries: Mapping[str, str] = MappingProxyType(
        {
            "waveforms": "yes",
            "site": "no",
            "distance": "no",
            "intensity": "a row or column that the sidecar names",
            "units": "in the header, at best",
            "filters": "no",
            "stimulus time": "zero of a time column, if the sidecar says so",
            "temperature": "no",
        }
    )
    experimental = False

    def sniff(self, head: bytes, path: Path) -> float:  # noqa: ARG002  # part of the contract
        """Return 0.3 to 0.6 for text whose lines are mostly numbers, 0 otherwise; never more, other text is surer."""
        text = decode(head[: len(head) - len(head) % 2], None, Faults(""))
        if text is None:
            return 0.0
        start = text[:_SNIFFED_CHARACTERS]
        if len(start) < len(text) or len(head) >= HEAD_BYTES:
            # the last line, or of a single long line the last cell, may be cut in two
            start = start[: start.rfind("\n")] if "\n" in start else re.sub(r"[^\s,;]*$", "", start)
        share, columns = numeric_share(start)
        if share < 0.5:
            return 0.0
        sure = columns > 1 or start.count("\n") >= _SURE_LINES
        return _LEAST_CLAIM + (0.3 * share if sure else 0.0)

    def read(self, request: ReadRequest) -> Visit:
        """Return the sweeps of a text file.

        Raises
        ------
        ReadError
            With everything that is wrong with the table, and everything that nothing states, at once.
        """
        from ncs.io.sidecar import Layout

        faults = Faults(str(request.path))
        sidecar = request.sidecar
        layout = sidecar.layout if sidecar is not None and sidecar.layout is not None else Layout()
        text = decode(request.content, layout.encoding, faults)
        lines = Lines.of(text) if text is not None else None
        if lines is not None and not len(lines):
            faults.add("", "content", "rows of numbers", "an empty file")
            raise ReadError(faults.problems)
        sweeps = read_sweeps(lines, layout, faults) if lines is not None else None
        has_time = layout.time_column not in {None, "none"} or layout.time_row is not None
        asked = any(problem.field.startswith("layout.") for problem in faults.problems)
        missing = _missing(sweeps, sidecar, has_time=has_time or asked)
        _report_missing(missing, request, faults)
        if sweeps is None or faults:
            raise ReadError(faults.problems)
        assert sidecar is not None  # without one, polarity and stimulus time are missing
        return _visit(sweeps, sidecar, faults)


def _missing(sweeps: Sweeps | None, sidecar: Sidecar | None, *, has_time: bool) -> list[str]:
    """Return the fields that must be stated and are stated nowhere."""
    missing = []
    if (sidecar is None or sidecar.unit is None) and (sweeps is None or not sweeps.unit):
        missing.append("unit")
    timed = has_time if sweeps is None else sweeps.rate_hz is not None
    if (sidecar is None or sidecar.sampling_rate_hz is None) and not timed:
        missing.append("sampling_rate_hz")
    if sidecar is None or sidecar.polarity is None:
        missing.append("polarity")
    if sidecar is None or not any(True for _ in _stimulus_statements(sidecar)):
        missing.append("stimulus_ms")
    return missing


_EXPECTED = {
    "unit": "the unit of the voltages",
    "sampling_rate_hz": "the sampling rate, or a time column",
    "polarity": "the polarity of the stored voltages",
    "stimulus_ms": "the time of the stimulus",
}


def _report_missing(missing: list[str], request: ReadRequest, faults: Faults) -> None:
    name = f"{request.path.stem}.ncs.json"
    content = ", ".join(_SKELETON[field] for field in missing)
    hint = f"Add to its sidecar: {content}."
    if request.sidecar is None:
        hint = f'Create {name} beside the file: {{"ncs_sidecar": 1, {content}}}; docs/sidecar.md explains every field.'
    for index, field in enumerate(missing):
        last = index == len(missing) - 1
        faults.add("", field, _EXPECTED[field], "nothing in the file or a sidecar", hint if last else "")


def _stimulus_statements(sidecar: Sidecar) -> Iterator[tuple[float, ...] | str]:
    for entry in sidecar.study_entries():
        for stated in (entry.stimulus_ms, *(trace.stimulus_ms for trace in entry.traces or ())):
            if stated is not None:
                yield stated


def _visit(sweeps: Sweeps, sidecar: Sidecar, faults: Faults) -> Visit:
    unit = sweeps.unit or sidecar.unit or ""
    rate_hz = _rate(sweeps, sidecar, faults)
    zero = "time_zero" in set(_stimulus_statements(sidecar))
    if zero and any(block.first_ms is None for block in sweeps.blocks):
        faults.add("", "stimulus_ms", 'a time column, for "time_zero"', "no time column")
    if all(block.samples.size <= 1 for block in sweeps.blocks):
        faults.add("", "samples", "a recording", "a single number")
    scale = _intensity_scale(sweeps, faults)
    if faults or rate_hz is None:
        raise ReadError(faults.problems)
    factor = (voltage_factor(unit) or 1.0) * (-1.0 if sidecar.polarity == "inverted" else 1.0)
    unit_origin = Origin.FILE if sweeps.unit else Origin.SIDECAR
    trace_origins = Provenance(
        samples_uv=unit_origin,
        calibration=unit_origin,
        polarity=Origin.SIDECAR,
        sampling_rate_hz=Origin.FILE if sweeps.rate_hz is not None else Origin.SIDECAR,
    )
    studies = []
    for block in sweeps.blocks:
        trace = Trace(
            samples_uv=_microvolts(block, factor, faults),
            sampling_rate_hz=rate_hz,
            calibration=Calibration(unit=unit),
            channel=block.channel,
            provenance=trace_origins,
        )
        studies.append(Study(traces=(_with_stimulus(trace, block, scale, zero=zero),)))
    if faults:
        raise ReadError(faults.problems)
    problems: tuple[Problem, ...] = (
        tuple(sweeps.remarks.problems)
        if sidecar.sampling_rate_hz is None
        else tuple(problem for problem in sweeps.remarks.problems if problem.field != "time")
    )
    return Visit(subject=Subject(), date=None, studies=tuple(studies), problems=problems)


def _rate(sweeps: Sweeps, sidecar: Sidecar, faults: Faults) -> float | None:
    """Return the rate; a rounded time column gives way to the exact statement that it agrees with."""
    stated, timed = sidecar.sampling_rate_hz, sweeps.rate_hz
    if stated is None or timed is None:
        return stated if stated is not None else timed
    if abs(stated - timed) > max(_RATE_TOLERANCE * timed, sweeps.rate_sd_hz):
        hint = "Correct `sampling_rate_hz` or `layout.time_unit`, or remove the rate from the sidecar."
        faults.add("", "sampling_rate_hz", f"{stated:g} Hz (the sidecar)", f"{timed:g} Hz (the time column)", hint)
        return None
    return stated


def _microvolts(block: Block, factor: float, faults: Faults) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with np.errstate(over="ignore", invalid="ignore"):
        samples = (block.samples * factor).astype(np.float32)
    if np.isinf(samples).any():
        faults.add("", "samples", "voltages of ordinary size", f"{np.nanmax(np.abs(block.samples)):g}", "Check `unit`.")
    return samples


def _intensity_scale(sweeps: Sweeps, faults: Faults) -> tuple[str, float]:
    """Return which intensity the file holds, and its factor to mA or V."""
    if all(block.intensity is None for block in sweeps.blocks):
        return "", 1.0
    milliamperes = current_factor(sweeps.intensity_unit)
    if milliamperes is not None:
        return "intensity_ma", milliamperes
    microvolts = voltage_factor(sweeps.intensity_unit)
    if microvolts is not None:
        return "intensity_v", microvolts * 1e-6
    faults.add("", "layout.intensity_unit", "the unit of the intensities: mA, uA, A, V or mV", "nothing")
    return "", 1.0


def _with_stimulus(trace: Trace, block: Block, scale: tuple[str, float], *, zero: bool) -> Trace:
    kind, factor = scale
    if kind and block.intensity is not None:
        values = block.intensity * factor
        stimulus = Stimulus(intensity_ma=values) if kind == "intensity_ma" else Stimulus(intensity_v=values)
        trace = replace(trace, stimulus=stimulus, provenance=trace.provenance.with_origins(**{kind: Origin.FILE}))
    if zero and block.first_ms is not None:
        origins = trace.provenance.with_origins(stimulus_ms=Origin.SIDECAR)
        trace = replace(trace, stimulus_ms=0.0 - block.first_ms, provenance=origins)
    return trace


TEXT = TextReader()
