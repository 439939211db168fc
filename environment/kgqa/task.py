"""Knowledge-graph question answering as tasks: on generated graphs, or on the benchmarks' own files."""

from __future__ import annotations

from collections.abc import Sequence

from environment.candidates import arrange_candidates
from environment.kgqa.example import KgqaExample
from environment.kgqa.generator import MAX_GOLD, generate_examples
from environment.kgqa.loaders import load_kgqa
from environment.kgqa.stages import NumberedTripleRetrievalStage, TripleRetrievalStage, qa_stage
from environment.live_task import example_count, live_task, split_examples
from environment.pipeline_task import Listed, Split
from environment.stage import Stage
from environment.task import Task
from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_count

DESCRIPTION = (
    "Answer a question from a knowledge graph: first pick the needed triples among the candidates, "
    "then answer from the picked triples alone."
)


MOST_NUMBERS = 16
"""As many numbers of triples as fit into the 64 tokens of a response."""


def generated_task(
    *,
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 50,
    seed: int = 0,
    candidates: int = 12,
    metric: str = "em",
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
) -> Task:
    """Live: self-made one- and two-hop questions over invented knowledge graphs."""
    examples = generate_examples(example_count(search_examples, held_out_examples), seed, candidates=candidates)
    return live_task(
        "kgqa",
        DESCRIPTION,
        [TripleRetrievalStage(max_tokens=64, max_chosen=MAX_GOLD), qa_stage(metric, 24)],
        [(512, 32), (256, 8)],
        Split(examples[:search_examples], examples[search_examples:]),
        models,
        strategy=strategy,
        strategies=strategies,
        temperatures=temperatures,
        max_samples=max_samples,
        sample_counts=sample_counts,
    )


def cwq_task(
    *,
    path: str = "",
    answers: str = "",
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 500,
    candidates: int = 100,
    gold: str = "path",
    metric: str = "em",
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
) -> Task:
    """Live: ComplexWebQuestions from a file with triples (`path`), its answers from the official file (`answers`)."""
    examples, description = _read("cwq", path, answers, gold, candidates)
    return live_task(
        "cwq",
        description,
        _benchmark_stages(metric),
        [(1024, 64), (256, 64)],
        split_examples(examples, search_examples, held_out_examples),
        models,
        strategy=strategy,
        strategies=strategies,
        temperatures=temperatures,
        max_samples=max_samples,
    )


def webqsp_task(
    *,
    path: str = "",
    answers: str = "",
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 500,
    candidates: int = 100,
    gold: str = "path",
    metric: str = "em",
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
) -> Task:
    """Live: WebQuestionsSP from a file with triples (`path`), its answers from the official file (`answers`)."""
    examples, description = _read("webqsp", path, answers, gold, candidates)
    return live_task(
        "webqsp",
        description,
        _benchmark_stages(metric),
        [(1024, 64), (128, 64)],
        split_examples(examples, search_examples, held_out_examples),
        models,
        strategy=strategy,
        strategies=strategies,
        temperatures=temperatures,
        max_samples=max_samples,
    )


def _benchmark_stages(metric: str) -> list[Stage]:
    return [NumberedTripleRetrievalStage(max_tokens=64, max_chosen=MOST_NUMBERS), qa_stage(metric, 64)]


def _read(source: str, path: str, answers: str, gold: str, candidates: int) -> tuple[list[KgqaExample], str]:
    """The usable examples with at most `candidates` triples each, and a description that counts the others."""
    loaded = load_kgqa(source, path, answers=answers, gold=gold)
    if not loaded.examples:
        raise InvalidInput("path", f"{path}: none of its {loaded.left_out} records has an answer and gold triples")
    fewest = min(len(example.gold) for example in loaded.examples)
    if not is_count(candidates) or candidates < fewest:
        raise InvalidInput("candidates", f"must be a whole number of {fewest} or more, got {shortened(candidates)}")
    fitting = [example for example in loaded.examples if len(example.gold) <= candidates]
    left_out = loaded.left_out + len(loaded.examples) - len(fitting)
    note = f" {left_out} records of the file without an answer or with no or too many gold triples are left out."
    return arrange_candidates(fitting, candidates), DESCRIPTION + (note if left_out else "")
