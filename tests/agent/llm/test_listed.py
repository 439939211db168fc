"""Strategies and temperatures that a space lists, as the search agent is told of them and answers with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.llm.agent_searcher import PROMPTS
from agent.llm.answers import allocation_schema, proposal_form, read_proposals
from agent.llm.briefing import problem_values
from agent.llm.experience import read_experience
from agent.llm.functions import AgentFunctions
from agent.search import Search, trial_row
from agenttts.testing.searchers import drive, problem_of, space
from environment.prompt_template import PLAIN_TEXT
from tools.flops import FlopsCost
from tools.space import Allocation, Choice

LISTED: list[dict[str, Any]] = [{"strategies": ["majority", "fusion"]}, {"temperatures": [0.7, 0]}]
SPACE = space(2, LISTED, max_samples=20)
PROBLEM = problem_of(SPACE, FlopsCost())
FIRST = {"model": "8b", "samples": 3, "strategy": "fusion"}
SECOND = {"model": "1b", "samples": 2, "temperature": 0.7}


def briefing(problem: Any) -> str:
    return PLAIN_TEXT.from_string((PROMPTS / "problem.j2").read_text()).render(**problem_values(problem))


def test_the_schema_asks_for_what_is_listed_and_no_more() -> None:
    first, second = allocation_schema(SPACE)["properties"].values()
    assert first["required"] == ["model", "samples", "strategy"]
    assert first["properties"]["strategy"] == {"type": "string", "enum": ["majority", "fusion"]}
    assert second["required"] == ["model", "samples", "temperature"]
    assert second["properties"]["temperature"] == {"type": "number", "enum": [0.7, 0.0]}
    assert '"s0": {"model": "NAME", "samples": NUMBER, "strategy": "NAME"}' in proposal_form(SPACE)
    assert '"s1": {"model": "NAME", "samples": NUMBER, "temperature": NUMBER}' in proposal_form(SPACE)


def test_the_briefing_says_what_may_be_chosen_and_what_it_means() -> None:
    text = briefing(PROBLEM)
    assert "choose one of the strategies majority, fusion\n" in text
    assert "choose one of the temperatures 0.7, 0\n" in text
    assert "\n- fusion: The same model reads its own samples and writes one answer.\n" in text
    assert "trateg" not in briefing(problem_of(space(2), FlopsCost()))


def test_a_name_that_nothing_is_registered_for_is_told_as_it_is() -> None:
    own = problem_of(space(1, [{"strategies": ["ours"]}]), FlopsCost())
    assert "\n- ours\n" in briefing(own)


def test_strategies_of_other_costs_are_priced_on_lines_of_their_own() -> None:
    text = briefing(
        problem_of(space(1, [{"strategies": ["majority", "fusion", "best-of-n"]}]), FlopsCost(every_call=True))
    )
    assert "8b with majority, best-of-n: 8B parameters" in text
    assert "8b with fusion: 8B parameters" in text


@pytest.mark.parametrize(
    ("first", "problem"),
    [
        ({"model": "8b", "samples": 3}, "s0.strategy: is missing; use one of: majority, fusion"),
        (FIRST | {"strategy": "vote"}, "s0.strategy: 'vote' is not a candidate; use one of: majority, fusion"),
        (FIRST | {"strategy": ["fusion"]}, "s0.strategy: ['fusion'] is not a candidate"),
        (FIRST | {"temperature": 0.7}, "s0.temperature: is not searched here, the task decides; leave it out"),
    ],
)
def test_an_unusable_answer_is_sent_back_with_the_field(first: dict[str, Any], problem: str) -> None:
    good = {"s0": FIRST, "s1": SECOND}
    text = json.dumps({"allocations": [{"s0": first, "s1": SECOND}, good]})
    reading = read_proposals(text, PROBLEM, 2, {})
    assert reading.accepted == [Allocation({"s0": Choice("8b", 3, "fusion"), "s1": Choice("1b", 2, None, 0.7)})]
    assert problem in reading.problems[0]


def test_functions_look_up_and_fit_by_strategy_and_temperature() -> None:
    search = drive(Search(SPACE, None, "random", 2), 40)
    functions = AgentFunctions(search.problem, search.trials)

    def call(name: str, **arguments: Any) -> Any:
        return json.loads(functions.call(name, json.dumps(arguments)))

    fused = call("query_history", limit=20, subtask="s0", strategy="fusion")
    assert {row["allocation"]["s0"]["strategy"] for row in fused} == {"fusion"}
    cold = call("query_history", limit=20, subtask="s1", model="1b", temperature=0)
    assert {(row["allocation"]["s1"]["model"], row["allocation"]["s1"]["temperature"]) for row in cold} == {("1b", 0.0)}
    points = {
        strategy: dict(call("fit_scaling_curve", subtask="s0", model="1b", strategy=strategy)["points"])
        for strategy in ("majority", "fusion")
    }
    whole = dict(call("fit_scaling_curve", subtask="s0", model="1b")["points"])
    assert set(whole) == set(points["majority"]) | set(points["fusion"])
    assert all(points["majority"][n] > points["fusion"][n] for n in set.intersection(*map(set, points.values())) - {1})
    none = call("fit_scaling_curve", subtask="s0", model="1b", strategy="ours")
    assert none["note"] == "no trial used this model and strategy in this subtask"
    assert json.loads(functions.call("query_history", '{"limit": 3, "subtask": "s0", "strategy": [[]]}')) == []
    parameters = {f["function"]["name"]: f["function"]["parameters"] for f in functions.schemas()}
    assert parameters["fit_scaling_curve"]["properties"]["temperature"]["enum"] == [0.7, 0.0]
    assert parameters["fit_scaling_curve"]["required"] == ["subtask", "model"]


def test_an_earlier_searchs_choices_are_told_whole() -> None:
    search = drive(Search(SPACE, None, "random", 2), 5)
    exported = {"config": {"task": "other"}, "trials": [trial_row(trial) for trial in search.trials]}
    experience = read_experience(exported)
    assert search.best is not None
    assert str(search.best.allocation["s0"]) in str(experience.trials[0])
    assert str(search.best.allocation["s1"]) in str(experience.trials[0])
