"""Scores of answers against sets of gold answers with aliases, each in [0, 1].

An answer is right when it equals one of the names of a gold answer after the normalisation that QA
benchmarks share (case, punctuation, articles and blanks do not count). A question with several
readings is scored by the reading that fits best.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from environment.answers import stated_answer
from environment.kgqa.example import Answer
from environment.metrics import normalise_answer

SEPARATOR = ";"
"""Between the answers of one response. A comma will not do: it is a part of many names."""

Readings = Iterable[Iterable[Answer]]


def single_match(answer: str, readings: Readings) -> float:
    """1 if the one answer given is any gold answer of any reading, else 0 (EM)."""
    return float(any(_key(answer) in _keys(gold) for reading in readings for gold in reading))


def set_match(answers: Sequence[str], readings: Readings) -> float:
    """1 if the answers given are all gold answers of a reading and nothing else, else 0."""
    return float(answer_set_f1(answers, readings) == 1)


def answer_set_f1(answers: Sequence[str], readings: Readings) -> float:
    """F1 of the answers given against the gold ones, as WebQSP's official evaluation defines it."""
    given = {_key(answer) for answer in answers}
    return max(_f1(given, [_keys(gold) for gold in reading]) for reading in readings)


def separate_answers(text: str) -> tuple[str, ...]:
    """The answers of a response, each once, in the order they are given."""
    written: dict[str, str] = {}
    for part in (part for line in text.splitlines() for part in line.split(SEPARATOR)):
        if answer := stated_answer(part):
            written.setdefault(_key(answer), answer)
    return tuple(written.values())


def voted_answers(outputs: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The answers that at least half of the outputs hold, else the one held most, as first written."""
    written: dict[str, str] = {}
    for output in outputs:
        for answer in output:
            written.setdefault(_key(answer), answer)
    counts = Counter(key for output in outputs for key in {_key(answer) for answer in output})
    kept = [key for key in written if 2 * counts[key] >= len(outputs)]
    return tuple(written[key] for key in kept or sorted(written, key=lambda key: -counts[key])[:1])


def _f1(given: set[str], gold: list[set[str]]) -> float:
    found = sum(bool(given & names) for names in gold)
    wrong = len(given - set().union(*gold))
    return 2 * found / (found + wrong + len(gold)) if gold else 0.0


def _keys(answer: Answer) -> set[str]:
    return {_key(name) for name in answer}


def _key(name: str) -> str:
    # A name of nothing but articles or punctuation would equal every other such name, and no answer.
    return normalise_answer(name) or name.strip().casefold()
