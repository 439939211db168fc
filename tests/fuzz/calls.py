"""Calls of the Python API: good ones, and each of their arguments in turn made hostile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import agenttts as tts
from tests.fuzz.hostile import values
from tools.measured import Measured

SMALL = {"search_examples": 3, "held_out_examples": 3}


def models() -> list[tts.Model]:
    """Two models of which every cost knows all."""
    shape: dict[str, Any] = {"layers": 2, "hidden_size": 8, "kv_size": 4, "prompt_price": 1.0, "generation_price": 2.0}
    return [tts.Model("a", 1e9, **shape), tts.Model("b", 7e9, **shape)]


def space() -> tts.SearchSpace:
    """Two subtasks."""
    lengths = {"prompt_tokens": 10, "generation_tokens": 5}
    return tts.SearchSpace([tts.Subtask("one", models(), **lengths), tts.Subtask("two", models(), **lengths)], 4)


def told(**changes: Any) -> Any:
    """A search whose first trial is told."""
    search = tts.Search(space(), searcher="random")
    trial = search.ask(1)[0]
    given: dict[str, Any] = {"trial": trial, "score": 0.5, "stage_scores": {"one": 0.5}, "error": ""}
    return search.tell(**{**given, **changes})


def pipeline(**changes: Any) -> Any:
    """A pipeline of one stage as a task; `stage_...` are the stage's settings."""
    rows = [{"id": "a", "question": "q", "answer": "a"}, {"id": "b", "question": "q", "answer": "a"}]
    given: dict[str, Any] = {
        "name": "p",
        "models": [tts.Model("m", 1e9, endpoint="http://127.0.0.1:9/v1")],
        "examples": rows,
        "search": 1,
        "held_out": 1,
        "shuffle": 1,
        "description": "d",
        "endpoints": [],
        "recording": "",
        "connect": None,
        "strategy": "fusion",
        "max_samples": 4,
        "sample_counts": None,
        "cost": None,
        "budget": None,
    }
    stage: dict[str, Any] = {
        "prompt_tokens": 10,
        "generation_tokens": 5,
        "metric": "exact_match",
        "gold": "answer",
        "parse": "text",
        "vote": "majority",
        "fuse": None,
        "verifier": None,
        "models": None,
        "strategy": None,
        "temperature": 0.5,
        "max_tokens": 5,
        "top_p": 0.9,
        "stop": (),
    }
    for name, value in changes.items():
        owner = stage if name.startswith("stage_") else given
        owner[name.removeprefix("stage_")] = value
    made = tts.Pipeline(**given)

    @made.stage(**stage)
    def answer(example: Any, upstream: Any) -> str:
        return str(example["question"])

    return made.task()


STAGE = (
    "prompt_tokens",
    "generation_tokens",
    "metric",
    "gold",
    "parse",
    "vote",
    "models",
    "strategy",
    "temperature",
    "max_tokens",
    "top_p",
    "stop",
)
PIPELINE = (
    "name",
    "models",
    "examples",
    "search",
    "held_out",
    "shuffle",
    "description",
    "endpoints",
    "recording",
    "strategy",
    "max_samples",
    "sample_counts",
    "cost",
    "budget",
)


def calls(folder: Path) -> Mapping[str, tuple[Callable[..., Any], Mapping[str, Any]]]:
    """Every call with good arguments."""
    storage = f"sqlite:///{folder / 'api.db'}"
    searched = {
        "budget": None,
        "searcher": "random",
        "trials": 1,
        "seed": 0,
        "storage": storage,
        "batch": 1,
        "cost": None,
        "cost_settings": None,
        "caps": (),
        "measured": None,
        "front": False,
        "task_options": SMALL,
        "searcher_options": None,
    }
    model = {
        "name": "a",
        "parameters": 1e9,
        "prompt_price": 1.0,
        "generation_price": 1.0,
        "endpoint": None,
        "cached_prompt_price": 1.0,
        "layers": 1,
        "hidden_size": 1,
        "kv_size": 1,
    }
    subtask = {
        "name": "a",
        "models": models(),
        "prompt_tokens": 1,
        "generation_tokens": 1,
        "strategies": ("fusion",),
        "temperatures": (0.5,),
    }
    endpoint = {
        "base_url": "http://127.0.0.1:9/v1",
        "key_env": "X",
        "concurrency": 1,
        "timeout": 1.0,
        "max_attempts": 1,
        "max_choices": None,
        "unanswered": "empty",
    }
    measured = {
        "prompt_tokens": 1.0,
        "generation_tokens": 1.0,
        "per_request": 1.0,
        "per_prompt_token": 1.0,
        "per_token": 1.0,
        "per_step": 1.0,
        "requests": 1,
        "largest": 1,
    }
    compared = {
        "tasks": [tts.TaskEntry("simulated-2wiki")],
        "searchers": [tts.SearcherEntry("random")],
        "seeds": 1,
        "trials": 1,
        "batch": 1,
        "budgets": ["default"],
        "cost": None,
        "reference": "",
        "first_seed": 1,
        "workers": 1,
    }
    problem = {
        "space": space(),
        "budget": None,
        "searcher": "random",
        "seed": 0,
        "cost": None,
        "task": "t",
        "description": "d",
        "metrics": None,
        "caps": (),
    }
    allocation = {"one": {"model": "a", "samples": 1}, "two": {"model": "b", "samples": 2}}
    return {
        "run": (tts.run, {"task": "simulated-2wiki", **searched}),
        "pareto": (tts.pareto, {"task": "simulated-2wiki", **{k: v for k, v in searched.items() if k != "front"}}),
        "resume": (tts.resume, {"session": "last", "storage": storage, "task": None}),
        "load_result": (tts.load_result, {"session": "last", "storage": storage}),
        "load_front": (tts.load_front, {"session": "last", "storage": storage}),
        "measure_session": (tts.measure_session, {"session": "last", "storage": storage}),
        "measure_recording": (tts.measure_recording, {"task": "simulated-2wiki"}),
        "compare": (tts.compare, compared),
        "Model": (tts.Model, model),
        "Subtask": (tts.Subtask, subtask),
        "SearchSpace": (tts.SearchSpace, {"subtasks": list(space().subtasks), "max_samples": 3, "sample_counts": None}),
        "Search": (tts.Search, problem),
        "Search.ask": (lambda n: tts.Search(space(), searcher="random").ask(n), {"n": 1}),
        "Search.tell": (told, {"score": 0.5, "stage_scores": {"one": 0.5}, "error": "", "trial": 0}),
        "parse": (lambda values: space().parse(values), {"values": allocation}),
        "parse choice": (lambda values: space().parse({**allocation, "one": values}), {"values": allocation["one"]}),
        "parse model": (lambda v: space().parse({**allocation, "one": {"model": v, "samples": 1}}), {"v": "a"}),
        "parse samples": (lambda v: space().parse({**allocation, "one": {"model": "a", "samples": v}}), {"v": 1}),
        "parse name": (
            lambda v: space().parse({**allocation, v: allocation["one"]} if _hashable(v) else {}),
            {"v": "one"},
        ),
        "feasible": (
            lambda a, b: space().feasible(space().parse(allocation) if a is None else a, b, tts.FlopsCost()),
            {"a": None, "b": 9.0},
        ),
        "count": (lambda b: space().count(b, tts.FlopsCost()), {"b": 9.0}),
        "FlopsCost": (
            tts.FlopsCost,
            {
                "base_parameters": 1e9,
                "base_prompt_tokens": 1,
                "base_generation_tokens": 1,
                "attention": False,
                "every_call": False,
            },
        ),
        "PriceCost": (tts.PriceCost, {"examples": 1, "shared_prompt": True, "every_call": True}),
        "KineticsCost": (tts.KineticsCost, {"arithmetic_intensity": 1.0, "batch": 1, "value_bytes": 1.0}),
        "LatencyCost": (tts.LatencyCost, {"table": {"one": {"a": measured}}}),
        "TokensCost": (tts.TokensCost, {"table": {"one": {"a": measured}}}),
        "Cap": (tts.Cap, {"cost": tts.FlopsCost(), "limit": 1.0}),
        "Measurements": (tts.Measurements.from_dict, {"table": {"one": {"a": measured}}}),
        "Measurements entry": (lambda **one: tts.Measurements.from_dict({"one": {"a": one}}), measured),
        "Measured": (Measured, measured),
        "Endpoint": (tts.Endpoint, endpoint),
        "SamplingParameters": (tts.SamplingParameters, {"temperature": 0.5, "max_tokens": 3, "top_p": 0.5, "stop": ()}),
        "Message": (tts.Message, {"role": "user", "content": "x"}),
        "Pipeline": (pipeline, dict.fromkeys((*PIPELINE, *(f"stage_{name}" for name in STAGE)))),
        "allocated": (tts.allocated, {"task": "multihop-recorded", "allocation": ALLOCATION}),
        "answer": (_answer, {"question": {"question": "q", "candidates": ["a", "b"]}}),
        "answer field": (lambda v: _answer({"question": v, "candidates": ["a"]}), {"v": "q"}),
        "answer list": (lambda v: _answer({"question": "q", "candidates": v}), {"v": ["a"]}),
        "SearcherEntry": (
            lambda **e: _planned(searchers=[tts.SearcherEntry(**e)]),
            {"name": "random", "options": {}, "label": ""},
        ),
        "TaskEntry": (
            lambda **e: _planned(tasks=[tts.TaskEntry(**e)]),
            {"name": "simulated-2wiki", "options": {}, "label": ""},
        ),
    }


ALLOCATION = {
    "retrieval": {"model": "smollm2-135m-instruct", "samples": 1},
    "qa": {"model": "smollm2-135m-instruct", "samples": 1},
}
LONG = {"trials", "seeds", "n", "batch"}
"""Arguments whose large values are good ones that take long."""


QUICK = (
    "Model",
    "Subtask",
    "SearchSpace",
    "Search",
    "Search.tell",
    "parse",
    "parse choice",
    "parse samples",
    "feasible",
    "count",
    "FlopsCost",
    "PriceCost",
    "LatencyCost",
    "Cap",
    "Measurements entry",
    "Endpoint",
    "Pipeline",
    "answer field",
    "run",
    "load_result",
)
"""Calls that refuse within milliseconds; the script tries all of them."""


def hostile_calls(folder: Path, among: Sequence[str] = ()) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every argument of every call with every hostile value, and what to say of it."""
    for name, (call, good) in calls(folder).items():
        if among and name not in among:
            continue
        for argument in good:
            for position, value in enumerate(values()):
                if not takes_long(argument, value):
                    kept = {} if name == "Pipeline" else good
                    yield f"{name} {argument} {position} {_shown(value)}", _bound(call, {**kept, argument: value})


def drawn(random: Random, folder: Path, among: Sequence[str] = ()) -> tuple[str, Callable[[], Any]]:
    """A call with some of its arguments made hostile."""
    known = calls(folder)
    name = random.choice(list(among or known))
    call, good = known[name]
    arguments: dict[str, Any] = {} if name == "Pipeline" else dict(good)
    changed = random.sample(list(good), min(len(good), random.randrange(1, 4)))
    for argument in changed:
        value = random.choice(values())
        if not takes_long(argument, value):
            arguments[argument] = value
    return f"{name} {', '.join(f'{c}={_shown(arguments.get(c))}' for c in changed)}", _bound(call, arguments)


def takes_long(argument: str, value: Any) -> bool:
    """Whether a value is a good one that takes long."""
    return argument in LONG and isinstance(value, int) and value > 3


def _bound(call: Callable[..., Any], arguments: Mapping[str, Any]) -> Callable[[], Any]:
    return lambda: call(**arguments)


def _answer(question: Any) -> Any:
    async def ask() -> Any:
        async with tts.allocated("multihop-recorded", ALLOCATION) as made:
            return await made.answer(question)

    return asyncio.run(ask())


def _planned(**changes: Any) -> Any:
    given: dict[str, Any] = {"tasks": [tts.TaskEntry("simulated-2wiki")], "searchers": [tts.SearcherEntry("random")]}
    return tts.compare(**{**given, **changes}, seeds=1, trials=1, batch=1, workers=1)


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _shown(value: Any) -> str:
    try:
        return ascii(value)[:60]
    except Exception:  # noqa: BLE001 - hostile values may refuse to be shown
        return f"a {type(value).__name__}"
