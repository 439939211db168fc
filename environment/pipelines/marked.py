"""YAML whose every value knows its line, and mistakes told by line, field and fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarstring import LiteralScalarString

from tools.errors import InvalidInput, SeveralMistakes

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]
"""Where a value stands: field names and positions from the document's root."""

MOST_VALUES = 100_000
"""A document that aliases blow up beyond this many values is refused."""
MISSING = "is missing"
SECRET = ("key", "api_key", "apikey", "token", "secret", "password")


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that a person must mend: where it stands and what to do.

    `inside` is a line of the value's own text, from 0; None where the whole value is meant.
    """

    place: Place
    problem: str
    inside: int | None = None


class Document:
    """A parsed file: its plain values, and the line of each."""

    def __init__(self, path: Path) -> None:
        """Raises InvalidInput where the file cannot be read or is no YAML, naming the line."""
        self.path = path
        try:
            self.text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise InvalidInput(str(path), f"cannot be read: {error.strerror or error}") from None
        except UnicodeDecodeError as error:
            raise InvalidInput(str(path), f"is not UTF-8 text: {error}") from None
        try:
            self._root = YAML(typ="rt").load(self.text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{path} line {mark.line + 1}" if mark else str(path)
            raise InvalidInput(where, f"is no YAML: {error.problem or error.context}") from None
        except (YAMLError, ValueError, RecursionError) as error:
            raise InvalidInput(str(path), f"is no YAML: {error}") from None
        if not isinstance(self._root, CommentedMap):
            raise InvalidInput(str(path), "must hold fields such as `models:` and `subtasks:`")
        self._left = MOST_VALUES
        self.values: dict[str, Any] = self._plain(self._root)

    def line(self, place: Place, inside: int | None = None) -> int:
        """The line of a value, or of the nearest thing around it, from 1; or a line of its text."""
        node: Any = self._root
        line = 1
        for part in place:
            try:
                if isinstance(node, CommentedMap):
                    line = int(node.lc.key(part)[0]) + 1
                elif isinstance(node, CommentedSeq) and isinstance(part, int):
                    line = int(node.lc.item(part)[0]) + 1
                else:
                    break
                node = node[part]
            except (KeyError, IndexError, TypeError):
                break
        # Only the text of a literal block stands in the file line by line, from the next line on.
        return line + 1 + inside if inside is not None and isinstance(node, LiteralScalarString) else line

    def mend(self, mistakes: Sequence[Mistake]) -> InvalidInput:
        """All mistakes as one error, in the file's order."""
        lines = [(self.line(m.place, m.inside), shown(m.place), m.problem) for m in mistakes]
        # On one line, a field that is missing is one that is misspelt: that comes first, with what was meant.
        lines.sort(key=lambda line: (line[0], line[2].startswith(MISSING), *line[1:]))
        if len(lines) == 1:
            line, field, problem = lines[0]
            return InvalidInput(f"{self.path} line {line}, {field}", problem)
        return SeveralMistakes(str(self.path), [(f"line {line}, {field}", problem) for line, field, problem in lines])

    def read(self, model: type[M]) -> M:
        """The values as a model. Raises InvalidInput with every mistake."""
        try:
            return model.model_validate(self.values)
        except ValidationError as error:
            raise self.mend([_mistake(model, detail) for detail in error.errors()]) from None

    def _plain(self, node: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise InvalidInput(str(self.path), f"holds more than {MOST_VALUES:,} values")
        if isinstance(node, CommentedMap):
            return {name: self._plain(value) for name, value in node.items()}
        if isinstance(node, CommentedSeq):
            return [self._plain(value) for value in node]
        for kind in (bool, int, float, str):
            if isinstance(node, kind):
                return kind(node)
        return node


def shown(place: Place) -> str:
    """A place as people write it: subtasks[1].prompt."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "the file"


def _mistake(model: type[BaseModel], detail: ErrorDetails) -> Mistake:
    place = tuple(part for part in detail["loc"] if not str(part).startswith("function-"))
    kind, given = detail["type"], detail["input"]
    name = str(place[-1]) if place else ""
    fields = _fields(model, place[:-1])
    if kind == "extra_forbidden":
        return Mistake(place, _unknown(name, fields))
    wanted = fields.get(name, "")
    if kind == "missing":
        return Mistake(place, f"{MISSING}; give {wanted}")
    if kind == "value_error":
        return Mistake(place, str(detail["ctx"]["error"]))
    problem = detail["msg"].replace("Input should", "should").replace("String should", "should")
    got = f", got {given!r}" if isinstance(given, int | float) or (isinstance(given, str) and kind != "missing") else ""
    hidden = name in SECRET or name.endswith("_env")
    return Mistake(place, f"{problem}{'' if hidden else got[:80]}" + (f"; give {wanted}" if wanted else ""))


def _unknown(name: str, known: Iterable[str]) -> str:
    if name.lower() in SECRET and "key_env" in known:
        return "keys are not written into files; put it into an environment variable and give its name as key_env"
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"is no field; {hint}known here: {', '.join(known)}"


def _fields(model: type[BaseModel], place: Place) -> dict[str, str]:
    """The fields, with their descriptions, of the object at a place; none where it is no object."""
    found: type[BaseModel] | None = model
    for part in place:
        if found is None or isinstance(part, int):
            continue
        info = found.model_fields.get(str(part))
        found = _model_in(info.annotation) if info else found
    return {name: info.description or "" for name, info in found.model_fields.items()} if found else {}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model inside of a type such as `list[Spec] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
