"""Reservations are held by workers, whose heartbeat is theirs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("reservations", "beats")


def downgrade() -> None:
    op.add_column("reservations", sa.Column("beats", sa.Integer(), nullable=False, server_default="0"))
