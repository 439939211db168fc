"""Records the benchmark: every allocation of its grid, both strategies, on live models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from environment.backend import close_all
from environment.model_spec import connect_models
from environment.multihop.recorded import MODELS, STRATEGIES, recordable_task
from environment.multihop.recording_card import benchmark_card
from environment.recorder import Progress, Recorder, collect
from environment.recording import Recording
from environment.sampler import Sampler
from environment.spending import Spending
from storage.database import Database
from storage.samples import SampleStore
from tools.errors import InvalidInput
from tools.space import Model
from tools.spending import SpendingCaps, SpendingLedger


async def record_benchmark(
    models: Sequence[Model],
    storage: str,
    output: Path,
    examples: int,
    report: Callable[[Progress], None],
    caps: SpendingCaps = SpendingCaps(),  # noqa: B008 - it is frozen
) -> dict[str, Any]:
    """Fills the store, writes the file and returns its card.

    `models` give the endpoint of each of the benchmark's models; `examples` is the number of
    each split. `caps` hold for this run. Raises InvalidInput when a model is missing, SpendingCapReached,
    EndpointError, StorageError; requests under way finish first, and are stored.
    """
    expected, given = {m.name for m in MODELS}, {m.name for m in models}
    if expected != given:
        raise InvalidInput("--model", f"must give exactly these models: {', '.join(sorted(expected))}")
    backends = connect_models(models)
    task = recordable_task(backends, examples=(examples, examples))
    # Search and held-out examples in turn: a recording that is stopped early has both.
    mixed = [e for pair in zip(task.search_examples, task.held_out_examples, strict=True) for e in pair]
    with Database.open(storage) as database:
        store = SampleStore(database)
        # Local servers share the processor: one example at a time keeps one model busy at a time.
        sampler = Sampler(store, backends, Spending(SpendingLedger(caps)))
        recorder = Recorder(task, sampler, STRATEGIES, at_once=1)
        try:
            needed = await recorder.record(mixed, report)
        except BaseException as error:
            await sampler.wind_down(error)
            raise
        finally:
            await close_all(backends)
        samples = collect(store, needed)
    card = benchmark_card(needed, samples, examples)
    Recording(card, samples).write(output)
    return card
