"""Gold triples and hops in a question's subgraph that names only its question and answer entities."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from environment.kgqa.example import Triple


class Subgraph:
    """The triples around a question, read as undirected edges."""

    def __init__(self, triples: Sequence[Triple]) -> None:
        self.triples = triples
        self._touching: dict[str, list[Triple]] = defaultdict(list)
        for triple in triples:
            for entity in {triple.head, triple.tail}:
                self._touching[entity].append(triple)

    def between(self, sources: Iterable[str], targets: Iterable[str]) -> set[Triple]:
        """The triples on the shortest paths from each source to each target (all of them, in both directions)."""
        targets = list(targets)
        found: set[Triple] = set()
        for source in sources:
            distances = self._distances([source])
            back = deque(target for target in targets if target in distances)
            passed = set(back)
            while back:
                entity = back.popleft()
                for triple in self._touching[entity]:
                    before = _other_end(triple, entity)
                    if distances[before] == distances[entity] - 1:
                        found.add(triple)
                        if before not in passed:
                            passed.add(before)
                            back.append(before)
        return found

    def by_hop(self, sources: Iterable[str]) -> list[Triple]:
        """Every triple: the first of each hop from the sources, then the second of each, and so on.

        So the first few hold all hops, and the triples of a path do not stand out by their hop.
        """
        distances = self._distances(sources)
        hops: dict[int, list[Triple]] = defaultdict(list)
        unreached: list[Triple] = []
        for triple in self.triples:
            if triple.head in distances:
                hops[min(distances[triple.head], distances[triple.tail])].append(triple)
            else:
                unreached.append(triple)
        turns = zip_longest(*(hops[hop] for hop in sorted(hops)))
        return [triple for turn in turns for triple in turn if triple is not None] + unreached

    def _distances(self, sources: Iterable[str]) -> dict[str, int]:
        """The hops of every entity that can be reached from the sources."""
        distances = {source: 0 for source in sources if source in self._touching}
        queue = deque(distances)
        while queue:
            entity = queue.popleft()
            for triple in self._touching[entity]:
                other = _other_end(triple, entity)
                if other not in distances:
                    distances[other] = distances[entity] + 1
                    queue.append(other)
        return distances


def _other_end(triple: Triple, entity: str) -> str:
    return triple.tail if triple.head == entity else triple.head
