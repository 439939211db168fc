"""The planner for the whole front of score against cost."""

from __future__ import annotations

from collections.abc import Iterable

from agent.planner.front_batch import FrontChooser
from agent.planner.searcher import PlannerSearcher
from agent.searcher import Problem


class FrontPlannerSearcher(PlannerSearcher):
    """The planner, but every batch is what raises the front most: the best scores within every budget."""

    name = "planner-front"

    def __init__(self, problem: Problem, seed: int, *, without: Iterable[int] = ()) -> None:
        super().__init__(problem, seed, without=without)
        self._chooser = FrontChooser(problem, self._tables)
