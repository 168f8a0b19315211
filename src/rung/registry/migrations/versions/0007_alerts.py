"""Alerts, and what is to be told of them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_DOCUMENT = sa.JSON().with_variant(sa.Text, "postgresql")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("major", sa.Integer, nullable=False),
        sa.Column("minor", sa.Integer),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("against", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("because", sa.String, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("suspects", _DOCUMENT, nullable=False),
        sa.Column("next", sa.String, nullable=False),
        sa.Column("data", _DOCUMENT, nullable=False),
        sa.Column("opened", sa.String(40), nullable=False),
        sa.Column("seen", sa.String(40), nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("quiet", sa.Integer, nullable=False),
        sa.Column("closed", sa.String(40)),
        sa.Column("ending", sa.String),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("said", _DOCUMENT, nullable=False),
        sa.Column("silenced_until", sa.String(40)),
        sqlite_autoincrement=True,
    )
    op.create_index("alerts_by_service", "alerts", ["service", "id"])
    is_open = sa.text("closed IS NULL")
    op.create_index(
        "one_alert",
        "alerts",
        ["service", "major", "kind", "subject", "against"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("alert", sa.Integer, sa.ForeignKey("alerts.id")),
        sa.Column("channel", sa.String(63), nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("body", _DOCUMENT, nullable=False),
        sa.Column("made", sa.String(40), nullable=False),
        sa.Column("due", sa.String(40), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("sent", sa.String(40)),
        sa.Column("given_up", sa.String(40)),
    )
    waits = sa.text("sent IS NULL AND given_up IS NULL")
    op.create_index("deliveries_waiting", "deliveries", ["made"], sqlite_where=waits, postgresql_where=waits)


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_table("alerts")
