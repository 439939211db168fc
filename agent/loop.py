"""Algorithm 1 of AgentTTS as a LangGraph graph."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph

from agent.search import Search
from agent.trial_span import found_by_trial, told_of_trial
from environment.side_by_side import side_by_side
from environment.spans import spanned
from environment.task import SEARCH, Task
from environment.trial_runner import TrialRunner
from storage.archive import Archive
from tools.errors import AgentttsError
from tools.trial import Guideline, Trial, TrialState


class Observer(Protocol):
    """Told of progress as it happens; must return quickly and not raise."""

    def trial_finished(self, trial: Trial, search: Search) -> None: ...

    def guideline_written(self, guideline: Guideline) -> None: ...


class LoopState(TypedDict):
    """What LangGraph checkpoints after every step. The archive holds the rest."""

    pending: list[int]
    finished: int


@dataclass(frozen=True)
class SearchLoop:
    """Initial trials, execute, guidelines, propose, execute, ... until enough trials are done.

    Every node may run twice: what it did before a crash is in the archive, and `restore` has put
    it back into the search, so that the second run finds nothing left to do.
    """

    session_id: str
    task: Task
    search: Search
    runner: TrialRunner
    archive: Archive
    trials: int
    batch: int
    observer: Observer | None = None

    def graph(self) -> StateGraph[LoopState, None, LoopState, LoopState]:
        """The graph, not yet compiled."""
        graph: StateGraph[LoopState, None, LoopState, LoopState] = StateGraph(LoopState)
        graph.add_node("initial_trials", self._propose)
        graph.add_node("execute", self._execute)
        graph.add_node("guidelines", self._guide)
        graph.add_node("propose", self._propose)
        graph.add_edge(START, "initial_trials")
        graph.add_conditional_edges("initial_trials", _any_pending, {True: "execute", False: END})
        graph.add_edge("execute", "guidelines")
        graph.add_conditional_edges("guidelines", self._wants_more, {True: "propose", False: END})
        graph.add_conditional_edges("propose", _any_pending, {True: "execute", False: END})
        return graph

    async def run(self, checkpointer: BaseCheckpointSaver[Any]) -> None:
        """Runs to the stop criterion, or continues from the session's last checkpoint.

        Raises what the executor and the searcher raise; the trial at hand is then waiting again.
        """
        compiled = self.graph().compile(checkpointer=checkpointer, name="agenttts")
        # Two steps a batch, and a batch has at least one trial.
        config: Any = {
            "configurable": {"thread_id": self.session_id},
            "recursion_limit": 3 * self.trials + 10,
        }
        started = await checkpointer.aget_tuple(config)
        state: LoopState | None = None if started else {"pending": [], "finished": 0}
        await compiled.ainvoke(state, config, durability="sync")

    def restore(self, stored: Sequence[Trial]) -> None:
        """Makes the searcher decide again what the archive says it decided, batch by batch.

        Raises AgentttsError naming the first trial where it decides otherwise.
        """
        written = {guideline.batch for guideline in self.archive.guidelines(self.session_id)}
        for batch in sorted({trial.batch for trial in stored}):
            expected = [trial for trial in stored if trial.batch == batch]
            asked = self.search.ask(self.batch, at_most=self.trials - len(self.search.trials))
            for ours, theirs in zip(asked, expected, strict=False):
                if ours.allocation != theirs.allocation:
                    raise AgentttsError(
                        f"session {self.session_id}: trial {theirs.number} was {theirs.allocation}, "
                        f"but the searcher now proposes {ours.allocation}"
                    )
            self.archive.add_trials(self.session_id, _waiting(asked[len(expected) :]))
            for trial in expected:
                if trial.state is TrialState.COMPLETE:
                    self.search.tell(trial, trial.score, trial.stage_scores)
                elif trial.state is TrialState.RUNNING:
                    self.archive.save_trial(self.session_id, replace(trial, state=TrialState.WAITING))
            if batch in written:
                self.search.conclude()
        self.search.searcher.drain_transcripts()

    @spanned("propose", lambda self, _: {"agenttts.trials": len(self.search.trials)})
    async def _propose(self, state: LoopState) -> LoopState:
        if not self.search.open:
            left = self.trials - len(self.search.trials)
            asked = await asyncio.to_thread(self.search.ask, self.batch, at_most=left) if left > 0 else []
            self._store_transcripts()
            self.archive.add_trials(self.session_id, _waiting(asked))
        return {**state, "pending": [trial.number for trial in self.search.open]}

    @spanned("batch", lambda self, _: {"agenttts.batch": self.search.trials[-1].batch if self.search.trials else 0})
    async def _execute(self, state: LoopState) -> LoopState:
        turns = asyncio.Semaphore(self.runner.at_once)

        async def in_turn(trial: Trial) -> None:
            async with turns:
                await self._run_trial(trial)

        await side_by_side(in_turn(trial) for trial in self.search.open)
        return {"pending": [], "finished": len(self.search.trials)}

    @spanned("guidelines", lambda self, _: {"agenttts.batch": self.search.trials[-1].batch})
    async def _guide(self, state: LoopState) -> LoopState:
        batch = self.search.trials[-1].batch
        if all(guideline.batch != batch for guideline in self.search.guidelines):
            guideline = await asyncio.to_thread(self.search.conclude)
            self._store_transcripts()
            if guideline is not None:
                self.archive.add_guideline(self.session_id, guideline)
                if self.observer:
                    self.observer.guideline_written(guideline)
        return state

    @spanned("trial", told_of_trial, found_by_trial)
    async def _run_trial(self, trial: Trial) -> Trial:
        self.archive.save_trial(self.session_id, trial)
        try:
            outcome = await self.runner.run(trial.allocation, self.task.examples(SEARCH))
        except BaseException:
            self.archive.save_trial(self.session_id, replace(trial, state=TrialState.WAITING))
            raise
        measured = replace(trial, usage=outcome.usage)
        finished = self.search.tell(measured, outcome.score, outcome.stage_scores)
        self.archive.save_trial(self.session_id, finished, outcome.draws)
        if self.observer:
            self.observer.trial_finished(finished, self.search)
        return finished

    def _wants_more(self, _: LoopState) -> bool:
        return len(self.search.trials) < self.trials

    def _store_transcripts(self) -> None:
        self.archive.add_transcripts(self.session_id, self.search.searcher.drain_transcripts())


def _waiting(trials: Sequence[Trial]) -> list[Trial]:
    return [replace(trial, state=TrialState.WAITING) for trial in trials]


def _any_pending(state: LoopState) -> bool:
    return bool(state["pending"])
