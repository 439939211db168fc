"""Which tried allocation to use after a search: the one expected to do best on new examples."""

from __future__ import annotations

from collections.abc import Sequence

from agent.belief.belief import Belief
from agent.belief.response import Insights, choice_tables
from agent.searcher import Problem
from tools.history import completed
from tools.trial import Trial

TIE = 0.001
"""Expected scores this close are equal: the cheaper allocation is recommended."""


def recommend(problem: Problem, trials: Sequence[Trial]) -> Trial | None:
    """The complete trial with the highest expected score, the cheapest among equals; None without one.

    The highest score of many, each from a few examples, is partly luck. The expectation is that of
    a model fitted to all trials (Belief), in which luck averages out: a score far above those of
    its neighbours counts for little. The same rule serves every searcher.
    """
    done = completed(trials)
    if not done:
        return None
    belief = Belief(problem, choice_tables(problem.space), Insights(), done)
    expected = {trial.number: belief.expected(trial.allocation) for trial in done}
    bar = max(expected.values()) - TIE
    tied = [trial for trial in done if expected[trial.number] >= bar]
    return min(tied, key=lambda trial: (trial.cost, -expected[trial.number], trial.number))
