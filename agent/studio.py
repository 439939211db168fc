"""The search loop as a graph for LangGraph's own tools: drawn, or run step by step in LangGraph Studio."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph_sdk.runtime import ServerRuntime

from agent.loop import SearchLoop
from agent.participation import begun_by
from agent.preparation import prepare
from agent.setup import setup_of
from agent.trial_queue import TrialQueue
from environment.execution import LOCAL, execution
from storage.archive import Archive
from storage.database import DEFAULT_URL, Database
from storage.lease import Lease
from storage.session import SessionConfig, SessionState
from storage.workers import Workers
from tools.errors import InvalidInput

NAME = "agenttts"
MODULE = "agenttts_graph.py"
PROJECT = {
    "dependencies": ["."],
    "graphs": {NAME: {"path": f"./{MODULE}:graph", "description": "Algorithm 1 of AgentTTS, one session a run"}},
}
CODE = '''"""The search loop of agenttts for LangGraph Studio: `langgraph dev --allow-blocking` in this folder."""

from agenttts.langgraph import search_graph as graph

__all__ = ["graph"]
'''
SETTINGS = frozenset(
    {
        "task",
        "searcher",
        "trials",
        "batch",
        "seed",
        "budget",
        "storage",
        "session",
        "task_options",
        "searcher_options",
    }
)
"""What a run's `configurable` may name; everything else in it is the server's own."""
Graph = CompiledStateGraph[Any, Any, Any, Any]


def loop_graph() -> Graph:
    """The search loop's graph for looking at: its nodes do nothing, since no session stands behind them."""
    shape: SearchLoop = object.__new__(SearchLoop)
    return shape.graph().compile(name=NAME)


@asynccontextmanager
async def search_graph(config: RunnableConfig, runtime: ServerRuntime[None]) -> AsyncIterator[Graph]:
    """The factory that LangGraph's server calls: a run is a new session, or goes on with one.

    The run's `configurable` may name task, searcher, trials, batch, seed, budget, storage, task_options
    and searcher_options, as for `run`, or the `session` to go on with. Where the server only looks at the
    graph nothing is opened. A session whose run has ended is judged by `agenttts resume`.
    """
    if runtime.execution_runtime is None:
        yield loop_graph()
        return
    wanted = config.get("configurable") or {}
    own = {name: value for name, value in wanted.items() if name in SETTINGS}
    async with _session(**own) as loop:
        yield loop.graph().compile(name=NAME)


def write_project(folder: Path) -> list[Path]:
    """Writes what `langgraph dev` and LangGraph Studio need into a folder. Raises InvalidInput, overwriting nothing."""
    files = {folder / "langgraph.json": json.dumps(PROJECT, indent=2) + "\n", folder / MODULE: CODE}
    for path in files:
        if path.exists():
            raise InvalidInput("--studio", f"{path} is already there; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput("--studio", f"{folder} cannot be written to: {error.strerror}") from None
    return list(files)


@asynccontextmanager
async def _session(
    *,
    task: str = "multihop-recorded",
    searcher: str = "planner",
    trials: int = 50,
    batch: int = 10,
    seed: int = 0,
    budget: float | None = None,
    storage: str = DEFAULT_URL,
    session: str | None = None,
    task_options: Mapping[str, Any] | None = None,
    searcher_options: Mapping[str, Any] | None = None,
) -> AsyncIterator[SearchLoop]:
    with Database.open(storage) as database:
        archive = Archive(database)
        if session is None:
            config = SessionConfig(
                task,
                dict(task_options or {}),
                searcher,
                dict(searcher_options or {}),
                seed,
                0.0 if budget is None else budget,
                "",
                {},
                trials,
                batch,
            )
            loaded, search, config = prepare(config, default_budget=budget is None)
            record = archive.create_session(config, setup_of(search.problem))
        else:
            record = archive.session(session)
            config = record.config
            loaded, search, _ = prepare(config)
        with execution(LOCAL, {}, config, loaded, database) as running, Lease(database, record.id) as lease:
            worker = lease.worker
            if not Workers(database).take_lead(worker):
                raise InvalidInput("session", f"{record.id} is complete, or another process is at it")
            async with running.runner(begun_by(record.id, archive, worker)) as runner:
                own = Archive(database, worker.id)
                queue = TrialQueue(record.id, loaded, runner, own)
                loop = SearchLoop(record.id, search, queue, own, config.trials, config.batch)
                try:
                    loop.restore(own.trials(record.id))
                    yield loop
                finally:
                    own.set_state(record.id, SessionState.INTERRUPTED)
