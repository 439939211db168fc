"""Prints the tables of docs/comparison.md, in points, from folders that `agenttts compare --output` wrote.

python scripts/comparison_results.py found/main found/gp

A searcher that several folders hold is taken from the first. Needs the extra `plot`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

CHECKPOINTS = (10, 25, 50)
POINTS = 100


def load(folders: list[Path], name: str) -> pd.DataFrame:
    """One table of all folders; a task, budget and searcher comes from the first folder that has it."""
    frames: list[pd.DataFrame] = []
    seen: set[tuple[str, str, str]] = set()
    for folder in folders:
        for key, group in pd.read_csv(folder / name).groupby(["task", "budget", "searcher"], sort=False):
            if key not in seen:
                seen.add(key)
                frames.append(group)
    return pd.concat(frames)


def markdown(table: pd.DataFrame, corner: str) -> str:
    """The table with two digits, its index as the first column."""
    rows = [[corner, *map(str, table.columns)], ["---"] * (1 + len(table.columns))]
    rows += [
        [str(label), *(f"{value:.2f}" for value in row)] for label, row in zip(table.index, table.values, strict=True)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def by_searcher(bands: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Mean regret of the best searched trial at the checkpoints, and of the recommended one, over tasks."""
    columns = {
        f"best searched, {trial} trials": bands[bands.trial == trial].groupby("searcher", sort=False).regret.mean()
        for trial in CHECKPOINTS
    }
    means = runs.groupby(["searcher", "task"], sort=False).recommended_regret.mean()
    columns["recommended, 50 trials"] = means.groupby("searcher", sort=False).mean()
    return POINTS * pd.DataFrame(columns)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    folders: list[Path] = parser.parse_args().folders
    bands, runs = load(folders, "bands.csv"), load(folders, "runs.csv")
    for budget in runs.budget.unique():
        within, made = bands[bands.budget == budget], runs[runs.budget == budget]
        print(f"\nMean regret over {made.task.nunique()} tasks, budget {budget}\n")
        print(markdown(by_searcher(within, made), "searcher"))
        last = within[within.trial == max(CHECKPOINTS)]
        for title, table in (
            ("best searched", last.pivot(index="task", columns="searcher", values="regret")),
            ("recommended", made.pivot_table(index="task", columns="searcher", values="recommended_regret")),
        ):
            print(f"\nRegret by task after {max(CHECKPOINTS)} trials, {title}\n")
            print(markdown(POINTS * table[list(made.searcher.unique())], "task"))


if __name__ == "__main__":
    main()
