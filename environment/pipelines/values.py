"""Rows of a data set and answers in JSON, as values that can be hashed and are never changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(frozen=True, slots=True)
class Row(Mapping[str, Any]):
    """One example of a data set: its id and its fields by name."""

    id: str
    fields: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


class FrozenObject(dict[str, Any]):
    """A JSON object as a stage's output: hashable, and refusing changes."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenObject], tuple[dict[str, Any]]]:
        # By default a copy is filled item by item, which it refuses.
        return FrozenObject, (dict(self),)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a stage's output cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def frozen(value: Any) -> Any:
    """The value with its lists as tuples and its objects as FrozenObjects, all the way down."""
    if isinstance(value, Mapping):
        return FrozenObject({str(name): frozen(item) for name, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    if isinstance(value, set | frozenset):
        return frozenset(frozen(item) for item in value)
    return value


def thawed(value: Any) -> Any:
    """A frozen value as plain lists and dicts, for code that changes or adds to them."""
    if isinstance(value, Mapping):
        return {name: thawed(item) for name, item in value.items()}
    return [thawed(item) for item in value] if isinstance(value, tuple) else value


def items_of(value: Any) -> tuple[Any, ...]:
    """The value as items: those of a list or set, none of None, else the value alone."""
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(value)
    if isinstance(value, set | frozenset):
        return tuple(sorted(value, key=repr))
    return (value,)
