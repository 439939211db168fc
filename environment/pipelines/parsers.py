"""Parsers by name: the output in a model's response. None means that it could not be read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import jsonpath
import regex

from environment.answers import stated_answer
from environment.metrics import normalise_answer
from environment.pipelines.values import frozen, items_of
from tools.errors import InvalidInput

Parser = Callable[[str, Any], Any]
"""parse(text, example) gives the output; text is whatever a model wrote."""

BULLET = re.compile(r"^\s*(?:[-*+]|\(?\d{1,3}[.)])\s+")
SECONDS_TO_MATCH = 1.0
"""A pattern that backtracks without end on a response would stop the whole search."""
JSON_STARTS = 100
"""How many opening brackets are tried before a response counts as one without JSON."""


def text(response: str, example: Any) -> str | None:
    """The whole response without the blanks around it."""
    return response.strip() or None


def first_line(response: str, example: Any) -> str | None:
    """The first line that says anything, without an "Answer:" label and closing marks."""
    return stated_answer(response) or None


def lines(response: str, example: Any) -> tuple[str, ...]:
    """The lines that say anything, without bullets and numbers."""
    stripped = (BULLET.sub("", line).strip() for line in response.splitlines())
    return tuple(line for line in stripped if line)


def json_value(response: str, example: Any) -> Any:
    """The first JSON object or list in the response."""
    return frozen(_first_json(response))


PARSERS: Mapping[str, Parser] = {"text": text, "first_line": first_line, "lines": lines, "json": json_value}


def regex_parser(pattern: str, group: int | str | None = None, *, every: bool = False) -> Parser:
    """What a regular expression finds: a group (by default the first, or the whole match without one).

    With `every` the output is a tuple of all finds. Raises InvalidInput on a faulty pattern or a
    group it does not have.
    """
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise InvalidInput("regex", f"{pattern!r} is no regular expression: {error}") from None
    chosen: int | str = (1 if compiled.groups else 0) if group is None else group
    if chosen not in compiled.groupindex and not (isinstance(chosen, int) and 0 <= chosen <= compiled.groups):
        raise InvalidInput("group", f"{pattern!r} has no group {chosen!r}")

    def parse(response: str, example: Any) -> Any:
        try:
            found = (match[chosen] for match in compiled.finditer(response, timeout=SECONDS_TO_MATCH))
            return tuple(filter(None, found)) if every else next(found, None)
        except TimeoutError:
            return None

    return parse


def json_path_parser(path: str, *, every: bool = False) -> Parser:
    """What a JSONPath (RFC 9535) selects in the first JSON of the response.

    One value is the output, several are a tuple; with `every` the output is always a tuple. Raises
    InvalidInput on a faulty path.
    """
    try:
        compiled = jsonpath.compile(path)
    except jsonpath.JSONPathError as error:
        raise InvalidInput("json", f"{path!r} is no JSONPath: {str(error).splitlines()[0]}") from None

    def parse(response: str, example: Any) -> Any:
        found = compiled.findall(_first_json(response) or {})
        if every:
            return frozen(found)
        if not found:
            return None
        return frozen(found[0] if len(found) == 1 else found)

    return parse


def candidates_parser(field: str, at_most: int | None = None) -> Parser:
    """The positions of the example's candidates whose words stand in the response, rising.

    `field` holds the candidates; `at_most` bounds them to those mentioned first.
    """

    def parse(response: str, example: Any) -> tuple[int, ...]:
        said = f" {normalise_answer(response)} "
        found = sorted(
            (place, position)
            for position, candidate in enumerate(items_of(example[field]))
            if (place := said.find(f" {normalise_answer(str(candidate))} ")) >= 0
        )
        return tuple(sorted(position for _, position in found[:at_most]))

    return parse


def _first_json(response: str) -> Any:
    decoder = json.JSONDecoder()
    for start in islice(re.finditer(r"[{\[]", response), JSON_STARTS):
        try:
            return decoder.raw_decode(response, start.start())[0]
        except ValueError:
            continue
    return None
