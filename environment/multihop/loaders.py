"""Readers of the 2WikiMultiHopQA and HotpotQA files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from environment.multihop.example import MultihopExample
from environment.records import read_records, texts


def load_two_wiki(path: str | Path) -> list[MultihopExample]:
    """2WikiMultiHopQA records {question, answers, ctxs_candidate, ctxs_gt}, in file order.

    Raises InvalidInput naming the record and the field.
    """
    return read_records(path, _two_wiki)


def load_hotpotqa(path: str | Path) -> list[MultihopExample]:
    """HotpotQA records {_id, question, answer, context, supporting_facts}, in file order.

    Each sentence of the context is a candidate. Raises InvalidInput naming the record and field.
    """
    return read_records(path, _hotpotqa)


def _two_wiki(record: dict[str, Any]) -> MultihopExample:
    candidates = texts(record["ctxs_candidate"], "ctxs_candidate")
    needed = texts(record["ctxs_gt"], "ctxs_gt")
    # The released candidates may lack a gold passage or hold it twice.
    candidates = tuple(dict.fromkeys([*candidates, *needed]))
    gold = tuple(sorted({candidates.index(passage) for passage in needed}))
    answers = tuple(dict.fromkeys(texts(record["answers"], "answers")))
    return _example("2wiki", str(record["question"]), answers, candidates, gold)


def _hotpotqa(record: dict[str, Any]) -> MultihopExample:
    places: dict[tuple[str, int], str] = {}
    for title, sentences in record["context"]:
        for number, sentence in enumerate(texts(sentences, "context")):
            places[str(title), number] = f"{title}: {sentence.strip()}"
    keys = list(places)
    gold = sorted({keys.index((str(title), int(number))) for title, number in record["supporting_facts"]})
    return _example("hotpotqa", str(record["question"]), (str(record["answer"]),), tuple(places.values()), tuple(gold))


def _example(
    source: str, question: str, answers: tuple[str, ...], candidates: tuple[str, ...], gold: tuple[int, ...]
) -> MultihopExample:
    digest = hashlib.sha256("\n".join([question, *candidates]).encode()).hexdigest()
    return MultihopExample(f"{source}-{digest[:12]}", question, answers, candidates, gold)
