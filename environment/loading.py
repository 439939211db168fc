"""Finds a task by the name that was given for it."""

from __future__ import annotations

from typing import Any

from environment.task import TASKS, Task
from tools.declared import names_misfits
from tools.registry import built


@names_misfits
def load_task(name: str, /, **options: Any) -> Task:
    """The task called `name`: a registered one, a pipeline file (.yaml, .yml), or MODULE:ATTRIBUTE.

    Raises UnknownName, or InvalidInput on an unusable option or a faulty pipeline.
    """
    if name.endswith((".yaml", ".yml")) or ":" in name:
        from environment.pipelines.loading import load_pipeline

        return load_pipeline(name, options)
    return built(f"task {name!r}", TASKS.get(name), options)
