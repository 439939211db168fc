"""Workers, the session's leader, the holder of a running trial, and claims of generations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("session_id", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("machine", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("began", sa.Double(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heartbeat", sa.Double(), nullable=False),
        sa.Column("lease", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "claims",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("worker", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    # Never in batch mode: it copies and drops the table, and SQLite then deletes the rows that refer to it.
    op.add_column("sessions", sa.Column("leader", sa.String(length=32), nullable=True))
    op.add_column("trials", sa.Column("worker", sa.String(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("trials", "worker")
    op.drop_column("sessions", "leader")
    op.drop_table("claims")
    op.drop_table("workers")
