"""Candidates that a retrieval stage chooses from: cut to a number, and put in an order that tells nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import Field, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_count


class RetrievalExample(Protocol):
    """A dataclass with candidates; `gold` holds positions of the needed ones, from 0, rising."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def id(self) -> str: ...
    @property
    def candidates(self) -> tuple[Any, ...]: ...
    @property
    def gold(self) -> tuple[int, ...]: ...


E = TypeVar("E", bound=RetrievalExample)


def arrange_candidates(examples: Iterable[E], keep: int) -> list[E]:
    """The examples with at most `keep` candidates each, in an order that tells nothing. Raises InvalidInput."""
    return [shuffle_candidates(cut_candidates(example, keep)) for example in examples]


def cut_candidates(example: E, keep: int) -> E:
    """The example with at most `keep` candidates: every gold one and the first others, in order."""
    if not is_count(keep) or keep < len(example.gold):
        raise InvalidInput("candidates", f"must be at least {max(1, len(example.gold))}, got {shortened(keep)}")
    gold = set(example.gold)
    others = [position for position in range(len(example.candidates)) if position not in gold]
    return _arranged(example, sorted([*gold, *others[: keep - len(gold)]]))


def shuffle_candidates(example: E) -> E:
    """The example with its candidates in an order that only its id decides.

    Files list gold candidates that retrieval had missed behind the others, where their place would
    give them away.
    """
    seed = int.from_bytes(hashlib.sha256(example.id.encode()).digest()[:8])
    order = np.random.default_rng(seed).permutation(len(example.candidates))
    return _arranged(example, [int(position) for position in order])


def _arranged(example: E, order: list[int]) -> E:
    """The example with the candidates at these positions, in this order."""
    return replace(
        example,
        candidates=tuple(example.candidates[position] for position in order),
        gold=tuple(sorted(order.index(position) for position in example.gold)),
    )
