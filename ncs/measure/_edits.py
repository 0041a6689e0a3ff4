"""A mark that a person moved, and what follows from it in the marks of one sweep. The person wins over the detector.

A position is what a person moves; amplitudes, area and durations follow from the waveform. Standard deviations say how
far the *detector* may err, so that whatever rests on a moved mark has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ncs.detect.marks import Marks, Outcome
from ncs.errors import InvalidInputError
from ncs.measure._study import MarkedTrace
from ncs.measure._sweeps import mean_sweep
from ncs.model import SampleArray, Trace

__all__ = ["MARK_WORDS", "RESPONSE", "Edit", "Moved", "Wave", "check", "measured_wave", "move", "sweep_wave"]

RESPONSE: Final = "response"
"""Name under which a whole response is taken away."""
MARK_WORDS: Final = MappingProxyType(
    {
        "onset_ms": "onset",
        "peak_ms": "negative peak",
        "end_ms": "end of negative peak",
        "last_end_ms": "end of last negative peak",
        "trough_ms": "positive peak",
        RESPONSE: "response",
    }
)
"""What a person can move or take away, in words."""

_POSITIONS = tuple(name for name in MARK_WORDS if name != RESPONSE)
_RESTS_ON = {
    **{name: (name,) for name in _POSITIONS},
    "peak_uv": ("peak_ms",),
    "trough_uv": ("trough_ms",),
    "peak_to_peak_uv": ("peak_ms", "trough_ms"),
    "area_uv_ms": ("onset_ms", "end_ms"),
    "duration_ms": ("onset_ms", "end_ms"),
    "total_duration_ms": ("onset_ms", "last_end_ms"),
}
_DEVIATIONS = {
    "onset_sd_ms": ("onset_ms",),
    "peak_sd_ms": ("peak_ms",),
    "peak_sd_uv": ("peak_ms",),
    "peak_to_peak_sd_uv": ("peak_ms", "trough_ms"),
    "area_sd_uv_ms": ("onset_ms", "end_ms"),
    "duration_sd_ms": ("onset_ms", "end_ms"),
}
_ORDER = (
    ("onset_ms", "peak_ms"), ("onset_ms", "end_ms"), ("onset_ms", "last_end_ms"), ("onset_ms", "trough_ms"),
    ("peak_ms", "end_ms"), ("peak_ms", "last_end_ms"), ("peak_ms", "trough_ms"),
)  # fmt: skip
_NUMBERS = tuple(f.name for f in fields(Marks) if f.name not in {"outcome", "flags"})
_UNUSABLE = frozenset({Outcome.CLIPPED, Outcome.INVALID_INPUT})
_NOTHING = frozenset({Outcome.NO_RESPONSE, Outcome.AT_WINDOW_EDGE})
_BASELINE_MS = (8.0, 0.15)

Words = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What a person did to one mark.

    Parameters
    ----------
    study_index, trace_index
        Position in ``VisitResult.visit``.
    response
        As ``TraceMarks.response``; empty for the first one of the technique.
    sweep
        Index of a sweep; ``None`` for what is measured: the only sweep, or the mean.
    mark
        A name in ``MARK_WORDS``.
    value_ms
        After the stimulus; ``None`` takes the mark, or the whole response, away.
    author
        Who did it.
    """

    study_index: int
    trace_index: int
    mark: str
    value_ms: float | None
    author: str
    response: str = ""
    sweep: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wave:
    """One sweep as a person sees it: microvolts negative up, shape ``(n_samples,)``, and where the stimulus is."""

    uv: NDArray[np.float64]
    rate_khz: float
    stimulus_ms: float

    @property
    def last_ms(self) -> float:
        """Time of the last sample after the stimulus."""
        return float((self.uv.shape[0] - 1) / self.rate_khz - self.stimulus_ms)

    def at(self, time_ms: float) -> float:
        """Return the voltage at a time after the stimulus, between two samples on the line; NaN outside."""
        if not self.uv.size:
            return math.nan
        place = (time_ms + self.stimulus_ms) * self.rate_khz
        return float(np.interp(place, np.arange(self.uv.shape[0]), self.uv, left=math.nan, right=math.nan))

    def baseline(self) -> float:
        """Return the mean before the stimulus, or of the last fifth of the sweep where too little comes before it."""
        start = self.stimulus_ms * self.rate_khz
        first, last = (max(int(start - before * self.rate_khz), 0) for before in _BASELINE_MS)
        chosen = self.uv[first:last] if last - first >= 3 else self.uv[-max(1, self.uv.shape[0] // 5) :]
        return float(chosen.mean()) if chosen.size else math.nan

    def area(self, first_ms: float, last_ms: float, baseline_uv: float) -> float:
        """Return the integral above the baseline; a sample stands for the half samples on both sides of it."""
        places = [(time + self.stimulus_ms) * self.rate_khz + 0.5 for time in (first_ms, last_ms)]
        edges = np.arange(self.uv.shape[0] + 1)
        total = np.concatenate([[0.0], np.cumsum(self.uv - baseline_uv)])
        start, stop = np.interp(places, edges, total, left=math.nan, right=math.nan)
        return float(stop - start) / self.rate_khz


def sweep_wave(trace: Trace, sweep: int) -> Wave:
    """Return one sweep of a trace whose stimulus time is known."""
    assert trace.stimulus_ms is not None  # a trace without it has no marks
    return _wave(trace, trace.samples_uv[sweep], float(trace.stimulus_ms[sweep]))


def measured_wave(trace: Trace, chosen: tuple[int, ...]) -> Wave:
    """Return what is measured of a trace: one sweep, or the mean of several."""
    if len(chosen) == 1:
        return sweep_wave(trace, chosen[0])
    samples, stimulus_ms = mean_sweep(trace, chosen)
    return _wave(trace, samples[0], stimulus_ms)


def _wave(trace: Trace, samples_uv: SampleArray, stimulus_ms: float) -> Wave:
    upward = -np.asarray(samples_uv, np.float64)  # negative up
    return Wave(uv=upward, rate_khz=trace.sampling_rate_hz / 1000, stimulus_ms=stimulus_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a person did to the marks of one trace.

    Parameters
    ----------
    edits
        By field of the measured marks, the edits it rests on, in words.
    left_out
        Fields that are absent because of them.
    sweep_edits
        By response, the edits of single sweeps in words.
    """

    edits: Words = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    sweep_edits: Words = field(default_factory=dict)

    def onto(self, marked: MarkedTrace) -> MarkedTrace:
        """Return a trace that knows it."""
        return replace(marked, edits=self.edits, left_out=self.left_out, sweep_edits=self.sweep_edits)


def move(marks: Marks, edits: Sequence[Edit], wave: Wave) -> tuple[Marks, Words, frozenset[str]]:
    """Apply a person's edits to the marks of one sweep.

    Parameters
    ----------
    marks
        Of length one, as the detector made them.
    edits
        Of this sweep, oldest first; the last one of a mark counts.
    wave
        The sweep.

    Returns
    -------
    tuple
        The marks after it; by field, the edits it rests on in words; the fields that are absent because of them. A mark
        of the detector that contradicts one of a person (an automatic peak before a moved onset) is dropped.
    """
    chosen = {edit.mark: edit for edit in edits}
    if RESPONSE in chosen:
        return _no_response(marks, chosen[RESPONSE])
    before = {name: float(getattr(marks, name)[0]) for name in _NUMBERS}
    found = dict(before)
    cause: dict[str, tuple[str, ...]] = {name: (_words(edit, before[name]),) for name, edit in chosen.items()}
    for name, edit in chosen.items():
        found[name] = math.nan if edit.value_ms is None else edit.value_ms
    _follow(found, before, cause)
    outcome = Outcome(int(marks.outcome[0]))
    after = Outcome.FOUND if outcome not in _UNUSABLE and any(e.value_ms is not None for e in edits) else outcome
    _derive(found, cause, wave, is_clipped=outcome is Outcome.CLIPPED)
    words = {name: _joined(cause, parts) for name, parts in _RESTS_ON.items()}
    appeared = outcome in _NOTHING and after is Outcome.FOUND
    left_out = {name for name, said in words.items() if math.isnan(found[name]) and (said or appeared)}
    if after in _UNUSABLE:
        left_out = {name for name in left_out if not math.isnan(before[name])}
    return _marks(found, after, marks), {n: said for n, said in words.items() if said}, frozenset(left_out)


def _words(edit: Edit, before_ms: float) -> str:
    verb = "taken away" if edit.value_ms is None else "placed" if math.isnan(before_ms) else "moved"
    return f"{MARK_WORDS[edit.mark]} {verb} by {edit.author}"


def _joined(cause: Words, parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words for part in parts for words in cause.get(part, ())))


def _no_response(marks: Marks, edit: Edit) -> tuple[Marks, Words, frozenset[str]]:
    found = dict.fromkeys(_NUMBERS, math.nan) | {"noise_uv": float(marks.noise_uv[0])}
    words = (_words(edit, 0.0),)
    return _marks(found, Outcome.NO_RESPONSE, marks), dict.fromkeys(_RESTS_ON, words), frozenset()


def _marks(found: Mapping[str, float], outcome: Outcome, marks: Marks) -> Marks:
    arrays = {name: np.array([found[name]]) for name in _NUMBERS}
    return Marks(**arrays, outcome=np.array([outcome], np.int8), flags=marks.flags.copy())


def _follow(found: dict[str, float], before: Mapping[str, float], cause: dict[str, tuple[str, ...]]) -> None:
    """Drop automatic marks that contradict a person's; let the end of the last peak follow that of the only one."""
    placed = frozenset(cause)
    if "end_ms" in placed and "last_end_ms" not in placed:
        is_one = before["last_end_ms"] == before["end_ms"]
        if is_one or math.isnan(before["last_end_ms"]) or found["last_end_ms"] < found["end_ms"]:
            found["last_end_ms"], cause["last_end_ms"] = found["end_ms"], cause["end_ms"]
    if "last_end_ms" in placed and "end_ms" not in placed and found["end_ms"] > found["last_end_ms"]:
        found["end_ms"], cause["end_ms"] = math.nan, cause["last_end_ms"]
    for first, second in _ORDER:
        if found[first] < found[second] or math.isnan(found[first]) or math.isnan(found[second]):
            continue
        if first in placed and second not in placed:
            found[second], cause[second] = math.nan, cause[first]
        elif second in placed and first not in placed:
            found[first], cause[first] = math.nan, cause[second]
    if "peak_ms" in cause and math.isnan(found["peak_ms"]):
        for name in {"end_ms", "last_end_ms", "trough_ms"} - placed:
            found[name], cause[name] = math.nan, cause["peak_ms"]


def _derive(found: dict[str, float], cause: Words, wave: Wave, *, is_clipped: bool) -> None:
    """Measure again what rests on a mark that has changed."""
    if math.isnan(found["baseline_uv"]):
        found["baseline_uv"] = wave.baseline()
    base = found["baseline_uv"]
    if "peak_ms" in cause:
        height = wave.at(found["peak_ms"]) - base
        found["peak_uv"] = height if height > 0 and not is_clipped else math.nan
    if "trough_ms" in cause:
        depth = wave.at(found["trough_ms"]) - base
        found["trough_uv"] = depth if depth < 0 else math.nan
    if _joined(cause, _RESTS_ON["peak_to_peak_uv"]):
        found["peak_to_peak_uv"] = found["peak_uv"] - found["trough_uv"]
    onset, end = found["onset_ms"], found["end_ms"]
    if _joined(cause, _RESTS_ON["duration_ms"]):
        found["duration_ms"] = end - onset
        found["area_uv_ms"] = wave.area(onset, end, base)
    if _joined(cause, _RESTS_ON["total_duration_ms"]):
        found["total_duration_ms"] = found["last_end_ms"] - onset
    for name, parts in _DEVIATIONS.items():
        if _joined(cause, parts):
            found[name] = math.nan


def check(edit: Edit, marks: Marks, wave: Wave) -> None:
    """Refuse an edit that cannot be meant.

    Parameters
    ----------
    edit
        New.
    marks
        Of length one, as they are now, after the edits before it.
    wave
        The sweep.

    Raises
    ------
    InvalidInputError
        When there is no such mark, or the time lies outside the sweep, or on the wrong side of another mark or of the
        baseline.
    """
    if edit.mark not in MARK_WORDS:
        raise InvalidInputError(f"mark: expected one of {', '.join(MARK_WORDS)}, found {edit.mark!r}")
    value = edit.value_ms
    if edit.mark == RESPONSE:
        if value is not None:
            raise InvalidInputError(f"response: expected none, which takes the response away, found {value!r}")
        return
    if value is None:
        if edit.mark == "peak_ms":
            hint = f"A response without one is no response: take that away, with the mark {RESPONSE!r}."
            raise InvalidInputError(f"peak_ms: expected a time, found none. {hint}")
        return
    if not 0 < value <= wave.last_ms:
        raise InvalidInputError(
            f"{edit.mark}: expected a time after the stimulus and before the sweep ends at {wave.last_ms:.3f} ms, "
            f"found {value:g}"
        )
    _check_order(edit.mark, value, marks)
    _check_height(edit.mark, value, marks, wave)


def _check_order(mark: str, value: float, marks: Marks) -> None:
    now = {name: float(getattr(marks, name)[0]) for name in _POSITIONS}
    if mark != "peak_ms" and math.isnan(now["peak_ms"]) and Outcome(int(marks.outcome[0])) is Outcome.NO_RESPONSE:
        hint = "Place the negative peak first: this mark belongs to it."
        raise InvalidInputError(f"{mark}: expected a response, found none here. {hint}")
    strict = {"onset_ms", "peak_ms", "end_ms", mark}
    for first, second in (*_ORDER, ("end_ms", "last_end_ms")):
        if mark not in {first, second} or not {first, second} <= strict:
            continue
        other = second if mark == first else first
        low, high = (value, now[other]) if mark == first else (now[other], value)
        fits = low <= high if "last_end_ms" in {first, second} else low < high
        if not fits and not math.isnan(now[other]):
            side = "before" if mark == first else "after"
            raise InvalidInputError(
                f"{mark}: expected a time {side} the {MARK_WORDS[other]} at {now[other]:.3f} ms, found {value:g}. "
                f"If that one is wrong as well, move it first ({other})."
            )


def _check_height(mark: str, value: float, marks: Marks, wave: Wave) -> None:
    if mark not in {"peak_ms", "trough_ms"}:
        return
    base = float(marks.baseline_uv[0])
    height = wave.at(value) - (wave.baseline() if math.isnan(base) else base)
    if mark == "peak_ms" and height <= 0:
        raise InvalidInputError(
            f"peak_ms: expected a place where the waveform is negative, found {-height:+.1f} uV from the baseline at "
            f"{value:g} ms"
        )
    if mark == "trough_ms" and height >= 0:
        raise InvalidInputError(
            f"trough_ms: expected a place where the waveform is positive, found {-height:+.1f} uV from the baseline at "
            f"{value:g} ms"
        )
