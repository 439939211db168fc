"""What stages made of their samples before, so that nothing is rendered, parsed or judged twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from environment.stage import Example, Stage
from tools.space import Choice

MOST = 200_000
"""Results that are kept at once; then all are forgotten, and made again where they are wanted."""
NOTHING = 0
"""The place before the first stage."""


@dataclass(frozen=True, slots=True)
class Result:
    """A stage's output on an example, its score where the stage has a metric, and the draws that it took.

    `place` stands for everything that later stages see: two results with one place are followed by the same.
    The example is held, so that no other one takes its identity.
    """

    output: Any
    score: float | None
    draws: tuple[tuple[str, int], ...]
    place: int
    example: Example


class StageMemory:
    """Results by stage, choice, example and what came before.

    A result is a function of these: strategies have no state, the samples of a request never change, and the
    same output is judged the same. Failures are not remembered.
    """

    def __init__(self) -> None:
        self._results: dict[tuple[str, Choice, int, int], Result] = {}
        self._places: dict[tuple[int, str, Any], int] = {}
        self._last = NOTHING

    def find(self, stage: Stage, choice: Choice, example: Example, before: int) -> Result | None:
        """The result where it is known; `before` is the place of the stage before."""
        return self._results.get((stage.name, choice, id(example), before))

    def keep(
        self,
        stage: Stage,
        choice: Choice,
        example: Example,
        before: int,
        *,
        output: Any,
        score: float | None,
        draws: Iterable[tuple[str, int]],
    ) -> Result:
        """Remembers a result."""
        if len(self._results) >= MOST:
            self._results.clear()
            self._places.clear()
        result = Result(output, score, tuple(draws), self._place(before, stage, output), example)
        self._results[stage.name, choice, id(example), before] = result
        return result

    def _place(self, before: int, stage: Stage, output: Any) -> int:
        """The same for equal outputs after the same place, where it is certain that they are equal throughout."""
        self._last += 1
        if not _is_plain(output):
            return self._last
        return self._places.setdefault((before, stage.name, output), self._last)


def _is_plain(output: Any) -> bool:
    """Whether equality means that nothing tells two such values apart, as it does not for 1, 1.0 and True."""
    if type(output) is tuple:
        return all(type(part) is str for part in output) or all(type(part) is int for part in output)
    return output is None or type(output) is str
