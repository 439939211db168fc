"""How a session is run again: its configuration, its command and the software it ran on."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agent.pricing import LIMIT, NAMED, SETTINGS
from environment.loading import load_task
from environment.pipelines.loading import HANDED_OVER
from storage.session import SessionConfig
from tools.cost import COSTS
from tools.errors import AgentttsError


def versions(made_with: Mapping[str, Any]) -> dict[str, str]:
    """The software of `agent.setup.software` as one list."""
    own = {name: str(made_with[name]) for name in ("agenttts", "python", "platform")}
    return own | {name: str(found) for name, found in made_with["packages"].items()}


def configuration(config: SessionConfig) -> str:
    """The configuration as JSON."""
    return json.dumps(asdict(config), indent=2, ensure_ascii=False, default=str)


def command(config: SessionConfig) -> str:
    """The shell command that runs the search again; "" where only a program can, or it cannot be said in one."""
    if config.task.startswith(HANDED_OVER) or any(cap[SETTINGS] != _default(cap[NAMED]) for cap in config.caps):
        return ""
    words = ["agenttts", "pareto" if config.front else "search", config.task]
    for option, value in (
        ("--budget", f"{config.budget!r}"),
        ("--searcher", config.searcher),
        ("--trials", str(config.trials)),
        ("--batch", str(config.batch)),
        ("--seed", str(config.seed)),
    ):
        words += [option, value]
    if not _own_cost(config):
        words += ["--cost", config.cost, *_settings("--cost-set", config.cost_settings)]
    for cap in config.caps:
        words += ["--cap", f"{cap[NAMED]}={cap[LIMIT]!r}"]
    words += _settings("--set", config.task_options)
    words += _settings("--searcher-set", config.searcher_options)
    return shlex.join(words)


def _own_cost(config: SessionConfig) -> bool:
    """Whether the cost is the task's own, so that it need not be said."""
    try:
        own = load_task(config.task, **config.task_options).cost
    except AgentttsError:
        return False
    return own.name == config.cost and own.settings() == config.cost_settings


def _default(cost: str) -> Mapping[str, Any] | None:
    try:
        return COSTS.get(cost)().settings()
    except (AgentttsError, TypeError):
        return None


def _settings(option: str, values: Mapping[str, Any]) -> list[str]:
    words = []
    for name, value in values.items():
        words += [option, f"{name}={json.dumps(value, ensure_ascii=False)}"]
    return words
