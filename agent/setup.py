"""What a session's log tells beside its configuration: the problem as the searcher was told it, and the software."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from agent.pricing import LIMIT, NAMED, SETTINGS
from agent.searcher import Problem
from storage.session import SessionConfig
from tools.cost import COSTS
from tools.declared import CHOKED
from tools.errors import InvalidInput
from tools.limits import Cap
from tools.registry import built
from tools.space_values import space_of, space_values
from tools.text import one_line

PACKAGE = "agenttts"
SHOWN = 200
"""Characters of what is wrong that are told."""
DEVELOPMENT = re.compile(r"extra\s*==\s*['\"]dev")


def setup_of(problem: Problem) -> dict[str, Any]:
    """The problem without its costs and limits, which the configuration holds, and the software at work."""
    return {"problem": problem_values(problem), "made_with": software()}


def problem_values(problem: Problem) -> dict[str, Any]:
    """Plain values from which, with the configuration, `problem_of` makes an equal problem."""
    return {
        "task": problem.task,
        "description": problem.description,
        "metrics": dict(problem.metrics),
        "space": space_values(problem.space),
    }


def problem_of(values: Mapping[str, Any], config: SessionConfig) -> Problem:
    """The problem that a session's searcher was told. Raises InvalidInput and its kinds."""
    try:
        return _problem_of(values, config)
    except CHOKED as error:
        problem = one_line(f"{type(error).__name__}: {error}", SHOWN)
        raise InvalidInput("session", f"what is stored of its problem cannot be read ({problem})") from error


def _problem_of(values: Mapping[str, Any], config: SessionConfig) -> Problem:
    return Problem(
        space_of(values["space"]),
        built(f"cost {config.cost!r}", COSTS.get(config.cost), config.cost_settings),
        config.budget,
        values["task"],
        values["description"],
        dict(values["metrics"]),
        tuple(
            Cap(built(f"cap {cap[NAMED]!r}", COSTS.get(cap[NAMED]), cap[SETTINGS]), cap[LIMIT]) for cap in config.caps
        ),
    )


def software() -> dict[str, Any]:
    """The versions of this package, of Python, of the system and of the libraries that are installed for it."""
    return {
        "agenttts": version(PACKAGE),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": dict(_packages()),
    }


@cache
def _packages() -> Mapping[str, str]:
    """Versions by name, as they are when a process first asks: what is loaded stays what it was."""
    needed = [line for line in requires(PACKAGE) or () if not DEVELOPMENT.search(line)]
    names = sorted({re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower() for line in needed})
    return {name: found for name in names if (found := _version(name)) and name != PACKAGE}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
