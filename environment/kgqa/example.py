"""One question over a knowledge graph with its candidate triples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Answer = tuple[str, ...]
"""One entity or value: its name first, then its aliases."""


class Triple(NamedTuple):
    """One edge of the graph."""

    head: str
    relation: str
    tail: str

    def __str__(self) -> str:
        return " | ".join(self)


@dataclass(frozen=True, slots=True)
class KgqaExample:
    """A question, its right answers, its candidate triples and which of them are needed.

    `answers` holds the sets of answers that are right, one for each reading of the question; most
    questions have one reading. `gold` holds positions in `candidates`, counted from 0, rising.
    """

    id: str
    question: str
    answers: tuple[tuple[Answer, ...], ...]
    candidates: tuple[Triple, ...]
    gold: tuple[int, ...]
