"""What repeats in every measurement and in every run gets a table of its own: kinds, and parameters."""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True)
_KIND = ("quantity", "unit", "method", "nerve", "side", "technique", "recording_site", "site", "segment")
_OWN = ("study_index", "value", "sd", "reason", "distance_mm", "skin_temperature_c", "flags")


def upgrade() -> None:
    op.create_table(
        "analyses",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("parameters", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analyses")),
        sa.UniqueConstraint("sha256", name=op.f("uq_analyses_sha256")),
    )
    op.create_table(
        "kinds",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=name not in _KIND[:3]) for name in _KIND),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kinds")),
        sa.UniqueConstraint("sha256", name=op.f("uq_kinds_sha256")),
    )
    _move_parameters()
    _move_kinds()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _move_parameters() -> None:
    connection = op.get_bind()
    kind = "INTEGER" if connection.dialect.name == "sqlite" else "BIGINT"
    op.execute(
        f"ALTER TABLE runs ADD COLUMN analysis_id {kind} "
        "CONSTRAINT fk_runs_analysis_id_analyses REFERENCES analyses (id)"
    )
    if not op.get_context().as_sql:
        for (text,) in connection.execute(sa.text("SELECT DISTINCT CAST(parameters AS TEXT) FROM runs")).all():
            _insert("analyses", {"sha256": _digest(text), "parameters": text}, cast={"parameters"})
    op.execute(
        "UPDATE runs SET analysis_id = (SELECT id FROM analyses "
        "WHERE CAST(analyses.parameters AS TEXT) = CAST(runs.parameters AS TEXT))"
    )
    op.execute("ALTER TABLE runs DROP COLUMN parameters")


def _move_kinds() -> None:
    op.rename_table("measurements", "measurements_before")
    op.drop_index(op.f("ix_measurements_quantity_nerve"), table_name="measurements_before")
    if op.get_bind().dialect.name != "sqlite":  # names of constraints are unique in its schema
        op.drop_constraint(op.f("pk_measurements"), "measurements_before", type_="primary")
        op.drop_constraint(
            op.f("fk_measurements_run_id_study_index_studies"), "measurements_before", type_="foreignkey"
        )
    op.create_table(
        "measurements",
        sa.Column("run_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("study_index", sa.Integer(), nullable=False),
        sa.Column("kind_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("sd", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("distance_mm", sa.Double(), nullable=True),
        sa.Column("skin_temperature_c", sa.Double(), nullable=True),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["kind_id"], ["kinds.id"], name=op.f("fk_measurements_kind_id_kinds")),
        sa.ForeignKeyConstraint(
            ["run_id", "study_index"],
            ["studies.run_id", "studies.study_index"],
            name=op.f("fk_measurements_run_id_study_index_studies"),
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_measurements")),
        sqlite_with_rowid=False,
    )
    _fill_kinds()
    op.drop_table("measurements_before")
    op.create_index(op.f("ix_measurements_kind_id"), "measurements", ["kind_id"])


def _fill_kinds() -> None:
    connection = op.get_bind()
    if not op.get_context().as_sql:
        names = ", ".join(_KIND)
        for row in connection.execute(sa.text(f"SELECT DISTINCT {names} FROM measurements_before")).all():  # noqa: S608
            text = json.dumps(list(row), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            _insert("kinds", {"sha256": _digest(text), **dict(zip(_KIND, row, strict=True))})
    op.create_index("of_quantity", "kinds", ["quantity"])
    same = "IS" if connection.dialect.name == "sqlite" else "IS NOT DISTINCT FROM"
    moved = ("run_id", "position", *_OWN)
    op.execute(  # of constants only
        f"INSERT INTO measurements (kind_id, {', '.join(moved)}) "  # noqa: S608
        f"SELECT k.id, {', '.join(f'm.{name}' for name in moved)} FROM measurements_before AS m JOIN kinds AS k "
        f"ON k.quantity = m.quantity AND {' AND '.join(f'k.{name} {same} m.{name}' for name in _KIND[1:])}"
    )
    op.drop_index("of_quantity", "kinds")


def _insert(table: str, values: dict[str, object], cast: frozenset[str] | set[str] = frozenset()) -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    places = [f"CAST(:{name} AS JSON)" if name in cast and not is_sqlite else f":{name}" for name in values]
    sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(places)})"  # noqa: S608 - of constants only
    op.get_bind().execute(sa.text(sql), values)
