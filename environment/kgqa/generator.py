"""Self-made questions over small invented knowledge graphs, with one or two hops and one or more answers."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from environment.kgqa.example import KgqaExample, Triple
from environment.kgqa.world import (
    BASED_IN,
    BORN_IN,
    FOUNDED_BY,
    IN_COUNTRY,
    INVERSE,
    LANGUAGE,
    MARRIED_TO,
    PLAYS,
    SPEAKS,
    WORKS_FOR,
    WROTE,
    World,
)
from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_count

MAX_GOLD = 4
CANDIDATES = (8, 100)
"""Fewest and most candidates of a question."""
TRIPLES_OF_A_PERSON = 8
"""At least so many triples come with every person of a graph."""


@dataclass(frozen=True)
class _Kind:
    """A sort of question: what `topic` is, and the relations that lead from it to the answers."""

    topic: str
    path: tuple[str, ...]
    question: str


KINDS = (
    _Kind("person", (SPEAKS,), "Which language does {} speak?"),
    _Kind("person", (WORKS_FOR, BASED_IN), "In which city is the company that {} works for based?"),
    _Kind("company", (FOUNDED_BY,), "Who founded {}?"),
    _Kind("book", (INVERSE + WROTE, BORN_IN), "In which city was the author of {} born?"),
    _Kind("company", (INVERSE + WORKS_FOR,), "Who works for {}?"),
    _Kind("person", (MARRIED_TO, PLAYS), "Which instrument does the spouse of {} play?"),
    _Kind("person", (WROTE,), "Which book did {} write?"),
    _Kind("city", (IN_COUNTRY, LANGUAGE), "What is the official language of the country in which {} lies?"),
    _Kind("city", (INVERSE + BORN_IN,), "Who was born in {}?"),
    _Kind("person", (WORKS_FOR, FOUNDED_BY), "Who founded the company that {} works for?"),
)


def generate_examples(count: int, seed: int, *, candidates: int = 12) -> list[KgqaExample]:
    """`count` questions, kinds in turn, each over a graph of its own with `candidates` shuffled triples.

    One to four triples are gold: all those on the paths from the question's topic to its answers.
    The nearest of the others share an entity and the relation with these. The same arguments give
    the same examples, and a longer list starts with a shorter one. Raises InvalidInput.
    """
    if not is_count(count):
        raise InvalidInput("count", f"must be a whole number of 1 or more, got {shortened(count)}")
    if not isinstance(seed, int) or seed < 0:
        raise InvalidInput("seed", f"must be a whole number of 0 or more, got {shortened(seed)}")
    if not is_count(candidates) or not CANDIDATES[0] <= candidates <= CANDIDATES[1]:
        raise InvalidInput(
            "candidates", f"must be from {CANDIDATES[0]} to {CANDIDATES[1]}, got {shortened(candidates)}"
        )
    return [_example(KINDS[number % len(KINDS)], (seed, number), candidates) for number in range(count)]


def _example(kind: _Kind, seed: tuple[int, int], candidates: int) -> KgqaExample:
    for retry in itertools.count():
        rng = np.random.default_rng([*seed, retry])
        world = World(rng, people=4 + candidates // TRIPLES_OF_A_PERSON)
        topics = world.entities(kind.topic)
        topic = topics[int(rng.integers(len(topics)))]
        answers, gold = _walk(world, topic, kind.path)
        if answers and len(gold) <= MAX_GOLD:
            break
    facts = [*gold, *_nearest(world.triples, gold, rng)[: candidates - len(gold)]]
    shuffled = tuple(facts[int(position)] for position in rng.permutation(len(facts)))
    question = kind.question.format(topic)
    digest = hashlib.sha256("\n".join([question, *map(str, shuffled)]).encode()).hexdigest()
    return KgqaExample(
        f"kgqa-{digest[:12]}",
        question,
        (tuple(world.answer(answer) for answer in answers),),
        shuffled,
        tuple(sorted(shuffled.index(triple) for triple in gold)),
    )


def _walk(world: World, topic: str, path: Sequence[str]) -> tuple[list[str], list[Triple]]:
    """The entities at the end of the path from the topic, and every triple on the way to them."""
    reached, passed = [topic], list[Triple]()
    for relation in path:
        steps = [world.follow(entity, relation) for entity in reached]
        passed += [triple for step in steps for triple in step.values()]
        reached = list(dict.fromkeys(entity for step in steps for entity in step))
    return reached, passed


def _nearest(triples: Sequence[Triple], gold: Sequence[Triple], rng: np.random.Generator) -> list[Triple]:
    """The other triples: first those that share an entity and a relation with gold ones, then either, then the rest."""
    entities = {entity for triple in gold for entity in (triple.head, triple.tail)}
    relations = {triple.relation for triple in gold}
    others = [triple for triple in triples if triple not in gold]
    shuffled = [others[int(position)] for position in rng.permutation(len(others))]
    return sorted(shuffled, key=lambda t: -len({t.head, t.tail} & entities) - (t.relation in relations))
