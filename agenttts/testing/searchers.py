"""The contract of a searcher, as tests: `agent.searcher.Searcher` driven by `agenttts.Search`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from agent.search import Search
from agent.searcher import Problem, Proposal, Searcher
from storage.transcript import Transcript
from tools.cost import CostModel
from tools.errors import InvalidInput, StorageError
from tools.flops import FlopsCost
from tools.limits import Cap
from tools.price import PriceCost
from tools.space import Allocation, Model, SearchSpace, Subtask
from tools.trial import StageScore, Trial, TrialState

Build = Callable[..., Searcher]
"""A Searcher class, or anything that is called like one: build(problem, seed, **options)."""

MODELS = (Model("1b", 1e9, 0.1, 0.2), Model("8b", 8e9, 0.5, 1.0), Model("70b", 70e9, 2.0, 4.0))
OPPOSED = (Model("1b", 1e9, 4.0, 8.0), Model("8b", 8e9, 1.0, 2.0), Model("70b", 70e9, 0.1, 0.2))
"""The smaller, the dearer: what is cheap in FLOPs is dear in dollars."""
LENGTHS = ((2048, 128), (256, 64), (512, 32))


def space(
    stages: int, listed: Sequence[Mapping[str, Any]] = (), models: Sequence[Model] = MODELS, **counts: Any
) -> SearchSpace:
    """A space of one to three subtasks s0, s1, s2 with three models each.

    `listed` has the strategies and temperatures of the first subtasks, as Subtask takes them.
    """
    subtasks = [
        Subtask(f"s{i}", models, prompt_tokens=p, generation_tokens=g, **(listed[i] if i < len(listed) else {}))
        for i, (p, g) in enumerate(LENGTHS[:stages])
    ]
    return SearchSpace(subtasks, **counts)


PROBLEMS: Mapping[str, tuple[SearchSpace, CostModel, float | None]] = {
    "one stage": (space(1, max_samples=30), FlopsCost(), None),
    "two stages": (space(2, max_samples=100), FlopsCost(), None),
    "three stages": (space(3, max_samples=100), FlopsCost(), None),
    "listed counts": (space(2, sample_counts=[1, 2, 4, 8, 16]), FlopsCost(), None),
    "negative costs": (space(2, max_samples=50), FlopsCost(base_parameters=70e9), None),
    "dollars": (space(2, max_samples=100), PriceCost(), None),
    "only one fits": (space(2, max_samples=100), FlopsCost(), 13.5),
    "strategies": (space(1, [{"strategies": ["fusion", "majority", "revision"]}], max_samples=20), FlopsCost(), None),
    "strategies and temperatures": (
        space(
            2,
            [{"strategies": ["fusion", "majority"]}, {"strategies": ["majority", "fusion"], "temperatures": [0.9, 0]}],
            sample_counts=[1, 2, 3, 5, 8, 13, 20, 30],
        ),
        FlopsCost(),
        None,
    ),
    "temperatures, few fit": (space(2, [{}, {"temperatures": [0.0, 1.0]}], sample_counts=[1, 2]), FlopsCost(), 65.0),
}
"""Space, cost and budget (None: the default one), by what is special about them."""


CAPPED: Mapping[str, tuple[SearchSpace, CostModel, float, tuple[Cap, ...]]] = {
    "dollars beside FLOPs": (space(2, max_samples=100), FlopsCost(), 900.0, (Cap(PriceCost(), 0.002),)),
    "the cheapest of each cost is no choice": (
        space(3, models=OPPOSED, max_samples=100),
        FlopsCost(),
        300.0,
        (Cap(PriceCost(), 0.0035),),
    ),
    "few fit, two caps": (
        space(2, models=OPPOSED, sample_counts=[1, 2, 4]),
        FlopsCost(),
        120.0,
        (Cap(PriceCost(), 0.006), Cap(PriceCost(examples=2, shared_prompt=False), 0.015)),
    ),
}
"""Space, cost, budget and caps, by what is special about them."""


LEAST_TRIALS = 12
"""What a search needs in which something was learnt before it ends."""


def score(allocation: Allocation) -> dict[str, float]:
    """Each stage prefers another model, majority, low temperatures, and saturates; the last also needs the first."""
    size = {"1b": 0.3, "8b": 0.5, "70b": 0.6}
    values: dict[str, float] = {}
    for position, (name, choice) in enumerate(allocation.items()):
        worth = size[choice.model] if position % 2 == 0 else 0.55 - abs(size[choice.model] - 0.5)
        gain = 0.3 * (1 - 0.7 ** (choice.samples - 1)) * (1.2 if choice.strategy == "majority" else 1.0)
        values[name] = worth + gain - 0.03 * (choice.temperature or 0.0)
    first, last = next(iter(values)), list(values)[-1]
    values[last] *= values[first] ** 0.5
    return values


def drive(search: Search, trials: int, batch: int = 10, fail: Callable[[int], bool] = lambda _: False) -> Search:
    """Runs a search on `score` up to a number of trials; the trials whose number `fail` names fail."""
    while len(search.trials) < trials and (asked := search.ask(batch, at_most=trials - len(search.trials))):
        for trial in reversed(asked):
            if fail(trial.number):
                search.tell(trial, error="the endpoint was down")
            else:
                search.tell(trial, stage_scores=score(trial.allocation))
        search.conclude()
    return search


class SearcherConformance:
    """Every searcher passes these. Override `searcher`, and `options` where it takes some.

    A searcher that is slow lowers `trials`, the length of the longer searches, to LEAST_TRIALS at the least,
    and may name fewer `problems` of PROBLEMS.
    """

    trials: ClassVar[int] = 25
    problems: ClassVar[Sequence[str]] = tuple(PROBLEMS)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Has pytest run the tests that take a problem's `name` on every one of `problems`."""
        if "name" in metafunc.fixturenames:
            metafunc.parametrize("name", self.problems)

    @pytest.fixture
    def searcher(self) -> Build:
        """The Searcher class under test, or a function that is called like it."""
        raise NotImplementedError

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        """The keyword options that the searcher is built with."""
        return {}

    @pytest.fixture
    def build(self, searcher: Build, options: dict[str, Any]) -> Callable[[Problem, int], Searcher]:
        """The searcher for a problem and a seed."""
        return lambda problem, seed: searcher(problem, seed, **options)

    @pytest.fixture
    def start(self, build: Callable[[Problem, int], Searcher]) -> Callable[..., Search]:
        """A search with the searcher under test: start(space, seed, budget=, cost=, caps=)."""

        def begin(
            where: SearchSpace,
            seed: int,
            *,
            budget: float | None = None,
            cost: CostModel | None = None,
            caps: Sequence[Cap] = (),
        ) -> Search:
            problem = replace(problem_of(where, cost or FlopsCost(), budget), caps=caps)
            return Search(where, problem.budget, build(problem, seed), seed, cost=problem.cost, caps=caps)

        return begin

    @pytest.mark.parametrize("batch", [1, 10])
    def test_every_trial_is_feasible_and_new(self, start: Callable[..., Search], name: str, batch: int) -> None:
        """Proposals fit the budget; while something is untried, something untried is proposed."""
        where, cost, budget = PROBLEMS[name]
        trials = self.trials if batch > 1 else min(self.trials, LEAST_TRIALS)
        search = drive(start(where, 1, budget=budget, cost=cost), trials, batch)
        allocations = [trial.allocation for trial in search.trials]
        assert len(set(allocations)) == len(allocations)
        assert all(where.feasible(allocation, search.problem.budget, cost) for allocation in allocations)
        assert len(allocations) == min(trials, where.count(search.problem.budget, cost))

    @pytest.mark.parametrize("capped", CAPPED)
    def test_every_trial_is_within_every_cap(self, start: Callable[..., Search], capped: str) -> None:
        """Caps hold like the budget, and leave no dead end: while something is untried, it is proposed."""
        where, cost, budget, caps = CAPPED[capped]
        search = drive(start(where, 1, budget=budget, cost=cost, caps=caps), self.trials)
        allocations = [trial.allocation for trial in search.trials]
        assert len(set(allocations)) == len(allocations)
        assert all(where.feasible(allocation, budget, cost, caps) for allocation in allocations)
        assert len(allocations) == min(self.trials, where.count(budget, cost, caps))

    def test_strategies_that_are_listed_are_tried(self, start: Callable[..., Search]) -> None:
        """A strategy is part of the search like a model: another than the first listed is proposed too."""
        where, cost, _ = PROBLEMS["strategies"]
        search = drive(start(where, 8, cost=cost), self.trials)
        assert len({trial.allocation["s0"].strategy for trial in search.trials}) > 1

    def test_a_proposal_says_who_made_it(self, build: Callable[[Problem, int], Searcher]) -> None:
        """Every proposal holds a valid allocation and its origin; every searcher has a name."""
        problem = problem_of(space(2), FlopsCost())
        made = build(problem, 0)
        assert made.name
        for proposal in made.ask(5):
            assert problem.space.validate(proposal.allocation) == proposal.allocation
            assert proposal.origin

    def test_no_ask_after_the_first_gives_more_than_asked(self, start: Callable[..., Search]) -> None:
        """The first ask may exceed `n`, since initial trials belong together; later ones may not."""
        search = drive(start(space(2), 0), 10)
        for n in (1, 2, 3):
            asked = search.ask(n)
            assert len(asked) <= n
            for trial in asked:
                search.tell(trial, stage_scores=score(trial.allocation))

    def test_equal_seeds_make_equal_searches(self, start: Callable[..., Search]) -> None:
        """Equal arguments and equal scores give equal proposals: sessions are replayed this way."""
        first, second = (drive(start(space(2), 5), self.trials, batch=5) for _ in range(2))
        assert [t.allocation for t in first.trials] == [t.allocation for t in second.trials]

    def test_the_order_of_telling_changes_nothing(self, build: Callable[[Problem, int], Searcher]) -> None:
        """The trials of a batch are told in any order."""
        problem = problem_of(space(2), FlopsCost())
        proposed: list[list[Allocation]] = []
        for step in (1, -1):
            made = build(problem, 3)
            allocations: list[Allocation] = []
            for number in range(4):
                batch = made.ask(4)
                allocations += [proposal.allocation for proposal in batch]
                made.tell([_complete(problem, p, number, i) for i, p in enumerate(batch)][::step])
            proposed.append(allocations)
        assert proposed[0] == proposed[1]

    def test_failed_trials_are_survived(self, start: Callable[..., Search]) -> None:
        """A failed trial has no score; the search goes on and finds a best one."""
        search = drive(start(space(2), 2), self.trials, fail=lambda number: number % 3 == 0)
        assert len(search.trials) == self.trials
        assert search.best is not None

    def test_a_search_in_which_everything_fails_goes_on(self, start: Callable[..., Search]) -> None:
        """Even without a single score new allocations are proposed."""
        search = drive(start(space(2), 2), 12, batch=4, fail=lambda _: True)
        assert len({trial.allocation for trial in search.trials}) == 12
        assert all(trial.state is TrialState.FAILED for trial in search.trials)

    def test_proposals_that_were_dropped_may_come_again(self, start: Callable[..., Search]) -> None:
        """Search may run fewer trials than were proposed; the searcher is told of those alone."""
        where = space(1, sample_counts=[1, 2, 4])
        search = start(where, 4)
        while asked := search.ask(5, at_most=2):
            for trial in asked:
                search.tell(trial, stage_scores=score(trial.allocation))
            if len(search.trials) >= 4:
                break
        assert len({trial.allocation for trial in search.trials}) == len(search.trials) >= 4

    def test_equal_scores_are_survived(self, start: Callable[..., Search]) -> None:
        """A flat objective gives nothing to learn and no reason to stop."""
        search = start(space(2), 6)
        while len(search.trials) < 12 and (asked := search.ask(4, at_most=12 - len(search.trials))):
            for trial in asked:
                search.tell(trial, 0.0)
        assert len(search.trials) == 12

    def test_a_guideline_names_its_batch_and_its_writer(self, start: Callable[..., Search]) -> None:
        """`conclude` gives a Guideline on the batch that was told last, or None."""
        search = drive(start(space(2), 0), 12, batch=6)
        for guideline in search.guidelines:
            assert guideline.text
            assert guideline.origin
        batches = [guideline.batch for guideline in search.guidelines]
        assert batches in ([], sorted({trial.batch for trial in search.trials}))

    def test_model_calls_are_told_and_not_made_again(self, start: Callable[..., Search]) -> None:
        """Who listens hears of every call in its place; with all of them stored, or some, it proposes the same."""
        heard: dict[int, Transcript] = {}

        def keep(place: int, call: Transcript) -> None:
            assert place in {len(heard), len(heard) - 1}, "a new call, or the last one again"
            heard[place] = call

        def run(stored: Sequence[Transcript]) -> list[Allocation]:
            heard.clear()
            search = start(space(2), 0)
            search.searcher.replay(stored)
            search.searcher.listen(keep)
            return [trial.allocation for trial in drive(search, 12).trials]

        proposed = run([])
        calls = list(heard.values())
        for count in (len(calls), len(calls) // 2):
            assert run(calls[:count]) == proposed
            assert list(heard.values())[:count] == calls[:count]

    def test_what_cannot_be_kept_ends_the_ask(self, start: Callable[..., Search]) -> None:
        """What `keep` raises comes out of the ask or the conclusion, and no further call is made."""
        heard: list[int] = []

        def full(place: int, _: Transcript) -> None:
            heard.append(place)
            raise StorageError("the disk is full")

        search = start(space(2), 0)
        search.searcher.listen(full)
        with suppress(StorageError):
            drive(search, 12)
        assert heard in ([], [0])

    def test_the_global_random_state_is_left_alone(self, start: Callable[..., Search]) -> None:
        """All chance comes from the seed; nothing else in the process is disturbed."""
        before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
        drive(start(space(2), 7), 12)
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]

    def test_an_option_that_does_not_exist_is_refused(self, searcher: Build, options: dict[str, Any]) -> None:
        """A misspelt option is an error, not silently ignored."""
        with pytest.raises((InvalidInput, TypeError)):
            searcher(problem_of(space(1), FlopsCost()), 0, **options, no_such_option=1)


def problem_of(where: SearchSpace, cost: CostModel, budget: float | None = None) -> Problem:
    """A problem with a metric for every subtask; the default budget where none is given."""
    budget = where.default_budget(cost) if budget is None else budget
    return Problem(where, cost, budget, "conformance", "Say a digit.", {s.name: "accuracy" for s in where.subtasks})


def _complete(problem: Problem, proposal: Proposal, batch: int, place: int) -> Trial:
    scores = {name: StageScore("accuracy", value) for name, value in score(proposal.allocation).items()}
    return Trial(
        number=100 * batch + place,
        allocation=proposal.allocation,
        cost=problem.cost.total(problem.space, proposal.allocation),
        state=TrialState.COMPLETE,
        batch=batch,
        stage_scores=scores,
        score=list(scores.values())[-1].mean,
    )
