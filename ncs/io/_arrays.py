"""Arrays of MATLAB and NumPy files to sweeps: which arrays, which axis is which, and what must be stated besides.

How the arrays come out of a file is in ``numpy_files`` and ``matlab``; both end here. Nothing is taken from a name: a
variable ``fs`` is a sampling rate only if the sidecar says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io._faults import Faults
from ncs.io._units import current_factor, time_factor, voltage_factor
from ncs.io._variables import DamagedArrayError, FileVariable, allowed_bytes, is_allowed, listed
from ncs.model import Calibration, Origin, Provenance, Stimulus, Study, Subject, Trace, Visit

if TYPE_CHECKING:
    from ncs.io._array_settings import ArrayEntry
    from ncs.io._recording import ReadRequest
    from ncs.io.sidecar import Sidecar, StudyEntry

__all__ = ["visit_of_arrays"]

FloatArray = NDArray[np.float64]
SampleArray = NDArray[np.float32]

_BLOCK_SAMPLES = 1 << 18
_RATE_TOLERANCE = 1e-6
_EVEN = 0.1
"""How far a time may be from where it should be, in samples; files round their times."""
_MOST_TRACES = 10_000
_SKELETON = {
    "unit": '"unit": "mV"',
    "sampling_rate_hz": '"sampling_rate_hz": <samples per second>',
    "polarity": '"polarity": "true" or "inverted"',
    "stimulus_ms": '"stimulus_ms": <ms after sample 0>',
}
_EXPECTED = {
    "unit": "the unit of the voltages",
    "sampling_rate_hz": "the sampling rate",
    "polarity": "the polarity of the stored voltages",
    "stimulus_ms": "the time of the stimulus",
}


def visit_of_arrays(variables: Sequence[FileVariable], request: ReadRequest, faults: Faults) -> Visit:
    """Return the visit that a sidecar makes of the arrays of a file.

    Raises
    ------
    ReadError
        With everything that is wrong with the arrays, and everything that nothing states, at once.
    """
    arrays = _Arrays(request, variables, faults)
    chosen = arrays.choose()
    _report_missing(arrays, chosen)
    faults.raise_if_fatal()
    traces = [trace for one in chosen for trace in arrays.read(one)]
    faults.raise_if_fatal()
    studies = tuple(Study(traces=tuple(group)) for group in _grouped(traces, request.sidecar))
    return Visit(subject=Subject(), date=None, studies=studies, problems=tuple(faults.noted))


class _Chosen(NamedTuple):
    """One array to read, what the sidecar says about it, and where it says so."""

    variable: FileVariable
    entry: ArrayEntry
    place: str


class _Sweeps(NamedTuple):
    """Where and how the samples of one array are: rate, time of sample 0, and the origin of the rate."""

    rate_hz: float
    first_ms: float | None
    origin: Origin


@dataclass(slots=True)
class _Arrays:
    """The arrays of one file with its sidecar."""

    request: ReadRequest
    variables: Sequence[FileVariable]
    faults: Faults
    loaded: dict[str, NDArray[Any] | None] = field(default_factory=dict)

    @property
    def sidecar(self) -> Sidecar | None:
        return self.request.sidecar

    def choose(self) -> list[_Chosen]:
        """Return the arrays that the sidecar names, or the only one that can hold samples."""
        from ncs.io.sidecar import ArrayEntry

        layout = self.sidecar.layout if self.sidecar is not None else None
        if layout is not None and layout.arrays is not None:
            entries = [(entry, f"layout.arrays[{number}]") for number, entry in enumerate(layout.arrays)]
            found = [self._named(entry, place) for entry, place in entries]
            return self._each_once([one for one in found if one is not None])
        known = {variable.name.casefold(): variable for variable in self.variables}
        selected = dict.fromkeys(name for name in _selected_channels(self.sidecar) if name in known)
        wanted = [known[name] for name in selected] if selected else self._candidates()
        if len(wanted) > 1 and not selected:
            hint = 'say which in the sidecar: "layout": {"arrays": [{"variable": "<name>", "axes": [...]}]}'
            self.faults.add("", "layout.arrays", "to be told which of them to read", listed(self.variables), hint)
            return []
        if not wanted:
            self.faults.add("", "arrays", "an array of numbers", listed(self.variables))
        chosen = [_Chosen(variable, ArrayEntry(), variable.name or variable.place) for variable in wanted]
        return [one for one in chosen if self._is_usable(one.variable, one.place)]

    def _candidates(self) -> list[FileVariable]:
        return [variable for variable in self.variables if variable.size > 1 and not variable.refusal]

    def _named(self, entry: ArrayEntry, place: str) -> _Chosen | None:
        if entry.variable is not None:
            variable = self._find(entry.variable, f"{place}.variable")
        else:
            candidates = self._candidates()
            variable = candidates[0] if len(candidates) == 1 else None
            if variable is None:
                found = listed(self.variables)
                self.faults.add("", f"{place}.variable", "the name of an array, in a file with several", found)
        if variable is None or not self._is_usable(variable, place):
            return None
        return _Chosen(variable, entry, place)

    def _find(self, name: str, place: str) -> FileVariable | None:
        fitting = [variable for variable in self.variables if variable.name == name]
        if len(fitting) == 1:
            return fitting[0]
        self.faults.add("", place, f"the name of one array of the file, not {name!r}", listed(self.variables))
        return None

    def _is_usable(self, variable: FileVariable, place: str) -> bool:
        if variable.refusal:
            hint = "save plain arrays of numbers"
            self.faults.add(variable.place, variable.name or place, "real numbers", variable.refusal, hint)
        elif not variable.size:
            self.faults.add(variable.place, variable.name or place, "samples", f"{variable}, which is empty")
        elif not is_allowed(variable, len(self.request.content)):
            most = allowed_bytes(len(self.request.content)) // 4
            expected = f"at most {most} values in a file of {len(self.request.content)} bytes"
            self.faults.add(variable.place, variable.name or place, expected, str(variable))
        else:
            return True
        return False

    def _each_once(self, chosen: list[_Chosen]) -> list[_Chosen]:
        names = [one.variable.name for one in chosen]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.faults.add("", "layout.arrays", "each array once", f"{name!r} twice")
        return chosen

    def values(self, variable: FileVariable) -> NDArray[Any] | None:
        """Return the values of an array, read once; ``None`` with a fault where they are damaged."""
        if variable.name not in self.loaded:
            try:
                self.loaded[variable.name] = variable.load()
            except DamagedArrayError as error:
                self.faults.add(variable.place, variable.name or "array", error.expected, error.found)
                self.loaded[variable.name] = None
        return self.loaded[variable.name]

    def named_values(self, name: str | None, place: str) -> FloatArray | None:
        """Return the numbers of a variable that the sidecar names, one-dimensional; ``None`` with a fault."""
        if name is None:
            return None
        variable = self._find(name, place)
        if variable is None or not self._is_usable(variable, place):
            return None
        if sum(length > 1 for length in variable.shape) > 1:
            self.faults.add(variable.place, place, "a number, or a row or column of numbers", str(variable))
            return None
        values = self.values(variable)
        if values is None:
            return None
        numbers = values.astype(np.float64).ravel()
        if not np.isfinite(numbers).all():
            self.faults.add(variable.place, place, "finite numbers", f"{int((~np.isfinite(numbers)).sum())} others")
            return None
        return numbers

    def read(self, one: _Chosen) -> list[Trace]:
        """Return the trace of an array, or one for each of its channels."""
        axes = self._axes(one)
        if axes is None:
            return []
        sizes = dict(zip(axes, one.variable.shape, strict=False))
        timing = self._timing(one, sizes.get("sample", one.variable.size))
        unit = one.entry.unit or (self.sidecar.unit if self.sidecar is not None else None)
        facts = self._facts(one, timing, unit, sizes.get("sweep", 1))
        stored = self.values(one.variable) if facts is not None else None
        if facts is None or stored is None:
            return []
        block = _ordered(stored, axes)
        if block.shape[0] > _MOST_TRACES:
            expected = f"at most {_MOST_TRACES} channels"
            self.faults.add(one.variable.place, str(one.variable), expected, str(block.shape[0]))
            return []
        return [self._trace(one, channel, block, facts) for channel in range(block.shape[0])]

    def _axes(self, one: _Chosen) -> tuple[str, ...] | None:
        shape = one.variable.shape
        axes = one.entry.axes
        if axes is None and sum(length > 1 for length in shape) <= 1:
            return ()
        place = f"{one.place}.axes" if one.place.startswith("layout") else "layout.arrays[0].axes"
        if axes is None:
            hint = 'add to the sidecar: "axes": ["sweep", "sample"], in the order of the dimensions'
            self.faults.add("", place, "what its dimensions are", str(one.variable), hint)
            return None
        if len(axes) != len(shape):
            self.faults.add("", place, f"{len(axes)} dimensions, {', '.join(axes)}", str(one.variable))
            return None
        return axes

    def _timing(self, one: _Chosen, n_samples: int) -> _Sweeps | None:
        entry = one.entry
        stated = entry.sampling_rate_hz or (self.sidecar.sampling_rate_hz if self.sidecar is not None else None)
        origin = Origin.SIDECAR
        before = len(self.faults.fatal)
        rates = self.named_values(entry.sampling_rate_variable, f"{one.place}.sampling_rate_variable")
        if rates is not None:
            if len(rates) != 1 or not 0 < rates[0] < 1e12:
                found = f"{rates[0]:g}" if len(rates) == 1 else f"{len(rates)} numbers"
                self.faults.add("", f"{one.place}.sampling_rate_variable", "one number above 0, Hz", found)
            else:
                stated, origin = self._agreed_rate(stated, float(rates[0]), _RATE_TOLERANCE, one), Origin.FILE
        times = self.named_values(entry.time_variable, f"{one.place}.time_variable")
        first = None
        if times is not None:
            times = times * (time_factor(entry.time_unit or "") or 1.0)
            first = float(times[0])
            timed = self._rate_of(times, n_samples, one)
            if timed is not None:
                origin = origin if stated is not None else Origin.FILE
                stated = self._agreed_rate(stated, timed, max(_RATE_TOLERANCE, _EVEN / n_samples), one)
        if len(self.faults.fatal) > before or stated is None:
            return None
        return _Sweeps(stated, first, origin)

    def _agreed_rate(self, stated: float | None, found: float, tolerance: float, one: _Chosen) -> float:
        if stated is None:
            return found
        if abs(stated - found) > tolerance * found:
            expected = f"{stated:.10g} Hz (stated before)"
            self.faults.add("", f"{one.place}: sampling rate", expected, f"{found:.10g} Hz (the array)")
        return stated

    def _rate_of(self, times: FloatArray, n_samples: int, one: _Chosen) -> float | None:
        place = f"{one.place}.time_variable"
        if len(times) != n_samples or n_samples < 2:
            self.faults.add("", place, f"{max(n_samples, 2)} times, one for each sample", str(len(times)))
            return None
        step = float(times[-1] - times[0]) / (n_samples - 1)
        if step <= 0 or np.abs(times - times[0] - np.arange(n_samples) * step).max() > _EVEN * step:
            steps = np.diff(times)
            self.faults.add("", place, "evenly rising times", f"steps from {steps.min():g} to {steps.max():g} ms")
            return None
        return 1000 / step

    def _facts(self, one: _Chosen, timing: _Sweeps | None, unit: str | None, n_sweeps: int) -> dict[str, Any] | None:
        """Return the fields that all channels of an array share; ``None`` with a fault."""
        if timing is None or unit is None:  # what else is wrong belongs into the same error
            self._per_sweep(one.entry.stimulus_variable, f"{one.place}.stimulus_variable", n_sweeps)
            self._intensity(one, n_sweeps)
            return None
        before = len(self.faults.fatal)
        origins = dict.fromkeys(("samples_uv", "calibration", "polarity"), Origin.SIDECAR)
        origins["sampling_rate_hz"] = timing.origin
        stimulus_ms = self._stimulus_times(one, timing, n_sweeps)
        if stimulus_ms is not None:
            origins["stimulus_ms"] = Origin.SIDECAR if one.entry.stimulus_variable is None else Origin.FILE
        intensity = self._intensity(one, n_sweeps)
        origins |= dict.fromkeys(intensity, Origin.FILE)
        if len(self.faults.fatal) > before:
            return None
        return {
            "sampling_rate_hz": timing.rate_hz,
            "stimulus_ms": stimulus_ms,
            "stimulus": Stimulus(**intensity),
            "calibration": Calibration(unit=unit),
            "provenance": Provenance(origins),
        }

    def _per_sweep(self, name: str | None, place: str, n_sweeps: int) -> FloatArray | None:
        values = self.named_values(name, place)
        if values is None:
            return None
        if len(values) not in {1, n_sweeps}:
            self.faults.add("", place, f"1 number, or {n_sweeps}, one for each sweep", str(len(values)))
            return None
        return np.array(np.broadcast_to(values, (n_sweeps,)))

    def _stimulus_times(self, one: _Chosen, timing: _Sweeps, n_sweeps: int) -> FloatArray | None:
        place = f"{one.place}.stimulus_variable"
        times = self._per_sweep(one.entry.stimulus_variable, place, n_sweeps)
        if times is not None:
            return times * (time_factor(one.entry.time_unit or "") or 1.0) - (timing.first_ms or 0.0)
        if "time_zero" not in _stimulus_statements(self.sidecar) or one.entry.stimulus_variable is not None:
            return None
        if timing.first_ms is None:
            self.faults.add("", "stimulus_ms", f'`time_variable` in {one.place}, for "time_zero"', "none")
            return None
        return np.full(n_sweeps, 0.0 - timing.first_ms)

    def _intensity(self, one: _Chosen, n_sweeps: int) -> dict[str, Any]:
        values = self._per_sweep(one.entry.intensity_variable, f"{one.place}.intensity_variable", n_sweeps)
        if values is None:
            return {}
        unit = one.entry.intensity_unit or ""
        milliamperes = current_factor(unit)
        if milliamperes is not None:
            return {"intensity_ma": values * milliamperes}
        return {"intensity_v": values * ((voltage_factor(unit) or 1.0) * 1e-6)}

    def _trace(self, one: _Chosen, channel: int, block: NDArray[Any], facts: dict[str, Any]) -> Trace:
        factor = voltage_factor(facts["calibration"].unit) or 1.0
        if self.sidecar is not None and self.sidecar.polarity == "inverted":
            factor = -factor
        samples = _microvolts(block[channel], factor)
        if np.isinf(samples).any():
            self.faults.add(one.variable.place, one.variable.name or "array", "voltages of ordinary size",
                            "numbers that are not", "check `unit`")  # fmt: skip
        several = str(channel + 1) if block.shape[0] > 1 else ""
        return Trace(samples_uv=samples, channel=" ".join(filter(None, (one.variable.name, several))), **facts)


def _ordered(stored: NDArray[Any], axes: tuple[str, ...]) -> NDArray[Any]:
    """Return an array as a view of shape ``(n_channels, n_sweeps, n_samples)``; without axes all values are a sweep."""
    if not axes:
        return stored.reshape(1, 1, -1)
    order = [axes.index(name) for name in ("channel", "sweep", "sample") if name in axes]
    view = stored.transpose(order)
    for position, name in enumerate(("channel", "sweep")):
        if name not in axes:
            view = np.expand_dims(view, position)
    return view


def _microvolts(sweeps: NDArray[Any], factor: float) -> SampleArray:
    """Return samples in microvolts, block by block, so that little memory is needed beside them."""
    samples = np.empty(sweeps.shape, np.float32)
    step = max(1, _BLOCK_SAMPLES // max(1, sweeps.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, sweeps.shape[0], step):
            for start in range(0, sweeps.shape[1], _BLOCK_SAMPLES):
                block = slice(first, first + step), slice(start, start + _BLOCK_SAMPLES)
                samples[block] = sweeps[block].astype(np.float64) * factor
    return samples


def _report_missing(arrays: _Arrays, chosen: Sequence[_Chosen]) -> None:
    """Report what has to be stated and is stated nowhere, with what to write into which file."""
    sidecar = arrays.sidecar
    entries = [one.entry for one in chosen]
    missing = []
    if (sidecar is None or sidecar.unit is None) and not _all(entries, lambda entry: entry.unit):
        missing.append("unit")
    if (sidecar is None or sidecar.sampling_rate_hz is None) and not _all(
        entries, lambda entry: entry.sampling_rate_hz or entry.sampling_rate_variable or entry.time_variable
    ):
        missing.append("sampling_rate_hz")
    if sidecar is None or sidecar.polarity is None:
        missing.append("polarity")
    if not _stimulus_statements(sidecar) and not _all(entries, lambda entry: entry.stimulus_variable):
        missing.append("stimulus_ms")
    content = ", ".join(_SKELETON[name] for name in missing)
    hint = f"add to its sidecar: {content}"
    if sidecar is None:
        name = json.dumps(f"{arrays.request.path.stem}.ncs.json")
        hint = f'create {name} beside the file: {{"ncs_sidecar": 1, {content}}}; docs/formats/arrays.md has an example'
    for name in missing:
        last = name == missing[-1]
        arrays.faults.add("", name, _EXPECTED[name], "nothing in a sidecar", hint if last else "")


def _all(entries: Sequence[ArrayEntry], stated: Callable[[ArrayEntry], object]) -> bool:
    return bool(entries) and all(stated(entry) is not None for entry in entries)


def _stimulus_statements(sidecar: Sidecar | None) -> set[tuple[float, ...] | str]:
    return {
        stated
        for entry in (sidecar.study_entries() if sidecar is not None else ())
        for stated in (entry.stimulus_ms, *(trace.stimulus_ms for trace in entry.traces or ()))
        if stated is not None
    }


def _channels_of(entry: StudyEntry) -> list[str]:
    selects = [entry.select, *(trace.select for trace in entry.traces or ())]
    return [select.channel.casefold() for select in selects if select.channel is not None]


def _selected_channels(sidecar: Sidecar | None) -> Iterable[str]:
    for entry in sidecar.study_entries() if sidecar is not None else ():
        yield from _channels_of(entry)


def _grouped(traces: Sequence[Trace], sidecar: Sidecar | None) -> list[list[Trace]]:
    """Return the traces by study: together where one entry of the sidecar selects them, else each alone."""
    home = {trace.channel.casefold(): trace.channel.casefold() for trace in traces}
    for entry in sidecar.study_entries() if sidecar is not None else ():
        named = [home[name] for name in _channels_of(entry) if name in home]
        for name, where in home.items():
            home[name] = named[0] if where in named else where
    groups: dict[str, list[Trace]] = {}
    for trace in traces:
        groups.setdefault(home[trace.channel.casefold()], []).append(trace)
    return list(groups.values())
