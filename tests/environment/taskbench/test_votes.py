from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.metrics import rouge_l
from environment.taskbench.example import Argument, Call
from environment.taskbench.votes import voted_calls, voted_steps, voted_tools

words = st.sampled_from(["call", "mira", "find", "the", "number", "train"])
steps = st.lists(st.lists(words, min_size=1, max_size=4).map(" ".join), max_size=3).map(tuple)
tools = st.lists(st.sampled_from("abcd"), max_size=3, unique=True).map(tuple)
arguments = st.builds(Argument, st.sampled_from("xy"), st.sampled_from(["1", "2", "3"]))
calls = st.lists(st.builds(Call, st.sampled_from("ab"), st.lists(arguments, max_size=3).map(tuple)), max_size=3).map(
    tuple
)


def call(tool: str, **values: str) -> Call:
    return Call(tool, tuple(Argument(name, value) for name, value in values.items()))


def test_steps_are_those_most_like_the_others() -> None:
    near, nearer, far = ("find the number of mira",), ("find the number",), ("water the roses now",)
    assert voted_steps([far, near, nearer]) == nearer
    assert voted_steps([far, near, far, far]) == far, "an output counts as often as it was given"
    assert voted_steps([near, far]) == near, "the earliest among equals"
    assert voted_steps([()]) == ()


@given(st.lists(steps, min_size=1, max_size=6))
def test_steps_have_the_highest_mean_rouge_l_to_all(outputs: list[tuple[str, ...]]) -> None:
    def nearness(output: tuple[str, ...]) -> float:
        # An output is like itself, even where it has no words to compare.
        return sum(1.0 if o == output else rouge_l("\n".join(output), "\n".join(o)) for o in outputs)

    chosen = voted_steps(outputs)
    assert chosen in outputs
    assert nearness(chosen) == pytest.approx(max(nearness(output) for output in outputs))


def test_tools_of_at_least_half_in_the_order_of_their_mean_place() -> None:
    assert voted_tools([("a", "b"), ("b", "a"), ("c", "b", "a"), ("b",)]) == ("b", "a")
    assert voted_tools([("a",), ("b",), ("b",), ("c",), ("d",)]) == ("b",), "none has half: the most named"
    assert voted_tools([(), ("a",)]) == ("a",)
    assert voted_tools([(), ()]) == ()


@given(st.lists(tools, min_size=1, max_size=6))
def test_tools_do_not_depend_on_the_order_of_the_voters(outputs: list[tuple[str, ...]]) -> None:
    sets = {frozenset(voted_tools(order)) for order in permutations(outputs[:4])}
    if all(2 * sum(tool in o for o in outputs[:4]) >= len(outputs[:4]) for chosen in sets for tool in chosen):
        assert len(sets) == 1


def test_every_argument_is_voted_on_by_itself() -> None:
    outputs = [
        (call("a", x="1", y="2"),),
        (call("a", x="1", y="3"), call("b")),
        (call("a", x="4", y="3", z="9"),),
    ]
    assert voted_calls(outputs) == (call("a", x="1", y="3"),)


def test_arguments_without_half_of_the_voters_are_left_out_unless_all_are() -> None:
    assert voted_calls([(call("a", x="1"), call("b", x="1")), (call("a", x="2"),), (call("c", x="1"),)]) == (
        call("a", x="1"),
    )
    assert voted_calls([(call("a", x="1"),), (call("b", x="1"),), (call("c", x="1"),)]) == (call("a", x="1"),)
    assert voted_calls([(), ()]) == ()


def test_the_second_call_of_a_tool_is_compared_with_second_calls() -> None:
    twice = (call("a", x="1"), call("a", x="2"))
    assert voted_calls([twice, twice, (call("a", x="1"),)]) == twice


@given(st.lists(calls, min_size=1, max_size=6))
def test_voted_values_were_given_and_one_voter_is_repeated(outputs: list[tuple[Call, ...]]) -> None:
    given_ = {(c.tool, a.name, a.value) for output in outputs for c in output for a in c.arguments}
    voted = voted_calls(outputs)
    assert {(c.tool, a.name, a.value) for c in voted for a in c.arguments} <= given_
    assert voted_calls([outputs[0]] * 5) == voted_calls([outputs[0]])
    assert voted_calls([voted]) == voted
