"""Writer: a study becomes one EDF+D file, one sweep one data record, in the form of the specification's section 3.7.

A recording without stimuli becomes EDF+C, one of more than 16 bits BDF+. What the plain fields cannot hold goes into
XML notes (``_written_notes``), so that our reader finds again what was written.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import warnings
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ncs.errors import InvalidInputError, NcsWarning
from ncs.io._edf_identity import format_date
from ncs.io._edf_scale import LARGEST_DIGITAL, WIDTH, Scale, choose_scale, own_scale
from ncs.io._in_one_step import write_in_one_step
from ncs.io._sites import split_side
from ncs.io._study_words import parse_filters, read_label, read_study_words
from ncs.io._written_notes import Written, describe_sweep, encode_annotations, stimulus_labels, study_note
from ncs.model import Filters, Side, Study, Subject, Technique, Trace, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "EncodedPart", "encode_continuous", "encode_edf", "encoded_parts", "export_visit", "is_continuous",
    "sample_bytes_of", "write_edf",
]  # fmt: skip

_RECORD_SAMPLES = 30_720
"""EDF recommends at most 61440 bytes in a record."""
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
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


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
        visit.studies[index], subject=visit.subject, date=visit.date, covariates=visit.covariates,
        keep_identifiers=keep_identifiers,
    )  # fmt: skip
    write_in_one_step(Path(path), content)


def export_visit(visit: Visit, folder: str | os.PathLike[str], *, keep_identifiers: bool = False) -> tuple[Path, ...]:
    """Write a visit as EDF+ files: one for each study, or several where its traces do not fit into one.

    Traces that differ in sampling rate, length, filters, channel or calibration cannot share a file; ``ncs.io.merge``
    joins them again. A recording without stimuli becomes EDF+C, all others EDF+D; numbers of more than 16 bits, BDF+.

    Parameters
    ----------
    visit
        A study without waveforms is left out, with a warning.
    folder
        Made if it does not exist. Files of the same name are replaced, each in one step.
    keep_identifiers
        Whether name and date of birth, where the visit has them, are written.

    Returns
    -------
    tuple of Path
        What was written, in the order of the studies.

    Raises
    ------
    InvalidInputError
        When a study cannot be held by EDF; then nothing is written.
    OSError
        When a file cannot be written.
    """
    place = Path(folder)
    contents = [
        (f"{_stem(visit, part.study)}{part.ending}", part.content)
        for part in encoded_parts(visit, keep_identifiers=keep_identifiers)
    ]
    place.mkdir(parents=True, exist_ok=True)
    paths = []
    taken: Counter[str] = Counter()
    for name, content in contents:
        taken[name] += 1
        stem, dot, ending = name.rpartition(".")
        path = place / (name if taken[name] == 1 else f"{stem}_{taken[name]}{dot}{ending}")
        write_in_one_step(path, content)
        paths.append(path)
    return tuple(paths)


class EncodedPart(NamedTuple):
    """One file of a visit: the traces it holds, its bytes, and what its header says.

    ``spacing_s`` is the time between the first samples of two sweeps; ``unit`` and ``label`` are those of the channel.
    """

    study: Study
    content: bytes
    ending: str
    label: str
    unit: str
    spacing_s: int


def encoded_parts(visit: Visit, *, keep_identifiers: bool = False) -> Iterator[EncodedPart]:
    """Yield the files of a visit, study by study; see ``export_visit``."""
    for study in visit.studies:
        if not study.traces:
            name = " ".join(str(word) for word in (study.side, study.nerve, study.technique) if word)
            warnings.warn(f"{name or 'study'}: no waveforms, not written", NcsWarning, stacklevel=3)
        for part in _parts(study):
            encode = encode_continuous if is_continuous(part) else encode_edf
            size = sample_bytes_of(part)
            content = encode(
                part, subject=visit.subject, date=visit.date, covariates=visit.covariates,
                keep_identifiers=keep_identifiers, sample_bytes=size,
            )  # fmt: skip
            unit = choose_scale(part, size).unit
            yield EncodedPart(part, content, ".edf" if size == 2 else ".bdf", _label(part), unit, _spacing_s(part))


def _parts(study: Study) -> Iterator[Study]:
    """Yield the traces of a study that fit into one file each, in order."""
    groups: dict[tuple[object, ...], list[Trace]] = {}
    for at, trace in enumerate(study.traces):
        alone = at if trace.stimulus_ms is None else None  # nothing would tell two such traces of one file apart
        key = (trace.sampling_rate_hz, trace.n_samples, trace.filters, trace.channel, trace.calibration, alone)
        groups.setdefault(key, []).append(trace)
    for traces in groups.values():
        yield replace(study, traces=tuple(traces))


def _spacing_s(study: Study) -> int:
    """Return the seconds between the first samples of two sweeps: the file does not know when they were recorded."""
    first = study.traces[0]
    return max(_SPACING_S, math.ceil(first.n_samples / first.sampling_rate_hz) + 1)


def _stem(visit: Visit, study: Study) -> str:
    words = (visit.subject.id, visit.date, study.side, study.nerve, study.technique, study.recording_site)
    return "_".join(_UNSAFE.sub("-", str(word)).strip("-.") for word in words if word) or "recording"


def encode_edf(
    study: Study,
    *,
    subject: Subject | None = None,
    date: dt.date | None = None,
    covariates: Mapping[str, float | str] | None = None,
    keep_identifiers: bool = False,
    sample_bytes: int = 2,
) -> bytes:
    """Return a study as the bytes of an EDF+D file.

    Sweeps become data records in the order of the traces. Stored numbers keep the digital range of the recording where
    all traces share one (then reading gives back the same numbers); else they use the whole range around 0, as far as
    the largest sample. The origin of fields has no place in EDF+, and a trace without a name for its stimulus gets one.

    Parameters
    ----------
    study
        All traces must have the same sampling rate and number of samples, and finite samples.
    subject, date
        Who was examined, and when; without a date the header says ``Startdate X`` and 01.01.85.
    covariates
        Of the visit; written as notes.
    keep_identifiers
        Whether name and date of birth are written.
    sample_bytes
        2 for EDF, 3 for BDF; see ``sample_bytes_of``.

    Raises
    ------
    InvalidInputError
        Naming everything that one EDF file cannot hold.
    """
    subject = Subject() if subject is None else subject
    _check(study, subject, date)
    first = study.traces[0]
    form = _Form(sample_bytes, "D", choose_scale(study, sample_bytes), first.n_samples)
    spacing = _spacing_s(study)
    written = _written(study)
    bodies: list[bytes] = []
    notes: list[bytes] = []
    for trace, label in zip(study.traces, stimulus_labels(study), strict=True):
        stored = form.scale.digital(trace.samples_uv)
        for sweep in range(trace.n_sweeps):
            onset = Decimal(len(bodies) * spacing)
            texts = describe_sweep(study, trace, sweep, label, written)
            if not bodies:
                texts = [*texts, study_note(study, covariates or {})]
            bodies.append(form.encode(stored[sweep]))
            notes.append(encode_annotations(onset, trace, sweep, label, texts))
    return _assemble(study, _Who(subject, date, keep_identifiers), form, bodies, notes)


def encode_continuous(
    study: Study,
    *,
    subject: Subject | None = None,
    date: dt.date | None = None,
    covariates: Mapping[str, float | str] | None = None,
    keep_identifiers: bool = False,
    sample_bytes: int = 2,
) -> bytes:
    """Return a recording without stimuli (see ``is_continuous``) as the bytes of an EDF+C file.

    Parameters and errors are those of ``encode_edf``. Data records are about a second long where the number of samples
    has such a divisor, so that no sample is added; else there is one record.
    """
    subject = Subject() if subject is None else subject
    _check(study, subject, date)
    if not is_continuous(study):
        raise InvalidInputError("study: expected one sweep without a stimulus, found others")
    trace = study.traces[0]
    length = _record_length(trace.n_samples, trace.sampling_rate_hz)
    form = _Form(sample_bytes, "C", choose_scale(study, sample_bytes), length)
    stored = form.scale.digital(trace.samples_uv)[0]
    seconds = Decimal(_encode_duration(length, trace.sampling_rate_hz))
    texts = [*describe_sweep(study, trace, 0, "", _written(study)), study_note(study, covariates or {})]
    bodies = [form.encode(stored[start : start + length]) for start in range(0, len(stored), length)]
    onsets = [seconds * number for number in range(len(bodies))]
    notes = [encode_annotations(onset, trace, 0, "", [] if number else texts) for number, onset in enumerate(onsets)]
    return _assemble(study, _Who(subject, date, keep_identifiers), form, bodies, notes)


def is_continuous(study: Study) -> bool:
    """Return whether a study is one stretch of recording in which no stimulus is known."""
    (first, *others) = study.traces or (None,)
    return first is not None and not others and first.n_sweeps == 1 and first.stimulus_ms is None


def sample_bytes_of(study: Study) -> int:
    """Return 3 where the recording's own numbers have more than 16 bits and need BDF, else 2."""
    return 3 if own_scale(study, 2) is None and own_scale(study, 3) is not None else 2


def _record_length(n_samples: int, rate_hz: float) -> int:
    """Return how many samples a record of a continuous file has; they divide the whole without a rest."""
    if n_samples <= min(rate_hz, _RECORD_SAMPLES):
        return n_samples
    wanted = min(rate_hz, _RECORD_SAMPLES)
    divisors = [length for length in range(max(1, int(wanted / 20)), _RECORD_SAMPLES + 1) if n_samples % length == 0]
    for length in sorted(divisors, key=lambda length: abs(math.log(length / wanted))):
        if Decimal(_encode_duration(length, rate_hz)) == Decimal(length) / Decimal(repr(rate_hz)):
            return length
    return n_samples


class _Who(NamedTuple):
    """Whom a header names, and when."""

    subject: Subject
    date: dt.date | None
    keep_identifiers: bool


class _Form(NamedTuple):
    """Shape of a file: bytes of a sample, ``C`` or ``D``, how samples become numbers, samples of a record."""

    sample_bytes: int
    continuity: str
    scale: Scale
    record_samples: int

    def encode(self, digital: NDArray[np.float64]) -> bytes:
        if self.sample_bytes == 2:
            return digital.astype("<i2").tobytes()
        octets: NDArray[np.uint8] = digital.astype("<i4").view(np.uint8).reshape(-1, 4)
        return octets[:, :3].tobytes()


def _assemble(study: Study, who: _Who, form: _Form, bodies: Sequence[bytes], notes: Sequence[bytes]) -> bytes:
    size = max(60, -(-max(map(len, notes)) // form.sample_bytes))
    if size > 10**WIDTH - 1:
        raise InvalidInputError("notes: the texts of one sweep are too long for EDF")
    header = _encode_header(study, who, form, records=len(bodies), size=size)
    width = size * form.sample_bytes
    return header + b"".join(body + note.ljust(width, b"\0") for body, note in zip(bodies, notes, strict=True))


def _written(study: Study) -> Written:
    return Written(_label(study), _prefilter(study.traces[0].filters))


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


def _encode_duration(samples: int, rate_hz: float) -> str:
    """Return the duration of a record as text of which the reader gets the same rate, or one that differs by 2e-6."""
    exact = Decimal(samples) / Decimal(repr(rate_hz))
    text = format(exact.normalize(), "f")
    candidates = [text, text.removeprefix("0")]
    if max(map(len, candidates)) > WIDTH:
        candidates += [f"{exact:.{digits}f}".removeprefix("0") for digits in range(7, -1, -1)]
    for candidate in candidates:
        if 0 < len(candidate) <= WIDTH and Decimal(candidate) > 0:
            error = abs(samples / float(candidate) / rate_hz - 1)
            if error <= _RATE_ERROR:
                return candidate
    raise InvalidInputError(f"sampling_rate_hz: {samples} samples at {rate_hz:g} Hz have no duration of 8 characters")


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


def _encode_header(study: Study, who: _Who, form: _Form, *, records: int, size: int) -> bytes:
    date = who.date
    if date is None:
        short = _NO_DATE
    else:
        short = date.strftime("%d.%m.%y") if _EARLIEST <= date <= _LATEST else date.strftime("%d.%m.yy")
    kind = "EDF" if form.sample_bytes == 2 else "BDF"
    version = b"0".ljust(8) if kind == "EDF" else b"\xffBIOSEMI"
    patient = _patient_field(who.subject, keep_identifiers=who.keep_identifiers)
    duration = _encode_duration(form.record_samples, study.traces[0].sampling_rate_hz)
    fields = [(patient, 80), (_recording_field(study, date), 80), (short, 8), ("00.00.00", 8), ("768", 8),
              (f"{kind}+{form.continuity}", 44), (str(records), 8), (duration, 8), ("2", 4)]  # fmt: skip
    scale, limit = form.scale, LARGEST_DIGITAL[form.sample_bytes]
    columns = (
        (16, _label(study), f"{kind} Annotations"), (80, "", ""), (8, scale.unit, ""), (8, scale.physical_min, "-1"),
        (8, scale.physical_max, "1"), (8, str(scale.digital_min), str(-limit - 1)),
        (8, str(scale.digital_max), str(limit)), (80, _prefilter(study.traces[0].filters), ""),
        (8, str(form.record_samples), str(size)), (32, "", ""),
    )  # fmt: skip
    fields += [(text, width) for width, *texts in columns for text in texts]
    return version + b"".join([text.encode("ascii").ljust(width) for text, width in fields])


def _recording_field(study: Study, date: dt.date | None) -> str:
    """Return Startdate, three unknown subfields and the study in words the reader knows, as far as they are ASCII."""
    words = [_CODES.get(study.technique, "NC") if study.technique is not None else "NC"]
    if study.side is not None:
        words.append(_LETTERS[study.side])
    if study.nerve and study.nerve.isascii() and read_study_words(study.nerve).nerve == study.nerve:
        words += [*(word.capitalize() for word in study.nerve.split()), "Nerve"]
    if study.direction is not None:
        words.append(study.direction.value)
    return f"Startdate {'X' if date is None else format_date(date)} X X X {'_'.join(words)}"[:80]


def _label(study: Study) -> str:
    """Return the channel's own label where it fits and contradicts nothing, else side and recording site."""
    channels = {trace.channel for trace in study.traces}
    own = channels.pop() if len(channels) == 1 else ""
    made = f"{_LETTERS[study.side]} " if study.side is not None and study.recording_site else ""
    made = (made + (study.recording_site or "")).encode("ascii", "replace").decode()[:16].strip()
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
