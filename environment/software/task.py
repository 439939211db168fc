"""Software development as tasks: on generated assignments, or on SRDD's descriptions."""

from __future__ import annotations

from collections.abc import Sequence

from environment.live_task import example_count, live_task, split_examples
from environment.pipeline_task import Listed, Split
from environment.records import given_path
from environment.sandbox.limits import STRONGEST
from environment.software.checking import CHECKING
from environment.software.embedding import LOCAL, Similarity, embedding_of
from environment.software.execution import STARTING
from environment.software.generator import generate_examples
from environment.software.programs import Programs
from environment.software.srdd import (
    QUALITY,
    ProgramCodingStage,
    ProgramDynamicTestingStage,
    ProgramStaticTestingStage,
    load_srdd,
)
from environment.software.stages import CodingStage, DynamicTestingStage, StaticTestingStage
from environment.task import Task

DESCRIPTION = (
    "Write software: first write a program for a requirement, then review and repair it, "
    "then run it and repair what went wrong. Programs run in a sandbox (isolation: {isolation})."
)


def software_task(
    *,
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 50,
    seed: int = 0,
    isolation: str = STRONGEST,
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
) -> Task:
    """Live: self-made programming assignments with hidden tests, on models given as NAME:PARAMETERS@URL."""
    examples = generate_examples(example_count(search_examples, held_out_examples), seed)
    programs = Programs(CHECKING, isolation)
    return live_task(
        "software",
        DESCRIPTION.format(isolation=programs.isolation),
        [
            CodingStage(programs, max_tokens=384),
            StaticTestingStage(programs, max_tokens=384),
            DynamicTestingStage(programs, max_tokens=384),
        ],
        [(320, 160), (448, 160), (512, 160)],
        Split(examples[:search_examples], examples[search_examples:]),
        models,
        strategy=strategy,
        strategies=strategies,
        temperatures=temperatures,
        max_samples=max_samples,
        sample_counts=sample_counts,
    )


def srdd_task(
    *,
    path: str = "",
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 500,
    embedding: str = LOCAL,
    metric: str = QUALITY,
    max_tokens: int = 2048,
    isolation: str = STRONGEST,
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
) -> Task:
    """Live: SRDD's software descriptions from its CSV file (`path`), judged by ChatDev's quality.

    `embedding` is "local" or MODEL@URL; `metric` of the last stage is quality, consistency or
    executability; `max_tokens` bounds a program.
    """
    split = split_examples(load_srdd(given_path(path)), search_examples, held_out_examples)
    programs, similarity = Programs(STARTING, isolation, waiting=True), Similarity(embedding_of(embedding))
    return live_task(
        "srdd",
        DESCRIPTION.format(isolation=programs.isolation),
        [
            ProgramCodingStage(programs, max_tokens, similarity),
            ProgramStaticTestingStage(programs, max_tokens, similarity),
            ProgramDynamicTestingStage(programs, max_tokens, similarity, metric),
        ],
        # The lengths of the paper (table 4).
        [(1024, 1024), (1024, 512), (1024, 256)],
        split,
        models,
        strategy=strategy,
        strategies=strategies,
        temperatures=temperatures,
        max_samples=max_samples,
        sample_counts=sample_counts,
    )
