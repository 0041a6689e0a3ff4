"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True)
_HASH = sa.String(64)
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _visits()
    _runs()
    _recordings()
    _results()
    _failures()


def _visits() -> None:
    op.create_table(
        "subjects",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subjects")),
        sa.UniqueConstraint("code", name=op.f("uq_subjects_code")),
    )
    op.create_table(
        "visits",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("subject_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_visits_subject_id_subjects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visits")),
        sa.UniqueConstraint("subject_id", "date", name=op.f("uq_visits_subject_id_date")),
    )
    op.create_index(op.f("ix_visits_date"), "visits", ["date"], unique=False)
    op.create_table(
        "source_files",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("sha256", _HASH, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_files")),
        sa.UniqueConstraint("sha256", name=op.f("uq_source_files_sha256")),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("visit_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("content_key", _HASH, nullable=False),
        sa.Column("fingerprint", _HASH, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("parameters", _JSON, nullable=False),
        sa.Column("created_utc", _MOMENT, nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("subject_name", sa.Text(), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("problems", _JSON, nullable=True),
        sa.Column("provenance", _JSON, nullable=True),
        sa.ForeignKeyConstraint(["visit_id"], ["visits.id"], name=op.f("fk_runs_visit_id_visits")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint(
            "content_key", "fingerprint", "visit_id", name=op.f("uq_runs_content_key_fingerprint_visit_id")
        ),
    )
    op.create_index(op.f("ix_runs_visit_id_current"), "runs", ["visit_id", "current"], unique=False)
    op.create_table(
        "run_sources",
        sa.Column("run_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sidecar_sha256", _HASH, nullable=True),
        sa.Column("protocol_sha256", _HASH, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_sources_run_id_runs")),
        sa.ForeignKeyConstraint(["source_id"], ["source_files.id"], name=op.f("fk_run_sources_source_id_source_files")),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_run_sources")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_run_sources_source_id"), "run_sources", ["source_id"], unique=False)
    op.create_table(
        "covariates",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("visit_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("run_id", _KEY, autoincrement=False, nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_utc", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_covariates_run_id_runs")),
        sa.ForeignKeyConstraint(["visit_id"], ["visits.id"], name=op.f("fk_covariates_visit_id_visits")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_covariates")),
    )
    op.create_index(op.f("ix_covariates_run_id"), "covariates", ["run_id"], unique=False)
    op.create_index(op.f("ix_covariates_visit_id_name"), "covariates", ["visit_id", "name"], unique=False)


def _recordings() -> None:
    op.create_table(
        "studies",
        sa.Column("run_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("study_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("nerve", sa.Text(), nullable=True),
        sa.Column("side", sa.Text(), nullable=True),
        sa.Column("technique", sa.Text(), nullable=True),
        sa.Column("recording_site", sa.Text(), nullable=True),
        sa.Column("temperature_site", sa.Text(), nullable=True),
        sa.Column("skin_temperature_c", sa.Double(), nullable=True),
        sa.Column("distance_sd_mm", sa.Double(), nullable=True),
        sa.Column("segments", _JSON, nullable=True),
        sa.Column("provenance", _JSON, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_studies_run_id_runs")),
        sa.PrimaryKeyConstraint("run_id", "study_index", name=op.f("pk_studies")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "waveforms",
        sa.Column("sha256", _HASH, nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_waveforms")),
    )
    op.create_table(
        "traces",
        sa.Column("run_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("study_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trace_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stimulation_site", sa.Text(), nullable=True),
        sa.Column("sampling_rate_hz", sa.Double(), nullable=False),
        sa.Column("n_sweeps", sa.Integer(), nullable=False),
        sa.Column("n_samples", sa.Integer(), nullable=False),
        sa.Column("stimulus_ms", _JSON, nullable=True),
        sa.Column("distance_mm", sa.Double(), nullable=True),
        sa.Column("intensity_ma", _JSON, nullable=True),
        sa.Column("intensity_v", _JSON, nullable=True),
        sa.Column("duration_ms", sa.Double(), nullable=True),
        sa.Column("stimulus_label", sa.Text(), nullable=False),
        sa.Column("low_cut_hz", sa.Double(), nullable=True),
        sa.Column("high_cut_hz", sa.Double(), nullable=True),
        sa.Column("notch_hz", sa.Double(), nullable=True),
        sa.Column("filter_text", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("digital_min", sa.BigInteger(), nullable=True),
        sa.Column("digital_max", sa.BigInteger(), nullable=True),
        sa.Column("physical_min", sa.Double(), nullable=True),
        sa.Column("physical_max", sa.Double(), nullable=True),
        sa.Column("averaged_count", sa.Integer(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("reported", _JSON, nullable=True),
        sa.Column("notes", _JSON, nullable=True),
        sa.Column("provenance", _JSON, nullable=True),
        sa.Column("waveform_sha256", _HASH, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id", "study_index"],
            ["studies.run_id", "studies.study_index"],
            name=op.f("fk_traces_run_id_study_index_studies"),
        ),
        sa.ForeignKeyConstraint(
            ["waveform_sha256"], ["waveforms.sha256"], name=op.f("fk_traces_waveform_sha256_waveforms")
        ),
        sa.PrimaryKeyConstraint("run_id", "study_index", "trace_index", name=op.f("pk_traces")),
        sqlite_with_rowid=False,
    )


def _results() -> None:
    op.create_table(
        "marks",
        sa.Column("run_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("study_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trace_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sweep", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("averaged_sweeps", _JSON, nullable=True),
        sa.Column("onset_ms", sa.Double(), nullable=True),
        sa.Column("onset_sd_ms", sa.Double(), nullable=True),
        sa.Column("peak_ms", sa.Double(), nullable=True),
        sa.Column("peak_sd_ms", sa.Double(), nullable=True),
        sa.Column("peak_uv", sa.Double(), nullable=True),
        sa.Column("peak_sd_uv", sa.Double(), nullable=True),
        sa.Column("end_ms", sa.Double(), nullable=True),
        sa.Column("last_end_ms", sa.Double(), nullable=True),
        sa.Column("trough_ms", sa.Double(), nullable=True),
        sa.Column("trough_uv", sa.Double(), nullable=True),
        sa.Column("area_uv_ms", sa.Double(), nullable=True),
        sa.Column("area_sd_uv_ms", sa.Double(), nullable=True),
        sa.Column("peak_to_peak_uv", sa.Double(), nullable=True),
        sa.Column("peak_to_peak_sd_uv", sa.Double(), nullable=True),
        sa.Column("duration_ms", sa.Double(), nullable=True),
        sa.Column("duration_sd_ms", sa.Double(), nullable=True),
        sa.Column("total_duration_ms", sa.Double(), nullable=True),
        sa.Column("peak_threshold_uv", sa.Double(), nullable=True),
        sa.Column("baseline_uv", sa.Double(), nullable=True),
        sa.Column("noise_uv", sa.Double(), nullable=True),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("flags", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id", "study_index", "trace_index"],
            ["traces.run_id", "traces.study_index", "traces.trace_index"],
            name=op.f("fk_marks_run_id_study_index_trace_index_traces"),
        ),
        sa.PrimaryKeyConstraint("run_id", "study_index", "trace_index", "sweep", name=op.f("pk_marks")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "measurements",
        sa.Column("run_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("study_index", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("sd", sa.Double(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("nerve", sa.Text(), nullable=True),
        sa.Column("side", sa.Text(), nullable=True),
        sa.Column("technique", sa.Text(), nullable=True),
        sa.Column("recording_site", sa.Text(), nullable=True),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("segment", sa.Text(), nullable=True),
        sa.Column("distance_mm", sa.Double(), nullable=True),
        sa.Column("skin_temperature_c", sa.Double(), nullable=True),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id", "study_index"],
            ["studies.run_id", "studies.study_index"],
            name=op.f("fk_measurements_run_id_study_index_studies"),
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_measurements")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_measurements_quantity_nerve"), "measurements", ["quantity", "nerve"], unique=False)


def _failures() -> None:
    op.create_table(
        "failures",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", _HASH, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("problems", _JSON, nullable=True),
        sa.Column("failed_utc", _MOMENT, nullable=False),
        sa.Column("resolved_utc", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failures")),
        sa.UniqueConstraint("path", "sha256", "version", name=op.f("uq_failures_path_sha256_version")),
    )
    op.create_index(op.f("ix_failures_sha256"), "failures", ["sha256"], unique=False)
