"""Prints the recorded benchmark's oracle for several budgets and its scaling curves, and plots these.

python scripts/recorded_benchmark.py --strategy fusion --plot docs/recorded-fusion.svg
python scripts/recorded_benchmark.py --card    # what was recorded, as Markdown
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recorded_scores import Scores, score_everything
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from environment.multihop.recorded import RECORDING, STRATEGIES, load_recording, recorded_task
from environment.multihop.stages import QA, RETRIEVAL
from environment.task import Task
from tools.cost import within_budget
from tools.statistics import wilson_interval

BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0)


def print_oracle(console: Console, task: Task, scores: Scores) -> None:
    """The best allocation of the grid within each budget, by all examples."""
    default = task.space.default_budget(task.cost)
    held_out = len(task.search_examples)  # where the held-out examples begin
    table = Table("budget", "allocations", "oracle", "cost", "EM (all)", "EM (search)", "EM (held-out)", box=MARKDOWN)
    for factor in BUDGETS:
        budget = factor * default
        fitting = [a for a in scores if within_budget(task.cost.total(task.space, a), budget)]
        best = max(fitting, key=lambda a: (scores[a][QA].mean(), -task.cost.total(task.space, a)))
        answers = scores[best][QA]
        interval = wilson_interval(answers.mean(), len(answers))
        table.add_row(
            f"{budget:,.1f} ({factor:g}x)",
            str(len(fitting)),
            str(best),
            f"{task.cost.total(task.space, best):,.1f}",
            f"{answers.mean():.3f} [{interval.low:.2f}, {interval.high:.2f}]",
            f"{answers[:held_out].mean():.3f}",
            f"{answers[held_out:].mean():.3f}",
        )
    console.print(table)


def curves(task: Task, scores: Scores) -> dict[tuple[str, str], list[float]]:
    """Mean score by sample count: retrieval for each model; qa for each pair of upstream and model.

    The upstream of a qa curve is each retrieval model at each of its sample counts.
    """
    counts = task.space.sample_counts
    lines: dict[tuple[str, str], dict[int, float]] = {}
    for allocation, by_stage in scores.items():
        up, down = allocation[RETRIEVAL], allocation[QA]
        lines.setdefault((RETRIEVAL, up.model), {})[up.samples] = by_stage[RETRIEVAL].mean()
        lines.setdefault((f"{QA} after {up}", down.model), {})[down.samples] = by_stage[QA].mean()
    return {name: [line[count] for count in counts] for name, line in lines.items()}


def print_curves(console: Console, task: Task, lines: dict[tuple[str, str], list[float]]) -> None:
    """One row a curve."""
    table = Table("stage", "model", *(f"S={count}" for count in task.space.sample_counts), box=MARKDOWN)
    for (stage, model), line in lines.items():
        table.add_row(stage, model, *(f"{value:.3f}" for value in line))
    console.print(table)


def plot(task: Task, lines: dict[tuple[str, str], list[float]], path: Path) -> None:
    """Retrieval's curves, and qa's after the first and the best upstream of the largest model."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "agenttts"  # the same scores give the same file
    from matplotlib import pyplot

    largest = task.space[RETRIEVAL].largest.name
    panels = [RETRIEVAL, *(f"{QA} after {largest} x {count}" for count in (1, task.space.max_samples))]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.4), sharey=True)
    for axis, panel in zip(axes, panels, strict=True):
        for (stage, model), line in lines.items():
            if stage == panel:
                axis.plot(task.space.sample_counts, line, marker="o", label=model)
        axis.set(title=panel, xlabel="samples", xscale="log", xticks=task.space.sample_counts, ylim=(0, 1))
        axis.set_xticklabels([str(count) for count in task.space.sample_counts])
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("Ret-F1 / EM")
    axes[-1].legend(fontsize=7)
    figure.suptitle(f"Recorded benchmark, {task.strategies[QA]}")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def print_card(card: Mapping[str, Any]) -> None:
    """The recording's card as Markdown: its facts, then its weights and counts by model."""
    rows = [
        ("name, licence", f"{card['name']}, {card['licence']}"),
        ("examples", f"{card['search_examples']} search, {card['held_out_examples']} held-out"),
        ("question generator", f"seed {card['generator_seed']}, {card['candidates']} candidate facts a question"),
        ("sample counts, strategies", f"{card['sample_counts']}, {', '.join(card['strategies'])}"),
        ("fusion temperature", card["fusion_temperature"]),
        ("seed rule", card["seed_rule"]),
        ("server", card["server"]),
        *((f"prompt {name}", f"SHA-256 `{digest}`") for name, digest in card["prompts"].items()),
    ]
    _markdown(("", ""), rows)
    _markdown(
        ("temperature", "max tokens", "top-p", "stop", "requests"),
        (
            (e["temperature"], e["max_tokens"], e["top_p"], f"`{json.dumps(e['stop'])}`", f"{e['requests']:,}")
            for e in card["sampling"]
        ),
    )
    counts = ("requests", "samples", "prompt_tokens", "generation_tokens")
    everything = [*card["by_model"].items(), ("all", card)]
    _markdown(("model", *counts), ((name, *(f"{of[count]:,}" for count in counts)) for name, of in everything))
    for weights in card["weights"]:
        _markdown(("", weights["model"]), ((key, value) for key, value in weights.items() if key != "model"))


def _markdown(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    for row in (head, ["---"] * len(head), *rows):
        print("|", " | ".join(f"{cell:,.0f}" if _is_large(cell) else str(cell) for cell in row), "|")
    print()


def _is_large(cell: object) -> bool:
    return isinstance(cell, int | float) and cell >= 1e6


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strategy", choices=STRATEGIES, default="fusion")
    parser.add_argument("--plot", type=Path, help="an SVG file to write")
    parser.add_argument("--card", action="store_true", help="print the recording's card as Markdown and stop")
    arguments = parser.parse_args()
    if arguments.card:
        print_card(load_recording(RECORDING).card)
        return
    task = recorded_task(strategy=arguments.strategy)
    scores = asyncio.run(score_everything(task))
    console = Console(width=200)
    console.print(
        f"{len(task.search_examples)} search and {len(task.held_out_examples)} held-out examples, "
        f"strategy {arguments.strategy}, recorded from {task.recorded_from}"
    )
    print_oracle(console, task, scores)
    lines = curves(task, scores)
    print_curves(console, task, lines)
    if arguments.plot:
        plot(task, lines, arguments.plot)


if __name__ == "__main__":
    main()
