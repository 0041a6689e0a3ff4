"""Which samples are a sweep, and which sweeps are a trace.

Discontinuous files: one data record is one sweep. Continuous files: a window is cut around every annotated stimulus.
Sweeps of the same stimulus text form one trace (EDF+ specification, 2.2.3). Change the window in the two constants.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io._edf_annotations import Annotation, Timeline, milliseconds_between
from ncs.io._faults import Faults, quoted
from ncs.io._stimuli import NOTHING_SAID, Mark, Noted, Statements, note
from ncs.io._stimulus_notes import Statement, merge_statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "AFTER_S",
    "BEFORE_S",
    "Cut",
    "Group",
    "Run",
    "Sweep",
    "cut",
    "elapsed",
    "find_runs",
    "group",
    "record_sweeps",
    "state",
    "stimulus_sweeps",
]  # fmt: skip

BEFORE_S = 0.005
AFTER_S = 0.1
_SHARE_BEFORE_NEXT = 0.1
_CONTIGUOUS_S = 1e-3
_ROUNDING = 1e-6
_EARLIEST_MS = -1000.0

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


class Sweep(NamedTuple):
    """One stimulus, or one record without any.

    Parameters
    ----------
    label
        Text of the stimulus annotation; empty where there is none.
    stimulus_ms
        Time after the first sample of its data record (discontinuous files).
    second
        Time after the first sample of its run (continuous files).
    number
        Data record, or run.
    said
        What its annotations state.
    place
        Where the stimulus stands in the file.
    elapsed_s
        Time of the stimulus on the clock of the recording (continuous files).
    """

    label: str
    stimulus_ms: float | None
    second: float
    number: int
    said: Statement
    place: str
    elapsed_s: float | None = None


class Group(NamedTuple):
    """Sweeps of one stimulus, and what all of them together state."""

    label: str
    sweeps: list[Sweep]
    said: Statement


class Run(NamedTuple):
    """Data records without a gap between them."""

    onset: str
    first: int
    records: int


class Cut(NamedTuple):
    """Windows of one group: sweeps kept, their first samples and length, and the stimulus within each window."""

    sweeps: list[Sweep]
    starts: IntArray
    length: int
    stimulus_ms: FloatArray


def state(notes: Sequence[Noted], faults: Faults) -> Statement:
    """Join annotations that belong together; report what is wrong with each, and between them."""
    for annotation, said in notes:
        for fault in said.faults:
            report = faults.add if fault.fatal else faults.note
            report(annotation.place, fault.field, fault.expected, fault.found, "" if fault.fatal else "it was not used")
    merged, contradictions = merge_statements([said for _, said in notes])
    for fault in contradictions:
        place = notes[0].annotation.place
        faults.add(place, fault.field, fault.expected, fault.found, "the file contradicts itself")
    return merged


def record_sweeps(
    timeline: Timeline,
    record_seconds: float,
    faults: Faults,
    statements: Statements = NOTHING_SAID,
    pulses_ms: Mapping[int, float] | None = None,
) -> list[Sweep]:
    """Return one sweep per data record of a discontinuous file.

    Where no annotation marks one, it is the pulse of the trigger channel: ``pulses_ms`` gives its time by record. Two
    different stimuli in one record are a fatal fault. A record without a stimulus gives a sweep without a stimulus
    time; which records these are is noted once.
    """
    by_record: dict[int, list[Annotation]] = {}
    for annotation in timeline.annotations:
        by_record.setdefault(annotation.record, []).append(annotation)
    sweeps = []
    without = []
    for record, onset in enumerate(timeline.record_onsets):
        notes = note(by_record.get(record, ()), statements)
        said = state(notes, faults)
        marks = _stimuli_among(notes)
        for other in marks[1:]:
            if (other.label, other.annotation.onset) != (marks[0].label, marks[0].annotation.onset):
                _report_two(f"record {record + 1}", "one stimulus in a record", marks[0], other, faults)
        if not marks and pulses_ms and record in pulses_ms:
            sweeps.append(Sweep("", pulses_ms[record], 0.0, record, said, f"record {record + 1}"))
            continue
        if not marks or not onset:
            sweeps.append(Sweep("", None, 0.0, record, said, f"record {record + 1}"))
            without.append(record)
            continue
        mark = marks[0].annotation
        time_ms = milliseconds_between(onset, mark.onset)
        if not _EARLIEST_MS <= time_ms <= record_seconds * 1000:
            faults.note(mark.place, "stimulus", "a stimulus within its record, or shortly before it",
                        f"one at {time_ms:g} ms after the record's first sample")  # fmt: skip
        sweeps.append(Sweep(marks[0].label, time_ms, 0.0, record, said, mark.place, said.elapsed_s))
    if without:
        _report_without(without, len(sweeps), faults)
    return sweeps


def _report_without(records: Sequence[int], total: int, faults: Faults) -> None:
    shown = ", ".join([str(record + 1) for record in records[:10]]) + (", ..." if len(records) > 10 else "")
    place = "every record" if len(records) == total else f"record {shown}"
    faults.note(place, "stimulus", "an annotation that names the stimulus", "none",
                "there is no stimulus time; a sidecar can state it")  # fmt: skip


def _stimuli_among(notes: Sequence[Noted]) -> list[Noted]:
    """Return those that mark a stimulus; a note that only describes one counts where nothing else marks it."""
    marks = [noted for noted in notes if noted.said.stimulus is not None]
    if len(marks) < 2:
        return marks
    plain = [mark for mark in marks if not mark.is_xml]
    if not plain:
        return marks
    if len(marks) - len(plain) < 2:
        return plain
    described = {mark.label: mark for mark in marks if mark.is_xml}
    return [*plain, *list(described.values())[1:]]


def _report_two(place: str, expected: str, first: Noted, second: Noted, faults: Faults) -> None:
    marks = ((mark.label, mark.annotation) for mark in (first, second))
    found = " and ".join(f"{quoted(label)} at {mark.onset} s ({mark.place})" for label, mark in marks)
    faults.add(place, "stimulus", expected, found)


def find_runs(timeline: Timeline, record_seconds: float, faults: Faults) -> list[Run]:
    """Return the stretches without a gap of a file that says it has none; a gap is noted."""
    onsets = timeline.record_onsets
    if not onsets:
        return []
    stated = np.array([float(onset) if onset else np.nan for onset in onsets])
    gaps = np.abs(np.diff(stated) - record_seconds) > _CONTIGUOUS_S if len(onsets) > 1 else np.zeros(0, np.bool_)
    firsts = [0, *(int(index) + 1 for index in np.flatnonzero(gaps))]
    for first in firsts[1:]:
        expected = f"an onset {record_seconds:g} s after the record before, as EDF+C promises"
        faults.note(f"record {first + 1}", "time-keeping annotation", expected,
                    f"{onsets[first]} after {onsets[first - 1]} s", "sweeps do not reach across the gap")  # fmt: skip
        if faults.overflowing:
            faults.add("records", "time-keeping annotation", "a continuous recording", f"{len(firsts) - 1} gaps",
                       "a recording with gaps is EDF+D")  # fmt: skip
            break
    ends = [*firsts[1:], len(onsets)]
    return [Run(onsets[first] or "0", first, end - first) for first, end in zip(firsts, ends, strict=True)]


def stimulus_sweeps(
    noted: Sequence[Noted], runs: Sequence[Run], record_seconds: float, faults: Faults
) -> tuple[list[Sweep], Statement]:
    """Return one sweep per stimulus of a continuous file, in order of time, and what belongs to none of them.

    An annotation belongs to the stimulus before it; a plain comment only as long as the sweep lasts.
    """
    ordered = sorted(noted, key=_second)
    marks: list[Noted] = []
    for _, same_time in groupby(ordered, key=_second):
        marks.extend(_first_stimulus(list(same_time), faults))
    times = [_second(mark) for mark in marks]
    owned: list[list[Noted]] = [[] for _ in marks]
    free: list[Noted] = []
    for one in ordered:
        owner = bisect_right(times, _second(one)) - 1
        is_comment = one.said.notes == (one.annotation.text,)
        is_owned = owner >= 0 and not (is_comment and _second(one) - times[owner] > AFTER_S)
        (owned[owner] if is_owned else free).append(one)
    sweeps = []
    for mark, notes in zip(marks, owned, strict=True):
        annotation = mark.annotation
        index = _run_of(annotation, runs, record_seconds)
        if index is None:
            faults.note(annotation.place, "stimulus", "a stimulus within the recording",
                        f"{quoted(mark.label)} at {annotation.onset} s", "no samples belong to it")  # fmt: skip
            continue
        second = milliseconds_between(runs[index].onset, annotation.onset) / 1000
        said = state(notes, faults)
        sweeps.append(Sweep(mark.label, None, second, index, said, annotation.place, float(annotation.onset)))
    return sweeps, state(free, faults)


def _second(noted: Noted) -> float:
    return noted.second


def _first_stimulus(notes: Sequence[Noted], faults: Faults) -> list[Noted]:
    marks = _stimuli_among(notes)
    for other in marks[1:]:
        if other.label != marks[0].label:
            _report_two(f"{other.annotation.onset} s", "one stimulus at a time", marks[0], other, faults)
    return marks[:1]


def _run_of(mark: Annotation | Mark, runs: Sequence[Run], record_seconds: float) -> int | None:
    for index, run in enumerate(runs):
        after = milliseconds_between(run.onset, mark.onset) / 1000
        if -AFTER_S < after < run.records * record_seconds:
            return index
    return None


def group(sweeps: Sequence[Sweep], faults: Faults) -> list[Group]:
    """Join the sweeps of one stimulus, in order of first appearance.

    The same text means the same stimulus. Without a text the site stated stands for it. A place of recording that the
    file states for the sweep divides further.
    """
    members: dict[tuple[str, str, str], list[Sweep]] = {}
    for sweep in sweeps:
        site = "" if sweep.label else (sweep.said.site or "")
        members.setdefault((sweep.label, site, (sweep.said.recording or "").casefold()), []).append(sweep)
    return [Group(key[0], found, _join(found, faults)) for key, found in members.items()]


def _join(sweeps: list[Sweep], faults: Faults) -> Statement:
    if len(sweeps) == 1:
        return sweeps[0].said
    joined: dict[str, object] = {}
    for name in ("side", "site", "distance_mm", "duration_ms", "averaged_count", "temperature_c", "temperature_site",
                 "recording", "nerve", "technique", "label", "channel", "prefilter", "distance_sd_mm", "segments",
                 "covariates"):  # fmt: skip
        stated = [(getattr(sweep.said, name), sweep) for sweep in sweeps if getattr(sweep.said, name) is not None]
        if not stated:
            continue
        value = joined[name] = stated[0][0]
        other = next((item for item in stated if item[0] != value), None)
        if other is None:
            continue
        is_fatal = name in {"side", "site", "distance_mm", "nerve", "technique"}
        report = faults.add if is_fatal else faults.note
        report(other[1].place, name, f"{value}, as for the same stimulus at {stated[0][1].place}", str(other[0]),
               "the file contradicts itself" if is_fatal else "")  # fmt: skip
        if name in {"duration_ms", "averaged_count"}:
            del joined[name]
    reported = tuple([value for sweep in sweeps for value in sweep.said.reported])
    notes = tuple(dict.fromkeys([note for sweep in sweeps for note in sweep.said.notes]))
    return Statement(**joined, reported=reported, notes=notes)  # type: ignore[arg-type]


def cut(
    groups: Sequence[Group], runs: Sequence[Run], samples: int, rate_hz: float, faults: Faults, *, channel: str
) -> list[Cut]:
    """Place the windows of all groups on one channel of a continuous file.

    Parameters
    ----------
    groups
        Every stimulus of the file.
    runs
        Stretches without a gap; runs follow each other in the samples.
    samples
        Samples of the channel in one data record.
    rate_hz
        Its sampling rate.

    Returns
    -------
    list of Cut
        For each group; windows never share a sample. All windows of a group are equally long: as long as the
        narrowest. A sweep with less than half of what is usual in its group is left out, and noted.
    """
    everything = sorted((sweep.number, sweep.second, at) for at, sweep in enumerate(_all_sweeps(groups)))
    windows: dict[int, tuple[float, int, int]] = {}
    for index, run in enumerate(runs):
        mine = [(second, at) for where, second, at in everything if where == index]
        if mine:
            windows.update(_windows(mine, run.first * samples, run.records * samples, rate_hz))
    cuts = []
    at = 0
    for one in groups:
        placed = [windows[at + offset] for offset in range(len(one.sweeps))]
        at += len(one.sweeps)
        cuts.append(_equal_windows(one, placed, rate_hz, faults, channel))
    return cuts


def elapsed(sweeps: Sequence[Sweep]) -> FloatArray | None:
    """Return when each sweep of a trace was stimulated, seconds; ``None`` where it is not known of all of them."""
    times = [sweep.elapsed_s for sweep in sweeps if sweep.elapsed_s is not None]
    return np.array(times, np.float64) if times and len(times) == len(sweeps) else None


def _all_sweeps(groups: Sequence[Group]) -> list[Sweep]:
    return [sweep for one in groups for sweep in one.sweeps]


def _windows(
    stimuli: Sequence[tuple[float, int]], first: int, samples: int, rate_hz: float
) -> dict[int, tuple[float, int, int]]:
    """Return position of the stimulus, first sample and end of the widest window of each stimulus of one run."""
    times = np.array([second for second, _ in stimuli])
    gaps = np.diff(times)
    before = np.minimum(BEFORE_S, np.concatenate(([np.inf], gaps * _SHARE_BEFORE_NEXT)))
    after = np.minimum(AFTER_S, np.concatenate((gaps - before[1:], [np.inf])))
    positions = times * rate_hz
    starts = np.clip(np.ceil(positions - before * rate_hz - _ROUNDING), 0, samples).astype(np.intp)
    ends = np.clip(np.ceil(positions + after * rate_hz - _ROUNDING), 0, samples).astype(np.intp)
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    return {
        at: (float(position) + first, int(start) + first, int(end) + first)
        for (_, at), position, start, end in zip(stimuli, positions, starts, ends, strict=True)
    }


def _equal_windows(
    one: Group, placed: Sequence[tuple[float, int, int]], rate_hz: float, faults: Faults, channel: str
) -> Cut:
    positions = np.array([position for position, _, _ in placed])
    anchors = np.floor(positions + _ROUNDING).astype(np.intp)
    before = anchors - np.array([start for _, start, _ in placed])
    after = np.array([end for _, _, end in placed]) - anchors
    usual_before, usual_after = float(np.median(before)), float(np.median(after))
    kept = (after >= usual_after / 2) & (before >= min(usual_before / 2, usual_before)) & (before + after > 0)
    for at in np.flatnonzero(~kept):
        span = f"{before[at] / rate_hz * 1000:.3g} ms before and {after[at] / rate_hz * 1000:.3g} ms after"
        usual = f"{usual_before / rate_hz * 1000:.3g} and {usual_after / rate_hz * 1000:.3g} ms"
        expected = f"about {usual}, as for the other sweeps of this stimulus"
        faults.note(one.sweeps[at].place, f"sweep of {channel}", expected, span, "the sweep was left out")
    if not kept.any():
        return Cut([], np.zeros(0, np.intp), 0, np.zeros(0))
    lead, tail = int(before[kept].min()), int(after[kept].min())
    starts = anchors[kept] - lead
    sweeps = [sweep for sweep, keep in zip(one.sweeps, kept, strict=True) if keep]
    if lead + tail < 1:
        faults.note(one.sweeps[0].place, f"sweep of {channel}", "samples at the same times after the stimulus in all "
                    f"{len(sweeps)} sweeps of it", "none", "these sweeps were left out")  # fmt: skip
        return Cut([], np.zeros(0, np.intp), 0, np.zeros(0))
    return Cut(sweeps, starts, lead + tail, (positions[kept] - starts) / rate_hz * 1000)
