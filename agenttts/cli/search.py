"""`agenttts search` and `agenttts resume`: the main job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from agenttts.cli.completion import searcher_names
from agenttts.cli.confirm import confirmation
from agenttts.cli.observers import Mlflow, Otel, beside
from agenttts.cli.options import (
    DEFAULT_STORAGE,
    DEFAULT_TASK,
    LAST,
    AsJson,
    AsJsonLines,
    Budget,
    Cap,
    Cost,
    CostSetting,
    Deadline,
    DryRun,
    Executor,
    ExecutorOption,
    MaxDollars,
    MaxGenerations,
    MaxTokens,
    MeasuredFile,
    ModelSpec,
    SearcherOption,
    Session,
    Storage,
    Task,
    TaskOption,
    Yes,
    cap_limits,
    named_values,
    read_measured,
    spending_caps,
    task_options,
)
from agenttts.cli.terminal import Terminal

SEARCHER_NAMES = "planner, llm, random, tpe, gp, cmaes, nsga2, grid, smac, llm-zs, agenthpo, mlcopilot"

if TYPE_CHECKING:
    from agent.session import Result
    from agenttts.cli.progress import EventLines, ProgressObserver


def search(
    task: Task = DEFAULT_TASK,
    budget: Budget = None,
    searcher: Annotated[
        str, typer.Option(help=f"{SEARCHER_NAMES} or an installed one.", autocompletion=searcher_names)
    ] = "planner",
    trials: Annotated[int, typer.Option(help="How many allocations to try.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the searcher.")] = 0,
    batch: Annotated[int, typer.Option(help="Allocations proposed at a time.")] = 10,
    cost: Cost = None,
    cost_settings: CostSetting = None,
    cap: Cap = None,
    measured: MeasuredFile = None,
    model: ModelSpec = None,
    settings: TaskOption = None,
    agent_model: Annotated[str | None, typer.Option(help="Model of a searcher that is a language model.")] = None,
    agent_url: Annotated[str | None, typer.Option(help="Base URL of that model's endpoint.")] = None,
    searcher_settings: SearcherOption = None,
    executor: Executor = "local",
    executor_settings: ExecutorOption = None,
    max_dollars: MaxDollars = None,
    max_generations: MaxGenerations = None,
    max_tokens: MaxTokens = None,
    deadline: Deadline = None,
    mlflow: Mlflow = None,
    otel: Otel = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
    json_lines: AsJsonLines = False,
) -> None:
    """Search for the best allocation of a task within a budget.

    Without arguments: the planner on the recorded benchmark; no key, no server, no GPU.

    Examples:

      agenttts search

      agenttts search pipeline.yaml --trials 30 --budget 400

      agenttts search multihop --model small:0.5B@http://127.0.0.1:8080/v1 --model large:7B@http://127.0.0.1:8081/v1

      agenttts search --searcher llm --agent-model gpt-5-mini --json-lines
    """
    from agent.session import run
    from agenttts.cli.progress import observing

    caps = spending_caps(max_dollars, max_generations, max_tokens, deadline)
    agent = {"model": agent_model, "base_url": agent_url}
    with (
        observing(as_json=as_json, json_lines=json_lines) as observer,
        beside(observer, mlflow=mlflow, otel=otel) as observers,
    ):
        result = run(
            task,
            budget,
            searcher,
            trials,
            seed,
            storage,
            batch=batch,
            cost=cost,
            cost_settings=named_values("--cost-set", cost_settings),
            caps=cap_limits(cap),
            measured=read_measured(measured),
            task_options=task_options(settings, model),
            searcher_options={name: value for name, value in agent.items() if value is not None}
            | named_values("--searcher-set", searcher_settings),
            executor=executor,
            executor_options=named_values("--executor-set", executor_settings),
            spending=caps,
            confirm=confirmation(caps, yes=yes, dry_run=dry_run, as_json=as_json),
            observer=observers,
        )
    _print(result, as_json, observer)


def resume(
    session: Session = LAST,
    task: Annotated[
        str | None, typer.Option(help="The session's pipeline, where its file has moved or it was a program's object.")
    ] = None,
    executor: Executor = "local",
    executor_settings: ExecutorOption = None,
    max_dollars: MaxDollars = None,
    max_generations: MaxGenerations = None,
    max_tokens: MaxTokens = None,
    deadline: Deadline = None,
    mlflow: Mlflow = None,
    otel: Otel = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
    json_lines: AsJsonLines = False,
) -> None:
    """Go on with a session that was stopped; nothing finished is done or paid again.

    Examples:

      agenttts resume last

      agenttts resume 3f2a --storage postgresql://db/agenttts
    """
    from agent.session import resume as resume_session
    from agenttts.cli.progress import observing

    caps = spending_caps(max_dollars, max_generations, max_tokens, deadline)
    with (
        observing(as_json=as_json, json_lines=json_lines) as observer,
        beside(observer, mlflow=mlflow, otel=otel) as observers,
    ):
        result = resume_session(
            session,
            storage,
            task=task,
            executor=executor,
            executor_options=named_values("--executor-set", executor_settings),
            spending=caps,
            observer=observers,
        )
    _print(result, as_json, observer)


def _print(result: Result, as_json: bool, observer: EventLines | ProgressObserver) -> None:
    from agent.pareto import Front
    from agenttts.cli.pareto import print_front
    from agenttts.cli.progress import EventLines
    from agenttts.cli.summary import print_result, result_to_dict

    if isinstance(observer, EventLines):
        observer.result(result_to_dict(result))
    elif as_json:
        typer.echo(json.dumps(result_to_dict(result), indent=2))
    elif result.config.front:
        print_front(Terminal(), Front.of(result))
    else:
        print_result(Terminal(), result)
