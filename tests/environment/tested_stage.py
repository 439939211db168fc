"""A stage whose outputs can be tested, without a sandbox: programs are digits, tests are claims about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agenttts.testing.strategies import DigitStage
from storage.sample import Message


class TestedDigitStage(DigitStage):
    """A response's tests are its digits: a candidate passes the test d when it equals d."""

    __test__ = False

    def test_messages(self, example: Any, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        return (Message("user", f"How would you test for {example.number}?"),)

    def parse_tests(self, text: str, example: Any) -> Sequence[str]:
        return [character for character in text if character in "0123456789"]

    async def passes(self, candidates: Sequence[Any], tests: Sequence[str], example: Any) -> Sequence[Sequence[bool]]:
        return [[candidate == test for test in tests] for candidate in candidates]
