"""A pipeline of Python functions: one function writes the prompt of one stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, Unpack

from environment.pipelines.assembly import Part
from environment.pipelines.declaration import StageSettings
from environment.pipelines.searchable import SearchablePipeline
from environment.pipelines.stage import Write
from environment.stage import Stage

W = TypeVar("W", bound=Write)


class Pipeline(SearchablePipeline):
    """Stages in the order in which they are declared.

    pipeline = Pipeline("my-rag", models=[...], examples="questions.jsonl")

    @pipeline.stage(prompt_tokens=256, generation_tokens=24, metric="exact_match", gold="answer")
    def answer(example, upstream):
        return f"Answer in one word: {example['question']}"
    """

    def stage(self, **settings: Unpack[StageSettings]) -> Callable[[W], W]:
        """Declares the function `write(example, upstream)` as the next stage, under its own name.

        It returns the prompt: a text or messages; `upstream` holds the earlier stages' outputs by
        name. The settings are those of StageSettings. Raises InvalidInput naming what is wrong.
        """

        def declare(write: W) -> W:
            self.declare(str(getattr(write, "__name__", "")), write, settings)
            return write

        return declare

    def add(
        self,
        stage: Stage,
        *,
        prompt_tokens: float,
        generation_tokens: float,
        models: Sequence[str] | None = None,
        strategy: str | Sequence[str] | None = None,
    ) -> None:
        """Adds a stage of a class of its own as the next one. Raises InvalidInput."""
        methods = [getattr(type(stage), name) for name in ("messages", "fusion_messages", "parse", "vote", "score")]
        chosen = self.chosen_models(models), prompt_tokens, generation_tokens, self.chosen_strategies(strategy)
        self.append(Part(stage, *chosen), *methods, stage.metric, stage.sampling)
