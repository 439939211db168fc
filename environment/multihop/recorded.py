"""The benchmark that ships with the package: recorded generations on self-made two-hop questions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from environment.backend import Backend
from environment.backends.replay_backend import ReplayBackend
from environment.multihop.generator import generate_examples
from environment.multihop.stages import QaStage, RetrievalStage
from environment.multihop.task import DESCRIPTION
from environment.pipeline_task import Listed, Split, pipeline_task
from environment.recording import Recording
from environment.task import Task
from tools.errors import InvalidInput
from tools.flops import FlopsCost
from tools.space import Model
from tools.validation import require_count

RECORDING = Path(__file__).parents[1] / "recordings" / "multihop.jsonl.xz"
MODELS = (
    Model("smollm2-135m-instruct", 134.5e6, layers=30, hidden_size=576, kv_size=192),
    Model("qwen2.5-coder-0.5b-instruct", 494e6, layers=24, hidden_size=896, kv_size=128),
    Model("qwen2.5-coder-1.5b-instruct", 1.54e9, layers=28, hidden_size=1536, kv_size=256),
)
"""Named and shaped as the weights' own metadata say, all 4-bit GGUF files under Apache-2.0."""
SAMPLE_COUNTS = (1, 2, 4, 8, 16)
STRATEGIES = ("fusion", "majority")
SEED = 2026
EXAMPLES = 50
CANDIDATES = 8
MAX_TOKENS = (32, 10)
MAX_CHOSEN = 2
LENGTHS = ((256, 24), (128, 6))
"""Typical (prompt, generation) tokens of retrieval and qa, rounded from the recorded counts."""
COST = FlopsCost(base_parameters=134.5e6, base_prompt_tokens=128, base_generation_tokens=6)
"""The unit is a base pass of the smallest model on the shorter stage: Theorem 1 keeps its meaning."""


def recorded_task(*, strategy: str = "fusion", strategies: Listed[str] = (), recording: str = "") -> Task:
    """Retrieval -> qa on recorded generations of three small open models; nothing is simulated.

    `strategy` (fusion or majority) is used in both stages; `strategies` makes it part of the search
    instead, in both stages as a list, or by stage as {stage: list}. `recording` names another file
    made by `agenttts record`. The task holds the examples the recording's card says are complete.
    """
    held = load_recording(Path(recording) if recording else RECORDING)
    for split in ("search_examples", "held_out_examples"):
        require_count(f"recording {split}", held.card.get(split), EXAMPLES)
    name = f"the recording {held.name!r}"
    backend = ReplayBackend(held, name)
    task = recordable_task(
        {model.name: backend for model in MODELS},
        strategy=strategy,
        strategies=strategies,
        examples=(int(held.card["search_examples"]), int(held.card["held_out_examples"])),
        recorded_from=", ".join(held.models),
        options={"strategy": strategy}
        | ({"strategies": strategies} if strategies else {})
        | ({"recording": recording} if recording else {}),
    )
    for stage in task.stages:
        for name in task.strategies_of(stage.name):
            if name not in STRATEGIES:
                raise InvalidInput("strategy", f"{name!r} was not recorded; use one of: {', '.join(STRATEGIES)}")
    return task


def recordable_task(
    backends: Mapping[str, Backend],
    *,
    strategy: str = "fusion",
    strategies: Listed[str] = (),
    examples: tuple[int, int] = (EXAMPLES, EXAMPLES),
    recorded_from: str = "",
    options: dict[str, Any] | None = None,
) -> Task:
    """The benchmark's task on given backends by model name: recorded ones, or live ones to record."""
    generated = generate_examples(2 * EXAMPLES, SEED, candidates=CANDIDATES)
    return pipeline_task(
        "multihop-recorded",
        DESCRIPTION,
        [RetrievalStage(MAX_TOKENS[0], MAX_CHOSEN), QaStage(MAX_TOKENS[1])],
        LENGTHS,
        Split(generated[:EXAMPLES][: examples[0]], generated[EXAMPLES:][: examples[1]]),
        MODELS,
        lambda: backends,
        cost=COST,
        strategy=strategy,
        strategies=strategies,
        sample_counts=SAMPLE_COUNTS,
        recorded_from=recorded_from,
        options=options,
    )


@lru_cache(maxsize=4)
def load_recording(path: Path) -> Recording:
    """The recording in a file, read once per process."""
    return Recording.read(path)
