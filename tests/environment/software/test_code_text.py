"""Programs in model texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.software.code_text import LONGEST, code_in, normal_form, tree_of, voted_code
from environment.software.inspection import completeness, faults

PROGRAM = "def f(x):\n    return x"


@pytest.mark.parametrize(
    "text",
    [
        PROGRAM,
        f"```python\n{PROGRAM}\n```",
        f"Here it is:\n\n```py\n{PROGRAM}\n```\nIt returns x.",
        f"```\n{PROGRAM}\n",
        f"~~~python\r\n{PROGRAM}\r\n~~~\r\n".replace("\n    ", "\r\n    "),
        f"````\n{PROGRAM}\n````",
        f"Sure! This is the function.\n{PROGRAM}",
        f"```python\nprint('an example that is longer than the program itself, much longer')\n```\n```\n{PROGRAM}\n```",
    ],
)
def test_the_program_is_found(text: str) -> None:
    assert code_in(text, "f") == PROGRAM


@pytest.mark.parametrize("text", ["", "I cannot do that.", "```", "```python\n```", " \n\t", "\x00"])
def test_where_there_is_none_the_output_is_empty(text: str) -> None:
    assert code_in(text, "f") == ""


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    code = code_in(text, "f")
    assert len(code) <= LONGEST
    assert voted_code([code, text]) in (code, text)
    assert completeness(code) in (0.0, 1.0)
    faults(code, "f")


@pytest.mark.parametrize(
    "text", ["(" * 100_000, "-" * 100_000 + "1", "1+" * 100_000 + "1", "[" * 5_000 + "]" * 5_000, "x" + ".x" * 50_000]
)
def test_nested_texts_are_read_without_an_error(text: str) -> None:
    tree_of(text)
    normal_form(text)
    faults(text, "f")
    assert voted_code([text, text, "x = 1"]) == text


def test_layout_and_comments_have_no_vote() -> None:
    plain, commented = "def f(x):\n    return x+1", "# adds one\ndef f(x):\n\n    return x + 1  # here"
    assert normal_form(plain) == normal_form(commented)
    assert voted_code(["def f(x):\n    return 2", commented, plain]) == commented


def test_votes_may_have_weights() -> None:
    assert voted_code(["a = 1", "a = 2", "a=2"], [3.0, 1.0, 1.0]) == "a = 1"
    assert voted_code(["a = 1", "a = 2", "a=2"], [1.0, 1.0, 1.0]) == "a = 2"


def test_empty_outputs_have_no_vote_if_others_do() -> None:
    assert voted_code(["", "", "x = 1"]) == "x = 1"
    assert voted_code(["", ""]) == ""


def test_without_a_majority_the_medoid_wins() -> None:
    near = [f"def add(a, b):\n    total = a + b\n    return total + {n}" for n in (0, 1)]
    far = "import os\nclass Other:\n    pass"
    assert voted_code([far, *near]) in near


def test_faults_are_those_that_are_sure() -> None:
    assert faults(PROGRAM, "f") == []
    assert faults(PROGRAM, "g") == ["there is no function g"]
    assert faults("def f(:", "f")[0].startswith("line 1: ")
    assert faults("", "f") == ["there is no program"]
    assert faults("def f(x):\n    '''Does it.'''\n    pass", "f") == ["line 1: f does nothing"]


@pytest.mark.parametrize(
    ("code", "complete"),
    [
        (PROGRAM, 1.0),
        ("", 0.0),
        ("def f(:", 0.0),
        ("def f():\n    ...", 0.0),
        ("class A:\n    def f(self):\n        pass", 0.0),
        ("import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def f(self):\n        pass", 1.0),
        ("x = 1  # TODO: the rest", 0.0),
        ("print('a TODO list')", 1.0),
        ("# your code here\nx = 1", 0.0),
    ],
)
def test_placeholders_make_a_program_incomplete(code: str, complete: float) -> None:
    assert completeness(code) == complete
