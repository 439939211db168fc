from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from agenttts.testing.strategies import Drawer, StrategyConformance, digits
from environment.strategies.fusion import Fusion
from environment.strategies.majority import Majority
from environment.strategy import STRATEGIES, StageRun, Strategy


class TestFusion(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Fusion()

    def test_it_reads_its_own_samples_greedily(self, run_of: Callable[..., StageRun]) -> None:
        run, draw = run_of(4), Drawer(digits)
        asyncio.run(Fusion().run(run, draw))
        (sampled, count), (fusing, once) = draw.drawn
        assert (count, once) == (4, 1)
        assert fusing.sampling.temperature == 0
        for index in range(4):
            assert digits(sampled, index) in fusing.messages[-1].content

    def test_one_sample_needs_no_fusion(self, run_of: Callable[..., StageRun]) -> None:
        draw = Drawer(digits)
        asyncio.run(Fusion().run(run_of(1), draw))
        assert [count for _, count in draw.drawn] == [1]

    def test_more_samples_extend_fewer(self, run_of: Callable[..., StageRun]) -> None:
        few, many = Drawer(digits), Drawer(digits)
        asyncio.run(Fusion().run(run_of(2), few))
        asyncio.run(Fusion().run(run_of(5), many))
        assert few.drawn[0][0] == many.drawn[0][0], "the stored samples are used again"


class TestMajority(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Majority()

    def test_the_most_frequent_output_wins_with_one_draw(self, run_of: Callable[..., StageRun]) -> None:
        draw = Drawer(lambda request, index: "2" if index % 3 else "5")
        assert asyncio.run(Majority().run(run_of(6), draw)) == "2"
        assert [count for _, count in draw.drawn] == [6]


def test_the_strategies_are_found_by_name() -> None:
    assert {name: STRATEGIES.get(name) for name in ("fusion", "majority")} == {"fusion": Fusion, "majority": Majority}
