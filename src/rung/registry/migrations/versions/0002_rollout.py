"""Rollouts: traffic splits and arms of experiments, shadows, and attempts that share a bandit."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DOCUMENT = sa.JSON().with_variant(sa.Text, "postgresql")
_EXPERIMENT = sa.String(64).with_variant(sa.String(120), "postgresql")


def upgrade() -> None:
    op.create_table(
        "splits",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("experiment", _EXPERIMENT, sa.ForeignKey("experiments.id"), nullable=False),
        sa.Column("since", sa.String(40), nullable=False),
        sa.Column("applied", sa.String(40)),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("shares", _DOCUMENT, nullable=False),
        sa.Column("because", sa.String, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("splits_by_experiment", "splits", ["experiment", "id"])
    op.create_table(
        "arms",
        sa.Column("promotion", sa.Integer, sa.ForeignKey("promotions.id"), primary_key=True),
        sa.Column("experiment", _EXPERIMENT, sa.ForeignKey("experiments.id"), nullable=False),
    )
    op.create_table(
        "looks",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("experiment", _EXPERIMENT, sa.ForeignKey("experiments.id"), nullable=False),
        sa.Column("time", sa.String(40), nullable=False),
        sa.Column("figures", _DOCUMENT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("looks_by_experiment", "looks", ["experiment", "id"])
    op.create_table(
        "shadows",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("major", sa.Integer, nullable=False),
        sa.Column("minor", sa.Integer, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("started", sa.String(40), nullable=False),
        sa.Column("until", sa.String(40)),
        sa.Column("ended", sa.String(40)),
        sa.Column("actor", sa.String(200), nullable=False),
        sqlite_autoincrement=True,
    )
    _one_of("one_shadow", "shadows", ["service", "major", "minor"], "ended IS NULL")
    op.add_column("promotions", sa.Column("joint", sa.Boolean, nullable=False, server_default=sa.false()))
    op.drop_index("one_promotion", "promotions")
    _one_of("one_promotion", "promotions", ["service", "major"], "ended IS NULL AND NOT joint")
    _one_of("one_attempt", "promotions", ["service", "major", "minor"], "ended IS NULL")
    _give_old_experiments_their_split()


def downgrade() -> None:
    op.drop_index("one_attempt", "promotions")
    op.drop_index("one_promotion", "promotions")
    op.drop_column("promotions", "joint")
    _one_of("one_promotion", "promotions", ["service", "major"], "ended IS NULL")
    for table in ("shadows", "looks", "arms", "splits"):
        op.drop_table(table)


def _one_of(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=True, sqlite_where=condition, postgresql_where=condition)


def _give_old_experiments_their_split() -> None:
    """An experiment of the first schema has one challenger, and the share that was declared."""
    connection = op.get_bind()
    experiments = _table("experiments", "id", "incumbent", "challenger", "started", "promotion", "design")
    splits = _table("splits", "experiment", "since", "applied", "kind", "because", "actor", "shares")
    arms = _table("arms", "promotion", "experiment")
    for row in connection.execute(sa.select(experiments)).all():
        share = json.loads(row.design)["share"]
        connection.execute(
            sa.insert(splits).values(
                experiment=row.id,
                since=row.started,
                applied=row.started,
                kind="start",
                shares=json.dumps({row.challenger: share, row.incumbent: 1 - share}),
                because="as declared",
                actor="rung",
            )
        )
        connection.execute(sa.insert(arms).values(promotion=row.promotion, experiment=row.id))


def _table(name: str, *columns: str) -> sa.TableClause:
    """Name a table; documents are spelt here, since PostgreSQL keeps the text of them."""
    return sa.table(name, *(sa.column(column, sa.Integer if column == "promotion" else sa.Text) for column in columns))
