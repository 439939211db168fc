"""Task automation as tasks: on generated requests, or on TaskBench's own files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from environment.live_task import example_count, live_task, split_examples
from environment.pipeline_task import Listed, Split
from environment.task import Task
from environment.taskbench.generator import generate_examples
from environment.taskbench.loaders import load_examples, load_tools
from environment.taskbench.stages import DecompositionStage, ParameterStage, SelectionStage

DESCRIPTION = (
    "Automate a request: first split it into steps, then select the tools that the steps need, "
    "then call the selected tools with the values of the request."
)
MOST_NEEDED = 3
"""Tools that a generated request needs at most."""
BLANK_LINE = ("\n\n",)
"""Ends a response written in lines: small models would go on with further examples."""
MOST_READ = 12
"""Steps, tools or calls that are read of a response to a request of TaskBench, which needs up to ten."""


def automation_task(
    *,
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 50,
    seed: int = 0,
    candidates: int = 6,
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
) -> Task:
    """Live: self-made requests over a fictional tool graph, on models given as NAME:PARAMETERS@URL."""
    examples = generate_examples(example_count(search_examples, held_out_examples), seed, candidates=candidates)
    return live_task(
        "automation",
        DESCRIPTION,
        [
            DecompositionStage("decomposition.j2", max_tokens=48, most=MOST_NEEDED, stop=BLANK_LINE),
            SelectionStage("selection.j2", max_tokens=32, most=MOST_NEEDED, stop=BLANK_LINE),
            ParameterStage("parameters.j2", max_tokens=80, most=MOST_NEEDED, stop=BLANK_LINE),
        ],
        [(192, 24), (384, 16), (384, 32)],
        Split(examples[:search_examples], examples[search_examples:]),
        models,
        strategy=strategy,
        strategies=strategies,
        temperatures=temperatures,
        max_samples=max_samples,
        sample_counts=sample_counts,
    )


def taskbench_task(
    *,
    path: str = "",
    tools: str = "",
    models: Sequence[str] = (),
    search_examples: int = 50,
    held_out_examples: int = 500,
    seed: int = 0,
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
) -> Task:
    """Live: TaskBench from its files, requests with gold calls (`path`) and tools (`tools`), in an order of `seed`."""
    examples = load_examples(path, load_tools(tools))
    order = np.random.default_rng(seed).permutation(len(examples))
    return live_task(
        "taskbench",
        DESCRIPTION,
        [
            DecompositionStage("json_decomposition.j2", max_tokens=512, most=MOST_READ),
            SelectionStage("json_selection.j2", max_tokens=256, most=MOST_READ),
            ParameterStage("json_parameters.j2", max_tokens=1024, most=MOST_READ),
        ],
        # AgentTTS, Table 4.
        [(1024, 64), (1024, 256), (1024, 2048)],
        split_examples([examples[int(place)] for place in order], search_examples, held_out_examples),
        models,
        strategy=strategy,
        strategies=strategies,
        temperatures=temperatures,
        max_samples=max_samples,
    )
