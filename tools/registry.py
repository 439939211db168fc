"""Find implementations by name: entry points for packages, a decorator for scripts and tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from inspect import Parameter, signature
from typing import Any, Generic, TypeVar, cast

from tools.declared import described, hints_of, misfit
from tools.errors import AgentttsError, InvalidInput, UnknownName
from tools.text import shortened

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to implementations of one contract.

    Implementations are declared as entry points (ours in pyproject.toml, others in their own
    package) and imported only when asked for, so that listing names stays cheap. A script that
    has no package registers with `register`.
    """

    def __init__(self, kind: str, group: str) -> None:
        """`kind` names the contract in messages ("searcher"); `group` is the entry-point group."""
        self.kind = kind
        self.group = group
        self._registered: dict[str, T] = {}
        self._loaded: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds an implementation under `name`, before any entry point.

        Raises InvalidInput when the name is taken.
        """

        def add(implementation: T) -> T:
            if name in self._registered or name in self._entry_points():
                raise InvalidInput(self.kind, f"{name!r} is already registered; choose another name")
            self._registered[name] = implementation
            return implementation

        return add

    def names(self) -> list[str]:
        """Every known name, sorted; imports nothing."""
        return sorted({*self._registered, *self._entry_points()})

    def get(self, name: str) -> T:
        """The implementation called `name`. Raises UnknownName with the nearest valid name."""
        if not isinstance(name, str):
            raise InvalidInput(self.kind, f"must be a name, got {shortened(name)}")
        if name in self._registered:
            return self._registered[name]
        if name not in self._loaded:
            found = self._entry_points().get(name)
            if found is None:
                raise UnknownName(self.kind, name, self.names())
            self._loaded[name] = cast(T, found.load())
        return self._loaded[name]

    def _entry_points(self) -> Mapping[str, EntryPoint]:
        return _declared(self.group, tuple(_places()))


@lru_cache(maxsize=32)
def _declared(group: str, _: tuple[tuple[str, int], ...]) -> Mapping[str, EntryPoint]:
    """A group's entry points by name. Finding them reads the metadata of every installed package."""
    return {point.name: point for point in entry_points(group=group)}


def _places() -> Iterator[tuple[str, int]]:
    """Where packages are looked for, and when that last changed: what is installed meanwhile is found."""
    for place in sys.path:
        try:
            yield place, os.stat(place or ".").st_mtime_ns
        except OSError:
            continue


def built(owner: str, build: Callable[..., T], options: Mapping[str, Any], *arguments: Any) -> T:
    """What `build` makes of the arguments and of the options that a person gave.

    Raises InvalidInput for an option that `build` does not take, and where it chokes on the value of one.
    """
    given = list(signature(build).parameters)[: len(arguments)]
    check_options(owner, build, options, given=given)
    try:
        return build(*arguments, **options)
    except AgentttsError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, OSError) as error:
        if not options:
            raise
        found = misfit(hints_of(build.__init__ if isinstance(build, type) else build), options)  # type: ignore[misc]
        if found is None:
            raise InvalidInput(f"option of {owner}", f"{', '.join(options)}: {error}") from error
        name, hint, value = found
        raise InvalidInput(
            f"option of {owner}", f"{name}: must be {described(hint)}, got {shortened(value)}"
        ) from error


def check_options(
    owner: str, build: Callable[..., Any], options: Iterable[str], *, given: Collection[str] = ()
) -> None:
    """Raises InvalidInput for an option that `build` does not take, besides the arguments already `given`.

    `owner` names who takes the options, in the message.
    """
    known = {name: parameter for name, parameter in signature(build).parameters.items() if name not in given}
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in known.values()):
        if taken := [option for option in options if option in given]:
            raise InvalidInput(f"option of {owner}", f"unknown name {taken[0]!r}; that is decided elsewhere")
        return
    for option in options:
        if not known:
            raise InvalidInput(f"option of {owner}", f"unknown name {option!r}; it takes no options")
        if option not in known:
            raise UnknownName(f"option of {owner}", option, known)
