"""Repetitive stimulation: how amplitude and area of the responses of a train run, at rest and after exercise.

Every trace is one train; a trace cut from one continuous recording may hold several, which long pauses tell apart.
``Measurement.segment`` names the train, so that a visit can be compared with the next one; the series itself stands in
the stored marks of the sweeps. Limits are applied elsewhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ncs.measure._responses import with_common_baseline
from ncs.measure._study import MarkedTrace, StudyPart, Value, edits_of
from ncs.measure._technique import TechniqueMeasures
from ncs.model import Technique, Trace
from ncs.results import Reason

__all__ = ["AREA_APART", "RECOVERS", "TECHNIQUE", "Train", "measure", "trains_of"]

AREA_APART = "area_does_not_follow_amplitude"
"""Flag of decrements of amplitude and area that differ by more than ``_APART_PERCENT`` and by more than their noise."""
RECOVERS = "decrement_recovers"
"""Flag of a largest decrement from which the last response has come back by more than the noise."""

_PAUSE = 3.0
"""A pause this many times as long as the usual interval begins a new train."""
_APART_PERCENT = 10.0
_BEYOND_NOISE = 3.0
_MOST_LISTED = 12

_UNIT_S = {"s": 1.0, "m": 60.0}
_TIME = r"(?P<{0}>\d{{1,4}}(?:\.\d{{1,3}})?)\s*(?P<{0}u>s|sec|secs|seconds?|min|mins|minutes?)\b"
_AFTER = re.compile(
    rf"{_TIME.format('a')}\s*(?:after|post)[\s-]*exercise\b|\b(?:after|post)[\s-]*exercise\b[\s,:(]*(?:{_TIME.format('b')})?",
    re.IGNORECASE,
)
_AT_REST = re.compile(r"\b(?:(?:before|pre)[\s-]*exercise|at\s+rest|rest|resting|baseline)\b", re.IGNORECASE)
_AT_ONCE = re.compile(r"\bimmediate(?:ly)?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """Responses that followed each other without a pause.

    Parameters
    ----------
    at
        The trace they belong to.
    sweeps
        Their sweeps in it.
    name
        ``"at rest"``, ``"30 s after exercise"``, ``"after exercise"``, or ``"train 2"`` where nothing says when.
    """

    at: MarkedTrace
    sweeps: tuple[int, ...]
    name: str

    @property
    def is_after_exercise(self) -> bool:
        """Whether exercise came before it."""
        return self.name.endswith("after exercise")

    @property
    def responses(self) -> tuple[MarkedTrace, ...]:
        """Every response, counted from baselines that make them comparable."""
        return with_common_baseline(self.at, self.sweeps, response="cmap")

    def sizes(self) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        """Return amplitude and area of every response."""
        responses = self.responses
        amplitudes = tuple(one.value("peak_uv", "peak_sd_uv") for one in responses)
        return amplitudes, tuple(one.value("area_uv_ms", "area_sd_uv_ms") for one in responses)

    @property
    def rate_hz(self) -> Value:
        """Stimuli per second."""
        times = self.at.trace.elapsed_s
        if times is None:
            return Value.missing(Reason.NO_SWEEP_TIMES)
        if len(self.sweeps) < 2:
            return Value.missing(Reason.TOO_FEW_RESPONSES)
        return Value(value=float(1.0 / np.median(np.diff(times[list(self.sweeps)]))))


def trains_of(marked: Sequence[MarkedTrace]) -> tuple[Train, ...]:
    """Return every train of a study, in the order in which they were recorded."""
    parts = [(at, sweeps) for at in marked for sweeps in _without_pauses(at.trace)]
    alone = [len(_without_pauses(at.trace)) == 1 for at, _ in parts]
    return tuple(
        Train(at=at, sweeps=sweeps, name=(condition(at.trace) if whole else None) or f"train {number}")
        for number, ((at, sweeps), whole) in enumerate(zip(parts, alone, strict=True), start=1)
    )


def _without_pauses(trace: Trace) -> list[tuple[int, ...]]:
    """Return the sweeps of a trace, cut where a pause is much longer than the usual interval."""
    everything = np.arange(trace.n_sweeps)
    if trace.elapsed_s is None or trace.n_sweeps < 3:
        return [tuple(everything.tolist())]
    order = np.argsort(trace.elapsed_s, kind="stable")
    intervals = np.diff(trace.elapsed_s[order])
    breaks = np.flatnonzero(intervals > _PAUSE * np.median(intervals)) + 1
    return [tuple(part.tolist()) for part in np.split(order, breaks)]


def condition(trace: Trace) -> str | None:
    """Return when a train was given, as far as its stimulus label, or else its notes, say so without contradiction.

    Examples
    --------
    >>> from ncs.model import Stimulus
    >>> words = ("wrist, after exercise 30 s", "post-exercise 2 min", "Baseline", "immediately after exercise", "right")
    >>> [condition(Trace(samples_uv=[0.0], sampling_rate_hz=1.0, stimulus=Stimulus(label=text))) for text in words]
    ['30 s after exercise', '120 s after exercise', 'at rest', '0 s after exercise', None]
    """
    for texts in ((trace.stimulus.label,), trace.notes):
        said = {name for text in texts if (name := _condition(text)) is not None}
        if said:
            return said.pop() if len(said) == 1 else None
    return None


def _condition(text: str) -> str | None:
    after = _AFTER.search(text)
    if after is None:
        return "at rest" if _AT_REST.search(text) else None
    number, unit = (after["a"], after["au"]) if after["a"] is not None else (after["b"], after["bu"])
    if number is None:
        return "0 s after exercise" if _AT_ONCE.search(text) else "after exercise"
    return f"{float(number) * _UNIT_S[unit[0].lower()]:g} s after exercise"


def measure(part: StudyPart) -> None:
    """Append every quantity of every train of a study to ``part``."""
    trains = trains_of(part.marked)
    for train in trains:
        amplitudes, areas = train.sizes()
        _add(part, train, "train_first_amplitude", amplitudes[0] if amplitudes else _NONE, "response 1")
        _add(part, train, "train_first_area", areas[0] if areas else _NONE, "response 1")
        _courses(part, train, amplitudes, areas)
        _add(part, train, "stimulation_rate", train.rate_hz, "median interval")
        if train.is_after_exercise:
            _against_rest(part, train, trains, amplitudes, areas)


_NONE = Value.missing(Reason.TOO_FEW_RESPONSES)


def _add(part: StudyPart, train: Train, name: str, value: Value, note: str = "", flags: tuple[str, ...] = ()) -> None:
    at = replace(train.at, how=f"{len(train.sweeps)} responses")
    part.add(name, value, at=at, segment=train.name, note=note, flags=flags)


def _courses(part: StudyPart, train: Train, amplitudes: Sequence[Value], areas: Sequence[Value]) -> None:
    """Append the decrements of amplitude and area: at the 4th and 5th response, the largest, and at the last one."""
    both = [_losses(amplitudes), _losses(areas)]
    for number in (4, 5):
        values = [losses[number - 1] if len(losses) >= number else _NONE for losses in both]
        flags = (AREA_APART,) if _are_apart(*values) else ()
        for prefix, value in zip(("", "area_"), values, strict=True):
            _add(part, train, f"{prefix}decrement_{number}th", value, f"response {number} against 1", flags)
    for prefix, sizes, losses in zip(("", "area_"), (amplitudes, areas), both, strict=True):
        later = [(value, number) for number, value in enumerate(losses, start=1) if number > 1]
        known = [(value, number) for value, number in later if value.value is not None]
        lost = [value for value, _ in later if value.reason is Reason.NO_RESPONSE]
        if lost or not known:
            missing = lost[0] if lost else later[0][0] if later else _NONE
            for name in ("decrement_maximum", "decrement_last", "increment_maximum"):
                _add(part, train, f"{prefix}{name}", missing)
            continue
        largest, where = max(known, key=_number)
        least, peak = min(known, key=_number)
        course = _listed(sizes)
        flags = (RECOVERS,) if _clearly_more(largest, losses[-1]) else ()
        note = f"response {where} against 1; {course}"
        _add(part, train, f"{prefix}decrement_maximum", largest, note, flags)
        _add(part, train, f"{prefix}decrement_last", losses[-1], f"response {len(losses)} against 1")
        gain = least if least.value is None else least._replace(value=-least.value)
        _add(part, train, f"{prefix}increment_maximum", gain, f"response {peak} against 1; {course}")


def _number(item: tuple[Value, int]) -> float:
    return item[0].value if item[0].value is not None else -math.inf


def _losses(sizes: Sequence[Value]) -> tuple[Value, ...]:
    """Return what each response has lost against the first, percent."""
    return tuple(_loss(size, sizes[0]) for size in sizes)


def _loss(size: Value, first: Value) -> Value:
    r"""Return the loss against the first response, :math:`100 (A_1 - A_n) / A_1`, percent.

    Examples
    --------
    >>> _loss(Value(value=4500.0), Value(value=5000.0)).value
    10.0
    """
    if first.value is None:
        return Value(value=None, reason=Reason.NO_FIRST_RESPONSE, edits=first.edits)
    if size.value is None:
        return size
    share, edits = size.value / first.value, edits_of(first, size)
    loss = 100.0 * (first.value - size.value) / first.value
    if size.sd is None or first.sd is None:
        return Value(value=loss, edits=edits)
    return Value(value=loss, sd=100.0 * math.hypot(size.sd, share * first.sd) / first.value, edits=edits)


def _are_apart(amplitude: Value, area: Value) -> bool:
    if amplitude.value is None or area.value is None:
        return False
    difference = abs(amplitude.value - area.value)
    return difference > _APART_PERCENT and difference > _BEYOND_NOISE * math.hypot(amplitude.sd or 0, area.sd or 0)


def _clearly_more(larger: Value, smaller: Value) -> bool:
    if larger.value is None or smaller.value is None or larger.sd is None or smaller.sd is None:
        return False
    return larger.value - smaller.value > _BEYOND_NOISE * math.hypot(larger.sd, smaller.sd)


def _listed(sizes: Sequence[Value]) -> str:
    """Return the course of a train in words: every response in percent of the first one."""
    first = sizes[0].value
    if first is None:
        return ""
    shares = ["-" if size.value is None else f"{100 * size.value / first:.0f}" for size in sizes]
    more = f" … {shares[-1]}" if len(shares) > _MOST_LISTED else ""
    return f"percent of the first: {' '.join(shares[:_MOST_LISTED])}{more}"


def _against_rest(
    part: StudyPart, train: Train, trains: Sequence[Train], amplitudes: Sequence[Value], areas: Sequence[Value]
) -> None:
    """Append how the first response after exercise compares with the first one before."""
    before = next(_before(train, trains), None)
    values = [Value.missing(Reason.NO_TRAIN_AT_REST)] * 2
    if before is not None:
        firsts = [(sizes or (_NONE,))[0] for sizes in before.sizes()]
        losses = [_loss((now or (_NONE,))[0], first) for now, first in zip((amplitudes, areas), firsts, strict=True)]
        values = [loss if loss.value is None else loss._replace(value=-loss.value) for loss in losses]
    note = f"first responses of {train.name} and of {before.name}" if before is not None else ""
    flags = (AREA_APART,) if _are_apart(*values) else ()
    _add(part, train, "exercise_increment", values[0], note, flags)
    _add(part, train, "area_exercise_increment", values[1], note, flags)


def _before(train: Train, trains: Sequence[Train]) -> Iterator[Train]:
    """Yield the trains before exercise that were recorded from the same site."""
    site = train.at.trace.stimulation_site
    for other in trains:
        if other is train:
            return
        if not other.is_after_exercise and other.at.trace.stimulation_site == site:
            yield other


TECHNIQUE = TechniqueMeasures(technique=Technique.REPETITIVE_STIMULATION, responses=("cmap",), measure=measure)
