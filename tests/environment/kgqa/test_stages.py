from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.kgqa.example import KgqaExample, Triple
from environment.kgqa.generator import generate_examples
from environment.kgqa.stages import NumberedTripleRetrievalStage, TripleRetrievalStage, qa_stage
from tools.errors import UnknownName

EXAMPLE = KgqaExample(
    "kgqa-0",
    "Which language does Ella Finn speak?",
    ((("Vosk", "Vosk language"), ("Lunic",)),),
    (
        Triple("Max Orr", "speaks", "Lunic"),
        Triple("Ella Finn", "speaks", "Vosk"),
        Triple("Ella Finn", "works for", "Blue Radio"),
        Triple("Ella Finn", "speaks", "Lunic"),
    ),
    (1, 3),
)


@given(st.text() | st.text("[]0123456789,; |\n"))
def test_parsers_take_any_text(text: str) -> None:
    for stage in (TripleRetrievalStage(64, 2), NumberedTripleRetrievalStage(64, 2)):
        chosen = stage.parse(text, EXAMPLE)
        assert len(chosen) <= 2
        assert list(chosen) == sorted(set(chosen))
        assert all(0 <= position < len(EXAMPLE.candidates) for position in chosen)
        assert 0 <= stage.score(stage.vote([chosen, ()]), EXAMPLE) <= 1
    for metric in ("em", "set-em", "set-f1"):
        qa = qa_stage(metric, 8)
        output = qa.parse(text, EXAMPLE)
        assert hash(output) is not None
        assert 0 <= qa.score(qa.vote([output, output]), EXAMPLE) <= 1


@pytest.mark.parametrize(
    "text",
    [
        "Ella Finn | speaks | Vosk; Ella Finn | speaks | Lunic",
        "ella finn speaks lunic, (Ella Finn, speaks, Vosk)",
        "- Ella Finn|speaks|Vosk | Ella Finn | Speaks | Lunic.",
    ],
)
def test_copied_triples_are_read_in_any_dress(text: str) -> None:
    assert TripleRetrievalStage(64, 4).parse(text, EXAMPLE) == EXAMPLE.gold


def test_numbers_count_from_one() -> None:
    stage = NumberedTripleRetrievalStage(64, 4)
    (*_, last) = stage.messages(EXAMPLE, {})
    assert "[1] Max Orr | speaks | Lunic\n[2] Ella Finn | speaks | Vosk\n" in last.content
    assert last.content.endswith(EXAMPLE.question)
    assert stage.parse("[4], [2], [9]", EXAMPLE) == EXAMPLE.gold


def test_fusion_shows_the_prompt_and_every_response() -> None:
    responses = ["Vosk", "Lunic\nand more"]
    for stage in (
        TripleRetrievalStage(64, 4),
        NumberedTripleRetrievalStage(64, 4),
        qa_stage("em", 8),
        qa_stage("set-f1", 8),
    ):
        upstream = {"retrieval": EXAMPLE.gold}
        (*_, plain) = stage.messages(EXAMPLE, upstream)
        (*_, fused) = stage.fusion_messages(EXAMPLE, upstream, responses)
        assert fused.content.startswith(plain.content)
        assert all(response in fused.content.removeprefix(plain.content) for response in responses)


def test_qa_sees_the_chosen_triples_alone() -> None:
    (*_, last) = qa_stage("em", 8).messages(EXAMPLE, {"retrieval": (2,)})
    assert "Ella Finn | works for | Blue Radio" in last.content
    assert "Vosk" not in last.content
    (*_, empty) = qa_stage("em", 8).messages(EXAMPLE, {"retrieval": ()})
    assert EXAMPLE.question in empty.content


def test_each_metric_scores_in_its_own_way() -> None:
    one, exact, share = (qa_stage(metric, 8) for metric in ("em", "set-em", "set-f1"))
    assert (one.metric, exact.metric, share.metric) == ("EM", "Set-EM", "Set-F1")
    text = "Answer: vosk language."
    assert one.score(one.parse(text, EXAMPLE), EXAMPLE) == 1
    assert exact.score(exact.parse(text, EXAMPLE), EXAMPLE) == 0
    assert share.score(share.parse(text, EXAMPLE), EXAMPLE) == pytest.approx(2 / 3)
    both = "Lunic; Vosk"
    assert one.score(one.parse(both, EXAMPLE), EXAMPLE) == 0
    assert exact.score(exact.parse(both, EXAMPLE), EXAMPLE) == share.score(share.parse(both, EXAMPLE), EXAMPLE) == 1
    with pytest.raises(UnknownName, match="set-f1"):
        qa_stage("f1", 8)


def test_worked_examples_give_no_generated_example_away() -> None:
    generated = [str(triple) for example in generate_examples(200, 1) for triple in example.candidates]
    for stage in (TripleRetrievalStage(64, 4), qa_stage("em", 8)):
        (*shown, _) = stage.messages(EXAMPLE, {"retrieval": ()})
        assert not any(triple in message.content for message in shown for triple in generated)
