"""What one run of a graph finds in its config: the allocation, and how to sample by it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig

from environment.pipelines.chat import Chat, messages_of
from environment.pipelines.stage import PipelineStage, id_of
from environment.strategy import STRATEGIES, DrawForRun, StageRun, Strategy
from storage.sample import Message
from tools.errors import AgentttsError, PipelineError
from tools.space import Allocation, Choice

KEY = "agenttts"
"""Where a GraphCall lies in config["configurable"]."""


class GraphCall:
    """One run of a graph on one example under one allocation.

    `outputs` holds the last output of every node that sampled, `prompts` its first prompt. Made by
    the runner in the event loop that samples; the graph's nodes may run in that loop or in threads.
    """

    def __init__(
        self,
        example: Any,
        allocation: Allocation,
        stages: Mapping[str, PipelineStage],
        strategies: Mapping[str, str],
        draw: DrawForRun,
    ) -> None:
        """`strategies` names the strategy of each node whose choice names none."""
        self.example = example
        self.allocation = allocation
        self.outputs: dict[str, Any] = {}
        self.prompts: dict[str, tuple[Message, ...]] = {}
        self.failure: AgentttsError | None = None
        self._stages = stages
        self._strategies = strategies
        self._draw = draw
        self._loop = asyncio.get_running_loop()
        self._waiting: set[Future[Any]] = set()
        self._closed = False

    def choice(self, node: str) -> Choice:
        """The model and the samples of a node. Raises PipelineError for a node that is not declared."""
        self._stage(node)
        return self.allocation[node]

    async def sample(self, node: str, chat: Chat) -> Any:
        """The node's output: its samples of this prompt, made one by its strategy.

        Raises PipelineError for a node that is not declared or a prompt that cannot be sent, and
        what sampling raises.
        """
        try:
            output = await self._run(node, chat)
        except AgentttsError as error:
            # A node may catch every error; the trial must fail nevertheless.
            self.failure = self.failure or error
            raise
        self.outputs[node] = output
        return output

    def sample_in_thread(self, node: str, chat: Chat) -> Any:
        """`sample` for a node that is no coroutine. Raises PipelineError in the event loop's own thread."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            raise PipelineError(f"node {node!r} is a coroutine and must await its samples: use the async call")
        if self._closed:
            raise PipelineError(f"node {node!r} went on after its run had ended")
        future = asyncio.run_coroutine_threadsafe(self.sample(node, chat), self._loop)
        self._waiting.add(future)
        try:
            return future.result()
        finally:
            self._waiting.discard(future)

    def close(self) -> None:
        """Ends the waiting of threads whose run has failed or was cancelled; nothing more is drawn."""
        self._closed = True
        for future in list(self._waiting):
            future.cancel()

    async def _run(self, node: str, chat: Chat) -> Any:
        stage = self._stage(node)
        try:
            messages = messages_of(chat)
        except ValueError as error:
            raise PipelineError(f"node {node!r}, example {id_of(self.example)!r}: {error}") from None
        self.prompts.setdefault(node, messages)
        asked = replace(stage, write=lambda example, upstream: messages)
        choice = self.allocation[node]
        strategy: Strategy = STRATEGIES.get(choice.strategy or self._strategies[node])()
        run = StageRun(asked, self.example, dict(self.outputs), choice.model, choice.samples, choice.temperature)
        return await strategy.run(run, partial(self._draw, run=run))

    def _stage(self, node: str) -> PipelineStage:
        if node not in self._stages:
            raise PipelineError(
                f"node {node!r} samples but is not declared; declare it with pipeline.node({node!r}, ...), "
                f"or name one of: {', '.join(self._stages)}"
            )
        return self._stages[node]

    def declared_node(self, config: RunnableConfig) -> str:
        """The innermost declared node that a config belongs to, else the node itself."""
        metadata = config.get("metadata") or {}
        node = str(metadata.get("langgraph_node", ""))
        path = [step.partition(":")[0] for step in str(metadata.get("langgraph_checkpoint_ns", "")).split("|")]
        return next((name for name in [node, *reversed(path)] if name in self._stages), node)


def call_in(config: RunnableConfig | None) -> GraphCall | None:
    """The GraphCall of a run's config; None where agenttts does not run the graph."""
    found = (config or {}).get("configurable", {}).get(KEY)
    return found if isinstance(found, GraphCall) else None
