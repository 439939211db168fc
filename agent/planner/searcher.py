"""The planner: proposes by sampling from what the trials leave possible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from agent.belief.belief import Belief
from agent.belief.response import Insights, choice_tables
from agent.feasible import FeasibleSpace
from agent.initial_trials import initial_trials
from agent.planner.frontier import Frontier
from agent.searcher import Problem, Proposal, Searcher
from tools.errors import InvalidInput
from tools.history import completed
from tools.space import Allocation, Variant
from tools.trial import Guideline, Trial


class PlannerSearcher(Searcher):
    """The three insights of AgentTTS as priors of a Bayesian model; no language model.

    It starts with Algorithm 1's initial trials (Insight 1). Then every proposal is the best
    allocation within the budget by one draw from the posterior over the subtasks' response curves
    (Thompson sampling); the first of a batch is the best by the posterior's mean. The second batch
    begins with a second point on every model's curve.
    """

    name = "planner"

    def __init__(self, problem: Problem, seed: int, *, without: Iterable[int] = ()) -> None:
        """`without` names insights (1 models, 2 samples, 3 coupling) to leave out, for ablations.

        Raises InvalidInput on another number.
        """
        super().__init__(problem, seed)
        left_out = _numbers(without)
        self._insights = Insights(*(number not in left_out for number in (1, 2, 3)))
        self._rng = np.random.default_rng(seed)
        self._space = FeasibleSpace(problem)
        self._tables = choice_tables(problem.space)
        self._frontier = Frontier(problem, self._tables)
        self._trials: list[Trial] = []
        self._proposed: set[Allocation] = set()
        self._belief: Belief | None = None
        self._second = not self._insights.samples

    def ask(self, n: int) -> list[Proposal]:
        if not self._proposed:
            return self._remember(self._first(n))
        belief = self._current()
        if belief is None:
            return self._remember(self._random(n))
        chosen = self._remember(self._second_points(belief.best)[:n]) if not self._second else []
        self._second = True
        for position in range(n - len(chosen)):
            responses = belief.mean() if position == 0 else belief.sample(self._rng)
            for allocation, score in self._frontier.ranked(responses):
                if allocation not in self._proposed:
                    self._proposed.add(allocation)
                    chosen.append(Proposal(allocation, self.name, belief.why(allocation, score, likely=position == 0)))
                    break
            else:
                chosen += self._remember(self._random(n - len(chosen)))
                break
        return chosen

    def tell(self, trials: Sequence[Trial]) -> None:
        self._trials.extend(trials)
        self._proposed.update(trial.allocation for trial in trials)
        self._belief = None

    def conclude(self) -> Guideline | None:
        belief = self._current()
        if belief is None:
            return None
        return Guideline(self._trials[-1].batch, belief.summary(), self.name)

    def _current(self) -> Belief | None:
        """What the completed trials tell; None while there are none."""
        if self._belief is None and completed(self._trials):
            self._belief = Belief(self.problem, self._tables, self._insights, self._trials)
        return self._belief

    def _first(self, n: int) -> list[Proposal]:
        if self._insights.models:
            return initial_trials(self.problem, self.name)
        return self._random(n)

    def _second_points(self, best: Trial) -> list[Proposal]:
        """A second sample count for every variant that was tried with one alone (Insight 2).

        With one point a model past its peak looks like a bad model.
        """
        proposals: dict[Allocation, Proposal] = {}
        for subtask in self.problem.space.subtasks:
            tried: dict[Variant, set[int]] = {}
            for trial in self._trials:
                choice = trial.allocation[subtask.name]
                tried.setdefault(choice.variant, set()).add(choice.samples)
            others = {name: choice for name, choice in best.allocation.items() if name != subtask.name}
            for variant, fitting in self._space.menu(subtask, others).items():
                known = tried.get(variant, set())
                untried = [count for count in fitting if count not in known]
                if len(known) != 1 or not untried:
                    continue
                wanted = math.sqrt(max(known))
                count = min(untried, key=lambda count: abs(math.log(count / wanted)))
                allocation = best.allocation.replace(subtask.name, variant.choice(count))
                reason = f"Insight 2: a second point on the curve of {variant} in {subtask.name}"
                proposals.setdefault(allocation, Proposal(allocation, self.name, reason))
        return [proposal for proposal in proposals.values() if proposal.allocation not in self._proposed]

    def _random(self, n: int) -> list[Proposal]:
        """Untried feasible allocations, where nothing better is known."""
        drawn: dict[Allocation, None] = {}
        while len(drawn) < n:
            untried = self._space.untried(self._proposed | set(drawn), self._rng)
            if untried is None:
                break
            drawn[untried] = None
        return [Proposal(allocation, self.name, "explores: random within the budget") for allocation in drawn]

    def _remember(self, proposals: list[Proposal]) -> list[Proposal]:
        self._proposed.update(proposal.allocation for proposal in proposals)
        return proposals


def _numbers(without: object) -> set[int]:
    listed = list(without) if isinstance(without, list | tuple | set | frozenset) else [without]
    numbers = {number for number in listed if isinstance(number, int) and not isinstance(number, bool)}
    if len(numbers) < len(listed) or not numbers <= {1, 2, 3}:
        raise InvalidInput("without", f"names insights by number (1, 2 or 3), once each, got {without!r}")
    return numbers
