"""Multi-hop question answering as tasks: on generated questions, or on the benchmarks' own files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from environment.backend import Backend
from environment.model_spec import connect_models, parse_models
from environment.multihop.example import MultihopExample
from environment.multihop.generator import generate_examples
from environment.multihop.loaders import load_hotpotqa, load_two_wiki
from environment.multihop.numbered import NumberedRetrievalStage
from environment.multihop.stages import QA, RETRIEVAL, QaStage, RetrievalStage
from environment.task import Task
from tools.cost import CostModel
from tools.errors import InvalidInput
from tools.flops import FlopsCost
from tools.space import Model, SearchSpace, Subtask
from tools.validation import is_count

DESCRIPTION = (
    "Answer a question that needs two facts: first pick the needed passages among the candidates, "
    "then answer from the picked passages alone."
)


def multihop_task(
    name: str,
    models: Sequence[Model],
    search: Sequence[MultihopExample],
    held_out: Sequence[MultihopExample],
    connect: Callable[[], Mapping[str, Backend]],
    *,
    cost: CostModel,
    lengths: tuple[tuple[int, int], tuple[int, int]],
    retrieval: RetrievalStage,
    answer_tokens: int,
    strategy: str = "fusion",
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
    recorded_from: str = "",
    options: Mapping[str, Any] | None = None,
) -> Task:
    """The pipeline retrieval -> qa over the given examples and models.

    `lengths` are the typical (prompt, generation) tokens of each stage, which the cost model
    reads; `retrieval` is the first stage and `answer_tokens` bounds one sample of the second.
    """
    space = SearchSpace(
        [
            Subtask(stage, models, prompt_tokens=prompt, generation_tokens=generation)
            for stage, (prompt, generation) in zip((RETRIEVAL, QA), lengths, strict=True)
        ],
        max_samples,
        sample_counts=sample_counts,
    )
    return Task(
        name=name,
        description=DESCRIPTION,
        stages=(retrieval, QaStage(answer_tokens)),
        space=space,
        cost=cost,
        search_examples=search,
        held_out_examples=held_out,
        strategies={RETRIEVAL: strategy, QA: strategy},
        connect=connect,
        recorded_from=recorded_from,
        options=dict(options or {}),
    )


def generated_task(
    *,
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 50,
    seed: int = 0,
    candidates: int = 8,
    strategy: str = "fusion",
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
) -> Task:
    """Live: self-made two-hop questions on models given as NAME:PARAMETERS@URL."""
    parsed = parse_models(models)
    for field, count in (("search_examples", search_examples), ("held_out_examples", held_out_examples)):
        if not is_count(count):
            raise InvalidInput(field, f"must be a whole number of 1 or more, got {count!r}")
    examples = generate_examples(search_examples + held_out_examples, seed, candidates=candidates)
    return multihop_task(
        "multihop",
        parsed,
        examples[:search_examples],
        examples[search_examples:],
        lambda: connect_models(parsed),
        cost=_cost_for(parsed),
        lengths=((256, 24), (128, 6)),
        retrieval=RetrievalStage(max_tokens=32, max_chosen=2),
        answer_tokens=10,
        strategy=strategy,
        max_samples=max_samples,
        sample_counts=sample_counts,
    )


def two_wiki_task(
    *,
    path: str = "",
    models: Sequence[str] = (),
    search_examples: int = 50,
    candidates: int = 100,
    strategy: str = "fusion",
    max_samples: int = 100,
) -> Task:
    """Live: 2WikiMultiHopQA from its file (`path`), its candidates cut to `candidates`."""
    examples = _cut(load_two_wiki, path, candidates)
    return _benchmark_task("2wiki", examples, parse_models(models), search_examples, strategy, max_samples)


def hotpotqa_task(
    *,
    path: str = "",
    models: Sequence[str] = (),
    search_examples: int = 50,
    candidates: int = 100,
    strategy: str = "fusion",
    max_samples: int = 100,
) -> Task:
    """Live: HotpotQA from its file (`path`), its candidates cut to `candidates`."""
    examples = _cut(load_hotpotqa, path, candidates)
    return _benchmark_task("hotpotqa", examples, parse_models(models), search_examples, strategy, max_samples)


def _cut(load: Callable[[Path], list[MultihopExample]], path: str, candidates: int) -> list[MultihopExample]:
    if not path:
        raise InvalidInput("path", "the task reads a file; give its path, such as --set path=FILE")
    return [shuffle_candidates(cut_candidates(example, candidates)) for example in load(Path(path))]


def _benchmark_task(
    name: str,
    examples: list[MultihopExample],
    models: tuple[Model, ...],
    search_examples: int,
    strategy: str,
    max_samples: int,
) -> Task:
    if not is_count(search_examples) or search_examples >= len(examples):
        raise InvalidInput(
            "search_examples",
            f"must be from 1 to {len(examples) - 1}, so that some are held out, got {search_examples!r}",
        )
    return multihop_task(
        name,
        models,
        examples[:search_examples],
        examples[search_examples:],
        lambda: connect_models(models),
        cost=_cost_for(models),
        lengths=((2048, 128), (256, 64)),
        # The files' questions need two to four passages.
        retrieval=NumberedRetrievalStage(max_tokens=32, max_chosen=4),
        answer_tokens=32,
        strategy=strategy,
        max_samples=max_samples,
    )


def cut_candidates(example: MultihopExample, keep: int) -> MultihopExample:
    """The example with at most `keep` candidates: every gold one and the first others, in order."""
    if keep < len(example.gold) or keep < 1:
        raise InvalidInput("candidates", f"must be at least {max(1, len(example.gold))}, got {keep!r}")
    others = [i for i in range(len(example.candidates)) if i not in example.gold]
    kept = sorted([*example.gold, *others[: keep - len(example.gold)]])
    return MultihopExample(
        example.id,
        example.question,
        example.answers,
        tuple(example.candidates[i] for i in kept),
        tuple(kept.index(i) for i in example.gold),
    )


def shuffle_candidates(example: MultihopExample) -> MultihopExample:
    """The example with its candidates in an order that only its id decides.

    Files list gold passages that retrieval had missed behind the others, where their place would
    give them away.
    """
    seed = int.from_bytes(hashlib.sha256(example.id.encode()).digest()[:8])
    order = [int(position) for position in np.random.default_rng(seed).permutation(len(example.candidates))]
    return replace(
        example,
        candidates=tuple(example.candidates[position] for position in order),
        gold=tuple(sorted(order.index(position) for position in example.gold)),
    )


def _cost_for(models: Sequence[Model]) -> CostModel:
    """The paper's unit, or for models below its base a base pass of the smallest model."""
    smallest = min(model.parameters for model in models)
    return FlopsCost() if smallest >= 3e9 else FlopsCost(base_parameters=smallest)
