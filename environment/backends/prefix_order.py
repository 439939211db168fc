"""Which of the waiting requests a free place gets: prompts that begin alike one after the other, in one place.

A server with slots (llama.cpp) keeps in each what it computed for the prompt that was there last, and need not compute
again what the next one begins with. Side by side, prompts that begin alike gain nothing: each slot computes all of it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

from storage.sample import GenerationRequest

T = TypeVar("T")

LONGEST = 1 << 14
"""Characters of a prompt that are compared."""
WORTH = 256
"""Characters that a place must be able to spare for a request to go before an older one."""
PATIENCE = 32
"""How many may go before the oldest, one after the other."""
LOOKS = 8
"""How many groups of prompts that begin alike are looked at for one that no busy place has."""
LAST = chr(0x10FFFF)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is known of a request that waits: its prompt ("": like no other), and how many samples it asks for."""

    prompt: str = ""
    choices: int = 1


def ask_of(request: GenerationRequest, choices: int) -> Ask:
    """A request for so many samples. The starters of a race are like nothing, since they are to run side by side."""
    if request.race is not None:
        return Ask("", choices)
    text = request.model
    for message in request.messages:
        text += f"\0{message.role}\0{message.content[:LONGEST]}"
        if len(text) >= LONGEST:
            break
    return Ask(text[:LONGEST], choices)


def shared(one: str, other: str) -> int:
    """With how many characters both begin."""
    same, most = 0, min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    if one[:WORTH] != other[:WORTH]:
        most = min(most, WORTH)
    while most - same > 1:
        middle = (same + most) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            most = middle
    return same


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """A request in the order; `number` says how old it is."""

    number: int
    prompt: str
    item: T


class PrefixOrder(Generic[T]):
    """The requests that wait, and the prompts under way.

    Told to choose, it gives a free place the one that begins most like what it held last; where none does, the oldest
    whose beginning is not being computed in another place. Otherwise the oldest goes first, and always
    after PATIENCE others went before it. Each operation looks at a few of those that wait only.
    """

    def __init__(self) -> None:
        self._numbers = count()
        self._waiting: dict[int, Waiting[T]] = {}
        self._by_prompt: list[tuple[str, int]] = []
        self._busy: list[str] = []
        self._overtaken = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, prompt: str, item: T) -> Waiting[T]:
        """Lets a request wait."""
        waiting = Waiting(next(self._numbers), prompt, item)
        self._waiting[waiting.number] = waiting
        insort(self._by_prompt, (prompt, waiting.number))
        return waiting

    def discard(self, waiting: Waiting[T]) -> None:
        """Takes out a request that waits no more, if it is there."""
        if self._waiting.pop(waiting.number, None) is not None:
            del self._by_prompt[bisect_left(self._by_prompt, (waiting.prompt, waiting.number))]

    def take(self, held: str, *, choose: bool) -> Waiting[T]:
        """Takes out the one that gets a place that last held the prompt `held`; the oldest, unless told to choose.

        At least one must wait. Its prompt is under way until it is `ended`.
        """
        oldest = next(iter(self._waiting.values()))
        chosen = self._chosen(oldest, held) if choose and self._overtaken < PATIENCE else oldest
        self._overtaken = 0 if chosen is oldest else self._overtaken + 1
        self.discard(chosen)
        insort(self._busy, chosen.prompt)
        return chosen

    def ended(self, prompt: str) -> None:
        """A prompt is no longer under way."""
        del self._busy[bisect_left(self._busy, prompt)]

    def _chosen(self, oldest: Waiting[T], held: str) -> Waiting[T]:
        nearest = max(self._beside(held), key=lambda waiting: shared(waiting.prompt, held))
        gain = shared(nearest.prompt, held)
        if gain - shared(oldest.prompt, held) >= WORTH and gain >= self._elsewhere(nearest.prompt):
            return nearest
        best, least = oldest, self._loss(oldest.prompt, held)
        candidate = oldest
        for _ in range(LOOKS):
            if least < WORTH:
                break
            candidate = self._after(candidate.prompt[: self._elsewhere(candidate.prompt)])
            loss = self._loss(candidate.prompt, held)
            if loss <= least - WORTH:
                best, least = candidate, loss
        return best

    def _beside(self, prompt: str) -> list[Waiting[T]]:
        """Those that stand next to a prompt in alphabetical order: none begins more like it."""
        place = bisect_left(self._by_prompt, (prompt, -1))
        return [self._waiting[number] for _, number in self._by_prompt[max(0, place - 1) : place + 1]]

    def _after(self, beginning: str) -> Waiting[T]:
        """The first, round about, that begins otherwise than with these characters."""
        place = bisect_left(self._by_prompt, (beginning + LAST, -1))
        return self._waiting[self._by_prompt[place % len(self._by_prompt)][1]]

    def _loss(self, prompt: str, held: str) -> int:
        """Characters that another place, once free, could spare beyond what this one can."""
        return self._elsewhere(prompt) - shared(prompt, held)

    def _elsewhere(self, prompt: str) -> int:
        """With how many characters a prompt begins like one that is under way."""
        place = bisect_left(self._busy, prompt)
        return max((shared(prompt, other) for other in self._busy[max(0, place - 1) : place + 1]), default=0)
