"""Parsers, votes and metrics of a person's own stages."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.multihop.stages import RetrievalStage
from environment.pipelines.assembly import named_score
from environment.pipelines.metrics import METRICS
from environment.pipelines.parsers import PARSERS, candidates_parser, json_path_parser, regex_parser
from environment.pipelines.values import FrozenObject, frozen, thawed
from environment.pipelines.votes import VOTES, items_vote
from tools.errors import InvalidInput, UnknownName

HOSTILE = ["", "\n", "\0", "{" * 5000, "[" * 5000, '{"a": ' * 2000, "\ud800", "a" * 100_000, "1e999", "NaN"]


@pytest.mark.parametrize(
    ("name", "text", "output"),
    [
        ("text", "  two\nlines \n", "two\nlines"),
        ("text", " \n", None),
        ("first_line", "\n\nAnswer: **Oakton**.\nmore", "Oakton"),
        ("first_line", "...", None),
        ("lines", "- a\n 2) b\n\n(3) c\n1990 was a year", ("a", "b", "c", "1990 was a year")),
        ("lines", "", ()),
        ("json", 'Here: {"a": [1, {"b": null}]} and {"c": 2}', {"a": (1, {"b": None})}),
        ("json", "```json\n[1, 2]\n```", (1, 2)),
        ("json", "no { json } at all", None),
    ],
)
def test_a_named_parser_reads(name: str, text: str, output: Any) -> None:
    assert PARSERS[name](text, None) == output


@pytest.mark.parametrize(
    ("pattern", "options", "text", "output"),
    [
        (r"\d+", {}, "a 12 b 34", "12"),
        (r"x=(\d+)", {}, "x=5", "5"),
        (r"(?P<key>\w)=(?P<value>\d)", {"group": "value"}, "a=1", "1"),
        (r"(\w)=(\d)", {"group": 2, "every": True}, "a=1 b=2", ("1", "2")),
        (r"(\w)=(\d)", {"group": 0}, "a=1", "a=1"),
        (r"\d+", {}, "none", None),
        (r"\d+", {"every": True}, "none", ()),
    ],
)
def test_a_regex_reads(pattern: str, options: dict[str, Any], text: str, output: Any) -> None:
    assert regex_parser(pattern, **options)(text, None) == output


def test_a_pattern_that_backtracks_without_end_gives_no_output() -> None:
    assert regex_parser(r"(a+)+$")("a" * 40 + "b", None) is None


@pytest.mark.parametrize(("pattern", "group"), [("(", None), ("a", 1), ("(a)", 2), ("(a)", "b"), ("(a)", -1)])
def test_a_faulty_regex_is_refused(pattern: str, group: Any) -> None:
    with pytest.raises(InvalidInput):
        regex_parser(pattern, group)


@pytest.mark.parametrize(
    ("path", "every", "output"),
    [
        ("$.a", False, 1),
        ("$.list[*].n", False, (1, 2)),
        ("$.list[*].n", True, (1, 2)),
        ("$.a", True, (1,)),
        ("$.none", False, None),
        ("$.none", True, ()),
        ("$.list[0]", False, {"n": 1}),
    ],
)
def test_a_json_path_reads(path: str, every: bool, output: Any) -> None:
    text = 'so: {"a": 1, "list": [{"n": 1}, {"n": 2}]}'
    assert json_path_parser(path, every=every)(text, None) == output
    assert json_path_parser(path, every=every)("no JSON", None) == (() if every else None)


def test_a_faulty_json_path_is_refused() -> None:
    with pytest.raises(InvalidInput, match="JSONPath"):
        json_path_parser("$.[")


def test_candidates_are_read_as_the_built_in_task_reads_them() -> None:
    class Example:
        candidates = ("The Lake lies near Milltown.", "Ana lives there.", "Milltown is old.")

    row = {"facts": Example.candidates}
    for text in ("Milltown is old. the lake lies near milltown", "Ana lives there", "", "Ana lives there. " * 3):
        expected = RetrievalStage(32, 2).parse(text, Example)  # type: ignore[arg-type]
        assert candidates_parser("facts", 2)(text, row) == expected
    assert candidates_parser("facts")(" ".join(Example.candidates), row) == (0, 1, 2)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_stops_a_parser_for_long(text: str) -> None:
    parsers = [*PARSERS.values(), json_path_parser("$..a"), regex_parser(r"(\S+\s*)+x"), candidates_parser("facts")]
    for parser in parsers:
        with suppress(RecursionError):  # the stage counts it as unread
            hash(parser(text, {"facts": ["a", "b"]}))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_frozen_values_can_be_hashed_and_thawed(value: Any) -> None:
    cold = frozen(value)
    hash(cold)
    assert thawed(cold) == value
    assert frozen(cold) == cold


def test_an_output_cannot_be_changed() -> None:
    output = frozen({"a": [1]})
    assert isinstance(output, FrozenObject)
    for change in (lambda: output.update(b=1), lambda: output.pop("a"), lambda: output.__setitem__("a", 2)):
        with pytest.raises(TypeError, match="cannot be changed"):
            change()


@pytest.mark.parametrize(
    ("vote", "outputs", "winner"),
    [
        ("majority", ["a", "The B.", "b", None], "The B."),
        ("majority", [None, None], None),
        ("majority", [{"x": 1}, {"x": 2}, {"x": 2}], {"x": 2}),
        ("majority", ["?", "!", "!"], "!"),
        ("items", [(0, 2), (2,), (1,)], (2,)),
        ("items", [(3,), (1,), (2,)], (1,)),
        ("items", [None, None], ()),
        ("items", [("b", 1), ("b", 1)], ("b", 1)),
        ("median", [3, None, "x", 1, 2.5], 2.5),
        ("median", [True], None),
        ("first", [None, 0, 1], 0),
    ],
)
def test_a_vote(vote: str, outputs: list[Any], winner: Any) -> None:
    assert VOTES[vote](outputs) == winner


@given(st.lists(st.frozensets(st.integers(0, 7), max_size=4).map(lambda s: tuple(sorted(s))), min_size=1))
def test_the_vote_on_items_is_that_of_the_built_in_task(outputs: list[tuple[int, ...]]) -> None:
    assert items_vote(2)(outputs) == RetrievalStage(32, 2).vote(outputs)


@pytest.mark.parametrize(
    ("metric", "output", "gold", "score"),
    [
        ("exact_match", "The Oakton.", ["oakton", "x"], 1.0),
        ("exact_match", 1840, "1840", 1.0),
        ("exact_match", "Milltown", "Oakton", 0.0),
        ("set_f1", (0, 2), [2, 4], 0.5),
        ("set_f1", ("The A",), ["a"], 1.0),
        ("set_f1", "a", [], 0.0),
        ("token_f1", "the big red dog", ["red dog", "cat"], 0.8),
        ("token_f1", "", [""], 1.0),
        ("token_f1", "", ["a b"], 0.0),
        ("contains", "It is in Oakton, I think", ["Oakton"], 1.0),
        ("contains", "Oaktonville", ["Oakton"], 0.0),
        ("rouge_l", "the cat sat", ["a dog", "the cat sat"], 1.0),
        ("rouge_l", "the cat sat", "the cat ran", 2 / 3),
        ("rouge_l", "", "", 0.0),
        ("numeric", "so it is 1,234.5.", 1234.5, 1.0),
        ("numeric", "about 10", "10.001", 0.0),
        ("numeric", "none", 1, 0.0),
        ("numeric", "1e999", 1, 0.0),
        ("json_equal", '{"b": [1], "a": 2}', {"a": 2, "b": [1]}, 1.0),
        ("json_equal", "x", "y", 0.0),
    ],
)
def test_a_metric(metric: str, output: Any, gold: Any, score: float) -> None:
    assert METRICS.get(metric)(output, gold) == pytest.approx(score)


@given(values, values)
@pytest.mark.slow
def test_every_metric_stays_between_0_and_1(output: Any, gold: Any) -> None:
    for name in METRICS.names():
        score = METRICS.get(name)(frozen(output), frozen(gold))
        assert 0 <= score <= 1
        assert math.isfinite(score)


def test_metrics_take_options_by_name() -> None:
    assert named_score("numeric", "n", {"tolerance": 0.01})("10", {"n": 10.05}) == 1.0
    with pytest.raises(UnknownName, match="tolerence"):
        named_score("numeric", "n", {"tolerence": 0.01})
    with pytest.raises(UnknownName, match="did you mean 'exact_match'"):
        named_score("exactmatch", "n")
