"""Retrieval for real passages, which are too long to copy: the model gives their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from environment.multihop.example import MultihopExample
from environment.multihop.stages import PROMPTS, RetrievalStage
from environment.retrieval import numbered_candidates


class NumberedRetrievalStage(RetrievalStage):
    """Names the passages that are needed by their numbers in the prompt, counted from 1."""

    prompt: ClassVar[Path] = PROMPTS / "numbered_retrieval.j2"

    def parse(self, text: str, example: MultihopExample) -> tuple[int, ...]:
        """The passages whose numbers stand in the response, the first mentioned up to the bound."""
        return numbered_candidates(text, len(example.candidates), self.max_chosen)
