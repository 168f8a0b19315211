"""The first tables: events, revisions, runs, promotions, verdicts, experiments, processes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_DOCUMENT = sa.JSON().with_variant(sa.Text, "postgresql")
_EXPERIMENT = sa.String(64).with_variant(sa.String(120), "postgresql")

_APPEND_ONLY = {"events": "id = NEW.id", "verdicts": "id = NEW.id OR (promotion = NEW.promotion AND gate = NEW.gate)"}
"""Table to the condition of a row that an `INSERT OR REPLACE` would take away without a word."""


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("time", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("major", sa.Integer),
        sa.Column("minor", sa.Integer),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("because", sa.String, nullable=False),
        sa.Column("data", _DOCUMENT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_service", "events", ["service", "major", "id"])
    op.create_table(
        "revisions",
        sa.Column("service", sa.String(63), primary_key=True),
        sa.Column("major", sa.Integer, primary_key=True),
        sa.Column("minor", sa.Integer, primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String, nullable=False, server_default=""),
        sa.Column("since", sa.String(40), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("run", sa.String(120), nullable=False),
        sa.Column("commit", sa.String(64)),
        sa.Column("dirty", sa.Boolean, nullable=False),
        sa.Column("environment", sa.String(80)),
        sa.Column("warm_until", sa.String(40)),
        sa.Column("promoted", sa.String(40)),
    )
    _one_of("one_incumbent", "revisions", "state = 'incumbent'")
    op.create_table(
        "runs",
        sa.Column("id", sa.String(120), primary_key=True),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("started", sa.String(40), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("record", _DOCUMENT, nullable=False),
    )
    op.create_index("runs_by_service", "runs", ["service", "started"])
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("major", sa.Integer, nullable=False),
        sa.Column("minor", sa.Integer, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("started", sa.String(40), nullable=False),
        sa.Column("ended", sa.String(40)),
        sa.Column("outcome", sa.String(20)),
        sa.Column("because", sa.String),
        sa.Column("gate", sa.String(20)),
        sa.Column("gate_since", sa.String(40)),
        sqlite_autoincrement=True,
    )
    _one_of("one_promotion", "promotions", "ended IS NULL")
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("promotion", sa.Integer, sa.ForeignKey("promotions.id"), nullable=False),
        sa.Column("gate", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("because", sa.String, nullable=False),
        sa.Column("evidence", _DOCUMENT, nullable=False),
        sa.Column("time", sa.String(40), nullable=False),
        sa.UniqueConstraint("promotion", "gate", name="one_verdict"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "experiments",
        sa.Column("id", _EXPERIMENT, primary_key=True),
        sa.Column("promotion", sa.Integer, sa.ForeignKey("promotions.id"), nullable=False, unique=True),
        sa.Column("incumbent", sa.String(120), nullable=False),
        sa.Column("challenger", sa.String(120), nullable=False),
        sa.Column("design", _DOCUMENT, nullable=False),
        sa.Column("started", sa.String(40), nullable=False),
        sa.Column("ended", sa.String(40)),
        sa.Column("look", _DOCUMENT),
    )
    op.create_table(
        "processes",
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("process", _DOCUMENT, nullable=False),
        sa.Column("started", sa.String(40), nullable=False),
    )
    _make_append_only()


def downgrade() -> None:
    for table in ("processes", "experiments", "verdicts", "promotions", "runs", "revisions", "events"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")


def _one_of(name: str, table: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, ["service", "major"], unique=True, sqlite_where=condition, postgresql_where=condition)


def _make_append_only() -> None:
    """Let the database itself refuse to change evidence."""
    if op.get_bind().dialect.name == "postgresql":
        _make_append_only_in_postgresql()
        return
    for table, same in _APPEND_ONLY.items():
        known = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608  names of this file
        for verb, condition in (("UPDATE", ""), ("DELETE", ""), ("INSERT", known)):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {condition} "
                f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
            )


def _make_append_only_in_postgresql() -> None:
    """PostgreSQL replaces a row only by an update, so there is nothing to refuse of an insert."""
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% are append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; "
        "END $$"
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
