"""Token profiles: every registered strategy has one, and it keeps the contract."""

from __future__ import annotations

from itertools import pairwise

import pytest

from environment.strategy import STRATEGIES
from tools.errors import InvalidInput, UnknownName
from tools.space import Choice, Model, Subtask
from tools.token_use import TOKEN_PROFILES, Call, calls_of, samples_alone

SUBTASK = Subtask("qa", [Model("1b", 1e9)], prompt_tokens=100, generation_tokens=10)


def tokens(calls: object) -> tuple[float, float]:
    """Encoded prompt tokens and generated tokens of some calls."""
    assert isinstance(calls, tuple | list)
    prompt = sum(call.requests * (call.prompt_tokens - call.cached_prompt_tokens) for call in calls)
    return prompt, sum(call.requests * call.generations * call.generation_tokens for call in calls)


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_every_strategy_has_a_profile_whose_tokens_do_not_fall_with_samples(name: str) -> None:
    profile = TOKEN_PROFILES.get(name)
    used = [tokens(profile(SUBTASK, samples)) for samples in range(1, 40)]
    for fewer, more in pairwise(used):
        assert fewer[0] <= more[0]
        assert fewer[1] <= more[1]


def test_samples_share_one_prompt() -> None:
    assert tokens(samples_alone(SUBTASK, 7)) == (100, 70)


def test_fusion_adds_a_call_that_shows_every_sample() -> None:
    profile = TOKEN_PROFILES.get("fusion")
    assert tokens(profile(SUBTASK, 1)) == (100, 10)
    assert tokens(profile(SUBTASK, 7)) == (100 + 100 + 70, 70 + 10)


def test_a_choice_s_own_strategy_goes_before_the_subtasks() -> None:
    stages = {"qa": "fusion"}
    assert len(calls_of(SUBTASK, Choice("1b", 4), stages)) == 2
    assert len(calls_of(SUBTASK, Choice("1b", 4, "majority"), stages)) == 1
    assert len(calls_of(SUBTASK, Choice("1b", 4), {})) == 1


def test_a_strategy_without_a_profile_is_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="token profile of a strategy: unknown name 'fusoin'"):
        calls_of(SUBTASK, Choice("1b", 4, "fusoin"), {})


@pytest.mark.parametrize("figures", [(-1, 1), (1, float("nan")), (1, 1, -1), (1, 1, 1, 2)])
def test_impossible_figures_are_refused(figures: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="Call"):
        Call(*figures)
