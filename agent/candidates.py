"""Allocations among which a surrogate model chooses by its acquisition function."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from agent.feasible import FeasibleSpace
from tools.space import Allocation

POOL = 2000


class Candidates:
    """Feasible allocations spread over the space, and close to the best one known.

    An acquisition function that is maximised over a box would find what the budget does not allow,
    and again and again what was tried; over these it finds neither.
    """

    def __init__(self, space: FeasibleSpace, rng: np.random.Generator, size: int = POOL) -> None:
        """`size` is how many random draws spread over the space."""
        self._space = space
        self._pool = list(dict.fromkeys(space.random(rng) for _ in range(size)))

    def untried(self, tried: Collection[Allocation], best: Allocation) -> list[Allocation]:
        """The pool and every change of one stage of `best`, without those tried; may be empty."""
        changed = [
            best.replace(subtask.name, variant.choice(count))
            for subtask in self._space.problem.space.subtasks
            for variant, counts in self._space.menu(subtask, best).items()
            for count in counts
        ]
        return [allocation for allocation in dict.fromkeys([*self._pool, *changed]) if allocation not in tried]
