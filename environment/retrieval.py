"""Reading and voting of a retrieval stage: which candidates a response chooses.

Outputs are positions of candidates, counted from 0 and rising. `most` bounds what is handed on, so
that choosing everything is no strategy.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from environment.metrics import normalise_answer

BRACKETED = re.compile(r"\[\s*(\d{1,6})\s*\]")
# A year inside a repeated candidate is no candidate's number, so bare numbers count only in a list.
BARE_LIST = re.compile(r"^[^\w]*(\d{1,6}(?:[\s,;.&]+(?:and\s+)?\d{1,6})*)\W*$", re.ASCII)


def copied_candidates(text: str, candidates: Iterable[str], most: int) -> tuple[int, ...]:
    """The candidates whose words stand in the response, the first mentioned up to `most`."""
    response = f" {normalise_answer(text)} "
    found = [
        (place, position)
        for position, candidate in enumerate(candidates)
        if (place := response.find(f" {normalise_answer(candidate)} ")) >= 0
    ]
    return tuple(sorted(position for _, position in sorted(found)[:most]))


def numbered_candidates(text: str, count: int, most: int) -> tuple[int, ...]:
    """The candidates whose numbers, counted from 1, stand in the response, the first up to `most`."""
    numbers = BRACKETED.findall(text)
    if not numbers and (bare := BARE_LIST.match(text)):
        numbers = re.findall(r"\d+", bare[1])
    positions = dict.fromkeys(int(number) - 1 for number in numbers)
    return tuple(sorted([position for position in positions if 0 <= position < count][:most]))


def voted_candidates(
    outputs: Sequence[tuple[int, ...]], most: int, weights: Sequence[float] | None = None
) -> tuple[int, ...]:
    """The candidates that at least half of the votes are for, else the one with the most.

    `weights` say how much each output's vote counts, by default alike.
    """
    cast = weights or [1.0] * len(outputs)
    votes: defaultdict[int, float] = defaultdict(float)
    for output, weight in zip(outputs, cast, strict=True):
        for position in output:
            votes[position] += weight
    if not votes:
        return ()
    ranked = sorted(votes, key=lambda position: (-votes[position], position))
    kept = [position for position in ranked if 2 * votes[position] >= sum(cast)][:most]
    return tuple(sorted(kept or ranked[:1]))


def question_coverage(question: str, chosen: Iterable[str]) -> float:
    """The share of the question's words that stand in the chosen candidates, in [0, 1]."""
    asked = set(normalise_answer(question).split())
    told = {word for candidate in chosen for word in normalise_answer(candidate).split()}
    return len(asked & told) / max(1, len(asked))
