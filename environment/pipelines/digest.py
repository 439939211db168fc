"""What a pipeline written in Python consists of, as one digest."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

CONSTANT = str | int | float | bool | None


def digest_of(*parts: Any) -> str:
    """The SHA-256 of values and of functions' sources; the same in every process.

    A function counts with its text, its defaults, and what it reads around it: constants, and other
    functions of its module. What may change while it runs, such as a cache, does not count.
    """
    plain = _Plain()
    return hashlib.sha256(json.dumps([plain.of(part) for part in parts], sort_keys=True).encode()).hexdigest()


class _Plain:
    """Turns values into plain ones, each function once."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def of(self, value: Any) -> Any:
        if isinstance(value, CONSTANT):
            return value
        if isinstance(value, partial):
            return ["partial", self.of(value.func), self.of(value.args), self.of(value.keywords)]
        if inspect.isroutine(value):
            return self._function(value)
        if isinstance(value, Mapping):
            return {str(name): self.of(item) for name, item in value.items()}
        if isinstance(value, set | frozenset):
            return sorted((self.of(item) for item in value), key=json.dumps)
        if isinstance(value, Sequence):
            return [self.of(item) for item in value]
        if is_dataclass(value) and not isinstance(value, type):
            return [type(value).__qualname__, {f.name: self.of(getattr(value, f.name)) for f in fields(value)}]
        # The default repr holds an address, which no two processes share.
        return [type(value).__qualname__, self.of(getattr(value, "id", ""))]

    def _function(self, function: Any) -> Any:
        function = inspect.unwrap(getattr(function, "__func__", function))
        name = str(getattr(function, "__qualname__", ""))
        if id(function) in self._seen or not inspect.isfunction(function):
            return ["function", name]
        self._seen.add(id(function))
        around = inspect.getclosurevars(function)
        read = {**around.globals, **around.nonlocals}
        counted = {name: self.of(value) for name, value in read.items() if _counts(value, function.__module__)}
        return ["function", _source(function), self.of(function.__defaults__), counted]


def _counts(value: Any, module: str) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(_counts(item, module) for item in value)
    return isinstance(value, CONSTANT) or (inspect.isfunction(value) and value.__module__ == module)


def _source(function: Any) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return str(function.__code__.co_code.hex())
