"""Live tasks: a pipeline on given examples and on models given as NAME:PARAMETERS@URL."""

from __future__ import annotations

from collections.abc import Sequence

from environment.model_spec import connect_models, parse_models
from environment.pipeline_task import Listed, Split, pipeline_task
from environment.stage import Example, Stage
from environment.task import Task
from tools.cost import CostModel
from tools.errors import InvalidInput
from tools.flops import FlopsCost
from tools.space import Model
from tools.text import shortened
from tools.validation import is_count


def live_task(
    name: str,
    description: str,
    stages: Sequence[Stage],
    lengths: Sequence[tuple[int, int]],
    split: Split,
    models: Sequence[str],
    *,
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
) -> Task:
    """The pipeline of `stages` at the models' endpoints.

    `lengths` are the stages' typical (prompt, generation) tokens, which the cost model reads.
    Raises InvalidInput for an unusable model, sample count, strategy or temperature.
    """
    parsed = parse_models(models)
    return pipeline_task(
        name,
        description,
        stages,
        lengths,
        split,
        parsed,
        lambda: connect_models(parsed),
        cost=live_cost(parsed),
        strategy=strategy,
        strategies=strategies,
        temperatures=temperatures,
        max_samples=max_samples,
        sample_counts=sample_counts,
    )


def live_cost(models: Sequence[Model]) -> CostModel:
    """The paper's unit, or for models below its base a base pass of the smallest model."""
    smallest = min(model.parameters for model in models)
    return FlopsCost() if smallest >= 3e9 else FlopsCost(base_parameters=smallest)


def example_count(search_examples: int, held_out_examples: int) -> int:
    """How many examples both splits need together. Raises InvalidInput when one has none."""
    for field, count in (("search_examples", search_examples), ("held_out_examples", held_out_examples)):
        if not is_count(count):
            raise InvalidInput(field, f"must be a whole number of 1 or more, got {shortened(count)}")
    return search_examples + held_out_examples


def split_examples(examples: Sequence[Example], search_examples: int, held_out_examples: int) -> Split:
    """The first `search_examples`, and of the others up to `held_out_examples`.

    Raises InvalidInput when nothing would be held out.
    """
    total = example_count(search_examples, held_out_examples)
    if search_examples >= len(examples):
        raise InvalidInput(
            "search_examples",
            f"must be from 1 to {len(examples) - 1}, so that some are held out, got {shortened(search_examples)}",
        )
    return Split(examples[:search_examples], examples[search_examples:total])
