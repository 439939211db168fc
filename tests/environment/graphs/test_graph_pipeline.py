"""Searching over LangGraph graphs."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

import agenttts as tts
from environment.backend import Receiver
from environment.dry_run import dry_run
from environment.graphs.runner import AT_ONCE
from environment.sampler import Sampler
from environment.trial_runner import Outcome
from storage.database import Database
from storage.sample import GenerationRequest, Sample
from storage.samples import SampleStore
from tools.errors import BudgetExceeded, EndpointError, InvalidInput, PipelineError
from tools.space import Allocation, Choice

MODELS = [tts.Model("small", 3e9), tts.Model("large", 30e9)]
ROWS = [{"id": f"row {number}", "number": number, "tags": ["a"]} for number in range(8)]


class State(TypedDict, total=False):
    number: int
    first: str
    second: str


class Backend:
    """Answers with model, sample and prompt; remembers what it was paid for."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []
        self.prompts: set[str] = set()

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        await asyncio.sleep(0)
        prompt = request.messages[-1].content
        self.prompts.add(prompt)
        self.made.extend((request.key, index) for index in indices)
        await receiver.deliver({index: Sample(f"{request.model}:{index}:{prompt[:20]}", 5, 1) for index in indices})

    async def aclose(self) -> None: ...


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def store() -> Iterator[SampleStore]:
    with Database.open("sqlite://") as database:
        yield SampleStore(database)


async def first_async(state: State) -> State:
    return {"first": await tts.langgraph.sample(f"first {state['number']}")}


def first_plain(state: State) -> State:
    return {"first": tts.langgraph.sample_in_thread(f"first {state['number']}")}


async def first_chat(state: State) -> State:
    message = await tts.langgraph.chat_model().ainvoke(f"first {state['number']}")
    return {"first": str(message.content)}


def first_plain_chat(state: State) -> State:
    chain = ChatPromptTemplate.from_messages([("user", "first {number}")]) | tts.langgraph.chat_model()
    return {"first": str(chain.invoke({"number": state["number"]}).content)}


async def second(state: State) -> State:
    return {"second": await tts.langgraph.sample([("system", "s"), ("user", f"second of {state['first']}")])}


def graph_of(first: Callable[..., Any] = first_async, *, then: Any = "second", **compiling: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("first", first)
    builder.add_node("second", second)
    builder.add_edge(START, "first")
    if callable(then):
        builder.add_conditional_edges("first", then, ["second", END])
    else:
        builder.add_edge("first", then)
    builder.add_edge("second", END)
    return builder.compile(**compiling)


def right(output: Any, example: Any) -> float:
    return float(str(output).startswith("large"))


def pipeline_of(backend: Backend, graph: Any, **settings: Any) -> tts.langgraph.GraphPipeline:
    defaults: dict[str, Any] = {
        "output": "second",
        "metric": right,
        "models": MODELS,
        "examples": ROWS,
        "connect": lambda: {model.name: backend for model in MODELS},
        "max_samples": 8,
        "strategy": "majority",
    }
    pipeline = tts.langgraph.GraphPipeline("graph", graph, **{**defaults, **settings})
    pipeline.node("first", prompt_tokens=8, generation_tokens=2, metric=right)
    pipeline.node("second", prompt_tokens=8, generation_tokens=2)
    return pipeline


async def run(
    pipeline: Any, store: SampleStore, allocation: Allocation | None = None, budget: float = math.inf
) -> Outcome:
    task = pipeline.task()
    runner = task.runner(task, Sampler(store, task.connect()), budget)
    return await runner.run(allocation or both(3, 2), task.search_examples)


def both(first: int, second: int, models: tuple[str, str] = ("small", "large")) -> Allocation:
    return Allocation({"first": Choice(models[0], first), "second": Choice(models[1], second)})


@pytest.mark.parametrize("first", [first_async, first_plain, first_chat, first_plain_chat])
async def test_every_kind_of_node_samples_by_the_allocation(
    first: Callable[..., Any], backend: Backend, store: SampleStore
) -> None:
    pipeline = pipeline_of(backend, graph_of(first))
    outcome = await run(pipeline, store)
    assert {name: score.mean for name, score in outcome.stage_scores.items()} == {"first": 0.0, "second": 1.0}
    assert outcome.score == 1.0
    assert len(backend.made) == 4 * (3 + 2) == outcome.usage.paid
    assert "second of small:0:first 0" in backend.prompts
    again = await run(pipeline, store, both(5, 2))
    assert again.usage.paid == 4 * 2, "three of five samples, and the second node's, were in the store"
    assert again.usage.prompt_tokens == 40


async def test_a_strategy_of_the_allocation_and_fusion_reach_the_nodes(backend: Backend, store: SampleStore) -> None:
    pipeline = pipeline_of(backend, graph_of(), strategy=["fusion", "majority"])
    allocation = Allocation({"first": Choice("small", 2, "fusion"), "second": Choice("large", 2, "majority")})
    await run(pipeline, store, allocation)
    fused = [prompt for prompt in backend.prompts if "Responses proposed so far" in prompt]
    assert len(fused) == 4
    assert all(prompt.startswith("first") for prompt in fused)


async def test_the_graphs_own_edges_decide_what_runs(backend: Backend, store: SampleStore) -> None:
    pipeline = pipeline_of(backend, graph_of(then=lambda state: "second" if state["number"] % 2 else END))
    outcome = await run(pipeline, store)
    assert outcome.stage_scores["second"].per_example == (0.0, 1.0, 0.0, 1.0), "an absent answer scores 0"
    assert outcome.usage.paid == 4 * 3 + 2 * 2


async def test_a_node_is_scored_on_the_examples_that_reach_it(backend: Backend, store: SampleStore) -> None:
    builder = StateGraph(State)
    builder.add_node("first", first_async)
    builder.add_node("second", second)
    builder.add_conditional_edges(
        START, lambda state: "first" if state["number"] else "skip", {"first": "first", "skip": END}
    )
    builder.add_edge("first", "second")
    pipeline = pipeline_of(backend, builder.compile())
    outcome = await run(pipeline, store)
    assert [len(score.per_example) for score in outcome.stage_scores.values()] == [3, 4]
    none = pipeline_of(backend, builder.compile(), examples=[{"number": 0}, {"number": 0}])
    assert list((await run(none, store)).stage_scores) == ["second"]


async def test_a_loop_and_a_subgraph_sample_under_their_declared_node(backend: Backend, store: SampleStore) -> None:
    class Looping(TypedDict, total=False):
        number: int
        turns: Annotated[list[str], lambda left, right: left + right]
        second: str

    async def inner(state: Looping) -> Looping:
        said = await tts.langgraph.sample(f"turn {len(state.get('turns', []))} of {state['number']}")
        return {"turns": [said]}

    sub = StateGraph(Looping)
    sub.add_node("inner", inner)
    sub.add_edge(START, "inner")
    builder = StateGraph(Looping)
    builder.add_node("first", sub.compile())
    builder.add_node("second", lambda state: {"second": state["turns"][-1]})
    builder.add_edge(START, "first")
    builder.add_conditional_edges("first", lambda state: "first" if len(state["turns"]) < 3 else "second")
    pipeline = pipeline_of(backend, builder.compile())
    await run(pipeline, store)
    assert {prompt.split(" of ")[0] for prompt in backend.prompts} >= {"turn 0", "turn 1"}


async def test_input_output_context_and_checkpointer_are_the_graphs_own(backend: Backend, store: SampleStore) -> None:
    seen = []

    async def first(state: State, runtime: Runtime[str]) -> State:
        seen.append((state["number"], runtime.context))
        return await first_async(state)

    pipeline = pipeline_of(
        backend,
        graph_of(first, checkpointer=InMemorySaver()),
        make_input=lambda example: {"number": example["number"] + 100},
        output=lambda state: state["first"],
        context="mine",
    )
    outcome = await run(pipeline, store, both(1, 1, ("large", "small")))
    assert outcome.score == 1.0
    assert sorted(seen) == [(number, "mine") for number in range(100, 104)]
    again = await run(pipeline, store, both(1, 1, ("large", "small")))
    assert (again.score, again.usage.paid) == (1.0, 0), "no run sees another's checkpoints"


async def test_more_waiting_plain_nodes_than_threads_are_no_deadlock(backend: Backend, store: SampleStore) -> None:
    inside, most = 0, 0
    lock = threading.Lock()

    def first(state: State) -> State:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        try:
            return first_plain(state)
        finally:
            with lock:
                inside -= 1

    rows = [{"number": number} for number in range(2 * 100)]
    outcome = await asyncio.wait_for(run(pipeline_of(backend, graph_of(first), examples=rows), store), 60)
    assert len(outcome.stage_scores["first"].per_example) == 100
    assert 8 < most <= AT_ONCE


async def test_the_graph_works_as_before_without_agenttts() -> None:
    async def first(state: State) -> State:
        return {"first": str((await model.ainvoke("x")).content)}

    model = tts.langgraph.chat_model(FakeListChatModel(responses=["as before"]))
    builder = StateGraph(State)
    builder.add_node("first", first)
    builder.add_edge(START, "first")
    assert (await builder.compile().ainvoke({"number": 1}))["first"] == "as before"
    assert model.invoke("x").content == "as before"
    with pytest.raises(PipelineError, match="was given no default model"):
        tts.langgraph.chat_model().invoke("x")
    with pytest.raises(PipelineError, match="does not run this graph"):
        await tts.langgraph.sample("x")


def raising(error: Exception) -> Callable[..., Any]:
    async def first(state: State) -> State:
        raise error

    return first


async def undeclared(state: State) -> State:
    return {"first": await tts.langgraph.sample("x", node="frist")}


async def blocking(state: State) -> State:
    return {"first": tts.langgraph.sample_in_thread("x")}


async def stopping(state: State) -> State:
    return {"first": str((await tts.langgraph.chat_model().ainvoke("x", stop=["."])).content)}


async def imaging(state: State) -> State:
    return {"first": await tts.langgraph.sample([("user", [{"type": "image"}])])}


def waiting(state: State) -> State:
    return {"first": interrupt("a person, please")}


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (
            raising(KeyError("gone")),
            r"example 'row \d': the graph failed: KeyError: 'gone' \(.*test_graph_pipeline.py, line",
        ),
        (undeclared, "node 'frist' samples but is not declared"),
        (blocking, "is a coroutine and must await"),
        (stopping, "stop: is decided where the node is declared"),
        (imaging, "images and tool calls cannot be sampled"),
        (waiting, "waits for a person"),
    ],
)
async def test_what_fails_in_a_graph_names_the_example_or_node(
    first: Callable[..., Any], told: str, backend: Backend, store: SampleStore
) -> None:
    graph = graph_of(first, checkpointer=InMemorySaver() if first is waiting else None)
    with pytest.raises((PipelineError, InvalidInput), match=told):
        await run(pipeline_of(backend, graph), store)


async def test_a_failed_endpoint_fails_the_trial_even_if_the_node_carries_on(store: SampleStore) -> None:
    class Down(Backend):
        async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
            raise EndpointError("it is down")

    async def careless(state: State) -> State:
        try:
            return await first_async(state)
        except Exception:  # noqa: BLE001 - as people write it
            return {"first": "large: a fallback"}

    def careless_plain(state: State) -> State:
        try:
            return first_plain(state)
        except Exception:  # noqa: BLE001 - as people write it
            return {"first": "large: a fallback"}

    for first in (careless, careless_plain):
        with pytest.raises(EndpointError, match="it is down"):
            await run(pipeline_of(Down(), graph_of(first, then=END), output="first"), store)


async def test_cancelling_a_trial_frees_the_threads_that_wait(store: SampleStore) -> None:
    class Hanging(Backend):
        async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
            await asyncio.Event().wait()

    ended = threading.Semaphore(0)

    def first(state: State) -> State:
        try:
            return first_plain(state)
        finally:
            ended.release()

    running = asyncio.create_task(run(pipeline_of(Hanging(), graph_of(first)), store))
    await asyncio.sleep(0.3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for _ in range(4):
        assert await asyncio.to_thread(ended.acquire, timeout=10)


async def test_nothing_runs_over_budget(backend: Backend, store: SampleStore) -> None:
    with pytest.raises(BudgetExceeded):
        await run(pipeline_of(backend, graph_of()), store, both(8, 8, ("large", "large")), budget=0.1)
    assert backend.made == []


async def test_a_dry_run_shows_each_nodes_prompt_and_sends_nothing(backend: Backend) -> None:
    task = pipeline_of(backend, graph_of()).task()
    dry = await dry_run(task, task.search_examples[0])
    assert dry.prompts["first"][-1].content == "first 0"
    assert dry.prompts["second"][-1].content == "second of (a response of large)"
    assert backend.made == []


def test_the_digest_knows_the_graphs_functions(backend: Backend) -> None:
    digests = {pipeline_of(backend, graph_of(first)).task().digest for first in (first_async, first_plain, first_async)}
    assert len(digests) == 2
    assert pipeline_of(backend, graph_of(), output="first").task().digest not in digests


def test_what_cannot_be_searched_is_refused(backend: Backend) -> None:
    with pytest.raises(InvalidInput, match=r"builder.compile\(\)"):
        pipeline_of(backend, StateGraph(State))
    with pytest.raises(InvalidInput, match="the graph's state has no 'third'; it has: number, first, second"):
        pipeline_of(backend, graph_of(), output="third")
    with pytest.raises(InvalidInput, match="metric: is missing"):
        pipeline_of(backend, graph_of(), metric="")
    pipeline = pipeline_of(backend, graph_of())
    pipeline.node("third", prompt_tokens=1, generation_tokens=1, metric=right)
    with pytest.raises(InvalidInput, match="the last declared node carries the final state's score"):
        pipeline.task()
