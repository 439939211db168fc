"""A search space as plain values, as logs hold it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tools.space import Model, SearchSpace, Subtask


def space_values(space: SearchSpace) -> dict[str, Any]:
    """Plain values from which `space_of` makes an equal space."""
    counts = (
        {"max_samples": space.max_samples}
        if space.all_counts_up_to_max
        else {"sample_counts": list(space.sample_counts)}
    )
    return {"subtasks": [_subtask_values(subtask) for subtask in space.subtasks], **counts}


def space_of(values: Mapping[str, Any]) -> SearchSpace:
    """The space in the values, whose fields are of the right types. Raises InvalidInput for one out of range."""
    subtasks = [
        Subtask(**{**subtask, "models": [Model(**model) for model in subtask["models"]]})
        for subtask in values["subtasks"]
    ]
    return SearchSpace(subtasks, **{name: value for name, value in values.items() if name != "subtasks"})


def _subtask_values(subtask: Subtask) -> dict[str, Any]:
    return {
        "name": subtask.name,
        "models": [asdict(model) for model in subtask.models],
        "prompt_tokens": subtask.prompt_tokens,
        "generation_tokens": subtask.generation_tokens,
        "strategies": list(subtask.strategies),
        "temperatures": list(subtask.temperatures),
    }
