"""Reader of DICOM Electromyogram Waveform Storage, through pydicom.

Multiplex groups with the same channels are sweeps of one recording. The trigger of a group is its stimulus; where none
is stated, waveform annotations may name it.
"""

from __future__ import annotations

import datetime as dt
import io
from collections import defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs.io._continuous import Channel, Recording, attempt, to_visit
from ncs.io._faults import Faults
from ncs.io._stimuli import Mark
from ncs.model import Filters, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ncs.io._recording import ReadRequest
    from ncs.model import Visit

__all__ = ["DICOM", "DicomReader"]

_EMG = "1.2.840.10008.5.1.4.1.1.9.7.2"
_CARRIES = MappingProxyType(
    {
        "waveforms": "yes",
        "site": "annotation, with a sidecar or protocol",
        "distance": "no",
        "intensity": "no",
        "units": "yes",
        "filters": "yes",
        "stimulus time": "trigger time offset, annotation",
        "temperature": "no",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomReader:
    """Reader of DICOM EMG waveforms; see ``ncs.io._recording.Reader``."""

    name: str = "dicom"
    description: str = "DICOM Electromyogram Waveform Storage, through pydicom"
    extensions: tuple[str, ...] = (".dcm",)
    carries: Mapping[str, str] = field(default_factory=lambda: _CARRIES)
    experimental: bool = True
    requires: tuple[str, ...] = ("pydicom",)

    def sniff(self, head: bytes, path: Path) -> float:
        """Return 1 for a DICOM file that names the EMG storage class, 0.3 for any other DICOM file."""
        del path
        if head[128:132] != b"DICM":
            return 0.0
        return 1.0 if _EMG.encode() in head[:4096] else 0.3

    def read(self, request: ReadRequest) -> Visit:
        """Read the waveforms of a file.

        Raises
        ------
        ReadError
            With everything that is wrong with the file.
        """
        faults = Faults(file=str(request.path))
        data = attempt("pydicom", faults, lambda: _parse(request.content))
        faults.raise_if_fatal()
        assert data is not None  # raise_if_fatal has raised otherwise
        stored = str(data.get("SOPClassUID", "none"))
        if stored != _EMG:
            faults.add("(0008,0016)", "SOP Class UID", f"{_EMG} (Electromyogram Waveform Storage)", stored)
        elif not data.get("WaveformSequence"):
            faults.add("(5400,0100)", "Waveform Sequence", "at least one multiplex group", "none")
        faults.raise_if_fatal()
        keep = request.keep_identifiers
        recordings = attempt("pydicom", faults, lambda: _recordings(data, keep_identifiers=keep))
        return to_visit(recordings or [], request, faults)


DICOM = DicomReader()


def _parse(content: bytes) -> Any:
    import pydicom

    data = pydicom.dcmread(io.BytesIO(content))
    for name in ("SOPClassUID", "WaveformSequence"):
        data.get(name)  # pydicom decodes an element when it is asked for, and a damaged one fails then
    return data


def _recordings(data: Any, *, keep_identifiers: bool) -> list[Recording]:
    groups = data.WaveformSequence
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        labels = tuple(_label(channel, number) for number, channel in enumerate(group.ChannelDefinitionSequence))
        alike[(labels, float(group.SamplingFrequency))].append(index)
    subject = _subject(data, keep_identifiers=keep_identifiers)
    date = _date(data)
    return [_recording(data, members, subject, date) for members in alike.values()]


def _recording(data: Any, members: Sequence[int], subject: Subject, date: dt.date | None) -> Recording:
    groups = [data.WaveformSequence[index] for index in members]
    rate = float(groups[0].SamplingFrequency)
    lengths = tuple(int(group.NumberOfWaveformSamples) for group in groups)
    onsets = np.cumsum((0, *lengths[:-1])) / rate
    marks = []
    for index, onset in zip(members, onsets, strict=True):
        marks += _annotations(data, index, float(onset), rate)
    triggers = tuple(_trigger_ms(group, rate) for group in groups)
    channels = tuple(
        Channel(
            label=_label(definition, number),
            unit=_unit(definition),
            rate_hz=rate,
            lengths=lengths,
            values=_samples(data, members, number),
            filters=_filters(definition),
        )
        for number, definition in enumerate(groups[0].ChannelDefinitionSequence)
    )
    return Recording(
        channels=channels,
        library="pydicom",
        onsets_s=tuple(map(float, onsets)),
        marks=tuple(marks),
        is_episodic=len(groups) > 1 or triggers != (None,),
        sweep_stimulus_ms=triggers,
        subject=subject,
        date=date,
    )


def _trigger_ms(group: Any, rate: float) -> float | None:
    """Return when the trigger came after the first sample (PS3.3, C.10.9); the offset runs from trigger to sample."""
    offset_ms, position = group.get("TriggerTimeOffset"), group.get("TriggerSamplePosition")
    if offset_ms is not None:
        return 0.0 - float(offset_ms)
    return None if position is None else (float(position) - 1) / rate * 1000


def _samples(data: Any, members: Sequence[int], number: int) -> Callable[[], NDArray[np.float64]]:
    return lambda: np.concatenate([np.asarray(data.waveform_array(index)[:, number], np.float64) for index in members])


def _label(definition: Any, number: int) -> str:
    label = str(definition.get("ChannelLabel", "")).strip()
    if label:
        return label
    source = definition.get("ChannelSourceSequence")
    meaning = str(source[0].get("CodeMeaning", "")).strip() if source else ""
    return meaning or f"channel {number + 1}"


def _unit(definition: Any) -> str:
    """Return the unit that the sensitivity is in; a channel without sensitivity holds counts, not a voltage."""
    units = definition.get("ChannelSensitivityUnitsSequence")
    return str(units[0].get("CodeValue", "")).strip() if units else ""


def _filters(definition: Any) -> Filters:
    def hertz(keyword: str) -> float | None:
        value = definition.get(keyword)
        return float(value) if value is not None and float(value) > 0 else None

    return Filters(
        low_cut_hz=hertz("FilterLowFrequency"),
        high_cut_hz=hertz("FilterHighFrequency"),
        notch_hz=hertz("NotchFilterFrequency"),
    )


def _annotations(data: Any, index: int, onset: float, rate: float) -> list[Mark]:
    """Return the annotations of one multiplex group; those of single channels count for the group."""
    marks = []
    for number, annotation in enumerate(data.get("WaveformAnnotationSequence") or (), start=1):
        text = str(annotation.get("UnformattedTextValue", "")).strip()
        concept = annotation.get("ConceptNameCodeSequence")
        text = text or (str(concept[0].get("CodeMeaning", "")).strip() if concept else "")
        channels = annotation.get("ReferencedWaveformChannels") or [1, 0]
        if int(channels[0]) != index + 1 or not text:
            continue
        times = _times(annotation, rate)
        marks += [Mark(repr(onset + second), text, f"annotation {number}") for second in times]
    return marks


def _times(annotation: Any, rate: float) -> list[float]:
    """Return where an annotation begins, in seconds after the first sample of its group; samples count from 1."""
    positions = annotation.get("ReferencedSamplePositions")
    if positions is not None:
        return [(float(position) - 1) / rate for position in np.atleast_1d(positions)[:1]]
    offsets = annotation.get("ReferencedTimeOffsets")
    return [] if offsets is None else [float(offset) / 1000 for offset in np.atleast_1d(offsets)[:1]]


def _subject(data: Any, *, keep_identifiers: bool) -> Subject:
    code = str(data.get("PatientID", "")).strip() or None
    sex = str(data.get("PatientSex", "")).strip().upper()
    stated = Subject(id=code, sex=sex if sex in {"F", "M"} else None)
    if not keep_identifiers:
        return stated
    name = str(data.get("PatientName", "")).strip() or None
    return Subject(id=code, sex=stated.sex, name=name, birth_date=_day(data.get("PatientBirthDate", "")))


def _date(data: Any) -> dt.date | None:
    return next((day for name in ("AcquisitionDateTime", "StudyDate") if (day := _day(data.get(name, "")))), None)


def _day(stated: object) -> dt.date | None:
    text = str(stated or "")[:8]
    try:
        return dt.date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None
