"""The pipeline end to end, on a backend that answers by rule."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from environment.backend import Receiver
from environment.executor import Executor
from environment.kgqa.example import KgqaExample
from environment.kgqa.task import DESCRIPTION
from environment.loading import load_task
from environment.sampler import Sampler
from environment.task import Task
from storage.database import Database
from storage.sample import GenerationRequest, Sample
from storage.samples import SampleStore
from tools.errors import InvalidInput
from tools.space import Allocation, Choice

MODELS = ["m:1B@http://127.0.0.1:1/v1"]
SMALL: dict[str, Any] = {"models": MODELS, "search_examples": 10, "held_out_examples": 5}


class Scripted:
    """Answers a request as `script` says, from the example that its last message is about."""

    def __init__(self, examples: Sequence[KgqaExample]) -> None:
        self._examples = examples
        self.prompts: list[str] = []

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        prompt = request.messages[-1].content
        self.prompts.append(prompt)
        answer = Sample(self._answer(prompt), prompt_tokens=1, generation_tokens=1)
        await receiver.deliver(dict.fromkeys(indices, answer))

    async def aclose(self) -> None: ...

    def _answer(self, prompt: str) -> str:
        shown = set(prompt.splitlines())
        (example,) = [
            e
            for e in self._examples
            if f"Question: {e.question}" in shown
            and any(str(e.candidates[g]) in re.sub(r"\[\d+\] ", "", prompt) for g in e.gold)
        ]
        gold = [str(example.candidates[position]) for position in example.gold]
        if numbered := re.findall(r"^\[(\d+)\] (.+)$", prompt, re.MULTILINE):
            return ", ".join(f"[{number}]" for number, triple in numbered if triple in gold)
        if len([line for line in shown if " | " in line]) > len(gold):
            return "; ".join(gold)
        return "; ".join(answer[-1] for answer in example.answers[0])


async def scores(task: Task, samples: int) -> Mapping[str, float]:
    backend = Scripted(task.search_examples)
    with Database.open("sqlite://") as database:
        sampler = Sampler(SampleStore(database), {"m": backend})
        allocation = Allocation({name: Choice("m", samples) for name in ("retrieval", "qa")})
        outcome = await Executor(task, sampler, 1e9).run(allocation, task.search_examples)
    return {name: score.mean for name, score in outcome.stage_scores.items()}


@pytest.mark.parametrize("strategy", ["fusion", "majority"])
@pytest.mark.parametrize("samples", [1, 3])
async def test_right_triples_and_aliases_score_one(strategy: str, samples: int) -> None:
    task = load_task("kgqa", **SMALL, metric="set-f1", strategy=strategy)
    assert task.metrics == {"retrieval": "Ret-F1", "qa": "Set-F1"}
    assert await scores(task, samples) == {"retrieval": 1, "qa": 1}


def test_the_generated_task_is_made_of_its_options() -> None:
    task = load_task("kgqa", **SMALL, candidates=20, max_samples=7)
    examples = [*task.search_examples, *task.held_out_examples]
    assert (len(task.search_examples), len(task.held_out_examples)) == (10, 5)
    assert {len(example.candidates) for example in examples} == {20}
    assert task.metrics == {"retrieval": "Ret-F1", "qa": "EM"}
    assert task.space.max_samples == 7
    assert load_task("kgqa", **SMALL, seed=1).search_examples != load_task("kgqa", **SMALL).search_examples


def records(count: int) -> list[dict[str, Any]]:
    made = []
    for number in range(count):
        near = [[f"N{number}-{i}", "knows", "Ana"] for i in range(12)]
        path = [["Ana", "speaks", f"Vosk{number}"], [f"Vosk{number}", "spoken by", "Ana"]]
        record = {"ID": f"Q-{number}", "question": f"What does Ana speak in {number}?", "answer": [f"Vosk{number}"]}
        made.append({**record, "2hop_triples": near, "gt_triples": path, "crucial_triples": path[:1]})
    return made


@pytest.mark.parametrize("name", ["cwq", "webqsp"])
async def test_a_file_task_runs_and_hides_gold_among_its_candidates(name: str, tmp_path: Path) -> None:
    file = tmp_path / "records.json"
    file.write_text(json.dumps(records(40)))
    options: dict[str, Any] = {"path": str(file), "models": MODELS, "search_examples": 30}
    task = load_task(name, **options, candidates=10)
    assert (len(task.search_examples), len(task.held_out_examples)) == (30, 10)
    assert len(load_task(name, **options, held_out_examples=4).held_out_examples) == 4
    examples: Sequence[Any] = task.search_examples
    assert {len(example.candidates) for example in examples} == {10}
    assert {position for example in examples for position in example.gold} == set(range(10))
    assert load_task(name, **options, candidates=10).search_examples == examples
    assert all(len(e.gold) == 1 for e in load_task(name, **options, gold="crucial").search_examples)
    assert task.description == DESCRIPTION
    assert await scores(task, 3) == {"retrieval": 1, "qa": 1}


def test_records_that_do_not_fit_are_left_out_and_told(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    lines = [*records(4), {**records(5)[4], "answer": []}]
    lines[1]["gt_triples"] = [["Ana", "knows", f"P{number}"] for number in range(6)]
    file.write_text("\n".join(map(json.dumps, lines)))
    options: dict[str, Any] = {"path": str(file), "models": MODELS, "search_examples": 2}
    task = load_task("cwq", **options, candidates=5)
    assert len(task.search_examples) + len(task.held_out_examples) == 3
    assert " 2 records of the file" in task.description
    with pytest.raises(InvalidInput, match="candidates: must be a whole number of 2 or more, got 1"):
        load_task("cwq", **options, candidates=1)
    file.write_text(json.dumps({**lines[0], "gt_triples": []}))
    with pytest.raises(InvalidInput, match="none of its 1 records has an answer and gold triples"):
        load_task("cwq", **options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("kgqa", {"models": []}, "models"),
        ("kgqa", {"models": MODELS, "search_examples": 0}, "search_examples"),
        ("kgqa", {"models": MODELS, "candidates": 3}, "candidates: must be from 8 to 100"),
        ("kgqa", {"models": MODELS, "metric": "f1"}, "metric: unknown name 'f1'.*set-f1"),
        ("kgqa", {"models": MODELS, "path": "x"}, "option of task 'kgqa'"),
        ("cwq", {"models": MODELS}, "path: the task reads a file"),
        ("webqsp", {"models": MODELS, "path": "absent.json"}, "path: cannot read absent.json"),
    ],
)
def test_bad_options_are_one_clear_line(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        load_task(name, **options)
    assert "\n" not in str(caught.value)


def test_search_examples_leave_some_held_out(tmp_path: Path) -> None:
    file = tmp_path / "records.json"
    file.write_text(json.dumps(records(3)))
    with pytest.raises(InvalidInput, match="search_examples: must be from 1 to 2"):
        load_task("cwq", path=str(file), models=MODELS, search_examples=3)
    with pytest.raises(InvalidInput, match="candidates"):
        load_task("cwq", path=str(file), models=MODELS, search_examples=1, candidates=0)
