"""Several responses in one trace, when sweeps were stimulated, direction of a study, tables of reported results."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PLACE = ("run_id", "study_index", "trace_index")
_NUMBERS = (
    "onset_ms", "onset_sd_ms", "peak_ms", "peak_sd_ms", "peak_uv", "peak_sd_uv", "end_ms", "last_end_ms", "trough_ms",
    "trough_uv", "area_uv_ms", "area_sd_uv_ms", "peak_to_peak_uv", "peak_to_peak_sd_uv", "duration_ms",
    "duration_sd_ms", "total_duration_ms", "peak_threshold_uv", "baseline_uv", "noise_uv",
)  # fmt: skip
_REST = ("averaged_sweeps", *_NUMBERS, "outcome", "flags")
_RESPONSE = "CASE studies.technique WHEN 'sensory' THEN 'snap' ELSE 'cmap' END"
"""Until now a trace had one response, and its technique said which."""


def upgrade() -> None:
    op.add_column("traces", sa.Column("elapsed_s", sa.JSON(none_as_null=True)))
    op.add_column("studies", sa.Column("curves", sa.JSON(none_as_null=True)))
    op.add_column("studies", sa.Column("direction", sa.Text()))
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        _extend()


def _rebuild() -> None:
    """SQLite cannot change a primary key: the table is made anew and filled."""
    op.rename_table("marks", "marks_before")
    op.create_table(
        "marks",
        sa.Column("run_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("study_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trace_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("sweep", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("averaged_sweeps", sa.JSON(none_as_null=True), nullable=True),
        *(sa.Column(name, sa.Double(), nullable=True) for name in _NUMBERS),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("flags", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            list(_PLACE),
            [f"traces.{name}" for name in _PLACE],
            name=op.f("fk_marks_run_id_study_index_trace_index_traces"),
        ),
        sa.PrimaryKeyConstraint(*_PLACE, "response", "sweep", name=op.f("pk_marks")),
        sqlite_with_rowid=False,
    )
    kept = ("sweep", *_REST)
    op.execute(  # of constants only
        f"INSERT INTO marks ({', '.join((*_PLACE, 'response', *kept))}) "  # noqa: S608
        f"SELECT {', '.join(f'm.{name}' for name in _PLACE)}, {_RESPONSE}, {', '.join(f'm.{name}' for name in kept)} "
        "FROM marks_before AS m JOIN studies ON studies.run_id = m.run_id AND studies.study_index = m.study_index"
    )
    op.drop_table("marks_before")


def _extend() -> None:
    op.add_column("marks", sa.Column("response", sa.Text(), nullable=True))
    op.execute(
        f"UPDATE marks SET response = {_RESPONSE} FROM studies "  # noqa: S608
        "WHERE studies.run_id = marks.run_id AND studies.study_index = marks.study_index"
    )
    op.alter_column("marks", "response", nullable=False)
    op.drop_constraint(op.f("pk_marks"), "marks", type_="primary")
    op.create_primary_key(op.f("pk_marks"), "marks", [*_PLACE, "response", "sweep"])
