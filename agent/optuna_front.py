"""The front baselines: Optuna's samplers with two objectives, a high score and a low cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from agent.optuna_nsga2 import Nsga2Searcher
from agent.optuna_study import Direction
from agent.optuna_tpe import TpeSearcher

TWO: Sequence[Direction] = ("maximize", "minimize")


class FrontNsga2Searcher(Nsga2Searcher):
    """NSGA-II on score and cost, what it was made for."""

    name = "nsga2-front"
    directions: ClassVar[Sequence[Direction]] = TWO


class FrontTpeSearcher(TpeSearcher):
    """The tree-structured Parzen estimator on score and cost (MOTPE)."""

    name = "tpe-front"
    directions: ClassVar[Sequence[Direction]] = TWO
