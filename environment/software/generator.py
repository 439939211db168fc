"""Self-made programming assignments with hidden tests."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import numpy as np

from environment.software.assignment import Assignment, Kind
from environment.software.assignments_lists import CHAINS, LIST_KINDS
from environment.software.assignments_numbers import NUMBER_KINDS
from environment.software.assignments_text import TEXT_KINDS
from environment.software.example import Check, SoftwareExample
from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_count

PUBLIC, HIDDEN = 3, 8
MOST_EQUAL = 5
TRIES = 50
"""Draws of one kind without a new assignment, after which the kind counts as used up."""


def _interleaved() -> tuple[Kind, ...]:
    """Every kind once, the three families and the chains in turn, so that any beginning is mixed."""
    families = (TEXT_KINDS, NUMBER_KINDS, (*LIST_KINDS, *CHAINS, *CHAINS))
    return tuple(kind for row in zip(*families, strict=True) for kind in row)


def generate_examples(count: int, seed: int) -> list[SoftwareExample]:
    """`count` different assignments, kinds in turn.

    Three checks are public, the other eight hidden; expected values come from our own solutions.
    The same arguments give the same examples, and a longer list starts with a shorter one. Raises
    InvalidInput.
    """
    if not is_count(count):
        raise InvalidInput("count", f"must be a whole number of 1 or more, got {shortened(count)}")
    examples: list[SoftwareExample] = []
    told: set[str] = set()
    used_up: set[Kind] = set()
    kinds = _interleaved()
    for number in range(count):
        # Some kinds have but a few variants; the chains have more than anyone will ask for.
        for kind in (kinds[number % len(kinds)], CHAINS[number % 2], CHAINS[1 - number % 2]):
            if kind in used_up:
                continue
            if example := _new(kind, seed, number, told):
                break
            used_up.add(kind)
        else:
            raise InvalidInput("count", f"only {number} different assignments were found; ask for fewer")
        examples.append(example)
        told.add(example.requirement)
    return examples


def _new(kind: Kind, seed: int, number: int, told: set[str]) -> SoftwareExample | None:
    """An assignment not told yet, whose checks tell programs apart; None if none was drawn."""
    for retry in range(TRIES):
        rng = np.random.default_rng([seed, number, retry])
        assignment = kind(rng)
        example = _example(assignment, rng)
        if example.requirement not in told and _tells_apart(example):
            return example
    return None


def _tells_apart(example: SoftwareExample) -> bool:
    """Whether the hidden checks are many, and no single answer passes most of them."""
    (_, most), *_ = Counter(check.expected for check in example.hidden).most_common()
    return len(example.hidden) == HIDDEN and most <= MOST_EQUAL


def _example(assignment: Assignment, rng: np.random.Generator) -> SoftwareExample:
    calls = {json.dumps(call): call for call in assignment.calls}
    order = rng.permutation(len(calls))
    drawn = [list(calls.values())[int(position)] for position in order]
    # The solution gets a copy: a call must reach the programs as it was drawn.
    checks = [Check.of(call, assignment.solution(*json.loads(json.dumps(call)))) for call in drawn]
    requirement = f"Write a Python function {assignment.entry}({assignment.parameters}) that {assignment.text}"
    digest = hashlib.sha256(repr((requirement, checks)).encode()).hexdigest()
    return SoftwareExample(
        f"software-{digest[:12]}",
        requirement,
        assignment.entry,
        tuple(checks[:PUBLIC]),
        tuple(checks[PUBLIC : PUBLIC + HIDDEN]),
    )
