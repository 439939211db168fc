"""Prints the tables of docs/llm-agent.md: sessions of a language model beside the planner's with the same seeds.

    agenttts show SESSION --json --transcripts > session.json
    python scripts/agent_against_planner.py session.json ...

Without files it reads the sessions that the page reports, from docs/llm-agent. The planner runs
anew, on the same task, budget, trials and batch; no model is called.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from agent.comparison.arena import Arena
from agent.comparison.opening import open_arena
from agent.comparison.plan import Plan, SearcherEntry, TaskEntry
from agent.llm.answers import read_proposals
from agent.recommendation import recommend
from agent.searcher import Problem
from agent.session import run
from tools.space import Allocation
from tools.trial import StageScore, Trial, TrialState, best_trial

REPORTED = sorted((Path(__file__).parents[1] / "docs" / "llm-agent").glob("*.json"))
CHECKPOINTS = (10, 25, 50)


@cache
def open_task(name: str, options: str) -> Arena:
    """The judge of a task, which scores an allocation once; `options` is JSON."""
    plan = Plan((TaskEntry(name, json.loads(options)),), (SearcherEntry("planner"),))
    return open_arena(plan, 0, None)


def problem_of(arena: Arena, config: Mapping[str, Any]) -> Problem:
    """A session's problem."""
    task = arena.task
    return Problem(task.space, task.cost, config["budget"], task.name, task.description, task.metrics)


def trials_of(session: Mapping[str, Any], problem: Problem) -> list[Trial]:
    """A printed session's trials."""
    trials = []
    for row in session["trials"]:
        choices = {
            s.name: {"model": row[f"{s.name}.model"], "samples": row[f"{s.name}.samples"]}
            for s in problem.space.subtasks
        }
        scores = {
            s.name: StageScore(problem.metrics.get(s.name, ""), row[f"{s.name}.score"])
            for s in problem.space.subtasks
            if f"{s.name}.score" in row
        }
        trials.append(
            Trial(
                row["number"],
                problem.space.parse(choices),
                row["cost"],
                TrialState(row["state"]),
                row["origin"],
                batch=row["batch"],
                stage_scores=scores,
                score=row["score"],
            )
        )
    return trials


def figures(trials: Sequence[Trial], arena: Arena, problem: Problem) -> dict[str, str]:
    """What is reported of a search."""
    best, recommended = best_trial(trials), recommend(problem, trials)
    if best is None or recommended is None:
        raise SystemExit("a session without a complete trial")
    oracle = arena.oracle(problem.budget)
    row = {
        "best search score": f"{best.score:.3f}",
        "its held-out score": f"{arena.held_out_score(best.allocation):.3f}",
        "recommended": str(recommended.allocation),
        "its search score": f"{recommended.score:.3f}",
        "held-out score": f"{arena.held_out_score(recommended.allocation):.3f}",
    }
    for trial in CHECKPOINTS:
        incumbent, advised = best_trial(trials[:trial]), recommend(problem, trials[:trial])
        if incumbent and advised and len(trials) >= trial:
            regrets = [oracle.score - arena.true_score(chosen.allocation) for chosen in (incumbent, advised)]
            row[f"regret after {trial}: best / recommended"] = " / ".join(f"{100 * regret:.1f}" for regret in regrets)
    return row


def kinds(session: Mapping[str, Any], trials: Sequence[Trial], problem: Problem) -> list[str]:
    """Who each trial is from: Algorithm 1, the model's first answer, a repaired one, or the planner in its place."""
    first: dict[int, set[Allocation]] = {}
    for call in session["transcripts"]:
        if call["purpose"] == "propose":
            first[call["batch"]] = set(read_proposals(call["answer"], problem, len(trials), {}).accepted)

    def kind(trial: Trial) -> str:
        if trial.batch == 0:
            return "initial"
        if trial.origin != session["config"]["searcher"]:
            return "replaced"
        return "own" if trial.allocation in first.get(trial.batch, set()) else "repaired"

    return [kind(trial) for trial in trials]


def agent_row(session: Mapping[str, Any], trials: Sequence[Trial], problem: Problem) -> dict[str, str]:
    """How the trials came about, and what the model was used for."""
    made, agent = kinds(session, trials, problem), session["agent"]
    row = {}
    for kind in ("initial", "own", "repaired", "replaced"):
        scores = [trial.score or 0.0 for trial, of in zip(trials, made, strict=True) if of == kind]
        row[kind] = f"{len(scores)} ({fmean(scores):.3f})" if scores else "0"
    return {
        **row,
        "calls (refused)": f"{agent['calls']} ({agent['refused']})",
        "prompt tokens": f"{agent['prompt_tokens']:,}",
        "longest prompt": f"{max(call['prompt_tokens'] for call in session['transcripts']):,}",
        "generated tokens": f"{agent['generation_tokens']:,}",
        "minutes in calls": f"{agent['latency'] / 60:.0f}",
    }


def planner_trials(config: Mapping[str, Any]) -> Sequence[Trial]:
    """The planner's trials in the session's place."""
    with tempfile.TemporaryDirectory() as folder:
        return run(
            config["task"],
            config["budget"],
            "planner",
            config["trials"],
            config["seed"],
            f"sqlite:///{folder}/planner.db",
            batch=config["batch"],
            cost=config["cost"],
            cost_settings=config["cost_settings"],
            task_options=config["task_options"],
        ).trials


def print_table(rows: Mapping[str, Mapping[str, str]]) -> None:
    """The rows, which share their keys, as columns of a markdown table."""
    print(f"| | {' | '.join(rows)} |\n| --- |{' --- |' * len(rows)}")
    for key in next(iter(rows.values())):
        print(f"| {key} | {' | '.join(row[key] for row in rows.values())} |")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=REPORTED)
    results, agents = {}, {}
    for file in parser.parse_args().files:
        session = json.loads(file.read_text(encoding="utf-8"))
        config = session["config"]
        arena = open_task(config["task"], json.dumps(config["task_options"]))
        problem = problem_of(arena, config)
        trials = trials_of(session, problem)
        label = f"{config['searcher_options']['model']}, seed {config['seed']}"
        results[label] = figures(trials, arena, problem)
        results[f"planner, seed {config['seed']}"] = figures(planner_trials(config), arena, problem)
        agents[label] = agent_row(session, trials, problem)
    print_table(results)
    print()
    print_table(agents)


if __name__ == "__main__":
    main()
