"""What sessions spend, may spend and hold back, and what went wrong at their endpoints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SESSION = ("sessions.id",)


def upgrade() -> None:
    op.create_table(
        "spending",
        sa.Column("session_id", sa.String(32), sa.ForeignKey(*SESSION, ondelete="CASCADE"), primary_key=True),
        sa.Column("caps", sa.JSON(), nullable=False),
        *_amounts(),
    )
    op.create_table(
        "reservations",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("session_id", sa.String(32), sa.ForeignKey(*SESSION, ondelete="CASCADE"), nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("beats", sa.Integer(), nullable=False),
        sa.Column("lost", sa.Boolean(), nullable=False),
        *_amounts(),
    )
    op.create_index("ix_reservations_session", "reservations", ["session_id"])
    op.create_table(
        "faults",
        sa.Column("session_id", sa.String(32), sa.ForeignKey(*SESSION, ondelete="CASCADE"), primary_key=True),
        sa.Column("endpoint", sa.String(500), primary_key=True),
        sa.Column("model", sa.String(300), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("retried", sa.Integer(), nullable=False),
        sa.Column("waited", sa.Double(), nullable=False),
        *(sa.Column(f"lost_{name}", sa.BigInteger(), nullable=False) for name in LOST),
    )


LOST = ("generations", "prompt_tokens", "generation_tokens", "picodollars")


def downgrade() -> None:
    for table in ("faults", "reservations", "spending"):
        op.drop_table(table)


def _amounts() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in ("generations", "tokens", "picodollars")]
