"""Algorithm 1 of AgentTTS as a LangGraph graph."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph

from agent.model_calls import ModelCalls
from agent.search import Search
from agent.trial_queue import TrialQueue
from environment.sampler import SECONDS_TO_FINISH
from environment.side_by_side import side_by_side
from environment.spans import spanned
from storage.archive import Archive
from tools.errors import AgentttsError
from tools.trial import Guideline, Trial, TrialState


class Observer(Protocol):
    """Told of progress as it happens; must return quickly and not raise."""

    def trial_finished(self, trial: Trial, search: Search) -> None: ...

    def guideline_written(self, guideline: Guideline) -> None: ...


NONE_CONCLUDED = -1
POLL_SECONDS = 0.2
"""How often a process without a trial to run looks at what others do."""


class LoopState(TypedDict):
    """What LangGraph checkpoints after every step. The archive holds the rest.

    `pending` are the trials to run, `finished` counts those handed out so far, and up to the batch
    `concluded` the searcher was asked for its guidelines.
    """

    pending: list[int]
    finished: int
    concluded: int


@dataclass(frozen=True)
class SearchLoop:
    """Propose, execute, guidelines, propose, execute, ... until enough trials are done.

    The archive alone says what was decided and what was found, and what it holds is not done again: a
    run begins at the first node, which passes on to where the last one stopped. Other processes may
    run the trials.
    """

    session_id: str
    search: Search
    queue: TrialQueue
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
        ways: dict[Hashable, str] = {"execute": "execute", "guidelines": "guidelines", END: END}
        graph.add_edge(START, "initial_trials")
        graph.add_conditional_edges("initial_trials", self._after_proposal, ways)
        graph.add_edge("execute", "guidelines")
        graph.add_conditional_edges("guidelines", self._wants_more, {True: "propose", False: END})
        graph.add_conditional_edges("propose", self._after_proposal, ways)
        return graph

    async def run(self, checkpointer: BaseCheckpointSaver[Any]) -> None:
        """Runs to the stop criterion, from where the restored search stands.

        The checkpoints show every step to LangGraph's own tools; none is read back. Raises what the
        executor and the searcher raise; the trial at hand is then waiting again.
        """
        compiled = self.graph().compile(checkpointer=checkpointer, name="agenttts")
        # Two steps a batch, and a batch has at least one trial.
        config: Any = {
            "configurable": {"thread_id": self.session_id},
            "recursion_limit": 3 * self.trials + 10,
        }
        state: LoopState = {"pending": [], "finished": 0, "concluded": NONE_CONCLUDED}
        await compiled.ainvoke(state, config, durability="sync")

    def restore(self, stored: Sequence[Trial]) -> None:
        """Makes the searcher decide again what the archive says it decided, batch by batch.

        From here on its model calls are kept in the archive. Raises AgentttsError naming the first trial
        where it decides otherwise.
        """
        ModelCalls(self.archive, self.session_id).follow(self.search.searcher)
        written = {guideline.batch for guideline in self.archive.guidelines(self.session_id)}
        batches = sorted({trial.batch for trial in stored})
        for batch in batches:
            expected = [trial for trial in stored if trial.batch == batch]
            asked = self.search.ask(self.batch, at_most=self.trials - len(self.search.trials))
            for ours, theirs in zip(asked, expected, strict=False):
                if ours.allocation != theirs.allocation:
                    raise AgentttsError(
                        f"session {self.session_id}: trial {theirs.number} was {theirs.allocation}, "
                        f"but the searcher now proposes {ours.allocation}"
                    )
            self.archive.add_trials(self.session_id, _waiting(asked[len(expected) :]))
            self._tell(expected)
            if batch in written or batch != batches[-1]:
                guideline = self.search.conclude()
                if guideline is not None and batch not in written:
                    self.archive.add_guideline(self.session_id, guideline)

    @spanned("propose", lambda self, _: {"agenttts.trials": len(self.search.trials)})
    async def _propose(self, state: LoopState) -> LoopState:
        if not self.search.open and not self._unconcluded(state):
            left = self.trials - len(self.search.trials)
            if left > 0:
                await to_the_end(self._ask(left))
        return {**state, "pending": [trial.number for trial in self.search.open]}

    async def _ask(self, left: int) -> None:
        asked = await asyncio.to_thread(self.search.ask, self.batch, at_most=left)
        self.archive.add_trials(self.session_id, _waiting(asked))

    @spanned("batch", lambda self, _: {"agenttts.batch": self.search.trials[-1].batch if self.search.trials else 0})
    async def _execute(self, state: LoopState) -> LoopState:
        await side_by_side(self._work_off() for _ in range(self.queue.runner.at_once))
        return {**state, "pending": [], "finished": len(self.search.trials)}

    async def _work_off(self) -> None:
        """Runs trials one after the other, and waits for those that run elsewhere."""
        while self.search.open:
            trial = await self.queue.claim()
            if trial is not None:
                finished = await self.queue.run(trial)
                self._tell([finished] if finished else [], observed=True)
            elif not self._tell(self._open_in_archive(), observed=True):
                await asyncio.sleep(POLL_SECONDS)

    @spanned("guidelines", lambda self, _: {"agenttts.batch": self.search.trials[-1].batch})
    async def _guide(self, state: LoopState) -> LoopState:
        batch = self.search.trials[-1].batch
        if all(guideline.batch != batch for guideline in self.search.guidelines):
            await to_the_end(self._conclude())
        return {**state, "finished": len(self.search.trials), "concluded": batch}

    async def _conclude(self) -> None:
        guideline = await asyncio.to_thread(self.search.conclude)
        if guideline is not None:
            self.archive.add_guideline(self.session_id, guideline)
            if self.observer:
                self.observer.guideline_written(guideline)

    def _tell(self, trials: Sequence[Trial], *, observed: bool = False) -> int:
        """Tells the search those of the trials that are complete and new to it; how many it was told."""
        open_ = {trial.number for trial in self.search.open}
        complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.number in open_]
        for trial in complete:
            finished = self.search.tell(trial, trial.score, trial.stage_scores)
            if observed and self.observer:
                self.observer.trial_finished(finished, self.search)
        return len(complete)

    def _open_in_archive(self) -> list[Trial]:
        return self.archive.trials(self.session_id, [trial.number for trial in self.search.open])

    def _unconcluded(self, state: LoopState) -> bool:
        """Whether the last batch is told and its guidelines are not asked for, as after a crash between the two."""
        trials = self.search.trials
        if not trials or self.search.open:
            return False
        batch = trials[-1].batch
        return state.get("concluded", NONE_CONCLUDED) < batch and all(g.batch != batch for g in self.search.guidelines)

    def _after_proposal(self, state: LoopState) -> str:
        if self._unconcluded(state):
            return "guidelines"
        return "execute" if state["pending"] else END

    def _wants_more(self, _: LoopState) -> bool:
        return len(self.search.trials) < self.trials


async def to_the_end(step: Coroutine[Any, Any, None]) -> None:
    """Runs a step that has paid for something and stores it at its end: a cancelled caller waits for that a while."""
    running = asyncio.ensure_future(step)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running}, timeout=SECONDS_TO_FINISH)
        running.cancel()
        raise


def _waiting(trials: Sequence[Trial]) -> list[Trial]:
    return [replace(trial, state=TrialState.WAITING) for trial in trials]
