"""The contract of a cost model, as tests: `tools.cost.CostModel`."""

from __future__ import annotations

import json
import math
from typing import ClassVar

import pytest

from tools.cost import CostModel
from tools.errors import UnknownName
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask


class CostConformance:
    """Every cost model passes these. Override `cost`, and `space` where its models need more.

    The default space has three models with prices and shapes, and two subtasks.
    """

    samples: ClassVar[tuple[int, ...]] = (1, 2, 3, 7, 20, 100)

    @pytest.fixture
    def cost(self) -> CostModel:
        """The cost model under test."""
        raise NotImplementedError

    @pytest.fixture
    def space(self) -> SearchSpace:
        """The space to price."""
        models = [
            Model("1b", 1e9, 0.1, 0.2, cached_prompt_price=0.01, layers=16, hidden_size=2048, kv_size=512),
            Model("8b", 8e9, 0.5, 1.0, cached_prompt_price=0.05, layers=32, hidden_size=4096, kv_size=1024),
            Model("70b", 70e9, 2.0, 4.0, layers=80, hidden_size=8192, kv_size=1024),
        ]
        return SearchSpace(
            [
                Subtask("retrieval", models, prompt_tokens=2048, generation_tokens=128),
                Subtask("qa", models, prompt_tokens=256, generation_tokens=64),
            ],
            sample_counts=self.samples,
        )

    def test_it_has_a_name_and_a_unit(self, cost: CostModel) -> None:
        """Both are shown to people: in tables, in messages on exceeded budgets."""
        assert cost.name.strip()
        assert cost.unit.strip()

    def test_every_choice_has_one_finite_cost(self, cost: CostModel, space: SearchSpace) -> None:
        """Pure: the same choice always costs the same finite number."""
        for subtask in space.subtasks:
            for choice in space.choices(subtask):
                value = cost.subtask(subtask, choice)
                assert math.isfinite(value)
                assert cost.subtask(subtask, choice) == value

    def test_it_does_not_fall_when_only_samples_rise(self, cost: CostModel, space: SearchSpace) -> None:
        """Searchers rely on it: if k samples do not fit a budget, no larger number does."""
        for subtask in space.subtasks:
            for model in subtask.models:
                costs = [cost.subtask(subtask, Choice(model.name, count)) for count in space.sample_counts]
                assert costs == sorted(costs)

    def test_the_total_is_the_sum_over_subtasks(self, cost: CostModel, space: SearchSpace) -> None:
        """Counting and enumerating what fits a budget add the subtasks' costs."""
        for allocation in space.allocations(math.inf, cost):
            parts = [cost.subtask(subtask, allocation[subtask.name]) for subtask in space.subtasks]
            assert cost.total(space, allocation) == pytest.approx(sum(parts))

    def test_a_foreign_model_is_refused_by_name(self, cost: CostModel, space: SearchSpace) -> None:
        """A model that the subtask does not list raises UnknownName."""
        with pytest.raises(UnknownName, match="no-such-model"):
            cost.subtask(space.subtasks[0], Choice("no-such-model", 1))

    def test_its_settings_rebuild_it(self, cost: CostModel, space: SearchSpace) -> None:
        """Sessions store the settings as JSON and build the same model from them."""
        rebuilt = type(cost)(**json.loads(json.dumps(cost.settings())))
        assert rebuilt.settings() == cost.settings()
        for allocation in space.allocations(math.inf, cost):
            assert rebuilt.total(space, allocation) == cost.total(space, allocation)

    def test_the_default_budget_fits_the_largest_models(self, cost: CostModel, space: SearchSpace) -> None:
        """One sample of every subtask's largest model is the default budget, and is within it."""
        budget = space.default_budget(cost)
        largest = Allocation({s.name: Choice(s.largest.name, space.sample_counts[0]) for s in space.subtasks})
        assert space.feasible(largest, budget, cost)
        assert 1 <= space.count(budget, cost) <= space.count(math.inf, cost)
