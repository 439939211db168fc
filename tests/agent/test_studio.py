"""The search loop for LangGraph's own tools: its drawing, its project, and a run as LangGraph's server makes it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore
from langgraph_sdk.runtime import _ExecutionRuntime, _ReadRuntime

import agenttts as tts
from agent.session import resume
from agent.studio import loop_graph, search_graph, write_project
from storage.session import SessionState
from tools.errors import InvalidInput

NODES = {"__start__", "initial_trials", "execute", "guidelines", "propose", "__end__"}


def agenttts(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = str(Path(sys.executable).with_name("agenttts"))
    return subprocess.run([command, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_the_loop_is_drawn_by_langgraphs_own_means(tmp_path: Path) -> None:
    drawn = loop_graph().get_graph()
    assert set(drawn.nodes) == NODES
    ways = {(edge.source, edge.target) for edge in drawn.edges}
    assert {
        ("execute", "guidelines"),
        ("guidelines", "propose"),
        ("propose", "execute"),
        ("guidelines", "__end__"),
    } <= ways
    shown = agenttts(tmp_path, "graph", "--mermaid")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip() == drawn.draw_mermaid().strip()
    listed = json.loads(agenttts(tmp_path, "graph", "--json").stdout)
    assert {node["id"] for node in listed["nodes"]} == NODES


async def ran(values: dict[str, Any], **settings: Any) -> Any:
    runtime: Any = _ExecutionRuntime(access_context="threads.create_run", store=InMemoryStore())
    async with search_graph({"configurable": {"thread_id": "t", **settings}}, runtime) as graph:
        return await graph.ainvoke(values)


@pytest.mark.slow
async def test_a_run_of_the_graph_is_a_session_that_resume_judges(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'a.db'}"
    settings = {"searcher": "grid", "trials": 6, "batch": 3, "seed": 4, "storage": storage}
    assert (await ran({"pending": []}, **settings))["finished"] == 6
    result = tts.load_result("last", storage)
    assert result.state is SessionState.INTERRUPTED
    usual = await asyncio.to_thread(
        tts.run, searcher="grid", trials=6, batch=3, seed=4, storage=f"sqlite:///{tmp_path / 'b.db'}"
    )
    assert [(t.allocation, t.score) for t in result.trials] == [(t.allocation, t.score) for t in usual.trials]
    judged = await asyncio.to_thread(resume, result.session_id, storage)
    assert judged.state is SessionState.COMPLETE
    assert judged.best.allocation == usual.best.allocation


async def test_a_run_goes_on_with_a_session(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'a.db'}"
    runtime: Any = _ExecutionRuntime(access_context="threads.create_run", store=InMemoryStore())
    settings = {"searcher": "grid", "trials": 6, "batch": 3, "storage": storage}
    async with search_graph({"configurable": settings}, runtime) as graph:
        async for step in graph.astream({"pending": []}):
            if "guidelines" in step:
                break
    begun = tts.load_result("last", storage)
    assert len(begun.trials) == 3
    await ran({"pending": []}, session=begun.session_id, storage=storage)
    whole = tts.load_result(begun.session_id, storage)
    assert len(whole.trials) == 6
    assert whole.trials[:3] == begun.trials


async def test_looking_at_the_graph_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runtime: Any = _ReadRuntime(access_context="assistants.read", store=InMemoryStore())
    async with search_graph({"configurable": {}}, runtime) as graph:
        assert set(graph.get_graph().nodes) == NODES
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_project_is_valid_and_its_module_exposes_the_graph(tmp_path: Path) -> None:
    done = agenttts(tmp_path, "graph", "--studio", "studio", "--json")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "studio"
    assert {path.name for path in folder.iterdir()} == {"langgraph.json", "agenttts_graph.py"}
    path, _, name = json.loads((folder / "langgraph.json").read_text())["graphs"]["agenttts"]["path"].partition(":")
    code = f"import runpy; assert callable(runpy.run_path({path!r})[{name!r}])"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, timeout=120)
    with pytest.raises(InvalidInput, match="already there"):
        write_project(folder)
    pytest.importorskip("langgraph_cli", reason="langgraph-cli is not installed")
    command = str(Path(sys.executable).with_name("langgraph"))
    checked = subprocess.run([command, "validate"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "valid" in (checked.stdout + checked.stderr).lower()


@pytest.mark.parametrize("options", [("--mermaid", "--json"), ("--mermaid", "--studio", "x")])
def test_two_forms_at_once_are_refused(options: tuple[str, ...], tmp_path: Path) -> None:
    done = agenttts(tmp_path, "graph", *options)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
