"""The simulated tasks, as `load_task` finds them."""

from __future__ import annotations

from environment.simulated import contrary_families as contrary
from environment.simulated import paper_families as paper
from environment.simulated.executor import SimulatedExample
from environment.simulated.family import Family
from environment.simulated.problem import SimulatedProblem
from environment.task import HELD_OUT, SEARCH, Task, TaskFactory
from tools.flops import FlopsCost


def simulated_task(family: Family, draw: int, search_examples: int, held_out_examples: int) -> Task:
    """A draw of a family as a task. Raises InvalidInput naming an unusable option."""
    problem = SimulatedProblem(family, draw, search_examples=search_examples, held_out_examples=held_out_examples)
    return Task(
        name=family.name,
        description=_says_simulated(family),
        stages=(),
        space=problem.space,
        cost=FlopsCost(),
        search_examples=[SimulatedExample(SEARCH, number) for number in range(search_examples)],
        held_out_examples=[SimulatedExample(HELD_OUT, number) for number in range(held_out_examples)],
        strategies={},
        connect=dict,
        options={"draw": draw, "search_examples": search_examples, "held_out_examples": held_out_examples},
        simulation=problem,
    )


def _factory(family: Family) -> TaskFactory:
    def build(*, draw: int = 0, search_examples: int = 50, held_out_examples: int = 500) -> Task:
        return simulated_task(family, draw, search_examples, held_out_examples)

    build.__doc__ = (
        f"{_says_simulated(family)}\n\n`draw` 0 is the family's centre, every other number one of its surfaces."
    )
    return build


def _says_simulated(family: Family) -> str:
    return f"Simulated: {family.description}."


two_wiki = _factory(paper.TWO_WIKI)
hotpot = _factory(paper.HOTPOT)
cwq = _factory(paper.CWQ)
webqsp = _factory(paper.WEBQSP)
taskbench = _factory(paper.TASKBENCH)
chatdev = _factory(paper.CHATDEV)
contrary_size = _factory(contrary.SIZE)
contrary_order = _factory(contrary.ORDER)
contrary_peak = _factory(contrary.PEAK)
contrary_coupling = _factory(contrary.COUPLING)
contrary_all = _factory(contrary.ALL)
