"""The contract of a searcher: ask for allocations, tell what they scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agent.metering import Meter
from storage.transcript import Transcript
from tools.cost import CostModel
from tools.cost_table import CostTable
from tools.errors import AgentttsError
from tools.limits import Cap, Limits
from tools.registry import Registry, built
from tools.space import Allocation, Model, SearchSpace
from tools.trial import Guideline, Trial
from tools.validation import require_seed

Keep = Callable[[int, Transcript], object]
"""Takes a model call and its place, counted from 0 within the session."""


@dataclass(frozen=True)
class Problem:
    """What a searcher is told before it starts; it sees no examples and no answers.

    `metrics` names each subtask's metric; the last subtask's is the one to maximise. `caps` limit
    further costs beside the budget: what exceeds one of them is as infeasible as what exceeds the
    budget.
    """

    space: SearchSpace
    cost: CostModel
    budget: float
    task: str = "objective"
    description: str = ""
    metrics: Mapping[str, str] = field(default_factory=dict)
    caps: Sequence[Cap] = ()

    @property
    def limits(self) -> Limits:
        """The budget and the caps as one."""
        return Limits(self.budget, self.cost, self.caps)

    @cached_property
    def cost_table(self) -> CostTable:
        """What every choice costs, for reckoning with many allocations at once."""
        return CostTable(self.space, self.limits)

    def feasible(self, allocation: Allocation) -> bool:
        """Whether an allocation is within the budget and every cap. Raises InvalidAllocation."""
        return self.space.feasible(allocation, self.budget, self.cost, self.caps)

    def require_feasible(self, allocation: Allocation) -> float:
        """The cost of an allocation. Raises InvalidAllocation, or BudgetExceeded with the numbers."""
        return self.space.require_feasible(allocation, self.budget, self.cost, self.caps)

    def count(self) -> int:
        """Exactly how many allocations are feasible."""
        return self.cost_table.count()

    def allocations(self) -> Iterator[Allocation]:
        """Lazily, every feasible allocation, in a fixed order."""
        return (Allocation(self.cost_table.chosen(pick)) for pick in self.cost_table.fitting())


@dataclass(frozen=True, slots=True)
class Proposal:
    """An allocation to try, who proposed it and why."""

    allocation: Allocation
    origin: str
    reason: str = ""


class Searcher(ABC):
    """Proposes allocations.

    Built once per session as `SearcherClass(problem, seed, **options)`; two searchers with equal
    arguments that are told the same trials make the same proposals. Driven by Search alone:
    `ask(n)`, then `tell` with every trial of that batch, complete or failed, then `conclude`.
    Between an ask and its tell there is no other ask. Search validates, and drops proposals that
    were tried before; a searcher may propose fewer than `n`, and proposing none ends the search.
    """

    name: str

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.seed = seed

    @abstractmethod
    def ask(self, n: int) -> list[Proposal]:
        """Up to `n` new allocations, all feasible. The first ask may exceed `n`: the
        initial trials of Algorithm 1 belong together."""

    @abstractmethod
    def tell(self, trials: Sequence[Trial]) -> None:
        """The finished trials of the last ask, in any order; a failed one has no score.

        Search tells these alone. Where others put trials into the same study (AgentTTSSampler), some are
        of earlier asks or were never proposed; all of them are feasible.
        """

    @property
    def paid_model(self) -> Model | None:
        """The model with prices that the searcher itself calls, where it does."""
        return None

    def metered(self, meter: Meter) -> None:  # noqa: B027 - most searchers call no model
        """Called before the first ask of a session: what counts the model calls that are made from then on."""

    def conclude(self) -> Guideline | None:
        """What was learnt from the last batch; None for searchers that do not explain."""
        return None

    def listen(self, keep: Keep) -> None:  # noqa: B027 - most searchers call no model
        """Called before the first ask of a session: who keeps its model calls, so that none is ever paid again.

        `keep` is told of a call as soon as it is answered, before the next one is made, from the thread that
        asks; and again, under the same place, where it turns out that the answer is not used (`accepted`,
        `problem`). It returns once the call is kept; what it raises ends the ask. It hears of calls that
        `replay` answers as well.
        """

    def replay(self, transcripts: Sequence[Transcript]) -> None:  # noqa: B027 - most searchers call no model
        """Called before the first ask of a resumed session: model calls that were already made.

        Those calls are answered from here, in their order, and not made again. They may end anywhere,
        also in the midst of an ask; what is still to be asked is decided as if there had been no pause.
        Whether an answer was used is found out anew: `accepted` and `problem` of the last one may not tell it.
        """

    @classmethod
    def rehearsing(
        cls, problem: Problem, seed: int, transcripts: Sequence[Transcript], options: Mapping[str, Any]
    ) -> Searcher:
        """A searcher for the replay of a log, which anyone may have written: it opens no file and no connection.

        Every model call is answered from `transcripts`, in their order, and who listens hears of them again
        as the searcher notes them now. `ask` and `conclude` raise Diverged where another call is wanted
        than the next of them. Raises InvalidInput.
        """
        return built(f"searcher {cls.name!r}", cls, options, problem, seed)

    @classmethod
    def portable(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options as sessions store them: with the content of the files that they name. Raises InvalidInput."""
        return dict(options)


class Diverged(AgentttsError):
    """In a replay, a model call is another one than the logged one; `call` counts from 0 within the session."""

    def __init__(self, message: str, call: int, field: str, logged: object, replayed: object) -> None:
        super().__init__(message)
        self.call = call
        self.field = field
        self.logged = logged
        self.replayed = replayed


SEARCHERS: Registry[type[Searcher]] = Registry("searcher", "agenttts.searchers")


def build_searcher(name: str, problem: Problem, seed: int, /, **options: Any) -> Searcher:
    """The searcher called `name`, ready to ask. Raises UnknownName, also for an option it lacks; InvalidInput."""
    require_seed("seed", seed)
    return built(f"searcher {name!r}", SEARCHERS.get(name), options, problem, seed)


def rehearsing_searcher(
    name: str, problem: Problem, seed: int, transcripts: Sequence[Transcript], options: Mapping[str, Any]
) -> Searcher:
    """The searcher called `name` for the replay of a log (Searcher.rehearsing). Raises UnknownName, InvalidInput."""
    require_seed("seed", seed)
    return SEARCHERS.get(name).rehearsing(problem, seed, transcripts, options)
