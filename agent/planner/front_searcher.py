"""The planner for the whole front of score against cost."""

from __future__ import annotations

from agent.planner.front_batch import FrontChooser
from agent.planner.searcher import PlannerSearcher


class FrontPlannerSearcher(PlannerSearcher):
    """The planner, but every batch is what raises the front most: the best scores within every budget."""

    name = "planner-front"
    chooser = FrontChooser
