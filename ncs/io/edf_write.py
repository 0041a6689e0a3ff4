"""Writer: one study becomes one EDF+D file, one sweep one data record, in the form of the specification's section 3.7.

What the plain fields of EDF+ cannot hold goes into XML notes with the words of ``_stimulus_notes``, so that our reader
finds again what was written. Change the layout of a file here, and the reader's tests will say whether it still reads.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import secrets
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from ncs.errors import InvalidInputError
from ncs.io._edf_identity import format_date
from ncs.io._sites import split_side
from ncs.io._stimulus_notes import is_stimulus, read_note
from ncs.io._study_words import parse_filters, read_label, read_study_words
from ncs.io._units import voltage_factor
from ncs.model import Filters, Side, Study, Subject, Technique, Trace, Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["encode_edf", "write_edf"]

_WIDTH = 8
_LARGEST_DIGITAL = 32767
_RATE_ERROR = 2e-6
_CODES = {
    Technique.MOTOR: "MNC", Technique.SENSORY: "SNC", Technique.MIXED: "MIXED", Technique.F_WAVE: "FWAVE",
    Technique.H_REFLEX: "HREFLEX", Technique.REPETITIVE_STIMULATION: "RNS", Technique.BLINK_REFLEX: "BLINK",
    Technique.INCHING: "INCHING", Technique.CMAP_SCAN: "CMAPSCAN", None: "NC",
}  # fmt: skip
_LETTERS = {Side.LEFT: "L", Side.RIGHT: "R"}
_NO_DATE = "01.01.85"
_SPACING_S = 10
_EARLIEST, _LATEST = dt.date(1985, 1, 1), dt.date(2084, 12, 31)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """How microvolts become stored numbers; texts are what stands in the header."""

    unit: str
    factor: float
    physical_min: str
    physical_max: str
    digital_min: int
    digital_max: int

    def digital(self, samples_uv: NDArray[Any]) -> NDArray[np.float64]:
        low, high = float(self.physical_min) * self.factor, float(self.physical_max) * self.factor
        span = self.digital_max - self.digital_min
        return np.rint((samples_uv.astype(np.float64) - low) * span / (high - low) + self.digital_min)


def write_edf(
    visit: Visit, path: str | os.PathLike[str], *, study: int | None = None, keep_identifiers: bool = False
) -> None:
    """Write one study of a visit as an EDF+D file; an existing file is replaced in one step.

    Parameters
    ----------
    visit
        The visit; its subject and date go into the header.
    path
        The file to write.
    study
        Index of the study; may be left out for a visit with only one.
    keep_identifiers
        Whether name and date of birth, where the visit has them, are written.

    Raises
    ------
    InvalidInputError
        When the study cannot be held by one EDF file, or it is not clear which study is meant.
    OSError
        When the file cannot be written.
    """
    if study is None and len(visit.studies) != 1:
        raise InvalidInputError(f"study: a file holds one study, the visit has {len(visit.studies)}; say which")
    index = 0 if study is None else study
    if not 0 <= index < len(visit.studies):
        raise InvalidInputError(f"study: expected 0 to {len(visit.studies) - 1}, found {index}")
    content = encode_edf(
        visit.studies[index], subject=visit.subject, date=visit.date, keep_identifiers=keep_identifiers
    )
    _write_in_one_step(Path(path), content)


def encode_edf(
    study: Study, *, subject: Subject | None = None, date: dt.date | None = None, keep_identifiers: bool = False
) -> bytes:
    """Return a study as the bytes of an EDF+D file.

    Sweeps become data records in the order of the traces. Stored numbers keep the digital range of the recording where
    all traces share one (then reading gives back the same numbers); else they use 16 bits around 0, as far as the
    largest sample. Covariates, directly measured segments and the origin of fields have no place in EDF+.

    Parameters
    ----------
    study
        All traces must have the same sampling rate and number of samples, and finite samples.
    subject, date
        Who was examined, and when; without a date the header says ``Startdate X`` and 01.01.85.
    keep_identifiers
        Whether name and date of birth are written.

    Raises
    ------
    InvalidInputError
        Naming everything that one EDF file cannot hold.
    """
    subject = Subject() if subject is None else subject
    _check(study, subject, date)
    first = study.traces[0]
    scale = _choose_scale(study)
    duration = _encode_duration(first.n_samples, first.sampling_rate_hz)
    spacing = max(_SPACING_S, math.ceil(first.n_samples / first.sampling_rate_hz) + 1)
    bodies: list[bytes] = []
    notes: list[bytes] = []
    labels = _stimulus_labels(study)
    for trace, label in zip(study.traces, labels, strict=True):
        stored = scale.digital(trace.samples_uv).astype("<i2")
        for sweep in range(trace.n_sweeps):
            onset = Decimal(len(bodies) * spacing)
            texts = _describe_sweep(study, trace, sweep, label)
            if not bodies:
                texts = [*texts, _study_note(study)]
            bodies.append(stored[sweep].tobytes())
            notes.append(_encode_annotations(onset, trace, sweep, label, texts))
    size = max(60, (max(map(len, notes)) + 1) // 2)
    if size > 10**_WIDTH - 1:
        raise InvalidInputError("notes: the texts of one sweep are too long for EDF")
    patient = _patient_field(subject, keep_identifiers=keep_identifiers)
    header = _encode_header(study, patient, date, scale, duration=duration, records=len(bodies), size=size)
    return header + b"".join(body + note.ljust(2 * size, b"\0") for body, note in zip(bodies, notes, strict=True))


def _check(study: Study, subject: Subject, date: dt.date | None) -> None:
    faults = []
    rates = sorted({trace.sampling_rate_hz for trace in study.traces})
    lengths = sorted({trace.n_samples for trace in study.traces})
    if not any(trace.n_sweeps for trace in study.traces):
        faults.append("traces: expected at least one sweep, found none")
    if len(rates) > 1:
        faults.append(f"sampling_rate_hz: one EDF file has one rate, found {rates}")
    if len(lengths) > 1 or lengths == [0]:
        faults.append(f"samples_uv: one EDF file has sweeps of one length, found {lengths}")
    if not all(np.isfinite(trace.samples_uv).all() for trace in study.traces):
        faults.append("samples_uv: EDF holds finite samples only")
    for name, text in (("subject.id", subject.id or ""), ("subject.name", subject.name or "")):
        if not (text.isascii() and _is_printable(text)):
            faults.append(f"{name}: an EDF header holds printable ASCII only, found {text!a}")
    if date is not None and not dt.date(1000, 1, 1) <= date:
        faults.append(f"date: expected a year of four digits, found {date}")
    if faults:
        raise InvalidInputError("; ".join(faults))


def _is_printable(text: str) -> bool:
    return all(" " <= letter <= "~" for letter in text)


def _choose_scale(study: Study) -> _Scale:
    known = {trace.calibration for trace in study.traces}
    calibration = known.pop() if len(known) == 1 else None
    samples = [trace.samples_uv for trace in study.traces if trace.samples_uv.size]
    if calibration is not None and None not in (
        calibration.digital_min, calibration.digital_max, calibration.physical_min, calibration.physical_max
    ):  # fmt: skip
        factor = voltage_factor(calibration.unit)
        low, high = _exact_number(calibration.physical_min), _exact_number(calibration.physical_max)
        unit = calibration.unit.replace("µ", "u").replace("μ", "u")
        if factor is not None and low is not None and high is not None and len(unit) <= _WIDTH and unit.isascii():
            scale = _Scale(unit=unit, factor=factor, physical_min=low, physical_max=high,
                           digital_min=int(calibration.digital_min or 0),
                           digital_max=int(calibration.digital_max or 0))  # fmt: skip
            stored = [scale.digital(one) for one in samples]
            if min(map(np.min, stored)) >= -_LARGEST_DIGITAL - 1 and max(map(np.max, stored)) <= _LARGEST_DIGITAL:
                return scale
    return _scale_to_data(max(float(np.abs(one).max()) for one in samples))


def _exact_number(value: float | None) -> str | None:
    """Return the shortest text of a number if it is exact and fits the field."""
    if value is None:
        return None
    for text in (repr(value), f"{value:g}", repr(value).removesuffix(".0")):
        if len(text) <= _WIDTH and float(text) == value:
            return text
    return None


def _scale_to_data(largest_uv: float) -> _Scale:
    """Return a range around 0 whose limit is the smallest number of the field's width not below the largest sample."""
    if largest_uv >= 999_999:
        if largest_uv >= 999_999e6:
            raise InvalidInputError(f"samples_uv: expected less than 999999 V, found {largest_uv:g} uV")
        unit, factor = "V", 1e6
    else:
        unit, factor = "uV", 1.0
    largest = largest_uv / factor
    limit = "1"
    if largest > 0:
        decimals = max(0, min(5, 5 - len(str(int(largest)))))
        step = Decimal(1).scaleb(-decimals)
        above = (Decimal(largest) / step).to_integral_value(rounding="ROUND_CEILING") * step
        limit = format(above.normalize(), "f")
    return _Scale(unit=unit, factor=factor, physical_min=f"-{limit}", physical_max=limit,
                  digital_min=-_LARGEST_DIGITAL, digital_max=_LARGEST_DIGITAL)  # fmt: skip


def _encode_duration(samples: int, rate_hz: float) -> str:
    """Return the duration of a record as text of which the reader gets the same rate, or one that differs by 2e-6."""
    exact = Decimal(samples) / Decimal(repr(rate_hz))
    text = format(exact.normalize(), "f")
    candidates = [text, text.removeprefix("0")]
    if max(map(len, candidates)) > _WIDTH:
        candidates += [f"{exact:.{digits}f}".removeprefix("0") for digits in range(7, -1, -1)]
    for candidate in candidates:
        if len(candidate) <= _WIDTH and Decimal(candidate) > 0:
            error = abs(samples / float(candidate) / rate_hz - 1)
            if error <= _RATE_ERROR:
                return candidate
    raise InvalidInputError(f"sampling_rate_hz: {samples} samples at {rate_hz:g} Hz have no duration of 8 characters")


def _stimulus_labels(study: Study) -> list[str]:
    """Return a stimulus text for each trace, each different; the trace's own where it says nothing wrong."""
    labels: list[str] = []
    for number, trace in enumerate(study.traces):
        own = trace.stimulus.label
        if own and is_stimulus(own) and own not in labels and _agrees(own, study, trace):
            labels.append(own)
            continue
        site = re.sub(r"[^A-Za-z]+", "_", trace.stimulation_site or "").strip("_")
        label = f"Stimulus_{site}" if site else f"Stim{_letters(number)}"
        labels.append(label if label not in labels else f"{label}_{number + 1}")
    return labels


def _letters(number: int) -> str:
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def _agrees(label: str, study: Study, trace: Trace) -> bool:
    if _CONTROL.search(label) or label != label.strip():
        return False
    said = read_note(label)
    intensities = {} if said.intensity_ma is None else {said.intensity_ma}
    stated = trace.stimulus.intensity_ma
    return (
        said.side in {None, study.side}
        and said.named_site in {None, trace.stimulation_site}
        and said.distance_mm in {None, trace.distance_mm}
        and said.duration_ms in {None, trace.stimulus.duration_ms}
        and said.averaged_count in {None, trace.averaged_count}
        and said.intensity_v is None
        and (not intensities or (stated is not None and set(stated.tolist()) == intensities))
    )


def _element(tag: str, text: object, **attributes: str) -> str:
    shown = "".join(f" {name}={quoteattr(_clean(value))}" for name, value in attributes.items() if value)
    content = format(Decimal(repr(text)), "f") if isinstance(text, float) else str(text)
    return f"<{tag}{shown}>{escape(_clean(content))}</{tag}>"


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text)


def _note(*elements: str) -> str:
    return f"<EDF_XMLnote>{''.join(elements)}</EDF_XMLnote>" if elements else ""


def _describe_sweep(study: Study, trace: Trace, sweep: int, label: str) -> list[str]:
    """Return the notes of one sweep; what holds for the whole trace stands with its first sweep."""
    stimulus = trace.stimulus
    elements = []
    if stimulus.intensity_ma is not None and np.isfinite(stimulus.intensity_ma[sweep]):
        elements.append(_element("intensity", float(stimulus.intensity_ma[sweep]), mode="current", unit="mA"))
    if stimulus.intensity_v is not None and np.isfinite(stimulus.intensity_v[sweep]):
        elements.append(_element("intensity", float(stimulus.intensity_v[sweep]), mode="voltage", unit="V"))
    if stimulus.duration_ms is not None:
        elements.insert(0, _element("duration", float(stimulus.duration_ms), unit="ms"))
    if trace.stimulation_site is not None:
        side = f"{study.side.value} " if study.side is not None else ""
        elements.append(_element("position", side + trace.stimulation_site))
    if trace.distance_mm is not None:
        elements.append(_element("distance", float(trace.distance_mm), mode="stimulus to recording", unit="mm"))
    if trace.stimulus_ms is not None and elements:
        tag = re.sub(r"\W+", "_", label.partition(" ")[0], flags=re.ASCII).strip("_") or "Stimulus"
        elements = [f"<{tag}>{''.join(elements)}</{tag}>"]
    if study.recording_site is not None:
        elements.append(_element("recording", study.recording_site))
    if trace.averaged_count is not None:
        elements.append(_element("averaged", trace.averaged_count))
    texts = [_note(*elements)]
    if sweep == 0:
        texts.append(_note(*_measurements(trace)))
        texts.extend(_free_note(note) for note in trace.notes)
    return [text for text in texts if text]


def _measurements(trace: Trace) -> list[str]:
    tags = {"latency_ms": ("latency", "ms"), "amplitude_uv": ("amplitude", "uV"), "velocity_m_s": ("velocity", "m/s")}
    inner = []
    for value in trace.reported:
        if value.kind in tags:
            tag, unit = tags[value.kind]
            inner.append(_element(tag, float(value.value), mode=value.mode, unit=unit))
    return [f"<measurements>{''.join(inner)}</measurements>"] if inner else []


def _free_note(note: str) -> str:
    """Return a note such that reading it gives the same note: an unknown element as it was, text as a comment."""
    if note.startswith("<"):
        wrapped = _note(note)
        if read_note(wrapped).notes == (note,):
            return wrapped
    return _note(_element("comments", note))


def _study_note(study: Study) -> str:
    elements = []
    if study.skin_temperature_c is not None:
        elements.append(_element("temperature", float(study.skin_temperature_c), unit="degree C",
                                 position=study.temperature_site or ""))  # fmt: skip
    for tag, value in (("nerve", study.nerve), ("side", study.side), ("technique", study.technique)):
        if value is not None:
            elements.append(_element(tag, str(value)))
    return _note(*elements)


def _encode_annotations(onset: Decimal, trace: Trace, sweep: int, label: str, texts: Sequence[str]) -> bytes:
    stamp = f"+{onset}".encode()
    content = stamp + b"\x14\x14\0"
    if trace.stimulus_ms is not None:
        moment = onset + Decimal(repr(float(trace.stimulus_ms[sweep]))) / 1000
        content += f"{moment:+.30f}".rstrip("0").rstrip(".").encode() + b"\x14" + label.encode() + b"\x14\0"
    return content + b"".join([stamp + b"\x14" + text.encode() + b"\x14\0" for text in texts if text])


def _patient_field(subject: Subject, *, keep_identifiers: bool) -> str:
    def subfield(text: str | None) -> str:
        return "_".join((text or "").split()) or "X"

    birth = format_date(subject.birth_date) if keep_identifiers and subject.birth_date is not None else "X"
    name = subfield(subject.name) if keep_identifiers else "X"
    sex = subject.sex if subject.sex in {"F", "M"} else "X"
    patient = f"{subfield(subject.id)} {sex} {birth} {name}"
    if len(patient) > 80:
        raise InvalidInputError(f"subject: expected at most 80 characters with id and name, found {len(patient)}")
    return patient


def _encode_header(
    study: Study, patient: str, date: dt.date | None, scale: _Scale, *, duration: str, records: int, size: int
) -> bytes:
    if date is None:
        short = _NO_DATE
    else:
        short = date.strftime("%d.%m.%y") if _EARLIEST <= date <= _LATEST else date.strftime("%d.%m.yy")
    fields = [("0", 8), (patient, 80), (_recording_field(study, date), 80), (short, 8), ("00.00.00", 8), ("768", 8),
              ("EDF+D", 44), (str(records), 8), (duration, 8), ("2", 4)]  # fmt: skip
    columns = (
        (16, _label(study), "EDF Annotations"), (80, "", ""), (8, scale.unit, ""), (8, scale.physical_min, "-1"),
        (8, scale.physical_max, "1"), (8, str(scale.digital_min), "-32768"), (8, str(scale.digital_max), "32767"),
        (80, _prefilter(study.traces[0].filters), ""), (8, str(study.traces[0].n_samples), str(size)), (32, "", ""),
    )  # fmt: skip
    fields += [(text, width) for width, *texts in columns for text in texts]
    return b"".join([text.encode("ascii").ljust(width) for text, width in fields])


def _recording_field(study: Study, date: dt.date | None) -> str:
    """Return Startdate, three unknown subfields and the study in words the reader knows, as far as they are ASCII."""
    words = [_CODES[study.technique]]
    if study.side is not None:
        words.append(_LETTERS[study.side])
    if study.nerve and study.nerve.isascii() and read_study_words(study.nerve).nerve == study.nerve:
        words += [*(word.capitalize() for word in study.nerve.split()), "Nerve"]
    return f"Startdate {'X' if date is None else format_date(date)} X X X {'_'.join(words)}"[:80]


def _label(study: Study) -> str:
    """Return the channel's own label where it fits and contradicts nothing, else side and recording site."""
    channels = {trace.channel for trace in study.traces}
    own = channels.pop() if len(channels) == 1 else ""
    made = f"{_LETTERS[study.side]} " if study.side is not None and study.recording_site else ""
    made = _clean((made + (study.recording_site or "")).encode("ascii", "replace").decode())[:16].strip()
    for label in (own, made):
        words = read_label(label).words
        is_consistent = (
            words.side in {None, study.side}
            and words.technique in {None, study.technique}
            and words.nerve in {None, study.nerve}
            and (study.recording_site is not None or split_side(read_label(label).site or "")[1] == "")
        )
        if label and len(label) <= 16 and label.isascii() and _is_printable(label) and is_consistent:
            return label
    return ""


def _prefilter(filters: Filters) -> str:
    if len(filters.text) <= 80 and _is_printable(filters.text) and parse_filters(filters.text) == filters:
        return filters.text
    parts = (("HP", filters.low_cut_hz), ("LP", filters.high_cut_hz), ("N", filters.notch_hz))
    return " ".join([f"{name}:{format(Decimal(repr(float(value))).normalize(), 'f')}Hz" for name, value in parts
                     if value is not None])[:80]  # fmt: skip


def _write_in_one_step(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
