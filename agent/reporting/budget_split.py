"""The budget split: what each subtask takes of an allocation's cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.judging import BEST, LARGEST, SMALLEST
from agent.reporting.plot import Plot, Table
from agent.reporting.style import TIMES, colours_of, label, lines, new_figure, number, score, share
from tools.cost import CostModel
from tools.history import completed
from tools.space import Allocation, SearchSpace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from agent.session import Result

FURTHER = 5
"""Trials shown beside the best allocation and the naive ones."""


@dataclass(frozen=True, slots=True)
class Split:
    """An allocation's cost by subtask, in the budget's unit; `score` is the one on the search examples."""

    name: str
    allocation: Allocation
    costs: Mapping[str, float]
    score: float | None

    @property
    def total(self) -> float:
        """The cost of the whole allocation."""
        return sum(self.costs.values())


def splits(result: Result, space: SearchSpace, cost: CostModel) -> list[Split]:
    """The best allocation, the naive ones that fit the budget, and the trials with the next highest scores."""
    named: dict[str, tuple[Allocation, float | None]] = {}
    if (best := result.best_or_none) is not None:
        named[f"{BEST} (trial {best.number})"] = best.allocation, best.score
    for name in (LARGEST, SMALLEST):
        if (naive := result.evaluation(name)) is not None:
            searched = result.evaluation(name, "search")
            named[name] = naive.allocation, searched.score.mean if searched else None
    others = [trial for trial in completed(result.trials) if best is None or trial.number != best.number]
    named |= {f"trial {trial.number}": (trial.allocation, trial.score) for trial in others[:FURTHER]}
    return [
        Split(name, allocation, {s.name: cost.subtask(s, allocation[s.name]) for s in space.subtasks}, scored)
        for name, (allocation, scored) in named.items()
    ]


def budget_split_figure(found: Sequence[Split], space: SearchSpace, budget: float, unit: str) -> Figure:
    """One bar an allocation: its subtasks in pipeline order, coloured by model; the line is the budget."""
    figure = new_figure(130 + 42 * len(found), barmode="stack", xaxis_title=f"cost of an example, {label(unit)}")
    models = list(dict.fromkeys(model.name for subtask in space.subtasks for model in subtask.by_size))
    colours = colours_of(models)
    shown: set[str] = set()
    for subtask in space.subtasks:
        for model in models:
            rows = [split for split in found if split.allocation[subtask.name].model == model]
            if not rows:
                continue
            figure.add_bar(
                y=[label(split.name) for split in rows],
                x=[split.costs[subtask.name] for split in rows],
                orientation="h",
                name=label(model),
                legendgroup=model,
                showlegend=model not in shown,
                legendrank=models.index(model),
                marker={"color": colours[model], "line": {"color": "rgba(255,255,255,0.85)", "width": 1.5}},
                text=[f"{label(subtask.name, 18)} {TIMES}{split.allocation[subtask.name].samples}" for split in rows],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"color": "#ffffff", "size": 11},
                customdata=[
                    lines(
                        f"{split.name}, {subtask.name}",
                        f"{split.allocation[subtask.name]}",
                        f"{number(split.costs[subtask.name])} {unit}, {share(split.costs[subtask.name] / split.total)}",
                    )
                    for split in rows
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
            shown.add(model)
    figure.add_vline(
        x=budget, line={"width": 1.5, "dash": "dash", "color": "#8a929b"}, annotation={"text": "budget", "yshift": 4}
    )
    figure.update_yaxes(
        autorange="reversed", type="category", categoryarray=[label(split.name) for split in found], showgrid=False
    )
    figure.update_xaxes(rangemode="tozero")
    figure.update_layout(uniformtext={"minsize": 9, "mode": "hide"}, bargap=0.3)
    return figure


def budget_split_plot(result: Result, space: SearchSpace, cost: CostModel) -> Plot | None:
    """The figure for a page; None where nothing is to be shown yet."""
    found = splits(result, space, cost)
    if not found:
        return None
    names = [subtask.name for subtask in space.subtasks]
    rows = [
        [
            split.name,
            *(
                f"{split.allocation[name]}: {number(split.costs[name])} ({share(split.costs[name] / split.total)})"
                for name in names
            ),
            number(split.total),
            share(split.total / result.config.budget),
            score(split.score),
        ]
        for split in found
    ]
    columns = ["allocation", *names, "cost", "of the budget", "search score"]
    return Plot(
        "budget-split",
        "Where the budget goes",
        "Each bar is an allocation, its parts are the subtasks in pipeline order with their samples, coloured by "
        "model. Beside the recommended and the naive allocations stand the trials that scored highest.",
        budget_split_figure(found, space, result.config.budget, cost.unit),
        Table(columns, rows, frozenset(columns[-3:])),
    )
