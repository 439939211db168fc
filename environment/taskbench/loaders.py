"""Readers of TaskBench's files: the tools of a domain, and its requests with gold steps, nodes and links."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from environment.records import read_records, texts
from environment.taskbench.example import Argument, AutomationExample, Call, Tool
from environment.taskbench.reading import plain, value_text
from tools.errors import InvalidInput

T = TypeVar("T")


def load_tools(path: str | Path) -> tuple[Tool, ...]:
    """The tools of a tool_desc.json {"nodes": [{id, desc, parameters: [{name, type, desc}]}]}, in file order.

    Raises InvalidInput naming the file, the record and the field.
    """
    if not str(path):
        raise InvalidInput("tools", "the task reads a file of tools; give its path, such as --set tools=tool_desc.json")
    try:
        tools = tuple(read_records(path, _tool, member="nodes"))
    except InvalidInput as error:
        raise InvalidInput("tools", error.problem) from None
    known: dict[str, str] = {}
    for tool in tools:
        if other := known.get(plain(tool.id)):
            raise InvalidInput("tools", f"{path}: {other!r} and {tool.id!r} name the same tool")
        known[plain(tool.id)] = tool.id
    return tools


def load_examples(path: str | Path, tools: tuple[Tool, ...]) -> list[AutomationExample]:
    """The requests of a data.json, in file order, with all of `tools` on offer.

    Reads the fields user_request, task_steps, task_nodes and task_links and, as the data set was
    published later, instruction, tool_steps, tool_nodes and tool_links; the last three of either
    may be JSON in a text. Raises InvalidInput naming the file, the record and the field.
    """
    return read_records(path, partial(_example, tools={tool.id: tool for tool in tools}))


def _tool(record: dict[str, Any]) -> Tool:
    name = _said(record, "id")
    if not plain(name):
        raise ValueError(f"id {name!r} must hold a letter or a digit")
    if "parameters" not in record and "input-type" in record:
        raise ValueError(f"the tool {name!r} has input-type and no parameters; only tools with parameters can be read")
    parameters = tuple(_said(parameter, "name") for parameter in _objects(record["parameters"], "parameters"))
    return Tool(name, _said(record, "desc"), parameters)


def _example(record: dict[str, Any], tools: Mapping[str, Tool]) -> AutomationExample:
    published = "instruction" in record
    names = [f"{'tool' if published else 'task'}_{part}" for part in ("steps", "nodes", "links")]
    steps, nodes, links = (_unpacked(record[name], name) for name in names)
    calls = tuple(_call(node, f"{names[1]}[{place}]", tools) for place, node in enumerate(_objects(nodes, names[1])))
    if not calls:
        raise ValueError(f"{names[1]} must hold at least one node")
    return AutomationExample(
        f"taskbench-{_said(record, 'id')}",
        _said(record, "instruction" if published else "user_request"),
        texts(steps, names[0]),
        calls,
        tuple(_in(names[2], _link, link) for link in _objects(links, names[2])),
        tuple(tools.values()),
    )


def _call(node: dict[str, Any], field: str, tools: Mapping[str, Tool]) -> Call:
    name = _in(field, _said, node, "task")
    if name not in tools:
        raise ValueError(f"{field}.task {name!r} is no tool of the tools file")
    arguments = _objects(node.get("arguments"), f"{field}.arguments")
    return Call(name, tuple(_in(f"{field}.arguments", _argument, argument) for argument in arguments))


def _argument(record: dict[str, Any]) -> Argument:
    return Argument(_said(record, "name"), value_text(record["value"]))


def _link(record: dict[str, Any]) -> tuple[str, str]:
    return _said(record, "source"), _said(record, "target")


def _in(field: str, read: Callable[..., T], *arguments: Any) -> T:
    """What `read` gives; its errors name the field they are in."""
    try:
        return read(*arguments)
    except KeyError as error:
        raise ValueError(f"{field} lacks {error}") from None
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


def _unpacked(value: Any, field: str) -> Any:
    """The value, or what the JSON in it says when it is a text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{field} is a text, but not JSON: {error}") from None


def _objects(value: Any, field: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{field} must be a list of objects")
    return value


def _said(record: dict[str, Any], field: str) -> str:
    value = record[field]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{field} must be a text")
    return value.strip()
