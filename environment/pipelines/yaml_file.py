"""A pipeline in a YAML file, as a task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from environment.backends.endpoint import Endpoint
from environment.pipeline_task import Split
from environment.pipelines.assembly import assemble, split_of
from environment.pipelines.dataset import read_rows, shuffled
from environment.pipelines.marked import Document, Mistake, Place
from environment.pipelines.schema import ChoiceSpec, PipelineSpec
from environment.pipelines.sources import Source, endpoint_source, recording_source
from environment.pipelines.values import Row
from environment.pipelines.yaml_subtask import SubtaskReader
from environment.task import Task
from tools.cost import COSTS, CostModel
from tools.errors import InvalidInput, UnknownName
from tools.limits import Cap
from tools.registry import built
from tools.space import Allocation, Choice, Model

MOST_SAMPLES = 100


def load_yaml(path: Path) -> Task:
    """The task that a pipeline file describes.

    Raises InvalidInput with every mistake's line, field and fix. Opens no connection; runs the
    Python files that the pipeline names.
    """
    document = Document(path)
    return _Reader(document, document.read(PipelineSpec)).task()


class _Reader:
    """Builds the parts of one file and notes each mistake where it stands."""

    def __init__(self, document: Document, spec: PipelineSpec) -> None:
        self._document = document
        self._spec = spec
        self._folder = document.path.resolve().parent
        self._mistakes: list[Mistake] = []
        self._files: set[Path] = {document.path.resolve()}

    def task(self) -> Task:
        spec = self._spec
        models, source = self._models()
        rows, split = self._examples()
        reader = SubtaskReader(self._folder, models, rows[0] if rows else None, spec.strategy, self._note)
        parts = [reader.part(number, subtask, spec.subtasks[:number]) for number, subtask in enumerate(spec.subtasks)]
        self._files |= reader.files
        if spec.subtasks[-1].metric is None:
            place = ("subtasks", len(spec.subtasks) - 1)
            self._note(place, "is the last one and needs a metric, such as {name: exact_match, gold: answer}")
        if spec.max_samples is not None and spec.sample_counts is not None:
            self._note(("sample_counts",), "stands beside max_samples; keep one of them")
        cost = self._cost()
        caps = [cap for name, limit in spec.caps.items() if (cap := self._cap(name, limit)) is not None]
        if self._mistakes or source is None or split is None:
            raise self._document.mend(self._mistakes)
        task = self._assembled(
            spec.name or self._document.path.stem,
            spec.description or f"The pipeline {spec.name or self._document.path.stem!r}.",
            [part for part in parts if part is not None],
            split,
            source,
            max_samples=spec.max_samples or MOST_SAMPLES,
            sample_counts=spec.sample_counts,
            cost=cost,
            budget=spec.budget,
            caps=caps,
            digest=self._digest(),
        )
        self._require_costs(task)
        return task if spec.allocation is None else replace(task, allocation=self._allocation(task, spec.allocation))

    def _assembled(self, *parts: Any, **settings: Any) -> Task:
        try:
            return assemble(*parts, **settings)
        except InvalidInput as error:
            raise self._document.mend([Mistake((), str(error))]) from None

    def _require_costs(self, task: Task) -> None:
        """Raises InvalidInput where a cost needs a fact about a model that the file does not tell."""
        least = task.space.sample_counts[0]
        for number, given in enumerate(self._spec.models):
            with self._noting(("models", number)):
                for subtask in task.space.subtasks:
                    for model in (model for model in subtask.models if model.name == given.name):
                        for cost in (task.cost, *(cap.cost for cap in task.caps)):
                            cost.subtask(subtask, subtask.usual(model).choice(least))
        if self._mistakes:
            raise self._document.mend(self._mistakes)

    def _allocation(self, task: Task, given: Mapping[str, ChoiceSpec]) -> Allocation:
        choices = {name: Choice(**choice.model_dump()) for name, choice in given.items()}
        try:
            return task.space.validate(choices)
        except InvalidInput as error:
            mistake = Mistake(("allocation", *error.field.split(".")), error.problem)
            raise self._document.mend([mistake]) from None

    def _models(self) -> tuple[Sequence[Model], Source | None]:
        models: dict[str, Model] = {}
        endpoints = self._endpoints()
        for number, given in enumerate(self._spec.models):
            place = ("models", number)
            address = given.endpoint
            if address is not None and "://" not in address:
                address = endpoints[address].base_url if address in endpoints else None
                if address is None and given.endpoint not in self._spec.endpoints:
                    known = UnknownName("", str(given.endpoint), self._spec.endpoints or ["a URL"])
                    self._note((*place, "endpoint"), known.problem)
            elif address is None and self._spec.recording is None:
                self._note(place, "needs an endpoint: a URL, or a name under `endpoints`")
            elif address is not None and address == given.endpoint:
                with self._noting((*place, "endpoint")):
                    Endpoint(address)
            if given.name in models:
                self._note((*place, "name"), f"{given.name!r} stands twice; a name is one model")
            fields = given.model_dump(exclude={"endpoint"})
            with self._noting(place):
                models[given.name] = Model(**fields, endpoint=address)
        listed = list(models.values())
        if self._mistakes:
            return listed, None
        with self._noting(("recording",) if self._spec.recording else ("models",)):
            if self._spec.recording:
                return listed, recording_source(listed, self._spec.recording, self._folder)
            return listed, endpoint_source(listed, list(endpoints.values()))
        return listed, None

    def _endpoints(self) -> dict[str, Endpoint]:
        endpoints = {}
        for name, given in self._spec.endpoints.items():
            with self._noting(("endpoints", name)):
                endpoints[name] = Endpoint(given.url, **given.model_dump(exclude={"url"}))
        return endpoints

    def _examples(self) -> tuple[Sequence[Row], Split | None]:
        given = self._spec.dataset
        path = self._folder / given.file
        self._files.add(path)
        rows: Sequence[Row] = []
        with self._noting(("dataset", "file")):
            rows = read_rows(path, json_fields=given.json_fields)
        if not rows:
            return [], None
        with self._noting(("dataset",)):
            ordered = rows if given.shuffle is None else shuffled(rows, given.shuffle)
            return rows, split_of(ordered, given.search, given.held_out)
        return rows, None

    def _cost(self) -> CostModel | None:
        if self._spec.cost is None:
            return None
        settings = dict(self._spec.cost.model_extra or {})
        with self._noting(("cost",)):
            kind = COSTS.get(self._spec.cost.name)
            return built(f"cost {self._spec.cost.name!r}", kind, settings)
        return None

    def _cap(self, name: str, limit: float) -> Cap | None:
        with self._noting(("caps", name)):
            return Cap(COSTS.get(name)(), limit)
        return None

    def _digest(self) -> str:
        """The SHA-256 of the pipeline file and of the files that it names."""
        digest = hashlib.sha256()
        for path in sorted(self._files):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)} ".encode())
            digest.update(content)
        return digest.hexdigest()

    def _note(self, place: Place, problem: str, inside: int | None = None) -> None:
        self._mistakes.append(Mistake(place, problem, inside))

    @contextmanager
    def _noting(self, place: Place) -> Iterator[None]:
        try:
            yield
        except InvalidInput as error:
            self._note(place, str(error))
