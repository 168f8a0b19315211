"""Retraining: what a revision was retrained from, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_DOCUMENT = sa.JSON().with_variant(sa.Text, "postgresql")


def upgrade() -> None:
    op.add_column("revisions", sa.Column("origin", _DOCUMENT))


def downgrade() -> None:
    op.drop_column("revisions", "origin")
