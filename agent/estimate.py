"""What a search would take, before anything is run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from agent.feasible import FeasibleSpace
from agent.searcher import Problem
from environment.task import Task
from tools.errors import UnknownName
from tools.space import Allocation, Choice, Model, Subtask
from tools.token_use import Call, calls_of, samples_alone

PROMPT_SPEED = 20
"""How many prompt tokens a server reads in the time of generating one."""
TOKENS_PER_PRICE = 1e6


@dataclass(frozen=True, slots=True)
class Work:
    """Requests, the generations they ask for, and tokens; `dollars` is None where a price is unknown.

    `seconds` are those of all requests one after the other, the samples of a request side by side.
    """

    requests: float = 0.0
    generations: float = 0.0
    prompt_tokens: float = 0.0
    generation_tokens: float = 0.0
    dollars: float | None = 0.0
    seconds: float = 0.0

    def __add__(self, other: Work) -> Work:
        dollars = None if self.dollars is None or other.dollars is None else self.dollars + other.dollars
        return Work(
            self.requests + other.requests,
            self.generations + other.generations,
            self.prompt_tokens + other.prompt_tokens,
            self.generation_tokens + other.generation_tokens,
            dollars,
            self.seconds + other.seconds,
        )

    def __mul__(self, times: float) -> Work:
        dollars = None if self.dollars is None else self.dollars * times
        return Work(
            self.requests * times,
            self.generations * times,
            self.prompt_tokens * times,
            self.generation_tokens * times,
            dollars,
            self.seconds * times,
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A search's work without reuse and with it, over `trials` trials and the judging of the result."""

    trials: int
    without_reuse: Work
    with_reuse: Work


def estimate(task: Task, problem: Problem, trials: int, tokens_per_second: float, seed: int = 0) -> Estimate:
    """The work of `trials` random allocations within the budget, by the subtasks' typical lengths.

    Samples of a prompt are drawn once, as the search does it; later stages are taken to differ
    wherever a choice before them does, so that the work with reuse is rather too high than too low.
    """
    rng = np.random.default_rng(seed)
    space = FeasibleSpace(problem)
    drawn: dict[Allocation, None] = {}
    while len(drawn) < trials and (allocation := space.untried(drawn, rng)) is not None:
        drawn[allocation] = None
    search, held_out = len(task.search_examples), len(task.held_out_examples)
    judged = list(drawn)[:3]  # the best and the two naive allocations
    plain = _work(task, _calls(task, drawn), tokens_per_second) * search
    reused = _work(task, _distinct(task, drawn), tokens_per_second) * search
    judging = _work(task, _calls(task, judged), tokens_per_second) * held_out
    return Estimate(len(drawn), plain + judging, reused + judging)


def batch_work(task: Task, allocations: Iterable[Allocation]) -> Work:
    """The work of allocations on the search examples, each prompt's samples drawn once."""
    return _work(task, _distinct(task, allocations), math.inf, unpriced=0.0) * len(task.search_examples)


def most_work(task: Task, problem: Problem, trials: int, *, front: bool) -> Work:
    """More than a search and its judging can come to, by the subtasks' typical lengths.

    As if every trial took the most that each of its subtasks may take within the budget, and reused
    nothing. A model without prices costs nothing.
    """
    feasible = FeasibleSpace(problem)
    each = Work()
    for subtask in task.space.subtasks:
        menu = feasible.menu(subtask, {})
        choices = [variant.choice(max(counts)) for variant, counts in menu.items() if counts]
        works = [_work(task, _profiled(task, subtask, choice), math.inf, unpriced=0.0) for choice in choices]
        most = {field.name: max((getattr(one, field.name) for one in works), default=0.0) for field in fields(Work)}
        each += Work(**most)
    search, held_out = len(task.search_examples), len(task.held_out_examples)
    judged = 3 * (search + held_out) + (trials * held_out if front else 0)
    return each * (trials * search + judged)


_Key = tuple[object, ...]


def _calls(task: Task, allocations: Iterable[Allocation]) -> Iterator[tuple[Model, Call]]:
    for allocation in allocations:
        for _, model, call in _keyed(task, allocation):
            yield model, call


def _distinct(task: Task, allocations: Iterable[Allocation]) -> Iterator[tuple[Model, Call]]:
    """Each prompt's call once, with the most generations that any allocation asks of it."""
    most: dict[_Key, tuple[Model, Call]] = {}
    for allocation in allocations:
        for key, model, call in _keyed(task, allocation):
            known = most.get(key)
            if known is None or known[1].generations < call.generations:
                most[key] = model, call
    yield from most.values()


def _keyed(task: Task, allocation: Allocation) -> Iterator[tuple[_Key, Model, Call]]:
    """An allocation's calls on one example, each with what decides its prompt."""
    before: _Key = ()
    for subtask in task.space.subtasks:
        choice = allocation[subtask.name]
        for position, call in enumerate(_profile(task, subtask, choice)):
            # The samples' prompt does not depend on their number; what follows them does.
            own = replace(choice, samples=1, strategy=None) if position == 0 else choice
            yield (*before, own, position), subtask.model(choice.model), call
        before = (*before, choice)


def _profile(task: Task, subtask: Subtask, choice: Choice) -> Sequence[Call]:
    try:
        return calls_of(subtask, choice, task.strategies)
    except UnknownName:  # a strategy of another package that tells no calls
        return samples_alone(subtask, choice.samples)


def _profiled(task: Task, subtask: Subtask, choice: Choice) -> Iterator[tuple[Model, Call]]:
    for call in _profile(task, subtask, choice):
        yield subtask.model(choice.model), call


def _work(
    task: Task, calls: Iterable[tuple[Model, Call]], tokens_per_second: float, unpriced: float | None = None
) -> Work:
    total = Work()
    for model, call in calls:
        generations = call.requests * call.generations
        prompt, generated = call.requests * call.prompt_tokens, generations * call.generation_tokens
        dollars = unpriced
        if model.prompt_price is not None and model.generation_price is not None:
            dollars = (prompt * model.prompt_price + generated * model.generation_price) / TOKENS_PER_PRICE
        seconds = (call.prompt_tokens / PROMPT_SPEED + call.generation_tokens) / tokens_per_second * call.requests
        total += Work(call.requests, generations, prompt, generated, dollars, seconds)
    return total
