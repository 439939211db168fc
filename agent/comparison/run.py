"""One run: a searcher drives its trials on an arena, and the judge notes the truth beside them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter

from agent.comparison.arena import Arena
from agent.comparison.plan import Cell, Plan, SearcherEntry
from agent.comparison.record import AgentCalls, Pick, Run, Step
from agent.search import Search
from storage.transcript import Transcript
from tools.trial import Trial, Usage

Stopped = Callable[[], bool]
"""Asked before every trial; True ends the run by Interrupted."""


class Interrupted(Exception):
    """The comparison was stopped by the user; nothing is kept of the run at hand."""


def build_search(arena: Arena, entry: SearcherEntry, budget: float, seed: int) -> Search:
    """The search of a searcher on an arena. Raises InvalidInput and its kinds."""
    task = arena.task
    return Search(
        task.space,
        budget,
        entry.name,
        seed,
        cost=task.cost,
        task=task.name,
        description=task.description,
        metrics=task.metrics,
        **entry.options,
    )


def run_cell(plan: Plan, cell: Cell, arena: Arena, stopped: Stopped = lambda: False) -> list[Run]:
    """Every searcher of the plan on one problem, in the plan's order; a run that fails says so in its place."""
    budget = arena.budget(plan.budgets[cell.budget])
    problem = replace(
        _blank(plan, cell),
        source=arena.source,
        budget_value=budget,
        unit=arena.task.cost.unit,
        oracle=arena.oracle(budget),
    )
    runs = []
    for entry in plan.searchers:
        course = _Course(arena, budget)
        try:
            course.start(entry, cell.seed)
            course.follow(plan, stopped)
            error = ""
        except Interrupted:
            raise
        except Exception as failure:  # noqa: BLE001 - a run's failure is a result; the others go on
            error = _say(failure)
        runs.append(course.finish(replace(problem, searcher=entry.label, error=error)))
    return runs


def failed_runs(plan: Plan, cell: Cell, error: BaseException) -> list[Run]:
    """The runs of a problem that could not be set up, or whose process died."""
    return [replace(_blank(plan, cell), searcher=entry.label, error=_say(error)) for entry in plan.searchers]


def _blank(plan: Plan, cell: Cell) -> Run:
    entry = plan.tasks[cell.task]
    return Run(
        task=entry.label,
        problem=entry.name,
        source="",
        budget=plan.budget_labels[cell.budget],
        budget_value=None,
        unit="",
        seed=cell.seed,
        searcher="",
        oracle=None,
    )


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


class _Course:
    """The course of one run: the search, the incumbent, and the books of generations and time."""

    def __init__(self, arena: Arena, budget: float) -> None:
        self._arena = arena
        self._budget = budget
        self._score = arena.scorer(budget)
        self._search: Search | None = None
        self._steps: list[Step] = []
        self._incumbent: Trial | None = None
        self._recommended: Trial | None = None
        self._usage = Usage()
        self._calls: dict[int, Transcript] = {}
        self._seconds = 0.0

    def start(self, entry: SearcherEntry, seed: int) -> None:
        """Builds the searcher."""
        with self._searcher_time():
            self._search = build_search(self._arena, entry, self._budget, seed)
        self._search.searcher.listen(self._calls.__setitem__)

    def follow(self, plan: Plan, stopped: Stopped) -> None:
        """Runs trials as a session does, until there are enough or the searcher has no more."""
        search = self._search
        assert search is not None  # noqa: S101 - start() has built it
        while (left := plan.trials - len(search.trials)) > 0:
            with self._searcher_time():
                asked = search.ask(plan.batch, at_most=left)
            if not asked:
                break
            for trial in asked:
                if stopped():
                    raise Interrupted
                self._try(search, trial, plan.checkpoints)
            with self._searcher_time():
                search.conclude()
        self._recommended = search.recommended

    def finish(self, run: Run) -> Run:
        """The record. A run that failed is judged by the trials it had completed."""
        return replace(
            run,
            steps=tuple(self._steps),
            best=self._pick(self._incumbent),
            recommended=self._pick(self._recommended or self._incumbent),
            agent=self._agent(),
            seconds=self._seconds,
        )

    def _try(self, search: Search, trial: Trial, checkpoints: Collection[int]) -> None:
        outcome = self._score(trial.allocation)
        self._usage += outcome.usage
        with self._searcher_time():
            told = search.tell(replace(trial, usage=outcome.usage), outcome.score, outcome.stage_scores)
        # The same rule as Search.best: the highest score, the cheapest among equals, then the earliest.
        best = search.best or told
        self._incumbent = best
        number = len(self._steps) + 1
        recommended = search.recommended if number in checkpoints else None
        self._steps.append(
            Step(
                trial=number,
                batch=told.batch,
                allocation=told.allocation,
                cost=told.cost,
                search_score=outcome.score,
                true_score=self._arena.true_score(told.allocation),
                best_search_score=best.score if best.score is not None else outcome.score,
                best_true_score=self._arena.true_score(best.allocation),
                generations=self._usage.fresh,
                requested=self._usage.requested,
                recommended_true_score=self._arena.true_score(recommended.allocation) if recommended else None,
            )
        )

    def _agent(self) -> AgentCalls:
        calls = self._calls.values()
        return AgentCalls(
            len(calls),
            sum(call.prompt_tokens for call in calls),
            sum(call.generation_tokens for call in calls),
        )

    def _pick(self, trial: Trial | None) -> Pick | None:
        if trial is None or trial.score is None:
            return None
        return Pick(
            trial=trial.number + 1,
            allocation=trial.allocation,
            cost=trial.cost,
            search_score=trial.score,
            true_score=self._arena.true_score(trial.allocation),
            held_out_score=self._arena.held_out_score(trial.allocation),
        )

    @contextmanager
    def _searcher_time(self) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self._seconds += perf_counter() - started
