from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from environment.taskbench.example import Argument, Call, Tool
from environment.taskbench.loaders import load_examples, load_tools
from environment.taskbench.task import taskbench_task
from tests.environment.taskbench.files import TOOLS, published, record, write
from tools.errors import InvalidInput

REAL = Path(__file__).parents[4] / "shared" / "data" / "taskbench_dailylifeapis_tool_desc.json"
MODELS = ["m:1B@http://127.0.0.1:1/v1"]


def test_both_releases_and_both_layouts_give_the_same_examples(tmp_path: Path) -> None:
    wanted = None
    for lines in (True, False):
        for make in (record, published):
            data, tools = write(tmp_path, [make(number) for number in range(3)], lines=lines)
            examples = load_examples(data, load_tools(tools))
            wanted = wanted or examples
            assert examples == wanted
    assert wanted
    first = wanted[0]
    assert first.id == "taskbench-10000000"
    assert first.request.startswith("Find a museum in Town 0")
    assert first.steps[0] == "Step 1: Call find_museum with town: 'Town 0'"
    assert first.calls[1] == Call("buy_ticket", (Argument("museum", "find_museum"), Argument("day", "Friday")))
    assert first.links == (("find_museum", "buy_ticket"),)
    assert first.tools[2] == Tool("stop_alarm", "Stop the alarm that rings", ())


def test_values_that_are_no_texts_are_compared_as_json(tmp_path: Path) -> None:
    odd = record(0)
    odd["id"] = 7
    odd["task_nodes"][1]["arguments"][1]["value"] = 5
    odd["task_nodes"][1]["arguments"][0]["value"] = ["a", "b"]
    odd["task_nodes"].append({"task": "stop_alarm", "arguments": []})
    data, tools = write(tmp_path, [odd])
    (example,) = load_examples(data, load_tools(tools))
    assert example.id == "taskbench-7"
    assert [argument.value for argument in example.calls[1].arguments] == ['["a", "b"]', "5"]
    assert example.calls[2] == Call("stop_alarm", ())


def changed(**fields: Any) -> dict[str, Any]:
    return {**record(1), **fields}


NODE = {"task": "find_museum", "arguments": [{"name": "town", "value": "Town"}]}


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        ({"id": "1"}, "record 1: lacks the field 'task_steps'"),
        ({"id": "1", "instruction": "x"}, "record 1: lacks the field 'tool_steps'"),
        (changed(id=None), "record 1: id must be a text"),
        (changed(user_request=" "), "record 1: user_request must be a text"),
        (changed(task_steps=[]), "record 1: task_steps must be a list of texts"),
        (changed(task_steps="[broken"), "record 1: task_steps is a text, but not JSON"),
        (changed(task_nodes=[]), "record 1: task_nodes must hold at least one node"),
        (changed(task_nodes={}), "record 1: task_nodes must be a list of objects"),
        (changed(task_nodes=[{"arguments": []}]), r"record 1: task_nodes\[0\] lacks 'task'"),
        (
            changed(task_nodes=[NODE, {**NODE, "task": "fly"}]),
            r"task_nodes\[1\].task 'fly' is no tool of the tools file",
        ),
        (changed(task_nodes=[{"task": "find_museum"}]), r"task_nodes\[0\].arguments must be a list of objects"),
        (changed(task_nodes=[{**NODE, "arguments": ["<node-0>"]}]), r"task_nodes\[0\].arguments must be a list of obj"),
        (changed(task_nodes=[{**NODE, "arguments": [{"name": "town"}]}]), r"task_nodes\[0\].arguments lacks 'value'"),
        (changed(task_nodes=[{**NODE, "arguments": [{"name": 2.5, "value": 1}]}]), "arguments: name must be a text"),
        (changed(task_links=[{"source": "find_museum"}]), "record 1: task_links lacks 'target'"),
    ],
)
def test_a_mistake_names_file_record_and_field_in_one_line(
    tmp_path: Path, faulty: dict[str, Any], message: str
) -> None:
    data, tools = write(tmp_path, [record(0), faulty])
    with pytest.raises(InvalidInput, match=message) as caught:
        load_examples(data, load_tools(tools))
    assert str(data) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ('{"nodes": []}', "at least one record under 'nodes'"),
        ('{"nodes": [{"id": "a", "parameters": []}]}', "record 0: lacks the field 'desc'"),
        ('{"nodes": [{"id": "a", "desc": "b"}]}', "record 0: lacks the field 'parameters'"),
        (
            '{"nodes": [{"id": "a", "desc": "b", "parameters": ["x"]}]}',
            "record 0: parameters must be a list of objects",
        ),
        ('{"nodes": [{"id": "a", "desc": "b", "parameters": [{"type": "x"}]}]}', "record 0: lacks the field 'name'"),
        (
            '{"nodes": [{"id": "a", "desc": "b", "input-type": ["image"], "output-type": ["text"]}]}',
            "the tool 'a' has input-type and no parameters",
        ),
        (json.dumps({"nodes": TOOLS["nodes"] * 2}), "'find_museum' and 'find_museum' name the same tool"),
        (
            '{"nodes": [{"id": "Aa b", "desc": "x", "parameters": []}, {"id": "aa_b", "desc": "y", "parameters": []}]}',
            "same",
        ),
        ('{"nodes": [{"id": "_-_", "desc": "x", "parameters": []}]}', "record 0: id '_-_' must hold a letter"),
    ],
)
def test_a_mistake_in_the_tools_names_file_tool_and_field(tmp_path: Path, text: str, message: str) -> None:
    tools = tmp_path / "tools.json"
    tools.write_text(text)
    with pytest.raises(InvalidInput, match=message) as caught:
        load_tools(tools)
    assert caught.value.field == "tools"
    assert str(tools) in str(caught.value)


def test_a_file_that_is_missing_is_one_clear_line(tmp_path: Path) -> None:
    data, tools = write(tmp_path, [record(number) for number in range(4)])
    none = str(tmp_path / "none.json")
    faulty: list[tuple[dict[str, Any], str]] = [
        ({}, "tools"),
        ({"path": str(data)}, "tools"),
        ({"tools": str(tools)}, "path"),
        ({"path": str(data), "tools": none}, "tools"),
        ({"path": none, "tools": str(tools)}, "path"),
    ]
    for options, field in faulty:
        with pytest.raises(InvalidInput) as caught:
            taskbench_task(models=MODELS, **options)
        assert caught.value.field == field
        assert "\n" not in str(caught.value)


def test_the_seed_draws_which_requests_are_searched_on(tmp_path: Path) -> None:
    data, tools = write(tmp_path, [record(number) for number in range(40)])
    options: dict[str, Any] = {"path": str(data), "tools": str(tools), "models": MODELS, "search_examples": 10}
    task = taskbench_task(**options)
    assert len(task.search_examples) == 10
    assert len(task.held_out_examples) == 30
    assert not {e.id for e in task.search_examples} & {e.id for e in task.held_out_examples}
    assert taskbench_task(**options).search_examples == task.search_examples
    assert taskbench_task(**options, seed=1).search_examples != task.search_examples
    assert len(taskbench_task(**options, held_out_examples=5).held_out_examples) == 5
    with pytest.raises(InvalidInput, match="search_examples"):
        taskbench_task(**(options | {"search_examples": 40}))


@pytest.mark.skipif(not REAL.is_file(), reason="the real daily-life tools are not beside the checkout")
def test_the_real_daily_life_tools_load() -> None:
    tools = load_tools(REAL)
    assert len(tools) == 40
    assert Tool("book_flight", tools[3].description, ("date", "from", "to")) == tools[3]
    assert sum(len(tool.parameters) for tool in tools) == 64
