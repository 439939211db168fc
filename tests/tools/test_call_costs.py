"""What the costs add up, against sums written out token by token."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.errors import InvalidInput
from tools.flops import FlopsCost, call_flops
from tools.kinetics import KineticsCost
from tools.latency import LatencyCost
from tools.measured import Measured, Measurements
from tools.price import PriceCost
from tools.space import Choice, Model, Subtask
from tools.token_use import Call
from tools.tokens import TokensCost

LLAMA_8B = Model("8b", 8e9, 0.5, 2.0, cached_prompt_price=0.1, layers=32, hidden_size=4096, kv_size=1024)
BARE = Model("bare", 1e9)

lengths = st.integers(1, 60)
samples = st.integers(1, 20)


def stage(prompt: float = 100, generation: float = 10) -> Subtask:
    return Subtask("qa", [LLAMA_8B, BARE], prompt_tokens=prompt, generation_tokens=generation)


def fused(cost: Any) -> Any:
    return cost.with_strategies({"qa": "fusion"})


@given(lengths, lengths, samples)
def test_without_attention_every_call_of_plain_samples_is_theorem_1(prompt: int, generation: int, count: int) -> None:
    choice, subtask = Choice("8b", count), stage(prompt, generation)
    assert FlopsCost(every_call=True).subtask(subtask, choice) == pytest.approx(FlopsCost().subtask(subtask, choice))


@given(lengths, lengths, samples, st.integers(0, 30))
def test_attention_counts_every_earlier_token(prompt: int, generation: int, count: int, cached: int) -> None:
    cached = min(cached, prompt)
    expected = sum(2 * 8e9 + 4 * 32 * 4096 * before for before in range(cached, prompt))
    expected += count * sum(2 * 8e9 + 4 * 32 * 4096 * before for before in range(prompt, prompt + generation))
    call = Call(prompt, generation, generations=count, cached_prompt_tokens=cached)
    assert call_flops(LLAMA_8B, call, attention=True) == pytest.approx(expected)


def test_attention_is_in_the_theorems_unit_and_refuses_a_model_of_unknown_shape() -> None:
    plain, full = FlopsCost(), FlopsCost(attention=True)
    more = full.subtask(stage(), Choice("8b", 3)) - plain.subtask(stage(), Choice("8b", 3))
    read = sum(range(100)) + 3 * sum(range(100, 110))
    assert more == pytest.approx(4 * 32 * 4096 * read / (2 * 3e9 * 64))
    with pytest.raises(InvalidInput, match="model 'bare' layers and hidden_size: unknown"):
        full.subtask(stage(), Choice("bare", 1))


def test_the_call_that_fuses_counts_where_every_call_does() -> None:
    alone, counted = fused(FlopsCost()), fused(FlopsCost(every_call=True))
    assert counted.subtask(stage(), Choice("8b", 1)) == pytest.approx(alone.subtask(stage(), Choice("8b", 1)))
    more = counted.subtask(stage(), Choice("8b", 5)) - alone.subtask(stage(), Choice("8b", 5))
    assert more == pytest.approx(8e9 * (100 + 5 * 10 + 10) / (3e9 * 64))
    assert counted.subtask(stage(), Choice("8b", 5, "majority")) == pytest.approx(
        alone.subtask(stage(), Choice("8b", 5))
    )


def test_a_cost_of_samples_alone_does_not_change_with_the_strategies() -> None:
    assert fused(FlopsCost()) == FlopsCost()
    assert fused(FlopsCost(every_call=True)).settings()["strategies"] == {"qa": "fusion"}


def test_prompts_are_paid_once_a_request_and_cached_ones_at_their_price() -> None:
    cost = PriceCost()
    call = Call(100, 10, generations=4, cached_prompt_tokens=60, requests=2)
    assert cost.call(stage(), LLAMA_8B, call) == pytest.approx(2 * (40 * 0.5 + 60 * 0.1 + 4 * 10 * 2.0) / 1e6)
    apart = PriceCost(shared_prompt=False)
    assert apart.subtask(stage(), Choice("8b", 3)) == pytest.approx((100 * 0.5 + 2 * 100 * 0.1 + 3 * 10 * 2) / 1e6)


def test_cached_tokens_cost_as_much_as_others_where_no_price_says_otherwise() -> None:
    model = Model("m", 1e9, 0.5, 2.0)
    cached = PriceCost().call(stage(), model, Call(100, 10, cached_prompt_tokens=60))
    assert cached == pytest.approx(PriceCost().call(stage(), model, Call(100, 10)))


@given(lengths, lengths, samples)
def test_kinetics_is_flops_plus_intensity_times_the_cache_that_is_read(prompt: int, length: int, count: int) -> None:
    # The terms of the paper: the prompt's cache is read once a step for all samples, each sample's own by itself.
    kv_bytes = 2 * 2 * 32 * 1024
    expected = kv_bytes * (prompt * length + count * length**2 / 2)
    found = KineticsCost(every_call=False).subtask(stage(prompt, length), Choice("8b", count)) * 1e12
    flops = call_flops(LLAMA_8B, Call(prompt, length, generations=count), attention=True)
    assert found - flops == pytest.approx(562.5 * expected, rel=1e-6)


def test_a_batch_shares_the_reading_of_the_weights() -> None:
    alone, shared = KineticsCost(batch=1), KineticsCost(batch=10)
    free = KineticsCost().subtask(stage(), Choice("8b", 3))
    weights = (1 + 3 * 10) * 8e9 * 2 * 562.5 / 1e12
    assert alone.subtask(stage(), Choice("8b", 3)) - free == pytest.approx(weights)
    assert shared.subtask(stage(), Choice("8b", 3)) - free == pytest.approx(weights / 10)


def test_kinetics_refuses_a_model_of_unknown_shape() -> None:
    with pytest.raises(InvalidInput, match="model 'bare' layers, hidden_size and kv_size: unknown"):
        KineticsCost().subtask(stage(), Choice("bare", 1))


MEASURED = Measurements({"qa": {"8b": Measured(200.0, 5.0, 0.25, 0.001, 0.01, 0.1, 12, 16)}})


def test_latency_follows_the_fitted_line_over_calls_in_turn() -> None:
    cost = LatencyCost.measured(MEASURED)
    assert cost.subtask(stage(), Choice("8b", 4)) == pytest.approx(0.25 + 0.001 * 200 + 0.01 * 20 + 0.1 * 5)
    fusing = 0.25 + 0.001 * (200 + 20) + 0.01 * 5 + 0.1 * 5
    assert fused(cost).subtask(stage(), Choice("8b", 4)) - cost.subtask(stage(), Choice("8b", 4)) == pytest.approx(
        fusing
    )


def test_tokens_are_those_measured_and_not_the_typical_ones() -> None:
    cost = TokensCost.measured(MEASURED)
    assert cost.subtask(stage(), Choice("8b", 4)) == pytest.approx(200 + 4 * 5)
    assert fused(cost).subtask(stage(), Choice("8b", 4)) == pytest.approx(200 + 4 * 5 + 220 + 5)


@pytest.mark.parametrize("cost", [LatencyCost, TokensCost])
def test_measured_costs_need_a_measurement_of_every_model(cost: type[LatencyCost]) -> None:
    with pytest.raises(InvalidInput, match="needs measurements"):
        cost()
    with pytest.raises(InvalidInput, match="model 'bare' in subtask 'qa': was not measured"):
        cost.measured(MEASURED).subtask(stage(), Choice("bare", 1))


@pytest.mark.parametrize(
    "table",
    [
        3,
        {"qa": 3},
        {"qa": {"8b": {}}},
        {"qa": {"8b": {**MEASURED.to_dict()["qa"]["8b"], "per_token": -1}}},
        {"qa": {"8b": {**MEASURED.to_dict()["qa"]["8b"], "per_token": "x"}}},
        {"qa": {"8b": {**MEASURED.to_dict()["qa"]["8b"], "more": 1}}},
    ],
)
def test_a_damaged_table_is_refused(table: Any) -> None:
    with pytest.raises(InvalidInput, match="measure"):
        LatencyCost(table=table)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: FlopsCost(attention="yes"), "attention"),
        (lambda: FlopsCost(every_call=1), "every_call"),
        (lambda: PriceCost(shared_prompt=None), "shared_prompt"),
        (lambda: KineticsCost(arithmetic_intensity=0), "arithmetic_intensity"),
        (lambda: KineticsCost(batch=-1), "batch"),
        (lambda: KineticsCost(value_bytes=float("nan")), "value_bytes"),
        (lambda: Model("m", 1e9, layers=0), "layers"),
        (lambda: Model("m", 1e9, hidden_size=1.5), "hidden_size"),
        (lambda: Model("m", 1e9, cached_prompt_price=-1), "cached_prompt_price"),
    ],
)
def test_settings_are_checked_at_the_door(build: Any, field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        build()
