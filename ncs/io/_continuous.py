"""What the readers built on a library share: channels and marks of any recorder become studies.

A reader fills in ``Recording``; how its stimuli are found, sweeps are cut and channels become studies is decided here.
The rules are those of the EDF reader. Samples are converted to microvolts here and nowhere else in these readers.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ncs.errors import NcsError
from ncs.io import _sweeps as sweeping
from ncs.io._faults import Faults, quoted
from ncs.io._stimuli import Mark, Statements, choose, note, statements_of, trigger_marks
from ncs.io._stimulus_notes import Statement
from ncs.io._study_words import read_label
from ncs.io._sweeps import Group, Run, Sweep
from ncs.io._units import voltage_factor
from ncs.model import Calibration, Filters, Origin, Provenance, Stimulus, Study, Subject, Trace, Visit

if TYPE_CHECKING:
    import datetime as dt

    from ncs.io._recording import ReadRequest

__all__ = ["Channel", "Recording", "attempt", "to_visit"]

FloatArray = NDArray[np.float64]
SampleArray = NDArray[np.float32]
T = TypeVar("T")

_FILE = Origin.FILE
_LONGEST_MESSAGE = 300
_HIGHEST_UV = 1e18
_BAND = re.compile(r"\([^()]*Hz\s*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channel:
    """One channel of a recording.

    Parameters
    ----------
    label, unit
        As the file words them; an empty unit is one that the file does not state.
    rate_hz
        Sampling rate.
    lengths
        Number of samples of each run, or of each sweep of an episodic recording.
    values
        Returns the samples of all runs, one after the other, in ``unit``, shape ``(sum(lengths),)``.
    is_coded
        Whether the values are trigger codes and not a voltage.
    is_digital
        Whether the channel is a logic level, which is nothing to record from but may be a trigger.
    unit_origin
        Who states the unit; filled in here.
    """

    label: str
    unit: str
    rate_hz: float
    lengths: tuple[int, ...]
    values: Callable[[], NDArray[Any]]
    filters: Filters = field(default_factory=Filters)
    calibration: Calibration | None = None
    is_coded: bool = False
    is_digital: bool = False
    unit_origin: Origin = _FILE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """What a library has read.

    Parameters
    ----------
    channels
        All of them, trigger channels too.
    library
        Who reads the samples, for messages.
    onsets_s
        Time of the first sample of each run on the axis of the marks.
    marks
        Annotations, markers and events.
    events
        Marks by the name of the event channel that holds them, where the format has such channels.
    is_episodic
        Whether each run is a sweep that the recorder itself has cut.
    sweep_stimulus_ms
        Of an episodic recording: time of the stimulus after the first sample of each sweep, where the file states it.
    """

    channels: tuple[Channel, ...]
    library: str = ""
    onsets_s: tuple[float, ...] = (0.0,)
    marks: tuple[Mark, ...] = ()
    events: Mapping[str, Sequence[Mark]] = field(default_factory=dict)
    is_episodic: bool = False
    sweep_stimulus_ms: tuple[float | None, ...] = ()
    subject: Subject = field(default_factory=Subject)
    date: dt.date | None = None


class _Stimuli(NamedTuple):
    """Sweeps by stimulus, what belongs to none of them, and where the stimulus times come from."""

    groups: list[Group]
    common: Statement
    origin: Origin


def attempt(library: str, faults: Faults, action: Callable[[], T]) -> T | None:
    """Return what a library gives, or ``None`` with its error as a fatal fault; its warnings become notes."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    result: T | None = None
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = action()
    except NcsError:
        raise
    except Exception as error:  # noqa: BLE001  # a library may fail in any way; a batch must name the file and go on
        faults.add("", "content", f"a file that {library} can read", f"{type(error).__name__}: {_in_a_line(error)}")
    finally:
        logging.disable(before)
    said = [w.message for w in caught if issubclass(w.category, (UserWarning, RuntimeWarning))]
    for message in dict.fromkeys(map(_in_a_line, said)):
        faults.note("", "content", f"a file of which {library} has nothing to remark", message)
    return result


def _in_a_line(message: object) -> str:
    text = " ".join(str(message).split()) or type(message).__name__
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def to_visit(recordings: Sequence[Recording], request: ReadRequest, faults: Faults) -> Visit:
    """Return the visit of one file.

    Parameters
    ----------
    recordings
        Usually one; several where a file holds channels that do not share their time.
    request
        Of its sidecar ``unit``, ``stimuli`` and whether it states stimulus times are used; of its protocol, how stimuli
        are marked.
    faults
        What the reader has found so far.

    Raises
    ------
    ReadError
        With everything that is wrong with the file.
    """
    faults.raise_if_fatal()
    statements = statements_of(request)
    studies: list[Study] = []
    labels = [channel.label for recording in recordings for channel in recording.channels]
    events = [name for recording in recordings for name in recording.events]
    if statements.trigger_channel is not None and not any(map(statements.is_trigger, [*labels, *events])):
        found = ", ".join([*labels, *events]) or "none"
        faults.add("", "stimuli.trigger_channel", f"a channel {statements.trigger_channel!r}", f"channels {found}")
    for recording in recordings:
        studies += _read_studies(recording, statements, getattr(request.sidecar, "unit", None) or "", faults)
    faults.raise_if_fatal()
    first = recordings[0] if recordings else Recording(channels=())
    stated = {"subject": first.subject.id, "sex": first.subject.sex, "date": first.date}
    origins = Provenance({name: _FILE for name, value in stated.items() if value is not None})
    return Visit(
        subject=first.subject, date=first.date, studies=tuple(studies), problems=tuple(faults.noted), provenance=origins
    )


def _read_studies(recording: Recording, statements: Statements, sidecar_unit: str, faults: Faults) -> list[Study]:
    triggers = [channel for channel in recording.channels if statements.is_trigger(channel.label)]
    coded = [channel for channel in recording.channels if channel.is_coded]
    if not triggers and statements.trigger_channel is None:
        triggers = coded if len(coded) == 1 else []
    channels: list[Channel] = []
    unusable: list[Channel] = []
    for channel in recording.channels:
        if channel.is_coded or channel.is_digital or any(channel is other for other in triggers):
            continue
        if not channel.unit and sidecar_unit:
            channel = replace(channel, unit=sidecar_unit, unit_origin=Origin.SIDECAR)  # noqa: PLW2901
        (channels if voltage_factor(channel.unit) is not None else unusable).append(channel)
    _report_units(unusable, channels, faults)
    if not channels:
        return []
    trigger = triggers[0] if len(triggers) == 1 else None
    find = _episodic_stimuli if recording.is_episodic else _continuous_stimuli
    stimuli = find(recording, channels[0], trigger, statements, faults)
    faults.raise_if_fatal()
    return [_study(recording, channel, stimuli, faults, alone=len(channels) == 1) for channel in channels]


def _report_units(unusable: Sequence[Channel], channels: Sequence[Channel], faults: Faults) -> None:
    report = faults.note if channels else faults.add
    for channel in unusable:
        hint = "" if channel.unit else "state the unit in the sidecar"
        found = quoted(channel.unit) if channel.unit else "none"
        report(f"channel {channel.label}", "unit", "a unit of voltage", found, hint)
    if not channels and not unusable:
        faults.add("", "channels", "a recording channel", "none")


def _runs(recording: Recording, channel: Channel) -> list[Run]:
    firsts = [0, *accumulate(channel.lengths)]
    onsets = map(repr, map(float, recording.onsets_s))
    return [Run(*run) for run in zip(onsets, firsts, channel.lengths, strict=False)]


def _values(recording: Recording, channel: Channel, faults: Faults) -> NDArray[Any]:
    values = attempt(recording.library, faults, channel.values)
    faults.raise_if_fatal()
    assert values is not None  # raise_if_fatal has raised otherwise
    if values.shape != (sum(channel.lengths),):
        expected = f"{sum(channel.lengths)} samples, as the header says"
        faults.add(f"channel {channel.label}", "samples", expected, f"shape {values.shape}")
        faults.raise_if_fatal()
    return values


def _continuous_stimuli(
    recording: Recording, channel: Channel, trigger: Channel | None, statements: Statements, faults: Faults
) -> _Stimuli:
    named = next((name for name in recording.events if statements.is_trigger(name)), None)
    marks: Callable[[], Sequence[Mark]] | None = None
    if trigger is not None:
        marks = lambda: _marks_of(recording, trigger, statements, faults)  # noqa: E731
    elif named is not None:
        marks = lambda: recording.events[named]  # noqa: E731
    start = repr(float(recording.onsets_s[0])) if recording.onsets_s else "0"
    chosen = choose(recording.marks, marks, statements, faults, start=start)
    runs = _runs(recording, channel)
    sweeps, common = sweeping.stimulus_sweeps(chosen.noted, runs, 1.0 / channel.rate_hz, faults)
    groups = sweeping.group(sweeps, faults)
    if groups and common.notes:
        groups[0] = groups[0]._replace(said=groups[0].said._replace(notes=common.notes + groups[0].said.notes))
    return _Stimuli(groups, common, chosen.origin)


def _marks_of(recording: Recording, trigger: Channel, statements: Statements, faults: Faults) -> list[Mark]:
    values = _values(recording, trigger, faults)
    return [
        mark
        for run in _runs(recording, trigger)
        for mark in trigger_marks(
            trigger.label, values[run.first : run.first + run.records], trigger.rate_hz, statements, faults,
            start_s=float(run.onset), is_coded=trigger.is_coded,
        )
    ]  # fmt: skip


def _episodic_stimuli(
    recording: Recording, channel: Channel, trigger: Channel | None, statements: Statements, faults: Faults
) -> _Stimuli:
    """Return one sweep per run; a stimulus within it is a mark, or a pulse of the trigger channel."""
    if statements.times:
        hint = "State `stimulus_ms`, the time within the sweep"
        faults.add("", "stimuli.times_s", "a continuous recording", f"{len(channel.lengths)} sweeps", hint)
    noted = note(recording.marks, statements)
    pulses = _marks_of(recording, trigger, statements, faults) if trigger is not None else []
    by_mark = any(one.said.stimulus is not None for one in noted) and statements.use != "trigger"
    sweeps = []
    untimed = []
    for number, run in enumerate(_runs(recording, channel)):
        end = float(run.onset) + run.records / channel.rate_hz
        place = f"sweep {number + 1}"
        inside = [one for one in noted if float(run.onset) <= one.second < end]
        said = sweeping.state(inside, faults)
        stimuli = [one.annotation for one in inside if one.said.stimulus is not None] if by_mark else [
            mark for mark in pulses if float(run.onset) <= float(mark.onset) < end
        ]  # fmt: skip
        if len(stimuli) > 1:
            found = f"{len(stimuli)} at {', '.join(stimulus.onset for stimulus in stimuli[:5])} s"
            faults.note(place, "stimulus", "one stimulus in a sweep", found, "the sweep has no stimulus time")
        time_ms = recording.sweep_stimulus_ms[number] if recording.sweep_stimulus_ms else None
        if len(stimuli) == 1 and time_ms is None:
            time_ms = (float(stimuli[0].onset) - float(run.onset)) * 1000
        if time_ms is None:
            untimed.append(number)
        sweeps.append(Sweep(stimuli[0].text if len(stimuli) == 1 else "", time_ms, 0.0, number, said, place))
    if untimed and not statements.states_in_sweep:
        _report_untimed(len(untimed), len(sweeps), statements, faults)
    return _Stimuli(sweeping.group(sweeps, faults), Statement(), _FILE)


def _report_untimed(untimed: int, total: int, statements: Statements, faults: Faults) -> None:
    found = f"none in {untimed} of {total} sweeps"
    hint = (
        f'state in the sidecar ({statements.sidecar}) when it comes: "stimulus_ms": <ms after the first sample>, or '
        'which channel shows it: "stimuli": {"trigger_channel": <label>}; or have the artefact searched '
        "(ncs analyze --find-stimulus)"
    )
    faults.note("", "stimulus", "a mark or a pulse of a trigger channel in every sweep", found, hint)


def _study(recording: Recording, channel: Channel, stimuli: _Stimuli, faults: Faults, *, alone: bool) -> Study:
    factor = voltage_factor(channel.unit) or 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        samples = np.multiply(_values(recording, channel, faults), factor, dtype=np.float64).astype(np.float32)
    if samples.size and not np.nanmax(np.abs(samples), initial=0.0) < _HIGHEST_UV:
        faults.add(f"channel {channel.label}", "samples", "voltages of ordinary size", "others", "Check the unit")
    shared = _shared_fields(channel)
    traces = [
        _trace(group, sweeps, rows, stimulus_ms, shared, stimuli.origin, alone=alone)
        for group, sweeps, rows, stimulus_ms in _cut(recording, channel, stimuli, samples, faults)
    ]
    said = [*(group.said for group in stimuli.groups), stimuli.common]
    label = read_label(_BAND.sub("", channel.label))
    fields: dict[str, Any] = {
        "nerve": next((one.nerve for one in said if one.nerve), None) or label.words.nerve,
        "technique": label.words.technique,
        "side": next((one.side for one in said if one.side is not None), None) or label.words.side,
        "recording_site": label.site or None,
        "skin_temperature_c": next((one.temperature_c for one in said if one.temperature_c is not None), None),
    }
    origins = Provenance({name: _FILE for name, value in fields.items() if value is not None})
    return Study(traces=tuple(traces), provenance=origins, **fields)


def _cut(
    recording: Recording, channel: Channel, stimuli: _Stimuli, samples: SampleArray, faults: Faults
) -> list[tuple[Group, list[Sweep], SampleArray, FloatArray | None]]:
    runs = _runs(recording, channel)
    if recording.is_episodic:
        return _episodes(stimuli.groups, runs, samples)
    if not stimuli.groups:
        parts = [samples[np.newaxis, run.first : run.first + run.records] for run in runs]
        return [(Group("", [], stimuli.common), [], part, None) for part in parts]
    cuts = sweeping.cut(stimuli.groups, runs, 1, channel.rate_hz, faults, channel=channel.label)
    return [
        (group, one.sweeps, samples[one.starts[:, np.newaxis] + np.arange(one.length)], one.stimulus_ms)
        for group, one in zip(stimuli.groups, cuts, strict=True)
        if one.sweeps
    ]


def _episodes(
    groups: Sequence[Group], runs: Sequence[Run], samples: SampleArray
) -> list[tuple[Group, list[Sweep], SampleArray, FloatArray | None]]:
    """Return the sweeps of each stimulus; those of different lengths apart, because nothing is cut off."""
    found = []
    for group in groups:
        for length in dict.fromkeys(runs[sweep.number].records for sweep in group.sweeps):
            sweeps = [sweep for sweep in group.sweeps if runs[sweep.number].records == length]
            starts = np.array([runs[sweep.number].first for sweep in sweeps], np.intp)
            times = [np.nan if sweep.stimulus_ms is None else sweep.stimulus_ms for sweep in sweeps]
            stimulus_ms = None if np.isnan(times).all() else np.array(times, np.float64)
            found.append((group, sweeps, samples[starts[:, np.newaxis] + np.arange(length)], stimulus_ms))
    return found


def _shared_fields(channel: Channel) -> dict[str, Any]:
    filters, stated = channel.filters, channel.unit_origin
    origins = {"samples_uv": stated, "calibration": stated, "sampling_rate_hz": _FILE, "channel": _FILE}
    if not (filters.low_cut_hz is filters.high_cut_hz is filters.notch_hz is None):
        origins["filters"] = _FILE
    return {
        "sampling_rate_hz": channel.rate_hz, "filters": filters, "channel": channel.label,
        "calibration": channel.calibration or Calibration(unit=channel.unit), "provenance": origins,
    }  # fmt: skip


def _trace(
    group: Group, sweeps: Sequence[Sweep], rows: SampleArray, stimulus_ms: FloatArray | None, shared: dict[str, Any],
    origin: Origin, *, alone: bool,
) -> Trace:  # fmt: skip
    said = group.said
    fields: dict[str, Any] = {
        "stimulation_site": said.site,
        "distance_mm": said.distance_mm if alone else None,
        "averaged_count": said.averaged_count,
        "reported": said.reported if alone else (),
    }
    pulse: dict[str, Any] = {"duration_ms": said.duration_ms}
    for name in ("intensity_ma", "intensity_v"):
        values = [getattr(sweep.said, name) for sweep in sweeps]
        if any(value is not None for value in values):
            pulse[name] = np.array([np.nan if value is None else value for value in values])
    origins = shared["provenance"] | {name: _FILE for name, value in fields.items() if value not in {None, ()}}
    origins |= {"stimulus_duration_ms" if n == "duration_ms" else n: _FILE for n, v in pulse.items() if v is not None}
    if stimulus_ms is not None:
        origins["stimulus_ms"] = origin
    elapsed_s = sweeping.elapsed(sweeps)
    if elapsed_s is not None:
        origins["elapsed_s"] = origin
    return Trace(
        **{**shared, **fields, "provenance": Provenance(origins)}, samples_uv=rows, stimulus_ms=stimulus_ms,
        elapsed_s=elapsed_s, notes=said.notes, stimulus=Stimulus(label=group.label, **pulse),
    )  # fmt: skip
