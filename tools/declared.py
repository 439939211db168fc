"""Arguments that are not of their declared types, named where a call chokes on them."""

from __future__ import annotations

import errno
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from inspect import Signature, signature
from types import SimpleNamespace
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from tools.errors import AgentttsError, InvalidInput
from tools.text import shortened

T = TypeVar("T", bound=Callable[..., Any])

CHOKED = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""What code raises that is handed something it was not written for."""
NOT_TO_BE_USED = frozenset(
    {
        errno.EACCES, errno.EEXIST, errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT,
        errno.ENOTDIR, errno.EPERM, errno.EROFS,
    }
)  # fmt: skip
"""What is wrong with a path, and not with the disk that it leads to."""
WORDS: Mapping[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    types.NoneType: "None",
}


def names_misfits(function: T) -> T:
    """Decorator of a function or class: where a call chokes, InvalidInput names an argument of a wrong type.

    Types are looked at only then, so that values which work are never refused for theirs. Where all
    arguments are of their declared types, the error is the program's own and is raised as it is.
    """
    if isinstance(function, type):
        function.__init__ = names_misfits(function.__init__)  # type: ignore[misc]
        return function

    @wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except AgentttsError:
            raise
        except OSError as error:
            if (refused := unusable_path(error)) is None:
                raise
            raise refused from error
        except CHOKED as error:
            if "embedded null" in str(error):
                raise InvalidInput("path", "holds a NUL, which no file's name has; name another") from error
            if (found := _misfit(function, arguments, options)) is None:
                raise
            name, hint, value = found
            raise InvalidInput(name, f"must be {described(hint)}, got {shortened(value)}") from error

    return cast(T, called)


def unusable_path(error: OSError) -> InvalidInput | None:
    """The refusal of a path that somebody named, where it cannot be used as it was to be; None for other faults."""
    if error.filename is None or error.errno not in NOT_TO_BE_USED:
        return None
    return InvalidInput(str(error.filename), f"cannot be used: {error.strerror}; name another file or folder")


def misfit(hints: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """The first value that is not of its declared type, as name, type and value; None where all are."""
    for name, value in values.items():
        if name in hints and not fits(value, hints[name]):
            return name, hints[name], value
    return None


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a declared type, as far as that can be told from the outside."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return any(value is one or (type(value) is type(one) and value == one) for one in inner)
    if hint is None:
        return value is None
    kind = origin or hint
    if not isinstance(kind, type) or getattr(kind, "_is_protocol", False) or is_typeddict(kind):
        return True
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, kind) or (
        isinstance(value, str | bytes) and issubclass(kind, Iterable) and kind is not str
    ):
        return False
    if isinstance(value, Mapping) and len(inner) == 2:
        return all(fits(k, inner[0]) and fits(v, inner[1]) for k, v in value.items())
    if isinstance(value, Sequence) and inner and not isinstance(value, str):
        return all(fits(item, inner[0]) for item in value)
    return True


def described(hint: Any) -> str:
    """A declared type in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(described, inner)))
    if origin is Literal:
        return f"one of: {', '.join(map(str, inner))}"
    kind = origin or hint
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return "an object of names and values"
    if inner and isinstance(kind, type) and issubclass(kind, Sequence | tuple):
        return f"a list, each item {described(inner[0])}"
    return WORDS.get(kind, f"a {getattr(kind, '__name__', kind)}")


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The declared types of a function's parameters; those that cannot be told now are left out."""
    hints: dict[str, Any] = {}
    for name, declared in getattr(function, "__annotations__", {}).items():
        try:
            # One by one: a name that only type checkers import must not hide the others.
            one: Any = SimpleNamespace(__annotations__={name: declared})
            hints |= get_type_hints(one, globalns=getattr(function, "__globals__", {}))
        except (NameError, TypeError, AttributeError, SyntaxError):
            continue
    return hints


def _misfit(
    function: Callable[..., Any], arguments: Sequence[Any], options: Mapping[str, Any]
) -> tuple[str, Any, Any] | None:
    known: Signature = signature(function)
    try:
        given = known.bind(*arguments, **options).arguments
    except TypeError:  # too many arguments, or too few: the caller's code is wrong
        return None
    extra = next((p.name for p in known.parameters.values() if p.kind is p.VAR_KEYWORD), "")
    return misfit(hints_of(function), {name: value for name, value in given.items() if name != extra})
