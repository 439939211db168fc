"""How sessions stand is read from an index of their trials."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_trials_standing", "trials", ["session_id", "state", "score"])


def downgrade() -> None:
    op.drop_index("ix_trials_standing", "trials")
