"""The metrics of the three stages against values worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.metrics import rouge_l
from environment.taskbench.example import Argument, AutomationExample, Call, Tool
from environment.taskbench.stages import DecompositionStage, ParameterStage, SelectionStage

TOOLS = (Tool("a", "Do a", ("x", "y")), Tool("b", "Do b", ("x",)), Tool("c", "Do c", ()))
GOLD = AutomationExample(
    "e",
    "request",
    ("Find the phone number of Mira", "Call that number"),
    (Call("a", (Argument("x", "1"), Argument("y", "2"))), Call("b", (Argument("x", "a"),))),
    (("a", "b"),),
    TOOLS,
)
DECOMPOSITION = DecompositionStage("decomposition.j2", 64, 3)
SELECTION = SelectionStage("selection.j2", 32, 3)
PARAMETERS = ParameterStage("parameters.j2", 96, 3)


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        ("the cat sat", "the cat sat", 1.0),
        # Longest common subsequence "the on": 2 of 4 words and 2 of 3, F1 = 2 * 2 / 7.
        ("the dog on mats", "the cat on", 4 / 7),
        # Order counts: only one of the two common words is in it.
        ("sat the", "the sat", 1 / 2),
        # Words are compared in lower case and as stems; a comma is no word.
        ("Calling, the NUMBERS", "call the number", 1.0),
        ("", "the cat", 0.0),
        ("the cat", "", 0.0),
        ("", "", 0.0),
    ],
)
def test_rouge_l(text: str, reference: str, score: float) -> None:
    assert rouge_l(text, reference) == pytest.approx(score)


@given(st.text(), st.text())
def test_rouge_l_is_symmetric_and_within_bounds(one: str, other: str) -> None:
    assert 0 <= rouge_l(one, other) <= 1
    assert rouge_l(one, other) == pytest.approx(rouge_l(other, one))
    assert rouge_l(one, one) in (0.0, 1.0)


@pytest.mark.parametrize(
    ("steps", "score"),
    [
        (GOLD.steps, 1.0),
        # 6 of 6 words and 6 of 9: F1 = 2 * 6 / 15.
        (GOLD.steps[:1], 12 / 15),
        # "call that number find the phone ..": the longer of the two steps is kept, 6 of 9 words.
        (GOLD.steps[::-1], 6 / 9),
        ((), 0.0),
    ],
)
def test_decomposition_compares_all_steps_in_order(steps: tuple[str, ...], score: float) -> None:
    assert DECOMPOSITION.score(steps, GOLD) == pytest.approx(score)


@pytest.mark.parametrize(
    ("tools", "score"),
    [
        (("a", "b"), 1.0),
        (("b", "a"), 1.0),
        # 1 of 1 and 1 of 2.
        (("a",), 2 / 3),
        # 1 of 2 and 1 of 2.
        (("a", "c"), 1 / 2),
        (("c",), 0.0),
        ((), 0.0),
    ],
)
def test_selection_compares_sets_of_tools(tools: tuple[str, ...], score: float) -> None:
    assert SELECTION.score(tools, GOLD) == pytest.approx(score)


@pytest.mark.parametrize(
    ("calls", "score"),
    [
        (GOLD.calls, 1.0),
        (GOLD.calls[::-1], 1.0),
        # One value differs: 2 of 3 and 2 of 3.
        ((Call("a", (Argument("x", "1"), Argument("y", "9"))), GOLD.calls[1]), 2 / 3),
        # The right value under another name, or of another tool, is wrong.
        ((Call("a", (Argument("y", "1"),)),), 0.0),
        ((Call("b", (Argument("x", "1"),)),), 0.0),
        # 1 of 1 and 1 of 3.
        (GOLD.calls[1:], 1 / 2),
        # Values are compared exactly.
        ((Call("b", (Argument("x", "A"),)),), 0.0),
        ((Call("c", ()),), 0.0),
        ((), 0.0),
    ],
)
def test_parameters_compare_names_and_values_of_each_tool(calls: tuple[Call, ...], score: float) -> None:
    assert PARAMETERS.score(calls, GOLD) == pytest.approx(score)


def test_a_gold_call_without_parameters_wants_none() -> None:
    example = AutomationExample("e", "r", ("Do c",), (Call("c", ()),), (), TOOLS)
    assert PARAMETERS.score((Call("c", ()),), example) == 1
    assert PARAMETERS.score((), example) == 1
    assert PARAMETERS.score((Call("b", (Argument("x", "1"),)),), example) == 0
