"""The tables of a store, as SQLAlchemy Core metadata: the one place that fixes its columns.

A change here needs a new revision in ``migrations/versions`` and its name at the end of ``REVISIONS``; a test proves
that the revisions and these tables agree.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from ncs.store._rows import KIND_COLUMNS, MARK_COLUMNS

__all__ = [
    "REVISIONS",
    "alembic_version",
    "analyses",
    "covariates",
    "edited_runs",
    "failures",
    "kinds",
    "mark_edits",
    "marks",
    "measurements",
    "metadata",
    "run_parts",
    "run_sources",
    "runs",
    "seen_files",
    "source_files",
    "studies",
    "subjects",
    "traces",
    "visits",
    "waveforms",
]

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every revision that this ncs knows, oldest first; the last one is what it writes."""


class UtcDateTime(sa.types.TypeDecorator[dt.datetime]):
    """A moment in UTC; aware in Python on every database (SQLite forgets the zone)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:  # noqa: ARG002
        """Convert to UTC; refuse a moment without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected a time with a zone, found {value!r}")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:  # noqa: ARG002
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True)
_HASH = sa.String(64)


def _id() -> sa.Column[Any]:
    return sa.Column("id", _KEY, primary_key=True)


def _ref(name: str, target: str, *, nullable: bool = False, primary_key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, _KEY, sa.ForeignKey(target), nullable=nullable, primary_key=primary_key, autoincrement=False)


def _run() -> sa.Column[Any]:
    return sa.Column("run_id", _KEY, primary_key=True, autoincrement=False)


def _part(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def _numbers(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Double) for name in names]


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text) for name in names]


subjects = sa.Table("subjects", metadata, _id(), sa.Column("code", sa.Text, nullable=False, unique=True))

visits = sa.Table(
    "visits",
    metadata,
    _id(),
    _ref("subject_id", "subjects.id"),
    sa.Column("date", sa.Date, nullable=False, index=True),
    sa.UniqueConstraint("subject_id", "date"),
)

source_files = sa.Table(
    "source_files",
    metadata,
    _id(),
    sa.Column("sha256", _HASH, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
)

# How results were made: the same for all files of a batch, and longer than everything else in their runs.
analyses = sa.Table(
    "analyses",
    metadata,
    _id(),
    sa.Column("sha256", _HASH, nullable=False, unique=True),
    sa.Column("parameters", _JSON, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    _id(),
    _ref("visit_id", "visits.id"),
    sa.Column("content_key", _HASH, nullable=False),
    sa.Column("fingerprint", _HASH, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("created_utc", UtcDateTime, nullable=False),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("sex", sa.Text),
    sa.Column("subject_name", sa.Text),
    sa.Column("birth_date", sa.Date),
    sa.Column("problems", _JSON),
    sa.Column("provenance", _JSON),
    # Never empty; nullable because SQLite adds no other column that refers to a table.
    _ref("analysis_id", "analyses.id", nullable=True),
    # The visit is part of the key: the same content, analysed alike but given another subject, is another run.
    sa.UniqueConstraint("content_key", "fingerprint", "visit_id"),
    sa.Index(None, "visit_id", "current"),
)

run_sources = sa.Table(
    "run_sources",
    metadata,
    _ref("run_id", "runs.id", primary_key=True),
    _part("position"),
    _ref("source_id", "source_files.id"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("sidecar_sha256", _HASH),
    sa.Column("protocol_sha256", _HASH),
    sa.Index(None, "source_id"),
    sqlite_with_rowid=False,
)

covariates = sa.Table(
    "covariates",
    metadata,
    _id(),
    _ref("visit_id", "visits.id"),
    _ref("run_id", "runs.id", nullable=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("number", sa.Double),
    sa.Column("text", sa.Text),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("created_utc", UtcDateTime, nullable=False),
    sa.Column("unit", sa.Text),
    sa.Column("upper_limit", sa.Double),
    # The date the value itself carries, where it was matched to a visit of another date.
    sa.Column("stated_date", sa.Date),
    sa.Index(None, "visit_id", "name"),
    sa.Index(None, "run_id"),
)

studies = sa.Table(
    "studies",
    metadata,
    _ref("run_id", "runs.id", primary_key=True),
    _part("study_index"),
    *_texts("nerve", "side", "technique", "recording_site", "temperature_site"),
    *_numbers("skin_temperature_c", "distance_sd_mm"),
    sa.Column("segments", _JSON),
    sa.Column("curves", _JSON),
    sa.Column("provenance", _JSON),
    sa.Column("direction", sa.Text),
    sqlite_with_rowid=False,
)

waveforms = sa.Table(
    "waveforms",
    metadata,
    sa.Column("sha256", _HASH, primary_key=True),
    sa.Column("encoding", sa.Text, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

traces = sa.Table(
    "traces",
    metadata,
    _run(),
    _part("study_index"),
    _part("trace_index"),
    sa.Column("stimulation_site", sa.Text),
    sa.Column("sampling_rate_hz", sa.Double, nullable=False),
    sa.Column("n_sweeps", sa.Integer, nullable=False),
    sa.Column("n_samples", sa.Integer, nullable=False),
    sa.Column("stimulus_ms", _JSON),
    sa.Column("elapsed_s", _JSON),
    sa.Column("distance_mm", sa.Double),
    sa.Column("intensity_ma", _JSON),
    sa.Column("intensity_v", _JSON),
    sa.Column("duration_ms", sa.Double),
    sa.Column("stimulus_label", sa.Text, nullable=False),
    *_numbers("low_cut_hz", "high_cut_hz", "notch_hz"),
    sa.Column("filter_text", sa.Text, nullable=False),
    sa.Column("unit", sa.Text),
    sa.Column("digital_min", sa.BigInteger),
    sa.Column("digital_max", sa.BigInteger),
    *_numbers("physical_min", "physical_max"),
    sa.Column("averaged_count", sa.Integer),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("reported", _JSON),
    sa.Column("notes", _JSON),
    sa.Column("provenance", _JSON),
    sa.Column("waveform_sha256", _HASH, sa.ForeignKey("waveforms.sha256"), nullable=False),
    sa.ForeignKeyConstraint(["run_id", "study_index"], ["studies.run_id", "studies.study_index"]),
    sqlite_with_rowid=False,
)

marks = sa.Table(
    "marks",
    metadata,
    _run(),
    _part("study_index"),
    _part("trace_index"),
    sa.Column("response", sa.Text, primary_key=True),
    # -1 is the row that the measurements rest on; ``averaged_sweeps`` then names the sweeps behind it.
    _part("sweep"),
    sa.Column("averaged_sweeps", _JSON),
    *_numbers(*MARK_COLUMNS),
    sa.Column("outcome", sa.SmallInteger, nullable=False),
    sa.Column("flags", sa.SmallInteger, nullable=False),
    sa.ForeignKeyConstraint(
        ["run_id", "study_index", "trace_index"], ["traces.run_id", "traces.study_index", "traces.trace_index"]
    ),
    sqlite_with_rowid=False,
)

# What is measured, where and how: the part of a measurement that it has in common with those of other visits.
kinds = sa.Table(
    "kinds",
    metadata,
    _id(),
    sa.Column("sha256", _HASH, nullable=False, unique=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in KIND_COLUMNS[:3]),
    *_texts(*KIND_COLUMNS[3:]),
)

measurements = sa.Table(
    "measurements",
    metadata,
    _run(),
    _part("position"),
    sa.Column("study_index", sa.Integer, nullable=False),
    _ref("kind_id", "kinds.id"),
    *_numbers("value", "sd"),
    sa.Column("reason", sa.Text),
    *_numbers("distance_mm", "skin_temperature_c"),
    sa.Column("flags", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "study_index"], ["studies.run_id", "studies.study_index"]),
    sa.Index(None, "kind_id"),
    sqlite_with_rowid=False,
)

# Only ever added to: what a person did to a mark, and what a person took back. A row knows the recording by its content
# and its samples, not by a run, so that it outlives every new analysis.
mark_edits = sa.Table(
    "mark_edits",
    metadata,
    _id(),
    _ref("visit_id", "visits.id"),
    sa.Column("content_key", _HASH, nullable=False),
    sa.Column("waveform_sha256", _HASH, sa.ForeignKey("waveforms.sha256"), nullable=False),
    sa.Column("study_index", sa.Integer, nullable=False),
    sa.Column("trace_index", sa.Integer, nullable=False),
    *_texts("nerve", "side", "technique", "recording_site", "site"),
    # Empty where the recording has one kind of response only.
    sa.Column("response", sa.Text, nullable=False),
    sa.Column("sweep", sa.Integer, nullable=False),
    sa.Column("mark", sa.Text, nullable=False),
    *_numbers("value_before", "value"),
    # Of the sweep, after its first sample: a stimulus time corrected later does not move the place that was marked.
    sa.Column("stimulus_ms", sa.Double, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_utc", UtcDateTime, nullable=False),
    sa.Column("withdraws", _KEY, sa.ForeignKey("mark_edits.id"), unique=True, autoincrement=False),
    sa.Index(None, "visit_id"),
    sa.Index(None, "content_key"),
)

# A run in which marks that a person moved are applied to those of another run, which stays as it was.
edited_runs = sa.Table(
    "edited_runs",
    metadata,
    _ref("run_id", "runs.id", primary_key=True),
    sa.Column("base_run_id", _KEY, sa.ForeignKey("runs.id"), nullable=False, autoincrement=False, index=True),
)

# A run over several files whose studies belong together, and the runs of these files, whose place it takes.
run_parts = sa.Table(
    "run_parts",
    metadata,
    _ref("run_id", "runs.id", primary_key=True),
    _ref("part_run_id", "runs.id", primary_key=True),
    sa.Index(None, "part_run_id"),
    sqlite_with_rowid=False,
)

failures = sa.Table(
    "failures",
    metadata,
    _id(),
    sa.Column("path", sa.Text, nullable=False),
    # Empty, not NULL, where the file could not be read at all: NULLs are never equal in a unique key.
    sa.Column("sha256", _HASH, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("problems", _JSON),
    sa.Column("failed_utc", UtcDateTime, nullable=False),
    sa.Column("resolved_utc", UtcDateTime),
    sa.UniqueConstraint("path", "sha256", "version"),
    sa.Index(None, "sha256"),
)

# What a batch has dealt with, and what it looked like then: an untouched file need not be read again. A memory only;
# everything in it can be found out anew.
seen_files = sa.Table(
    "seen_files",
    metadata,
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("stamp", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("content_key", _HASH),
    sa.Column("sidecar_sha256", _HASH),
    sa.Column("circumstances", _HASH),
    sqlite_with_rowid=False,
)

# Kept by alembic in every database it migrates; here so that a fresh store can be stamped without alembic.
alembic_version = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
