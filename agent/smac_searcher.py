"""The smac baseline: SMAC3, a random forest with expected improvement."""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from agent.candidates import Candidates
from agent.feasible import FeasibleSpace, log_position
from agent.searcher import Problem, Proposal, Searcher
from tools.errors import InvalidInput
from tools.space import Allocation
from tools.trial import Trial, TrialState

STARTUP = 10
"""Scores that are needed before the forest is asked; until then allocations are drawn at random."""
POOL = 500
"""Random candidates; SMAC takes its time over each."""
LEAVES = 1000
"""More than a tree on that many trials has; SMAC's limit of 2^20 costs a third of a second a tree to allocate."""
RANDOM_SHARE = 0.2
"""How often a random allocation comes between, as in SMAC's own set-up."""
SEED = 0
"""The seed that SMAC files every score under when it is told that scores are deterministic."""


class SmacSearcher(Searcher):
    """SMAC3's hyperparameter optimisation set-up over untried allocations that fit the budget.

    Raises InvalidInput where SMAC3 is not installed.
    """

    name = "smac"

    def __init__(self, problem: Problem, seed: int) -> None:
        if find_spec("smac") is None:
            raise InvalidInput("searcher", 'smac needs SMAC3: pip install "agenttts[smac]"')
        super().__init__(problem, seed)
        self._space = FeasibleSpace(problem)
        self._rng = np.random.default_rng(seed)
        self._candidates = Candidates(self._space, self._rng, POOL)
        self._asked: set[Allocation] = set()
        self._scores: dict[Allocation, float] = {}
        self._made: dict[Allocation, Any] = {}
        # SMAC insists on a folder of its own; nothing in it is needed afterwards.
        folder = tempfile.mkdtemp(prefix="agenttts-smac-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._smac = self._facade(Path(folder))

    def ask(self, n: int) -> list[Proposal]:
        proposals: list[Proposal] = []
        while len(proposals) < n and (proposal := self._next()) is not None:
            proposals.append(proposal)
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in sorted(trials, key=lambda trial: trial.number):
            if trial.state is TrialState.COMPLETE and trial.score is not None:
                self._scores[trial.allocation] = trial.score
                self._report(trial.allocation, trial.score)

    def _next(self) -> Proposal | None:
        if len(self._scores) < STARTUP:
            return self._draw(f"fewer than {STARTUP} scores are known")
        if self._rng.random() < RANDOM_SHARE:
            return self._draw("interleaved")
        best = max(self._scores, key=self._scores.__getitem__)
        candidates = {self._configuration(a): a for a in self._candidates.untried(self._asked, best)}
        if not candidates:
            return self._draw("every candidate was tried")
        self._maximizer.candidates = list(candidates)
        allocation = candidates[self._smac.ask().config]
        # The constant liar: what is not told yet counts as bad, lest a batch consist of neighbours.
        self._report(allocation, min(self._scores.values()))
        self._asked.add(allocation)
        return Proposal(allocation, self.name, "suggested by the forest")

    def _report(self, allocation: Allocation, score: float) -> None:
        """Tells SMAC a score, in place of any that it was told before; its costs are to be minimised."""
        from smac.runhistory.dataclasses import TrialInfo, TrialValue

        self._smac.tell(TrialInfo(self._configuration(allocation), seed=SEED), TrialValue(cost=-score), save=False)

    def _draw(self, why: str) -> Proposal | None:
        allocation = self._space.untried(self._asked, self._rng)
        if allocation is None:
            return None
        self._asked.add(allocation)
        return Proposal(allocation, self.name, f"drawn at random: {why}")

    def _configuration(self, allocation: Allocation) -> Any:
        """SMAC's word for an allocation; made once, since making it takes longer than judging it."""
        from ConfigSpace import Configuration

        if allocation in self._made:
            return self._made[allocation]
        values: dict[str, Any] = {}
        for name, choice in allocation.items():
            values |= {f"{name}: {part}": value for part, value in choice.to_dict().items()}
            values[f"{name}: samples"] = self._positions[choice.samples]
        self._made[allocation] = Configuration(self._configurations, values)
        return self._made[allocation]

    def _facade(self, folder: Path) -> Any:
        from ConfigSpace import Categorical, ConfigurationSpace, Float
        from smac import HyperparameterOptimizationFacade, Scenario
        from smac.acquisition.maximizer import AbstractAcquisitionMaximizer
        from smac.initial_design import RandomInitialDesign
        from smac.main.config_selector import ConfigSelector
        from smac.random_design import ProbabilityRandomDesign

        # Users cannot act on its warnings: that it samples no initial configurations, for one.
        logging.getLogger("smac").setLevel(logging.ERROR)

        class OverCandidates(AbstractAcquisitionMaximizer):
            """SMAC's acquisition function is maximised over these alone: see Candidates."""

            candidates: Sequence[Any] = ()

            def _maximize(self, previous_configs: Any, n_points: int) -> Any:
                return self._sort_by_acquisition_value(list(self.candidates))[:n_points]

        counts = self.problem.space.sample_counts
        self._positions = {count: log_position(place, counts) for place, count in enumerate(counts)}
        self._configurations = ConfigurationSpace(seed=self.seed % 2**31)
        for subtask in self.problem.space.subtasks:
            for part, options in subtask.candidates.items():
                self._configurations.add(Categorical(f"{subtask.name}: {part}", options))
            self._configurations.add(Float(f"{subtask.name}: samples", (0.0, 1.0)))
        # The number of trials is Search's to decide.
        scenario = Scenario(
            self._configurations, output_directory=folder, deterministic=True, n_trials=10**9, seed=self.seed % 2**31
        )
        self._maximizer = OverCandidates(self._configurations, seed=self.seed % 2**31)
        smac = HyperparameterOptimizationFacade
        return smac(
            scenario,
            model=self._forest(scenario.seed),
            acquisition_maximizer=self._maximizer,
            initial_design=RandomInitialDesign(scenario, n_configs=0),
            random_design=ProbabilityRandomDesign(probability=0.0),
            intensifier=smac.get_intensifier(scenario, max_config_calls=1),
            config_selector=ConfigSelector(scenario, retrain_after=1),
            logging_level=False,
        )

    def _forest(self, seed: int) -> Any:
        """SMAC's forest as its set-up makes it, but for what does nothing here except cost time."""
        from smac.model.random_forest.random_forest import RandomForest

        return RandomForest(
            self._configurations,
            n_trees=10,
            ratio_features=1.0,
            min_samples_split=2,
            min_samples_leaf=1,
            log_y=True,
            max_leaf_nodes=LEAVES,
            n_jobs=1,
            seed=seed,
        )
