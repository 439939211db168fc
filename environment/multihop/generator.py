"""Self-made two-hop questions over invented people, places, companies, schools and books."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from environment.invented_names import InventedNames
from environment.multihop.example import MultihopExample
from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_count


@dataclass(frozen=True)
class _Draft:
    """A question with its two gold facts and distractors, hardest first."""

    question: str
    answer: str
    gold: tuple[str, str]
    distractors: list[str]


def _employer_city(w: InventedNames) -> _Draft:
    p, q, c, d = w.person(), w.person(), w.company(), w.company()
    city, other = w.city(), w.city()
    return _Draft(
        f"In which city is the company that {p} works for based?",
        city,
        (f"{p} works for {c}.", f"{c} is based in {city}."),
        [
            f"{d} is based in {other}.",
            f"{q} works for {d}.",
            f"{p} was born in {w.city()}.",
            f"{c} was founded by {w.person()}.",
            f"{q} was born in {other}.",
        ],
    )


def _birthplace_river(w: InventedNames) -> _Draft:
    p, q, city, other, river = w.person(), w.person(), w.city(), w.city(), w.river()
    return _Draft(
        f"On which river does the city lie where {p} was born?",
        river,
        (f"{p} was born in {city}.", f"{city} lies on the river {river}."),
        [
            f"{other} lies on the river {w.river()}.",
            f"{q} was born in {other}.",
            f"{p} lives in {other}.",
            f"{w.company()} is based in {city}.",
            f"{q} lives in {city}.",
        ],
    )


def _author_school(w: InventedNames) -> _Draft:
    p, q, book, other, school = w.person(), w.person(), w.book(), w.book(), w.school()
    return _Draft(
        f"At which school did the author of {book} study?",
        school,
        (f"{book} was written by {p}.", f"{p} studied at {school}."),
        [
            f"{q} studied at {w.school()}.",
            f"{other} was written by {q}.",
            f"{p} plays the {w.instrument()}.",
            f"{p} teaches at {w.school()}.",
            f"{book} was published in {w.year()}.",
        ],
    )


def _spouse_instrument(w: InventedNames) -> _Draft:
    p, q, r, instrument = w.person(), w.person(), w.person(), w.instrument()
    return _Draft(
        f"Which instrument does the spouse of {p} play?",
        instrument,
        (f"{p} is married to {q}.", f"{q} plays the {instrument}."),
        [
            f"{p} plays the {w.instrument()}.",
            f"{r} plays the {w.instrument()}.",
            f"{r} is married to {w.person()}.",
            f"{q} works for {w.company()}.",
            f"{p} is a cousin of {r}.",
        ],
    )


def _employer_founder(w: InventedNames) -> _Draft:
    p, q, c, d, founder = w.person(), w.person(), w.company(), w.company(), w.person()
    return _Draft(
        f"Who founded the company that {p} works for?",
        founder,
        (f"{p} works for {c}.", f"{c} was founded by {founder}."),
        [
            f"{d} was founded by {w.person()}.",
            f"{q} works for {d}.",
            f"{c} is led by {w.person()}.",
            f"{founder} was born in {w.city()}.",
            f"{q} is a cousin of {p}.",
        ],
    )


def _born_earlier(w: InventedNames) -> _Draft:
    p, q, r = w.person(), w.person(), w.person()
    years = [int(year) for year in w.rng.choice(np.arange(1900, 1990), size=2, replace=False)]
    return _Draft(
        f"Who was born earlier, {p} or {q}?",
        p if years[0] < years[1] else q,
        (f"{p} was born in {years[0]}.", f"{q} was born in {years[1]}."),
        [
            f"{r} was born in {w.year()}.",
            f"{p} moved to {w.city()} in {w.year()}.",
            f"{q} wrote {w.book()} in {w.year()}.",
            f"{w.person()} was born in {w.year()}.",
            f"{p} is a cousin of {r}.",
        ],
    )


KINDS: tuple[Callable[[InventedNames], _Draft], ...] = (
    _employer_city,
    _birthplace_river,
    _author_school,
    _spouse_instrument,
    _employer_founder,
    _born_earlier,
)


def generate_examples(count: int, seed: int, *, candidates: int = 8) -> list[MultihopExample]:
    """`count` different questions, kinds in turn, each with `candidates` shuffled facts.

    Two facts are gold; the nearest distractors share the question's people, places or relation,
    the rest come from other questions of the same world. The same arguments give the same
    examples, and a longer list starts with a shorter one. Raises InvalidInput.
    """
    if not is_count(count):
        raise InvalidInput("count", f"must be a whole number of 1 or more, got {shortened(count)}")
    if not 4 <= candidates <= 12:
        raise InvalidInput("candidates", f"must be from 4 to 12, got {shortened(candidates)}")
    examples: list[MultihopExample] = []
    asked: set[str] = set()
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        drafts = (
            _example(kind, np.random.default_rng([seed, number, retry]), candidates) for retry in itertools.count()
        )
        examples.append(next(draft for draft in drafts if draft.question not in asked))
        asked.add(examples[-1].question)
    return examples


def _example(kind: Callable[[InventedNames], _Draft], rng: np.random.Generator, candidates: int) -> MultihopExample:
    world = InventedNames(rng)
    draft = kind(world)
    facts = [*draft.gold, *draft.distractors][:candidates]
    while len(facts) < candidates:
        other = KINDS[int(rng.integers(len(KINDS)))](world)
        facts.extend([*other.gold, *other.distractors[:1]][: candidates - len(facts)])
    order = rng.permutation(len(facts))
    shuffled = tuple(facts[i] for i in order)
    gold = tuple(sorted(shuffled.index(fact) for fact in draft.gold))
    digest = hashlib.sha256("\n".join([draft.question, *shuffled]).encode()).hexdigest()
    return MultihopExample(f"twohop-{digest[:12]}", draft.question, (draft.answer,), shuffled, gold)
