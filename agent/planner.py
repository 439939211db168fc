"""The planner: AgentTTS's three insights as rules, without a language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

import numpy as np

from agent.feasible import FeasibleSpace
from agent.initial_trials import initial_trials
from agent.searcher import Problem, Proposal, Searcher
from tools.history import completed, fitted_curves
from tools.space import Allocation, Choice, Subtask
from tools.trial import Guideline, Trial

CLEARLY = 0.03
"""A model is kept for its size only where its mean stage score is better by this much."""
PARENTS = 3
RANDOM_TRIES = 50


class PlannerSearcher(Searcher):
    """Starts with Algorithm 1's initial trials, then moves from the best trials so far.

    The moves, best parent first: more or fewer samples in one stage (Insight 2), the model that
    the evidence prefers for a stage (Insight 1), and budget taken from one stage and spent on
    another (Insight 3). A stage's samples are not raised beyond its fitted saturation point. When
    the moves run dry, crossover, mutation and random feasible allocations follow.
    """

    name = "planner"

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._space = FeasibleSpace(problem)
        self._rng = np.random.default_rng(seed)
        self._trials: list[Trial] = []
        self._proposed: set[Allocation] = set()

    def ask(self, n: int) -> list[Proposal]:
        if not self._proposed:
            return self._remember(initial_trials(self.problem, self.name))
        chosen: dict[Allocation, Proposal] = {}
        for proposal in self._moves():
            if len(chosen) == n:
                break
            if proposal.allocation not in self._proposed:
                chosen.setdefault(proposal.allocation, proposal)
        return self._remember(list(chosen.values()))

    def tell(self, trials: Sequence[Trial]) -> None:
        self._trials.extend(trials)
        self._proposed.update(trial.allocation for trial in trials)

    def conclude(self) -> Guideline | None:
        ranked = completed(self._trials)
        if not ranked:
            return None
        best = ranked[0]
        lines = [f"Best so far {best.score:.3f} with {best.allocation} at {best.cost:,.4g} {self.problem.cost.unit}."]
        curves = fitted_curves(self.problem.space, self._trials)
        for subtask in self.problem.space.subtasks:
            means = self._model_scores(subtask)
            if not means:
                continue
            shown = ", ".join(f"{name} {score:.3f}" for name, score in sorted(means.items(), key=lambda m: -m[1]))
            line = f"{subtask.name}: {self._preferred(subtask)} preferred (best mean score by model: {shown})"
            curve = curves[subtask.name].get(best.allocation[subtask.name].model)
            if curve is not None:
                line += f"; {best.allocation[subtask.name].model} saturates near {curve.saturation()} samples"
            lines.append(line + ".")
        return Guideline(self._trials[-1].batch, "\n".join(lines), self.name)

    def _moves(self) -> Iterator[Proposal]:
        parents = completed(self._trials)[:PARENTS]
        for parent in parents:
            yield from self._prefer_models(parent)
            yield from self._change_samples(parent)
            yield from self._shift_budget(parent)
        yield from self._explore(parents)

    def _prefer_models(self, parent: Trial) -> Iterator[Proposal]:
        """Insight 1: the preferred model in each stage, with as many samples as fit or half of them."""
        for subtask in self.problem.space.subtasks:
            preferred = self._preferred(subtask)
            if preferred in ("", parent.allocation[subtask.name].model):
                continue
            counts = self._counts_left(parent.allocation, subtask, preferred)
            for samples in {counts[-1], counts[len(counts) // 2]} if counts else ():
                yield self._proposal(
                    parent.allocation.replace(subtask.name, Choice(preferred, samples)),
                    f"Insight 1: {preferred} is preferred for {subtask.name}",
                )

    def _change_samples(self, parent: Trial) -> Iterator[Proposal]:
        """Insight 2: the next larger and smaller sample counts on a log scale."""
        curves = fitted_curves(self.problem.space, self._trials)
        for subtask in reversed(self.problem.space.subtasks):
            model, samples = parent.allocation[subtask.name].model, parent.allocation[subtask.name].samples
            counts = self._counts_left(parent.allocation, subtask, model)
            curve = curves[subtask.name].get(model)
            tried = {t.allocation[subtask.name].samples for t in self._trials}
            known = len(tried) > 2 and curve is not None
            limit = max(curve.saturation(), samples) if curve is not None and known else counts[-1]
            for wanted in (samples * 2, samples * 4, samples // 2, samples * 3 // 2):
                nearest = min(counts, key=lambda count: (abs(count - wanted), count))
                if wanted >= 1 and nearest != samples and nearest <= limit:
                    yield self._proposal(
                        parent.allocation.replace(subtask.name, Choice(model, nearest)),
                        f"Insight 2: looks for the best number of samples of {model} in {subtask.name}",
                    )

    def _shift_budget(self, parent: Trial) -> Iterator[Proposal]:
        """Insight 3: fewer samples or a smaller model in one stage pay for more in another."""
        for giver in self.problem.space.subtasks:
            choice = parent.allocation[giver.name]
            smaller = [m.name for m in giver.by_size if m.parameters < giver.model(choice.model).parameters]
            fewer = [c for c in self.problem.space.sample_counts if c <= choice.samples // 2]
            gifts = [Choice(choice.model, fewer[-1])] if fewer else []
            gifts += [Choice(smaller[-1], choice.samples)] if smaller else []
            for gift in gifts:
                freed = parent.allocation.replace(giver.name, gift)
                for taker in self.problem.space.subtasks:
                    if taker is giver:
                        continue
                    for model in taker.by_size:
                        counts = self._counts_left(freed, taker, model.name)
                        if counts:
                            yield self._proposal(
                                freed.replace(taker.name, Choice(model.name, counts[-1])),
                                f"Insight 3: budget moves from {giver.name} to {taker.name}",
                            )

    def _explore(self, parents: Sequence[Trial]) -> Iterator[Proposal]:
        for first in parents:
            for second in parents:
                mixed = {s: (first if i % 2 else second).allocation[s] for i, s in enumerate(first.allocation)}
                allocation = self.problem.space.validate(mixed)
                if self._space.fits(allocation):
                    yield self._proposal(allocation, "explores: crossover of two of the best")
        for _ in range(RANDOM_TRIES):
            untried = self._space.untried(self._proposed, self._rng)
            if untried is None:
                return
            yield self._proposal(untried, "explores: random within the budget")

    def _preferred(self, subtask: Subtask) -> str:
        """The smallest model whose best mean stage score is not clearly below the best one's."""
        means = self._model_scores(subtask)
        if not means:
            return ""
        bar = max(means.values()) - CLEARLY
        return next(m.name for m in subtask.by_size if m.name in means and means[m.name] >= bar)

    def _model_scores(self, subtask: Subtask) -> dict[str, float]:
        """For each tried model its best mean stage score over its sample counts."""
        scores: dict[str, dict[int, list[float]]] = {}
        for trial in completed(self._trials):
            choice, stage = trial.allocation[subtask.name], trial.stage_scores.get(subtask.name)
            value = stage.mean if stage is not None else trial.score or 0.0
            scores.setdefault(choice.model, {}).setdefault(choice.samples, []).append(value)
        return {model: max(fmean(values) for values in by_count.values()) for model, by_count in scores.items()}

    def _counts_left(self, allocation: Allocation, subtask: Subtask, model: str) -> tuple[int, ...]:
        """The sample counts of a model that fit beside the allocation's other stages."""
        others = {name: choice for name, choice in allocation.items() if name != subtask.name}
        return self._space.menu(subtask, others).get(model, ())

    def _proposal(self, allocation: Allocation, reason: str) -> Proposal:
        return Proposal(allocation, self.name, reason)

    def _remember(self, proposals: list[Proposal]) -> list[Proposal]:
        self._proposed.update(proposal.allocation for proposal in proposals)
        return proposals
