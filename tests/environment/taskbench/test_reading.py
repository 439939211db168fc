from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.taskbench.example import Argument, Call, Tool
from environment.taskbench.reading import MAX_ARGUMENTS, MAX_ITEM, read_calls, read_steps, read_tools

TOOLS = (
    Tool("send_sms", "Send an sms to a number", ("number", "content")),
    Tool("send_sms_later", "Send an sms at a time", ("number", "content", "time")),
    Tool("Image Search", "Search an image", ("query",)),
    Tool("stop", "Stop everything", ()),
)
SMS = Call("send_sms", (Argument("number", "555"), Argument("content", "hi there")))

json_like = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["send_sms", "stop", "task", ""]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["task", "name", "value", "arguments", "task_steps", "step"]), inner, max_size=4
        )
    ),
    max_leaves=12,
).map(json.dumps)
pieces = st.sampled_from(
    [
        "send_sms",
        "(",
        ")",
        '"',
        "'",
        "=",
        ":",
        "number",
        "content",
        ",",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "task",
        " ",
        "\\",
        "```",
    ]
)
hostile = st.text() | json_like | st.lists(pieces, max_size=60).map("".join)


@given(hostile, st.integers(1, 4))
def test_any_text_gives_outputs_within_bounds(text: str, most: int) -> None:
    steps = read_steps(text, most)
    assert len(steps) <= most
    assert all(step and len(step) <= MAX_ITEM for step in steps)
    assert {*read_tools(text, TOOLS, most)} <= {tool.id for tool in TOOLS}
    by_id = {tool.id: tool for tool in TOOLS}
    calls = read_calls(text, TOOLS, most)
    assert len(calls) <= most
    for call in calls:
        assert len(call.arguments) <= MAX_ARGUMENTS
        assert {argument.name for argument in call.arguments} <= {*by_id[call.tool].parameters}
        assert all(len(argument.value) <= MAX_ITEM for argument in call.arguments)
    hash((steps, calls))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"task":' * 50_000,
        "[{'" * 5_000,
        '{"a":"' * 5_000,
        '"' * 100_000,
        "send_sms(" * 20_000,
        "send_sms(number=" + "a=" * 50_000,
        "send_sms(number='" * 10_000,
        "- " * 50_000,
        "\n" * 100_000 + "[",
        " " * 100_000 + "[",
        '[{"task": "send_sms", "arguments": {"number": ' + "9" * 10_000 + "}}]",
        '[{"task": "send_sms", "arguments": [' + '{"name": "number", "value": "1"},' * 10_000,
    ],
)
def test_huge_and_deep_texts_are_read_in_bounded_work(text: str) -> None:
    assert len(read_steps(text, 3)) <= 3
    assert len(read_tools(text, TOOLS, 3)) <= 3
    assert len(read_calls(text, TOOLS, 3)) <= 3


@pytest.mark.parametrize(
    "text",
    [
        "First do this\nThen that",
        "1. First do this\n2. Then that\n",
        "- First do this\n\n- Then that",
        '["First do this", "Then that"]',
        'Here is the plan:\n```json\n["First do this", "Then that"]\n```',
        '{"task_steps": ["First do this", "Then that"]}',
        '[{"step": "First do this"}, {"description": "Then that"}]',
        '["First do this", "Then that',
        "['First do this', 'Then that',]",
    ],
)
def test_steps_come_from_lines_or_json(text: str) -> None:
    steps = read_steps(text, 5)
    assert steps[-2:] == ("First do this", "Then that")
    assert read_steps(text, 1) == steps[:1]


def test_brackets_within_a_line_are_no_json() -> None:
    assert read_steps("Send the note [urgent]\nStop", 5) == ("Send the note [urgent]", "Stop")
    assert read_steps("Step 1: Call stop", 5) == ("Step 1: Call stop",)


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        ("send_sms, stop", ("send_sms", "stop")),
        ('["stop", "send_sms"]', ("stop", "send_sms")),
        ("First Send SMS, then STOP.", ("send_sms", "stop")),
        ("send_sms_later", ("send_sms_later",)),
        ("send_sms, send_sms, send_sms_later", ("send_sms", "send_sms_later")),
        ("send_smss and nonstop and stopper", ()),
        ("image_search: image-search", ("Image Search",)),
        ("Send an sms at a time", ("send_sms_later",)),
        ("", ()),
    ],
)
def test_tools_are_read_as_whole_words_in_their_order(text: str, tools: tuple[str, ...]) -> None:
    assert read_tools(text, TOOLS, 3) == tools


@pytest.mark.parametrize(
    "text",
    [
        'send_sms(number="555", content="hi there")',
        "send_sms(number='555', content='hi there')",
        'Send SMS (number = 555, content: "hi there")',
        '1. send_sms(number="555", content="hi there", volume="high")',
        '{"task": "send_sms", "arguments": {"number": "555", "content": "hi there"}}',
        '{"name": "send_sms", "parameters": {"number": 555, "content": " hi there "}}',
        '{"task": "send_sms", "args": [{"name": "number", "value": 555}, {"name": "content", "value": "hi there"}]}',
        '```json\n{"task_nodes": [{"task": "send_sms", "arguments": {"number": "555", "content": "hi there"}}]}\n```',
        '[{"task": "fly"}, {"task": "send_sms", "arguments": {"number": "555", "content": "hi there"}}]',
        '[{"task": "send_sms", "arguments": {"number": "555", "content": "hi there',
    ],
)
def test_calls_come_from_code_or_json(text: str) -> None:
    assert read_calls(text, TOOLS, 3) == (SMS,)


def test_several_calls_keep_their_order_and_their_own_values() -> None:
    stop, search = Call("stop", ()), Call("Image Search", (Argument("query", "a cat, it's mine"),))
    code = 'stop()\nimage_search(query="a cat, it\'s mine"); send_sms(number="555", content="hi there")'
    assert read_calls(code, TOOLS, 3) == (stop, search, SMS)
    assert read_calls(code, TOOLS, 2) == (stop, search)
    lines = (
        '{"task": "stop"}\n{"task": "Image Search", "arguments": {"query": "a cat, it\'s mine"}}\n'
        '{"task": "send_sms", "arguments": {"number": "555", "content": "hi there"}}'
    )
    assert read_calls(lines, TOOLS, 3) == (stop, search, SMS)


def test_a_tool_that_is_only_mentioned_is_not_called() -> None:
    assert read_calls("I would use send_sms and (perhaps) stop.", TOOLS, 3) == ()
