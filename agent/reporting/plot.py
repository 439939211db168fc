"""A figure with what stands around it: its title, how to read it, and the same in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Table:
    """Rows of texts; `numeric` names the columns that hold figures. `left_out` says what is not in it."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[str] = field(default_factory=frozenset)
    left_out: str = ""


@dataclass(frozen=True)
class Plot:
    """A figure for a page. `id` is a word; `reading` says in a sentence or two what is seen and how to read it."""

    id: str
    title: str
    reading: str
    figure: Figure
    table: Table
    wide: bool = False
    """Whether it keeps its width on a narrow screen, and is scrolled there."""
