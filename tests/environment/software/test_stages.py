"""The three stages on generated assignments, alone and through the executor with every kind of strategy."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.backend import Receiver
from environment.executor import Executor
from environment.sampler import Sampler
from environment.software.example import SoftwareExample
from environment.software.generator import generate_examples
from environment.software.programs import Programs
from environment.software.stages import (
    CODING,
    DYNAMIC_TESTING,
    STATIC_TESTING,
    CodingStage,
    DynamicTestingStage,
    FunctionStage,
    StaticTestingStage,
)
from environment.software.task import software_task
from environment.strategies.b4 import HasTests
from environment.strategy import STRATEGIES
from environment.task import SEARCH, Task
from storage.database import Database
from storage.sample import GenerationRequest, Sample
from storage.samples import SampleStore
from tools.errors import InvalidInput, UnknownName
from tools.space import Allocation, Choice

EXAMPLE = generate_examples(1, 0)[0]
RIGHT = f"def {EXAMPLE.entry}(text):\n    return sum(text.lower().count(c) for c in 'ilno')"
WRONG = f"def {EXAMPLE.entry}(text):\n    return len(text)"
MODEL = ("tiny:135M@http://127.0.0.1:9/v1",)


@pytest.fixture
def stages(programs: Programs) -> list[FunctionStage]:
    return [kind(programs, 64) for kind in (CodingStage, StaticTestingStage, DynamicTestingStage)]


def test_each_stage_shows_what_it_is_about(stages: list[FunctionStage]) -> None:
    coding, static, dynamic = (stage.messages(EXAMPLE, {CODING: WRONG})[-1].content for stage in stages)
    for prompt in (coding, static, dynamic):
        assert EXAMPLE.requirement in prompt
        assert EXAMPLE.public[0].call(EXAMPLE.entry) in prompt
        for check in EXAMPLE.hidden:
            assert check.call(EXAMPLE.entry) not in prompt
    assert WRONG not in coding
    assert WRONG in static
    assert WRONG in dynamic
    assert f"but must return {EXAMPLE.public[1].value}" in dynamic


def test_static_testing_names_sure_faults_and_dynamic_testing_errors(stages: list[FunctionStage]) -> None:
    _, static, dynamic = stages
    broken = {CODING: "def wrong_name(x):\n    return 1 / 0"}
    assert f"there is no function {EXAMPLE.entry}" in static.messages(EXAMPLE, broken)[-1].content
    assert "raises KeyError" in dynamic.messages(EXAMPLE, broken)[-1].content
    assert "as it must" in dynamic.messages(EXAMPLE, {CODING: RIGHT})[-1].content


def test_a_stage_that_wrote_no_program_changed_nothing(stages: list[FunctionStage]) -> None:
    _, _, dynamic = stages
    assert RIGHT in dynamic.messages(EXAMPLE, {CODING: RIGHT, STATIC_TESTING: ""})[-1].content
    later = dynamic.messages(EXAMPLE, {CODING: WRONG, STATIC_TESTING: RIGHT})[-1].content
    assert RIGHT in later
    assert WRONG not in later


def test_fusion_shows_the_responses_behind_the_same_beginning(stages: list[FunctionStage]) -> None:
    for stage in stages:
        *_, plain = stage.messages(EXAMPLE, {CODING: RIGHT})
        *_, fused = stage.fusion_messages(EXAMPLE, {CODING: RIGHT}, ["first response", "second response"])
        assert "first response" in fused.content
        assert "second response" in fused.content
        assert "response" not in plain.content
        common = plain.content.split("Answer with")[0].rstrip()
        assert fused.content.startswith(common)


def test_scores_are_the_share_of_hidden_checks(stages: list[FunctionStage]) -> None:
    for stage in stages:
        assert stage.metric == "tests passed"
        assert stage.score(RIGHT, EXAMPLE) == 1.0
        assert 0.0 <= stage.score(WRONG, EXAMPLE) < 1.0
        assert stage.score("", EXAMPLE) == 0.0
        assert asyncio.run(stage.judge(RIGHT, EXAMPLE)) == 1.0


@given(st.text())
def test_any_response_gives_an_output(text: str) -> None:
    stage = CodingStage.__new__(CodingStage)
    output = stage.parse(text, EXAMPLE)
    hash(output)
    assert stage.vote([output, output]) == output
    for test in stage.parse_tests(text, EXAMPLE):
        assert EXAMPLE.entry in test


def test_generated_tests_are_read_line_by_line(stages: list[FunctionStage]) -> None:
    entry = EXAMPLE.entry
    text = f"""Sure:
```python
1. assert {entry}('a') == 0
- `assert {entry}('il') == 2`
assert other(3) == 3
assert {entry}('x' ==
  assert {entry}('o') == 1, "one"
```"""
    tests = stages[0].parse_tests(text, EXAMPLE)
    assert tests == [f"assert {entry}('a') == 0", f"assert {entry}('il') == 2", f"assert {entry}('o') == 1, \"one\""]
    assert len(stages[0].parse_tests(f"assert {entry}('a') == 0\n" * 99, EXAMPLE)) == 10


async def test_b4_gets_which_candidate_passes_which_test(stages: list[FunctionStage]) -> None:
    stage = stages[0]
    assert isinstance(stage, HasTests)
    tests = [f"assert {EXAMPLE.entry}('il') == 2", f"assert {EXAMPLE.entry}('abc') == 3"]
    passes = await stage.passes([RIGHT, WRONG, "", RIGHT], tests, EXAMPLE)
    assert passes == [[True, False], [True, True], [False, False], [True, False]]


class ScriptedBackend:
    """Writes a right program in one response of three, and tests of which most are right."""

    def __init__(self) -> None:
        self.made = 0

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        self.made += len(indices)
        asked = request.messages[-1].content
        example = next(e for e in EXAMPLES if e.requirement in asked)
        await receiver.deliver({index: Sample(self.text(example, request, index), 9, 9) for index in indices})

    def text(self, example: SoftwareExample, request: GenerationRequest, index: int) -> str:
        if "assert" in request.messages[0].content:
            return "\n".join(f"assert {check.call(example.entry)} == {check.value}" for check in example.public[:2])
        known = {check.arguments: check.expected for check in (*example.public, *example.hidden)}
        body = f"import json\n    return json.loads({known!r}.get(json.dumps(list(values)), 'null'))"
        right = f"def {example.entry}(*values):\n    {body}"
        wrong = f"def {example.entry}(*values):\n    return {index}"
        return f"Here:\n```python\n{right if index % 3 == 1 else wrong}\n```"

    async def aclose(self) -> None: ...


EXAMPLES = generate_examples(6, 0)


def scripted(strategy: str, **options: Any) -> tuple[Task, ScriptedBackend]:
    backend = ScriptedBackend()
    task = software_task(models=MODEL, search_examples=3, held_out_examples=3, strategy=strategy, **options)
    return task, backend


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("strategy", "right"), [("b4", True), ("best-of-n", True), ("majority", None), ("fusion", False)]
)
@pytest.mark.slow
async def test_a_trial_runs_scores_and_is_stored(strategy: str, right: bool | None) -> None:
    task, backend = scripted(strategy)
    allocation = Allocation({name: Choice("tiny", 3) for name in (CODING, STATIC_TESTING, DYNAMIC_TESTING)})
    with Database.open("sqlite://") as database:
        store = SampleStore(database)
        runner = Executor(task, Sampler(store, {"tiny": backend}), math.inf)
        outcome = await runner.run(allocation, task.examples(SEARCH))
        assert list(outcome.stage_scores) == [CODING, STATIC_TESTING, DYNAMIC_TESTING]
        if right is not None:
            assert (outcome.score == 1.0) is right
        assert store.count() == outcome.usage.paid == backend.made
        again = await Executor(task, Sampler(store, {"tiny": backend}), math.inf).run(allocation, task.examples(SEARCH))
        assert again.stage_scores == outcome.stage_scores
        assert again.usage.paid == 0


@pytest.mark.usefixtures("programs")
def test_the_task_says_how_programs_are_isolated_and_refuses_what_is_not_there() -> None:
    task, _ = scripted("fusion")
    assert re.search(r"sandbox \(isolation: (bubblewrap|namespaces|landlock|limits)\)", task.description)
    assert task.metrics == dict.fromkeys((CODING, STATIC_TESTING, DYNAMIC_TESTING), "tests passed")
    with pytest.raises(UnknownName, match=r"^isolation: "):
        scripted("fusion", isolation="chroot")
    with pytest.raises(InvalidInput, match=r"^models: "):
        software_task()


@pytest.mark.usefixtures("programs")
def test_every_strategy_accepts_the_stages() -> None:
    for name in STRATEGIES.names():
        scripted(name)
