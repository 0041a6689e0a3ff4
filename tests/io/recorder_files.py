"""Files of recorders for tests, written by the rules of their formats or by the libraries' own writers."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["blackrock", "brainvision", "dicom", "winwcp"]


def brainvision(
    folder: Path,
    channels: Mapping[str, tuple[str, np.ndarray]],
    rate_hz: float,
    markers: Sequence[tuple[str, str, int]] = (),
    *,
    name: str = "study",
    resolution: float = 0.5,
    header: str = "",
) -> Path:
    """Write a BrainVision recording and return its header file.

    ``channels`` give unit and samples in that unit; ``markers`` type, description and position of the sample, from 0.
    With a ``resolution`` of 0 the samples are stored as float32.
    """
    stored = "IEEE_FLOAT_32" if resolution == 0 else "INT_16"
    lines = [
        "Brain Vision Data Exchange Header File Version 1.0", "", "[Common Infos]", "Codepage=UTF-8",
        f"DataFile={name}.eeg", f"MarkerFile={name}.vmrk", "DataFormat=BINARY", "DataOrientation=MULTIPLEXED",
        f"NumberOfChannels={len(channels)}", f"SamplingInterval={1e6 / rate_hz:g}", "", "[Binary Infos]",
        f"BinaryFormat={stored}", "", "[Channel Infos]",
    ]  # fmt: skip
    lines += [
        f"Ch{number}={label},,{resolution or 1},{unit}" for number, (label, (unit, _)) in enumerate(channels.items(), 1)
    ]
    marks = [("New Segment", "", 0), *markers]
    text = [
        "Brain Vision Data Exchange Marker File, Version 1.0", "", "[Common Infos]", "Codepage=UTF-8",
        f"DataFile={name}.eeg", "", "[Marker Infos]",
    ]  # fmt: skip
    for number, (kind, description, at) in enumerate(marks, start=1):
        date = ",20240305101500000000" if number == 1 else ""
        text.append(f"Mk{number}={kind},{description},{at + 1},1,0{date}")
    samples = np.column_stack([values for _, values in channels.values()])
    data = samples.astype("<f4") if resolution == 0 else np.round(samples / resolution).astype("<i2")
    path = folder / f"{name}.vhdr"
    path.write_text("\r\n".join([*lines, header, ""]), encoding="utf-8")
    path.with_suffix(".vmrk").write_text("\r\n".join([*text, ""]), encoding="utf-8")
    path.with_suffix(".eeg").write_bytes(data.tobytes())
    return path


def winwcp(path: Path, records: np.ndarray, rate_hz: float, *, labels: Sequence[str], units: Sequence[str]) -> Path:
    """Write a WinWCP file of version 9; ``records`` has shape ``(n_records, n_samples, n_channels)``, int16."""
    n_records, n_samples, n_channels = records.shape
    blocks = n_samples * n_channels * 2 // 512
    assert blocks * 512 == n_samples * n_channels * 2, "a record fills whole sectors"
    lines = [
        "VER=9", "CTIME=05/03/2024 10:15:00", "RTIME=05/03/2024 10:15:00", f"NC={n_channels}", f"NR={n_records}",
        "NBH=2", "NBA=2", f"NBD={blocks}", "AD=5.0", "ADCMAX=32767", f"DT={1 / rate_hz:.9f}",
    ]  # fmt: skip
    for number, (label, unit) in enumerate(zip(labels, units, strict=True)):
        lines += [f"YN{number}={label}", f"YU{number}={unit}", f"YG{number}=1.0", f"YO{number}={number}"]
    content = "\r\n".join([*lines, ""]).encode("ascii").ljust(1024)
    for number, record in enumerate(records):
        analysis = struct.pack("<8s4sffff8f", b"ACCEPTED", b"TEST", 0.0, float(number), 1 / rate_hz, 10.0, *[10.0] * 8)
        content += analysis[:60].ljust(1024, b"\0") + record.astype("<i2").tobytes()
    path.write_bytes(content)
    return path


def blackrock(path: Path, counts: np.ndarray, *, label: str, microvolts: int = 8191) -> Path:
    """Write a Blackrock file of version 2.3 with one channel of 30 kHz; 32764 counts are ``microvolts``."""
    channel = struct.pack(
        "<2sH16sBBhhhh16sIIHIIH", b"CC", 1, label.encode().ljust(16, b"\0"), 1, 1, -32764, 32764, -microvolts,
        microvolts, b"uV".ljust(16, b"\0"), 2000, 4, 1, 7_500_000, 4, 1,
    )  # fmt: skip
    header = struct.pack(
        "<8sBBI16s256sII8HI", b"NEURALCD", 2, 3, 314 + len(channel), b"30 kS/s".ljust(16, b"\0"), bytes(256), 1, 30_000,
        2024, 3, 2, 5, 10, 15, 0, 0, 1,
    )  # fmt: skip
    path.write_bytes(header + channel + struct.pack("<BII", 1, 0, len(counts)) + counts.astype("<i2").tobytes())
    return path


def dicom(
    path: Path,
    groups: Sequence[np.ndarray],
    rate_hz: float,
    *,
    trigger_offsets_ms: Sequence[float | None],
    unit: str = "uV",
    sensitivity: float = 0.5,
    annotations: Sequence[tuple[int, str, int]] = (),
    sop_class: str = "1.2.840.10008.5.1.4.1.1.9.7.2",
) -> Path:
    """Write EMG waveforms; each group is a sweep of one channel in counts; annotations are (group, text, sample)."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = sop_class
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["ncs"])
    data.PatientID, data.PatientName, data.PatientSex, data.StudyDate = "P07", "Doe^Jane", "F", "20240305"
    data.WaveformSequence = [
        _group(counts, rate_hz, offset, unit, sensitivity)
        for counts, offset in zip(groups, trigger_offsets_ms, strict=True)
    ]
    marks = []
    for group, text, sample in annotations:
        mark = Dataset()
        mark.ReferencedWaveformChannels = [group + 1, 0]
        mark.UnformattedTextValue = text
        mark.TemporalRangeType = "POINT"
        mark.ReferencedSamplePositions = sample + 1
        marks.append(mark)
    if marks:
        data.WaveformAnnotationSequence = marks
    data.save_as(path, enforce_file_format=True)
    return path


def _group(counts: np.ndarray, rate_hz: float, offset_ms: float | None, unit: str, sensitivity: float):
    from pydicom.dataset import Dataset

    source, units, channel, group = Dataset(), Dataset(), Dataset(), Dataset()
    source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = "1", "99NCS", "right APB"
    units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
    channel.ChannelSourceSequence, channel.ChannelSensitivity = [source], sensitivity
    channel.ChannelSensitivityUnitsSequence, channel.ChannelSensitivityCorrectionFactor = [units], 1
    channel.ChannelBaseline, channel.WaveformBitsStored = 0, 16
    channel.FilterLowFrequency, channel.FilterHighFrequency = 2, 10_000
    group.WaveformOriginality, group.NumberOfWaveformChannels = "ORIGINAL", 1
    group.NumberOfWaveformSamples, group.SamplingFrequency = len(counts), rate_hz
    group.ChannelDefinitionSequence = [channel]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = counts.astype("<i2").tobytes()
    if offset_ms is not None:
        group.TriggerTimeOffset = offset_ms
    return group
