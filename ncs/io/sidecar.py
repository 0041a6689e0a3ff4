"""The sidecar ``<stem>.ncs.json``: what a person states about a recording that the file itself does not say.

Every field is one attribute with its unit in the name and a docstring that becomes the published schema. A new field
goes here, into ``_complete.py`` (or the reader it concerns), and into docs/sidecar.md. Import this module lazily.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from ncs.errors import Problem, SidecarError
from ncs.io._array_settings import ArrayEntry, IntensityUnit, Positive, VoltageUnit
from ncs.io._settings import (
    DirectionText,
    LowerText,
    SettingsModel,
    SideText,
    SiteText,
    TechniqueText,
    Text,
    content_sha256,
    path_text,
    read_settings_bytes,
    validate,
    whole_number,
)
from ncs.io._stimulus_settings import StimuliEntry

if TYPE_CHECKING:
    import os
import re

__all__ = [
    "SIDECAR_VERSION",
    "ArrayEntry",
    "FilterSettings",
    "Layout",
    "SegmentEntry",
    "Select",
    "Sidecar",
    "StudyEntry",
    "TraceEntry",
    "content_sha256",
    "load_sidecar",
    "sidecar_schema",
]

SIDECAR_VERSION = 1
_MAX_NUMBERS = 100_000
_RANGE = re.compile(r"([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def _numbers(value: object) -> tuple[float, ...]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not values or not all(_is_number(item) for item in values):
        raise ValueError("a number, or a list with one number per sweep")
    try:
        return tuple(float(item) for item in values if isinstance(item, (int, float)))
    except OverflowError:
        raise ValueError("a number of ordinary size") from None


def _stimulus_times(value: object) -> tuple[float, ...] | str:
    if value == "time_zero":
        return "time_zero"
    try:
        return _numbers(value)
    except ValueError:
        raise ValueError('milliseconds after sample 0 (a number or a list), or "time_zero"') from None


def _column(value: object) -> int | str:
    if (isinstance(value, int) and not isinstance(value, bool) and value >= 1) or (
        isinstance(value, str) and value.strip()
    ):
        return value.strip() if isinstance(value, str) else value
    raise ValueError("the number of a column, from 1, or its name in the header")


def _counted(value: object) -> tuple[int, ...]:
    """Numbers from 1: a list of integers, or text such as ``"1-4, 7"``."""
    expected = 'numbers from 1, as a list or as text such as "1-4, 7"'
    if isinstance(value, str):
        numbers: list[int] = []
        for part in value.split(","):
            ends = _RANGE.fullmatch(part.strip())
            if ends is None:
                raise ValueError(expected)
            numbers.extend(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    elif isinstance(value, (list, tuple)) and all(isinstance(n, int) and not isinstance(n, bool) for n in value):
        numbers = list(value)
    else:
        raise ValueError(expected)
    if not numbers or min(numbers) < 1 or len(numbers) > _MAX_NUMBERS or len(set(numbers)) != len(numbers):
        raise ValueError(f"{expected}, each once")
    return tuple(numbers)


def _columns(value: object) -> tuple[int | str, ...]:
    if isinstance(value, str):
        return _counted(value)
    if isinstance(value, (list, tuple)) and value:
        return tuple(_column(item) for item in value)
    raise ValueError('a list of column names or numbers, or text such as "2-81"')


def _covariate(value: object) -> float | str:
    if _is_number(value) or (isinstance(value, str) and value.strip()):
        return value.strip() if isinstance(value, str) else _numbers(value)[0]
    raise ValueError("a number or text")


def _date(value: object) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else _no_date()
    except ValueError:
        return _no_date()


def _no_date() -> dt.date:
    raise ValueError("a date as YYYY-MM-DD")


_DELIMITER_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " "}


def _delimiter(value: object) -> object:
    return _DELIMITER_NAMES.get(value, value) if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


_NUMBERS_SCHEMA = {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}
_COUNTED_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer", "minimum": 1}}]}
_COLUMN_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minLength": 1}]}
_COLUMNS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": _COLUMN_SCHEMA}]}

Numbers = Annotated[tuple[float, ...], BeforeValidator(_numbers), WithJsonSchema(_NUMBERS_SCHEMA)]
StimulusTimes = Annotated[
    tuple[float, ...] | Literal["time_zero"],
    BeforeValidator(_stimulus_times),
    WithJsonSchema({"anyOf": [{"const": "time_zero"}, *_NUMBERS_SCHEMA["anyOf"]]}),
]
Column = Annotated[int | str, BeforeValidator(_column), WithJsonSchema(_COLUMN_SCHEMA)]
Columns = Annotated[tuple[int | str, ...], BeforeValidator(_columns), WithJsonSchema(_COLUMNS_SCHEMA)]
Counted = Annotated[tuple[int, ...], BeforeValidator(_counted), WithJsonSchema(_COUNTED_SCHEMA)]
Covariate = Annotated[
    float | str, BeforeValidator(_covariate), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})
]
Date = Annotated[
    dt.date,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "format": "date"}),
]
Sex = Annotated[Literal["F", "M"], BeforeValidator(_upper)]
Delimiter = Annotated[
    Literal[",", ";", "\t", " "],
    BeforeValidator(_delimiter),
    WithJsonSchema({"enum": [*_DELIMITER_NAMES, *_DELIMITER_NAMES.values()]}),
]
LineNumber = Annotated[int, Field(ge=1)]


class FilterSettings(SettingsModel):
    """Amplifier filters."""

    low_cut_hz: Annotated[float, Field(ge=0)] | None = None
    """Low-frequency (high-pass) filter, Hz."""
    high_cut_hz: Positive | None = None
    """High-frequency (low-pass) filter, Hz."""
    notch_hz: Positive | None = None
    """Notch filter, Hz."""

    @model_validator(mode="after")
    def _ordered(self) -> FilterSettings:
        if self.low_cut_hz is not None and self.high_cut_hz is not None and self.low_cut_hz >= self.high_cut_hz:
            raise ValueError(f"low_cut_hz below high_cut_hz ({self.low_cut_hz:g} and {self.high_cut_hz:g} are stated)")
        return self


class Layout(SettingsModel):
    """How to read a file that leaves it open. Lines and columns are counted from 1, or named as in the header."""

    kind: Literal["columns", "rows", "long"] | None = None
    """`columns`: one column per sweep, one row per sample (assumed where the header does not speak against it);
    `rows`: one row per sweep; `long`: one row per sample of one sweep, with columns that say which sweep."""
    delimiter: Delimiter | None = None
    """What separates the columns, as a word or as the character itself."""
    decimal: Literal[".", ","] | None = None
    """Decimal mark."""
    encoding: Literal["utf-8", "utf-16", "latin-1", "cp1252", "cp1251"] | None = None
    """Character encoding; found from the content where it is not stated."""
    header_rows: Annotated[int, Field(ge=0)] | None = None
    """Number of lines above the numbers; found from the content where it is not stated."""
    time_column: Column | None = None
    """Column that holds the time of each row; `"none"` where the first column rises evenly but is a sweep."""
    time_row: LineNumber | None = None
    """Kind `rows`: line that holds the time of each column."""
    time_unit: Literal["s", "ms", "us"] | None = None
    """Unit of the time column or row, where the header does not state it."""
    intensity_row: LineNumber | None = None
    """Kind `columns`: line that holds the stimulus intensity of each column."""
    intensity_column: Column | None = None
    """Kinds `rows` and `long`: column that holds the stimulus intensity."""
    intensity_unit: IntensityUnit | None = None
    """Unit of the intensities in the file: `mA`, `uA`, `A`, `V` or `mV`."""
    sample_columns: Columns | None = None
    """Columns to read: the sweeps (kind `columns`) or the samples (kind `rows`); all other columns where not stated."""
    sweep_column: Column | None = None
    """Kind `long`: column that tells the sweeps apart."""
    channel_column: Column | None = None
    """Kind `long`: column that names the channel; each channel becomes a study."""
    value_column: Column | None = None
    """Kind `long`: column that holds the voltage."""
    arrays: tuple[ArrayEntry, ...] | None = Field(default=None, strict=False)
    """MATLAB and NumPy files: the arrays to read. Each becomes a study; those that one entry of `studies` (or the
    `traces` at the top) selects by `select.channel` become one study together."""
    label_variable: Text | None = None
    """CFS files: data section variable that tells the stimuli apart; not stated, it is `State` if there is one."""
    intensity_variable: Text | None = None
    """CFS files: data section variable that holds the stimulus intensity."""

    @property
    def describes_table(self) -> bool:
        """Whether it says anything that only delimited text has."""
        return bool(self.model_fields_set & {"kind", "delimiter", "decimal", "header_rows", "time_column", "time_row"})

    @model_validator(mode="after")
    def _fields_fit_the_kind(self) -> Layout:
        kind = self.kind or "columns"
        fitting = {
            "columns": {"time_column", "intensity_row", "sample_columns"},
            "rows": {"time_row", "intensity_column", "sample_columns"},
            "long": {"time_column", "intensity_column", "sweep_column", "channel_column", "value_column"},
        }
        misplaced = sorted(set.union(*fitting.values()) & self.model_fields_set - fitting[kind])
        if misplaced:
            wrong = ", ".join(f"`{name}`" for name in misplaced)
            raise ValueError(f"only fields of the kind `{kind}`, and {wrong} belongs to another")
        if kind == "long" and (self.value_column is None or self.sweep_column is None):
            raise ValueError("both `value_column` and `sweep_column` for the kind `long`")
        return self


class Select(SettingsModel):
    """Which part of the file is meant; what is not stated does not restrict."""

    channel: Text | None = None
    """Label of the recording channel, as the file words it."""
    label: Text | None = None
    """Label of the stimulus, as the file words it."""
    sweeps: Counted | None = None
    """Numbers of the sweeps, from 1, counted within the channel; where the file names stimuli, first all sweeps of its
    first stimulus, then those of the next."""


class SegmentEntry(SettingsModel):
    """Stretch of nerve between two stimulation sites, measured directly."""

    distal: SiteText
    """Distal stimulation site."""
    proximal: SiteText
    """Proximal stimulation site."""
    distance_mm: Positive
    """Length of the segment, mm."""


class TraceEntry(SettingsModel):
    """One stimulation site of a study."""

    select: Select = Select()
    """Which sweeps are meant; not needed for a file with one trace, or where the file names the same site."""
    stimulation_site: SiteText | None = None
    """Site of the cathode, without the side, such as `wrist`."""
    distance_mm: Positive | None = None
    """Along the nerve from the stimulating cathode to the active recording electrode, mm."""
    intensity_ma: Numbers | None = None
    """Stimulus current, mA: a number, or a list with one per sweep."""
    intensity_v: Numbers | None = None
    """Stimulus voltage, V: a number, or a list with one per sweep."""
    pulse_duration_ms: Positive | None = None
    """Duration of the stimulus pulse, ms."""
    averaged_count: Annotated[int, Field(ge=1)] | None = None
    """How many sweeps the machine averaged into each stored sweep."""
    stimulus_ms: StimulusTimes | None = None
    """Time of the stimulus after sample 0, ms (negative: before the record): a number, a list with one per sweep, or
    `"time_zero"` for the zero of the time column."""
    filters: FilterSettings | None = None
    """Amplifier filters of this trace."""


class _StudyFields(SettingsModel):
    nerve: LowerText | None = None
    """Nerve, such as `median`."""
    side: SideText | None = None
    """Side of the body: `left` or `right`."""
    technique: TechniqueText | None = None
    """`motor`, `sensory`, `mixed`, `f_wave`, `h_reflex`, `repetitive_stimulation`, `blink_reflex`, `inching` or
    `cmap_scan`."""
    direction: DirectionText | None = None
    """Of a sensory study: `antidromic` or `orthodromic`."""
    recording_site: Text | None = None
    """Where the active recording electrode was, such as `APB`."""
    reference_site: Text | None = None
    """Where the reference electrode was; kept as a note of the trace."""
    skin_temperature_c: Annotated[float, Field(ge=0, le=50)] | None = None
    """Skin temperature, degrees Celsius."""
    temperature_site: Text | None = None
    """Where the temperature was taken."""
    filters: FilterSettings | None = None
    """Amplifier filters of every trace that states none of its own."""
    stimulus_ms: StimulusTimes | None = None
    """Time of the stimulus after sample 0, ms (negative: before the record): a number, a list with one per sweep, or
    `"time_zero"` for the zero of the time column."""
    pulse_duration_ms: Positive | None = None
    """Duration of the stimulus pulse, ms."""
    averaged_count: Annotated[int, Field(ge=1)] | None = None
    """How many sweeps the machine averaged into each stored sweep."""
    segments: tuple[SegmentEntry, ...] | None = Field(default=None, strict=False)
    """Distances between stimulation sites that were measured directly."""
    traces: tuple[TraceEntry, ...] | None = Field(default=None, strict=False)
    """The stimulation sites. Sweeps that no entry selects keep what the file states."""


class StudyEntry(_StudyFields):
    """One study of a file that holds several; what it does not state it takes from the top of the sidecar."""

    select: Select = Select()
    """Which channel, stimulus label or sweeps belong to this study."""


class Sidecar(_StudyFields):
    """What a person states about a recording. A flat sidecar describes one study; `studies` describes several."""

    ncs_sidecar: Annotated[Literal[1], BeforeValidator(whole_number)]
    """Version of this format: 1."""
    schema_uri: str | None = Field(default=None, alias="$schema")
    """Address of the JSON schema, for editors; ncs ignores it."""
    subject: Text | None = None
    """Code of the subject."""
    sex: Sex | None = None
    """`F` or `M`."""
    date: Date | None = None
    """Date of the visit, YYYY-MM-DD."""
    covariates: dict[str, Covariate] | None = None
    """Anything else measured at the visit, such as `{"vegf_pg_ml": 812}`: names with numbers or text."""
    sampling_rate_hz: Positive | None = None
    """Samples per second, Hz."""
    unit: VoltageUnit | None = None
    """Unit of the stored voltages: `nV`, `uV`, `mV` or `V`."""
    polarity: Literal["true", "inverted"] | None = None
    """`true`: stored as active minus reference, so that a negative peak is a negative number; `inverted`: stored
    negative-up, and ncs multiplies by -1."""
    layout: Layout | None = None
    """How to read a text file, the arrays of a MATLAB or NumPy file, or the variables of a CFS file."""
    stimuli: StimuliEntry | None = None
    """Where the stimuli of a continuous recording are."""
    studies: tuple[StudyEntry, ...] | None = Field(default=None, strict=False)
    """The studies of a file that holds several."""

    @model_validator(mode="after")
    def _one_place_for_traces(self) -> Sidecar:
        if self.studies is not None and (self.traces is not None or self.segments is not None):
            raise ValueError("`traces` and `segments` inside the entries of `studies`, not beside `studies`")
        return self

    def study_entries(self) -> tuple[StudyEntry, ...]:
        """Return the studies with what they take from the top filled in; a flat sidecar gives one."""
        shared = {name: getattr(self, name) for name in _StudyFields.model_fields if getattr(self, name) is not None}
        if self.studies is None:
            return (StudyEntry.model_construct(None, **shared),)
        return tuple(entry.model_copy(update=_unstated(entry, shared)) for entry in self.studies)


def _unstated(entry: StudyEntry, shared: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shared.items() if getattr(entry, name) is None}


def load_sidecar(source: str | os.PathLike[str] | Mapping[str, Any] | Sidecar) -> Sidecar:
    """Return a checked sidecar.

    Parameters
    ----------
    source
        A path, the content as a mapping, or a sidecar (returned as it is).

    Raises
    ------
    SidecarError
        With every mistake at once; ``place`` is a path such as ``$.traces[0].distance_mm``.
    FileAccessError
        When the file cannot be opened.
    InvalidInputError
        When ``source`` is nothing of the kind.

    Examples
    --------
    >>> load_sidecar({"ncs_sidecar": 1, "nerve": "Median", "side": "left"}).nerve
    'median'
    """
    if isinstance(source, Sidecar):
        return source
    if isinstance(source, Mapping):
        return validate(Sidecar, source, file="sidecar", version_key="ncs_sidecar", version=SIDECAR_VERSION)
    file = path_text(source, "sidecar")
    content = _parse_json(read_settings_bytes(source, "sidecar"), file)
    return validate(Sidecar, content, file=file, version_key="ncs_sidecar", version=SIDECAR_VERSION)


def sidecar_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of the sidecar, with a description and unit for every field."""
    schema = Sidecar.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "ncs sidecar"}


def _parse_json(content: bytes, file: str) -> object:
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in items]
        twice.extend(sorted({name for name in names if names.count(name) > 1}))
        return dict(items)

    try:
        parsed: object = json.loads(content.decode("utf-8-sig"), object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise SidecarError([_fault(file, place, "", "JSON", error.msg[:1].lower() + error.msg[1:])]) from None
    except UnicodeDecodeError as error:
        raise SidecarError([_fault(file, f"byte {error.start}", "", "UTF-8 text", "other bytes")]) from None
    except (ValueError, RecursionError) as error:
        raise SidecarError([_fault(file, "", "", "JSON", str(error).lower())]) from None
    if twice:
        raise SidecarError([_fault(file, "", name, "each field once", "the same field twice") for name in twice])
    return parsed


def _fault(file: str, place: str, field: str, expected: str, found: str) -> Problem:
    return Problem(file=file, place=place, field=field, expected=expected, found=found)
