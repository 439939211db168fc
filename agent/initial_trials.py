"""The initial trials of Algorithm 1: compare the models of each subtask (Insight 1)."""

from __future__ import annotations

from agent.feasible import FeasibleSpace, Menu, usual
from agent.searcher import Problem, Proposal
from tools.cost import within_budget
from tools.space import Allocation, Choice, Subtask

MOST_SAMPLES = 60
"""The cap of the released AgentTTS code on initial sample counts."""


def initial_trials(problem: Problem, origin: str) -> list[Proposal]:
    """One proposal for each subtask and candidate model, without repeats (AgentTTS, Algorithm 1).

    Subtask i may spend Bmax_i: one sample of its largest model that leaves room for every other
    subtask's cheapest choice. Each of its models gets as many samples as that buys, while the
    other subtasks take the largest model with one sample that still fits. Where strategies or
    temperatures are searched, every model is compared with the first of them that fits.
    """
    feasible = FeasibleSpace(problem)
    least = problem.space.sample_counts[0]

    def largest_once(_: Subtask, menu: Menu) -> Choice:
        return list(usual(menu).values())[-1].choice(least)

    proposals: dict[Allocation, Proposal] = {}
    for subtask in problem.space.subtasks:
        menu = feasible.menu(subtask, {})
        compared = list(usual(menu).values())
        largest = compared[-1]
        most = feasible.cost(subtask.name, largest.choice(least))
        for variant in compared:
            bought = [c for c in menu[variant] if within_budget(feasible.cost(subtask.name, variant.choice(c)), most)]
            if not bought:
                continue
            samples = max(count for count in bought if count <= MOST_SAMPLES or count == bought[0])
            allocation = feasible.build(largest_once, {subtask.name: variant.choice(samples)})
            reason = (
                f"Insight 1: compares the models of {subtask.name} within the {most:,.4g} {problem.cost.unit} "
                f"that one sample of {largest} costs"
            )
            proposals.setdefault(allocation, Proposal(allocation, origin, reason))
    return list(proposals.values())
