"""The main comparison, as Table 1 and Figure 3 of AgentTTS: every searcher without a language model, medium budget.

python scripts/compare_main.py --seeds 20
python scripts/compare_main.py --searchers planner tpe --tasks simulated-2wiki
"""

from __future__ import annotations

from comparison_script import PAPER_TASKS, SEARCHERS, add_searchers, named, parser, run_script
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from agent.comparison.result import Comparison


def print_table_one(console: Console, comparison: Comparison) -> None:
    """The layout of Table 1: when the optimum was found (median trial, - in half of the runs never), and the score."""
    tasks = [entry.label for entry in comparison.plan.tasks]
    cells = {(row["searcher"], row["task"]): row for row in comparison.summary}
    near = f"{100 * comparison.plan.within:g}%"
    table = Table(
        "searcher",
        *tasks,
        title=f"Median trial within {near} of the oracle / mean held-out score of the recommended trial",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for entry in comparison.plan.searchers:
        rows = [cells[entry.label, task] for task in tasks]
        table.add_row(entry.label, *(f"{_trial(row)} / {_score(row)}" for row in rows))
    console.print(table)


def _trial(row: dict[str, float | None]) -> str:
    median = row["trials_to_oracle_median"]
    return "-" if median is None else f"{median:.0f}"


def _score(row: dict[str, float | None]) -> str:
    score = row["recommended_held_out_score"]
    return "-" if score is None else f"{score:.3f}"


def main() -> None:
    """The command."""
    options = parser(__doc__, "compare-main", tasks=(*PAPER_TASKS, "multihop-recorded"), seeds=20)
    add_searchers(options, (*SEARCHERS, "gp", "cmaes", "nsga2", "grid"))
    arguments = options.parse_args()
    run_script(arguments, arguments.tasks, named(arguments.searchers), show=print_table_one)


if __name__ == "__main__":
    main()
