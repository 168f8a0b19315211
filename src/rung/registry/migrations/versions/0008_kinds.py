"""Kinds of runs: of trainings, of notebooks, imported ones."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("kind", sa.String(20), nullable=False, server_default="training"))
    op.create_index("runs_by_kind", "runs", ["kind", "started"])


def downgrade() -> None:
    op.drop_index("runs_by_kind", "runs")
    op.drop_column("runs", "kind")
