from __future__ import annotations

import pytest

from environment.kgqa.example import KgqaExample, Triple
from environment.kgqa.generator import KINDS, MAX_GOLD, generate_examples
from environment.metrics import normalise_answer
from tools.errors import InvalidInput

EXAMPLES = generate_examples(300, 11)


def neighbours(triples: list[Triple], entities: set[str], relation: str) -> set[str]:
    if relation.startswith("~"):
        return {t.head for t in triples if t.tail in entities and t.relation == relation[1:]}
    return {t.tail for t in triples if t.head in entities and t.relation == relation}


def gold_of(example: KgqaExample) -> list[Triple]:
    return [example.candidates[position] for position in example.gold]


def test_examples_are_seeded_and_a_longer_list_starts_with_a_shorter_one() -> None:
    assert generate_examples(20, 11) == EXAMPLES[:20]
    assert generate_examples(20, 12) != EXAMPLES[:20]
    assert len({example.id for example in EXAMPLES}) == len(EXAMPLES)


def test_the_gold_answers_are_those_that_the_graph_gives() -> None:
    for number, example in enumerate(EXAMPLES):
        kind = KINDS[number % len(KINDS)]
        before, _, after = kind.question.partition("{}")
        topic = example.question.removeprefix(before).removesuffix(after)
        # Every triple of the path is a candidate, so that the candidates give the whole set of answers.
        for triples in (gold_of(example), list(example.candidates)):
            reached = {topic}
            for relation in kind.path:
                reached = neighbours(triples, reached, relation)
            (reading,) = example.answers
            assert {answer[0] for answer in reading} == reached


def test_questions_have_one_and_two_hops_one_and_several_answers_and_aliases() -> None:
    assert {len(example.gold) for example in EXAMPLES} == set(range(1, MAX_GOLD + 1))
    counts = [len(example.answers[0]) for example in EXAMPLES]
    assert 0.3 < sum(count > 1 for count in counts) / len(counts) < 0.7
    assert {len(kind.path) for kind in KINDS} == {1, 2}
    assert any(len(answer) > 1 for example in EXAMPLES for answer in example.answers[0])


def test_an_alias_means_one_entity_of_the_question() -> None:
    for example in EXAMPLES:
        names = {entity for triple in example.candidates for entity in (triple.head, triple.tail)}
        for answer in example.answers[0]:
            others = names - {answer[0]}
            assert not others & set(answer[1:])
            people = [other for other in others if other.split(" ")[-1] in answer[1:]]
            assert people == [], f"a surname in {answer} is also that of {people}"


def test_distractors_share_entities_and_relations_with_gold() -> None:
    shared, same_relation = [], []
    for example in EXAMPLES:
        gold = gold_of(example)
        entities = {entity for triple in gold for entity in (triple.head, triple.tail)}
        others = [triple for triple in example.candidates if triple not in gold]
        assert len(set(example.candidates)) == len(example.candidates) == 12
        shared.append(sum(bool({t.head, t.tail} & entities) for t in others) / len(others))
        same_relation.append(any(t.relation in {triple.relation for triple in gold} for t in others))
    assert sum(shared) / len(shared) > 0.4
    assert sum(same_relation) / len(same_relation) > 0.95


def test_gold_positions_are_spread_so_that_order_gives_nothing_away() -> None:
    counts = [0] * 12
    for example in generate_examples(600, 5):
        for position in example.gold:
            counts[position] += 1
    assert min(counts) > 0.7 * sum(counts) / 12


def test_copying_one_triple_never_copies_another() -> None:
    for example in EXAMPLES:
        texts = [f" {normalise_answer(str(triple))} " for triple in example.candidates]
        assert not any(one in other for one in texts for other in texts if one != other)


@pytest.mark.parametrize("candidates", [8, 12, 57, 100])
def test_as_many_candidates_as_asked(candidates: int) -> None:
    examples = generate_examples(20, 3, candidates=candidates)
    assert {len(set(example.candidates)) for example in examples} == {candidates}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": True}, "count"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"candidates": 7}, "candidates"),
        ({"candidates": 101}, "candidates"),
        ({"candidates": 9.5}, "candidates"),
    ],
)
def test_a_wrong_number_is_named(options: dict[str, int], field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        generate_examples(**{"count": 3, "seed": 0, **options})
