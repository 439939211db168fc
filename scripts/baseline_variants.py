"""Measures set-ups of the baseline searchers side by side; docs/baselines.md says what was kept.

python scripts/baseline_variants.py --searcher tpe --searcher gp --results variants.jsonl
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import optuna
from optuna.samplers import CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.samplers.nsgaii import BaseCrossover, BLXAlphaCrossover
from rich.box import MARKDOWN
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agent.comparison.arena import Arena
from agent.comparison.recorded_arena import RecordedArena
from agent.comparison.simulated_arena import SimulatedArena
from agent.feasible import Menu, log_index, log_position, usual
from agent.grid import GridSearcher
from agent.optuna_cmaes import CmaEsSearcher
from agent.optuna_gp import FeasibleGpSampler, GpSearcher
from agent.optuna_nsga2 import Nsga2Searcher
from agent.optuna_parameters import BoxParameters, Parameters, TreeParameters
from agent.optuna_random import RandomSearcher
from agent.optuna_study import OptunaSearcher
from agent.optuna_tpe import TpeSearcher
from agent.search import Search
from agent.searcher import Problem, Searcher
from environment.loading import load_task
from tools.space import Allocation, Choice, Subtask
from tools.trial import Trial

TASKS = ("simulated-2wiki", "simulated-taskbench", "contrary-all", "multihop-recorded")
Build = Callable[[Problem, int], Searcher]


class UniformTree(TreeParameters):
    """Uniform over the sample counts that fit."""

    def place(self, position: float, fitting: Sequence[int]) -> int:
        return min(int(position * len(fitting)), len(fitting) - 1)

    def position(self, place: int, fitting: Sequence[int]) -> float:
        return (place + 0.5) / len(fitting)


class Relative(Parameters):
    """A position is on the log scale of the counts that fit, not of all."""

    def place(self, position: float, fitting: Sequence[int]) -> int:
        return log_index(position, fitting)

    def position(self, place: int, fitting: Sequence[int]) -> float:
        return log_position(place, fitting)


class RelativeTree(Relative, TreeParameters):
    """TreeParameters on that scale."""


class RelativeBox(Relative, BoxParameters):
    """BoxParameters on that scale."""


class CategoryBox(Relative):
    """One model as a category and one position a stage; a model that does not fit becomes the largest that does."""

    steps = 0
    """Positions are whole numbers below this; 0: they are continuous."""

    def suggest(self, trial: optuna.trial.BaseTrial) -> Allocation:
        def pick(subtask: Subtask, menu: Menu) -> Choice:
            model = trial.suggest_categorical(f"{subtask.name}: model", [model.name for model in subtask.by_size])
            models = usual(menu)
            variant = models.get(model, list(models.values())[-1])
            name = f"{subtask.name}: position"
            position = (
                (trial.suggest_int(name, 0, self.steps - 1) + 0.5) / self.steps
                if self.steps
                else trial.suggest_float(name, 0.0, 1.0)
            )
            return variant.choice(menu[variant][self.place(position, menu[variant])])

        return self.space.build(pick)

    def of(self, allocation: Allocation) -> dict[str, Any]:
        values: dict[str, Any] = {}

        def pick(subtask: Subtask, menu: Menu) -> Choice:
            choice = allocation[subtask.name]
            counts = menu[choice.variant]
            position = self.position(counts.index(choice.samples), counts)
            values[f"{subtask.name}: model"] = choice.model
            values[f"{subtask.name}: position"] = int(position * self.steps) if self.steps else position
            return choice

        self.space.build(pick)
        return values


class StepBox(CategoryBox):
    """CategoryBox on 16 positions."""

    steps = 16


class CostLine(Parameters):
    """One position a stage, over its fitting choices in the order of their costs.

    Every model has the same share of the line, its counts by their share of the log scale.
    """

    def suggest(self, trial: optuna.trial.BaseTrial) -> Allocation:
        def pick(subtask: Subtask, menu: Menu) -> Choice:
            choices, ends = self._line(subtask, menu)
            position = trial.suggest_float(f"{subtask.name}: position", 0.0, 1.0)
            return choices[min(int(np.searchsorted(ends, position)), len(choices) - 1)]

        return self.space.build(pick)

    def of(self, allocation: Allocation) -> dict[str, Any]:
        values: dict[str, Any] = {}

        def pick(subtask: Subtask, menu: Menu) -> Choice:
            choices, ends = self._line(subtask, menu)
            place = choices.index(allocation[subtask.name])
            values[f"{subtask.name}: position"] = (ends[place] + (ends[place - 1] if place else 0.0)) / 2
            return choices[place]

        self.space.build(pick)
        return values

    def _line(self, subtask: Subtask, menu: Menu) -> tuple[list[Choice], list[float]]:
        shares = {
            variant.choice(count): math.log((count + 0.5) / (count - 0.5)) / math.log((counts[-1] + 0.5) / 0.5)
            for variant, counts in menu.items()
            for count in counts
        }
        choices = sorted(shares, key=lambda choice: self.space.cost(subtask.name, choice))
        ends = np.cumsum([shares[choice] for choice in choices])
        return choices, (ends / ends[-1]).tolist()


def variant(
    base: type[OptunaSearcher],
    kind: Callable[..., optuna.samplers.BaseSampler] | None = None,
    written: type[Parameters] | None = None,
    **settings: Any,
) -> type[OptunaSearcher]:
    """The searcher with another sampler or other parameters."""

    class Variant(base):  # type: ignore[misc, valid-type]
        parameters = written or base.parameters

        def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
            return super().sampler(seed) if kind is None else kind(seed=seed, **settings)

    return Variant


def tpe(written: type[Parameters] = TreeParameters, **settings: Any) -> type[OptunaSearcher]:
    return variant(TpeSearcher, TPESampler, written, **settings)


class SilentTpe(tpe(RelativeTree, multivariate=False)):  # type: ignore[misc]
    """Does not tell the sampler the known scores of what it repeats."""

    def tell(self, trials: Sequence[Trial]) -> None:
        super().tell(trials)
        self._scores.clear()


class NoisyGp(GpSearcher):
    """Does not take the scores for free of noise."""

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        settings: dict[str, Any] = {"n_startup_trials": 10, "warn_independent_sampling": False}
        self._gp = FeasibleGpSampler(seed=seed, **settings)
        return self._gp


def boxed_gp(written: type[Parameters], **settings: Any) -> type[OptunaSearcher]:
    found = variant(OptunaSearcher, GPSampler, written, warn_independent_sampling=False, **settings)
    found.name, found.retries = "gp", 3
    return found


def cma(written: type[Parameters], **settings: Any) -> type[OptunaSearcher]:
    return variant(CmaEsSearcher, CmaEsSampler, written, warn_independent_sampling=False, **settings)


def nsga2(written: type[Parameters], size: int, crossover: BaseCrossover | None = None) -> type[OptunaSearcher]:
    return variant(Nsga2Searcher, NSGAIISampler, written, population_size=size, crossover=crossover)


VARIANTS: Mapping[str, Mapping[str, Build]] = {
    "random": {
        "log scale": variant(RandomSearcher, RandomSampler, TreeParameters),
        "log scale of what fits": variant(RandomSearcher, RandomSampler, RelativeTree),
        "uniform over what fits": variant(RandomSearcher, RandomSampler, UniformTree),
    },
    "grid": {"coarse to fine": GridSearcher},
    "tpe": {
        "tree": tpe(multivariate=False, n_ei_candidates=100),
        "relative tree": tpe(RelativeTree, multivariate=False, n_ei_candidates=100),
        "relative tree, 24 candidates": tpe(RelativeTree, multivariate=False),
        "relative tree, 24 candidates, no constant liar": tpe(RelativeTree, multivariate=False, constant_liar=False),
        "relative tree, 24 candidates, 20 startup trials": tpe(RelativeTree, multivariate=False, n_startup_trials=20),
        "relative tree, 24 candidates, repeats untold": SilentTpe,
        "relative tree, 24 candidates, multivariate in groups": tpe(RelativeTree, multivariate=True, group=True),
        "relative categories, 24 candidates, multivariate": tpe(CategoryBox, multivariate=True),
        "relative box, 24 candidates, multivariate": tpe(RelativeBox, multivariate=True),
        "box, 24 candidates, multivariate": tpe(BoxParameters, multivariate=True),
    },
    "gp": {
        "over untried allocations, deterministic": GpSearcher,
        "over untried allocations": NoisyGp,
        "relative categories": boxed_gp(CategoryBox),
        "relative categories, 16 positions, deterministic": boxed_gp(StepBox, deterministic_objective=True),
    },
    "cmaes": {
        "box, generations of 10, sigma 0.3": cma(BoxParameters, popsize=10, sigma0=0.3),
        "box, generations of 10": cma(BoxParameters, popsize=10),
        "box, generations of 10, sigma 0.5": cma(BoxParameters, popsize=10, sigma0=0.5),
        "box, generations of 5": cma(BoxParameters, popsize=5),
        "relative box, generations of 10": cma(RelativeBox, popsize=10),
        "relative box, generations of 10, sigma 0.3": cma(RelativeBox, popsize=10, sigma0=0.3),
        "relative box, generations of 10, sigma 0.5": cma(RelativeBox, popsize=10, sigma0=0.5),
        "relative box, generations of 5": cma(RelativeBox, popsize=5),
        "relative categories (chosen at random), generations of 10": cma(CategoryBox, popsize=10),
        "line of costs, generations of 10": cma(CostLine, popsize=10),
    },
    "nsga2": {
        "box, generations of 5": nsga2(BoxParameters, 5),
        "box, generations of 10": nsga2(BoxParameters, 10),
        "box, generations of 10, blended": nsga2(BoxParameters, 10, BLXAlphaCrossover()),
        "box, generations of 5, blended": nsga2(BoxParameters, 5, BLXAlphaCrossover()),
        "box, generations of 50": nsga2(BoxParameters, 50),
        "relative box, generations of 10": nsga2(RelativeBox, 10),
        "relative categories, generations of 10": nsga2(CategoryBox, 10),
    },
}


@dataclass(frozen=True, slots=True)
class Run:
    """One search: the true scores of its best trial by search score, of the best one it tried, and of the oracle."""

    searcher: str
    variant: str
    task: str
    draw: int
    chosen: float
    found: float
    oracle: float
    drawn: int


class Arenas:
    """The arenas by task and draw; the recorded benchmark has one, in which draws are seeds."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], Arena] = {}

    def get(self, name: str, draw: int) -> Arena:
        recorded = name == "multihop-recorded"
        key = (name, 0 if recorded else draw)
        if key not in self._made:
            task = load_task(name) if recorded else load_task(name, draw=draw)
            self._made[key] = RecordedArena(task) if task.simulation is None else SimulatedArena(task, task.simulation)
        return self._made[key]


def run(arena: Arena, build: Build, seed: int, trials: int, batch: int) -> tuple[float, float, float, int]:
    """The numbers of a Run, for one search at the task's medium budget."""
    task, budget = arena.task, arena.budget("medium")
    search = Search(
        task.space, budget, build(Problem(task.space, task.cost, budget), seed), seed, cost=task.cost, task=task.name
    )
    scorer = arena.scorer(budget)
    while asked := search.ask(batch, at_most=trials - len(search.trials)) if len(search.trials) < trials else []:
        for trial in asked:
            search.tell(trial, stage_scores=scorer(trial.allocation).stage_scores)
    assert search.best is not None  # noqa: S101 - no trial fails here
    truths = {trial.number: arena.true_score(trial.allocation) for trial in search.trials}
    drawn = sum("repeated" in trial.reason for trial in search.trials)
    return truths[search.best.number], max(truths.values()), arena.oracle(budget).score, drawn


def measure(wanted: Sequence[str], tasks: Sequence[str], draws: int, trials: int, batch: int, path: Path) -> list[Run]:
    """The wanted runs; those already in the file at `path` are read from it, the others are added to it."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = {(r.searcher, r.variant, r.task, r.draw): r for r in (Run(**json.loads(line)) for line in lines)}
    keys = [(s, v, t, d) for s in wanted for v in VARIANTS[s] for t in tasks for d in range(1, draws + 1)]
    arenas = Arenas()
    with path.open("a", encoding="utf-8") as file:
        for key in track([key for key in keys if key not in known], console=Console(stderr=True)):
            searcher, name, task, draw = key
            known[key] = Run(*key, *run(arenas.get(task, draw), VARIANTS[searcher][name], draw, trials, batch))
            file.write(json.dumps(asdict(known[key])) + "\n")
            file.flush()
    return [known[key] for key in keys]


def print_table(console: Console, runs: Sequence[Run]) -> None:
    """One row a variant: true score of the chosen trial by task, and what it lacks to the oracle over all tasks."""
    tasks = list(dict.fromkeys(r.task for r in runs))
    table = Table("searcher", "variant", *tasks, "short of oracle", "best tried", "drawn", box=MARKDOWN)
    for searcher, name in dict.fromkeys((r.searcher, r.variant) for r in runs):
        own = [r for r in runs if (r.searcher, r.variant) == (searcher, name)]
        by_draw = [[r for r in own if r.draw == draw] for draw in sorted({r.draw for r in own})]
        table.add_row(
            searcher,
            name,
            *(_mean([r.chosen for r in own if r.task == task]) for task in tasks),
            _mean([100 * fmean(r.oracle - r.chosen for r in group) for group in by_draw], 2),
            f"{100 * fmean(r.oracle - r.found for r in own):.2f}",
            f"{fmean(r.drawn for r in own):.1f}",
        )
    console.print(table)


def _mean(values: Iterable[float], digits: int = 3) -> str:
    values = list(values)
    error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{fmean(values):.{digits}f} ± {error:.{digits}f}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searcher", action="append", choices=VARIANTS, help="repeatable; default: all")
    parser.add_argument("--task", action="append", choices=TASKS, help="repeatable; default: all")
    parser.add_argument("--draws", type=int, default=10, help="draws 1 to this; 0, the centre, is not used")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--results", type=Path, default=Path("baseline-variants.jsonl"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    wanted, tasks = arguments.searcher or list(VARIANTS), arguments.task or TASKS
    runs = measure(wanted, tasks, arguments.draws, arguments.trials, arguments.batch, arguments.results)
    print_table(Console(width=260), runs)


if __name__ == "__main__":
    main()
