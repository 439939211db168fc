"""Runs an allocation over examples, each as one run of a LangGraph graph."""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from environment.graphs.call import KEY, GraphCall
from environment.pipelines.stage import PipelineStage, described, id_of
from environment.sampler import Ledger, Sampler
from environment.stage import Example
from environment.strategy import DrawForRun
from environment.task import Task
from environment.trial_runner import Outcome, TrialRunner
from storage.sample import Message
from tools.errors import AgentttsError, PipelineError
from tools.space import Allocation
from tools.trial import StageScore

AT_ONCE = 32
"""Runs of the graph side by side."""
THREADS = 8 * AT_ONCE
"""Plain-function nodes wait for their samples in threads. With fewer threads than waiting nodes none
would be left for what they wait for: looking up a server's name, writing samples."""


class GraphRunner(TrialRunner):
    """Runs allocations of one graph within one budget.

    A node's own metric counts the examples on which it sampled; the last declared node carries the
    score of the final state. The graph must do the same whenever its samples are the same.
    """

    def __init__(
        self,
        graph: Any,
        make_input: Callable[[Any], Any],
        read_state: Callable[[Any], Any],
        recursion_limit: int,
        context: Any,
        stages: Sequence[PipelineStage],
        task: Task,
        sampler: Sampler,
        budget: float,
    ) -> None:
        """`recursion_limit` and `context` are LangGraph's own."""
        self._graph = graph
        self._input = make_input
        self._output = read_state
        self._recursion_limit = recursion_limit
        self._context = context
        self._stages = {stage.name: stage for stage in stages}
        self._task = task
        self._sampler = sampler
        self._budget = budget
        self._widened: asyncio.AbstractEventLoop | None = None
        self.first_prompts: dict[str, tuple[Message, ...]] = {}
        """The first prompt that each node wrote."""

    async def run(self, allocation: Allocation, examples: Sequence[Example]) -> Outcome:
        """Scores an allocation on examples.

        Raises BudgetExceeded or InvalidAllocation before anything runs, PipelineError where the
        graph's own code fails, and what sampling raises.
        """
        space = self._task.space
        self._task.require_feasible(allocation, self._budget)
        allocation = space.validate(allocation)
        ledger = self._sampler.ledger()
        gate = asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._example(allocation, example, ledger, gate)) for example in examples]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return Outcome(self._scores([task.result() for task in tasks]), ledger.usage, ledger.draws)

    def _widen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Gives the loop enough threads, once."""
        if loop is not self._widened:
            loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="agenttts-node"))
            self._widened = loop

    def _scores(self, rows: Sequence[Mapping[str, float]]) -> dict[str, StageScore]:
        scores = {}
        for name, stage in self._stages.items():
            values = [row[name] for row in rows if name in row]
            if stage.metric and values:
                scores[name] = StageScore.of(stage.metric, values)
        return scores

    async def _example(
        self, allocation: Allocation, example: Example, ledger: Ledger, gate: asyncio.Semaphore
    ) -> Mapping[str, float]:
        *inner, last = self._stages.values()
        async with gate:
            output, call = await self.output(allocation, example, partial(self._sampler.draw, ledger=ledger))
            self.first_prompts = {**call.prompts, **self.first_prompts}
        scores = {
            stage.name: stage.score(call.outputs[stage.name], example)
            for stage in inner
            if stage.metric and stage.name in call.outputs
        }
        return scores | {last.name: last.score(output, example)}

    async def output(self, allocation: Allocation, example: Any, draw: DrawForRun) -> tuple[Any, GraphCall]:
        """What the graph answers on an example, and the call that says what its nodes did."""
        self._widen(asyncio.get_running_loop())
        call = GraphCall(example, allocation, self._stages, self._task.strategies, draw)
        return self._read(await self._invoke(call, example), example), call

    async def _invoke(self, call: GraphCall, example: Example) -> Any:
        """The graph's final state. Raises PipelineError for an error of the graph's own code."""
        # The search itself is a graph: in its context this run would count as a part of it.
        context = contextvars.Context()
        try:
            state = await asyncio.get_running_loop().create_task(self._ainvoke(call, example), context=context)
        except AgentttsError:
            raise
        except Exception as error:
            if call.failure is not None:
                raise call.failure from error
            where = "; ".join(getattr(error, "__notes__", ()))
            raise PipelineError(
                f"example {id_of(example)!r}: the graph failed: {described(error)}{where and f' [{where}]'}"
            ) from error
        finally:
            call.close()
        if call.failure is not None:
            raise call.failure
        if isinstance(state, Mapping) and "__interrupt__" in state:
            raise PipelineError(f"example {id_of(example)!r}: the graph waits for a person; a search has none")
        return state

    async def _ainvoke(self, call: GraphCall, example: Example) -> Any:
        config = {
            "configurable": {KEY: call, "thread_id": f"agenttts-{uuid.uuid4().hex}"},
            "recursion_limit": self._recursion_limit,
        }
        return await self._graph.ainvoke(self._input(example), config, context=self._context)

    def _read(self, state: Any, example: Example) -> Any:
        try:
            return self._output(state)
        except Exception as error:
            raise PipelineError(
                f"example {id_of(example)!r}: reading the final state failed: {described(error)}"
            ) from error
