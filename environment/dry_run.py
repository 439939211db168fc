"""One example through a pipeline without paying for it: its prompts, parsers and metrics at work."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from environment.backend import Backend, Receiver, collected
from environment.memory_store import MemoryStore
from environment.sampler import Sampler
from environment.stage import Example
from environment.task import Task
from storage.sample import GenerationRequest, Message, Sample
from tools.space import Allocation

PLACEHOLDER = "(a response of {model})"
"""What stands for a model's answer where none is recorded."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """The first prompt of every stage that was reached; `recorded` says whether real answers were read."""

    prompts: Mapping[str, tuple[Message, ...]]
    recorded: bool


async def dry_run(task: Task, example: Example) -> DryRun:
    """Runs one example with one sample of each subtask's largest model.

    Recorded tasks answer from their recording; otherwise a placeholder stands for each answer and
    nothing is sent anywhere. Raises PipelineError where the pipeline's own code fails, MissingSample
    where a recording does not know a prompt. A simulated task has no prompts.
    """
    recorded = bool(task.recorded_from)
    models = {model.name for subtask in task.space.subtasks for model in subtask.models}
    backends = task.connect() if recorded else dict.fromkeys(models, _Placeholder())
    if task.runner is not None:
        return DryRun(await _graph_prompts(task, example, backends), recorded)
    prompts: dict[str, tuple[Message, ...]] = {}
    upstream: dict[str, Any] = {}
    for stage in task.stages:
        await stage.prepare(example, upstream)
        prompts[stage.name] = stage.messages(example, upstream)
        model = task.space[stage.name].largest.name
        request = GenerationRequest(model, prompts[stage.name], stage.sampling)
        (sample,) = await collected(backends[model], request, [0])
        output = stage.parse(sample.text, example)
        stage.vote([output])
        if stage.metric:
            await stage.judge(output, example)
        upstream[stage.name] = output
    return DryRun(prompts, recorded)


async def _graph_prompts(
    task: Task, example: Example, backends: Mapping[str, Backend]
) -> Mapping[str, tuple[Message, ...]]:
    from environment.graphs.runner import GraphRunner

    assert task.runner is not None  # noqa: S101 - the caller's case
    runner = task.runner(task, Sampler(MemoryStore(), backends), math.inf)
    least = task.space.sample_counts[0]
    choices = {subtask.name: subtask.usual(subtask.largest).choice(least) for subtask in task.space.subtasks}
    await runner.run(Allocation(choices), [example])
    return runner.first_prompts if isinstance(runner, GraphRunner) else {}


class _Placeholder:
    """A backend that says that it would have answered."""

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        answer = Sample(PLACEHOLDER.format(model=request.model), mean_logprob=-1.0)
        await receiver.deliver(dict.fromkeys(indices, answer))

    async def aclose(self) -> None: ...
