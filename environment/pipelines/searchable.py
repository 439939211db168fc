"""What every pipeline written in Python declares: its models, its examples and how it is searched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from environment.backend import Backend
from environment.backends.endpoint import Endpoint
from environment.pipeline_task import Split
from environment.pipelines.assembly import Part, assemble, split_of
from environment.pipelines.dataset import read_rows, rows_of, shuffled
from environment.pipelines.declaration import StageSettings, declared_stage, temperatures_of
from environment.pipelines.digest import digest_of
from environment.pipelines.sources import Source, endpoint_source, recording_source
from environment.pipelines.stage import Write
from environment.stage import Example
from environment.task import Task
from tools.cost import CostModel
from tools.declared import names_misfits
from tools.errors import InvalidInput, UnknownName
from tools.space import Model
from tools.validation import require_instance, require_instances, require_name, require_positive, require_seed


@names_misfits
class SearchablePipeline:
    """A pipeline of this process that can be searched like a task: its stages in declared order."""

    def __init__(
        self,
        name: str,
        *,
        models: Sequence[Model],
        examples: str | Path | Sequence[Any],
        search: int | None = None,
        held_out: int | None = None,
        shuffle: int | None = None,
        description: str = "",
        endpoints: Sequence[Endpoint] = (),
        recording: str = "",
        connect: Callable[[], Mapping[str, Backend]] | None = None,
        strategy: str | Sequence[str] = "fusion",
        max_samples: int = 100,
        sample_counts: Sequence[int] | None = None,
        cost: CostModel | None = None,
        budget: float | None = None,
    ) -> None:
        """`examples` is a JSONL, JSON or CSV file, a list of mappings, or of objects with an `id`.

        The first `search` of them judge trials (by default half), `held_out` of the others the
        result (by default all), after an order drawn with the seed `shuffle` where one is given.
        Generations come from the models' endpoints, driven as `endpoints` say; or from a
        `recording`; or from the backends that `connect` opens by model name.
        """
        require_name("pipeline name", name)
        require_instance("description", description, str)
        require_instances("models", models, Model)
        require_instances("endpoints", endpoints, Endpoint)
        require_instance("recording", recording, str)
        if cost is not None:
            require_instance("cost", cost, CostModel)
        if shuffle is not None:
            require_seed("shuffle", shuffle)
        if budget is not None:
            require_positive("budget", budget)
        self.name = name
        self.models = tuple(models)
        if not self.models:
            raise InvalidInput("models", "a pipeline needs at least one")
        self._examples = examples
        self._counts = (search, held_out, shuffle)
        self._description = description
        self._sources = (tuple(endpoints), recording, connect)
        self._strategies = _strategies_of(strategy)
        self._space = (max_samples, sample_counts)
        self._cost = cost
        self._budget = budget
        self._parts: list[Part] = []
        self._declared: list[Any] = []
        self._module = _calling_module()

    @names_misfits
    def task(self) -> Task:
        """The pipeline as a task. Raises InvalidInput naming what is wrong with it."""
        split = self._split()
        max_samples, sample_counts = self._space
        return assemble(
            self.name,
            self._description or f"The pipeline {self.name!r}.",
            self.parts,
            split,
            self._source(),
            max_samples=max_samples,
            sample_counts=sample_counts,
            cost=self._cost,
            budget=self._budget,
            digest=digest_of(self.models, split.search, split.held_out, self._declared, self.deciding()),
        )

    @property
    def parts(self) -> Sequence[Part]:
        """The stages in their order. Raises InvalidInput while there are none."""
        if not self._parts:
            raise InvalidInput(f"pipeline {self.name!r}", "has no stage yet; declare one")
        return tuple(self._parts)

    @names_misfits
    def declare(self, name: str, write: Write, settings: StageSettings) -> None:
        """Makes a stage of a prompt function and its settings, and takes it in."""
        stage = declared_stage(name, write, settings)
        part = Part(
            stage,
            self.chosen_models(settings.get("models")),
            settings["prompt_tokens"],
            settings["generation_tokens"],
            self.chosen_strategies(settings.get("strategy")),
            temperatures_of(name, settings),
        )
        deciding = [settings.get(field) for field in ("metric", "gold", "parse", "vote", "fuse", "verifier")]
        self.append(part, write, *deciding, stage.sampling)

    def deciding(self) -> Sequence[Any]:
        """The values and functions beside the stages that decide what the pipeline does."""
        return ()

    def append(self, part: Part, *deciding: Any) -> None:
        """Takes a stage in; `deciding` are the values and functions that decide what it does.

        Raises InvalidInput at once for a name that stands twice and for an unusable figure.
        """
        name = part.stage.name
        if any(name == known.stage.name for known in self._parts):
            raise InvalidInput(f"pipeline {self.name!r}", f"has a stage {name!r} already; give another name")
        part.subtask()
        self._parts.append(part)
        names = [model.name for model in part.models]
        lengths = (part.prompt_tokens, part.generation_tokens)
        self._declared.append([name, names, lengths, part.strategies, part.temperatures, deciding])

    @property
    def reference(self) -> str:
        """The name under which `load_task` finds this pipeline again; "" where there is none.

        There is one for a module's global, unless the module is the program itself, whose import
        would run the program.
        """
        module = sys.modules.get(self._module)
        if module is None or self._module == "__main__":
            return ""
        attribute = next((name for name, value in vars(module).items() if value is self), "")
        file = getattr(module, "__file__", None) or ""
        where = self._module if "." in self._module or not file.endswith(".py") else file
        return f"{where}:{attribute}" if attribute else ""

    def chosen_models(self, names: Sequence[str] | None) -> tuple[Model, ...]:
        """The named candidates, by default all. Raises UnknownName."""
        known = {model.name: model for model in self.models}
        for name in names or ():
            if name not in known:
                raise UnknownName("models", name, known)
        return tuple(known[name] for name in names) if names is not None else self.models

    def chosen_strategies(self, strategy: str | Sequence[str] | None) -> tuple[str, ...]:
        """A stage's own strategies, by default the pipeline's."""
        if strategy is None:
            return self._strategies
        return _strategies_of(strategy)

    def _split(self) -> Split:
        search, held_out, shuffle = self._counts
        rows = _rows(self._examples, self.name)
        return split_of(rows if shuffle is None else shuffled(rows, shuffle), search, held_out)

    def _source(self) -> Source:
        endpoints, recording, connect = self._sources
        if connect is not None:
            return Source(connect)
        if recording:
            return recording_source(self.models, recording, Path.cwd())
        return endpoint_source(self.models, endpoints)


def _strategies_of(given: str | Sequence[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names:
        raise InvalidInput("strategy", "must name at least one, such as fusion")
    return names


def _rows(examples: str | Path | Sequence[Any], name: str) -> Sequence[Example]:
    if isinstance(examples, str | Path):
        return read_rows(Path(examples))
    listed: list[Any] = list(examples)
    if listed and isinstance(listed[0], Mapping):
        return rows_of(listed, f"the examples of {name!r}")
    ids = [getattr(example, "id", None) for example in listed]
    if any(not isinstance(one, str) for one in ids) or len(set(ids)) != len(ids):
        raise InvalidInput("examples", "must be mappings, or objects with an `id` of their own")
    return listed


OURS = ("environment.pipelines", "tools.declared")
"""The modules through which a pipeline's construction goes."""


def _calling_module() -> str:
    """The module whose code builds the pipeline: the first frame outside of this package's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(OURS):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))
