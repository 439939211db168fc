"""How much a prompt tells of what grows with the search, from all of it to the least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

ALL = 1_000_000
GUIDELINES, CURVES, UNTRIED = 3, 18, 3
SHORTER: tuple[Mapping[str, int], ...] = (
    {"trials": 20},
    {"trials": 10, "batch": 20},
    {"guidelines": 1},
    {"untried": 2, "curves": 8},
    {"trials": 5, "batch": 10, "proposed": 50},
    {"curves": 0, "untried": 1, "proposed": 20},
    {"batch": 5, "untried": 0, "proposed": 10},
    {"trials": 1, "batch": 1, "proposed": 0},
)
"""What is shortened, step by step. The worst trials go first: they say least, and the forecast knows them too."""


@dataclass(frozen=True, slots=True)
class Extent:
    """At most this many: trials (the best), trials of the last batch, guidelines, curves, untried
    allocations of each kind, and earlier proposals (the latest)."""

    trials: int
    batch: int = ALL
    guidelines: int = GUIDELINES
    curves: int = CURVES
    untried: int = UNTRIED
    proposed: int = ALL


def extents(history: int) -> Iterator[Extent]:
    """From everything, with `history` trials, to the least."""
    extent = Extent(history)
    yield extent
    for step in SHORTER:
        held = asdict(extent)
        extent = Extent(**held | {name: min(held[name], most) for name, most in step.items()})
        yield extent
