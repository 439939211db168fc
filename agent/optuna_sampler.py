"""AgentTTSSampler: any searcher as a sampler of someone else's Optuna study."""

from __future__ import annotations

import math
import pickle
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from agent.feasible import FeasibleSpace
from agent.optuna_allocations import (
    COST,
    GUIDELINE,
    ORIGIN,
    REASON,
    STAGE_SCORES,
    allocation_in,
    closest,
    excesses,
    parameter,
    parameter_distributions,
    parameters_of,
    parts_of,
)
from agent.search import checked_problem
from agent.searcher import Problem, Proposal, Searcher, build_searcher
from tools.cost import CostModel
from tools.errors import BudgetExceeded, InvalidInput
from tools.flops import FlopsCost
from tools.limits import Cap
from tools.space import Allocation, SearchSpace
from tools.trial import Guideline, StageScore, Trial, TrialState
from tools.validation import MOST_SEED, require_count, require_seed

if TYPE_CHECKING:
    from optuna.study import Study

PLANNED = "agenttts:allocation"
"""System attribute of a trial: the parameters of the allocation that was proposed for it."""
CONSTRAINT = "constraints:{}"
"""Where Optuna keeps the constraint of a name (`Trial.set_constraint`), for trials that are frozen."""
RETRIES = 3
"""How often the searcher is asked again where everything it proposed is taken."""
FINISHED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL)


class AgentTTSSampler(BaseSampler):
    """Proposes whole allocations within a budget, by any searcher of agenttts; for one objective.

    The objective calls `suggest_allocation(trial)`, or suggests parameters named "stage.model",
    "stage.samples", and "stage.strategy" and "stage.temperature" where the space lists these, with
    distributions of its own. Parameters of other names are left to `independent_sampler`.

    A trial's allocation is decided when its first parameter is suggested. The searcher is told every
    finished trial of the study that holds an allocation within the budget, whoever proposed it:
    complete ones with their value (negated where the study minimises), failed and pruned ones, and
    those that break a constraint of the study, as tried and without a score. `report_stage_scores`
    tells it more. What exceeds the budget and each cap is recorded as a constraint of the trial.

    Threads of one study may share a sampler. Each process has its own, and no two give one allocation
    to two trials, as long as the storage shows what was written before a read.
    """

    def __init__(
        self,
        space: SearchSpace,
        budget: float | None = None,
        *,
        cost: CostModel | None = None,
        caps: Sequence[Cap] = (),
        searcher: str = "planner",
        seed: int | None = None,
        batch: int = 1,
        task: str = "objective",
        description: str = "",
        metrics: Mapping[str, str] | None = None,
        independent_sampler: BaseSampler | None = None,
        **options: Any,
    ) -> None:
        """`budget`, `cost`, `caps`, `metrics` and `options` are as for Search; a `seed` of None is drawn.

        `batch` allocations are asked of the searcher at a time: 1 learns from every trial, more call
        a language model less often. Raises InvalidInput and its kinds.
        """
        require_count("batch", batch)
        if seed is None:
            seed = int(np.random.default_rng().integers(MOST_SEED))
        require_seed("seed", seed)
        cost = cost or FlopsCost()
        budget = space.default_budget(cost) if budget is None else budget
        problem = Problem(space, cost, budget, task, description, dict(metrics or {}), tuple(caps))
        self.problem = checked_problem(problem)
        self.seed, self.batch = seed, batch
        self.guidelines: list[Guideline] = []
        """What the searcher has concluded so far, where it explains itself."""
        self._named, self._options = searcher, options
        self._independent = RandomSampler(seed=seed) if independent_sampler is None else independent_sampler
        self._space = FeasibleSpace(self.problem)
        self._places = {parameter(s.name, part): (s.name, part) for s in space.subtasks for part in parts_of(s)}
        self._lock = threading.RLock()
        self._study: str | None = None
        self._count: int | None = None
        self._begin()

    def suggest_allocation(self, trial: optuna.trial.BaseTrial) -> Allocation:
        """The allocation that a trial is to run, as its parameters.

        Whichever sampler the study has, one over the budget or a cap is never returned: its excess is
        recorded as a constraint, and TrialPruned is raised with the numbers.
        """
        for name, distribution in parameter_distributions(self.problem.space).items():
            if isinstance(distribution, optuna.distributions.CategoricalDistribution):
                trial.suggest_categorical(name, distribution.choices)
            elif isinstance(distribution, optuna.distributions.IntDistribution):
                trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
        allocation = allocation_in(self.problem.space, trial.params)
        if allocation is None:
            raise InvalidInput("trial", f"its parameters are no allocation of {self.problem.space!r}")
        if isinstance(trial, optuna.trial.Trial):
            for name, excess in excesses(self.problem, allocation).items():
                if name not in trial.constraints:
                    trial.set_constraint(name, excess)
        try:
            self.problem.require_feasible(allocation)
        except BudgetExceeded as error:
            raise optuna.TrialPruned(str(error)) from error
        return allocation

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        # Relative sampling would prescribe the distributions; an allocation can be handed out under any.
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._raise_error_if_multi_objective(study)
        return {name: self.sample_independent(study, trial, name, kind) for name, kind in search_space.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        self._raise_error_if_multi_objective(study)
        if param_name in self._places:
            with self._lock:
                allocation = self._agreeing(study, trial, param_name, param_distribution)
            if allocation is not None:
                return parameters_of(allocation)[param_name]
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: optuna.trial.TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._independent.after_trial(study, trial, state, values)
        allocation = self._allocation(trial)
        if allocation is None:
            return
        storage, number = study._storage, trial._trial_id
        if state in (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED):
            for name, excess in excesses(self.problem, allocation).items():
                if name not in trial.constraints:
                    storage.set_trial_system_attr(number, CONSTRAINT.format(name), excess)
        storage.set_trial_user_attr(number, COST, self.problem.cost.total(self.problem.space, allocation))
        with self._lock:
            others = [self._allocation(other) for other in self._trials(study) if other.state in FINISHED]
            tried = {other for other in [*others, allocation] if other is not None and self._space.fits(other)}
            if self._count is None:
                self._count = self.problem.count()
        if len(tried) >= self._count:
            try:
                study.stop()
            except RuntimeError:  # driven by ask and tell, where the caller decides
                return

    def reseed_rng(self) -> None:
        # Threads share the searcher, whose proposals never repeat.
        self._independent.reseed_rng()

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = self.__dict__.copy()
        del state["_lock"]
        try:
            pickle.dumps(self._searcher)
        except (pickle.PicklingError, TypeError, AttributeError):
            # One with a connection begins anew, and learns the study's trials again.
            state |= {"_searcher": None, "_told": set(), "_queue": []}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    def _begin(self) -> None:
        """Knows nothing yet of a study."""
        self._searcher: Searcher | None = build_searcher(self._named, self.problem, self.seed, **self._options)
        self._rng = np.random.default_rng(self.seed)
        self._told: set[int] = set()
        self._queue: list[Proposal] = []
        self._asks = 0

    def _agreeing(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Allocation | None:
        """The trial's allocation, changed where needed to agree with what the trial has and the distribution allows."""
        held = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        held = {known: value for known, value in held.items() if known in self._places}
        planned = self._planned(study, trial)
        if planned is None:
            planned = self._propose(study, trial)

        def agrees(subtask: str, part: str, value: Any) -> bool:
            asked = parameter(subtask, part)
            return (held[asked] == value if asked in held else True) and (asked != name or _allows(distribution, value))

        if all(agrees(*self._places[known], value) for known, value in parameters_of(planned).items()):
            return planned
        changed = closest(self._space, planned, agrees, {self._places[known][0] for known in [*held, name]}, self._rng)
        if changed is not None:
            self._plan(study, trial, Proposal(changed, self._named, "completes what was given"))
        return changed

    def _propose(self, study: Study, trial: FrozenTrial) -> Allocation:
        if self._study not in (None, study.study_name):
            self._begin()
        self._study = study.study_name
        others = [other for other in self._trials(study) if other.number != trial.number]
        taken = {allocation for other in others if (allocation := self._allocation(other)) is not None}
        while True:
            proposal = self._next(study, others, taken)
            self._plan(study, trial, proposal)
            # Another process may have planned the same meanwhile; of the two, who reads last sees both.
            now = {self._allocation(other) for other in self._trials(study) if other.number != trial.number}
            if proposal.allocation not in now or proposal.allocation in taken:
                return proposal.allocation
            taken.add(proposal.allocation)
            self._queue.append(proposal)

    def _next(self, study: Study, others: Sequence[FrozenTrial], taken: set[Allocation]) -> Proposal:
        for _ in range(RETRIES):
            for place, proposal in enumerate(self._queue):
                if proposal.allocation not in taken:
                    return self._queue.pop(place)
            self._queue = []
            searcher = self._learn(study, others)
            self._queue = searcher.ask(self.batch)
            self._asks += 1
            if not self._queue:
                break
        untried = self._space.untried({one for one in taken if self._space.fits(one)}, self._rng)
        if untried is None:
            return Proposal(self._space.random(self._rng), "random", "everything that fits was tried")
        return Proposal(untried, "random", f"{self._named} proposed nothing new")

    def _learn(self, study: Study, others: Sequence[FrozenTrial]) -> Searcher:
        """The searcher, once it knows every finished trial."""
        if self._searcher is None:
            self._searcher = build_searcher(self._named, self.problem, self.seed, **self._options)
        sign = 1.0 if study.direction == optuna.study.StudyDirection.MAXIMIZE else -1.0
        finished = [other for other in others if other.state in FINISHED and other.number not in self._told]
        self._told |= {other.number for other in finished}
        trials = [trial for other in finished if (trial := self._as_trial(other, sign)) is not None]
        if trials:
            self._searcher.tell(sorted(trials, key=lambda trial: trial.number))
            guideline = self._searcher.conclude()
            if guideline is not None:
                self.guidelines.append(guideline)
        return self._searcher

    def _as_trial(self, other: FrozenTrial, sign: float) -> Trial | None:
        """What the searcher is told of a trial; None where it holds no allocation within the limits."""
        allocation = self._allocation(other)
        if allocation is None or not self._space.fits(allocation):
            return None
        trial = Trial(
            number=other.number,
            allocation=allocation,
            cost=self._space.total(allocation),
            state=TrialState.FAILED,
            origin=str(other.user_attrs.get(ORIGIN, "study")),
            reason=str(other.user_attrs.get(REASON, "")),
            batch=max(0, self._asks - 1),
            error=f"a trial that is {other.state.name.lower()} or breaks a constraint",
        )
        complete = other.state is optuna.trial.TrialState.COMPLETE and all(x <= 0 for x in other.constraints.values())
        value = other.value if complete else None
        if value is None or not math.isfinite(value):
            return trial
        scores = {name: self._stage_score(name, mean) for name, mean in _means(other).items() if name in allocation}
        return Trial(
            trial.number,
            allocation,
            trial.cost,
            TrialState.COMPLETE,
            trial.origin,
            trial.reason,
            trial.batch,
            scores,
            sign * value,
        )

    def _stage_score(self, name: str, mean: float) -> StageScore:
        return StageScore(self.problem.metrics.get(name, ""), mean)

    def _trials(self, study: Study) -> list[FrozenTrial]:
        # From the storage: pruners hand over studies that show some of the trials.
        trials: list[FrozenTrial] = study._storage.get_all_trials(study._study_id, deepcopy=False)
        return trials

    def _planned(self, study: Study, trial: FrozenTrial) -> Allocation | None:
        planned = study._storage.get_trial_system_attrs(trial._trial_id).get(PLANNED)
        return None if planned is None else allocation_in(self.problem.space, planned)

    def _plan(self, study: Study, trial: FrozenTrial, proposal: Proposal) -> None:
        storage, number = study._storage, trial._trial_id
        storage.set_trial_system_attr(number, PLANNED, parameters_of(proposal.allocation))
        storage.set_trial_user_attr(number, ORIGIN, proposal.origin)
        storage.set_trial_user_attr(number, REASON, proposal.reason)
        if self.guidelines:
            storage.set_trial_user_attr(number, GUIDELINE, self.guidelines[-1].text)

    def _allocation(self, trial: FrozenTrial) -> Allocation | None:
        """The allocation that a trial ran, runs, or is going to."""
        defaults = {**trial.system_attrs.get(PLANNED, {}), **trial.system_attrs.get("fixed_params", {})}
        return allocation_in(self.problem.space, trial.params, defaults)


def suggest_allocation(trial: optuna.trial.Trial) -> Allocation:
    """The allocation that a trial of a study with an AgentTTSSampler is to run, as its parameters.

    One over the budget, which somebody enqueued, is never returned: TrialPruned is raised with the
    numbers. Raises InvalidInput where the study has another sampler; ask an AgentTTSSampler itself then.
    """
    sampler = trial.study.sampler
    if not isinstance(sampler, AgentTTSSampler):
        raise InvalidInput("study.sampler", "is no AgentTTSSampler; call suggest_allocation of one instead")
    return sampler.suggest_allocation(trial)


def _allows(distribution: BaseDistribution, value: Any) -> bool:
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):  # not of the distribution's kind
        return False


def _means(trial: FrozenTrial) -> dict[str, float]:
    """The stage scores that were reported for a trial, as far as they are numbers."""
    reported = trial.user_attrs.get(STAGE_SCORES)
    if not isinstance(reported, dict):
        return {}
    numbers = {name: mean for name, mean in reported.items() if isinstance(mean, int | float)}
    return {name: float(mean) for name, mean in numbers.items() if math.isfinite(mean)}
