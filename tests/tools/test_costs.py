from __future__ import annotations

import csv
from pathlib import Path

import pytest

from agenttts.testing.costs import CostConformance
from tools.cost import COSTS, CostModel
from tools.errors import InvalidInput, UnknownName
from tools.flops import FlopsCost
from tools.kinetics import KineticsCost
from tools.latency import LatencyCost
from tools.measured import Measured, Measurements
from tools.price import PriceCost
from tools.space import Choice, Model, SearchSpace, Subtask
from tools.tokens import TokensCost


class TestFlops(CostConformance):
    @pytest.fixture
    def cost(self) -> CostModel:
        return FlopsCost()


class TestFlopsAboveItsBase(CostConformance):
    @pytest.fixture
    def cost(self) -> CostModel:
        return FlopsCost(base_parameters=70e9, base_prompt_tokens=4096, base_generation_tokens=1)


class TestFlopsOfEveryCallWithAttention(CostConformance):
    @pytest.fixture
    def cost(self) -> CostModel:
        return FlopsCost(attention=True, every_call=True, strategies={"retrieval": "fusion", "qa": "majority"})


class TestPrice(CostConformance):
    @pytest.fixture
    def cost(self) -> CostModel:
        return PriceCost(examples=3)


class TestPriceOfUnsharedPrompts(CostConformance):
    @pytest.fixture
    def cost(self) -> CostModel:
        return PriceCost(shared_prompt=False, strategies={"retrieval": "fusion", "qa": "fusion"})


class TestKinetics(CostConformance):
    @pytest.fixture
    def cost(self) -> CostModel:
        return KineticsCost(strategies={"retrieval": "fusion"})


class TestKineticsOfASmallBatch(CostConformance):
    @pytest.fixture
    def cost(self) -> CostModel:
        return KineticsCost(arithmetic_intensity=300, batch=4, value_bytes=1)


class TestLatency(CostConformance):
    @pytest.fixture
    def cost(self) -> CostModel:
        return LatencyCost.measured(MEASUREMENTS, strategies={"retrieval": "fusion", "qa": "fusion"})


class TestTokens(CostConformance):
    @pytest.fixture
    def cost(self) -> CostModel:
        return TokensCost.measured(MEASUREMENTS, strategies={"retrieval": "fusion"})


MEASUREMENTS = Measurements(
    {
        subtask: {
            "1b": Measured(300.5, 12.25, 0.01, 1e-5, 1e-3, 0.0, 40, 16),
            "8b": Measured(300.5, 10.0, 0.01, 1e-4, 0.0, 0.02, 40, 16),
            "70b": Measured(310.0, 0.0, 0.0, 1e-3, 1e-3, 0.05, 40, 16),
        }
        for subtask in ("retrieval", "qa")
    }
)


PAPER = Path(__file__).parents[3] / "shared" / "paper"


def paper_rows(name: str) -> list[dict[str, str]]:
    if not PAPER.is_dir():
        pytest.skip("the paper's tables are not beside the checkout")
    with (PAPER / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_flops_reproduce_the_papers_table_5() -> None:
    lengths = {r["subtask"]: (int(r["prompt_tokens"]), int(r["generation_tokens"])) for r in paper_rows("table4.csv")}
    checked = 0
    for row in paper_rows("table5.csv"):
        for column in [c for c in row if c in lengths]:
            prompt, generation = lengths[column]
            model = Model(row["model"], float(row["parameters"]))
            subtask = Subtask(column, [model], prompt_tokens=prompt, generation_tokens=generation)
            tolerance = 1.2 if column == "webqsp-qa" else 1.0
            assert FlopsCost().subtask(subtask, Choice(model.name, 1)) == pytest.approx(
                float(row[column]), abs=tolerance + 1e-9
            )
            checked += 1
    assert checked == 88


def test_default_budget_of_two_wiki_is_the_papers() -> None:
    space = SearchSpace(
        [
            Subtask("retrieval", [Model("7b", 7e9), Model("72b", 72e9)], prompt_tokens=2048, generation_tokens=128),
            Subtask("qa", [Model("3b", 3e9), Model("70b", 70e9)], prompt_tokens=256, generation_tokens=64),
        ]
    )
    assert space.default_budget(FlopsCost()) == pytest.approx(929, abs=1)


def test_theorem_1_is_flops_over_the_base_decode_less_the_base_prompt() -> None:
    base = FlopsCost(base_parameters=1e9, base_prompt_tokens=100, base_generation_tokens=10)
    subtask = Subtask("s", [Model("m", 2e9)], prompt_tokens=300, generation_tokens=20)
    assert base.subtask(subtask, Choice("m", 7)) == pytest.approx(2 * (300 + 7 * 20) / 10 - 100 / 10)


def test_price_pays_the_prompt_once_and_each_generation() -> None:
    model = Model("m", 1e9, prompt_price=2.0, generation_price=10.0)
    subtask = Subtask("s", [model], prompt_tokens=1000, generation_tokens=100)
    assert PriceCost().subtask(subtask, Choice("m", 5)) == pytest.approx((1000 * 2 + 5 * 100 * 10) / 1e6)
    assert PriceCost(examples=50).subtask(subtask, Choice("m", 5)) == pytest.approx(50 * 7000 / 1e6)


def test_price_refuses_a_model_without_prices() -> None:
    subtask = Subtask("s", [Model("m", 1e9)], prompt_tokens=10, generation_tokens=10)
    with pytest.raises(InvalidInput, match="prompt_price"):
        PriceCost().subtask(subtask, Choice("m", 1))


@pytest.mark.parametrize("field", ["base_parameters", "base_prompt_tokens", "base_generation_tokens"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True])
def test_flops_base_must_be_positive(field: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=field):
        FlopsCost(**{field: value})


def test_costs_are_found_by_name_and_rebuilt_from_their_settings() -> None:
    base = FlopsCost(base_parameters=1e9)
    assert COSTS.get("flops")(**base.settings()) == base
    assert COSTS.get("price") is PriceCost
    with pytest.raises(UnknownName, match="did you mean 'flops'"):
        COSTS.get("flop")
