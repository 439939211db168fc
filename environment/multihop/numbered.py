"""Retrieval for real passages, which are too long to copy: the model gives their numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from environment.multihop.example import MultihopExample
from environment.multihop.stages import PROMPTS, RetrievalStage

BRACKETED = re.compile(r"\[\s*(\d{1,6})\s*\]")
# A year inside a repeated passage is no passage's number, so bare numbers count only in a list.
BARE_LIST = re.compile(r"^[^\w]*(\d{1,6}(?:[\s,;.&]+(?:and\s+)?\d{1,6})*)\W*$", re.ASCII)


class NumberedRetrievalStage(RetrievalStage):
    """Names the passages that are needed by their numbers in the prompt, counted from 1."""

    prompt: ClassVar[Path] = PROMPTS / "numbered_retrieval.j2"

    def parse(self, text: str, example: MultihopExample) -> tuple[int, ...]:
        """The passages whose numbers stand in the response, the first mentioned up to the bound."""
        numbers = BRACKETED.findall(text)
        if not numbers and (bare := BARE_LIST.match(text)):
            numbers = re.findall(r"\d+", bare[1])
        positions = dict.fromkeys(int(number) - 1 for number in numbers)
        known = [position for position in positions if 0 <= position < len(example.candidates)]
        return tuple(sorted(known[: self.max_chosen]))
