"""Multi-hop question answering as tasks: on generated questions, or on the benchmarks' own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from environment.candidates import arrange_candidates
from environment.live_task import example_count, live_task, split_examples
from environment.model_spec import parse_models
from environment.multihop.generator import generate_examples
from environment.multihop.loaders import load_hotpotqa, load_two_wiki
from environment.multihop.numbered import NumberedRetrievalStage
from environment.multihop.stages import QaStage, RetrievalStage
from environment.pipeline_task import Listed, Split
from environment.task import Task
from tools.errors import UnknownName

DESCRIPTION = (
    "Answer a question that needs two facts: first pick the needed passages among the candidates, "
    "then answer from the picked passages alone."
)


def generated_task(
    *,
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 50,
    seed: int = 0,
    candidates: int = 8,
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    judge: str = "",
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
) -> Task:
    """Live: self-made two-hop questions on models given as NAME:PARAMETERS@URL.

    `judge` names the one among them that grades under best-of-n-judge; "" lets each model grade itself.
    """
    if judge and judge not in (known := [model.name for model in parse_models(models)]):
        raise UnknownName("judge", judge, known)
    examples = generate_examples(example_count(search_examples, held_out_examples), seed, candidates=candidates)
    return live_task(
        "multihop",
        DESCRIPTION,
        [RetrievalStage(max_tokens=32, max_chosen=2, judge_model=judge), QaStage(10, judge_model=judge)],
        [(256, 24), (128, 6)],
        Split(examples[:search_examples], examples[search_examples:]),
        models,
        strategy=strategy,
        strategies=strategies,
        temperatures=temperatures,
        max_samples=max_samples,
        sample_counts=sample_counts,
    )


def two_wiki_task(
    *,
    path: str = "",
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 500,
    candidates: int = 100,
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
) -> Task:
    """Live: 2WikiMultiHopQA from its file (`path`), its candidates cut to `candidates`."""
    split = split_examples(arrange_candidates(load_two_wiki(path), candidates), search_examples, held_out_examples)
    ways = {"strategy": strategy, "strategies": strategies, "temperatures": temperatures}
    return _benchmark_task("2wiki", split, models, max_samples, ways)


def hotpotqa_task(
    *,
    path: str = "",
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 500,
    candidates: int = 100,
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
) -> Task:
    """Live: HotpotQA from its file (`path`), its candidates cut to `candidates`."""
    split = split_examples(arrange_candidates(load_hotpotqa(path), candidates), search_examples, held_out_examples)
    ways = {"strategy": strategy, "strategies": strategies, "temperatures": temperatures}
    return _benchmark_task("hotpotqa", split, models, max_samples, ways)


def _benchmark_task(name: str, split: Split, models: Sequence[str], max_samples: int, ways: Mapping[str, Any]) -> Task:
    """`ways` are the options that say how samples become an answer."""
    return live_task(
        name,
        DESCRIPTION,
        # The files' questions need two to four passages.
        [NumberedRetrievalStage(max_tokens=32, max_chosen=4), QaStage(32)],
        [(2048, 128), (256, 64)],
        split,
        models,
        max_samples=max_samples,
        **ways,
    )
