"""One request to automate, the tools on offer and the tool calls that fulfil it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool a model may call: its name, what it does and the names of its parameters."""

    id: str
    description: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Argument:
    """A value for a parameter: text of the request, or the name of the tool whose result it is."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool with the arguments it is called with."""

    tool: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class AutomationExample:
    """A request with its gold steps, calls and links.

    `steps` and `calls` are in the order of execution. `links` are (source, target) names of tools
    where the target runs after the source. `tools` are those on offer; every call's tool is one.
    """

    id: str
    request: str
    steps: tuple[str, ...]
    calls: tuple[Call, ...]
    links: tuple[tuple[str, str], ...]
    tools: tuple[Tool, ...]
