"""Reading and voting of a short answer in words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from environment.metrics import normalise_answer

ANSWER_LABEL = re.compile(r"^\s*(final\s+|best\s+)?answer\s*:\s*", re.IGNORECASE)


def stated_answer(text: str) -> str:
    """The first line that says anything, without an "Answer:" label and closing marks."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return ANSWER_LABEL.sub("", first).strip().strip("\"'`*.").strip()


def voted_answer(outputs: Sequence[str], weights: Sequence[float] | None = None) -> str:
    """The answer with the most votes after normalisation; the earliest among equals.

    `weights` say how much each output's vote counts, by default alike.
    """
    votes: defaultdict[str, float] = defaultdict(float)
    for output, weight in zip(outputs, weights or [1.0] * len(outputs), strict=True):
        votes[normalise_answer(output)] += weight
    most = max(votes.values())
    return next(output for output in outputs if votes[normalise_answer(output)] == most)
