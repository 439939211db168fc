"""Prints what the simulated tasks are calibrated to beside what they give, as Markdown.

python scripts/simulated_calibration.py --draws 200 --write docs/simulated.md
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from environment.simulated.calibration import (
    CASE_STUDY,
    CASE_STUDY_BUDGET,
    CASE_STUDY_SECOND,
    TABLE_1,
    TEMPERATURE_ROW,
    RowShape,
    best_by_model,
    main_score,
    oracle_scores,
    poorest_shortfall,
    random_test_scores,
    temperature_row,
)
from environment.simulated.contrary_families import CONTRARY_FAMILIES
from environment.simulated.family import Family
from environment.simulated.paper_families import PAPER_FAMILIES, TWO_WIKI
from environment.simulated.problem import SimulatedProblem
from environment.task import HELD_OUT, SEARCH
from tools.flops import FlopsCost
from tools.space import Allocation, Choice

START, END = "<!-- calibration: made by scripts/simulated_calibration.py -->", "<!-- end of calibration -->"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, and an empty one."""
    lines = [header, ["---"] * len(header), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def with_error(scores: Sequence[float]) -> str:
    """A mean over draws with its standard error."""
    return f"{fmean(scores):.3f} ± {stdev(scores) / len(scores) ** 0.5:.3f}"


def table_1(draws: int) -> list[str]:
    """Table 1: random search and the best trial, against random search and the oracle here."""
    rows = []
    for family in PAPER_FAMILIES:
        paper = TABLE_1[family.name]
        centre = SimulatedProblem(family)
        largest = Allocation({s.name: Choice(s.largest.name, 1) for s in centre.space.subtasks})
        rows.append(
            [
                family.name,
                f"{family.budgets['medium']:,}",
                f"{paper.random:.2f}",
                with_error(random_test_scores(family, range(1, draws + 1))),
                f"{paper.agenttts:.2f}",
                f"{centre.oracle(family.budgets['medium']).score:.3f}",
                with_error(oracle_scores(family, range(1, min(draws, 50) + 1))),
                f"{list(centre.expected(largest).values())[-1]:.3f}",
            ]
        )
    header = ("task", "budget", "random, paper", f"random, {draws} draws", "best, paper", "oracle, centre")
    return table([*header, f"oracle, {min(draws, 50)} draws", "largest models, one sample"], rows)


def search_examples(draws: int) -> list[str]:
    """How random search ends with 50, 75 and 100 search examples."""
    sizes = (50, 75, 100)
    rows = [
        [f.name, *(with_error(random_test_scores(f, range(1, draws + 1), search_examples=n)) for n in sizes)]
        for f in PAPER_FAMILIES
    ]
    return table(["random search", *(f"{size} search examples" for size in sizes)], rows)


def budgets() -> list[str]:
    """Every family's true optimum at its low, medium and high budget."""
    rows = []
    for family in (*PAPER_FAMILIES, *CONTRARY_FAMILIES):
        problem = SimulatedProblem(family)
        for name, budget in family.budgets.items():
            best = problem.oracle(budget)
            rows.append(
                [family.name, f"{name} {budget:,}", str(best.allocation), f"{best.cost:,.0f}", f"{best.score:.3f}"]
            )
    return table(["centre of", "budget", "true optimum", "cost", "score"], rows)


def case_study() -> list[str]:
    """The two best pairs of models at budget 850, with their best numbers of samples."""
    problem = SimulatedProblem(TWO_WIKI)
    retrieval, qa = problem.space.subtasks
    pairs = [
        problem.surface.oracle(CASE_STUDY_BUDGET, FlopsCost(), among={retrieval.name: first.name, qa.name: second.name})
        for first in retrieval.models
        for second in qa.models
        if (first, second) != (retrieval.largest, qa.largest)  # does not fit this budget
    ]
    ranked = sorted(pairs, key=lambda pair: -pair.score)[:3]
    paper = [f"optimum: {CASE_STUDY}", f"equally good: {CASE_STUDY_SECOND}", "-"]
    return table(
        ["paper, budget 850", "simulated: best of each pair of models", "cost", "score"],
        [[p, str(o.allocation), f"{o.cost:,.0f}", f"{o.score:.4f}"] for p, o in zip(paper, ranked, strict=True)],
    )


def table_2(draws: int) -> list[str]:
    """Table 2's row and its shape, against the same here."""
    rows = [temperature_row(SimulatedProblem(TWO_WIKI, draw)) for draw in range(draws + 1)]
    shapes = [RowShape.of(row) for row in rows[1:]]
    paper = RowShape.of(TEMPERATURE_ROW)
    mean = {samples: fmean(row[samples] for row in rows[1:]) for samples in TEMPERATURE_ROW}
    curves = [("paper", TEMPERATURE_ROW), ("simulated, centre", rows[0]), (f"simulated, mean of {draws} draws", mean)]
    return [
        *table(
            ["samples", *map(str, TEMPERATURE_ROW)],
            [[name, *(f"{score:.2f}" for score in row.values())] for name, row in curves],
        ),
        *table(
            ["Table 2, temperature 0.9", "paper", "simulated"],
            [
                ["gain of 10 and more samples over 1", f"{paper.gain:.3f}", with_error([s.gain for s in shapes])],
                ["scatter among 10 and more", f"{paper.scatter:.3f}", with_error([s.scatter for s in shapes])],
                ["fall from 10-60 to 70-90", f"{paper.fall:.3f}", with_error([s.fall for s in shapes])],
            ],
        ),
    ]


def insights() -> list[str]:
    """The three insights on the centre of every family."""
    rows = [[family.name, *insight_cells(family)] for family in (*PAPER_FAMILIES, *CONTRARY_FAMILIES)]
    header = ("1: best model of each subtask", "2: curves with a peak inside 2-99", "3: last subtask, good upstream")
    return table(["centre of", *header, "3: poor upstream"], rows)


def insight_cells(family: Family) -> list[str]:
    """What a family's centre does about each insight."""
    problem = SimulatedProblem(family)
    stages = [best_by_model(problem, position, 0.0) for position in range(len(family.stages))]
    preferred = [max(stage, key=lambda model: stage[model][1]) for stage in stages]
    inside = sum(1 < samples < 100 for stage in stages for samples, _ in stage.values())
    last = len(family.stages) - 1
    return [
        ", ".join(preferred),
        f"{inside} of {sum(map(len, stages))}",
        *(_winner(best_by_model(problem, last, shortfall)) for shortfall in (0.0, poorest_shortfall(problem))),
    ]


def _winner(models: dict[str, tuple[int, float]]) -> str:
    names = list(models)
    best = max(names, key=lambda name: models[name][1])
    lead = models[names[0]][1] - models[names[-1]][1]
    return f"{best} x {models[best][0]}; smallest leads largest by {lead:+.3f}"


def departures(draws: int) -> list[str]:
    """How far draws are from the centre: whose models are best there, and what the centre's optimum loses."""
    rows = []
    for family in (*PAPER_FAMILIES, *CONTRARY_FAMILIES):
        budget = family.budgets["medium"]
        usual = SimulatedProblem(family).oracle(budget).allocation
        models, losses = [], []
        for draw in range(1, draws + 1):
            problem = SimulatedProblem(family, draw)
            best = problem.oracle(budget)
            models.append(tuple(choice.model for choice in best.allocation.values()))
            losses.append(best.score - list(problem.expected(usual).values())[-1])
        same = models.count(tuple(choice.model for choice in usual.values()))
        rows.append(
            [family.name, f"{same} of {draws}", str(len(set(models))), f"{fmean(losses):.3f}", f"{max(losses):.3f}"]
        )
    header = ("draws with the centre's best models", "kinds of best models", "the centre's optimum loses", "at most")
    return table(["family", *header], rows)


def parameters() -> list[str]:
    """The centre of every family, as the code holds it."""
    rows = []
    for family in (*PAPER_FAMILIES, *CONTRARY_FAMILIES):
        for stage in family.stages:
            for model, c in stage.curves.items():
                numbers = (c.single, c.peak, c.top, c.late, c.coupling, c.delay)
                rows.append([family.name, stage.name, model.name, *(f"{number:g}" for number in numbers)])
    return table(["family", "subtask", "model", "single", "peak", "top", "late", "coupling", "delay"], rows)


def bayesian_optimisation(draws: int) -> list[str]:
    """Table 1's BO row against the package's gp searcher, which never wastes a trial on the budget."""
    from agent.search import Search

    rows = []
    for family in PAPER_FAMILIES:
        scores = []
        for draw in range(1, draws + 1):
            problem = SimulatedProblem(family, draw)
            search = Search(problem.space, family.budgets["medium"], "gp", draw)
            while len(search.trials) < 50:
                for trial in search.ask(1):
                    search.tell(trial, main_score(problem, trial.allocation, SEARCH))
            if search.best:
                scores.append(main_score(problem, search.best.allocation, HELD_OUT))
        rows.append([family.name, f"{TABLE_1[family.name].bo:.2f}", with_error(scores)])
    return table(["task", "BO, paper", f"gp of this package, {draws} draws"], rows)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200, help="surfaces to average over")
    parser.add_argument("--bo", type=int, default=0, help="draws of the gp searcher too; slow")
    parser.add_argument("--write", type=Path, help="a Markdown file whose marked part is replaced")
    arguments = parser.parse_args()
    sections = [
        ("Table 1", table_1(arguments.draws)),
        ("Case study", case_study()),
        ("Table 2", table_2(arguments.draws)),
        ("Insights", insights()),
        ("Number of search examples", search_examples(arguments.draws)),
        ("True optima", budgets()),
        ("Draws", departures(min(arguments.draws, 50))),
        ("Parameters", parameters()),
    ]
    if arguments.bo > 1:
        sections.insert(1, ("Bayesian optimisation", bayesian_optimisation(arguments.bo)))
    lines = ["Everything below is simulated; draw 0 is the centre of a family.", ""]
    for title, section in sections:
        lines += [f"### {title}", "", *section]
    text = "\n".join(lines)
    print(text)
    if arguments.write:
        page = arguments.write.read_text(encoding="utf-8")
        marked = re.compile(f"{re.escape(START)}.*{re.escape(END)}", re.DOTALL)
        arguments.write.write_text(marked.sub(lambda _: f"{START}\n\n{text}\n{END}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
