"""The nouns that an analysis produces: marks of traces, measurements, and the reasons for what is missing."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ncs.model import Side, SourceFile, Subject, Technique, Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ncs.detect.marks import Marks

__all__ = [
    "COLUMNS", "REPORTED_BY", "Measurement", "MeasurementDraft", "Reason", "TraceMarks", "VisitResult", "in_one_cell",
]  # fmt: skip


COLUMNS = (
    "subject", "date", "nerve", "side", "technique", "recording_site", "site", "segment", "quantity", "value", "sd",
    "unit", "reason", "method", "distance_mm", "skin_temperature_c", "flags", "source", "sha256", "version",
)  # fmt: skip
"""Columns of a long table of measurements, here and out of the store."""


REPORTED_BY = "reported by "
"""How the method of a measurement begins that ncs did not make, but found in a file without waveforms."""


class Reason(StrEnum):
    """Why a number is missing; ``sentence`` says it to a person."""

    NO_RESPONSE = "no_response"
    CLIPPED = "clipped"
    AT_WINDOW_EDGE = "at_window_edge"
    TOO_NOISY = "too_noisy"
    INVALID_SAMPLES = "invalid_samples"
    NO_STIMULUS_TIME = "no_stimulus_time"
    NO_DISTANCE = "no_distance"
    NO_DISTAL_DISTANCE = "no_distal_distance"
    IMPOSSIBLE_DISTANCE = "impossible_distance"
    NO_SITE = "no_site"
    ONE_SITE = "one_site"
    NO_SITE_ORDER = "no_site_order"
    SAME_DISTANCE = "same_distance"
    LATENCY_ORDER = "latency_order"
    NO_RETURN = "no_return_to_baseline"
    NO_POSITIVE_PEAK = "no_positive_peak"
    NO_TECHNIQUE = "no_technique"
    NO_SWEEP_TIMES = "no_sweep_times"
    TOO_FEW_RESPONSES = "too_few_responses"
    NO_FIRST_RESPONSE = "no_first_response"
    NO_TRAIN_AT_REST = "no_train_at_rest"
    NO_INTENSITY = "no_intensity"
    NO_PLATEAU = "no_plateau"
    NO_SILENT_STIMULUS = "no_silent_stimulus"
    NO_STEPS = "no_steps"
    NO_STIMULATED_SIDE = "no_stimulated_side"
    NO_TEMPERATURE = "no_temperature"
    IMPOSSIBLE_CORRECTION = "impossible_correction"
    SEVERAL_OF_A_SIDE = "several_of_a_side"
    DIFFERENT_DISTANCES = "different_distances"
    DIFFERENT_ONSETS = "different_onsets"
    ONE_RESPONSE = "one_response"
    NO_LIMB_LENGTH = "no_limb_length"
    NO_MOTOR_STUDY = "no_motor_study"
    NO_SIGMOID = "no_sigmoid"
    NOT_MARKED = "not_marked"

    @property
    def sentence(self) -> str:
        """The reason in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.NO_RESPONSE: "no response above the noise",
    Reason.CLIPPED: "the amplifier was saturated",
    Reason.AT_WINDOW_EDGE: "the response runs over the edge of the recorded window",
    Reason.TOO_NOISY: "too noisy to time the onset",
    Reason.INVALID_SAMPLES: "the samples are not usable (not a number, constant, or too few)",
    Reason.NO_STIMULUS_TIME: "the time of the stimulus is not stated",
    Reason.NO_DISTANCE: "the distance is not stated",
    Reason.NO_DISTAL_DISTANCE: "the distance of the distal site is not stated",
    Reason.IMPOSSIBLE_DISTANCE: "the stated distance is not above zero",
    Reason.NO_SITE: "the stimulation site is not stated",
    Reason.ONE_SITE: "only one stimulation site",
    Reason.NO_SITE_ORDER: "the order of the stimulation sites is not stated",
    Reason.SAME_DISTANCE: "both stimulation sites have the same distance",
    Reason.LATENCY_ORDER: "the proximal latency is not longer than the distal one",
    Reason.NO_RETURN: "the response does not return to baseline within the window",
    Reason.NO_POSITIVE_PEAK: "no positive peak follows within the window",
    Reason.NO_TECHNIQUE: "the technique is not stated",
    Reason.NO_SWEEP_TIMES: "nothing states when the sweeps were recorded",
    Reason.TOO_FEW_RESPONSES: "too few responses were recorded",
    Reason.NO_FIRST_RESPONSE: "the response it is compared with could not be measured",
    Reason.NO_TRAIN_AT_REST: "no train from before exercise was recorded from this site",
    Reason.NO_INTENSITY: "the current of the single stimuli is not stated",
    Reason.NO_PLATEAU: "the strongest stimuli do not reach a plateau",
    Reason.NO_SILENT_STIMULUS: "even the weakest stimulus gives a response, or none does",
    Reason.NO_STEPS: "no step stands out from the noise",
    Reason.NO_STIMULATED_SIDE: "the stimulated side or the side of the recording is not stated",
    Reason.NO_TEMPERATURE: "the skin temperature is not stated",
    Reason.IMPOSSIBLE_CORRECTION: "the correction for temperature leaves nothing of the value",
    Reason.SEVERAL_OF_A_SIDE: "one side was measured more than once",
    Reason.DIFFERENT_DISTANCES: "the distances on the two sides differ",
    Reason.DIFFERENT_ONSETS: "the onset of one side only is at the initial positive peak",
    Reason.ONE_RESPONSE: "only one response",
    Reason.NO_LIMB_LENGTH: "the length from the cathode to the spinal cord is not stated",
    Reason.NO_MOTOR_STUDY: "velocity and distal motor latency of the same nerve are not in this file",
    Reason.NO_SIGMOID: "no sigmoid is determined by these amplitudes",
    Reason.NOT_MARKED: "the person who moved marks here left none for this",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One number, or the reason why there is none.

    Parameters
    ----------
    quantity
        A name in ``ncs.quantities.QUANTITIES``.
    value, sd
        In ``unit``; ``value`` is ``None`` exactly when ``reason`` is given; ``sd`` is ``None`` where there is none.
    method
        How it was made: onset method, what was averaged, thresholds.
    site
        Stimulation site, for quantities of one site.
    segment
        ``"wrist-elbow"`` (distal first), for quantities of two sites; ``"finger II-wrist"`` style when one end is the
        recording electrode.
    study_index
        Index into ``VisitResult.visit.studies``.
    """

    quantity: str
    value: float | None
    unit: str
    sd: float | None = None
    reason: Reason | None = None
    method: str = ""
    nerve: str | None = None
    side: Side | None = None
    technique: Technique | None = None
    recording_site: str | None = None
    site: str | None = None
    segment: str | None = None
    distance_mm: float | None = None
    skin_temperature_c: float | None = None
    flags: tuple[str, ...] = ()
    study_index: int = 0

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"{self.quantity}: exactly one of value and reason must be given")


class MeasurementDraft:
    """A measurement whose fields are still being set; all of them have to be, none has a default.

    For where many are made: the frozen class takes eight times as long, because it sets every field through a call.
    """

    __slots__ = Measurement.__slots__

    def finished(self) -> Measurement:
        """Return this object as a measurement; Python lets it change its class, because the slots are the same."""
        made: Any = self
        made.__class__ = Measurement
        made.__post_init__()
        return made  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TraceMarks:
    """Marks of one trace.

    Parameters
    ----------
    study_index, trace_index
        Position in ``VisitResult.visit``.
    sweeps
        Marks of every sweep.
    measured
        Marks (of length one) that the measurements rest on: of the only sweep, or of the mean of the sweeps named in
        ``measured_sweeps``.
    measured_sweeps
        Indices of the sweeps that were averaged for ``measured``.
    response
        What was marked, a key of ``ncs.detect.RESPONSES``; a trace in which several responses are marked (M wave and H
        reflex) has one entry for each.
    """

    study_index: int
    trace_index: int
    response: str
    sweeps: Marks
    measured: Marks
    measured_sweeps: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisitResult:
    """Everything that came out of one file's part of a visit.

    Parameters
    ----------
    visit
        What was analysed.
    marks
        One entry per trace that has a stimulus time and a known technique.
    measurements
        In the order study, site, segment.
    parameters
        Every parameter that can change a number (the analysis fingerprint is made from it and the version).
    version
        Version of ncs.
    fingerprint
        SHA-256 over version of the detector, parameters, and the sidecar's and protocol's content.
    """

    visit: Visit
    marks: tuple[TraceMarks, ...]
    measurements: tuple[Measurement, ...]
    parameters: dict[str, Any]
    version: str
    fingerprint: str

    @property
    def subject(self) -> Subject:
        """The subject of the visit."""
        return self.visit.subject

    @property
    def date(self) -> dt.date | None:
        """The date of the visit."""
        return self.visit.date

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """The files the visit was read from."""
        return self.visit.sources

    def to_dataframe(self) -> pd.DataFrame:
        """Return the measurements as a long table, one row per measurement.

        Returns
        -------
        pandas.DataFrame
            Columns ``subject, date, nerve, side, technique, recording_site, site, segment, quantity, value, sd, unit,
            reason, method, distance_mm, skin_temperature_c, flags, source, sha256, version``. ``value`` and ``sd`` are
            NaN where absent, and ``reason`` then says why. Several files are joined by ``"; "``.
        """
        import pandas as pd

        return pd.DataFrame(self._columns())

    def _columns(self) -> dict[str, list[Any]]:
        fixed = {
            "subject": self.subject.id,
            "date": self.date.isoformat() if self.date is not None else None,
            "source": in_one_cell([source.name for source in self.sources]),
            "sha256": in_one_cell([source.sha256 for source in self.sources]),
            "version": self.version,
        }
        return {
            column: [fixed[column] if column in fixed else _cell(column, m) for m in self.measurements]
            for column in COLUMNS
        }


def in_one_cell(texts: Sequence[str]) -> str | None:
    """Return texts as one, ``None`` for none: the files of a result that rests on several, in the cell of a table."""
    return "; ".join(texts) or None


def _cell(column: str, measurement: Measurement) -> Any:
    value = getattr(measurement, column)
    if column in {"value", "sd", "distance_mm", "skin_temperature_c"}:
        return math.nan if value is None else value
    if column == "flags":
        return ";".join(value)
    return str(value) if value is not None else None
