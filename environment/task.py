"""The contract of a task: its stages, its space, its examples and its backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from environment.backend import Backend
from environment.simulation import Simulation
from environment.stage import Example, Stage
from environment.strategy import STRATEGIES
from tools.cost import CostModel
from tools.errors import InvalidInput, UnknownName
from tools.limits import Cap
from tools.registry import Registry
from tools.space import Allocation, Model, SearchSpace, Subtask
from tools.spending import is_priced

if TYPE_CHECKING:
    from environment.sampler import Sampler
    from environment.trial_runner import TrialRunner


SEARCH = "search"
HELD_OUT = "held-out"


@dataclass(frozen=True)
class Task:
    """A pipeline to search: its stages in order, its space, its examples and its backends.

    `search_examples` judge trials; `held_out_examples` judge the result once. `strategies` names
    the strategy of each subtask whose allocations name none. `connect` opens the backend of a model
    by name; several names may share one backend. `recorded_from` tells, for recorded tasks, which
    models wrote the generations. `options` are the plain values that rebuild the task by
    `load_task`. `budget` is the default one, in the unit of `cost`; `caps` limit further costs of
    every allocation that is run. `runner` makes what runs trials
    that do not go stage by stage. `digest` identifies the files and functions that a person may
    change between a session and its resumption; "" where the package alone decides.
    `allocation` is the one to work with, where a pipeline names one.

    A simulated task has a `simulation` in place of stages, strategies and backends, and says
    "simulated" in its description.
    """

    name: str
    description: str
    stages: tuple[Stage, ...]
    space: SearchSpace
    cost: CostModel
    search_examples: Sequence[Example]
    held_out_examples: Sequence[Example]
    strategies: Mapping[str, str]
    connect: Callable[[], Mapping[str, Backend]]
    recorded_from: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    simulation: Simulation | None = None
    budget: float | None = None
    caps: Sequence[Cap] = ()
    runner: MakeRunner | None = None
    digest: str = ""
    allocation: Allocation | None = None

    def __post_init__(self) -> None:
        stages, subtasks = list(self.metrics), [s.name for s in self.space.subtasks]
        if stages != subtasks:
            raise InvalidInput(f"task {self.name!r} stages", f"are {stages}, but the space's subtasks are {subtasks}")
        if missing := {s.name for s in self.stages} - set(self.strategies):
            raise InvalidInput(f"task {self.name!r} strategies", f"missing for: {', '.join(sorted(missing))}")
        if not self.metrics[subtasks[-1]]:
            raise InvalidInput(f"task {self.name!r} metric", f"missing for {subtasks[-1]!r}: the last stage needs one")
        for subtask in self.space.subtasks:
            self._check_listed(subtask)
        object.__setattr__(self, "cost", self.cost.with_strategies(self.strategies))
        caps = tuple(replace(cap, cost=cap.cost.with_strategies(self.strategies)) for cap in self.caps)
        object.__setattr__(self, "caps", caps)
        for stage in self.stages:
            for name in self.strategies_of(stage.name):
                STRATEGIES.get(name)().require(stage)

    @property
    def metrics(self) -> Mapping[str, str]:
        """Each subtask's metric, in pipeline order."""
        return self.simulation.metrics if self.simulation else {stage.name: stage.metric for stage in self.stages}

    @property
    def simulated(self) -> bool:
        """Whether a simulation answers, so that no model is run; then every output must say so."""
        return self.simulation is not None

    @property
    def priced_models(self) -> Mapping[str, Model]:
        """The models that a run pays for: those with prices, where no recording or simulation answers."""
        if self.recorded_from or self.simulated:
            return {}
        return {model.name: model for subtask in self.space.subtasks for model in subtask.models if is_priced(model)}

    def strategies_of(self, subtask: str) -> tuple[str, ...]:
        """Every strategy that a subtask may run."""
        return self.space[subtask].strategies or (self.strategies[subtask],)

    def require_feasible(self, allocation: Allocation, budget: float) -> None:
        """Raises InvalidAllocation, or BudgetExceeded beyond the budget or a cap."""
        self.space.require_feasible(allocation, budget, self.cost, self.caps)

    def examples(self, split: str) -> Sequence[Example]:
        """The examples of a split, SEARCH or HELD_OUT."""
        return self.search_examples if split == SEARCH else self.held_out_examples

    def _check_listed(self, subtask: Subtask) -> None:
        """Raises InvalidInput where the space lists what the task cannot run."""
        field = f"subtask {subtask.name!r}"
        if self.simulated and (subtask.strategies or subtask.temperatures):
            raise InvalidInput(field, "lists strategies or temperatures, which a simulated task does not have")
        known = STRATEGIES.names() if subtask.strategies else []
        for name in subtask.strategies:
            if name not in known:
                raise UnknownName(f"{field} strategies", name, known)


MakeRunner = Callable[[Task, "Sampler", float], "TrialRunner"]
"""Makes the runner of a task's trials, from how its samples are drawn and the budget."""

TaskFactory = Callable[..., Task]
"""Builds a task from plain keyword options; raises InvalidInput on a wrong one."""

TASKS: Registry[TaskFactory] = Registry("task", "agenttts.tasks")
