from __future__ import annotations

import numpy as np

from agent.belief.belief import Belief
from agent.belief.response import Insights, choice_tables
from agent.planner.batch import BatchChooser
from agent.search import Search
from agent.searcher import Problem
from agenttts.testing.searchers import drive, space
from tools.flops import FlopsCost
from tools.history import completed

SPACE = space(2, max_samples=20)
PROBLEM = Problem(SPACE, FlopsCost(), SPACE.default_budget(FlopsCost()))
TABLES = choice_tables(SPACE)


def after(trials: int) -> Search:
    return drive(Search(SPACE, None, "random", 1), trials)


def test_a_batch_is_new_fits_and_gains_less_with_every_pick() -> None:
    search = after(12)
    tried = [trial.allocation for trial in completed(search.trials)]
    belief = Belief(PROBLEM, TABLES, Insights(), search.trials)
    picks = BatchChooser(PROBLEM, TABLES).choose(
        belief, 10, tried=tried, taken=set(tried), rng=np.random.default_rng(0)
    )
    allocations = [pick.allocation for pick in picks]
    assert len(set(allocations)) == 10
    assert not set(allocations) & set(tried)
    assert all(PROBLEM.feasible(allocation) for allocation in allocations)
    gains = [pick.gain for pick in picks]
    # Submodular: what is left to gain shrinks with the batch.
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 0


def test_the_first_batch_follows_the_insights_and_spreads_over_the_models() -> None:
    picks = BatchChooser(PROBLEM, TABLES).choose(
        Belief(PROBLEM, TABLES, Insights(), []), 6, tried=[], taken=set(), rng=np.random.default_rng(0)
    )
    for subtask in SPACE.subtasks:
        assert len({pick.allocation[subtask.name].model for pick in picks}) > 1
    spent = [PROBLEM.cost.total(SPACE, pick.allocation) for pick in picks]
    assert max(spent) > 0.8 * PROBLEM.budget


def test_what_is_taken_is_not_chosen_and_a_space_that_ends_gives_less() -> None:
    small = space(1, sample_counts=[1, 2])
    problem = Problem(small, FlopsCost(), small.default_budget(FlopsCost()))
    tables = choice_tables(small)
    every = list(small.allocations(problem.budget, problem.cost))
    chooser, belief = BatchChooser(problem, tables), Belief(problem, tables, Insights(), [])
    rng = np.random.default_rng(0)
    picks = chooser.choose(belief, 99, tried=[], taken={every[0]}, rng=rng)
    assert {pick.allocation for pick in picks} == set(every[1:])
    assert chooser.choose(belief, 5, tried=[], taken=set(every), rng=rng) == []


def test_the_planners_first_batch_has_one_trial_for_each_subtask_and_model() -> None:
    models = sum(len(subtask.models) for subtask in SPACE.subtasks)
    assert len(Search(SPACE, None, "planner", 0).ask(50)) == models
    assert len(Search(SPACE, None, "planner", 0).ask(2)) == 2
