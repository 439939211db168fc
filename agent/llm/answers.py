"""The agent's proposals: the JSON they must have, and what of an answer is usable."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.searcher import Problem
from tools.errors import InvalidAllocation
from tools.space import Allocation, SearchSpace, Subtask

CANDIDATES = "allocations"
SHOWN = 160
"""Characters of a refused candidate that are sent back."""


@dataclass(slots=True)
class Reading:
    """What an answer held: the usable allocations in order, and why the others are not."""

    accepted: list[Allocation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def proposal_schema(space: SearchSpace, count: int) -> dict[str, Any]:
    """The JSON schema of an answer with `count` allocations."""
    items = {"type": "array", "minItems": count, "maxItems": count, "items": allocation_schema(space)}
    return _object({CANDIDATES: items})


def allocation_schema(space: SearchSpace) -> dict[str, Any]:
    """The JSON schema of one allocation: for each subtask its "model", "samples", and what else is searched."""
    counts: dict[str, Any] = {"type": "integer"}
    if space.all_counts_up_to_max:
        counts |= {"minimum": 1, "maximum": space.max_samples}
    else:
        counts |= {"enum": list(space.sample_counts)}

    def choice(subtask: Subtask) -> dict[str, Any]:
        parts = {part: part_schema(part, values) for part, values in subtask.candidates.items()}
        return _object({"model": parts.pop("model"), "samples": counts, **parts})

    return _object({subtask.name: choice(subtask) for subtask in space.subtasks})


def part_schema(part: str, values: Sequence[Any]) -> dict[str, Any]:
    """The JSON schema of a part of a choice, one of these values."""
    return {"type": "number" if part == "temperature" else "string", "enum": list(values)}


def proposal_form(space: SearchSpace) -> str:
    """The form of an answer in words, for models that are not held to the schema."""
    words = {"model": "NAME", "samples": "NUMBER", "strategy": "NAME", "temperature": "NUMBER"}
    choices = {
        subtask.name: {part: word for part, word in words.items() if part == "samples" or part in subtask.candidates}
        for subtask in space.subtasks
    }
    return json.dumps({CANDIDATES: [choices]}).replace('"NUMBER"', "NUMBER").replace("}}]", "}}, ...]")


def read_proposals(text: str, problem: Problem, count: int, known: Mapping[Allocation, str]) -> Reading:
    """The first `count` usable allocations of an answer; the text is hostile and never raises.

    `known` says which feasible allocations are not wanted and why ("was tried in trial 7").
    """
    reading = Reading()
    candidates = _candidates(text)
    if candidates is None:
        reading.problems.append(f'the answer is not JSON with a list "{CANDIDATES}"')
        return reading
    for candidate in candidates:
        if len(reading.accepted) == count:
            break
        try:
            allocation = problem.space.parse(candidate)
            problem.require_feasible(allocation)
        except InvalidAllocation as error:
            reading.problems.append(f"{_shown(candidate)}: {error}")
            continue
        reason = "stands twice in the answer" if allocation in reading.accepted else known.get(allocation)
        if reason:
            reading.problems.append(f"{allocation}: {reason}")
        else:
            reading.accepted.append(allocation)
    if len(candidates) < count:
        reading.problems.append(f"{len(candidates)} allocations were given instead of {count}")
    return reading


def _candidates(text: str) -> list[Any] | None:
    """The list of candidates in the answer's first JSON object or array that has one."""
    decoder = json.JSONDecoder()
    for start, character in enumerate(text):
        if character not in "{[":
            continue
        try:
            value, _ = decoder.raw_decode(text, start)
        except ValueError:
            continue
        except RecursionError:  # and so would every bracket after this one, for seconds
            return None
        if isinstance(value, dict) and isinstance(value.get(CANDIDATES), list):
            return list(value[CANDIDATES])
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            return value
    return None


def _shown(candidate: Any) -> str:
    text = json.dumps(candidate, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
