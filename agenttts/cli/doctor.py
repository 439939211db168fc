"""`agenttts doctor`: what works here, what does not, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from agenttts.cli.options import DEFAULT_STORAGE, AsJson, ModelSpec, Storage, TaskOption, task_options
from agenttts.cli.terminal import Terminal
from tools.errors import StorageError
from tools.text import visible

if TYPE_CHECKING:
    from environment.backends.endpoint import Endpoint
    from environment.backends.probe import Probe

FAILED = 1
MODELS_SHOWN = 5
OPENAI = "https://api.openai.com/v1"
"""Where a search agent is whose address is not given."""


class State(StrEnum):
    """How a thing stands: it works, with less than it might, or not at all; absent things may be fine."""

    OK = "ok"
    LESS = "less"
    FAILS = "fails"
    ABSENT = "absent"


COLOURS = {State.OK: "green", State.LESS: "yellow", State.FAILS: "red", State.ABSENT: "dim"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, how it stands and what to do about it."""

    subject: str
    state: State
    says: str
    fix: str = ""


def doctor(
    task: Annotated[
        str | None, typer.Argument(help="A task or pipeline file whose endpoints are asked too. Default: none.")
    ] = None,
    model: ModelSpec = None,
    settings: TaskOption = None,
    agent_model: Annotated[str | None, typer.Option(help="Model of a searcher that is a language model.")] = None,
    agent_url: Annotated[str | None, typer.Option(help="Base URL of that model's endpoint.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Check Python, extras, the database, the sandbox and every endpoint, and say what to fix.

    A model is asked six short questions: whether it is there, gives several answers at once, keeps to a
    JSON schema, tells log-probabilities and tokens, and how fast it is. Nothing is stored. Exit code 1
    where something does not work.

    Examples:

      agenttts doctor

      agenttts doctor --model small:0.5B@http://127.0.0.1:8080/v1

      agenttts doctor pipeline.yaml --storage postgresql://db/agenttts
    """
    found = [*_installation(), _database(storage), *_sandbox()]
    asked = [*_endpoints(task, model, settings), *_agent_endpoint(agent_model, agent_url)]
    probes = asyncio.run(_probe_all(asked))
    found += [finding for probe in probes for finding in _model(probe)]
    if as_json:
        typer.echo(
            json.dumps({"findings": [asdict(f) for f in found], "endpoints": [asdict(p) for p in probes]}, indent=2)
        )
    else:
        _print(found)
    if any(finding.state is State.FAILS for finding in found):
        raise typer.Exit(FAILED)


def _installation() -> Iterator[Finding]:
    from agenttts.cli.installation import missing_by_extra

    yield Finding("agenttts", State.OK, version("agenttts"))
    yield Finding("Python", State.OK, f"{platform.python_version()} ({sys.executable})")
    extras = missing_by_extra()
    yield Finding("extras", State.OK, ", ".join(extra for extra, missing in extras.items() if not missing) or "none")
    for extra, missing in extras.items():
        if missing:
            fix = f'to use it: pip install "agenttts[{extra}]"'
            yield Finding(f"extra {extra}", State.ABSENT, f"lacks {', '.join(missing)}", fix)


def _database(url: str) -> Finding:
    from storage.inspection import standing

    try:
        found = standing(url)
    except StorageError as error:
        return Finding("database", State.FAILS, str(error))
    if not found.exists:
        return Finding("database", State.OK, f"{found.url} is not there yet; the first search makes it")
    if not found.up_to_date:
        says = f"{found.url} has schema {found.revision}, this version writes {found.newest}"
        return Finding("database", State.LESS, says, "the next search brings it up to date, unless it is a newer one")
    says = f"{found.url} holds {found.sessions:,} sessions and {found.samples:,} samples"
    return Finding("database", State.OK, says)


def _sandbox() -> Iterator[Finding]:
    from environment.sandbox.sandbox import available

    levels = available()
    strongest, weaker = next(iter(levels)), [level for level, problem in levels.items() if not problem]
    if not weaker:
        yield Finding("sandbox", State.FAILS, "no level of isolation is to be had: no program of a model can be run")
    elif problem := levels[strongest]:
        yield Finding("sandbox", State.LESS, f"{weaker[0]}; {strongest} is not to be had: {problem}")
    else:
        yield Finding("sandbox", State.OK, strongest)


def _endpoints(task: str | None, models: list[str] | None, settings: list[str] | None) -> list[tuple[Endpoint, str]]:
    """The endpoint and the name of every live model that is configured."""
    from environment.backends.openai_backend import OpenAIBackend
    from environment.loading import load_task
    from environment.model_spec import connect_models, parse_models

    if task is not None:
        backends = load_task(task, **task_options(settings, models)).connect()
    else:
        backends = connect_models(parse_models(models)) if models else {}
    return [(backend.endpoint, name) for name, backend in backends.items() if isinstance(backend, OpenAIBackend)]


def _agent_endpoint(model: str | None, url: str | None) -> list[tuple[Endpoint, str]]:
    if model is None:
        return []
    from environment.backends.endpoint import Endpoint

    return [(Endpoint(url or OPENAI), model)]


async def _probe_all(asked: Sequence[tuple[Endpoint, str]]) -> list[Probe]:
    from environment.backends.probe import probe

    # One after the other: the speed of each is measured.
    return [await probe(endpoint, model) for endpoint, model in asked]


def _model(probe: Probe) -> Iterator[Finding]:
    subject = f"{probe.model} at {probe.endpoint}"
    if probe.problem:
        yield Finding(subject, State.FAILS, probe.problem, probe.fix)
        return
    speed = "its tokens are not told" if probe.tokens_per_second is None else f"{probe.tokens_per_second:,.1f} tokens/s"
    yield Finding(subject, State.OK, f"answers; {speed}")
    if probe.listed is False:
        names = ", ".join(probe.models[:MODELS_SHOWN]) or "none"
        yield Finding(subject, State.LESS, f"GET /models does not list it; it lists: {names}", "check the name")
    lacks = {
        "several choices in one request (n)": (probe.choices, "each sample then pays for the prompt anew"),
        "a JSON schema": (probe.json_schema, "as the search agent its answers are sent back until they fit"),
        "log-probabilities": (probe.logprobs, "best-of-n-logprob cannot use it; token counts of choices are estimated"),
        "token usage": (probe.usage, "tokens are estimated by the text's length"),
        "a seed": (probe.seed, "its draws cannot be repeated elsewhere; stored samples are reused as ever"),
    }
    for ability, (shown, consequence) in lacks.items():
        if not shown:
            yield Finding(subject, State.LESS, f"does not give {ability}", consequence)


def _print(found: Sequence[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in found:
        text = visible(f"{finding.subject}: {finding.says}")
        fix = f"\n  {visible(finding.fix)}" if finding.fix else ""
        table.add_row(Text(finding.state, COLOURS[finding.state]), Text.assemble(text, (fix, "dim")))
    Terminal().print(table)
