"""The trials of a search on a similar task, checked where they come in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from tools.errors import InvalidInput
from tools.space import Choice
from tools.trial import TrialState

FIELD = "similar"
MISSING = (
    "mlcopilot needs the trials of a search on a similar task: the file that `agenttts show SESSION --json` "
    "prints, or a list of {allocation, score}"
)
Name = Annotated[str, Field(min_length=1, max_length=300)]


class SimilarChoice(BaseModel):
    """A choice in one subtask of the similar task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Name
    samples: int = Field(ge=1)
    strategy: Name | None = None
    temperature: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class SimilarTrial(BaseModel):
    """A complete trial of the similar task; its subtasks and models need not be this task's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allocation: dict[Name, SimilarChoice] = Field(min_length=1)
    score: FiniteFloat
    stage_scores: dict[Name, FiniteFloat] = Field(default_factory=dict)

    def __str__(self) -> str:
        stages = [
            f"{name}: {Choice(choice.model, choice.samples, choice.strategy, choice.temperature)}"
            + (f" ({self.stage_scores[name]:.3f})" if name in self.stage_scores else "")
            for name, choice in self.allocation.items()
        ]
        return f"score {self.score:.3f}; {', '.join(stages)}"


@dataclass(frozen=True, slots=True)
class Experience:
    """A similar task's name ("" where unknown) and its trials, best first; at least one."""

    task: str
    trials: tuple[SimilarTrial, ...]


TRIALS = TypeAdapter(list[SimilarTrial])


def read_experience(source: object) -> Experience:
    """The experience in a list of {allocation, score}, in what `agenttts show --json` prints, or in a file of either.

    Raises InvalidInput with one line that names the field.
    """
    if not source:
        raise InvalidInput(FIELD, MISSING)
    values = _load(Path(source)) if isinstance(source, str | Path) else source
    task = ""
    if isinstance(values, Mapping):
        task, values = _exported(values)
    try:
        trials = TRIALS.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (FIELD, *first["loc"])))
        raise InvalidInput(place, f"{first['msg'].lower()}, got {str(first['input'])[:80]!r}") from None
    if not trials:
        raise InvalidInput(FIELD, "holds no complete trial; " + MISSING)
    return Experience(task, tuple(sorted(trials, key=lambda trial: -trial.score)))


def portable_experience(source: object) -> object:
    """What `read_experience` takes for the same, without a file. Raises InvalidInput."""
    if not isinstance(source, str | Path) or not source:
        return source
    values = _load(Path(source))
    if not isinstance(values, Mapping):
        return values
    _exported(values)
    # Of a printed session no more than what is read of it.
    config = values.get("config")
    task = config.get("task") if isinstance(config, Mapping) else None
    return {"config": {"task": task}, "trials": values["trials"]}


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(FIELD, f"cannot read {str(path)!r}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InvalidInput(FIELD, f"{str(path)!r} is not JSON; {MISSING}") from None


def _exported(values: Mapping[Any, Any]) -> tuple[str, list[Any]]:
    """The task and the complete trials of an exported session."""
    config, rows = values.get("config"), values.get("trials")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise InvalidInput(FIELD, f'has no list "trials"; {MISSING}')
    task = config.get("task") if isinstance(config, Mapping) else None
    complete = [row for row in rows if row.get("state") == TrialState.COMPLETE]
    return task if isinstance(task, str) else "", [_unflattened(row) for row in complete]


def _unflattened(row: Mapping[Any, Any]) -> dict[str, Any]:
    """An exported row, {"qa.model": ..., "qa.samples": ..., "qa.score": ...}, as a SimilarTrial's values."""
    stages = [key.removesuffix(".model") for key in row if isinstance(key, str) and key.endswith(".model")]
    parts = ("model", "samples", "strategy", "temperature")
    return {
        "allocation": {
            stage: {part: row[f"{stage}.{part}"] for part in parts if f"{stage}.{part}" in row} for stage in stages
        },
        "score": row.get("score"),
        "stage_scores": {stage: row[f"{stage}.score"] for stage in stages if f"{stage}.score" in row},
    }
