"""Writer of a BIDS data set with EMG recordings: EDF files with their tables, and the results as a derivative.

Nothing here names a person: names, dates of birth and free comments stay out, and the days of each subject are moved so
that the first visit is on 1 January 1900, which keeps the intervals between visits.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncs import __version__
from ncs.errors import InvalidInputError
from ncs.io._anonymous import REFERENCE_ELECTRODE, without_identity
from ncs.io._bids import ABSENT
from ncs.io._bids_columns import EVENT_COLUMNS, STUDY_FIELDS, TRACE_FIELDS, Column, dictionary
from ncs.io.edf_write import encoded_parts, is_continuous
from ncs.model import Study, Technique, Trace, Visit

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from ncs.io.edf_write import EncodedPart
    from ncs.results import VisitResult

__all__ = ["write_dataset"]

BIDS_VERSION = "1.11.1"
_FIRST_DAY = dt.date(1900, 1, 1)
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]+")
_EMG = "Bioelectric response to electrical stimulation of a nerve"


def write_dataset(
    visits: Iterable[Visit | Sequence[VisitResult]],
    folder: str | os.PathLike[str],
    *,
    name: str = "Nerve conduction studies",
    keep_dates: bool = False,
    power_line_hz: float | None = None,
) -> tuple[Path, ...]:
    """Write visits as a BIDS data set, one after the other, so that not all of them have to be in memory.

    Parameters
    ----------
    visits
        Of each visit the visit itself or, for the results as well, the results of all its files.
    folder
        Made if it does not exist. Files of the same names are replaced.
    name
        Of the data set.
    keep_dates
        Whether the true days of the visits are written. Without it the first visit of a subject that comes is on
        1 January 1900, and the others as many days after it as they were; BIDS takes days before 1925 for moved ones.
    power_line_hz
        Mains frequency where the recordings were made; BIDS wants it stated, and it is ``n/a`` where it is not known.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    InvalidInputError
        When EDF cannot hold a study, two subjects would get the same label, or there is no visit. What was written of
        other visits stays.
    OSError
        When a file cannot be written.
    """
    dataset = _DataSet(Path(folder), keep_dates=keep_dates, power_line_hz=power_line_hz)
    for item in visits:
        dataset.add(item)
    if not dataset.subjects:
        raise InvalidInputError("visits: expected at least one, found none")
    dataset.finish(name)
    return tuple(dataset.paths)


@dataclass(slots=True, kw_only=True)
class _Person:
    """A subject of the data set: who it is, its first day, and a row for each of its sessions."""

    id: str | None
    sex: str | None
    first_day: dt.date | None = None
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class _DataSet:
    root: Path
    keep_dates: bool
    power_line_hz: float | None
    subjects: dict[str, _Person] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)
    has_results: bool = False
    taken: Counter[str] = field(default_factory=Counter)

    def add(self, item: Visit | Sequence[VisitResult]) -> None:
        """Write one visit."""
        visit, results = _visit_and_results(item)
        label, person = self._person(visit)
        day = self._day(person, visit.date)
        session = day.strftime("%Y%m%d") if day is not None else "undated"
        person.sessions.setdefault(session, {})["acq_time"] = None if day is None else f"{day.isoformat()}T00:00:00"
        person.sessions[session].update(visit.covariates)
        anonymous = without_identity(visit, label, day if self.keep_dates else None)
        try:
            parts = list(encoded_parts(anonymous))
        except InvalidInputError as error:
            raise InvalidInputError(f"{visit.subject}, {visit.date}: {error}") from error
        start = f"sub-{label}_ses-{session}"
        place = Path(f"sub-{label}") / f"ses-{session}" / "emg"
        for part in parts:
            self._write_part(part, place, start)
        if results:
            self._write_results(results, Path("derivatives") / "ncs" / place, start)

    def _person(self, visit: Visit) -> tuple[str, _Person]:
        label = _NOT_ALPHANUMERIC.sub("", visit.subject.id or "") or "unknown"
        person = self.subjects.setdefault(label, _Person(id=visit.subject.id, sex=visit.subject.sex))
        if person.id != visit.subject.id:
            raise InvalidInputError(
                f"subject: {person.id!r} and {visit.subject.id!r} would both be sub-{label}, because BIDS allows "
                "letters and digits only; rename one of them"
            )
        person.sex = person.sex or visit.subject.sex
        return label, person

    def _day(self, person: _Person, date: dt.date | None) -> dt.date | None:
        if date is None or self.keep_dates:
            return date
        person.first_day = person.first_day or date
        return _FIRST_DAY + (date - person.first_day)

    def _write_part(self, part: EncodedPart, place: Path, start: str) -> None:
        study = part.study
        task = _word(study.technique or "nerve conduction")
        words = (study.side, study.nerve, study.recording_site)
        acquisition = _NOT_ALPHANUMERIC.sub("", "".join(_capital(str(word)) for word in words if word))
        stem = f"{start}_task-{task}" + (f"_acq-{acquisition}" if acquisition else "")
        self.taken[stem] += 1
        if self.taken[stem] > 1:
            stem = f"{stem}_run-{self.taken[stem]}"
        self._write(place / f"{stem}_emg{part.ending}", part.content)
        self._write_json(place / f"{stem}_emg.json", _metadata(part, task, self.power_line_hz))
        self._write_table(place / f"{stem}_channels.tsv", [_channel(part)])
        events = _events(part)
        if events:
            self._write_table(place / f"{stem}_events.tsv", events)
            self._write_json(place / f"{stem}_events.json", dictionary(EVENT_COLUMNS))

    def _write_results(self, results: Sequence[VisitResult], place: Path, start: str) -> None:
        self.has_results = True
        measurements = [_measurement(m) for result in results for m in result.measurements]
        marks = [row for number, result in enumerate(results) for row in _marks(result, number)]
        versions = sorted({result.version for result in results})
        about = {
            "GeneratedBy": [{"Name": "ncs", "Version": version} for version in versions],
            "Parameters": [result.parameters for result in results],
        }
        for what, rows, columns in (
            ("measurements", measurements, _MEASUREMENT_COLUMNS),
            ("marks", marks, _MARK_COLUMNS),
        ):
            if rows:
                self._write_table(place / f"{start}_desc-ncs_{what}.tsv", rows)
                self._write_json(place / f"{start}_desc-ncs_{what}.json", {**about, **dictionary(columns)})

    def finish(self, name: str) -> None:
        """Write what holds for the whole data set."""
        made_by = [{"Name": "ncs", "Version": __version__}]
        about = {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": "raw", "GeneratedBy": made_by}
        self._write_json(Path("dataset_description.json"), about)
        self._write(Path("README.md"), _readme(name, keep_dates=self.keep_dates).encode())
        people = sorted(self.subjects.items())
        rows = [{"participant_id": f"sub-{label}", "sex": person.sex} for label, person in people]
        self._write_table(Path("participants.tsv"), rows)
        self._write_json(Path("participants.json"), dictionary(_PARTICIPANT_COLUMNS))
        for label, person in people:
            names = sorted({name for row in person.sessions.values() for name in row} - {"acq_time"})
            sessions = [
                {"session_id": f"ses-{session}", "acq_time": row["acq_time"], **{name: row.get(name) for name in names}}
                for session, row in sorted(person.sessions.items())
            ]
            stem = Path(f"sub-{label}") / f"sub-{label}_sessions"
            self._write_table(stem.with_suffix(".tsv"), sessions)
            columns = tuple(Column(name, "Measured at the visit; see the laboratory's notes.") for name in names)
            self._write_json(stem.with_suffix(".json"), dictionary((*_SESSION_COLUMNS, *columns)))
        if self.has_results:
            derived = {**about, "Name": f"{name}: marks and measurements", "DatasetType": "derivative"}
            derived["SourceDatasets"] = [{"URL": "../.."}]
            self._write_json(Path("derivatives") / "ncs" / "dataset_description.json", derived)

    def _write(self, path: Path, content: bytes) -> None:
        whole = self.root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(content)
        self.paths.append(whole)

    def _write_json(self, path: Path, content: Mapping[str, Any]) -> None:
        self._write(path, (json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n").encode())

    def _write_table(self, path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
        names = list(rows[0])
        lines = ["\t".join(names), *("\t".join(_cell(row[name]) for name in names) for row in rows)]
        self._write(path, ("\n".join(lines) + "\n").encode())


_PARTICIPANT_COLUMNS = (
    Column("participant_id", "Label of the participant."),
    Column("sex", "Sex as stated in the recordings.", levels=("F", "M")),
)
_SESSION_COLUMNS = (
    Column("session_id", "Label of the session: the day of the visit."),
    Column(
        "acq_time", "Day of the visit; a day before 1925 was moved, by the same time for all sessions of a subject."
    ),
)
_STUDY_COLUMNS = tuple(column for column in STUDY_FIELDS if column.name not in {"direction", "temperature_site"})
_MEASUREMENT_COLUMNS = (
    Column("quantity", "What was measured; a name that ncs keeps for ever."),
    Column("value", "The number in the unit of the row; n/a where there is none, and reason says why."),
    Column("sd", "Standard deviation of the number, as far as it follows from the noise of the recording."),
    Column("unit", "Unit of value and sd; 1 for a ratio."),
    Column("reason", "Why there is no number."),
    Column("site", "Stimulation site."),
    Column("segment", "Stretch of nerve, from its distal to its proximal end."),
    *_STUDY_COLUMNS,
    Column("distance_mm", "Length that the number rests on.", "mm"),
    Column("method", "How the number was made."),
    Column("flags", "Remarks on the response, separated by semicolons."),
)
_MARK_COLUMNS = (
    *_STUDY_COLUMNS,
    Column("site", "Stimulation site."),
    Column("response", "Kind of response that was looked for."),
    Column("result", "Which of the results of the visit, from 0."),
    Column("trace", "Which trace of the study, from 0, distal first."),
    Column("sweep", "Which sweep of the trace, from 0; n/a for the average that the measurements rest on."),
    Column("onset_ms", "Onset of the response after the stimulus.", "ms"),
    Column("onset_sd_ms", "Standard deviation of the onset.", "ms"),
    Column("peak_ms", "Negative peak after the stimulus.", "ms"),
    Column("peak_uv", "Size of the negative peak above the baseline, negative upwards.", "uV"),
    Column("end_ms", "Return to the baseline after the stimulus.", "ms"),
    Column("trough_ms", "Positive peak after the negative one, after the stimulus.", "ms"),
    Column("trough_uv", "Size of the positive peak, negative upwards.", "uV"),
    Column("area_uv_ms", "Area of the negative phase.", "uV ms"),
    Column("noise_uv", "Noise of the recording.", "uV"),
    Column("outcome", "Number of the outcome; 0 is a response that was marked."),
)
_ARRAYS = [column.name for column in _MARK_COLUMNS if column.name.endswith(("_ms", "_uv"))]


def _visit_and_results(item: Visit | Sequence[VisitResult]) -> tuple[Visit, Sequence[VisitResult]]:
    if isinstance(item, Visit):
        return item, ()
    from ncs.io.merging import merge

    return merge([result.visit for result in item]), item


def _capital(text: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text))


def _word(text: str) -> str:
    """Return words as one, in the style of BIDS: ``repetitiveStimulation``."""
    made = _capital(str(text))
    return made[:1].lower() + made[1:]


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ABSENT
    text = repr(float(value)) if isinstance(value, float) else str(value)
    return " ".join(text.split()) or ABSENT


def _metadata(part: EncodedPart, task: str, power_line_hz: float | None) -> dict[str, Any]:
    study, first = part.study, part.study.traces[0]
    place = study.recording_site
    named = f"{place} (as the laboratory calls it)" if place else "a place that is not stated"
    reference = next(
        (n.removeprefix(REFERENCE_ELECTRODE) for n in first.notes if n.startswith(REFERENCE_ELECTRODE)), None
    )
    filters = first.filters
    stated = {
        "HighpassFilter": filters.low_cut_hz,
        "LowpassFilter": filters.high_cut_hz,
        "NotchFilter": filters.notch_hz,
    }
    hardware = {name: {"CutoffFrequency": value} for name, value in stated.items() if value is not None}
    seconds = first.n_samples / first.sampling_rate_hz
    is_whole = is_continuous(study)
    sweeps = sum(trace.n_sweeps for trace in study.traces)
    described: dict[str, Any] = {
        "TaskName": task,
        "TaskDescription": f"{_EMG}: {study.technique or 'technique not stated'}".replace("_", " "),
        "EMGPlacementScheme": "Other",
        "EMGPlacementSchemeDescription": f"Active electrode at {named}; nothing else was recorded about its placement.",
        "EMGReference": reference or ABSENT,
        "EMGChannelCount": 1,
        "SamplingFrequency": first.sampling_rate_hz,
        "PowerLineFrequency": power_line_hz if power_line_hz is not None else ABSENT,
        "RecordingType": "continuous" if is_whole else "epoched",
        "RecordingDuration": seconds if is_whole else (sweeps - 1) * part.spacing_s + seconds,
        "HardwareFilters": hardware or ABSENT,
        "SoftwareFilters": ABSENT,
    }
    return described if is_whole else {**described, "EpochLength": seconds}


def _channel(part: EncodedPart) -> dict[str, Any]:
    study, filters = part.study, part.study.traces[0].filters
    return {
        "name": part.label or "response", "type": "EMG", "units": part.unit, "description": _EMG,
        "sampling_frequency": study.traces[0].sampling_rate_hz,
        "target_muscle": study.recording_site if study.technique is not Technique.SENSORY else None,
        "low_cutoff": filters.low_cut_hz, "high_cutoff": filters.high_cut_hz, "notch": filters.notch_hz,
    }  # fmt: skip


def _events(part: EncodedPart) -> list[dict[str, Any]]:
    """Return a row for each stimulus, in the order of time."""
    from ncs.io._written_notes import stimulus_labels

    study = part.study
    rows = []
    number = 0
    for trace, label in zip(study.traces, stimulus_labels(study), strict=True):
        for sweep in range(trace.n_sweeps):
            start = float(number * part.spacing_s)
            number += 1
            if trace.stimulus_ms is not None and math.isfinite(trace.stimulus_ms[sweep]):
                rows.append(_event(study, trace, sweep, trace.stimulus.label or label, start))
    return sorted(rows, key=lambda row: float(row["onset"]))


def _event(study: Study, trace: Trace, sweep: int, label: str, start: float) -> dict[str, Any]:
    assert trace.stimulus_ms is not None  # the caller has asked
    stimulus = trace.stimulus
    values: dict[str, Any] = {column.name: getattr(study, column.name) for column in STUDY_FIELDS}
    for column in TRACE_FIELDS:
        values[column.name] = (
            stimulus.duration_ms if column.name == "pulse_duration_ms" else getattr(trace, column.name)
        )
    for name in ("intensity_ma", "intensity_v"):
        stated = getattr(stimulus, name)
        values[name] = None if stated is None else float(stated[sweep])
    event = {
        "onset": round(start + float(trace.stimulus_ms[sweep]) / 1000, 12),
        "duration": None if stimulus.duration_ms is None else stimulus.duration_ms / 1000,
        "trial_type": "stimulus", "stimulus_label": label, "sweep_onset": start,
    }  # fmt: skip
    return {column.name: {**values, **event}[column.name] for column in EVENT_COLUMNS}


def _measurement(m: Any) -> dict[str, Any]:
    row = {column.name: getattr(m, column.name) for column in _MEASUREMENT_COLUMNS}
    return {**row, "flags": ";".join(m.flags)}


def _marks(result: VisitResult, number: int) -> Iterable[dict[str, Any]]:
    for entry in result.marks:
        study = result.visit.studies[entry.study_index]
        what = {column.name: getattr(study, column.name) for column in _STUDY_COLUMNS}
        where = {
            "site": study.traces[entry.trace_index].stimulation_site, "response": getattr(entry, "response", None),
            "result": number, "trace": entry.trace_index,
        }  # fmt: skip
        known = {each.name for each in fields(entry.sweeps)}
        for marks, is_average in ((entry.sweeps, False), (entry.measured, True)):
            for sweep in range(len(marks)):
                values = {name: float(getattr(marks, name)[sweep]) if name in known else None for name in _ARRAYS}
                outcome = int(marks.outcome[sweep])
                yield {**what, **where, "sweep": None if is_average else sweep, **values, "outcome": outcome}


def _readme(name: str, *, keep_dates: bool) -> str:
    days = (
        "The days are the true days of the visits."
        if keep_dates
        else "The days were moved: the first visit of every participant is on 1 January 1900, the others as many days\n"
        "later as they were."
    )
    return f"""# {name}

Nerve conduction studies, written by ncs {__version__}.

Every file in `emg/` holds one study, or a part of one: the responses of a nerve to electrical stimulation, one data
record of an EDF+D file for each response. `*_events.tsv` says where and how the nerve was stimulated; its columns are
explained in `*_events.json`. The same facts stand in the annotations of the EDF files. The samples have their true
sign: the negative peak of a response is negative.

{days} Names, dates of birth and comments were not written.

Marks and measurements, where they were written, are in `derivatives/ncs/`.
"""
