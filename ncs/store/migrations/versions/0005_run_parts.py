"""Runs over several files that hold parts of one study, and the runs whose place they take."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "run_parts",
        sa.Column("run_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("part_run_id", _KEY, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_parts_run_id_runs")),
        sa.ForeignKeyConstraint(["part_run_id"], ["runs.id"], name=op.f("fk_run_parts_part_run_id_runs")),
        sa.PrimaryKeyConstraint("run_id", "part_run_id", name=op.f("pk_run_parts")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_run_parts_part_run_id"), "run_parts", ["part_run_id"], unique=False)
