"""Marks that a person moved, and the runs in which they are applied."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_HASH = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "mark_edits",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("visit_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("content_key", _HASH, nullable=False),
        sa.Column("waveform_sha256", _HASH, nullable=False),
        sa.Column("study_index", sa.Integer(), nullable=False),
        sa.Column("trace_index", sa.Integer(), nullable=False),
        sa.Column("nerve", sa.Text(), nullable=True),
        sa.Column("side", sa.Text(), nullable=True),
        sa.Column("technique", sa.Text(), nullable=True),
        sa.Column("recording_site", sa.Text(), nullable=True),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("sweep", sa.Integer(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("value_before", sa.Double(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("stimulus_ms", sa.Double(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_utc", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdraws", _KEY, autoincrement=False, nullable=True),
        sa.ForeignKeyConstraint(["visit_id"], ["visits.id"], name=op.f("fk_mark_edits_visit_id_visits")),
        sa.ForeignKeyConstraint(
            ["waveform_sha256"], ["waveforms.sha256"], name=op.f("fk_mark_edits_waveform_sha256_waveforms")
        ),
        sa.ForeignKeyConstraint(["withdraws"], ["mark_edits.id"], name=op.f("fk_mark_edits_withdraws_mark_edits")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mark_edits")),
        sa.UniqueConstraint("withdraws", name=op.f("uq_mark_edits_withdraws")),
    )
    op.create_index(op.f("ix_mark_edits_visit_id"), "mark_edits", ["visit_id"], unique=False)
    op.create_index(op.f("ix_mark_edits_content_key"), "mark_edits", ["content_key"], unique=False)
    op.create_table(
        "edited_runs",
        sa.Column("run_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("base_run_id", _KEY, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_edited_runs_run_id_runs")),
        sa.ForeignKeyConstraint(["base_run_id"], ["runs.id"], name=op.f("fk_edited_runs_base_run_id_runs")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_edited_runs")),
    )
    op.create_index(op.f("ix_edited_runs_base_run_id"), "edited_runs", ["base_run_id"], unique=False)
