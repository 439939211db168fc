"""Readers of CWQ and WebQSP: questions with candidate triples, and the official files of answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment.kgqa.example import KgqaExample, Triple
from environment.kgqa.graph import Subgraph
from environment.kgqa.official import Readings, answers_of
from environment.records import read_records, texts
from tools.errors import InvalidInput

GOLD = ("path", "crucial")
ID_FIELDS = ("ID", "QuestionId", "id")
QUESTION_FIELDS = ("question", "RawQuestion", "ProcessedQuestion")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The usable examples of a file, in file order, and how many of its records are not usable."""

    examples: list[KgqaExample]
    left_out: int


def load_kgqa(source: str, path: str | Path, *, answers: str | Path = "", gold: str = "path") -> Loaded:
    """Records with candidate triples, in one of two formats that a record's fields tell apart.

    With 2hop_triples, gt_triples and crucial_triples (Generate-on-Graph, as AgentTTS released its
    data): gold are gt_triples, or with `gold="crucial"` the crucial_triples while the rest of
    gt_triples is no candidate. With graph, q_entity and a_entity (the RoG data sets): gold are the
    triples on the shortest paths from question to answer entities. `answers` names the official
    file, whose answers with their aliases are then used in place of the records' own. `source`
    begins the examples' ids. A record without answers or gold triples is left out. Raises
    InvalidInput naming file, record and field.
    """
    if gold not in GOLD:
        raise InvalidInput("gold", f"{gold!r} is unknown; use one of: {', '.join(GOLD)}")
    official = _official_answers(answers) if answers else None
    taken: set[str] = set()

    def read(record: dict[str, Any]) -> KgqaExample | None:
        identity = _field(record, ID_FIELDS)
        if identity in taken:
            raise ValueError(f"the ID {identity!r} stands twice")
        taken.add(identity)
        if official is not None and identity not in official:
            raise ValueError(f"the ID {identity!r} is not in {answers}")
        readings = answers_of(record) if official is None else official[identity]
        candidates, needed = _triples(record, gold)
        if not readings or not needed:
            return None
        positions = tuple(position for position, triple in enumerate(candidates) if triple in needed)
        question = _field(record, QUESTION_FIELDS)
        return KgqaExample(f"{source}-{identity}", question, readings, candidates, positions)

    examples = read_records(path, read)
    usable = [example for example in examples if example]
    return Loaded(usable, len(examples) - len(usable))


def _official_answers(path: str | Path) -> Mapping[str, Readings]:
    return dict(read_records(path, lambda r: (_field(r, ID_FIELDS), answers_of(r)), member="Questions"))


def _field(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    name = next((name for name in names if name in record), None)
    if name is None:
        raise ValueError(f"lacks the field {' or '.join(map(repr, names))}")
    if not isinstance(record[name], str) or not record[name].strip():
        raise ValueError(f"{name} must be a text")
    return str(record[name])


def _triples(record: Mapping[str, Any], gold: str) -> tuple[tuple[Triple, ...], set[Triple]]:
    """The candidates, none twice, and the gold ones among them."""
    if "2hop_triples" in record:
        return _annotated(record, gold)
    if "graph" in record:
        return _around_paths(record, gold)
    raise ValueError(
        "lacks the field '2hop_triples' or 'graph': a file of questions without candidate triples is given as answers"
    )


def _annotated(record: Mapping[str, Any], gold: str) -> tuple[tuple[Triple, ...], set[Triple]]:
    nearby, path = _list(record, "2hop_triples"), _list(record, "gt_triples")
    needed = path if gold == "path" else _list(record, "crucial_triples")
    unwanted = set(path) - set(needed)
    # The lists hold triples twice, and the nearby ones lack some that are needed.
    return tuple(dict.fromkeys(triple for triple in [*nearby, *needed] if triple not in unwanted)), set(needed)


def _around_paths(record: Mapping[str, Any], gold: str) -> tuple[tuple[Triple, ...], set[Triple]]:
    if gold != "path":
        raise ValueError(f"lacks the field 'crucial_triples', which gold={gold} needs")
    topics, targets = (_entities(record, field) for field in ("q_entity", "a_entity"))
    subgraph = Subgraph(list(dict.fromkeys(_list(record, "graph"))))
    return tuple(subgraph.by_hop(topics)), subgraph.between(topics, targets)


def _list(record: Mapping[str, Any], field: str) -> list[Triple]:
    value = record[field]
    if not isinstance(value, list):
        raise ValueError(f"{field} must be a list of triples")
    for number, item in enumerate(value):
        if not isinstance(item, list) or len(item) != 3 or not all(isinstance(part, str) for part in item):
            raise ValueError(f"{field} {number} must be a list of three texts: head, relation, tail")
    return [Triple(*item) for item in value]


def _entities(record: Mapping[str, Any], field: str) -> tuple[str, ...]:
    return texts(record[field], field) if record[field] != [] else ()
