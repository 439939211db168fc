"""A pipeline of Python functions."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import agenttts as tts
from environment.dry_run import PLACEHOLDER, dry_run
from environment.executor import Executor
from environment.loading import load_task
from environment.pipelines.chat import messages_of
from environment.pipelines.references import load_object
from environment.sampler import Sampler
from storage.database import Database
from storage.sample import Message
from storage.samples import SampleStore
from tests.environment.tiny_task import CountingBackend, EchoStage
from tools.errors import InvalidInput, PipelineError, UnknownName
from tools.space import Allocation, Choice

MODELS = [tts.Model("small", 3e9), tts.Model("large", 30e9)]
ROWS = [{"id": f"row {number}", "number": number} for number in range(6)]


def pipeline_of(backend: Any = None, **settings: Any) -> tts.Pipeline:
    backend = backend or CountingBackend()
    defaults = {"models": MODELS, "examples": ROWS, "connect": lambda: {model.name: backend for model in MODELS}}
    return tts.Pipeline("numbers", **{**defaults, **settings})


def declared(**settings: Any) -> tts.Pipeline:
    """Two stages; the second sees what the first said."""
    pipeline = pipeline_of(**{"max_samples": 4, "strategy": "majority", **settings})

    @pipeline.stage(prompt_tokens=8, generation_tokens=2)
    def guess(example: Any, upstream: Mapping[str, Any]) -> str:
        return f"guess {example['number']}"

    @pipeline.stage(prompt_tokens=8, generation_tokens=2, metric="numeric", gold="number", models=["large"])
    def answer(example: Any, upstream: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [("system", "Answer."), ("user", f"{example['number']} after {upstream['guess']}")]

    return pipeline


async def test_a_declared_pipeline_runs_and_scores_the_stages_that_have_a_metric() -> None:
    backend = CountingBackend()
    task = declared(backend=backend).task()
    allocation = Allocation({"guess": Choice("small", 3), "answer": Choice("large", 2)})
    with Database.open("sqlite://") as database:
        runner = Executor(task, Sampler(SampleStore(database), task.connect()), math.inf)
        outcome = await runner.run(allocation, task.search_examples)
    assert list(outcome.stage_scores) == ["answer"]
    assert outcome.stage_scores["answer"].per_example == (1.0, 0.0, 0.0)
    assert outcome.score == pytest.approx(1 / 3)
    assert len(backend.made) == 3 * (3 + 2)


def test_the_task_holds_what_was_declared() -> None:
    pipeline = pipeline_of(search=2, held_out=3, budget=7.0, sample_counts=[1, 4], cost=tts.FlopsCost())

    @pipeline.stage(
        prompt_tokens=8,
        generation_tokens=2.5,
        metric=lambda output, example: 1.0,
        strategy=["fusion", "majority"],
        temperature=[0.1, 0.5],
        stop="\n",
        top_p=0.5,
    )
    def only(example: Any, upstream: Mapping[str, Any]) -> str:
        return "x"

    task = pipeline.task()
    assert task.budget == 7.0
    assert task.space.sample_counts == (1, 4)
    assert (task.space["only"].strategies, task.space["only"].temperatures) == (("fusion", "majority"), (0.1, 0.5))
    assert task.stages[0].sampling == tts.SamplingParameters(0.1, 10, 0.5, ("\n",))
    assert [example.id for example in task.held_out_examples] == ["row 2", "row 3", "row 4"]
    assert only({"number": 1}, {}) == "x", "the function stays what it was"


def test_a_stage_of_a_class_may_be_added() -> None:
    pipeline = pipeline_of(examples=[_Numbered(number) for number in range(4)])
    pipeline.add(EchoStage("echo"), prompt_tokens=8, generation_tokens=2, strategy="majority")
    task = pipeline.task()
    assert task.strategies == {"echo": "majority"}
    assert [example.id for example in task.search_examples] == ["n0", "n1"]


class _Numbered:
    def __init__(self, number: int) -> None:
        self.id, self.number = f"n{number}", number


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"prompt_tokens": 0}, "prompt_tokens"),
        ({"generation_tokens": -1}, "generation_tokens"),
        ({"metric": "numeric"}, "stage 'only' gold: is missing"),
        ({"metric": "numerc", "gold": "number"}, "did you mean 'numeric'"),
        ({"parse": "lins"}, "stage 'only' parse: unknown name 'lins'; did you mean 'lines'?"),
        ({"vote": "most"}, "stage 'only' vote"),
        ({"models": ["huge"]}, "unknown name 'huge'"),
        ({"strategy": "fuse"}, "did you mean 'fusion'"),
        ({"temperature": []}, "temperature: must name at least one"),
    ],
)
def test_a_mistake_is_told_where_it_is_declared(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _only(pipeline_of(), **settings)
    assert told in str(refused.value)


def _only(pipeline: tts.Pipeline, **settings: Any) -> None:
    @pipeline.stage(**{"prompt_tokens": 8, "generation_tokens": 2, **settings})
    def only(example: Any, upstream: Mapping[str, Any]) -> str:
        return "x"


def test_what_is_missing_as_a_whole_is_told_when_the_task_is_built() -> None:
    with pytest.raises(InvalidInput, match="has no stage yet"):
        pipeline_of().task()
    pipeline = pipeline_of()
    _only(pipeline)
    with pytest.raises(InvalidInput, match="the last stage needs one"):
        pipeline.task()
    with pytest.raises(InvalidInput, match="has a stage 'only' already"):
        _only(pipeline)
    with pytest.raises(InvalidInput, match="endpoint: is missing"):
        _with_metric(connect=None).task()
    with pytest.raises(InvalidInput, match="no 'none'; name a"):
        _with_metric(connect=None, recording="none").task()
    with pytest.raises(InvalidInput, match="is not in the recording"):
        _with_metric(connect=None, recording="multihop").task()
    with pytest.raises(InvalidInput, match="an `id` of their own"):
        _with_metric(examples=[object(), object()]).task()
    with pytest.raises(InvalidInput, match="a pipeline needs at least one"):
        tts.Pipeline("empty", models=[], examples=ROWS)


def _with_metric(**settings: Any) -> tts.Pipeline:
    pipeline = pipeline_of(**settings)
    _only(pipeline, metric=lambda output, example: 1.0)
    return pipeline


@pytest.mark.parametrize(
    ("part", "function", "told"),
    [
        ("metric", lambda output, example: 2.0, "from 0 to 1, got 2.0"),
        ("metric", lambda output, example: float("nan"), "from 0 to 1"),
        ("metric", lambda output, example: example["none"], "KeyError: 'none'"),
        ("parse", lambda text, example: undefined_name, "NameError"),  # type: ignore[name-defined]  # noqa: F821
    ],
)
def test_an_error_of_the_pipelines_own_code_names_stage_example_and_line(part: str, function: Any, told: str) -> None:
    pipeline = pipeline_of()
    _only(pipeline, **{"metric": lambda output, example: 1.0, part: function})
    stage = pipeline.task().stages[0]
    example = pipeline.task().search_examples[0]
    act = stage.parse if part == "parse" else stage.score
    with pytest.raises(PipelineError, match="subtask 'only', example 'row 0'") as failed:
        act("x", example)
    assert told in str(failed.value)
    assert ("test_pipeline.py, line" in str(failed.value)) == ("from 0 to 1" not in told)


def test_a_response_that_a_parser_cannot_read_is_no_error() -> None:
    pipeline = pipeline_of()
    _only(pipeline, metric=lambda output, example: 1.0, parse=lambda text, example: int(text))
    stage = pipeline.task().stages[0]
    assert stage.parse("12", None) == 12
    assert stage.parse("twelve", None) is None
    assert stage.vote([None, 12]) == 12
    assert stage.score(None, None) == 0.0


def test_a_prompt_must_be_text() -> None:
    pipeline = pipeline_of()

    @pipeline.stage(prompt_tokens=8, generation_tokens=2, metric=lambda output, example: 1.0)
    def only(example: Any, upstream: Mapping[str, Any]) -> Any:
        return [("user", [{"type": "image"}])]

    with pytest.raises(PipelineError, match="images and tool calls cannot be sampled"):
        pipeline.task().stages[0].messages(pipeline.task().search_examples[0], {})


@pytest.mark.parametrize(
    "chat",
    [
        [Message("user", "a")],
        "a",
        ["a"],
        [("human", "a")],
        [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
    ],
)
def test_every_form_of_a_chat(chat: Any) -> None:
    assert messages_of(chat) == (Message("user", "a"),)


@pytest.mark.parametrize("chat", [[], [("robot", "a")], [{"content": "a"}], [1], [("user", None)]])
def test_what_is_no_chat_is_refused(chat: Any) -> None:
    with pytest.raises(ValueError, match="message"):
        messages_of(chat)


async def test_a_dry_run_shows_prompts_and_sends_nothing() -> None:
    backend = CountingBackend()
    task = declared(backend=backend).task()
    dry = await dry_run(task, task.search_examples[0])
    shown = PLACEHOLDER.format(model="large")
    assert dry.prompts["guess"] == (Message("user", "guess 0"),)
    assert dry.prompts["answer"][1] == Message("user", f"0 after {shown}")
    assert not dry.recorded
    assert backend.made == []


SOURCE = """
import agenttts as tts
class Backend:
    async def generate(self, request, indices, receiver): ...
    async def aclose(self): ...
MODELS = [tts.Model("m", 3e9)]
pipeline = tts.Pipeline("numbers", models=MODELS, examples=[{"n": 0}, {"n": 1}], connect=lambda: {"m": Backend()})
@pipeline.stage(prompt_tokens=8, generation_tokens=2, metric="numeric", gold="n")
def answer(example, upstream):
    CACHE[example["n"]] = 1
    return verb() + " 1"
def verb():
    return VERB.lower()
VERB = "SAY"
CACHE = {}
def built(*, prompt="x"):
    return pipeline.task() if prompt == "x" else None
number = 3
"""


def test_a_pipeline_is_found_by_file_or_module_and_known_by_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "numbers_of_mine.py"
    file.write_text(SOURCE)
    by_file = load_task(f"{file}:pipeline")
    by_file.stages[0].messages(by_file.search_examples[0], {})
    assert by_file.digest == load_task("numbers_of_mine:pipeline").digest
    assert load_task("numbers_of_mine:built", prompt="x").name == "numbers"
    pipeline = load_object("numbers_of_mine:pipeline", tmp_path)
    assert pipeline.reference == f"{file}:pipeline"
    file.write_text(SOURCE.replace("number = 3", "number = 4"))
    assert load_task("numbers_of_mine:pipeline").digest == by_file.digest, "nothing of the pipeline changed"
    for old, new in (
        ('" 1"', '" 2"'),
        ("lower", "upper"),
        ("SAY", "TELL"),
        ('{"n": 1}', '{"n": 2}'),
        ("3e9", "4e9"),
        ("prompt_tokens=8", "prompt_tokens=9"),
    ):
        file.write_text(SOURCE.replace(old, new))
        assert load_task("numbers_of_mine:pipeline").digest != by_file.digest, new


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("numbers_of_mine:none", "has no 'none'; it has:"),
        ("numbers_of_mine:number", "must be a Pipeline"),
        ("numbers_of_mine:built", "unknown name 'colour'"),
        ("no_such_module:x", "there is no module 'no_such_module'"),
        ("none.py:x", "there is no file"),
        ("a:b:c", "is not MODULE:ATTRIBUTE"),
        ("handed-over:mine", "hand it over again"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numbers_of_mine.py").write_text(SOURCE)
    options: dict[str, Any] = {"colour": "red"} if name.endswith(":built") else {}
    with pytest.raises(InvalidInput, match=told):
        load_task(name, **options)


def test_a_module_that_fails_to_import_another_says_so(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import not_installed_at_all")
    with pytest.raises(ModuleNotFoundError, match="not_installed_at_all"):
        load_object("broken:x", tmp_path)
    assert str(tmp_path) not in sys.path


def test_names_of_the_face() -> None:
    with pytest.raises(UnknownName):
        tts.parsers.regex(r"(\d)")("x", None) or tts.run(task="none")
    assert tts.parsers.json_path("$.a")('{"a": 1}', None) == 1
    assert tts.votes.items(1)([(1, 2), (2, 1)]) == (1,)
