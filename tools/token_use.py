"""The tokens that a strategy truly uses: its calls of a model for one subtask on one example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tools.errors import InvalidInput
from tools.registry import Registry

if TYPE_CHECKING:
    from tools.space import Choice, Subtask


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the choice's model: a prompt, encoded once, and the generations that share it.

    Figures are typical or expected ones, so fractions are welcome. `generation_tokens` are those of
    one generation. `cached_prompt_tokens` are the part of the prompt that an earlier call of the
    same stage begins with too, so that a server need not encode it again. `requests` says how many
    requests of this shape are sent side by side, each with a prompt of its own; the calls of a
    profile follow one another.
    """

    prompt_tokens: float
    generation_tokens: float
    generations: float = 1
    cached_prompt_tokens: float = 0
    requests: float = 1

    def __post_init__(self) -> None:
        for name in ("prompt_tokens", "generation_tokens", "generations", "cached_prompt_tokens", "requests"):
            if not getattr(self, name) >= 0:
                raise InvalidInput(f"Call.{name}", f"must be zero or more, got {getattr(self, name)!r}")
        if self.cached_prompt_tokens > self.prompt_tokens:
            raise InvalidInput("Call.cached_prompt_tokens", "must not exceed prompt_tokens")


TokenProfile = Callable[["Subtask", int], Sequence[Call]]
"""profile(subtask, samples) gives the calls of a strategy in their order, from the subtask's typical
lengths. Pure; their tokens must not fall when only the samples rise."""

TOKEN_PROFILES: Registry[TokenProfile] = Registry("token profile of a strategy", "agenttts.token_profiles")
"""A strategy's profile stands in the strategy's file and is registered under the strategy's name."""


def samples_alone(subtask: Subtask, samples: int) -> Sequence[Call]:
    """The profile of a strategy that calls no model after its samples, such as a vote."""
    return (Call(subtask.prompt_tokens, subtask.generation_tokens, generations=samples),)


def calls_of(subtask: Subtask, choice: Choice, strategies: Mapping[str, str]) -> Sequence[Call]:
    """The calls of a choice by its own strategy, or else by that of its subtask in `strategies`.

    Where neither names one, the samples alone count. Raises UnknownName for a strategy without a
    registered profile.
    """
    strategy = choice.strategy or strategies.get(subtask.name)
    return profile_of(strategy)(subtask, choice.samples) if strategy else samples_alone(subtask, choice.samples)


@cache  # looking through the entry points takes a thousand times as long as a profile
def profile_of(strategy: str) -> TokenProfile:
    """The profile of a strategy. Raises UnknownName where none is registered."""
    return TOKEN_PROFILES.get(strategy)
