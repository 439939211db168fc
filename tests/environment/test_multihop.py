from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.candidates import cut_candidates, shuffle_candidates
from environment.multihop.generator import generate_examples
from environment.multihop.loaders import load_hotpotqa, load_two_wiki
from environment.multihop.numbered import NumberedRetrievalStage
from environment.multihop.stages import QaStage, RetrievalStage
from environment.multihop.task import generated_task, two_wiki_task
from environment.strategies.revision import revision_messages
from environment.strategy import StageRun
from tools.errors import InvalidInput

REAL = Path(__file__).parents[3] / "shared" / "data" / "2wikimultihopqa_50.json"
EXAMPLE = generate_examples(1, 3)[0]


def test_generated_questions_are_distinct_seeded_and_answerable_from_gold() -> None:
    examples = generate_examples(3000, 11)
    assert len({example.question for example in examples}) == 3000
    assert len({example.id for example in examples}) == 3000
    assert generate_examples(20, 11) == examples[:20]
    assert generate_examples(20, 12) != examples[:20]
    for example in examples[:300]:
        assert len(example.gold) == 2
        assert len(set(example.candidates)) == len(example.candidates) == 8
        facts = " ".join(example.candidates[position] for position in example.gold)
        assert example.answers[0] in facts


def test_gold_positions_are_spread_so_that_order_gives_nothing_away() -> None:
    positions = {position for example in generate_examples(200, 5) for position in example.gold}
    assert positions == set(range(8))


@given(st.text())
def test_parsers_take_any_text(text: str) -> None:
    chosen = RetrievalStage(32, 2).parse(text, EXAMPLE)
    assert len(chosen) <= 2
    assert all(0 <= position < len(EXAMPLE.candidates) for position in chosen)
    numbered = NumberedRetrievalStage(32, 2).parse(text, EXAMPLE)
    assert len(numbered) <= 2
    assert all(0 <= position < len(EXAMPLE.candidates) for position in numbered)
    QaStage(10).parse(text, EXAMPLE)


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        ("[2], [5]", (1, 4)),
        ("[5], [2], [5], [7]", (1, 4)),
        ("[3] Max Orr (born 8) directed it.", (2,)),
        ("2, 5", (1, 4)),
        ("2 and 5.", (1, 4)),
        ("Max Orr was born in 8.", ()),
        ("[0], [9], [1]", (0,)),
        ("", ()),
    ],
)
def test_numbered_retrieval_reads_the_numbers(text: str, positions: tuple[int, ...]) -> None:
    assert NumberedRetrievalStage(32, 2).parse(text, EXAMPLE) == positions


def test_numbered_retrieval_counts_from_one() -> None:
    (*_, last) = NumberedRetrievalStage(32, 2).messages(EXAMPLE, {})
    assert f"[1] {EXAMPLE.candidates[0]}\n[2] {EXAMPLE.candidates[1]}\n" in last.content
    (*_, fused) = NumberedRetrievalStage(32, 2).fusion_messages(EXAMPLE, {}, ["[3], [4]"])
    assert fused.content.startswith(last.content)
    assert "[3], [4]" in fused.content.removeprefix(last.content)


def test_retrieval_reads_copied_passages_in_any_dress() -> None:
    stage = RetrievalStage(32, 2)
    first, second = (EXAMPLE.candidates[position] for position in EXAMPLE.gold)
    text = f"- {second.upper()}  {first.rstrip('.')}"
    assert stage.parse(text, EXAMPLE) == EXAMPLE.gold
    assert stage.score(EXAMPLE.gold, EXAMPLE) == 1
    assert stage.score(EXAMPLE.gold[:1], EXAMPLE) == pytest.approx(2 / 3)
    assert stage.score((), EXAMPLE) == 0


def test_retrieval_votes_for_passages_of_at_least_half() -> None:
    stage = RetrievalStage(32, 2)
    assert stage.vote([(0, 1), (0, 2), (0,), (1,)]) == (0, 1)
    assert stage.vote([(3,), (4,), (4,), (5,), (6,)]) == (4,)
    assert stage.vote([(), ()]) == ()


def test_votes_count_by_their_weights() -> None:
    retrieval, qa = RetrievalStage(32, 2), QaStage(10)
    outputs = [(0, 1), (2,), (2,)]
    assert retrieval.weighted_vote(outputs, [1.0, 0.5, 0.4]) == (0, 1)
    assert retrieval.weighted_vote(outputs, [1.0, 0.6, 0.5]) == (2,)
    assert qa.weighted_vote(["Umber", "tarn", "The Tarn"], [1.0, 0.5, 0.4]) == "Umber"
    assert qa.weighted_vote(["Umber", "tarn", "The Tarn"], [1.0, 0.6, 0.5]) == "tarn"


@given(st.lists(st.sets(st.integers(0, 4), max_size=3), min_size=1, max_size=6))
def test_equal_weights_change_no_vote(chosen: list[set[int]]) -> None:
    retrieval, qa = RetrievalStage(32, 2), QaStage(10)
    outputs = [tuple(sorted(positions)) for positions in chosen]
    assert retrieval.weighted_vote(outputs, [1.0] * len(outputs)) == retrieval.vote(outputs)
    answers = [str(output) for output in outputs]
    assert qa.weighted_vote(answers, [1.0] * len(answers)) == qa.vote(answers)


def test_a_revision_shows_the_last_response_as_the_one_proposal() -> None:
    for stage, upstream in (
        (RetrievalStage(32, 2), {}),
        (NumberedRetrievalStage(32, 2), {}),
        (QaStage(10), {"retrieval": (0,)}),
    ):
        run = StageRun(stage, EXAMPLE, upstream, "m", 2)
        assert revision_messages(run, "Umber") == stage.fusion_messages(EXAMPLE, upstream, ["Umber"])
        assert "\nUmber\n" in revision_messages(run, "Umber")[-1].content


def test_the_verifiers_prefer_what_fits_the_question_and_the_facts() -> None:
    retrieval, qa, preferred = RetrievalStage(32, 2), QaStage(10), 0
    for example in generate_examples(50, 8):
        others = tuple(position for position in range(8) if position not in example.gold)[:2]
        preferred += retrieval.verifier(example.gold, example, {}) > retrieval.verifier(others, example, {})
        assert retrieval.verifier(example.gold, example, {}) > retrieval.verifier((), example, {}) == 0
        assert qa.verifier(example.answers[0], example, {"retrieval": example.gold}) == 1
        assert qa.verifier("nowhere at all", example, {"retrieval": example.gold}) == 0
        assert qa.verifier("", example, {"retrieval": example.gold}) == 0
        assert qa.verifier(example.answers[0], example, {"retrieval": ()}) == 0
    assert preferred >= 40, "a heuristic: it reads words, not meanings"


@pytest.mark.parametrize(
    ("text", "answer"),
    [("Answer: Oakton.", "Oakton"), ('"Oakton"', "Oakton"), ("\n Oakton\nbecause", "Oakton"), ("", "")],
)
def test_qa_reads_the_answer(text: str, answer: str) -> None:
    assert QaStage(10).parse(text, EXAMPLE) == answer


def test_qa_votes_after_normalisation() -> None:
    assert QaStage(10).vote(["The Tarn", "Umber", "tarn"]) == "The Tarn"


def test_two_wiki_file(tmp_path: Path) -> None:
    record = {"question": "Who?", "answers": ["A", "A", "B"], "ctxs_candidate": ["x", "y", "x"], "ctxs_gt": ["z", "x"]}
    file = tmp_path / "2wiki.json"
    file.write_text(json.dumps([record]))
    (example,) = load_two_wiki(file)
    assert example.candidates == ("x", "y", "z")
    assert example.gold == (0, 2)
    assert example.answers == ("A", "B")
    cut = cut_candidates(example, 2)
    assert cut.candidates == ("x", "z")
    assert cut.gold == (0, 1)


def test_candidates_of_a_file_are_shuffled_the_same_way_every_time(tmp_path: Path) -> None:
    records = [
        {"question": f"Q{number}?", "answers": ["A"], "ctxs_candidate": list("abcdef"), "ctxs_gt": ["x", "y"]}
        for number in range(40)
    ]
    file = tmp_path / "2wiki.json"
    file.write_text(json.dumps(records))
    options: dict[str, Any] = {"path": str(file), "models": ["m:1B@http://127.0.0.1:1/v1"], "search_examples": 20}
    examples = two_wiki_task(**options).search_examples
    assert {position for example in examples for position in example.gold} == set(range(8))
    assert all({example.candidates[position] for position in example.gold} == {"x", "y"} for example in examples)
    assert examples == two_wiki_task(**options).search_examples
    assert shuffle_candidates(EXAMPLE) == shuffle_candidates(EXAMPLE)


def test_hotpotqa_file(tmp_path: Path) -> None:
    record = {
        "_id": "1",
        "question": "Who?",
        "answer": "A",
        "context": [["T", ["One.", " Two."]], ["U", ["Three."]]],
        "supporting_facts": [["U", 0], ["T", 1]],
    }
    file = tmp_path / "hotpot.json"
    file.write_text(json.dumps([record]))
    (example,) = load_hotpotqa(file)
    assert example.candidates == ("T: One.", "T: Two.", "U: Three.")
    assert example.gold == (1, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not JSON"),
        ("[]", "at least one record"),
        ('[{"question": "q"}]', "record 0: lacks the field 'ctxs_candidate'"),
        ('[{"question": "q", "answers": [], "ctxs_candidate": ["a"], "ctxs_gt": ["a"]}]', "record 0: answers"),
        ("[3]", "record 0"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=message):
        load_two_wiki(file)


@pytest.mark.skipif(not REAL.is_file(), reason="the real 2WikiMultiHopQA examples are not beside the checkout")
def test_the_real_two_wiki_examples_load() -> None:
    examples = load_two_wiki(REAL)
    assert len(examples) == 50
    assert all(len(example.candidates) >= 100 for example in examples)
    assert all(len(cut_candidates(example, 10).candidates) == 10 for example in examples)


def test_a_judge_is_one_of_the_models() -> None:
    models = ["small:3B@http://127.0.0.1:1/v1", "large:70B@http://127.0.0.1:1/v1"]
    task = generated_task(models=models, strategy="best-of-n-judge", judge="large", search_examples=1)
    assert [getattr(stage, "judge_model", None) for stage in task.stages] == ["large", "large"]
    with pytest.raises(InvalidInput, match="judge: unknown name 'larg'; did you mean 'large'"):
        generated_task(models=models, judge="larg")
