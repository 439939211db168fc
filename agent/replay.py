"""Replays a log: makes every decision of its session again and finds the first that differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.judging import judged_allocations
from agent.preparation import MOST_TRIALS
from agent.recommendation import recommend
from agent.search import Search
from agent.searcher import Diverged, rehearsing_searcher
from agent.setup import problem_of
from storage.log.chain import canonical
from storage.log.reading import Log
from storage.log.values import call_fields, guideline_fields, stage_fields, trial_fields
from storage.transcript import Transcript
from tools.errors import AgentttsError
from tools.space import Allocation
from tools.trial import StageScore, Trial, TrialState
from tools.validation import require_count


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first decision that is another one now; `field` says what of it."""

    place: str
    field: str
    logged: Any
    replayed: Any


@dataclass(frozen=True, slots=True)
class Decisions:
    """How many decisions were made again, and the first that differs, after which none is made."""

    trials: int
    guidelines: int
    calls: int
    evaluations: int
    divergence: Divergence | None = None


def replay_decisions(log: Log) -> Decisions:
    """Makes every decision of a log's session again, from the log alone.

    Raises InvalidInput where the log's problem or searcher cannot be built here.
    """
    config = log.record.config
    require_count("trials", config.trials, MOST_TRIALS)
    require_count("batch", config.batch, MOST_TRIALS)
    problem = problem_of(log.setup["problem"], config)
    searcher = rehearsing_searcher(config.searcher, problem, config.seed, log.transcripts, config.searcher_options)
    search = Search(
        problem.space,
        problem.budget,
        searcher,
        config.seed,
        cost=problem.cost,
        task=problem.task,
        description=problem.description,
        metrics=problem.metrics,
        caps=problem.caps,
    )
    replay = _Replay(log, search)
    try:
        replay.run()
    except _Different as different:
        return replay.done(different.divergence)
    return replay.done(None)


class _Different(Exception):
    def __init__(self, divergence: Divergence) -> None:
        super().__init__()
        self.divergence = divergence


class _Replay:
    def __init__(self, log: Log, search: Search) -> None:
        self._log = log
        self._search = search
        self._trials = self._guidelines = self._calls = self._evaluations = 0
        self._noted: dict[int, Transcript] = {}
        search.searcher.listen(self._noted.__setitem__)

    def run(self) -> None:
        """Raises _Different at the first decision that is another one."""
        batches = sorted({trial.batch for trial in self._log.trials})
        for batch in batches:
            self._propose(batch)
            if not self._tell(batch):
                return
            if batch != batches[-1] or self._log.finished or self._logged_guideline(batch):
                self._conclude(batch)
        if self._log.finished or self._log.evaluations:
            self._stop()
            self._judge()

    def done(self, divergence: Divergence | None) -> Decisions:
        return Decisions(self._trials, self._guidelines, self._calls, self._evaluations, divergence)

    def _propose(self, batch: int) -> None:
        logged = [trial for trial in self._log.trials if trial.batch == batch]
        asked = self._ask(f"the proposals of batch {batch}")
        for place in range(max(len(logged), len(asked))):
            theirs = logged[place] if place < len(logged) else None
            ours = asked[place] if place < len(asked) else None
            number = theirs.number if theirs else ours.number if ours else 0
            self._compare(f"trial {number} (batch {batch})", "proposal", _fields(theirs), _fields(ours))
            self._trials += 1
        self._check_calls(f"the proposals of batch {batch}")

    def _ask(self, place: str) -> Sequence[Trial]:
        config = self._log.record.config
        left = config.trials - len(self._search.trials)
        try:
            return self._search.ask(config.batch, at_most=left) if left > 0 else []
        except Diverged as error:
            raise _different(f"model call {error.call} ({place})", error.field, error.logged, error.replayed) from error
        except AgentttsError as error:
            raise _different(place, "error", None, str(error)) from error

    def _tell(self, batch: int) -> bool:
        """Tells a batch's scores; whether all of them are in the log."""
        for trial in (trial for trial in self._log.trials if trial.batch == batch):
            if trial.state is TrialState.FAILED:
                self._search.tell(trial, error=trial.error or "failed")
            elif trial.state is TrialState.COMPLETE:
                self._check_scores(f"score of trial {trial.number} (batch {batch})", trial.stage_scores)
                told = self._search.tell(trial, None if trial.stage_scores else trial.score, trial.stage_scores)
                self._compare(f"score of trial {trial.number} (batch {batch})", "score", trial.score, told.score)
        return not self._search.open

    def _check_scores(self, place: str, scores: Mapping[str, StageScore]) -> None:
        for name, score in scores.items():
            if score.per_example:
                again = {name: StageScore.of(score.metric, score.per_example)}
                self._compare(place, "stages", stage_fields({name: score}), stage_fields(again))

    def _logged_guideline(self, batch: int) -> dict[str, Any] | None:
        found = (guideline for guideline in self._log.guidelines if guideline.batch == batch)
        return next((guideline_fields(guideline) for guideline in found), None)

    def _conclude(self, batch: int) -> None:
        place = f"guideline of batch {batch}"
        try:
            guideline = self._search.conclude()
        except Diverged as error:
            raise _different(f"model call {error.call} ({place})", error.field, error.logged, error.replayed) from error
        except AgentttsError as error:
            raise _different(place, "error", None, str(error)) from error
        ours = None if guideline is None else guideline_fields(guideline)
        self._compare(place, "guideline", self._logged_guideline(batch), ours)
        self._check_calls(place)
        self._guidelines += ours is not None

    def _check_calls(self, place: str) -> None:
        """Compares the model calls of the last decision, as they are noted now, with the logged ones."""
        while self._calls in self._noted:
            call = self._noted[self._calls]
            logged = self._log.transcripts[self._calls] if self._calls < len(self._log.transcripts) else None
            theirs = None if logged is None else call_fields(logged)
            self._compare(f"model call {self._calls} ({place})", "call", theirs, call_fields(call))
            self._calls += 1

    def _stop(self) -> None:
        """The search ended for a reason: enough trials, or no more proposals; and no call is left over."""
        for trial in self._ask("the end of the search")[:1]:
            self._compare(f"trial {trial.number} (batch {trial.batch})", "proposal", None, _fields(trial))
        self._check_calls("the end of the search")
        if self._calls < len(self._log.transcripts):
            left = call_fields(self._log.transcripts[self._calls])
            self._compare(f"model call {self._calls}", "call", left, None)

    def _judge(self) -> None:
        recommended = recommend(self._search.problem, self._search.trials)
        number = None if recommended is None else recommended.number
        if self._log.finished or self._log.recommended is not None:
            self._compare("the recommended trial", "number", self._log.recommended, number)
        expected = self._judged(recommended)
        for evaluation in self._log.evaluations:
            named = (evaluation.label, evaluation.split)
            place = f"evaluation of {evaluation.label} on {evaluation.split} examples"
            ours = expected.pop(named, None)
            cost = None if ours is None else self._search.problem.cost.total(self._search.problem.space, ours)
            theirs = {"allocation": evaluation.allocation.to_dict(), "cost": evaluation.cost}
            again = None if ours is None or cost is None else {"allocation": ours.to_dict(), "cost": float(cost)}
            self._compare(place, "allocation", theirs, again)
            self._check_scores(place, evaluation.stage_scores)
            self._evaluations += 1
        for (label, split), allocation in expected.items() if self._log.finished else ():
            self._compare(f"evaluation of {label} on {split} examples", "allocation", None, allocation.to_dict())

    def _judged(self, recommended: Trial | None) -> dict[tuple[str, str], Allocation]:
        if recommended is None:
            return {}
        front = self._log.record.config.front
        return judged_allocations(self._search.problem, self._search.trials, recommended, front=front)

    def _compare(self, place: str, what: str, logged: Any, replayed: Any) -> None:
        if canonical(logged) != canonical(replayed):
            raise _different(place, what, logged, replayed)


def _different(place: str, what: str, logged: Any, replayed: Any) -> _Different:
    return _Different(Divergence(place, *first_difference(what, logged, replayed)))


def _fields(trial: Trial | None) -> dict[str, Any] | None:
    return None if trial is None else trial_fields(trial)


def first_difference(field: str, logged: Any, replayed: Any) -> tuple[str, Any, Any]:
    """The innermost place where two plain values differ first, and what is there in each."""
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(logged, dict) and isinstance(replayed, dict) and list(logged) == list(replayed):
        pairs = [(f"{field}.{name}", logged[name], replayed[name]) for name in logged]
    elif isinstance(logged, list) and isinstance(replayed, list) and len(logged) == len(replayed):
        pairs = [(f"{field}.{n}", *both) for n, both in enumerate(zip(logged, replayed, strict=True))]
    for inner, theirs, ours in pairs:
        if canonical(theirs) != canonical(ours):
            return first_difference(inner, theirs, ours)
    return field, logged, replayed
