"""What the prompts tell the agent: the problem, the history and the guidelines, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import getdoc
from typing import Any

from agent.searcher import Problem
from environment.strategy import STRATEGIES
from tools.history import completed
from tools.space import Choice, Model, Subtask
from tools.trial import Guideline, Trial, TrialState

BEFORE_ALL = -1
"""The batch of a guideline that was written before any trial."""
FLAT = 0.02
"""When a batch's scores lie this close together, the agent is told to explore."""
GUIDELINE_SHOWN = 2000
"""Characters of a guideline that later prompts repeat; about twice what is asked for."""


def problem_values(problem: Problem) -> dict[str, Any]:
    """The variables of problem.j2."""
    space, cost = problem.space, problem.cost
    strategies = dict.fromkeys(name for subtask in space.subtasks for name in subtask.strategies)
    return {
        "task": problem.task,
        "description": problem.description,
        "budget": number(problem.budget),
        "unit": cost.unit,
        "formula": cost.formula,
        "caps": [{"limit": number(c.limit), "unit": c.cost.unit, "formula": c.cost.formula} for c in problem.caps],
        "counts": space.counts_text,
        "strategies": [strategy_line(name) for name in strategies],
        "subtasks": [
            {
                "name": s.name,
                "metric": problem.metrics.get(s.name, ""),
                "prompt_tokens": s.prompt_tokens,
                "generation_tokens": s.generation_tokens,
                "strategies": ", ".join(s.strategies),
                "temperatures": ", ".join(f"{temperature:g}" for temperature in s.temperatures),
                "models": [row for model in s.by_size for row in _model_rows(problem, s, model)],
            }
            for s in space.subtasks
        ],
    }


def strategy_line(name: str) -> str:
    """A strategy with what it does, as the class that is registered for it says; the name alone for another."""
    if name not in STRATEGIES.names():
        return name
    meaning = (getdoc(STRATEGIES.get(name)) or "").partition("\n")[0]
    return f"{name}: {meaning}"


def _model_rows(problem: Problem, subtask: Subtask, model: Model) -> list[dict[str, Any]]:
    """A model's costs; a row for each price where its strategies differ in theirs."""
    counts = problem.space.sample_counts
    by_price: dict[tuple[str, str], list[str]] = {}
    for variant in subtask.variants_of([model]):
        first, last = (_shown_costs(problem, subtask, variant.choice(count)) for count in (counts[0], counts[-1]))
        by_price.setdefault((first, last), []).append(variant.strategy or "")
    return [
        {
            "name": model.name + (f" with {', '.join(dict.fromkeys(names))}" if len(by_price) > 1 else ""),
            "parameters": f"{model.parameters / 1e9:.4g}B",
            "first": first,
            "count": counts[-1],
            "last": last,
        }
        for (first, last), names in by_price.items()
    ]


def _shown_costs(problem: Problem, subtask: Subtask, choice: Choice) -> str:
    """A choice's cost; with those that have a cap after it, in their units."""
    further = [f"{number(cap.cost.subtask(subtask, choice))} {cap.cost.unit}" for cap in problem.caps]
    return ", ".join([number(problem.cost.subtask(subtask, choice)), *further])


def history_values(trials: Sequence[Trial], limit: int) -> dict[str, Any]:
    """The variables of history.j2: at most `limit` rows, the best ones."""
    done = completed(trials)
    failed = [str(trial.allocation) for trial in trials if trial.state is TrialState.FAILED]
    return {"tried": len(done), "rows": [trial_line(trial) for trial in done[:limit]], "failures": failed[:limit]}


def batch_lines(batch: Sequence[Trial], trials: Sequence[Trial], limit: int, most: int) -> list[str]:
    """The last batch, at most `most` of it: by number where `history_values` shows the trial, else in full."""
    shown = {trial.number for trial in completed(trials)[:limit]}
    above = [f"#{trial.number}" for trial in batch if trial.number in shown]
    others = [trial_line(trial) for trial in batch if trial.number not in shown]
    return [*([f"{', '.join(above)}, see above"] if above else []), *others[:most]]


def trial_line(trial: Trial) -> str:
    """A trial on one line: score, cost, and each subtask's choice with its own score."""
    stages = []
    for name, choice in trial.allocation.items():
        own = trial.stage_scores.get(name)
        stages.append(f"{name}: {choice}" + (f" ({own.mean:.3f})" if own else ""))
    score = "failed" if trial.score is None else f"score {trial.score:.3f}"
    return f"#{trial.number} {score}, cost {number(trial.cost)}; {', '.join(stages)}"


def guideline_lines(guidelines: Sequence[Guideline], limit: int = 3) -> list[str]:
    """The first guideline and the last ones (AgentTTS, search prompt), `limit` together; the last alone for 1."""
    shown = guidelines[-1:] if limit == 1 else [*guidelines[:1], *guidelines[1:][1 - limit :]]
    return [f"[{_when(guideline)}] {shortened(guideline.text, GUIDELINE_SHOWN)}" for guideline in shown]


def shortened(text: str, limit: int) -> str:
    """A text cut to so many characters, with a sign where it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def flat_spread(batch: Sequence[Trial]) -> str:
    """The spread of a batch's scores where they hardly vary, else ""."""
    scores = [trial.score for trial in batch if trial.score is not None]
    spread = max(scores, default=0.0) - min(scores, default=0.0)
    return f"{spread:.3f}" if len(scores) > 1 and spread <= FLAT else ""


def _when(guideline: Guideline) -> str:
    return "before the first batch" if guideline.batch == BEFORE_ALL else f"after batch {guideline.batch}"


def number(value: float) -> str:
    """A cost or a budget for reading."""
    return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.1f}"
