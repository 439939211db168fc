"""A pipeline in a YAML file: what it becomes, and how its mistakes are told."""

from __future__ import annotations

import asyncio
import pickle
import textwrap
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from environment.dry_run import dry_run
from environment.loading import load_task
from environment.pipelines.yaml_file import load_yaml
from environment.task import Task
from storage.sample import Message, SamplingParameters
from tools.errors import InvalidInput, SeveralMistakes
from tools.price import PriceCost

GOOD = """\
name: two-steps
models:
  - {name: small, parameters: 0.5B, endpoint: local, prompt_price: 0.1, generation_price: 0.4}
  - {name: large, parameters: 7e9, endpoint: "http://127.0.0.1:2/v1", prompt_price: 1, generation_price: 4}
endpoints:
  local: {url: "http://127.0.0.1:1/v1", key_env: MY_KEY, concurrency: 2}
dataset: {file: data.jsonl, search: 1}
subtasks:
  - name: plan
    prompt_tokens: 20
    generation_tokens: 5
    parser: {json_path: "$.steps[*]", all: true}
    sampling: {temperature: [0.2, 0.9], stop: "\\n"}
    strategy: [fusion, majority]
    prompt: |
      Plan: {{ example.question }}
  - name: answer
    models: [large]
    prompt_tokens: 30
    generation_tokens: 3
    metric: {name: exact_match, gold: answer}
    prompt: |
      --- system ---
      Answer.
      --- user ---
      {{ example.question }}
      {% for step in upstream.plan %}
      {{ loop.index }}. {{ step }}
      {% endfor %}
max_samples: 4
budget: 0.001
caps: {flops: 100}
cost: price
"""
DATA = '{"id": "a", "question": "Is 5 < 6?", "answer": "yes"}\n{"id": "b", "question": "6 < 5?", "answer": "no"}\n'

PARSER = '{json_path: "$.steps[*]", all: true}'

Load = Callable[[str], Task]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    (tmp_path / "data.jsonl").write_text(DATA, encoding="utf-8")

    def read(text: str) -> Task:
        path = tmp_path / "pipeline.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return load_yaml(path)

    return read


def refused(load: Load, text: str) -> str:
    with pytest.raises(InvalidInput) as error:
        load(text)
    return str(error.value)


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if part in line)


def test_a_file_becomes_a_task(load: Load) -> None:
    task = load(GOOD)
    assert task.name == "two-steps"
    assert task.metrics == {"plan": "", "answer": "exact_match"}
    plan, answer = task.space.subtasks
    assert [(model.name, model.parameters) for model in plan.models] == [("small", 5e8), ("large", 7e9)]
    assert [model.name for model in answer.models] == ["large"]
    assert plan.models[0].endpoint == "http://127.0.0.1:1/v1"
    assert (plan.strategies, plan.temperatures) == (("fusion", "majority"), (0.2, 0.9))
    assert (answer.strategies, answer.temperatures) == ((), ())
    assert task.strategies == {"plan": "fusion", "answer": "fusion"}
    assert task.space.max_samples == 4
    assert (task.budget, task.cost) == (0.001, PriceCost(strategies=task.strategies))
    assert [(cap.cost.name, cap.limit) for cap in task.caps] == [("flops", 100)]
    assert [len(task.search_examples), len(task.held_out_examples)] == [1, 1]
    assert task.stages[0].sampling == SamplingParameters(0.2, 20, stop=("\n",))
    assert task.stages[1].sampling == SamplingParameters(0.9, 12)


def test_prompts_are_plain_text_of_example_and_upstream(load: Load) -> None:
    task = load(GOOD)
    first, second = task.stages
    example = task.search_examples[0]
    assert first.messages(example, {}) == (Message("user", "Plan: Is 5 < 6?"),)
    output = first.parse('{"steps": ["a & b", "c"]}', example)
    assert output == ("a & b", "c")
    assert second.messages(example, {"plan": output})[1].content == "Is 5 < 6?\n1. a & b\n2. c\n"
    fused = second.fusion_messages(example, {"plan": output}, ["yes", "no"])
    assert fused[0] == Message("system", "Answer.")
    assert fused[1].content.endswith("1. yes\n2. no\n\nGive the best response, in the same form and nothing else.")


def test_an_output_that_could_not_be_read_is_empty_and_no_error(load: Load) -> None:
    task = load(GOOD.replace("$.steps[*]", "$.steps").replace(", all: true", ""))
    example = task.search_examples[0]
    assert task.stages[0].parse("no JSON", example) is None
    assert task.stages[1].messages(example, {"plan": None})[1].content == "Is 5 < 6?\n"
    assert task.stages[1].score(None, example) == 0.0
    assert asyncio.run(dry_run(task, example)).prompts.keys() == {"plan", "answer"}


def test_prompts_may_lie_in_files_and_show_responses(load: Load, tmp_path: Path) -> None:
    (tmp_path / "p.j2").write_text(
        "Q: {{ example.question }}{% if responses %} of {{ responses | join('/') }}{% endif %}"
    )
    text = GOOD.replace("    prompt: |\n      Plan: {{ example.question }}\n", "    prompt_file: p.j2\n")
    stage = load(text).stages[0]
    example = load(text).search_examples[0]
    assert stage.messages(example, {})[0].content == "Q: Is 5 < 6?"
    assert stage.fusion_messages(example, {}, ["x", "y"])[0].content == "Q: Is 5 < 6? of x/y"
    separate = GOOD.replace("    strategy: [", "    fusion_prompt: best of {{ responses | length }}\n    strategy: [")
    assert load(separate).stages[0].fusion_messages(example, {}, ["x", "y"])[0].content == "best of 2"


def test_functions_beside_the_file_are_found(load: Load, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import neighbour\n"
        "def parse(text, example): return neighbour.FOUND + text\n"
        "def score(output, gold): return float(output == 'found ' + gold)\n"
        "def vote(outputs): return sorted(outputs)[0]\n"
        "def rate(output, example, upstream): return len(output)\n"
    )
    (tmp_path / "neighbour.py").write_text("FOUND = 'found '")
    text = GOOD.replace("{name: exact_match, gold: answer}", '{name: "mine:score", gold: answer}').replace(
        "    models: [large]\n",
        '    models: [large]\n    parser: "mine:parse"\n    vote: "mine:vote"\n'
        '    verifier: "mine:rate"\n    strategy: best-of-n\n',
    )
    stage = load(text).stages[1]
    example = load(text).search_examples[0]
    assert stage.parse("yes", example) == "found yes"
    assert stage.score("found yes", example) == 1.0
    assert stage.vote(["b", "a"]) == "a"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("parameters: 0.5B", "parameters: big", "models[0].parameters: "),
        ("parameters: 0.5B", "paramters: 0.5B", "models[0].paramters: is no field; did you mean 'parameters'?"),
        ("endpoint: local", "endpoint: locale", "models[0].endpoint: unknown name 'locale'; did you mean 'local'?"),
        ("endpoint: local, ", "", "models[0]: needs an endpoint"),
        ('"http://127.0.0.1:1/v1"', '"ftp://x"', "endpoints.local: endpoint.base_url: must be an http(s) URL"),
        ("name: large", "name: 'small'", "models[1].name: 'small' stands twice"),
        (", generation_price: 0.4", "", "models[0]: model 'small' prices: unknown; give prompt_price"),
        ("concurrency: 2", "concurrency: 0", "endpoints.local.concurrency: "),
        ("concurrency: 2", "concurrency: two", "endpoints.local.concurrency: "),
        ("data.jsonl", "none.jsonl", "dataset.file: "),
        ("search: 1", "search: 2", "dataset: search: must be from 1 to 1"),
        ("name: plan", "name: my plan", "subtasks[0].name: "),
        ("prompt_tokens: 20", "prompt_tokens: -1", "subtasks[0].prompt_tokens: "),
        ("    generation_tokens: 5\n", "", "subtasks[0].generation_tokens: is missing; give the typical length"),
        (PARSER, "{json_path: '$.['}", "subtasks[0].parser.json_path: "),
        (PARSER, "{regex: '('}", "subtasks[0].parser.regex: "),
        (PARSER, "{regex: a, lines: b}", "subtasks[0].parser.lines: is no field"),
        (PARSER, "{regex: a, json_path: b}", "subtasks[0].parser: needs exactly one of"),
        (PARSER, "{regex: a, at_most: 1}", "subtasks[0].parser: at_most goes with"),
        (PARSER, "liens", "subtasks[0].parser: unknown name 'liens'; did you mean 'lines'?"),
        (PARSER, "{candidates: x}", "subtasks[0].parser.candidates: the examples have no"),
        (PARSER, '"none:f"', "subtasks[0].parser: there is no module 'none'"),
        ("[0.2, 0.9]", "[0.2, 3]", "subtasks[0].sampling.temperature[1]: "),
        ("[fusion, majority]", "[fusion, major]", "subtasks[0].strategy: unknown name 'major'"),
        ("[fusion, majority]", "best-of-n", "subtasks[0].strategy: missing: best-of-n needs a function"),
        (
            "models: [large]",
            "models: [large, lage]",
            "subtasks[1].models[1]: unknown name 'lage'; did you mean 'large'?",
        ),
        ("    metric: {name: exact_match, gold: answer}\n", "", "subtasks[1]: is the last one and needs a metric"),
        ("exact_match", "exact", "subtasks[1].metric: unknown name 'exact'"),
        ("gold: answer", "gold: anwser", "subtasks[1].metric.gold: the examples have no field 'anwser'"),
        (", gold: answer", "", "subtasks[1].metric: exact_match needs gold"),
        ("gold: answer", "gold: answer, options: {x: 1}", "subtasks[1].metric.options: unknown name 'x'"),
        ("name: answer\n", "name: plan\n", "subtasks[1].name: 'plan' stands twice"),
        ("max_samples: 4", "max_samples: 0", "max_samples: "),
        ("max_samples: 4", "max_samples: 4\nsample_counts: [1]", "sample_counts: stands beside max_samples"),
        ("budget: 0.001", "budget: lots", "budget: "),
        ("caps: {flops: 100}", "caps: {flop: 1}", "caps.flop: cost: unknown name 'flop'; did you mean 'flops'?"),
        ("caps: {flops: 100}", "caps: {flops: 0}", "caps.flops: "),
        ("cost: price", "cost: prize", "cost: cost: unknown name 'prize'; did you mean 'price'?"),
        ("cost: price", "cost: {name: price, exmples: 2}", "cost: option of cost 'price': unknown name 'exmples'"),
        (
            "Plan: {{ example.question }}",
            "Plan: {{ question }}",
            "nothing is called 'question'; write example.question",
        ),
        ("Plan: {{ example.question }}", "Plan: {{ example.qestion }}", "the examples have no field 'qestion'"),
        ("Plan: {{ example.question }}", "Plan: {{ upstream.answer }}", "upstream.answer is no output of an earlier"),
        ("Plan: {{ example.question }}", "Plan: {{ example.question }", "is no template"),
        ("Plan: {{ example.question }}", "{% include 'x' %}", "includes another template"),
        ("Plan: {{ example.question }}", "{{ example.question | shout }}", "is no template"),
    ],
)
def test_a_mistake_is_told_with_its_line_field_and_fix(load: Load, old: str, new: str, told: str) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    problem = refused(load, text)
    assert told in problem
    assert "\n" not in problem
    if new and "name: plan" not in new and "missing" not in told and "needs" not in told:
        assert f"line {line_of(text, new.splitlines()[-1])}," in problem


def test_the_first_mistake_is_told_and_all_are_listed_in_the_order_of_the_file(load: Load) -> None:
    text = (
        GOOD.replace("$.steps[*]", "$.[").replace("gold: answer", "gold: gone").replace("upstream.plan", "upstream.x")
    )
    with pytest.raises(SeveralMistakes) as caught:
        load(text)
    first = f"line {line_of(text, '$.[')}, "
    assert f".yaml {first}" in str(caught.value)
    assert str(caught.value).endswith(" (the first of 3 mistakes, which `agenttts check` lists)")
    assert "\n" not in str(caught.value)
    heading, *lines = caught.value.listed.splitlines()
    assert heading.endswith(": has 3 mistakes:")
    assert [line.split(",")[0] for line in lines] == [
        f"  line {line_of(text, part)}" for part in ("$.[", "gold: gone", "upstream.x")
    ]
    assert lines[0].startswith(f"  {first}")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - of our own making
    assert (str(again), again.listed) == (str(caught.value), caught.value.listed)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must hold fields"),
        ("- a", "must hold fields"),
        ("a: [", "line 1: is no YAML"),
        ("a: 1\na: 2", "line 2: is no YAML"),
        ("a: !!python/object:os.system x", "is no field"),
        ("\x00", "is no YAML"),
        ("models: *none", "line 1: is no YAML"),
    ],
)
def test_what_is_no_pipeline_is_refused_with_its_line(load: Load, text: str, told: str) -> None:
    assert told in refused(load, text)


def test_aliases_that_blow_up_are_refused(load: Load) -> None:
    layers = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    assert "holds more than 100,000 values" in refused(load, f"l0: &l0 [x]\n{layers}\n")


@pytest.mark.parametrize("field", ["key", "api_key", "token"])
def test_a_key_in_the_file_is_refused_and_not_shown(load: Load, field: str) -> None:
    problem = refused(load, GOOD.replace("key_env: MY_KEY", f"{field}: sk-secret-123"))
    assert "key_env" in problem
    assert "sk-secret" not in problem
    assert "sk-secret" not in refused(load, GOOD.replace("MY_KEY", "sk-secret-123"))
    assert "12345" not in refused(load, GOOD.replace("MY_KEY", "12345"))


def test_a_template_cannot_leave_its_sandbox(load: Load) -> None:
    attack = "{{ example.__class__.__mro__[1].__subclasses__() }}"
    problem = refused(load, GOOD.replace("{{ example.question }}", attack, 1))
    assert "the examples have no field '__class__'" in problem
    task = load(GOOD.replace("{{ example.question }}", "{{ ''['__cl' ~ 'ass__'] }}", 1))
    with pytest.raises(Exception, match=r"unsafe|has no"):
        task.stages[0].messages(task.search_examples[0], {})


def test_the_digest_changes_with_every_file_that_counts(load: Load, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def score(output, gold): return 1.0\n")
    text = GOOD.replace("{name: exact_match, gold", '{name: "mine:score", gold')
    first = load(text).digest
    assert load(text).digest == first
    assert load(text + "# a remark\n").digest != first
    (tmp_path / "mine.py").write_text("def score(output, gold): return 0.5\n")
    second = load(text).digest
    (tmp_path / "data.jsonl").write_text(DATA.replace("yes", "no"))
    assert len({first, second, load(text).digest}) == 3


def test_load_task_finds_a_file_and_takes_no_options(load: Load, tmp_path: Path) -> None:
    load(GOOD)
    assert load_task(str(tmp_path / "pipeline.yaml")).name == "two-steps"
    with pytest.raises(InvalidInput, match="takes no options"):
        load_task(str(tmp_path / "pipeline.yaml"), strategy="majority")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_task(str(tmp_path / "none.yml"))


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["a:b", "{{", "7B"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value of a document stands."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in items for place in places(inner, (*at, key)))]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_stands_in_a_file_it_becomes_a_task_or_one_clear_refusal(load: Load, data: st.DataObject) -> None:
    document = YAML(typ="safe").load(GOOD)
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(places(document)[1:]))
        owner = document
        for key in place[:-1]:
            owner = owner[key]
        if data.draw(st.booleans()) and isinstance(owner, dict):
            owner[data.draw(st.text(max_size=8))] = data.draw(plain)
        else:
            owner[place[-1]] = data.draw(plain)
    text = StringIO()
    YAML(typ="safe").dump(document, text)
    refusal = ""
    try:
        task = load(text.getvalue())
        assert task.space.count(1e9, task.cost) >= 0
    except InvalidInput as error:
        refusal = str(error)
    assert not refusal or ("pipeline.yaml" in refusal and "line" in refusal)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.text(st.sampled_from("a:-[]{}&*!|>'\"\n\t #%@,?0.")))
def test_any_text_is_refused_or_read(load: Load, text: str) -> None:
    with pytest.raises(InvalidInput, match=r"pipeline\.yaml"):
        load(text)
