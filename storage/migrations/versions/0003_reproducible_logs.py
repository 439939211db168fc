"""What a session's log needs: its setup, what its trials and evaluations drew, digests of samples elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sessions") as sessions:
        sessions.add_column(sa.Column("setup", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "trial_draws",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("draws", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id"),
    )
    op.create_table(
        "evaluation_draws",
        sa.Column("session_id", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("split", sa.String(length=32), nullable=False),
        sa.Column("draws", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id", "label", "split"],
            ["evaluations.session_id", "evaluations.label", "evaluations.split"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", "label", "split"),
    )
    op.create_table(
        "sample_digests",
        sa.Column("session_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("generation_tokens", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "key", "number"),
    )


def downgrade() -> None:
    for table in ("sample_digests", "evaluation_draws", "trial_draws"):
        op.drop_table(table)
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_column("setup")
