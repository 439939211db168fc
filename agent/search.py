"""Search: ask for trials, tell their scores, with any objective."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.recommendation import recommend
from agent.searcher import Problem, Proposal, Searcher, build_searcher
from tools.cost import CostModel, within_budget
from tools.declared import names_misfits
from tools.errors import InvalidInput
from tools.flops import FlopsCost
from tools.limits import Cap
from tools.space import Allocation, SearchSpace
from tools.text import shortened
from tools.trial import Guideline, StageScore, Trial, TrialState, best_trial
from tools.validation import is_count, is_finite, is_number, require_instance, require_instances

if TYPE_CHECKING:
    import pandas as pd


@names_misfits
class Search:
    """Drives a searcher: hands out trials, takes their scores, keeps the books.

    Every trial handed out is valid, within the budget and the caps, and new. Trials may be told in
    any order; the searcher learns a batch when its last trial is told.

        search = Search(space, budget=929, searcher="planner", seed=0)
        for trial in search.ask(n=10):
            search.tell(trial, score=objective(trial.allocation))
        search.best
    """

    def __init__(
        self,
        space: SearchSpace,
        budget: float | None = None,
        searcher: str | Searcher = "planner",
        seed: int = 0,
        *,
        cost: CostModel | None = None,
        task: str = "objective",
        description: str = "",
        metrics: Mapping[str, str] | None = None,
        caps: Sequence[Cap] = (),
        **options: Any,
    ) -> None:
        """`budget` is in the cost's unit, by default one sample of every subtask's largest model;
        `cost` is FlopsCost() by default; `caps` limit further costs; `options` go to the searcher.

        Raises UnknownName for the searcher, InvalidInput when no allocation fits the budget and
        the caps.
        """
        require_instance("space", space, SearchSpace)
        cost = FlopsCost() if cost is None else cost
        require_instance("cost", cost, CostModel)
        budget = space.default_budget(cost) if budget is None else budget
        require_instances("caps", caps, Cap)
        problem = Problem(space, cost, budget, task, description, dict(metrics or {}), tuple(caps))
        self.problem = checked_problem(problem)
        if isinstance(searcher, str):
            searcher = build_searcher(searcher, self.problem, seed, **options)
        elif options:
            raise InvalidInput("options", f"belong to the searcher's constructor: {', '.join(options)}")
        self.searcher: Searcher = searcher
        self.guidelines: list[Guideline] = []
        self._trials: list[Trial] = []
        self._tried: set[Allocation] = set()
        self._open: set[int] = set()
        self._batch = -1

    @property
    def trials(self) -> Sequence[Trial]:
        """Every trial so far, in the order they were handed out."""
        return tuple(self._trials)

    @property
    def best(self) -> Trial | None:
        """The complete trial with the highest score; the cheapest among equals."""
        return best_trial(self._trials)

    @property
    def recommended(self) -> Trial | None:
        """The complete trial that is expected to do best on new examples (agent.recommendation)."""
        return recommend(self.problem, self._trials)

    @property
    def open(self) -> Sequence[Trial]:
        """The trials handed out and not yet told."""
        return tuple(self._trials[number] for number in sorted(self._open))

    def ask(self, n: int = 1, *, at_most: int | None = None) -> list[Trial]:
        """New trials to run, about `n` of them; none when the searcher has nothing left to try.

        The first ask may give more than `n`, since the initial trials belong together; `at_most`
        caps it. Raises InvalidInput while trials of the last ask are still untold.
        """
        if not is_count(n):
            raise InvalidInput("n", f"must be a whole number of 1 or more, got {shortened(n)}")
        if self._open:
            raise InvalidInput("ask", f"{len(self._open)} trials of the last ask are untold; tell them first")
        proposals = self._new_proposals(n)[:at_most]
        if proposals:
            self._batch += 1
        return [self._hand_out(proposal) for proposal in proposals]

    @names_misfits
    def tell(
        self,
        trial: Trial | int,
        score: float | None = None,
        stage_scores: Mapping[str, float | StageScore] | None = None,
        *,
        error: str = "",
    ) -> Trial:
        """Records a trial's outcome: its score, higher is better, or the error that failed it.

        `stage_scores` are means or full StageScores by subtask. Without `score` the last
        subtask's is taken. Returns the finished trial. Raises InvalidInput on a trial that is not
        open, a subtask that does not exist, or a score that is not a finite number.
        """
        number = trial if isinstance(trial, int) else trial.number
        if number not in self._open:
            raise InvalidInput("trial", f"number {number} is not open; tell trials that ask() returned, once each")
        scores = {name: self._stage_score(name, value) for name, value in (stage_scores or {}).items()}
        if error:
            finished = replace(self._trials[number], state=TrialState.FAILED, error=error)
        else:
            last = scores.get(self.problem.space.subtasks[-1].name)
            value = score if score is not None else (last.mean if last else None)
            if value is None or not is_finite(value):
                raise InvalidInput("score", f"must be a finite number, got {shortened(value)}; or give error=")
            usage = trial.usage if isinstance(trial, Trial) else self._trials[number].usage
            finished = replace(
                self._trials[number],
                state=TrialState.COMPLETE,
                score=float(value),
                stage_scores=scores,
                usage=usage,
            )
        self._trials[number] = finished
        self._open.remove(number)
        if not self._open:
            self.searcher.tell([t for t in self._trials if t.batch == self._batch])
        return finished

    def conclude(self) -> Guideline | None:
        """What the searcher learnt from the last batch, kept in `guidelines`; None if it is silent."""
        guideline = self.searcher.conclude()
        if guideline is not None:
            self.guidelines.append(guideline)
        return guideline

    def to_dataframe(self) -> pd.DataFrame:
        """One row per trial: number, choice of each subtask, cost, score, interval, state."""
        return trials_table(self._trials)

    def _new_proposals(self, n: int) -> list[Proposal]:
        fresh: dict[Allocation, Proposal] = {}
        for proposal in self.searcher.ask(n):
            self.problem.require_feasible(proposal.allocation)
            if proposal.allocation not in self._tried:
                fresh.setdefault(proposal.allocation, proposal)
        return list(fresh.values())

    def _hand_out(self, proposal: Proposal) -> Trial:
        trial = Trial(
            number=len(self._trials),
            allocation=proposal.allocation,
            cost=self.problem.cost.total(self.problem.space, proposal.allocation),
            state=TrialState.RUNNING,
            origin=proposal.origin,
            reason=proposal.reason,
            batch=self._batch,
        )
        self._trials.append(trial)
        self._tried.add(trial.allocation)
        self._open.add(trial.number)
        return trial

    def _stage_score(self, name: str, value: float | StageScore) -> StageScore:
        subtask = self.problem.space[name]
        score = (
            value if isinstance(value, StageScore) else StageScore(self.problem.metrics.get(subtask.name, ""), value)
        )
        if not math.isfinite(score.mean):
            raise InvalidInput(f"stage_scores.{name}", f"must be a finite number, got {shortened(score.mean)}")
        return score


def checked_problem(problem: Problem) -> Problem:
    """The problem, once its budget and caps are known to fit something. Raises InvalidInput."""
    budget = problem.budget
    if not is_number(budget):
        raise InvalidInput("budget", f"must be a number, got {shortened(budget)}")
    limited = [("budget", problem.cost, budget), *((c.field, c.cost, c.limit) for c in problem.caps)]
    for column, (field, cost, limit) in enumerate(limited):
        cheapest = sum(float(rows[:, column].min()) for rows in problem.cost_table.rows)
        if not within_budget(cheapest, limit):
            raise InvalidInput(
                field, f"{limit:,.6g} {cost.unit} fits no allocation; the cheapest costs {cheapest:,.6g}"
            )
    if next(problem.allocations(), None) is None:
        names = ", ".join(cap.field for cap in problem.caps)
        raise InvalidInput("caps", f"no allocation is within the budget and {names} at once; raise one of them")
    return problem


def trials_table(trials: Sequence[Trial]) -> pd.DataFrame:
    """The trials as rows. Raises InvalidInput without pandas."""
    try:
        import pandas as pd
    except ImportError:
        raise InvalidInput("to_dataframe", 'needs pandas: pip install "agenttts[plot]"') from None
    return pd.DataFrame([trial_row(trial) for trial in trials])


def trial_row(trial: Trial) -> dict[str, Any]:
    """A trial as one flat row of plain values."""
    row: dict[str, Any] = {"number": trial.number, "batch": trial.batch, "state": str(trial.state)}
    for name, choice in trial.allocation.items():
        row |= {f"{name}.{part}": value for part, value in choice.to_dict().items()}
    row |= {"cost": trial.cost, "score": trial.score}
    if trial.state is TrialState.COMPLETE:
        row |= {"low": trial.interval.low, "high": trial.interval.high}
    for name, score in trial.stage_scores.items():
        row[f"{name}.score"] = score.mean
    return row | {"origin": trial.origin, "reason": trial.reason}
