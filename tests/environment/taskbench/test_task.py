"""Both tasks end to end on a backend that answers from a script."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from environment.backend import Receiver
from environment.executor import Executor
from environment.loading import load_task
from environment.sampler import Sampler
from environment.task import Task
from environment.taskbench.example import AutomationExample
from environment.taskbench.stages import DECOMPOSITION, PARAMETERS, SELECTION
from storage.database import Database
from storage.sample import GenerationRequest, Sample
from storage.samples import SampleStore
from tests.environment.taskbench.files import record, write
from tools.errors import InvalidInput
from tools.space import Allocation, Choice

MODELS = ["m:1B@http://127.0.0.1:1/v1"]
Writer = Callable[[AutomationExample], str]


def code(example: AutomationExample) -> str:
    return "\n".join(
        f"{call.tool}({', '.join(f'{a.name}={json.dumps(a.value)}' for a in call.arguments)})" for call in example.calls
    )


def nodes(example: AutomationExample) -> str:
    return json.dumps(
        [
            {"task": c.tool, "arguments": [{"name": a.name, "value": a.value} for a in c.arguments]}
            for c in example.calls
        ]
    )


LINES: Mapping[str, Writer] = {
    DECOMPOSITION: lambda example: "\n".join(example.steps),
    SELECTION: lambda example: ", ".join(call.tool for call in example.calls),
    PARAMETERS: code,
}
JSON: Mapping[str, Writer] = {
    DECOMPOSITION: lambda example: json.dumps(example.steps),
    SELECTION: lambda example: json.dumps([call.tool for call in example.calls]),
    PARAMETERS: nodes,
}


class Scripted:
    """Knows a prompt's stage and example, and writes what `writers` say; each third sample is nonsense."""

    def __init__(self, task: Task, writers: Mapping[str, Writer], *, nonsense: bool = False) -> None:
        self.task = task
        self.writers = writers
        self.nonsense = nonsense
        self.prompts: list[str] = []

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        shown = request.messages[-1].content
        self.prompts.append(shown)
        system = request.messages[0]
        (stage,) = [s for s in self.task.stages if s.messages(self.task.search_examples[0], GOLD)[0] == system]
        # A later stage may show the steps alone; where they stand among more, the longer list is meant.
        examples = cast(Sequence[AutomationExample], self.task.search_examples)
        known = [example for example in examples if self._asks(shown, example)]
        example = max(known, key=lambda example: len(example.steps), default=examples[0])
        right = self.writers[stage.name](example)
        answers = {index: Sample("?! [{" if self.nonsense and index % 3 == 2 else right) for index in indices}
        await receiver.deliver(answers)

    @staticmethod
    def _asks(shown: str, example: AutomationExample) -> bool:
        return example.request in shown or all(step in shown for step in example.steps)

    async def aclose(self) -> None: ...


GOLD: dict[str, Any] = {DECOMPOSITION: (), SELECTION: ()}


async def scores(task: Task, backend: Scripted, samples: int) -> dict[str, float]:
    with Database.open("sqlite://") as database:
        executor = Executor(task, Sampler(SampleStore(database), {"m": backend}), float("inf"))
        allocation = Allocation({stage.name: Choice("m", samples) for stage in task.stages})
        outcome = await executor.run(allocation, task.search_examples)
    return {name: score.mean for name, score in outcome.stage_scores.items()}


def automation(**options: Any) -> Task:
    return load_task("automation", models=MODELS, search_examples=12, held_out_examples=2, **options)


def taskbench(folder: Path, **options: Any) -> Task:
    data, tools = write(folder, [record(number) for number in range(10)])
    options |= {"path": str(data), "tools": str(tools), "models": MODELS, "search_examples": 8}
    return load_task("taskbench", **options)


PERFECT = {DECOMPOSITION: 1.0, SELECTION: 1.0, PARAMETERS: 1.0}


@pytest.mark.parametrize("strategy", ["majority", "fusion"])
@pytest.mark.parametrize("writers", [LINES, JSON], ids=["lines", "json"])
async def test_right_answers_score_full_marks(strategy: str, writers: Mapping[str, Writer], tmp_path: Path) -> None:
    for task in (automation(strategy=strategy), taskbench(tmp_path, strategy=strategy)):
        assert await scores(task, Scripted(task, writers), 3) == PERFECT


async def test_a_majority_outvotes_nonsense() -> None:
    task = automation(strategy="majority")
    assert await scores(task, Scripted(task, LINES, nonsense=True), 3) == PERFECT


async def test_nonsense_alone_scores_nothing_and_fails_nothing(tmp_path: Path) -> None:
    for task in (automation(), taskbench(tmp_path)):
        nothing = dict.fromkeys(LINES, lambda example: "?! [{")
        found = await scores(task, Scripted(task, nothing), 2)
        assert found[SELECTION] == found[PARAMETERS] == 0


async def test_later_stages_see_what_earlier_ones_found(tmp_path: Path) -> None:
    wrong = {**LINES, SELECTION: lambda example: "stop_alarm"}
    task = taskbench(tmp_path)
    backend = Scripted(task, wrong)
    assert (await scores(task, backend, 1))[SELECTION] == 0
    last = [prompt for prompt in backend.prompts if prompt.startswith("Selected tools:")]
    assert len(last) == 8
    assert all("stop_alarm: Stop the alarm that rings ()" in prompt for prompt in last)
    assert all("buy_ticket:" not in prompt for prompt in last)
    assert all("Step 2: Call buy_ticket" in prompt for prompt in last)


def test_prompts_show_what_the_stage_needs_and_fusion_adds_the_responses(tmp_path: Path) -> None:
    for task in (automation(), taskbench(tmp_path)):
        for example in task.search_examples:
            assert isinstance(example, AutomationExample)
            upstream = {DECOMPOSITION: example.steps, SELECTION: tuple(call.tool for call in example.calls)}
            for stage in task.stages:
                *_, asked = stage.messages(example, upstream)
                assert asked.content == asked.content.strip()
                *_, fused = stage.fusion_messages(example, upstream, ["ONE\nMORE", "OTHER"])
                assert fused.content.startswith(asked.content)
                added = fused.content.removeprefix(asked.content)
                assert added.index("ONE\nMORE") < added.index("OTHER")


def test_text_of_files_is_shown_as_it_is(tmp_path: Path) -> None:
    task = automation()
    example = replace(task.search_examples[0], request="{{ 7 * 7 }} <b> & {% raw %}")  # type: ignore[type-var]
    assert "{{ 7 * 7 }} <b> & {% raw %}" in task.stages[0].messages(example, {})[-1].content


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"models": []}, "models"),
        ({"candidates": 2}, "candidates"),
        ({"held_out_examples": 0}, "held_out_examples"),
        ({"max_samples": 0}, "max_samples"),
        ({"nothing": 1}, "task 'automation'"),
    ],
)
def test_unusable_options_are_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        load_task("automation", **({"models": MODELS} | options))
