"""Covariates get a unit, an upper limit of normal, and the date they were taken."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("covariates", sa.Column("unit", sa.Text(), nullable=True))
    op.add_column("covariates", sa.Column("upper_limit", sa.Double(), nullable=True))
    op.add_column("covariates", sa.Column("stated_date", sa.Date(), nullable=True))
