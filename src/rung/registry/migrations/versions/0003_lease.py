"""The lease by which one control plane of several leads."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
        sa.Column("ttl_s", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("leases")
