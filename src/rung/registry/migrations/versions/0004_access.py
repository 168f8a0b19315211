"""Access: tokens, approvals, and the policy that an attempt goes by."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_DOCUMENT = sa.JSON().with_variant(sa.Text, "postgresql")

_SAME = "id = NEW.id OR (promotion = NEW.promotion AND actor = NEW.actor AND approves = NEW.approves)"
"""The row that an `INSERT OR REPLACE` would take away without a word."""


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("hash", sa.String(200), nullable=False),
        sa.Column("grants", _DOCUMENT, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("expires", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("revoked", sa.String(40)),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("promotion", sa.Integer, sa.ForeignKey("promotions.id"), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("approves", sa.Boolean, nullable=False),
        sa.Column("because", sa.String, nullable=False),
        sa.Column("time", sa.String(40), nullable=False),
        sa.UniqueConstraint("promotion", "actor", "approves", name="one_approval"),
        sqlite_autoincrement=True,
    )
    op.add_column("promotions", sa.Column("policy", _DOCUMENT))
    _make_append_only()


def downgrade() -> None:
    op.drop_column("promotions", "policy")
    op.drop_table("approvals")
    op.drop_table("tokens")


def _make_append_only() -> None:
    """Let the database itself refuse to change evidence."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER approvals_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    known = f"WHEN EXISTS (SELECT 1 FROM approvals WHERE {_SAME})"  # noqa: S608  a condition of this file
    for verb, condition in (("UPDATE", ""), ("DELETE", ""), ("INSERT", known)):
        op.execute(
            f"CREATE TRIGGER approvals_no_{verb.lower()} BEFORE {verb} ON approvals {condition} "
            "BEGIN SELECT RAISE(ABORT, 'approvals are append-only'); END"
        )
