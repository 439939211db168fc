"""Writes a session's best allocation as a pipeline that runs by itself."""

from __future__ import annotations

import json
import os
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from agent.session import Result
from agent.winner import Winner
from environment.pipelines.loading import HANDED_OVER
from environment.pipelines.references import REFERENCE
from environment.prompt_template import PLAIN_TEXT
from tools.errors import InvalidInput

TEMPLATE = Path(__file__).parent / "exported.py.j2"
FILES = ("prompt_file", "fusion_prompt_file")
FUNCTIONS = ("verifier", "vote", "parser", "metric")


def export_pipeline(result: Result, winner: Winner, path: Path) -> None:
    """Writes `path`, a Python program or, for a pipeline file, a YAML file.

    Raises InvalidInput for another ending, for a path that exists, and where the session's pipeline
    cannot be named from there.
    """
    writers = {".py": _python, ".yaml": _yaml, ".yml": _yaml}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise InvalidInput("--pipeline", f"{path} must end in .py or .yaml")
    if path.exists():
        raise InvalidInput("--pipeline", f"{path} is there already; name another file")
    text = write(result, winner, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _python(result: Result, winner: Winner, path: Path) -> str:
    name = result.config.task
    if name.startswith(HANDED_OVER):
        raise InvalidInput(
            "--pipeline", f"{name.removeprefix(HANDED_OVER)!r} was an object of a program; name it --task"
        )
    file, colon, attribute = name.partition(":")
    found = Path(file)
    relative = os.path.relpath(found, path.resolve().parent) if found.is_absolute() else ""
    template = PLAIN_TEXT.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        name=winner.task.name,
        origin=winner.origin,
        reference=name,
        relative=relative,
        attribute=f"{colon}{attribute}",
        allocation=winner.allocation.to_dict(),
        options=dict(result.config.task_options),
    )


def _yaml(result: Result, winner: Winner, path: Path) -> str:
    source = Path(result.config.task)
    if source.suffix.lower() not in (".yaml", ".yml"):
        raise InvalidInput("--pipeline", f"{path}: the session's pipeline is no YAML file; export it as .py")
    yaml = YAML(typ="rt")
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096  # long lines stay as they are
    document = yaml.load(source.read_text(encoding="utf-8-sig"))
    if path.resolve().parent != source.resolve().parent:
        _move(document, source.resolve().parent, path.resolve().parent)
    document["allocation"] = json.loads(json.dumps(winner.allocation.to_dict()))
    text = StringIO()
    yaml.dump(document, text)
    return f"# Exported by agenttts: {winner.origin}. `agenttts serve {path.name}` answers with it.\n{text.getvalue()}"


def _move(document: Any, old: Path, new: Path) -> None:
    """Makes the names of files hold from another folder. Raises InvalidInput for functions, which are found beside."""
    owners = [(document["dataset"], ("file",)), *((subtask, FILES) for subtask in document["subtasks"])]
    for owner, fields in owners:
        for field in fields:
            if field in owner:
                owner[field] = os.path.relpath(old / str(owner[field]), new)
    if str(document.get("recording", "")).endswith(".xz"):
        document["recording"] = os.path.relpath(old / str(document["recording"]), new)
    for subtask in document["subtasks"]:
        for field in FUNCTIONS:
            value = subtask.get(field)
            value = value.get("name", "") if isinstance(value, dict) else value
            if isinstance(value, str) and REFERENCE.match(value):
                raise InvalidInput("--pipeline", f"must lie in {old}, since the pipeline names functions beside it")
