"""Gold answers of a record, as CWQ, WebQSP and their preprocessings hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from environment.kgqa.example import Answer
from environment.records import texts

Readings = tuple[tuple[Answer, ...], ...]


def answers_of(record: Mapping[str, Any]) -> Readings:
    """The sets of right answers, one for each reading of the question; none where it has no answer.

    Parses (WebQSP): each parse is a reading; a question without a parse that is both "Good" and
    "Complete" has no answer, as in the official evaluation. answers (CWQ): names with aliases.
    answer: a list of names. Raises KeyError or ValueError naming the field.
    """
    if "Parses" in record:
        return _parses(record["Parses"])
    if "answers" in record:
        return _reading([_with_aliases(item) for item in _objects(record["answers"], "answers")])
    return _reading([(name,) for name in texts(record["answer"], "answer")] if record["answer"] != [] else [])


def _parses(value: object) -> Readings:
    parses = _objects(value, "Parses")
    comments = _objects([parse["AnnotatorComment"] for parse in parses], "AnnotatorComment")
    if not any(c["QuestionQuality"] == "Good" and c["ParseQuality"] == "Complete" for c in comments):
        return ()
    sets = [_reading([_parsed(item) for item in _objects(parse["Answers"], "Answers")]) for parse in parses]
    return tuple(dict.fromkeys(reading for readings in sets for reading in readings))


def _parsed(item: Mapping[str, Any]) -> Answer:
    """An entity by its name, a value by itself. An entity without a name has only its identifier."""
    return _names(item["EntityName"], item["AnswerArgument"])[:1]


def _with_aliases(item: Mapping[str, Any]) -> Answer:
    aliases = item.get("aliases", [])
    return _names(item["answer"], *(aliases if isinstance(aliases, list) else [aliases]))


def _names(*names: object) -> Answer:
    if not all(name is None or isinstance(name, str) for name in names):
        raise ValueError("an answer's names must be texts")
    return tuple(dict.fromkeys(str(name) for name in names if name is not None and str(name).strip()))


def _reading(answers: Iterable[Answer]) -> Readings:
    named = tuple(dict.fromkeys(answer for answer in answers if answer))
    return (named,) if named else ()


def _objects(value: object, field: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{field} must be a list of objects")
    return value
