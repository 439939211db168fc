"""One subtask of a pipeline file, as a stage with its candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from environment.pipelines.assembly import TOKENS_OVER_TYPICAL, Part, named_score
from environment.pipelines.metrics import METRICS
from environment.pipelines.parsers import PARSERS, Parser, candidates_parser, json_path_parser, regex_parser
from environment.pipelines.prompt import Prompt
from environment.pipelines.references import REFERENCE, load_object, module_file
from environment.pipelines.schema import MetricSpec, ParserSpec, SubtaskSpec, VoteSpec
from environment.pipelines.stage import PipelineStage, Score, described
from environment.pipelines.values import Row
from environment.pipelines.votes import VOTES, Vote, items_vote
from environment.strategy import STRATEGIES
from storage.sample import SamplingParameters
from tools.errors import InvalidInput, UnknownName
from tools.space import Model


class Note(Protocol):
    """Takes a Mistake in."""

    def __call__(self, place: tuple[str | int, ...], problem: str, inside: int | None = None) -> None: ...


class SubtaskReader:
    """Reads the subtasks of one file; `files` are those that they name."""

    def __init__(
        self, folder: Path, models: Sequence[Model], example: Row | None, strategies: Sequence[str], note: Note
    ) -> None:
        """`example` tells the fields that prompts may name; None where the data set is unusable."""
        self.files: set[Path] = set()
        self._folder = folder
        self._models = {model.name: model for model in models}
        self._example = example
        self._strategies = strategies
        self._note = note

    def part(self, number: int, spec: SubtaskSpec, earlier: Sequence[SubtaskSpec]) -> Part | None:
        """The subtask's part of the task; None where a mistake was noted that leaves none."""
        place = ("subtasks", number)
        upstream = [subtask.name for subtask in earlier]
        if spec.name in upstream:
            self._note((*place, "name"), f"{spec.name!r} stands twice; subtasks need names of their own")
        prompt = self._prompt(place, "prompt", spec.prompt, spec.prompt_file, upstream)
        fusion = self._prompt(place, "fusion_prompt", spec.fusion_prompt, spec.fusion_prompt_file, upstream)
        if fusion is not None and not fusion.fuses:
            self._note((*place, "fusion_prompt"), "must show the {{ responses }} that it fuses")
        models = self._candidates(place, spec)
        parser = self._parser((*place, "parser"), spec.parser)
        scoring = self._metric((*place, "metric"), spec.metric)
        vote = self._vote((*place, "vote"), spec.vote)
        verifier = self._function((*place, "verifier"), spec.verifier) if spec.verifier else None
        if prompt is None or parser is None or vote is None or not models:
            return None
        temperatures = spec.sampling.temperature
        limit = spec.sampling.max_tokens or round(TOKENS_OVER_TYPICAL * spec.generation_tokens)
        stage = PipelineStage(
            spec.name,
            prompt.render,
            parser,
            vote,
            SamplingParameters(temperatures[0], max(1, limit), spec.sampling.top_p, tuple(spec.sampling.stop)),
            spec.metric.name if spec.metric else "",
            scoring,
            (fusion or prompt).render if fusion or prompt.fuses else None,
            verifier,
        )
        strategies = spec.strategy or self._strategies
        part = Part(stage, models, spec.prompt_tokens, spec.generation_tokens, strategies, temperatures)
        try:
            part.subtask()
            for name in strategies:
                STRATEGIES.get(name)().require(stage)
        except InvalidInput as error:
            self._note((*place, "strategy") if spec.strategy else place, error.problem)
        return part

    def _prompt(
        self, place: tuple[str | int, ...], field: str, text: str | None, file: str | None, upstream: Sequence[str]
    ) -> Prompt | None:
        place = (*place, field if file is None else f"{field}_file")
        if file is not None:
            try:
                text = (self._folder / file).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                self._note(place, f"cannot read {self._folder / file}: {error}")
                return None
            self.files.add(self._folder / file)
        if text is None:
            return None
        try:
            prompt = Prompt(text)
        except InvalidInput as error:
            line = int(error.field.removeprefix("line "))
            if file is None:
                self._note(place, error.problem, line - 1)
            else:
                self._note(place, f"{file} line {line}: {error.problem}")
            return None
        for name, line in prompt.upstream_names.items():
            if name not in upstream:
                known = ", ".join(upstream) or "none, since this is the first subtask"
                problem = f"upstream.{name} is no output of an earlier subtask; known: {known}"
                self._note(place, problem, line - 1 if file is None else None)
        for name, line in prompt.example_fields.items():
            self._require_field(place, name, line - 1 if file is None else None)
        return prompt

    def _require_field(self, place: tuple[str | int, ...], name: str, inside: int | None = None) -> None:
        if self._example is not None and name not in self._example and name != "id":
            self._note(place, f"the examples have no field {name!r}; they have: {', '.join(self._example)}", inside)

    def _candidates(self, place: tuple[str | int, ...], spec: SubtaskSpec) -> Sequence[Model]:
        if spec.models is None:
            return list(self._models.values())
        for position, name in enumerate(spec.models):
            if name not in self._models:
                self._note((*place, "models", position), UnknownName("", name, self._models).problem)
        return [self._models[name] for name in spec.models if name in self._models]

    def _parser(self, place: tuple[str | int, ...], spec: ParserSpec) -> Parser | None:
        try:
            if spec.regex is not None:
                return regex_parser(spec.regex, spec.group, every=spec.all)
            if spec.json_path is not None:
                return json_path_parser(spec.json_path, every=spec.all)
        except InvalidInput as error:
            self._note((*place, "json_path" if spec.json_path else error.field), error.problem)
            return None
        if spec.candidates is not None:
            self._require_field((*place, "candidates"), spec.candidates)
            return candidates_parser(spec.candidates, spec.at_most)
        named: Parser | None = self._named(place, str(spec.name), PARSERS)
        return named

    def _vote(self, place: tuple[str | int, ...], spec: VoteSpec) -> Vote | None:
        if spec.at_most is not None:
            return items_vote(spec.at_most)
        named: Vote | None = self._named(place, spec.name, VOTES)
        return named

    def _metric(self, place: tuple[str | int, ...], spec: MetricSpec | None) -> Score | None:
        if spec is None:
            return None
        if spec.gold is not None:
            self._require_field((*place, "gold"), spec.gold)
        if REFERENCE.match(spec.name):
            function = self._function(place, spec.name)
            if function is None:
                return None
            gold = spec.gold
            judge = partial(function, **spec.options)
            return judge if gold is None else lambda output, example: judge(output, example[gold])
        if spec.gold is None:
            self._note(place, f"{spec.name} needs gold: the examples' field that holds the right answer")
        try:
            return named_score(spec.name, spec.gold or "", spec.options)
        except UnknownName as error:
            known = METRICS.names()
            self._note(place, error.problem if error.name in known else f"{error.problem}, or MODULE:FUNCTION")
        except InvalidInput as error:
            self._note((*place, "options"), error.problem)
        return None

    def _named(self, place: tuple[str | int, ...], name: str, known: Mapping[str, Callable[..., Any]]) -> Any:
        if REFERENCE.match(name):
            return self._function(place, name)
        if name in known:
            return known[name]
        self._note(place, f"{UnknownName('', name, known).problem}, or MODULE:FUNCTION")
        return None

    def _function(self, place: tuple[str | int, ...], reference: str) -> Any:
        try:
            function = load_object(reference, self._folder)
        except InvalidInput as error:
            self._note(place, error.problem)
            return None
        except Exception as error:  # noqa: BLE001 - the file's own code may raise anything
            self._note(place, f"importing {reference} failed: {described(error)}")
            return None
        if not callable(function):
            self._note(place, f"{reference} is no function")
            return None
        if (file := module_file(reference.partition(":")[0], self._folder)) is not None:
            self.files.add(file)
        return function
