"""What requests were measured to take: tokens and seconds of each subtask and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from tools.errors import InvalidInput
from tools.token_use import Call
from tools.validation import require_not_negative


@dataclass(frozen=True, slots=True)
class Measured:
    """One model's requests for one subtask, from samples that were generated.

    `prompt_tokens` and `generation_tokens` are means, of a request for samples and of one sample.
    Seconds are those of a line fitted to whole requests, from sending to the last token:

        per_request + per_prompt_token * prompt + per_token * sum of the generations' tokens
                    + per_step * mean of the generations' tokens

    Generations of one request that a server decodes side by side share the steps; what each of
    them adds is `per_token`. No figure is negative, so that more samples never seem faster.
    `requests` is how many were measured, `largest` the most generations that one of them held.
    """

    prompt_tokens: float
    generation_tokens: float
    per_request: float
    per_prompt_token: float
    per_token: float
    per_step: float
    requests: int
    largest: int

    def __post_init__(self) -> None:
        for entry in fields(self):
            require_not_negative(f"measured {entry.name}", getattr(self, entry.name))

    def sampling(self, samples: int) -> Call:
        """A request for samples at the measured lengths."""
        return Call(self.prompt_tokens, self.generation_tokens, generations=samples)

    def seconds(self, call: Call) -> float:
        """How long a call is expected to take; its requests and generations share the server."""
        encoded = call.requests * (call.prompt_tokens - call.cached_prompt_tokens)
        generated = call.requests * call.generations * call.generation_tokens
        return (
            self.per_request
            + self.per_prompt_token * encoded
            + self.per_token * generated
            + self.per_step * call.generation_tokens
        )


Table = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Plain values: subtask -> model -> the fields of a Measured."""


@dataclass(frozen=True)
class Measurements:
    """What was measured, by subtask and model; a value that sessions store and files hold."""

    entries: Mapping[str, Mapping[str, Measured]]

    def of(self, subtask: str, model: str) -> Measured:
        """Raises InvalidInput where nothing was measured."""
        try:
            return self.entries[subtask][model]
        except KeyError:
            raise InvalidInput(
                f"model {model!r} in subtask {subtask!r}",
                "was not measured; run trials that use it, then measure again",
            ) from None

    def to_dict(self) -> dict[str, dict[str, dict[str, float]]]:
        """Plain values, as `from_dict` reads them."""
        return {name: {model: asdict(m) for model, m in models.items()} for name, models in self.entries.items()}

    @classmethod
    def from_dict(cls, table: Any) -> Self:
        """Measurements from plain values, trusted or not. Raises InvalidInput naming what is wrong."""
        if not isinstance(table, Mapping) or not all(isinstance(models, Mapping) for models in table.values()):
            raise InvalidInput("measurements", "must hold an object for every subtask, with one for every model")
        return cls({n: {m: _entry(n, m, values) for m, values in models.items()} for n, models in table.items()})


def _entry(subtask: str, model: str, values: Any) -> Measured:
    names = {entry.name for entry in fields(Measured)}
    if not isinstance(values, Mapping) or set(values) != names:
        raise InvalidInput(f"measurements {subtask}.{model}", f"must hold exactly: {', '.join(sorted(names))}")
    return Measured(**values)
