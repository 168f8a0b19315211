"""Indexes of what pages and commands ask for: the last events of a kind, and runs of whatever kind by their start."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("events_by_kind", "events", ["kind", "service", "major", "minor", "id"])
    op.create_index("runs_by_start", "runs", ["started"])


def downgrade() -> None:
    op.drop_index("runs_by_start", "runs")
    op.drop_index("events_by_kind", "events")
