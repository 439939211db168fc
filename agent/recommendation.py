"""Which tried allocations to use after a search: those expected to do best on new examples."""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent.belief.belief import Belief
from agent.belief.response import Insights, choice_tables
from agent.searcher import Problem
from tools.front import front
from tools.history import completed
from tools.trial import Trial

TIE = 0.001
"""Expected scores this close are equal: the cheaper allocation is recommended."""
STEP = 0.01
"""What a dearer allocation must be expected to gain to be on the front: less is hardly worth its cost."""


def recommend(problem: Problem, trials: Sequence[Trial]) -> Trial | None:
    """The complete trial with the highest expected score, the cheapest among equals; None without one.

    The highest score of many, each from a few examples, is partly luck. The expectation is that of
    a model fitted to all trials (Belief), in which luck averages out: a score far above those of
    its neighbours counts for little. The same rule serves every searcher.
    """
    expected = expected_scores(problem, trials)
    if not expected:
        return None
    bar = max(expected.values()) - TIE
    tied = [trial for trial in trials if expected.get(trial.number, -math.inf) >= bar]
    return min(tied, key=lambda trial: (trial.cost, -expected[trial.number], trial.number))


def recommend_front(problem: Problem, trials: Sequence[Trial]) -> list[Trial]:
    """The complete trials that are expected to do better by STEP than every cheaper one, the cheapest first."""
    expected = expected_scores(problem, trials)
    done = [trial for trial in trials if trial.number in expected]
    return front(done, lambda trial: trial.cost, lambda trial: expected[trial.number], STEP)


def expected_scores(problem: Problem, trials: Sequence[Trial]) -> dict[int, float]:
    """The expected score of each complete trial, by its number."""
    done = completed(trials)
    if not done:
        return {}
    belief = Belief(problem, choice_tables(problem.space), Insights(), done)
    return {trial.number: belief.expected(trial.allocation) for trial in done}
