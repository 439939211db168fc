"""What a kind of programming assignment draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

WORDS = (
    *("apple", "river", "stone", "cloud", "Level", "noon", "anna", "bridge", "Otto", "green", "tree", "sky", "radar"),
    *("window", "seven", "owl", "Paper", "a", "it", "moon", "civic", "bottle", "eel", "Garden", "on", "up", "light"),
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A function to write: its text, our own solution, and the calls that check others.

    `text` goes on after "Write a Python function NAME(PARAMETERS) that".
    """

    entry: str
    parameters: str
    text: str
    solution: Callable[..., Any]
    calls: Sequence[list[Any]]


Kind = Callable[[np.random.Generator], Assignment]
"""Draws an assignment of one kind."""


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def number(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return int(rng.integers(low, high + 1))


def numbers(rng: np.random.Generator, low: int, high: int, most: int = 9) -> list[int]:
    """A list of 2 to `most` whole numbers."""
    return [number(rng, low, high) for _ in range(number(rng, 2, most))]


def sentence(rng: np.random.Generator, most: int = 7) -> str:
    """Words with one blank between them."""
    return " ".join(pick(rng, WORDS) for _ in range(number(rng, 2, most)))
