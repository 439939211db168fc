"""The initial trials of Algorithm 1: compare the models of each subtask (Insight 1)."""

from __future__ import annotations

from agent.feasible import affordable_counts, cheapest_cost
from agent.searcher import Problem, Proposal
from tools.space import Allocation, Choice

MOST_SAMPLES = 60
"""The cap of the released AgentTTS code on initial sample counts."""


def initial_trials(problem: Problem, origin: str) -> list[Proposal]:
    """One proposal for each subtask and candidate model, without repeats (AgentTTS, Algorithm 1).

    Subtask i may spend Bmax_i: one sample of its largest model that leaves room for every other
    subtask's cheapest choice. Each of its models gets as many samples as that buys, while the
    other subtasks take the largest model with one sample that still fits.
    """
    proposals: dict[Allocation, Proposal] = {}
    for subtask in problem.space.subtasks:
        others = [other for other in problem.space.subtasks if other is not subtask]
        room = problem.budget - sum(cheapest_cost(problem, other) for other in others)
        largest = next(m for m in reversed(subtask.by_size) if affordable_counts(problem, subtask, m.name, room))
        least = problem.space.sample_counts[0]
        most = problem.cost.subtask(subtask, Choice(largest.name, least))
        for model in subtask.by_size:
            counts = affordable_counts(problem, subtask, model.name, most)
            if not counts:
                continue
            samples = max(count for count in counts if count <= MOST_SAMPLES or count == counts[0])
            allocation = _complete(problem, subtask.name, Choice(model.name, samples))
            reason = (
                f"Insight 1: compares the models of {subtask.name} within the {most:,.4g} {problem.cost.unit} "
                f"that one sample of {largest.name} costs"
            )
            proposals.setdefault(allocation, Proposal(allocation, origin, reason))
    return list(proposals.values())


def _complete(problem: Problem, fixed: str, choice: Choice) -> Allocation:
    """The other subtasks at their largest affordable model with one sample, in pipeline order."""
    least = problem.space.sample_counts[0]
    rest = [subtask for subtask in problem.space.subtasks if subtask.name != fixed]
    left = problem.budget - problem.cost.subtask(problem.space[fixed], choice)
    chosen = {fixed: choice}
    for position, subtask in enumerate(rest):
        room = left - sum(cheapest_cost(problem, later) for later in rest[position + 1 :])
        model = next(m for m in reversed(subtask.by_size) if affordable_counts(problem, subtask, m.name, room))
        chosen[subtask.name] = Choice(model.name, least)
        left -= problem.cost.subtask(subtask, chosen[subtask.name])
    return problem.space.validate(chosen)
