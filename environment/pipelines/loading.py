"""Finds a person's pipeline by the name that was given for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from environment.pipelines.references import load_object, module_file
from environment.pipelines.searchable import SearchablePipeline
from environment.pipelines.stage import described
from environment.task import Task
from tools.errors import AgentttsError, InvalidInput
from tools.registry import built, check_options

LOG = logging.getLogger(__name__)

HANDED_OVER = "handed-over:"
"""Begins the stored name of a task that was an object of a program and has no name to load it by."""


def load_pipeline(name: str, options: Mapping[str, Any]) -> Task:
    """The pipeline of a YAML file, or of an object named MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE.

    The object may be a Pipeline, a Task or a function that takes the options and returns a Task.
    Raises InvalidInput, also where the module's own code fails, naming its line.
    """
    if name.startswith(HANDED_OVER):
        raise InvalidInput(
            "task",
            f"{name.removeprefix(HANDED_OVER)!r} was an object of a program, which only that program has; hand it over "
            "again with tts.resume(SESSION, task=...), or name it with --task FILE.py:ATTRIBUTE",
        )
    if name.endswith((".yaml", ".yml")):
        from environment.pipelines.yaml_file import load_yaml

        check_options(f"task {name!r}", _takes_nothing, options)
        return load_yaml(Path(name))
    found = _run(name, partial(load_object, name, Path.cwd()))
    if not isinstance(found, Task | SearchablePipeline) and callable(found):
        found = _run(name, partial(built, f"task {name!r}", found, options))
    else:
        check_options(f"task {name!r}", _takes_nothing, options)
    return as_task(found, name)


def as_task(given: object, name: str = "task") -> Task:
    """A Task as it is, a pipeline as the task it declares. Raises InvalidInput on anything else."""
    if isinstance(given, SearchablePipeline):
        return given.task()
    if isinstance(given, Task):
        return given
    raise InvalidInput(name, f"must be a Pipeline, a GraphPipeline or a Task, got {type(given).__name__}")


def located(name: str) -> str:
    """The name with its file's whole path, so that it is found from any folder; others unchanged."""
    if name.endswith((".yaml", ".yml")):
        return str(Path(name).resolve())
    module, colon, attribute = name.partition(":")
    file = module_file(module, Path.cwd()) if colon and not name.startswith(HANDED_OVER) else None
    return f"{file}:{attribute}" if file else name


def name_of(given: object) -> str:
    """The name that loads an object again, else one that says that only its program has it."""
    reference = given.reference if isinstance(given, SearchablePipeline) else ""
    return reference or f"{HANDED_OVER}{getattr(given, 'name', '')}"


def _run(name: str, code: Callable[[], Any]) -> Any:
    """What a person's own code makes. Raises InvalidInput with its line where it fails."""
    try:
        return code()
    except AgentttsError:
        raise
    except Exception as error:
        LOG.info("%s failed", name, exc_info=True)
        raise InvalidInput(name, f"its own code failed: {described(error)}; mend it there") from error


def _takes_nothing() -> None: ...
