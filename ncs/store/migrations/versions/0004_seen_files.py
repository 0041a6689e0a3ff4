"""What every file of a batch looked like, so that an untouched one need not be read again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_HASH = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "seen_files",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("content_key", _HASH, nullable=True),
        sa.Column("sidecar_sha256", _HASH, nullable=True),
        sa.Column("circumstances", _HASH, nullable=True),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_seen_files")),
        sqlite_with_rowid=False,
    )
