"""Reading of model text: steps, tools and calls. Any text gives an output, of bounded size.

A response may hold JSON, whole or cut off, in TaskBench's schema or near it, or plain lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import json_repair

from environment.taskbench.example import Argument, Call, Tool

MAX_TEXT = 4_000
"""Characters of a response that are read; the repair of broken JSON takes time beyond its length."""
MAX_ITEM = 400
"""Characters of one step or value."""
MAX_ARGUMENTS = 16
STEP_KEYS = ("step", "task", "description", "desc", "name")
TOOL_KEYS = ("task", "tool", "name", "id")
ARGUMENT_KEYS = ("arguments", "parameters", "args")
JSON_START = re.compile(r"^\s*[\[{]", re.MULTILINE)
MARKER = re.compile(r"^\s*(?:[-*+•]|\(?\d{1,3}[.):])\s+")
NAMED = re.compile(
    r"""\b(\w{1,64})\s{0,4}[=:]\s{0,4}("[^"\n]{0,400}"|'[^'\n]{0,400}'(?=\s*[,)\n]|$)|[^,)\n"]{1,400})"""
)


def read_steps(text: str, most: int) -> tuple[str, ...]:
    """The first `most` steps: the texts of a JSON list, else the lines without their markers."""
    written = [_text(item, STEP_KEYS) for item in _items(_json_value(text), "task_steps", "steps")]
    lines = (MARKER.sub("", line).strip().strip("`").strip() for line in text[:MAX_TEXT].splitlines())
    steps = [step for step in written if step] or [line[:MAX_ITEM] for line in lines if line]
    return tuple(steps[:most])


def read_tools(text: str, tools: Sequence[Tool], most: int) -> tuple[str, ...]:
    """The first `most` tools that are named or described in the text, in the order of their first mention."""
    described = {plain(tool.description): tool.id for tool in tools}
    names = {name: tool for name, tool in (described | _names(tools)).items() if name}
    found = dict.fromkeys(names[plain(match[0])] for match in _mentions(names).finditer(text[:MAX_TEXT]))
    return tuple(found)[:most]


def read_calls(text: str, tools: Sequence[Tool], most: int) -> tuple[Call, ...]:
    """The first `most` calls: those of the text's JSON, else those written as `tool(name="value")`.

    What is no tool on offer or no parameter of its tool is left out.
    """
    by_id = {tool.id: tool for tool in tools}
    names = _names(tools)
    calls: list[Call] = []
    for tool_name, arguments in [*_json_calls(text)] or _written_calls(text, names):
        tool = by_id.get(names.get(plain(tool_name), ""))
        if tool and len(calls) < most:
            known = {plain(parameter): parameter for parameter in tool.parameters}
            kept = [
                Argument(known[name], value[:MAX_ITEM]) for key, value in arguments if (name := plain(key)) in known
            ]
            calls.append(Call(tool.id, tuple(dict.fromkeys(kept))[:MAX_ARGUMENTS]))
    return tuple(calls)


def value_text(value: Any) -> str:
    """A JSON value as the text that metrics compare: texts as they are, others in JSON."""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def plain(name: str) -> str:
    """A name in lower case with blanks for underscores and hyphens: what tells it from other names."""
    return " ".join(re.split(r"[\s_-]+", name.lower())).strip()


def _json_value(text: str) -> Any:
    """The JSON that begins a line of the text, repaired where it is broken; several objects come as a list."""
    start = JSON_START.search(text, 0, MAX_TEXT)
    try:
        return json_repair.loads(text[start.start() : MAX_TEXT]) if start else None
    except (ValueError, RecursionError):
        return None


def _items(value: Any, *members: str) -> list[Any]:
    """The list that a value is, or that one of its members is."""
    if isinstance(value, dict):
        value = next((value[name] for name in members if name in value), None)
    return value if isinstance(value, list) else []


def _text(item: Any, keys: tuple[str, ...]) -> str:
    """A text, or the text under one of an object's keys."""
    if isinstance(item, dict):
        item = next((item[key] for key in keys if isinstance(item.get(key), str)), None)
    return item.strip()[:MAX_ITEM] if isinstance(item, str) else ""


def _json_calls(text: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    value = _json_value(text)
    for item in [value] if _text(value, TOOL_KEYS) else _items(value, "task_nodes", "nodes", "calls"):
        if isinstance(item, dict) and (name := _text(item, TOOL_KEYS)):
            yield name, list(_json_arguments(next((item[key] for key in ARGUMENT_KEYS if key in item), None)))


def _json_arguments(value: Any) -> Iterator[tuple[str, str]]:
    """Names and values of {name: value} or of [{"name": ..., "value": ...}]."""
    if isinstance(value, dict):
        pairs = list(value.items())
    else:
        objects = [item for item in _items(value) if isinstance(item, dict)]
        pairs = [(item.get("name"), item.get("value")) for item in objects]
    for name, content in pairs[: 4 * MAX_ARGUMENTS]:
        if isinstance(name, str) and content is not None:
            try:
                yield name, value_text(content)
            except (ValueError, RecursionError):
                continue


def _written_calls(text: str, names: Mapping[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Calls written as code: a tool's name and what stands in the brackets behind it."""
    shown = text[:MAX_TEXT]
    places = [match for match in _mentions(names).finditer(shown) if shown[match.end() :][:4].lstrip().startswith("(")]
    ends = [*(place.start() for place in places[1:]), len(shown)]
    for place, end in zip(places, ends, strict=False):
        yield place[0], [(name, _unquoted(value)) for name, value in NAMED.findall(shown[place.end() : end])]


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1].strip() if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _names(tools: Sequence[Tool]) -> dict[str, str]:
    return {plain(tool.id): tool.id for tool in tools}


def _mentions(names: Mapping[str, str]) -> re.Pattern[str]:
    """Finds each name as whole words, the longest first, with blanks for underscores, in any case."""
    # Only its words' letters identify a name, so that "Send SMS" is send_sms.
    longest = sorted(names, key=len, reverse=True)
    forms = [r"[\s_-]+".join(re.escape(word) for word in name.split()) for name in longest]
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(forms)})(?![^\W_])", re.IGNORECASE)
