"""Readers of the 2WikiMultiHopQA and HotpotQA files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from environment.multihop.example import MultihopExample
from tools.errors import InvalidInput


def load_two_wiki(path: Path) -> list[MultihopExample]:
    """2WikiMultiHopQA records {question, answers, ctxs_candidate, ctxs_gt}, in file order.

    Raises InvalidInput naming the record and the field.
    """
    return _load(path, _two_wiki)


def load_hotpotqa(path: Path) -> list[MultihopExample]:
    """HotpotQA records {_id, question, answer, context, supporting_facts}, in file order.

    Each sentence of the context is a candidate. Raises InvalidInput naming the record and field.
    """
    return _load(path, _hotpotqa)


def _load(path: Path, read: Callable[[dict[str, Any]], MultihopExample]) -> list[MultihopExample]:
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput("path", f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise InvalidInput("path", f"{path} is not JSON: {error}") from None
    if not isinstance(records, list) or not records:
        raise InvalidInput("path", f"{path} must hold a list of at least one record")
    examples = []
    for number, record in enumerate(records):
        try:
            examples.append(read(record))
        except KeyError as error:
            raise InvalidInput("path", f"{path} record {number}: lacks the field {error}") from None
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise InvalidInput("path", f"{path} record {number}: {error}") from None
    return examples


def _two_wiki(record: dict[str, Any]) -> MultihopExample:
    candidates = _texts(record["ctxs_candidate"], "ctxs_candidate")
    needed = _texts(record["ctxs_gt"], "ctxs_gt")
    # The released candidates may lack a gold passage or hold it twice.
    candidates = tuple(dict.fromkeys([*candidates, *needed]))
    gold = tuple(sorted({candidates.index(passage) for passage in needed}))
    answers = tuple(dict.fromkeys(_texts(record["answers"], "answers")))
    return _example("2wiki", str(record["question"]), answers, candidates, gold)


def _hotpotqa(record: dict[str, Any]) -> MultihopExample:
    places: dict[tuple[str, int], str] = {}
    for title, sentences in record["context"]:
        for number, sentence in enumerate(_texts(sentences, "context")):
            places[str(title), number] = f"{title}: {sentence.strip()}"
    keys = list(places)
    gold = sorted({keys.index((str(title), int(number))) for title, number in record["supporting_facts"]})
    return _example("hotpotqa", str(record["question"]), (str(record["answer"]),), tuple(places.values()), tuple(gold))


def _texts(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{field} must be a list of texts, at least one")
    return tuple(value)


def _example(
    source: str, question: str, answers: tuple[str, ...], candidates: tuple[str, ...], gold: tuple[int, ...]
) -> MultihopExample:
    digest = hashlib.sha256("\n".join([question, *candidates]).encode()).hexdigest()
    return MultihopExample(f"{source}-{digest[:12]}", question, answers, candidates, gold)
