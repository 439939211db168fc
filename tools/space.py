"""What can be allocated: models, subtasks, choices, allocations and the space they span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import total_ordering
from itertools import product
from typing import Any

from tools.cost import CostModel
from tools.cost_table import CostTable
from tools.declared import names_misfits
from tools.errors import InvalidAllocation, InvalidInput, UnknownName
from tools.limits import Cap, Limits
from tools.listed import listed, listed_strategies, listed_temperatures
from tools.text import shortened
from tools.validation import (
    is_count,
    require_count,
    require_instances,
    require_name,
    require_not_negative,
    require_positive,
)

MOST_PARAMETERS, MOST_TOKENS, MOST_SIZE = 1e18, 1e9, 10**9
"""Far beyond any model: figures up to these are reckoned with and never overflow."""
MOST_SAMPLES = 10_000
"""Of one subtask; every count up to the highest is a choice of its own."""


@names_misfits
@dataclass(frozen=True, slots=True)
class Model:
    """A language model a subtask may use.

    `parameters` is the number of weights. Prices are dollars per one million tokens; None means
    unknown, and a cost in dollars then refuses the model. Cached prompt tokens cost as much as others
    unless `cached_prompt_price` is given. `endpoint` is the base URL of the OpenAI-compatible server,
    None where the task decides.

    `layers`, `hidden_size` (the width of the residual stream) and `kv_size` (key-value heads times
    head size) describe the transformer, as its config.json does; costs that count attention or the
    KV cache refuse a model without them.
    """

    name: str
    parameters: float
    prompt_price: float | None = None
    generation_price: float | None = None
    endpoint: str | None = None
    cached_prompt_price: float | None = None
    layers: int | None = None
    hidden_size: int | None = None
    kv_size: int | None = None

    def __post_init__(self) -> None:
        require_name("model.name", self.name)
        require_positive(f"model {self.name!r} parameters", self.parameters, MOST_PARAMETERS)
        for field, price in (
            ("prompt_price", self.prompt_price),
            ("generation_price", self.generation_price),
            ("cached_prompt_price", self.cached_prompt_price),
        ):
            if price is not None:
                require_not_negative(f"model {self.name!r} {field}", price)
        for field, size in (("layers", self.layers), ("hidden_size", self.hidden_size), ("kv_size", self.kv_size)):
            if size is not None:
                require_count(f"model {self.name!r} {field}", size, MOST_SIZE)


@names_misfits
@dataclass(frozen=True, slots=True)
class Subtask:
    """One stage of the pipeline, with its candidate models and typical lengths in tokens.

    `strategies` and `temperatures` are further candidates to choose among, the usual one first.
    Empty means that the task decides.
    """

    name: str
    models: tuple[Model, ...]
    prompt_tokens: float
    generation_tokens: float
    strategies: tuple[str, ...]
    temperatures: tuple[float, ...]

    def __init__(
        self,
        name: str,
        models: Sequence[Model],
        *,
        prompt_tokens: float,
        generation_tokens: float,
        strategies: Sequence[str] = (),
        temperatures: Sequence[float] = (),
    ) -> None:
        require_name("subtask.name", name)
        require_instances(f"subtask {name!r} models", models, Model)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "models", tuple(models))
        object.__setattr__(self, "prompt_tokens", prompt_tokens)
        object.__setattr__(self, "generation_tokens", generation_tokens)
        object.__setattr__(self, "strategies", listed_strategies(f"subtask {name!r} strategies", strategies))
        object.__setattr__(self, "temperatures", listed_temperatures(f"subtask {name!r} temperatures", temperatures))
        if not self.models:
            raise InvalidInput(f"subtask {name!r} models", "needs at least one model")
        names = [model.name for model in self.models]
        if len(set(names)) != len(names):
            raise InvalidInput(f"subtask {name!r} models", f"has a name twice: {', '.join(names)}")
        require_positive(f"subtask {name!r} prompt_tokens", prompt_tokens, MOST_TOKENS)
        require_positive(f"subtask {name!r} generation_tokens", generation_tokens, MOST_TOKENS)

    def model(self, name: str) -> Model:
        """The candidate called `name`. Raises UnknownName."""
        for model in self.models:
            if model.name == name:
                return model
        raise UnknownName(f"subtask {self.name!r} model", name, [model.name for model in self.models])

    @property
    def by_size(self) -> tuple[Model, ...]:
        """The candidates from the fewest to the most parameters."""
        return tuple(sorted(self.models, key=lambda model: (model.parameters, model.name)))

    @property
    def largest(self) -> Model:
        """The candidate with the most parameters."""
        return self.by_size[-1]

    @property
    def candidates(self) -> dict[str, tuple[Any, ...]]:
        """What is chosen beside the samples: each "model" by size, "strategy" and "temperature" where listed."""
        listed = {"strategy": self.strategies, "temperature": self.temperatures}
        names = tuple(model.name for model in self.by_size)
        return {"model": names} | {part: values for part, values in listed.items() if values}

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Everything a choice holds beside the samples: models by size, strategies and temperatures as listed."""
        return self.variants_of(self.by_size)

    def variants_of(self, models: Sequence[Model]) -> tuple[Variant, ...]:
        """The variants of some candidates, in their order."""
        names = [model.name for model in models]
        return tuple(Variant(*one) for one in product(names, self.strategies or (None,), self.temperatures or (None,)))

    def usual(self, model: Model) -> Variant:
        """A candidate with the first strategy and temperature listed: how it runs where these are not compared."""
        return self.variants_of([model])[0]


@dataclass(frozen=True, slots=True)
class Variant:
    """A choice without its number of samples: a model (by name), a strategy and a temperature.

    None means that the task decides.
    """

    model: str
    strategy: str | None = None
    temperature: float | None = None

    def choice(self, samples: int) -> Choice:
        """The choice of that many samples."""
        return Choice(self.model, samples, self.strategy, self.temperature)

    def __str__(self) -> str:
        return f"{self.model}{_suffix(self.strategy, self.temperature)}"


@total_ordering
@dataclass(frozen=True, slots=True)
class Choice:
    """A model (by name) and a number of samples for one subtask; its strategy and temperature where searched.

    A strategy or temperature of None means that the task decides; None comes first in the order.
    """

    model: str
    samples: int
    strategy: str | None = None
    temperature: float | None = None

    @property
    def variant(self) -> Variant:
        """The choice without its number of samples."""
        return Variant(self.model, self.strategy, self.temperature)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: "model", "samples", and "strategy" and "temperature" where set."""
        values: dict[str, Any] = {"model": self.model, "samples": self.samples}
        searched = {"strategy": self.strategy, "temperature": self.temperature}
        return values | {name: value for name, value in searched.items() if value is not None}

    def __lt__(self, other: object) -> bool:
        return self._order < other._order if isinstance(other, Choice) else NotImplemented

    def __str__(self) -> str:
        return f"{self.model} x {self.samples}{_suffix(self.strategy, self.temperature)}"

    def __repr__(self) -> str:
        return f"Choice({', '.join(f'{name}={value!r}' for name, value in self.to_dict().items())})"

    @property
    def _order(self) -> tuple[str, int, str, float]:
        return self.model, self.samples, self.strategy or "", -1.0 if self.temperature is None else self.temperature


class Allocation(Mapping[str, Choice]):
    """A choice for every subtask, in pipeline order; immutable and hashable."""

    __slots__ = ("_choices",)

    def __init__(self, choices: Mapping[str, Choice]) -> None:
        self._choices: tuple[tuple[str, Choice], ...] = tuple(choices.items())

    def __getitem__(self, subtask: str) -> Choice:
        for name, choice in self._choices:
            if name == subtask:
                return choice
        raise KeyError(subtask)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._choices)

    def __len__(self) -> int:
        return len(self._choices)

    def __hash__(self) -> int:
        return hash(self._choices)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Allocation) and self._choices == other._choices

    def __str__(self) -> str:
        return ", ".join(f"{name}: {choice}" for name, choice in self._choices)

    def __repr__(self) -> str:
        return f"Allocation({self})"

    def replace(self, subtask: str, choice: Choice) -> Allocation:
        """The same allocation with one subtask's choice changed."""
        if subtask not in self:
            raise InvalidAllocation(subtask, f"no such subtask; known: {', '.join(self)}")
        return Allocation({**self, subtask: choice})

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain values, as logs and prompts hold them: each subtask's `Choice.to_dict`."""
        return {name: choice.to_dict() for name, choice in self._choices}

    @classmethod
    def from_dict(cls, values: Mapping[str, Mapping[str, Any]]) -> Allocation:
        """The inverse of `to_dict`, for trusted values; a SearchSpace parses untrusted ones."""
        return cls({name: Choice(**value) for name, value in values.items()})


@names_misfits
class SearchSpace:
    """Every allocation that could be tried: subtasks in pipeline order and sample counts.

    `max_samples` allows every count from 1 up to it. `sample_counts` restricts the counts to a
    list, as a recorded benchmark must, and then sets `max_samples`.
    Raises InvalidInput on an empty, doubled or non-positive field.
    """

    def __init__(
        self,
        subtasks: Sequence[Subtask],
        max_samples: int = 100,
        *,
        sample_counts: Sequence[int] | None = None,
    ) -> None:
        require_instances("subtasks", subtasks, Subtask)
        self.subtasks: tuple[Subtask, ...] = tuple(subtasks)
        if not self.subtasks:
            raise InvalidInput("subtasks", "a search space needs at least one subtask")
        names = [subtask.name for subtask in self.subtasks]
        if len(set(names)) != len(names):
            raise InvalidInput("subtasks", f"a name stands twice: {', '.join(names)}")
        if sample_counts is None:
            require_count("max_samples", max_samples, MOST_SAMPLES)
            self.sample_counts: tuple[int, ...] = tuple(range(1, max_samples + 1))
        else:
            if not sample_counts or not all(is_count(count) and count <= MOST_SAMPLES for count in sample_counts):
                raise InvalidInput("sample_counts", f"must be whole numbers from 1 to {MOST_SAMPLES:,}, at least one")
            self.sample_counts = tuple(sorted(set(sample_counts)))
        self.max_samples: int = self.sample_counts[-1]
        self._by_name = {subtask.name: subtask for subtask in self.subtasks}

    def __getitem__(self, name: str) -> Subtask:
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownName("subtask", name, self._by_name) from None

    def __repr__(self) -> str:
        stages = ", ".join(f"{subtask.name} ({_size(subtask)})" for subtask in self.subtasks)
        return f"SearchSpace({stages}; {len(self.sample_counts)} sample counts)"

    @property
    def all_counts_up_to_max(self) -> bool:
        """Whether every count from 1 to `max_samples` is allowed."""
        return len(self.sample_counts) == self.max_samples

    @property
    def counts_text(self) -> str:
        """The allowed sample counts in words."""
        if self.all_counts_up_to_max:
            return f"a whole number from 1 to {self.max_samples}"
        return "one of " + ", ".join(map(str, self.sample_counts))

    def choices(self, subtask: Subtask) -> Iterator[Choice]:
        """Every choice for a subtask: models, strategies, temperatures in their order, sample counts rising."""
        return (v.choice(count) for v in subtask.variants_of(subtask.models) for count in self.sample_counts)

    def validate(self, allocation: Mapping[str, Choice]) -> Allocation:
        """The allocation in pipeline order. Raises InvalidAllocation naming the wrong field."""
        for name in allocation:
            if name not in self._by_name:
                raise InvalidAllocation(name, f"no such subtask; known: {', '.join(self._by_name)}")
        ordered: dict[str, Choice] = {}
        for subtask in self.subtasks:
            choice = allocation.get(subtask.name)
            if choice is None:
                raise InvalidAllocation(subtask.name, "has no choice; every subtask needs one")
            known = [model.name for model in subtask.models]
            if choice.model not in known:
                raise InvalidAllocation(
                    f"{subtask.name}.model",
                    f"{choice.model!r} is not a candidate; use one of: {', '.join(known)}",
                )
            if not is_count(choice.samples) or choice.samples not in self._count_set:
                raise InvalidAllocation(
                    f"{subtask.name}.samples", f"{choice.samples!r} is not allowed; use {self.counts_text}"
                )
            ordered[subtask.name] = Choice(
                choice.model,
                choice.samples,
                listed(f"{subtask.name}.strategy", choice.strategy, subtask.strategies),
                listed(f"{subtask.name}.temperature", choice.temperature, subtask.temperatures),
            )
        return Allocation(ordered)

    def parse(self, values: object) -> Allocation:
        """An allocation from untrusted plain values, {subtask: {"model": str, "samples": int}}.

        Where the space lists them, "strategy" (str) and "temperature" (number) are needed too.
        Raises InvalidAllocation naming the wrong field; never anything else, whatever is given.
        """
        if not isinstance(values, Mapping):
            raise InvalidAllocation("allocation", "must be an object with one entry per subtask")
        choices: dict[str, Choice] = {}
        for name, value in values.items():
            if not isinstance(value, Mapping) or not {"model", "samples"} <= set(value):
                raise InvalidAllocation(str(name), 'must be an object {"model": name, "samples": number}')
            model, samples = value["model"], value["samples"]
            if not isinstance(model, str):
                raise InvalidAllocation(f"{name}.model", "must be a model's name")
            if isinstance(samples, float) and samples.is_integer():
                samples = int(samples)
            if not is_count(samples):
                raise InvalidAllocation(
                    f"{name}.samples", f"must be a whole number of 1 or more, got {shortened(samples)}"
                )
            choices[str(name)] = Choice(model, samples, value.get("strategy"), value.get("temperature"))
        return self.validate(choices)

    @names_misfits
    def require_feasible(
        self, allocation: Mapping[str, Choice], budget: float, cost: CostModel, caps: Sequence[Cap] = ()
    ) -> float:
        """The allocation's cost. Raises InvalidAllocation, or BudgetExceeded with the numbers."""
        return Limits(budget, cost, caps).require(self, self.validate(allocation))

    @names_misfits
    def feasible(
        self, allocation: Mapping[str, Choice], budget: float, cost: CostModel, caps: Sequence[Cap] = ()
    ) -> bool:
        """Whether a valid allocation is within the budget and every cap. Raises InvalidAllocation."""
        return Limits(budget, cost, caps).allow(self, self.validate(allocation))

    def default_budget(self, cost: CostModel) -> float:
        """One sample of every subtask's largest model (AgentTTS, section on budgets)."""
        least = self.sample_counts[0]
        return sum(cost.subtask(subtask, subtask.usual(subtask.largest).choice(least)) for subtask in self.subtasks)

    def cheapest(self, cost: CostModel) -> Allocation:
        """The allocation with the lowest total cost."""
        picks: dict[str, Choice] = {}
        for subtask in self.subtasks:
            prices = {choice: cost.subtask(subtask, choice) for choice in self.choices(subtask)}
            picks[subtask.name] = min(prices, key=prices.__getitem__)
        return Allocation(picks)

    def count(self, budget: float, cost: CostModel, caps: Sequence[Cap] = ()) -> int:
        """Exactly how many allocations are within the budget and every cap."""
        return CostTable(self, Limits(budget, cost, caps)).count()

    def allocations(self, budget: float, cost: CostModel, caps: Sequence[Cap] = ()) -> Iterator[Allocation]:
        """Lazily, every allocation within the budget and every cap, in a fixed order."""
        table = CostTable(self, Limits(budget, cost, caps))
        for pick in table.fitting():
            yield Allocation(table.chosen(pick))

    @property
    def _count_set(self) -> frozenset[int]:
        return frozenset(self.sample_counts)


def _suffix(strategy: str | None, temperature: float | None) -> str:
    """What follows the model and samples in text; nothing where the task decides."""
    named = "" if strategy is None else f" {strategy}"
    return named if temperature is None else f"{named} t={temperature:g}"


def _size(subtask: Subtask) -> str:
    candidates = {"models": subtask.models, "strategies": subtask.strategies, "temperatures": subtask.temperatures}
    return ", ".join(f"{len(values)} {word}" for word, values in candidates.items() if values)
