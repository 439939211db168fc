"""Reading and voting of a short answer in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from environment.metrics import normalise_answer

ANSWER_LABEL = re.compile(r"^\s*(final\s+|best\s+)?answer\s*:\s*", re.IGNORECASE)


def stated_answer(text: str) -> str:
    """The first line that says anything, without an "Answer:" label and closing marks."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return ANSWER_LABEL.sub("", first).strip().strip("\"'`*.").strip()


def voted_answer(outputs: Sequence[str]) -> str:
    """The most frequent answer after normalisation; the earliest among equals."""
    counts = Counter(normalise_answer(output) for output in outputs)
    most = max(counts.values())
    return next(output for output in outputs if counts[normalise_answer(output)] == most)
