"""Draws all trials of one search on the recorded benchmark: score against cost, and the best for every cost.

    python scripts/search_picture.py                     # writes docs/search.svg, prints its figures

Needs the extra `plot`.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import accumulate
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

import agenttts as tts
from agent.judging import LARGEST, SMALLEST
from environment.task import SEARCH

mpl.rcParams["svg.hashsalt"] = "agenttts"
COLOURS = {"trials": "#7a8a99", "best": "#1b7837", "naive": "#b2182b"}


def searched(seed: int, trials: int) -> tts.Result:
    """One search of the recorded benchmark with the planner."""
    with tempfile.TemporaryDirectory() as folder:
        return tts.run("multihop-recorded", trials=trials, seed=seed, storage=f"sqlite:///{folder}/search.db")


def draw(result: tts.Result, path: Path) -> None:
    """Score against cost, the stairs of the best, the recommended trial and the naive allocations."""
    trials = sorted(result.trials, key=lambda trial: (trial.cost, -(trial.score or 0.0)))
    costs, scores = [trial.cost for trial in trials], [trial.score or 0.0 for trial in trials]
    figure, axes = plt.subplots(figsize=(7.5, 4), layout="constrained")
    axes.scatter(costs, scores, s=22, color=COLOURS["trials"], alpha=0.7, label="a trial", zorder=2)
    axes.step(costs, list(accumulate(scores, max)), where="post", color=COLOURS["best"], lw=1.2, zorder=1)
    best = result.best
    interval = best.interval
    error = [[(best.score or 0.0) - interval.low], [interval.high - (best.score or 0.0)]]
    axes.errorbar(
        best.cost,
        best.score or 0.0,
        error,
        fmt="o",
        color=COLOURS["best"],
        ms=8,
        capsize=4,
        zorder=4,
        label=f"recommended: {_short(str(best.allocation))}",
    )
    for label, marker in ((LARGEST, "^"), (SMALLEST, "v")):
        judged = result.evaluation(label, SEARCH)
        if judged is not None:
            axes.scatter(
                judged.cost,
                judged.score.mean,
                marker=marker,
                s=70,
                color=COLOURS["naive"],
                zorder=3,
                label=f"{label}: {_short(str(judged.allocation))}",
            )
    axes.axvline(result.config.budget, color="black", lw=0.8, ls=":")
    axes.text(result.config.budget, axes.get_ylim()[1], " budget", va="top", fontsize=8)
    axes.set(xlabel="cost of one example (base passes)", ylabel="exact match on the search examples")
    axes.legend(fontsize=7, loc="upper left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def _short(allocation: str) -> str:
    return allocation.replace("qwen2.5-coder-", "").replace("smollm2-", "").replace("-instruct", "")


def main() -> None:
    """Searches, draws and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--output", type=Path, default=Path("docs/search.svg"))
    options = parser.parse_args()
    result = searched(options.seed, options.trials)
    draw(result, options.output)
    print(f"{len(result.trials)} trials, recommended {result.best.allocation} at {result.best.cost:,.1f}")
    for label in ("best", LARGEST, SMALLEST):
        for split in (SEARCH, "held-out"):
            if (judged := result.evaluation(label, split)) is not None:
                interval = judged.score.interval
                print(f"{label}, {split}: {judged.score.mean:.3f} [{interval.low:.2f}, {interval.high:.2f}]")


if __name__ == "__main__":
    main()
