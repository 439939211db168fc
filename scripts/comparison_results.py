"""Prints the tables of docs/comparison.md, in points, from folders that `agenttts compare --output` wrote.

python scripts/comparison_results.py found/main found/gp

A run that several folders hold is taken from the first. Every searcher is paired with the planner.
Needs the extra `plot`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from agent.comparison.resampling import arrival_quantile, bootstrap_mean, holm, signed_rank

CHECKPOINTS = (10, 25, 50)
RULES = {"best": "best searched", "recommended": "recommended"}
POINTS = 100
PLANNER, RANDOM = "planner", "random"
KEY = ["task", "budget", "searcher", "seed"]


def load(folders: Sequence[Path], name: str) -> pd.DataFrame:
    """One table of all folders; a task, budget and searcher comes from the first folder that has it."""
    frames: list[pd.DataFrame] = []
    seen: set[object] = set()
    for folder in folders:
        for key, group in pd.read_csv(folder / name).groupby(KEY[:3], sort=False):
            if key not in seen:
                seen.add(key)
                frames.append(group)
    return pd.concat(frames)


def regrets(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """The regret of every run by both rules at every checkpoint, one row a run."""
    table = runs.set_index(KEY)[["oracle_score", "best_true_score", "recommended_true_score"]]
    for trial in CHECKPOINTS:
        at = steps[steps.trial == trial].set_index(KEY)
        for rule in RULES:
            last = table[f"{rule}_true_score"]
            # A run that ended early stays where it stopped.
            score = at[f"{rule}_true_score"].reindex(table.index).fillna(last)
            table[rule, trial] = POINTS * (table.oracle_score - score)
    return table[[(rule, trial) for rule in RULES for trial in CHECKPOINTS]].reset_index()


def markdown(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> str:
    """A table of text."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [columns, ["---"] * len(columns), *rows])


def means(table: pd.DataFrame, searchers: Sequence[str]) -> str:
    """Mean regret over the tasks, by searcher; every task weighs the same."""
    columns = [c for c in table.columns if isinstance(c, tuple)]
    by_task = table.groupby(["searcher", "task"])[columns].mean()
    rows = [[s, *(f"{v:.2f}" for v in by_task.loc[s].mean())] for s in searchers]
    return markdown(rows, ["searcher", *(f"{RULES[rule]}, {trial}" for rule, trial in columns)])


def paired(table: pd.DataFrame, searchers: Sequence[str]) -> str:
    """Mean regret that each searcher has beyond the planner's on the same problem, with Holm's p over the searchers."""
    columns = [c for c in table.columns if isinstance(c, tuple)]
    others = [s for s in searchers if s != PLANNER]
    cells: dict[str, list[str]] = {s: [] for s in others}
    wide = table.set_index(["task", "seed", "searcher"])[columns].unstack("searcher")
    for column in columns:
        differences = {s: (wide[column, s] - wide[column, PLANNER]).dropna() for s in others}
        adjusted = holm([signed_rank(list(d)) for d in differences.values()])
        for s, p in zip(others, adjusted, strict=True):
            found = bootstrap_mean(list(differences[s]), [task for task, _ in differences[s].index])
            shown = f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001"
            cells[s].append(f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}], {shown}")
    return markdown([[s, *row] for s, row in cells.items()], ["beyond the planner", *(f"{r}, {t}" for r, t in columns)])


def catching_up(runs: pd.DataFrame, steps: pd.DataFrame, searchers: Sequence[str]) -> str:
    """The trial at which the planner's mean regret first is the best sampler's after all trials."""
    samplers = [s for s in searchers if s not in (PLANNER, "grid")]
    rows = []
    for task in runs.task.unique():
        of = steps[steps.task == task]
        curves = of.groupby(["searcher", "trial"]).regret.mean()
        last = {s: float(curves[s].iloc[-1]) for s in samplers}
        best = min(last, key=last.__getitem__)
        ours = curves[PLANNER]
        reached = ours[ours <= last[best] + 1e-12]
        rows.append([task, best, f"{POINTS * last[best]:.2f}", str(reached.index[0]) if len(reached) else "never"])
    return markdown(rows, ["task", "best sampler", "its regret, 50 trials", "trials of the planner"])


def generations(runs: pd.DataFrame) -> str:
    """Generations until the incumbent is within 1% of the oracle: the planner's with reuse, random's without."""
    rows = []
    for task in runs.task.unique():
        of = runs[runs.task == task]
        ours = _times(of[of.searcher == PLANNER].generations_to_oracle)
        theirs = _times(of[of.searcher == RANDOM].generations_to_oracle_without_reuse)
        medians = [arrival_quantile(times) for times in (ours, theirs)]
        share = f"{medians[0] / medians[1]:.3f}" if medians[0] and medians[1] else "-"
        arrived = [f"{sum(t is not None for t in times)}/{len(times)}" for times in (ours, theirs)]
        shown = ["never" if m is None else f"{m:,.0f}" for m in medians]
        rows.append([task, shown[0], arrived[0], shown[1], arrived[1], share])
    return markdown(
        rows, ["task", "planner, median", "arrived", "random without reuse, median", "arrived", "planner / random"]
    )


def _times(column: pd.Series[float]) -> list[float | None]:
    return [None if pd.isna(value) else float(value) for value in column]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    folders: list[Path] = parser.parse_args().folders
    runs, steps = load(folders, "runs.csv"), load(folders, "trajectories.csv")
    groups = runs.task.str.extract(r"^(simulated|contrary)-")[0].fillna("recorded")
    for group in groups.unique():
        for budget in runs.budget.unique():
            made = runs[(groups == group) & (runs.budget == budget)]
            if made.empty:
                continue
            of = steps[steps.task.isin(made.task.unique()) & (steps.budget == budget)]
            searchers, table = list(made.searcher.unique()), regrets(made, of)
            tasks, seeds = made.task.nunique(), made.seed.nunique()
            source = "simulated" if group == "contrary" else group
            print(f"\n## {group} ({source}), {tasks} tasks, {seeds} seeds, budget {budget}\n")
            print(f"Mean regret in points\n\n{means(table, searchers)}\n")
            print(f"Against the planner\n\n{paired(table, searchers)}\n")
            print(f"Catching up with the best sampler (best searched)\n\n{catching_up(made, of, searchers)}\n")
            if RANDOM in searchers:
                print(f"Generations to within 1% of the oracle\n\n{generations(made)}")


if __name__ == "__main__":
    main()
