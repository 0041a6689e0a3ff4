"""Reader of the EDF family: EDF, EDF+C, EDF+D (one data record, one stimulation) and BDF, decoded here.

The walk is: header, annotations, sweeps, channels, visit. Field rules live in the ``_edf_*`` modules, vocabulary in
``_stimulus_notes`` and ``_study_words``, the forming of sweeps and traces in ``_sweeps``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ncs.io import _sweeps as sweeping
from ncs.io._edf_agreement import agreed, agreed_word, check_distances, technique
from ncs.io._edf_annotations import read_annotations
from ncs.io._edf_header import Header, Signal, decode_header
from ncs.io._edf_identity import decode_date, decode_subject, study_words_of
from ncs.io._faults import Faults, quoted
from ncs.io._sites import split_side
from ncs.io._stimuli import Mark, Statements, choose, statements_of, trigger_marks
from ncs.io._stimulus_notes import NOTHING_STATED, Statement
from ncs.io._study_words import direction_of, parse_filters, read_label, read_study_words
from ncs.io._sweeps import Group, Sweep
from ncs.io._units import voltage_factor
from ncs.model import Calibration, Origin, Provenance, Side, Stimulus, Study, Technique, Trace, Visit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ncs.io._recording import ReadRequest

__all__ = ["EDF", "EdfReader"]

FloatArray = NDArray[np.float64]
SampleArray = NDArray[np.float32]
_Shared = tuple[dict[str, Any], dict[str, Origin]]
"""Fields that all traces of a channel have in common, and the origins of these."""

_MOST_TRACES = 10_000
_BLOCK_SAMPLES = 1 << 20
_HIGHEST_UV = 1e18
_FILE = Origin.FILE
_OF_STUDY = ("technique", "temperature_c", "nerve", "temperature_site", "distance_sd_mm", "segments")
_CARRIES = MappingProxyType(
    {
        "waveforms": "yes",
        "site": "annotation",
        "distance": "annotation",
        "intensity": "annotation",
        "units": "yes",
        "filters": "yes",
        "stimulus time": "annotation, trigger channel",
        "temperature": "XML annotation",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdfReader:
    """Reader of EDF and BDF files; see ``ncs.io._recording.Reader``."""

    name: str = "edf"
    description: str = "EDF, EDF+C, EDF+D and BDF recordings, with EDF+ annotations of stimuli"
    extensions: tuple[str, ...] = (".edf", ".bdf", ".rec")
    carries: Mapping[str, str] = field(default_factory=lambda: _CARRIES)
    experimental: bool = False

    def sniff(self, head: bytes, path: Path) -> float:
        """Return the confidence that the content is EDF or BDF; the name of the file plays no part."""
        del path
        if head[:8] == b"\xffBIOSEMI":
            return 1.0
        if head[:8].rstrip(b" \0") != b"0" or b"\n" in head[:256]:
            return 0.0
        count, size = head[252:256].strip(), head[184:192].strip()
        is_consistent = count.isdigit() and size.isdigit() and int(size) == 256 * (int(count) + 1)
        return 1.0 if is_consistent else 0.7

    def read(self, request: ReadRequest) -> Visit:
        """Decode a file.

        Parameters
        ----------
        request
            The file. Of its sidecar ``unit`` is used, for channels that state none, and ``stimuli``.

        Returns
        -------
        Visit
            One study for each recording channel; ``sources`` is left empty.

        Raises
        ------
        ReadError
            With everything that is wrong with the file.
        """
        faults = Faults(file=str(request.path))
        header = decode_header(request.content, faults)
        records = _count_records(request.content, header, faults)
        faults.raise_if_fatal()
        file = _find_sweeps(_File(request.content, header, records, faults), statements_of(request))
        faults.raise_if_fatal()
        studies = _read_studies(file, getattr(request.sidecar, "unit", None))
        faults.raise_if_fatal()
        subject = decode_subject(header, faults, keep_identifiers=request.keep_identifiers)
        date = decode_date(header, faults)
        covariates = _covariates(file)
        origins = {f"covariates.{name}": _FILE for name in covariates}
        if subject.id is not None:
            origins["subject"] = _FILE
        if date is not None:
            origins["date"] = _FILE
        return Visit(
            subject=subject, date=date, studies=studies, covariates=covariates, problems=tuple(faults.noted),
            provenance=Provenance(origins),
        )  # fmt: skip


EDF = EdfReader()


class _File(NamedTuple):
    """What the channels of one file share. ``runs`` is ``None`` for a discontinuous file."""

    content: bytes
    header: Header
    records: int
    faults: Faults
    runs: list[sweeping.Run] | None = None
    groups: Sequence[Group] = ()
    common: Statement = NOTHING_STATED
    stimulus_origin: Origin = _FILE
    trigger: Signal | None = None

    def digital(self, signal: Signal, records: slice) -> NDArray[Any]:
        """Return stored numbers of some records, shape ``(n_records, samples)``."""
        header = self.header
        shape = (self.records, header.record_samples)
        columns = slice(signal.offset, signal.offset + signal.samples)
        count = self.records * header.record_samples
        if header.sample_bytes == 2:
            stored = np.frombuffer(self.content, "<i2", count, header.header_bytes).reshape(shape)
            return stored[records, columns]
        octets = np.frombuffer(self.content, np.uint8, count * 3, header.header_bytes).reshape(*shape, 3)
        triple = octets[records, columns]
        value = triple[..., 2].astype(np.int8).astype(np.int32)
        value <<= 8
        value |= triple[..., 1]
        value <<= 8
        value |= triple[..., 0]
        return value


def _count_records(content: bytes, header: Header, faults: Faults) -> int:
    """Return how many complete data records there are to read; what was promised beyond them is noted."""
    if len(header.annotations) == len(header.signals):
        faults.note(
            "byte 252", "signals", "a recording channel", "annotations only", "there are no waveforms to analyse"
        )
        return 0
    size = len(content) - header.header_bytes
    complete, rest = divmod(size, header.record_bytes)
    promised = header.records
    if complete == 0 or promised == 0:
        found = f"{size} bytes after the header, and a record has {header.record_bytes}" if complete == 0 else "none"
        faults.add("byte 236", "data records", "at least one complete data record", found)
        return 0
    if rest and (promised < 0 or promised > complete):
        faults.note(f"byte {len(content) - rest}", f"record {complete + 1}", f"{header.record_bytes} bytes",
                    f"{rest} bytes", "the complete records before it were read")  # fmt: skip
    if promised > complete and not (rest and promised == complete + 1):
        faults.note("byte 236", "number of data records", f"{complete}, as the file's size says", str(promised),
                    "the complete records were read")  # fmt: skip
    if 0 < promised < complete or (rest and promised == complete):
        extra = size - promised * header.record_bytes
        faults.note(f"byte {len(content) - extra}", "end of file", f"nothing after record {promised}", f"{extra} bytes",
                    "they were not read")  # fmt: skip
    return complete if promised < 0 else min(promised, complete)


def _find_sweeps(file: _File, statements: Statements) -> _File:
    header, faults = file.header, file.faults
    timeline = read_annotations(file.content, header, file.records, faults)
    faults.raise_if_fatal()
    seconds = float(header.record_seconds)
    trigger = _trigger_signal(header, statements, faults)
    if header.continuity == "D":
        if not header.annotations:
            faults.note("byte 192", "reserved", "an annotation signal, as EDF+D requires", "none")
        if statements.times:
            faults.add("", "stimuli.times_s", "a continuous recording", f"EDF+D with {file.records} records",
                       "state `stimulus_ms`, the time within the record")  # fmt: skip
        pulses = {} if trigger is None else _record_pulses(file, trigger, statements)
        sweeps = sweeping.record_sweeps(timeline, seconds, faults, statements, pulses)
        return file._replace(groups=sweeping.group(sweeps, faults), trigger=trigger)
    runs = sweeping.find_runs(timeline, seconds, faults)
    faults.raise_if_fatal()
    file = file._replace(runs=runs, trigger=trigger)
    marks = None if trigger is None else lambda: _trigger_marks(file, trigger, runs, statements)
    chosen = choose(timeline.annotations, marks, statements, faults, start=runs[0].onset if runs else "0")
    sweeps, common = sweeping.stimulus_sweeps(chosen.noted, runs, seconds, faults)
    groups = sweeping.group(sweeps, faults)
    if groups and common.notes:
        said = groups[0].said
        groups[0] = groups[0]._replace(said=said._replace(notes=common.notes + said.notes))
    return file._replace(groups=groups, common=common, stimulus_origin=chosen.origin)


def _is_status(header: Header, signal: Signal) -> bool:
    return header.sample_bytes == 3 and signal.label == "Status"


def _trigger_signal(header: Header, statements: Statements, faults: Faults) -> Signal | None:
    """Return the trigger channel: the one that is named, or the only one that can be nothing else."""
    signals = [signal for signal in header.signals if not signal.is_annotations]
    fitting = [signal for signal in signals if statements.is_trigger(signal.label)]
    if statements.trigger_channel is not None and not fitting:
        labels = ", ".join(signal.label for signal in signals)
        faults.add("", "stimuli.trigger_channel", f"a channel {statements.trigger_channel!r}", f"channels {labels}")
    if not fitting and statements.trigger_channel is None:
        fitting = [signal for signal in signals if _is_status(header, signal)]
    return fitting[0] if len(fitting) == 1 else None


def _trigger_marks(file: _File, signal: Signal, runs: Sequence[sweeping.Run], statements: Statements) -> list[Mark]:
    is_coded = _is_status(file.header, signal)
    marks: list[Mark] = []
    for run in runs if file.records else ():
        digital = file.digital(signal, slice(run.first, run.first + run.records)).ravel()
        scale = (signal.physical_max - signal.physical_min) / (signal.digital_max - signal.digital_min)
        values = (
            digital if is_coded else (digital.astype(np.float64) - signal.digital_min) * scale + signal.physical_min
        )
        marks += trigger_marks(
            signal.label, values, file.header.rate_hz(signal), statements, file.faults,
            start_s=float(run.onset), is_coded=is_coded,
        )  # fmt: skip
    return marks


def _record_pulses(file: _File, signal: Signal, statements: Statements) -> dict[int, float]:
    """Return the time of the pulse in each record that has exactly one, in milliseconds after its first sample."""
    pulses = {}
    for record in range(file.records):
        marks = _trigger_marks(file, signal, [sweeping.Run("0", record, 1)], statements)
        if len(marks) == 1:
            pulses[record] = float(marks[0].onset) * 1000
    return pulses


def _read_studies(file: _File, sidecar_unit: str | None) -> tuple[Study, ...]:
    channels = []
    unusable = []
    for signal in file.header.signals:
        if signal.is_annotations or _is_status(file.header, signal) or signal is file.trigger:
            continue
        unit = signal.unit or sidecar_unit or ""
        factor = voltage_factor(unit)
        if factor is None or max(abs(signal.physical_min), abs(signal.physical_max)) * factor > _HIGHEST_UV:
            unusable.append(signal)
        else:
            channels.append((signal, unit, factor))
    for signal in unusable:
        hint = "" if signal.unit else "state the unit in the sidecar"
        report = file.faults.note if channels or not file.records else file.faults.add
        report(f"signal {signal.number} ({signal.label})", "physical dimension", "a unit of voltage",
               quoted(signal.unit) if signal.unit else "none", hint)  # fmt: skip
    if len(channels) * len(file.groups) > _MOST_TRACES:
        file.faults.add("annotations", "stimuli", f"at most {_MOST_TRACES} traces in one file",
                        f"{len(file.groups)} different stimuli on {len(channels)} channels")  # fmt: skip
    if file.faults.fatal or not file.records:
        return ()
    studies: list[Study] = []
    for signal, unit, factor in channels:
        studies.extend(_read_channel(file, signal, unit, factor, n_channels=len(channels)))
    return tuple(studies)


def _read_channel(file: _File, signal: Signal, unit: str, factor: float, *, n_channels: int) -> list[Study]:
    """Return the study of one channel; more than one where the sweeps state different places of recording."""
    traces = _read_traces(file, signal, unit, factor)
    by_place: dict[str, list[tuple[Group, Trace]]] = {}
    stated = {group.said.recording.casefold() for group, _ in traces if group.said.recording}
    only = next(iter(stated)) if len(stated) == 1 else ""
    for group, trace in traces:
        place = (group.said.recording or only).casefold() if n_channels == 1 else ""
        by_place.setdefault(place, []).append((group, trace))
    return [_make_study(file, signal, members, n_channels=n_channels) for members in by_place.values()]


def _read_traces(file: _File, signal: Signal, unit: str, factor: float) -> list[tuple[Group, Trace]]:
    rate_hz = file.header.rate_hz(signal)
    shared = _shared_fields(signal, unit, rate_hz, file.stimulus_origin)
    traces = []
    by_record = _read_whole(file, signal, factor)
    if file.runs is None:
        for group in file.groups:
            records = [sweep.number for sweep in group.sweeps]
            are_neighbours = records[-1] - records[0] + 1 == len(records)
            samples = by_record[records[0] : records[-1] + 1] if are_neighbours else by_record[records]
            times = [sweep.stimulus_ms for sweep in group.sweeps]
            stimulus_ms = None if None in times else np.array(times, np.float64)
            traces.append((group, _make_trace(group, group.sweeps, samples, stimulus_ms, shared)))
        return traces
    whole = by_record.ravel()
    if not file.groups:
        group = Group("", [], file.common)
        for run in file.runs:
            part = whole[np.newaxis, run.first * signal.samples : (run.first + run.records) * signal.samples]
            traces.append((group, _make_trace(group, [], part, None, shared)))
        return traces
    cuts = sweeping.cut(file.groups, file.runs, signal.samples, rate_hz, file.faults, channel=signal.label)
    for group, one in zip(file.groups, cuts, strict=True):
        if one.sweeps:
            samples = whole[one.starts[:, np.newaxis] + np.arange(one.length)]
            traces.append((group, _make_trace(group, one.sweeps, samples, one.stimulus_ms, shared)))
    return traces


def calibrate(digital: NDArray[Any], signal: Signal, factor: float) -> SampleArray:
    """Return stored numbers as microvolts, float32.

    ``physical = minimum + (digital - digital minimum) * (physical range) / (digital range)``, in float64; ``factor`` is
    what one physical unit is in microvolts.
    """
    value: FloatArray = digital.astype(np.float64)
    value -= signal.digital_min
    value *= (signal.physical_max - signal.physical_min) * factor / (signal.digital_max - signal.digital_min)
    value += signal.physical_min * factor
    return value.astype(np.float32)


def _read_whole(file: _File, signal: Signal, factor: float) -> SampleArray:
    """Return a channel record by record, converted block by block to keep the memory needed small."""
    if file.records * signal.samples <= _BLOCK_SAMPLES:
        return calibrate(file.digital(signal, slice(None)), signal, factor)
    samples = np.empty((file.records, signal.samples), np.float32)
    step = max(1, _BLOCK_SAMPLES // signal.samples)
    for first in range(0, file.records, step):
        block = slice(first, first + step)
        samples[block] = calibrate(file.digital(signal, block), signal, factor)
    return samples


def _shared_fields(signal: Signal, unit: str, rate_hz: float, stimulus_origin: Origin) -> _Shared:
    filters = parse_filters(signal.prefilter)
    unit_origin = _FILE if signal.unit else Origin.SIDECAR
    fields = {
        "sampling_rate_hz": rate_hz,
        "filters": filters,
        "channel": signal.label,
        "calibration": Calibration(
            unit=unit, digital_min=signal.digital_min, digital_max=signal.digital_max,
            physical_min=signal.physical_min, physical_max=signal.physical_max,
        ),
    }  # fmt: skip
    origins = {
        "samples_uv": unit_origin, "sampling_rate_hz": _FILE, "calibration": unit_origin, "channel": _FILE,
        "stimulus_ms": stimulus_origin,
    }  # fmt: skip
    if not (filters.low_cut_hz is filters.high_cut_hz is filters.notch_hz is None):
        origins["filters"] = _FILE
    return fields, origins


def _make_trace(
    group: Group, sweeps: Sequence[Sweep], samples: SampleArray, stimulus_ms: FloatArray | None, shared: _Shared
) -> Trace:
    fields, origins = shared
    said = group.said
    if said.prefilter is not None:
        fields = fields | {"filters": replace(fields["filters"], text=said.prefilter)}
    if said.channel is not None:
        fields = fields | {"channel": said.channel}
    intensity_ma = _per_sweep([sweep.said.intensity_ma for sweep in sweeps])
    intensity_v = _per_sweep([sweep.said.intensity_v for sweep in sweeps])
    elapsed_s = sweeping.elapsed(sweeps)
    stated = (
        ("stimulation_site", said.site), ("distance_mm", said.distance_mm),
        ("intensity_ma", intensity_ma), ("intensity_v", intensity_v), ("stimulus_duration_ms", said.duration_ms),
        ("averaged_count", said.averaged_count), ("reported", said.reported or None),
    )  # fmt: skip
    origins = origins | {name: _FILE for name, value in stated if value is not None}
    if elapsed_s is not None:
        origins["elapsed_s"] = origins["stimulus_ms"]
    if stimulus_ms is None:
        del origins["stimulus_ms"]
    return Trace(
        samples_uv=samples, stimulus_ms=stimulus_ms, elapsed_s=elapsed_s, stimulation_site=said.site,
        distance_mm=said.distance_mm, averaged_count=said.averaged_count, reported=said.reported, notes=said.notes,
        stimulus=Stimulus(intensity_ma=intensity_ma, intensity_v=intensity_v, duration_ms=said.duration_ms,
                          label=group.label if said.label is None else said.label),
        provenance=Provenance(origins), **fields,
    )  # fmt: skip


def _per_sweep(values: list[float | None]) -> FloatArray | None:
    """Return one value for each sweep, NaN where none is stated; ``None`` where none is stated at all."""
    if values.count(None) == len(values):
        return None
    array = np.array([np.nan if value is None else value for value in values])
    array.flags.writeable = False
    return array


def _make_study(file: _File, signal: Signal, members: list[tuple[Group, Trace]], *, n_channels: int) -> Study:
    said = [group.said for group, _ in members]
    if file.common is not NOTHING_STATED and file.common not in said:
        said.append(file.common)
    label = read_label(signal.label)
    text, is_structured = study_words_of(file.header)
    words = read_study_words(text, is_structured=is_structured)
    traces = tuple([trace for _, trace in members])
    if n_channels > 1:
        traces = tuple([_without_unassigned(trace, group, label.site, file) for group, trace in members])
    place = next((one.recording for one in said if one.recording), None) if n_channels == 1 else None
    place_side, place = split_side(place) if place else (None, label.site)
    stated = agreed(said, _OF_STUDY, file.faults)
    technique_word, temperature_c, nerve, temperature_site, distance_sd_mm, segments = stated
    done = technique(technique_word, words, label.words)
    # A blink reflex is recorded on both sides of the face, whichever is stimulated.
    of_stimuli = [] if done is Technique.BLINK_REFLEX else said
    side = _agreed_side(file, signal, of_stimuli, (words.side, label.words.side, place_side))
    check_distances(traces, members, file.faults)
    fields: dict[str, Any] = {
        "nerve": agreed_word(nerve, words.nerve, label.words.nerve),
        "technique": done,
        "side": side,
        "direction": direction_of(text),
        "recording_site": place or None,
        "skin_temperature_c": temperature_c,
        "temperature_site": temperature_site,
        "distance_sd_mm": distance_sd_mm,
        "segments": segments,
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    return Study(traces=traces, provenance=Provenance(dict.fromkeys(fields, _FILE)), **fields)


def _covariates(file: _File) -> dict[str, float | str]:
    """Return the covariates that a file written by ncs carries."""
    said = [file.common, *(group.said for group in file.groups)]
    (stated,) = agreed(said, ("covariates",), file.faults)
    return dict(stated or ())


def _without_unassigned(trace: Trace, group: Group, site: str | None, file: _File) -> Trace:
    """Take back from a trace what belongs to one recording channel, unless the file says that it is this one."""
    said = group.said
    if trace.distance_mm is None and not trace.reported:
        return trace
    if _names(said.recording, site):
        return trace
    if not any(_names(said.recording, read_label(signal.label).site) for signal in file.header.signals):
        place = group.sweeps[0].place if group.sweeps else ""
        found = f"{said.recording or 'nothing'}, in a file with several"
        if all((known.place, known.field) != (place, "recording") for known in file.faults.noted):
            file.faults.note(place, "recording", "the channel that distance and measurements belong to", found,
                             "they were not used; a sidecar can state the distance")  # fmt: skip
    origins = {name: origin for name, origin in trace.provenance.items() if name not in {"distance_mm", "reported"}}
    return replace(trace, distance_mm=None, reported=(), provenance=Provenance(origins))


def _names(recording: str | None, site: str | None) -> bool:
    """Return whether a place of recording is the one of a label, which has room for 16 characters only."""
    return bool(recording and site) and split_side(recording or "")[1].casefold().startswith((site or "").casefold())


def _agreed_side(
    file: _File, signal: Signal, said: list[Statement], others: tuple[Side | None, Side | None, Side | None]
) -> Side | None:
    sources = zip(("the recording field", "the label", "the recording site"), others, strict=True)
    stated = [(where, side) for where, side in sources if side is not None]
    stated += [
        (f"annotation {quoted(one.stimulus or 'EDF_XMLnote')}", one.side) for one in said if one.side is not None
    ]
    for where, side in stated[1:]:
        if side is not stated[0][1]:
            file.faults.add(f"signal {signal.number} ({signal.label})", "side", f"{stated[0][1]}, as in {stated[0][0]}",
                            f"{side}, in {where}", "the file contradicts itself")  # fmt: skip
            break
    return stated[0][1] if stated else None
