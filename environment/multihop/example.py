"""One multi-hop question with its candidate passages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MultihopExample:
    """A question, its accepted answers, its candidate passages and which of them are needed.

    `gold` holds positions in `candidates`, counted from 0, rising.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    candidates: tuple[str, ...]
    gold: tuple[int, ...]
