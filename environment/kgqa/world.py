"""Small invented knowledge graphs: people, companies, places and books, with aliases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from environment.invented_names import INSTRUMENTS, InventedNames
from environment.kgqa.example import Answer, Triple

WORKS_FOR = "works for"
BORN_IN = "was born in"
SPEAKS = "speaks"
PLAYS = "plays"
MARRIED_TO = "is married to"
WROTE = "wrote"
BASED_IN = "is based in"
FOUNDED_BY = "was founded by"
IN_COUNTRY = "lies in"
ON_RIVER = "lies on"
LANGUAGE = "has the official language"
INVERSE = "~"
"""Before a relation's name: from tail to head."""


class World:
    """A graph of `people` people and what belongs to them. Names are unique within a graph."""

    def __init__(self, rng: np.random.Generator, people: int) -> None:
        self.triples: list[Triple] = []
        self._rng = rng
        self._kinds: dict[str, str] = {}
        self._tails: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._heads: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._draw(people, InventedNames(rng))

    def entities(self, kind: str) -> list[str]:
        """The entities of a kind such as person, company, city or book, in the order they were drawn."""
        return [name for name, its_kind in self._kinds.items() if its_kind == kind]

    def follow(self, entity: str, relation: str) -> dict[str, Triple]:
        """The neighbours of an entity along a relation, or against one marked INVERSE, with their triples."""
        if relation.startswith(INVERSE):
            plain = relation.removeprefix(INVERSE)
            return {head: Triple(head, plain, entity) for head in self._heads[entity, plain]}
        return {tail: Triple(entity, relation, tail) for tail in self._tails[entity, relation]}

    def answer(self, name: str) -> Answer:
        """An entity's name with the aliases that mean it alone in this graph."""
        match self._kinds[name]:
            case "person":
                return (name, *self._person_aliases(name))
            case "company":
                return (name, f"{name} Company", f"{name} Ltd")
            case "city":
                return (name, f"{name} City", f"City of {name}")
            case "country":
                return (name, f"Republic of {name}")
            case "language":
                return (name, f"{name} language")
            case _:
                return (name,)

    def _person_aliases(self, name: str) -> list[str]:
        first, last = name.split(" ", 1)
        sharing = [other for other in self.entities("person") if other.endswith(f" {last}")]
        initial = f"{first[0]}. {last}"
        same_initial = [other for other in sharing if other[0] == first[0]]
        return [initial] * (len(same_initial) == 1) + [last] * (len(sharing) == 1)

    def _draw(self, people: int, names: InventedNames) -> None:
        persons = self._new("person", names.person, people)
        companies = self._new("company", names.company, people // 2 + 1)
        cities = self._new("city", names.city, people // 2 + 2)
        countries = self._new("country", names.country, people // 3 + 1)
        languages = self._new("language", names.language, people // 3 + 2)
        self._kinds |= dict.fromkeys(INSTRUMENTS, "instrument")
        for country in countries:
            self._link(country, LANGUAGE, languages, most=2)
        for city in cities:
            self._link(city, IN_COUNTRY, countries)
            self._link(city, ON_RIVER, self._new("river", names.river, 1))
        for company in companies:
            self._link(company, BASED_IN, cities)
            self._link(company, FOUNDED_BY, persons, most=2)
        for person in persons:
            self._link(person, WORKS_FOR, companies)
            self._link(person, BORN_IN, cities)
            self._link(person, SPEAKS, languages, most=3)
            self._link(person, PLAYS, INSTRUMENTS, most=2)
            self._link(person, WROTE, self._new("book", names.book, 2), most=2)
        for one, other in zip(persons[::2], persons[1::2], strict=False):
            self._link(one, MARRIED_TO, [other])

    def _new(self, kind: str, draw: Callable[[], str], count: int) -> list[str]:
        made = [draw() for _ in range(count)]
        self._kinds |= dict.fromkeys(made, kind)
        return made

    def _link(self, head: str, relation: str, choices: Sequence[str], *, most: int = 1) -> None:
        """Links a head to one to `most` of the choices."""
        count = int(self._rng.integers(1, min(most, len(choices)) + 1))
        for choice in self._rng.choice(len(choices), size=count, replace=False):
            tail = choices[int(choice)]
            self.triples.append(Triple(head, relation, tail))
            self._tails[head, relation].append(tail)
            self._heads[tail, relation].append(head)
