"""What is compared: tasks, searchers, budgets and seeds, checked at the door."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from agent.comparison.budgets import BUDGET_WORDS
from tools.declared import names_misfits
from tools.errors import InvalidInput, UnknownName
from tools.text import shortened
from tools.validation import is_count, require_count, require_instance, require_name, require_plain

MOST_RUNS = 1_000_000
"""Seeds, trials and the like beyond it are slips of the keyboard."""


@dataclass(frozen=True)
class Entry:
    """Something by name, with its options and the label that stands for it in tables (its name by default)."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    def __post_init__(self) -> None:
        require_name("name", self.name)
        require_instance(f"options of {self.name!r}", self.options, Mapping)
        require_plain(f"option of {self.name!r}", self.options)
        object.__setattr__(self, "label", self.label or self.name)


class TaskEntry(Entry):
    """A task to compare on."""


class SearcherEntry(Entry):
    """A searcher to compare."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One problem of the plan, which every searcher gets: positions of task and budget, and the seed."""

    task: int
    budget: int
    seed: int


@names_misfits
@dataclass(frozen=True)
class Plan:
    """A comparison in plain values; it pickles, and says in summary.json what was done.

    Every searcher runs `trials` trials, proposed `batch` at a time, on every task within every
    budget for every seed. Seed s is the searcher's seed and the draw of a simulated task, so that
    one seed is one problem, the same for all searchers; seeds are `first_seed` and the next ones.
    `budgets` are numbers in the cost's unit or words (low, medium, high, default); `cost` names
    another cost model than the tasks' own. Searchers are judged after `checkpoints` trials as well as
    at the end; those beyond `trials` are left out. `reference` is the label of the searcher that the others
    are paired with, the first by default. A run has arrived when its best allocation is truly
    within `within` (relative) of the oracle's score; scores that differ by at most
    `tie_tolerance` are tied. Raises InvalidInput naming the field.
    """

    tasks: tuple[TaskEntry, ...]
    searchers: tuple[SearcherEntry, ...]
    seeds: int = 20
    trials: int = 50
    batch: int = 10
    budgets: tuple[float | str, ...] = ("default",)
    cost: str | None = None
    cost_settings: Mapping[str, Any] = field(default_factory=dict)
    reference: str = ""
    first_seed: int = 1
    checkpoints: tuple[int, ...] = (10, 25, 50)
    within: float = 0.01
    tie_tolerance: float = 0.005

    def __post_init__(self) -> None:
        for name in ("seeds", "trials", "batch", "first_seed"):
            require_count(name, getattr(self, name), MOST_RUNS)
        for name in ("within", "tie_tolerance"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise InvalidInput(name, f"must be a number from 0 to below 1, got {shortened(value)}")
        if not all(is_count(trial) for trial in self.checkpoints):
            raise InvalidInput("checkpoints", f"must be whole numbers of 1 or more, got {shortened(self.checkpoints)}")
        object.__setattr__(self, "checkpoints", tuple(sorted({c for c in self.checkpoints if c <= self.trials})))
        _require_distinct("tasks", [entry.label for entry in self.tasks])
        _require_distinct("searchers", [entry.label for entry in self.searchers])
        for budget in self.budgets:
            _check_budget(budget)
        _require_distinct("budgets", self.budget_labels)
        labels = [entry.label for entry in self.searchers]
        object.__setattr__(self, "reference", self.reference or labels[0])
        if self.reference not in labels:
            raise UnknownName("reference", self.reference, labels)

    @property
    def budget_labels(self) -> list[str]:
        """The budgets as tables name them."""
        return [budget if isinstance(budget, str) else f"{budget:g}" for budget in self.budgets]

    @property
    def last_seed(self) -> int:
        """The seeds are first_seed to last_seed."""
        return self.first_seed + self.seeds - 1

    @property
    def cells(self) -> Iterator[Cell]:
        """Every problem, in the order of the results. Budgets of one draw follow each other."""
        for task in range(len(self.tasks)):
            for seed in range(self.first_seed, self.last_seed + 1):
                for budget in range(len(self.budgets)):
                    yield Cell(task, budget, seed)

    @property
    def runs(self) -> int:
        """How many searches the plan has."""
        return len(self.tasks) * len(self.budgets) * self.seeds * len(self.searchers)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as summary.json holds them."""
        return asdict(self)


def _require_distinct(field_name: str, labels: Sequence[str]) -> None:
    if not labels:
        raise InvalidInput(field_name, "needs at least one")
    doubled = sorted({label for label in labels if labels.count(label) > 1})
    if doubled:
        raise InvalidInput(field_name, f"{doubled[0]!r} stands twice; give each its own label")


def _check_budget(budget: float | str) -> None:
    if isinstance(budget, str):
        if budget not in BUDGET_WORDS:
            raise UnknownName("budgets", budget, BUDGET_WORDS)
    elif isinstance(budget, bool) or not (math.isfinite(budget) and budget > 0):
        raise InvalidInput(
            "budgets", f"must be numbers above zero or {', '.join(BUDGET_WORDS)}, got {shortened(budget)}"
        )
