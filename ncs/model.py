"""The nouns of a nerve conduction study, immutable and without arithmetic.

Units are in the names; samples have their true sign (active minus reference, so a CMAP's negative peak is negative).
A new field needs a unit in its name, ``None`` as its absent value, and an entry in the provenance of its noun.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ncs.errors import InvalidInputError, Problem

__all__ = [
    "Calibration",
    "Direction",
    "Filters",
    "Origin",
    "Provenance",
    "ReportedCurve",
    "ReportedMeasurement",
    "ReportedValue",
    "Segment",
    "Side",
    "SourceFile",
    "Stimulus",
    "Study",
    "Subject",
    "Technique",
    "Trace",
    "Visit",
    "readonly_samples",
]

FloatArray = NDArray[np.float64]
SampleArray = NDArray[np.float32]


class Origin(StrEnum):
    """Where the value of a field came from."""

    FILE = "file"
    SIDECAR = "sidecar"
    PROTOCOL = "protocol"
    ARTEFACT = "artefact"
    """Detected from the stimulus artefact, only on request."""
    UNSET = "unset"


class Side(StrEnum):
    """Side of the body."""

    LEFT = "left"
    RIGHT = "right"


class Technique(StrEnum):
    """What kind of study was done."""

    MOTOR = "motor"
    SENSORY = "sensory"
    MIXED = "mixed"
    F_WAVE = "f_wave"
    H_REFLEX = "h_reflex"
    REPETITIVE_STIMULATION = "repetitive_stimulation"
    BLINK_REFLEX = "blink_reflex"
    INCHING = "inching"
    CMAP_SCAN = "cmap_scan"


class Direction(StrEnum):
    """Which way the impulse of a sensory study travels, compared with its natural way."""

    ANTIDROMIC = "antidromic"
    ORTHODROMIC = "orthodromic"


class Provenance(Mapping[str, Origin]):
    """Origin of every field of one noun; a field never mentioned is ``Origin.UNSET``.

    >>> Provenance(nerve=Origin.FILE)["nerve"].value
    'file'
    >>> Provenance()["distance_mm"].value
    'unset'
    """

    __slots__ = ("_origins",)

    def __init__(self, origins: Mapping[str, Origin] | None = None, **more: Origin) -> None:
        self._origins: dict[str, Origin] = {**(origins or {}), **more}

    def __getitem__(self, key: str) -> Origin:
        return self._origins.get(key, Origin.UNSET)

    def __iter__(self) -> Iterator[str]:
        return iter(self._origins)

    def __len__(self) -> int:
        return len(self._origins)

    def items(self) -> ItemsView[str, Origin]:
        """Return the fields that were mentioned, with their origins."""
        return self._origins.items()

    def __repr__(self) -> str:
        return f"Provenance({', '.join(f'{key}={value.value}' for key, value in self._origins.items())})"

    def with_origins(self, **more: Origin) -> Provenance:
        """Return a copy in which the given fields have the given origins."""
        return Provenance(self._origins, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The person examined.

    Parameters
    ----------
    id
        Patient code of the file, or the sidecar's; ``None`` where nothing states it.
    sex
        ``"F"``, ``"M"`` or ``None``.
    name, birth_date
        Personal; read only when identifiers are asked for, ``None`` otherwise.
    """

    id: str | None = None
    sex: str | None = None
    name: str | None = None
    birth_date: dt.date | None = None

    def __str__(self) -> str:
        return self.id if self.id is not None else "(no subject)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Amplifier filters of a trace.

    Parameters
    ----------
    low_cut_hz
        Low-frequency (high-pass) filter.
    high_cut_hz
        High-frequency (low-pass) filter.
    notch_hz
        Notch filter.
    text
        The setting as the file words it.
    """

    low_cut_hz: float | None = None
    high_cut_hz: float | None = None
    notch_hz: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How stored numbers became microvolts: digital range, physical range, and the unit as the file words it.

    ``physical_*`` are in ``unit``; ``digital_*`` are ``None`` for files that store physical values.
    """

    unit: str
    digital_min: int | None = None
    digital_max: int | None = None
    physical_min: float | None = None
    physical_max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stimulus:
    """Electrical stimulus of a trace; intensities have one value per sweep, shape ``(n_sweeps,)``."""

    intensity_ma: FloatArray | None = None
    intensity_v: FloatArray | None = None
    duration_ms: float | None = None
    label: str = ""
    """The stimulus as the file words it; the same label means the same stimulus (EDF+ specification)."""

    def __post_init__(self) -> None:
        for name in ("intensity_ma", "intensity_v"):
            if getattr(self, name) is not None:
                values = np.array(getattr(self, name), np.float64)
                values.flags.writeable = False
                object.__setattr__(self, name, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedValue:
    """A number that the recording machine itself measured and wrote into the file.

    ``kind`` is ``latency_ms``, ``amplitude_uv`` or ``velocity_m_s``; ``mode`` the machine's own qualification.
    """

    kind: str
    value: float
    mode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedMeasurement:
    """A result that the recorder itself computed and wrote into the file without the waveform it rests on.

    Parameters
    ----------
    quantity
        A name in ``ncs.quantities.QUANTITIES``; ``"reported_value"`` for what ncs has no name for.
    value
        In ``unit``.
    source
        Program and settings as the file states them, and the number as the file words it.
    site
        Stimulation site, lower case.
    """

    quantity: str
    value: float
    unit: str
    source: str
    site: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCurve:
    """A table of the file that reported measurements rest on; headings, with their units, as the file words them."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Stretch of nerve between two stimulation sites with a distance measured directly."""

    distal_site: str
    proximal_site: str
    distance_mm: float
    origin: Origin = Origin.SIDECAR


def readonly_samples(samples_uv: object) -> SampleArray:
    """Return samples as a read-only, C-contiguous float32 array of shape ``(n_sweeps, n_samples)``.

    Raises
    ------
    InvalidInputError
        When the array is not one- or two-dimensional.
    """
    array = np.asarray(samples_uv, dtype=np.float32, order="C")
    if array.ndim == 1:
        array = array[np.newaxis, :]
    if array.ndim != 2:
        raise InvalidInputError(f"samples_uv: expected shape (n_sweeps, n_samples), found {array.shape}")
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Trace:
    """Sweeps recorded from one stimulation site of a study.

    Parameters
    ----------
    samples_uv
        Shape ``(n_sweeps, n_samples)``, microvolts, true sign, float32, read-only.
    sampling_rate_hz
        Samples per second.
    stimulus_ms
        Time of the stimulus after sample 0 of each sweep, shape ``(n_sweeps,)``; may be negative (the stimulus came
        before the record). ``None`` where nothing states it.
    stimulation_site
        Site of the cathode, lower case, without the side: ``"wrist"``.
    elapsed_s
        When each sweep was stimulated, seconds on the clock of the recording, shape ``(n_sweeps,)``; ``None`` where
        the sweeps were not cut from one continuous recording.
    distance_mm
        Along the nerve from the stimulating cathode to the active recording electrode.
    averaged_count
        How many sweeps the machine averaged into each stored sweep.
    channel
        Label of the recording channel as the file words it.
    reported
        The machine's own measurements.
    notes
        Comments of the file that belong to this trace and carry no other meaning for ncs.
    """

    samples_uv: SampleArray
    sampling_rate_hz: float
    stimulus_ms: FloatArray | None = None
    stimulation_site: str | None = None
    elapsed_s: FloatArray | None = None
    distance_mm: float | None = None
    stimulus: Stimulus = field(default_factory=Stimulus)
    filters: Filters = field(default_factory=Filters)
    calibration: Calibration | None = None
    averaged_count: int | None = None
    channel: str = ""
    reported: tuple[ReportedValue, ...] = ()
    notes: tuple[str, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples_uv", readonly_samples(self.samples_uv))
        if not self.sampling_rate_hz > 0:
            raise InvalidInputError(f"sampling_rate_hz: expected more than 0, found {self.sampling_rate_hz}")
        if self.stimulus_ms is not None:
            times = np.array(self.stimulus_ms, np.float64)
            if times.shape != (self.n_sweeps,):
                times = np.broadcast_to(times, (self.n_sweeps,)).copy()
            times.flags.writeable = False
            object.__setattr__(self, "stimulus_ms", times)
        if self.elapsed_s is not None and self.elapsed_s.shape != (self.n_sweeps,):
            raise InvalidInputError(
                f"elapsed_s: expected one time for each of {self.n_sweeps} sweeps, found shape {self.elapsed_s.shape}"
            )
        for name in ("intensity_ma", "intensity_v"):
            intensity = getattr(self.stimulus, name)
            if intensity is not None and intensity.shape != (self.n_sweeps,):
                raise InvalidInputError(
                    f"stimulus.{name}: expected one value for each of {self.n_sweeps} sweeps, "
                    f"found shape {intensity.shape}"
                )

    def __repr__(self) -> str:
        """Return every field that is stated, and of the samples no more than how many there are."""
        words = [f"samples_uv=<{self.n_sweeps} x {self.n_samples}>"]
        for one in fields(self)[1:]:
            value = getattr(self, one.name)
            if value is not None and not (isinstance(value, (str, tuple)) and not value):
                words.append(f"{one.name}={value!r}")
        return f"Trace({', '.join(words)})"

    @property
    def n_sweeps(self) -> int:
        """Number of sweeps."""
        return int(self.samples_uv.shape[0])

    @property
    def n_samples(self) -> int:
        """Number of samples in each sweep."""
        return int(self.samples_uv.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """One nerve, one side, one technique, one recording site; its traces differ in the stimulation site.

    A file that holds results and no waveforms gives a study without traces, with ``reported`` and ``curves``.
    """

    traces: tuple[Trace, ...]
    nerve: str | None = None
    side: Side | None = None
    technique: Technique | None = None
    recording_site: str | None = None
    skin_temperature_c: float | None = None
    temperature_site: str | None = None
    segments: tuple[Segment, ...] = ()
    distance_sd_mm: float | None = None
    """Standard deviation of the laboratory's tape measurement, where the protocol states one."""
    direction: Direction | None = None
    """Of a sensory study; its latency is taken at the initial positive peak where it is orthodromic."""
    reported: tuple[ReportedMeasurement, ...] = ()
    curves: tuple[ReportedCurve, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """The file a visit was read from. ``sidecar_sha256`` and ``protocol_sha256`` are empty where none was used.

    Of a recording that consists of several files, ``name`` is that of the one that was named, and ``sha256`` and
    ``size_bytes`` cover all of them.
    """

    name: str
    sha256: str
    size_bytes: int
    format: str
    sidecar_sha256: str = ""
    protocol_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Visit:
    """What one file holds of one examination of one subject; the store joins the files of a visit.

    ``problems`` lists faults that did not stop the reading (a truncated last record, contradicting dates).
    """

    subject: Subject
    date: dt.date | None
    studies: tuple[Study, ...]
    covariates: Mapping[str, float | str] = field(default_factory=dict)
    sources: tuple[SourceFile, ...] = ()
    problems: tuple[Problem, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
