"""The contract of a task: examples, and for each subtask its prompts, parser, vote and metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from environment.backend import Backend
from environment.simulation import Simulation
from environment.strategy import STRATEGIES
from storage.sample import Message, SamplingParameters
from tools.cost import CostModel
from tools.declared import names_misfits
from tools.errors import InvalidInput, UnknownName
from tools.limits import Cap
from tools.registry import Registry, built
from tools.space import Allocation, SearchSpace, Subtask

if TYPE_CHECKING:
    from environment.sampler import Sampler
    from environment.trial_runner import TrialRunner


class Example(Protocol):
    """One problem with its gold answer. `id` is stable: scores of two trials pair by it."""

    @property
    def id(self) -> str: ...


class Stage(ABC):
    """How one subtask is carried out on an example.

    Outputs are the stage's parsed answers (any hashable value): made by `parse` or `vote`, handed
    to later stages in `upstream` (subtask name to output) and judged by `score`. Pure throughout.
    An empty `metric` says that the stage has no score of its own, which all but the last may.
    """

    name: str
    metric: str
    sampling: SamplingParameters

    @abstractmethod
    def messages(self, example: Any, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        """The prompt of one sample."""

    @abstractmethod
    def fusion_messages(
        self, example: Any, upstream: Mapping[str, Any], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        """The prompt that shows the model its own responses and asks for one answer."""

    @abstractmethod
    def parse(self, text: str, example: Any) -> Any:
        """The output in a response. Model text is hostile: any text gives an output, no error."""

    @abstractmethod
    def vote(self, outputs: Sequence[Any]) -> Any:
        """The output that a majority of parsed outputs supports."""

    @abstractmethod
    def score(self, output: Any, example: Any) -> float:
        """The stage's metric for one example, in [0, 1]."""

    async def prepare(self, example: Any, upstream: Mapping[str, Any]) -> None:
        """Called before a strategy asks for prompts: what is slow in them is done here, off the event loop."""
        return

    async def judge(self, output: Any, example: Any) -> float:
        """`score` as the executor asks for it; where it is slow, it is computed off the event loop."""
        return self.score(output, example)


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


@names_misfits
def load_task(name: str, /, **options: Any) -> Task:
    """The task called `name`: a registered one, a pipeline file (.yaml, .yml), or MODULE:ATTRIBUTE.

    Raises UnknownName, or InvalidInput on an unusable option or a faulty pipeline.
    """
    if name.endswith((".yaml", ".yml")) or ":" in name:
        from environment.pipelines.loading import load_pipeline

        return load_pipeline(name, options)
    return built(f"task {name!r}", TASKS.get(name), options)
