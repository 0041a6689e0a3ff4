"""Reader of LabChart text: each channel of a voltage a study, each stimulus a sweep.

Stimuli are looked for as in every continuous recording (see ``_stimuli``): comments, a trigger channel, times of the
sidecar. Where the sidecar states ``stimulus_ms`` instead, each block is a sweep, and its comments only describe it. How
the text becomes numbers is in ``_labchart_text``, what a comment says in ``_stimulus_notes``, where a window lies in
``_sweeps``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io import _sweeps as sweeping
from ncs.io._dialect import Faults as TextFaults
from ncs.io._dialect import decode
from ncs.io._faults import Faults, quoted
from ncs.io._labchart_text import Block, Channel, Comment, header_key, read_blocks
from ncs.io._stimuli import Mark, Noted, Statements, choose, note, statements_of, trigger_marks
from ncs.io._stimulus_notes import Statement, merge_statements
from ncs.io._study_words import read_label, technique_of
from ncs.io._sweeps import Group, Run, Sweep
from ncs.io._units import voltage_factor
from ncs.model import Calibration, Origin, Provenance, Stimulus, Study, Subject, Trace, Visit

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ncs.errors import Problem
    from ncs.io._recording import ReadRequest
    from ncs.io.sidecar import Sidecar

__all__ = ["LABCHART", "LabChartReader"]

FloatArray = NDArray[np.float64]

_FILE = Origin.FILE
_HEADER_LINES = 12
_MOST_TRACES = 10_000
_LARGEST_UV = 1e18
_POLARITY_HINT = (
    'add "polarity": "true" to the sidecar if the file holds active minus reference, so that the negative peak of a '
    'CMAP is a negative number, else "polarity": "inverted"; until then it is taken as it is stored'
)


class _Part(NamedTuple):
    """Blocks in which a channel was recorded alike; ``column`` is its place among the channels of each."""

    channel: Channel
    unit: str
    factor: float
    members: list[tuple[Block, int]]

    @property
    def rate_hz(self) -> float:
        return float(1 / self.members[0][0].interval_s)

    def runs(self) -> list[Run]:
        """Return the blocks as stretches of the samples that `samples` returns."""
        ends = np.cumsum([len(block.values) for block, _ in self.members]).tolist()
        starts = [0, *ends[:-1]]
        return [Run("0", start, end - start) for start, end in zip(starts, ends, strict=True)]

    def samples(self) -> FloatArray:
        """Return all blocks one after the other, in microvolts."""
        return np.concatenate([block.values[:, column] for block, column in self.members]) * self.factor


@dataclass(frozen=True, slots=True)
class _File:
    """What the channels of one file share. ``trigger`` is the title of its trigger channel, if it has one."""

    blocks: list[Block]
    sidecar: Sidecar | None
    statements: Statements
    trigger: str | None
    faults: Faults

    @property
    def is_time_zero(self) -> bool:
        """Whether the sidecar says that the zero of the time column is the stimulus."""
        entries = self.sidecar.study_entries() if self.sidecar is not None else ()
        stated = [entry.stimulus_ms for entry in entries]
        return "time_zero" in [*stated, *(trace.stimulus_ms for entry in entries for trace in entry.traces or ())]


class LabChartReader:
    """LabChart text, as its "Export … as text" writes it."""

    name = "labchart"
    description = "LabChart text export (ADInstruments), one or several blocks"
    extensions: tuple[str, ...] = (".txt",)
    carries: Mapping[str, str] = MappingProxyType(
        {
            "waveforms": "yes",
            "site": "comment",
            "distance": "comment",
            "intensity": "comment",
            "units": "yes, unless converted to a unit without a name",
            "filters": "no",
            "stimulus time": "comment or trigger channel",
            "temperature": "no",
        }
    )
    experimental = False

    def sniff(self, head: bytes, path: Path) -> float:  # noqa: ARG002  # part of the contract
        """Return 0.95 for content that starts with header lines of LabChart, 0 otherwise."""
        text = decode(head[: len(head) - len(head) % 2], None, TextFaults(""))
        lines = [line for line in (text or "")[:4000].splitlines() if line.strip()][:_HEADER_LINES]
        if not lines or header_key(lines[0]) is None:
            return 0.0
        keys = {header_key(line) for line in lines}
        return 0.95 if "interval" in keys or "channeltitle" in keys else 0.0

    def read(self, request: ReadRequest) -> Visit:
        """Return the channels that hold a voltage as studies.

        Parameters
        ----------
        request
            The file. Of its sidecar ``stimuli`` and ``stimulus_ms`` say where the stimuli are, ``unit`` is used for
            channels that state none, and ``layout.encoding`` is obeyed.

        Raises
        ------
        ReadError
            With everything that is wrong with the file, and everything that nothing states, at once.
        """
        faults = Faults(file=str(request.path))
        sidecar = request.sidecar
        encoding = sidecar.layout.encoding if sidecar is not None and sidecar.layout is not None else None
        blocks = read_blocks(request.content, encoding, faults)
        faults.raise_if_fatal()
        if not blocks:
            faults.add("", "content", "rows of numbers below a LabChart header", "none")
            faults.raise_if_fatal()
        statements = statements_of(request)
        file = _File(blocks, sidecar, statements, _trigger_title(blocks, statements, faults), faults)
        channels = _read_channels(file)
        studies = tuple(_read_study(file, parts, n_channels=len(channels)) for parts in channels)
        if sidecar is None or sidecar.polarity is None:
            faults.note("", "polarity", "the polarity of the stored voltages", "nothing in the file or a sidecar",
                        _POLARITY_HINT)  # fmt: skip
        date = _date(blocks, faults)
        faults.raise_if_fatal()
        origins = Provenance(date=_FILE) if date is not None else Provenance()
        return Visit(subject=Subject(), date=date, studies=studies, problems=tuple(faults.noted), provenance=origins)


LABCHART = LabChartReader()


def _trigger_title(blocks: Sequence[Block], statements: Statements, faults: Faults) -> str | None:
    """Return the title of the trigger channel: the one that is named, or the only one that can be nothing else."""
    titles = list(dict.fromkeys(channel.title for block in blocks for channel in block.channels))
    fitting = [title for title in titles if statements.is_trigger(title)]
    if statements.trigger_channel is not None and not fitting:
        found = f"channels {', '.join(titles)}"
        faults.add("", "stimuli.trigger_channel", f"a channel {statements.trigger_channel!r}", found)
    return fitting[0] if len(fitting) == 1 else None


def _date(blocks: Sequence[Block], faults: Faults) -> dt.date | None:
    dates = [(block, block.date) for block in blocks if block.date is not None]
    for block, date in dates[1:]:
        if date != dates[0][1]:
            faults.note(f"line {block.line}", "ExcelDateTime", f"{dates[0][1]}, as in the first block", str(date),
                        "the first was used")  # fmt: skip
            break
    return dates[0][1] if dates else None


def _read_channels(file: _File) -> list[list[_Part]]:
    """Return the channels in a unit of voltage, each with its blocks; others but the trigger are noted once."""
    stand_in = (file.sidecar.unit if file.sidecar is not None else None) or ""
    parts: dict[tuple[str, int], dict[tuple[Any, ...], _Part]] = {}
    unusable: dict[tuple[str, int], tuple[Block, Channel]] = {}
    for block in file.blocks:
        seen: dict[str, int] = {}
        for column, channel in enumerate(block.channels):
            if channel.title == file.trigger:
                continue
            key = (channel.title, seen.get(channel.title, 0))
            seen[channel.title] = key[1] + 1
            unit = channel.unit or stand_in
            factor = voltage_factor(unit)
            if factor is None or np.isnan(block.values[:, column]).all():
                unusable.setdefault(key, (block, channel))
                continue
            if np.nanmax(np.abs(block.values[:, column])) * factor > _LARGEST_UV:
                found = f"{np.nanmax(np.abs(block.values[:, column])):g} {unit}"
                file.faults.add(f"line {block.line}", channel.title, "voltages of ordinary size", found)
            alike = (block.interval_s, channel.unit, channel.top, channel.bottom)
            part = parts.setdefault(key, {}).setdefault(alike, _Part(channel, unit, factor, []))
            part.members.append((block, column))
    _note_unusable(file, list(unusable.values()), stand_in, is_fatal=not parts)
    file.faults.raise_if_fatal()
    if not parts and not unusable:
        file.faults.add(f"line {file.blocks[0].line}", "ChannelTitle", "a channel beside the trigger", "none")
    return [list(alike.values()) for alike in parts.values()]


def _note_unusable(file: _File, unusable: Sequence[tuple[Block, Channel]], stand_in: str, *, is_fatal: bool) -> None:
    by_fault: dict[tuple[str, str, str], list[tuple[Block, Channel]]] = {}
    for block, channel in unusable:
        if voltage_factor(channel.unit or stand_in) is not None:
            fault = ("a number in some row", "none", "")
        elif channel.unit:
            fault = ("a unit of voltage", quoted(channel.unit), "")
        else:
            fault = ("a unit of voltage", "none", "state `unit` in the sidecar if it is one")
        by_fault.setdefault(fault, []).append((block, channel))
    report = file.faults.add if is_fatal else file.faults.note
    for (expected, found, hint), entries in by_fault.items():
        titles = ", ".join(quoted(channel.title) for _, channel in entries[:8]) + (", …" if len(entries) > 8 else "")
        report(
            f"line {entries[0][0].line}", f"channel{'s' if len(entries) > 1 else ''} {titles}", expected, found, hint
        )


def _read_study(file: _File, parts: list[_Part], *, n_channels: int) -> Study:
    traces: list[tuple[Group, Trace]] = []
    for part in parts:
        told = replace(file, faults=Faults(file=file.faults.file))
        traces.extend(_whole_blocks(told, part) if file.statements.states_in_sweep else _cut_at_stimuli(told, part))
        _absorb(told.faults, file.faults)
    if len(traces) > _MOST_TRACES:
        file.faults.add("comments", "stimuli", f"at most {_MOST_TRACES} traces of one channel", f"{len(traces)}")
    if n_channels > 1:
        traces = [(group, _without_unassigned(group, trace, parts, file.faults)) for group, trace in traces]
    return _make_study(parts[0].channel, traces, file.faults)


def _absorb(told: Faults, faults: Faults) -> None:
    """Take over what was found; every channel finds the same faults of the comments, and they are reported once."""
    faults.fatal.extend(problem for problem in told.fatal if problem not in faults.fatal)
    faults.noted.extend(problem for problem in told.noted if problem not in faults.noted)
    faults.uncounted += told.uncounted


def _noted(block: Block, column: int, statements: Statements) -> list[Noted]:
    """Return the comments of one channel, timed from the first row of the block."""
    return note(_marks(block, column), statements)


def _marks(block: Block, column: int) -> list[Mark]:
    comments = [comment for comment in block.comments if comment.channel in {None, column + 1}]
    return [Mark(str(c.row * block.interval_s), c.text, _place(c)) for c in comments]


def _place(comment: Comment) -> str:
    return f"line {comment.line}"


def _cut_at_stimuli(file: _File, part: _Part) -> list[tuple[Group, Trace]]:
    """Cut a window around every stimulus; a block without any stays whole and has no stimulus time."""
    statements, faults = file.statements, file.faults
    if statements.times and len(file.blocks) > 1:
        hint = "export each block as a file of its own"
        faults.add("", "stimuli", "times in a recording of one block", f"{len(file.blocks)} blocks", hint)
        return []
    sweeps: list[Sweep] = []
    bare: list[tuple[Block, int]] = []
    missing: list[Problem] = []
    origins = set()
    for number, (block, column) in enumerate(part.members):
        told = Faults(file=faults.file)
        chosen = choose(_marks(block, column), _trigger(file, block, part.rate_hz, told), statements, told)
        run = Run("0", 0, len(block.values))
        found, free = sweeping.stimulus_sweeps(chosen.noted, [run], float(block.interval_s), faults)
        missing.extend(replace(problem, place=problem.place or f"line {block.line}") for problem in told.noted)
        faults.fatal.extend(told.fatal)
        if not found:
            bare.append((block, column))
            continue
        origins.add(chosen.origin)
        if free.notes:
            said = found[0].said
            found[0] = found[0]._replace(said=said._replace(notes=free.notes + said.notes))
        sweeps.extend(sweep._replace(number=number) for sweep in found)
    # where no block has a stimulus, once is enough
    faults.noted.extend(missing if sweeps else missing[:1])
    made = _cut(part, sweeping.group(sweeps, faults), faults, Origin.SIDECAR if Origin.SIDECAR in origins else _FILE)
    return made + (_whole_blocks(file, part._replace(members=bare)) if bare else [])


def _trigger(file: _File, block: Block, rate_hz: float, faults: Faults) -> Callable[[], list[Mark]] | None:
    titles = [channel.title for channel in block.channels]
    if file.trigger is None or file.trigger not in titles:
        return None
    values = block.values[:, titles.index(file.trigger)]
    return lambda: trigger_marks(file.trigger or "", values, rate_hz, file.statements, faults)


def _cut(part: _Part, groups: list[Group], faults: Faults, origin: Origin) -> list[tuple[Group, Trace]]:
    title = part.channel.title
    cuts = sweeping.cut(groups, part.runs(), 1, part.rate_hz, faults, channel=title)
    whole = part.samples()
    traces = []
    for group, one in zip(groups, cuts, strict=True):
        if one.sweeps:
            samples = whole[one.starts[:, np.newaxis] + np.arange(one.length)]
            trace = _make_trace(part, group, one.sweeps, samples)
            origins = trace.provenance.with_origins(stimulus_ms=origin)
            traces.append((group, replace(trace, stimulus_ms=one.stimulus_ms, provenance=origins)))
    return traces


def _whole_blocks(file: _File, part: _Part) -> list[tuple[Group, Trace]]:
    """Take each block as one sweep; those of the same stimulus and length are one trace."""
    by_length: dict[int, list[Sweep]] = {}
    for number, (block, column) in enumerate(part.members):
        sweep = _block_sweep(number, block, _noted(block, column, file.statements), file.faults)
        by_length.setdefault(len(block.values), []).append(sweep)
    traces = []
    for alike in by_length.values():
        for group in sweeping.group(alike, file.faults):
            members = [part.members[sweep.number] for sweep in group.sweeps]
            samples = np.stack([block.values[:, column] for block, column in members]) * part.factor
            trace = _make_trace(part, group, group.sweeps, samples)
            if file.is_time_zero:
                trace = _with_time_zero(trace, [block for block, _ in members], file.faults)
            traces.append((group, trace))
    return traces


def _block_sweep(number: int, block: Block, noted: Sequence[Noted], faults: Faults) -> Sweep:
    place = f"line {block.line}"
    labels = list(dict.fromkeys(one.label for one in noted if one.said.stimulus is not None))
    if len(labels) > 1:
        found = " and ".join(quoted(label) for label in labels[:3])
        hint = "leave `stimulus_ms` out of the sidecar if the comments stand at the stimuli"
        faults.add(place, f"block {block.number}", "one stimulus in a block", found, hint)
        return Sweep("", None, 0.0, number, Statement(), place)
    for one in noted:
        for fault in one.said.faults:
            report = faults.add if fault.fatal else faults.note
            hint = "" if fault.fatal else "it was not used"
            report(one.annotation.place, fault.field, fault.expected, fault.found, hint)
    merged, contradictions = merge_statements([one.said for one in noted])
    for fault in contradictions:
        faults.add(place, fault.field, fault.expected, fault.found, "the file contradicts itself")
    return Sweep(labels[0] if labels else "", None, 0.0, number, merged, place)


def _with_time_zero(trace: Trace, blocks: Sequence[Block], faults: Faults) -> Trace:
    firsts = [block.first_s for block in blocks if block.first_s is not None]
    if len(firsts) != len(blocks):
        faults.add(f"line {blocks[0].line}", "stimulus_ms", 'a time column, for "time_zero"', "no time column")
        return trace
    origins = trace.provenance.with_origins(stimulus_ms=Origin.SIDECAR)
    return replace(trace, stimulus_ms=np.array([0.0 - 1000 * first for first in firsts]), provenance=origins)


def _make_trace(part: _Part, group: Group, sweeps: Sequence[Sweep], samples: FloatArray) -> Trace:
    said, channel = group.said, part.channel
    stated = {
        "stimulation_site": said.site, "distance_mm": said.distance_mm, "averaged_count": said.averaged_count,
    }  # fmt: skip
    stimulus = {
        "intensity_ma": _per_sweep([sweep.said.intensity_ma for sweep in sweeps]),
        "intensity_v": _per_sweep([sweep.said.intensity_v for sweep in sweeps]),
        "duration_ms": said.duration_ms,
    }
    unit_origin = _FILE if channel.unit else Origin.SIDECAR
    origins = dict.fromkeys(("sampling_rate_hz", "channel"), _FILE)
    origins |= dict.fromkeys(("samples_uv", "calibration"), unit_origin)
    named = {"duration_ms": "stimulus_duration_ms"}
    known = stated | stimulus | {"reported": said.reported or None}
    origins |= {named.get(name, name): _FILE for name, value in known.items() if value is not None}
    return Trace(
        samples_uv=samples.astype(np.float32),
        sampling_rate_hz=part.rate_hz,
        stimulus=Stimulus(label=group.label, **stimulus),  # type: ignore[arg-type]  # mypy joins the types of the values
        calibration=Calibration(unit=part.unit, physical_min=channel.bottom, physical_max=channel.top),
        channel=channel.title,
        reported=said.reported,
        notes=said.notes,
        provenance=Provenance(origins),
        **stated,  # type: ignore[arg-type]
    )


def _per_sweep(values: list[float | None]) -> FloatArray | None:
    """Return one value for each sweep, NaN where none is stated; ``None`` where none is stated at all."""
    if values.count(None) == len(values):
        return None
    return np.array([np.nan if value is None else value for value in values])


def _without_unassigned(group: Group, trace: Trace, parts: Sequence[_Part], faults: Faults) -> Trace:
    """Take back a distance or measurement that a comment for all channels states, in a file with several."""
    if trace.distance_mm is None and not trace.reported:
        return trace
    comments = [comment for part in parts for block, _ in part.members for comment in block.comments]
    assigned = {_place(comment) for comment in comments if comment.channel is not None}
    place = group.sweeps[0].place
    if all(sweep.place in assigned for sweep in group.sweeps):
        return trace
    found = "a comment for all channels, in a file with several"
    if all((known.place, known.field) != (place, "comment") for known in faults.noted):
        faults.note(place, "comment", "the channel that distance and measurements belong to", found,
                    "they were not used; a sidecar can state the distance")  # fmt: skip
    origins = {name: origin for name, origin in trace.provenance.items() if name not in {"distance_mm", "reported"}}
    return replace(trace, distance_mm=None, reported=(), provenance=Provenance(origins))


def _make_study(channel: Channel, traces: Sequence[tuple[Group, Trace]], faults: Faults) -> Study:
    said = [group.said for group, _ in traces]
    label = read_label(channel.title)
    words = label.words
    techniques = [technique_of(one.technique) for one in said if one.technique]
    fields: dict[str, Any] = {
        "nerve": _agreed("nerve", [words.nerve, *(one.nerve and one.nerve.lower() for one in said)], channel, faults),
        "side": _agreed("side", [words.side, *(one.side for one in said)], channel, faults),
        "technique": _agreed("technique", [words.technique, *techniques], channel, faults),
        "recording_site": label.site,
        "skin_temperature_c": _agreed("temperature", [one.temperature_c for one in said], channel, faults),
        "temperature_site": _agreed("temperature", [one.temperature_site for one in said], channel, faults),
    }
    origins = {name: _FILE for name, value in fields.items() if value is not None}
    return Study(traces=tuple(trace for _, trace in traces), provenance=Provenance(origins), **fields)


def _agreed(name: str, values: Iterable[Any], channel: Channel, faults: Faults) -> Any:
    stated = list(dict.fromkeys(value for value in values if value is not None and value))
    if len(stated) > 1:
        found = ", ".join(str(value) for value in stated)
        faults.add(f"channel {quoted(channel.title)}", name, "one value for the study", found,
                   "the file contradicts itself")  # fmt: skip
    return stated[0] if len(stated) == 1 else None
