"""What several outputs of a stage agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import TypeVar

from environment.metrics import rouge_l
from environment.taskbench.example import Argument, Call

T = TypeVar("T")
Slot = tuple[str, int, str]
"""A tool, which of its calls, and a parameter: what one value is voted on."""


def voted_steps(outputs: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The medoid: the output whose mean ROUGE-L to all outputs is highest; the earliest among equals."""
    counts = Counter(outputs)
    nearness = {output: float(count) for output, count in counts.items()}
    for one, other in combinations(counts, 2):
        similar = rouge_l("\n".join(one), "\n".join(other))
        nearness[one] += similar * counts[other]
        nearness[other] += similar * counts[one]
    return max(counts, key=lambda output: nearness[output])


def voted_tools(outputs: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The tools that at least half of the outputs name, else the most named one; by their mean place."""
    counts = Counter(tool for output in outputs for tool in output)
    places = {tool: sum(o.index(tool) for o in outputs if tool in o) / counts[tool] for tool in counts}
    kept = _supported(counts, len(outputs))
    return tuple(sorted(kept, key=lambda tool: places[tool]))


def voted_calls(outputs: Sequence[tuple[Call, ...]]) -> tuple[Call, ...]:
    """Each argument that at least half of the outputs give, else the one most give, with its most frequent value.

    The n-th calls of a tool are compared with each other; calls are in the order of first mention.
    """
    slots = [_slots(output) for output in outputs]
    counts = Counter(slot for output in slots for slot in output)
    kept = set(_supported(counts, len(outputs)))
    calls: dict[tuple[str, int], list[Argument]] = {}
    for tool, number, name in filter(kept.__contains__, counts):
        values = Counter(output[tool, number, name] for output in slots if (tool, number, name) in output)
        calls.setdefault((tool, number), []).append(Argument(name, values.most_common(1)[0][0]))
    return tuple(Call(tool, tuple(arguments)) for (tool, _), arguments in calls.items())


def _supported(counts: Counter[T], voters: int) -> list[T]:
    """What at least half of the voters chose, else the first of what most chose."""
    return [item for item in counts if 2 * counts[item] >= voters] or [item for item, _ in counts.most_common(1)]


def _slots(calls: tuple[Call, ...]) -> dict[Slot, str]:
    """The value of each slot; of a parameter given twice, the first."""
    slots: dict[Slot, str] = {}
    seen: Counter[str] = Counter()
    for call in calls:
        for argument in call.arguments:
            slots.setdefault((call.tool, seen[call.tool], argument.name), argument.value)
        seen[call.tool] += 1
    return slots
