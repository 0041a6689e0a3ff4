"""Blink reflex: R1 and R2, by the side of recording against the side of stimulation.

Every recorded side is a study of its own; which side was stimulated is said by the stimulus of each trace. Two studies
of a visit together give the usual table: R1 and ipsilateral R2 from one, contralateral R2 from the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from ncs.detect.marks import Outcome
from ncs.measure._responses import response_of
from ncs.measure._study import MarkedTrace, StudyPart, Value, edits_of
from ncs.measure._technique import TechniqueMeasures
from ncs.model import Side, Technique, Trace
from ncs.results import Reason

__all__ = ["TECHNIQUE", "measure", "stimulated_side"]

_SIDE = re.compile(r"(?<![^\W_])(?:(?P<left>left|links|lt|L)|(?P<right>right|rechts|rt|R))(?![^\W_])")
_METHOD = "onset where activity of either sign begins"
_UNUSABLE = frozenset({Outcome.CLIPPED, Outcome.INVALID_INPUT, Outcome.AT_WINDOW_EDGE})


def stimulated_side(trace: Trace) -> Side | None:
    """Return the side that was stimulated, as the stimulus, its site, or else the notes say without contradiction.

    Examples
    --------
    >>> from ncs.model import Stimulus
    >>> words = ("Stimulus right supraorbital", "SO_L", "left and right", "supraorbital")
    >>> traces = [Trace(samples_uv=[0.0], sampling_rate_hz=1.0, stimulus=Stimulus(label=text)) for text in words]
    >>> [side.value if (side := stimulated_side(trace)) is not None else None for trace in traces]
    ['right', 'left', None, None]
    """
    for text in (trace.stimulus.label, trace.stimulation_site or "", " ".join(trace.notes)):
        words = text if re.search(r"\b[LR]\b|_[LR]\b", text) else text.lower()
        sides = {Side.LEFT if found["left"] else Side.RIGHT for found in _SIDE.finditer(words)}
        if sides:
            return sides.pop() if len(sides) == 1 else None
    return None


def measure(part: StudyPart) -> None:
    """Append every quantity of one recorded side to ``part``."""
    part = replace(part, method=_METHOD)
    for at in part.marked:
        stimulated = stimulated_side(at.trace)
        if stimulated is None or part.study.side is None:
            for name in (*_R1, *_r2("ipsilateral"), *_r2("contralateral")):
                part.add(name, Value.missing(Reason.NO_STIMULATED_SIDE), at=replace(at, how=""))
        elif stimulated is part.study.side:
            _early(part, at)
            _late(part, at, "ipsilateral")
        else:
            _late(part, at, "contralateral")


_R1 = ("blink_r1_latency", "blink_r1_amplitude", "blink_r1_persistence")


def _r2(side: str) -> tuple[str, str, str]:
    return f"blink_r2_{side}_latency", f"blink_r2_{side}_median_latency", f"blink_r2_{side}_persistence"


def _early(part: StudyPart, at: MarkedTrace) -> None:
    sweeps = _sweeps(at, "r1")
    latencies = [one.value("onset_ms") for one in sweeps]
    amplitudes = [one.value("peak_to_peak_uv", absent=Reason.NO_POSITIVE_PEAK) for one in sweeps]
    values = (_median(latencies), _median(amplitudes), _persistence(sweeps))
    _add(part, at, "r1", zip(_R1, values, strict=True), sweeps)


def _late(part: StudyPart, at: MarkedTrace, side: str) -> None:
    sweeps = _sweeps(at, "r2")
    latencies = [one.value("onset_ms") for one in sweeps]
    values = (_shortest(latencies), _median(latencies), _persistence(sweeps))
    _add(part, at, "r2", zip(_r2(side), values, strict=True), sweeps)


def _sweeps(at: MarkedTrace, response: str) -> tuple[MarkedTrace, ...]:
    """Return every sweep by itself; the trace as it is where nothing was marked."""
    if response not in at.found:
        return (at,)
    return tuple(response_of(at, sweep, response=response) for sweep in range(at.trace.n_sweeps))


def _add(
    part: StudyPart, at: MarkedTrace, response: str, values: zip[tuple[str, Value]], sweeps: Sequence[MarkedTrace]
) -> None:
    found = [one for one in sweeps if one.marks is not None and one.marks.outcome[0] == Outcome.FOUND]
    entry = at.found.get(response)
    how = f"{response.upper()} in {len(found)} of {len(sweeps)} sweeps"
    shown = replace(at, marks=entry.measured if entry is not None else at.marks, how=how)
    for name, value in values:
        part.add(name, value, at=shown)


def _known(values: Sequence[Value]) -> tuple[list[float], Value]:
    """Return the numbers among some values, and what stands for all where there are none."""
    known = [value.value for value in values if value.value is not None]
    return known, values[0] if values else Value.missing(Reason.TOO_FEW_RESPONSES)


def _median(values: Sequence[Value]) -> Value:
    known, missing = _known(values)
    return Value(value=float(median(known)), edits=edits_of(*values)) if known else missing


def _shortest(values: Sequence[Value]) -> Value:
    known, missing = _known(values)
    return Value(value=min(known), edits=edits_of(*values)) if known else missing


def _persistence(sweeps: Sequence[MarkedTrace]) -> Value:
    """Return in how many of the usable sweeps there is a response, percent."""
    outcomes = [Outcome(int(one.marks.outcome[0])) for one in sweeps if one.marks is not None]
    usable = [outcome for outcome in outcomes if outcome not in _UNUSABLE]
    if not usable:
        return sweeps[0].value("onset_ms") if sweeps else Value.missing(Reason.TOO_FEW_RESPONSES)
    return Value(value=100.0 * sum(outcome is Outcome.FOUND for outcome in usable) / len(usable))


TECHNIQUE = TechniqueMeasures(technique=Technique.BLINK_REFLEX, responses=("r1", "r2"), measure=measure)
