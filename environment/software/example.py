"""One piece of software to write, with the checks that judge it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """A call with the value it must return, both as JSON; `arguments` is a list."""

    arguments: str
    expected: str

    @staticmethod
    def of(arguments: list[Any], expected: Any) -> Check:
        """The check of a call. Raises ValueError or TypeError for a value that JSON does not have."""
        return Check(json.dumps(arguments, allow_nan=False), json.dumps(expected, allow_nan=False))

    def call(self, entry: str) -> str:
        """The call as Python, such as `shift("abc", 2)`."""
        return f"{entry}({', '.join(repr(value) for value in json.loads(self.arguments))})"

    @property
    def value(self) -> str:
        """The expected value as Python."""
        return repr(json.loads(self.expected))


@dataclass(frozen=True, slots=True)
class SoftwareExample:
    """What is to be written.

    A function called `entry`, with `public` checks that the prompts show and `hidden` ones that
    judge it; or, without an entry, a whole program that a description alone tells of.
    """

    id: str
    requirement: str
    entry: str = ""
    public: tuple[Check, ...] = ()
    hidden: tuple[Check, ...] = ()
