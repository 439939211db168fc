from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from environment.taskbench.catalogue import KINDS, SHOWN, WORDS
from environment.taskbench.example import AutomationExample
from environment.taskbench.generator import STRUCTURES, generate_examples, generate_tool_graph
from tools.errors import InvalidInput

EXAMPLES = generate_examples(600, 11)


def structure(example: AutomationExample) -> str:
    return STRUCTURES[EXAMPLES.index(example) % len(STRUCTURES)]


def test_requests_are_distinct_and_seeded() -> None:
    many = generate_examples(3000, 11)
    assert len({example.request for example in many}) == 3000
    assert len({example.id for example in many}) == 3000
    assert many[:600] == EXAMPLES
    assert generate_examples(20, 12) != EXAMPLES[:20]


def test_requests_need_one_to_three_different_tools_of_those_on_offer() -> None:
    assert Counter(len(example.calls) for example in EXAMPLES) == {1: 100, 2: 200, 3: 300}
    for example in EXAMPLES:
        needed = [call.tool for call in example.calls]
        offered = {tool.id: tool for tool in example.tools}
        assert len(offered) == len(example.tools) == 6
        assert len(set(needed)) == len(needed) == len(example.steps)
        for call in example.calls:
            assert tuple(argument.name for argument in call.arguments) == offered[call.tool].parameters


def test_every_value_stands_in_the_request_or_is_an_earlier_tool_that_a_link_names() -> None:
    for example in EXAMPLES:
        earlier: set[str] = set()
        for call in example.calls:
            sources = {argument.value for argument in call.arguments if argument.value in earlier}
            assert {(source, call.tool) for source in sources} == {
                link for link in example.links if link[1] == call.tool
            }
            for argument in call.arguments:
                assert argument.value in sources or argument.value in example.request
            earlier.add(call.tool)


def test_steps_hold_the_values_that_the_request_gives() -> None:
    for example in EXAMPLES:
        names = {call.tool for call in example.calls}
        for step, call in zip(example.steps, example.calls, strict=True):
            assert all(a.value in step or a.value in names for a in call.arguments), (step, call)


def test_structures_take_turns_and_graphs_join_three_tools() -> None:
    links = {name: {len(e.links) for e in EXAMPLES if structure(e) == name} for name in STRUCTURES}
    assert links == {"single": {0}, "pair": {0}, "feed": {1}, "triple": {0}, "feed-and-other": {1}, "graph": {2}}
    graphs = [example for example in EXAMPLES if structure(example) == "graph"]
    assert all(len({tool for link in example.links for tool in link}) == 3 for example in graphs)
    targets = Counter(len({target for _, target in example.links}) for example in graphs)
    assert min(targets[1], targets[2]) > 5, "joins, and chains or forks"


def test_all_tools_are_needed_and_all_ways_to_ask_are_used() -> None:
    needed = Counter(call.tool for example in EXAMPLES for call in example.calls)
    assert set(needed) == {tool.id for tool in generate_tool_graph(11).tools}
    assert max(needed.values()) < 8 * min(needed.values())


def test_the_place_of_a_needed_tool_on_the_list_gives_nothing_away() -> None:
    places = Counter(
        [tool.id for tool in example.tools].index(call.tool) for example in EXAMPLES for call in example.calls
    )
    assert set(places) == set(range(6))
    assert max(places.values()) < 1.5 * min(places.values())


def test_graphs_differ_in_names_and_agree_in_dependencies() -> None:
    one, other = generate_tool_graph(1), generate_tool_graph(2)
    assert one == generate_tool_graph(1)
    assert {tool.id for tool in one.tools} != {tool.id for tool in other.tools}
    assert len(one.dependencies) == len(other.dependencies) > 10
    for graph in (one, other):
        assert len({tool.id for tool in graph.tools}) == len(KINDS)
        for dependency in graph.dependencies:
            source, target = graph.kinds[dependency.source], graph.kinds[dependency.target]
            assert source.gives == target.parameters[dependency.parameter]


def test_names_of_tools_are_unmistakable() -> None:
    names = [name for kind in KINDS for name in kind.ids]
    assert len(set(names)) == len(names)
    assert all(one not in other and other not in one for one, other in pairwise(sorted(names)))
    assert {type_ for kind in KINDS for type_ in kind.parameters.values()} <= set(WORDS)
    assert set(SHOWN) <= set(WORDS)
    assert all(len(set(words)) == len(words) for words in WORDS.values())


@pytest.mark.parametrize("candidates", [4, 22])
def test_the_number_of_tools_on_offer_is_kept(candidates: int) -> None:
    assert {len(example.tools) for example in generate_examples(12, 0, candidates=candidates)} == {candidates}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 5, "candidates": 3}, "candidates"),
        ({"count": 5, "candidates": 23}, "candidates"),
    ],
)
def test_unusable_counts_are_named(arguments: dict[str, int], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        generate_examples(seed=0, **arguments)
    assert caught.value.field == field
