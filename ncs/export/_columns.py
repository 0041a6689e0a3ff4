"""What every column of an export means: the one table behind the data dictionary and the types of all files.

A column that a store's table gains needs a row here; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["COVARIATES", "KEYS", "LONG", "MARKS", "TABLES", "VISITS", "Column", "Kind"]


class Kind(StrEnum):
    """Type of a column's cells."""

    TEXT = "text"
    DATE = "date"
    TIME = "time"
    FLOAT = "float"
    INTEGER = "integer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a file.

    Parameters
    ----------
    unit
        Unit of a number; ``"1"`` for a ratio, empty for what has none.
    absent
        What an empty cell means; empty where no cell is empty for want of a value.
    definition
        What stands in the column, in a sentence.
    source
        Where the definition comes from.
    """

    name: str
    kind: Kind
    definition: str
    unit: str = ""
    absent: str = ""
    source: str = "ncs"


def _text(name: str, definition: str, absent: str = "") -> Column:
    return Column(name=name, kind=Kind.TEXT, definition=definition, absent=absent)


def _number(name: str, unit: str, definition: str, absent: str = "not stated") -> Column:
    return Column(name=name, kind=Kind.FLOAT, unit=unit, definition=definition, absent=absent)


def _count(name: str, definition: str, absent: str = "") -> Column:
    return Column(name=name, kind=Kind.INTEGER, definition=definition, absent=absent)


_SUBJECT = _text("subject", "Code of the subject.")
_DATE = Column(name="date", kind=Kind.DATE, definition="Date of the visit.")
_STUDY = (
    _text("nerve", "Nerve that was studied.", "not stated"),
    _text("side", "Side of the body: left or right.", "not stated"),
    _text("technique", "What kind of study was done, for example motor or sensory.", "not stated"),
    _text("recording_site", "Where the active electrode recorded.", "not stated"),
)
_FILE = (
    _text(
        "source",
        "Name of the file; of all, separated by '; ', where several were joined.",
        "made without a file",
    ),
    _text("sha256", "SHA-256 of that file's content; of several in the same order.", "made without a file"),
    _text("version", "Version of ncs that analysed it."),
)
_RUN = _count("run", "Number of the analysis in the store; rows with the same number come from one analysis.")
_TEMPERATURE = _number("skin_temperature_c", "degC", "Skin temperature during the study.")

LONG = (
    _SUBJECT,
    _DATE,
    *_STUDY,
    _text("site", "Stimulation site, of a quantity that belongs to one.", "the quantity belongs to no single site"),
    _text("segment", "Stretch of nerve, distal end first.", "the quantity belongs to no segment"),
    _text("quantity", "What was measured; defined under 'values of quantity'."),
    _number("value", "as in column unit", "The value, at full precision.", "there is none; column reason says why"),
    _number(
        "sd", "as in column unit",
        "Standard deviation of the value as far as it follows from the noise of the recording.", "not known",
    ),
    _text("unit", "Unit of value and sd; 1 for a ratio."),
    _text("reason", "Why there is no value; defined under 'values of reason'.", "there is a value"),
    _text("method", "How the value was made: onset method, what was averaged, thresholds."),
    _number(
        "distance_mm", "mm",
        "Of a site: from the cathode to the active electrode. Of a segment: its length.",
    ),
    _TEMPERATURE,
    _text("flags", "Remarks, separated by semicolons; empty where there are none."),
    *_FILE,
    _RUN,
)  # fmt: skip
"""Columns of ``Store.measurements``."""

KEYS = (
    _SUBJECT,
    _DATE,
    *_STUDY,
    _count(
        "recording",
        "Counts the recordings of this nerve, side, technique and recording site at this visit, from 1; they are "
        "neither averaged nor chosen from.",
    ),
    _TEMPERATURE,
    *_FILE,
    _RUN,
)
"""Columns of the wide table before its quantities."""

_MARK_TEXTS = {
    "onset_ms": "Onset of the response (2 % of its negative peak).",
    "onset_sd_ms": "Standard deviation of onset_ms.",
    "peak_ms": "Time of the (largest) negative peak.",
    "peak_sd_ms": "Standard deviation of peak_ms.",
    "peak_uv": "Height of the negative peak above the baseline, negative up: of a CMAP a positive number.",
    "peak_sd_uv": "Standard deviation of peak_uv.",
    "end_ms": "First return to baseline after the negative peak.",
    "last_end_ms": "Return to baseline of the last negative peak that exceeds peak_threshold_uv.",
    "trough_ms": "Time of the positive peak that follows.",
    "trough_uv": "Height of the positive peak that follows, negative up: a negative number.",
    "area_uv_ms": "Area from onset_ms to end_ms.",
    "area_sd_uv_ms": "Standard deviation of area_uv_ms.",
    "peak_to_peak_uv": "From the negative peak to the positive peak that follows.",
    "peak_to_peak_sd_uv": "Standard deviation of peak_to_peak_uv.",
    "duration_ms": "From onset_ms to end_ms.",
    "duration_sd_ms": "Standard deviation of duration_ms and of total_duration_ms.",
    "total_duration_ms": "From onset_ms to last_end_ms.",
    "peak_threshold_uv": "Voltage below which a later negative peak is not counted.",
    "baseline_uv": "Baseline before subtraction, negative up.",
    "noise_uv": "Standard deviation of the noise.",
}


def _unit_of(name: str) -> str:
    for ending, unit in (("_uv_ms", "uV.ms"), ("_ms", "ms"), ("_uv", "uV")):
        if name.endswith(ending):
            return unit
    raise ValueError(f"{name}: expected a name that ends in a unit")


MARKS = (
    _SUBJECT,
    _DATE,
    *_STUDY,
    _text("site", "Stimulation site of the trace.", "not stated"),
    _text("response", "Which response of the trace was marked, for example cmap, snap or f_wave."),
    _text("kind", "sweep: marks of one sweep; measured: the marks that the measurements rest on."),
    _count("sweep", "Number of the sweep in its trace, from 0.", "the row is of kind measured"),
    *(
        _number(name, _unit_of(name), words, "there is none; outcome may say why")
        for name, words in _MARK_TEXTS.items()
    ),
    _text(
        "outcome", "What became of the sweep: found, no_response, clipped, at_window_edge, too_noisy, invalid_input."
    ),
    _text("flags", "Remarks, separated by semicolons; empty where there are none."),
    *_FILE,
    _RUN,
    _count("study_index", "Number of the study in its recording, from 0."),
    _count("trace_index", "Number of the trace (stimulation site) in its study, from 0."),
)
"""Columns of ``Store.marks``; times are milliseconds after the stimulus."""

VISITS = (
    _SUBJECT,
    _DATE,
    _text("sex", "Sex as the files state it: F or M.", "not stated, or stated differently"),
    _count("files", "Number of files of the visit."),
    _text("nerves", "Nerves that were studied, separated by commas."),
    _count("measurements", "Number of measurements, those without a value included."),
    _text("version", "Versions of ncs that analysed the files, separated by commas."),
    Column(
        name="analysed_utc", kind=Kind.TIME, absent="no recording",
        definition="When the last of the files was analysed, in coordinated universal time.",
    ),
)  # fmt: skip
"""Columns of ``Store.visits``."""

COVARIATES = (
    _SUBJECT,
    _DATE,
    _text("name", "Name of the covariate."),
    _number("number", "as in column unit", "The value, where it is a number.", "the value is a text"),
    _text("text", "The value, where it is a text; also one below or above what is detected, such as <15.",
          "the value is a number"),
    _text("source", "Where the value was stated."),
    Column(name="created_utc", kind=Kind.TIME, definition="When it was stored, in coordinated universal time."),
    _text("unit", "Unit of number and upper_limit.", "not stated"),
    _number("upper_limit", "as in column unit", "Upper limit of normal that was stated with the value."),
    Column(
        name="stated_date", kind=Kind.DATE, absent="that of the visit",
        definition="The date that the value itself carries.",
    ),
)  # fmt: skip
"""Columns of ``Store.covariates``."""

TABLES = MappingProxyType({"long": LONG, "wide": KEYS, "marks": MARKS, "covariates": COVARIATES, "visits": VISITS})
"""Columns of every table but the dictionary; those of ``wide`` are followed by its quantities."""
