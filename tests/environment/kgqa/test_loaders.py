from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from environment.candidates import arrange_candidates
from environment.kgqa.example import KgqaExample, Triple
from environment.kgqa.loaders import Loaded, load_kgqa
from tools.errors import InvalidInput

REAL = Path(__file__).parents[4] / "shared" / "data" / "cwq_50.json"

NEAR = [["Ana", "speaks", "Vosk"], ["Max", "speaks", "Lunic"], ["Ana", "speaks", "Vosk"], ["Vosk", "spoken by", "Ana"]]
PATH = [["Ana", "speaks", "Vosk"], ["Vosk", "spoken by", "Ana"], ["Ana", "speaks", "Norsk"]]
ANNOTATED = {
    "ID": "Q-1",
    "question": "What does Ana speak?",
    "answer": ["Vosk", "Norsk", "Vosk"],
    "topic_entity": {"m.0": "Ana"},
    "2hop_triples": NEAR,
    "gt_triples": PATH,
    "crucial_triples": [["Ana", "speaks", "Norsk"]],
}
GRAPH = {
    "id": "WebQTest-1",
    "question": "where was the writer of dune road born",
    "answer": ["Oakton"],
    "q_entity": ["Dune Road"],
    "a_entity": ["Oakton"],
    "graph": [
        ["Max", "lives in", "Oakton"],
        ["Ana", "wrote", "Dune Road"],
        ["Ana", "speaks", "Vosk"],
        ["Dune Road", "author", "Ana"],
        ["Ana", "born in", "Oakton"],
        ["Dune Road", "genre", "novel"],
        ["Ana", "born in", "Oakton"],
        ["Lunic", "spoken in", "Velland"],
    ],
}


def parse(*answers: tuple[str, str | None], quality: str = "Complete") -> dict[str, Any]:
    return {
        "AnnotatorComment": {"QuestionQuality": "Good", "ParseQuality": quality},
        "Answers": [
            {"AnswerType": "Entity", "AnswerArgument": argument, "EntityName": name} for argument, name in answers
        ],
    }


def load(tmp_path: Path, *records: dict[str, Any], source: str = "cwq", **options: Any) -> Loaded:
    file = tmp_path / "records.json"
    file.write_text(json.dumps(records))
    return load_kgqa(source, file, **options)


def gold_of(example: KgqaExample) -> set[tuple[str, ...]]:
    return {example.candidates[position] for position in example.gold}


def test_annotated_triples(tmp_path: Path) -> None:
    (example,) = load(tmp_path, ANNOTATED).examples
    assert example.id == "cwq-Q-1"
    assert example.question == "What does Ana speak?"
    assert example.answers == ((("Vosk",), ("Norsk",)),)
    assert example.candidates == (
        Triple("Ana", "speaks", "Vosk"),
        Triple("Max", "speaks", "Lunic"),
        Triple("Vosk", "spoken by", "Ana"),
        Triple("Ana", "speaks", "Norsk"),
    )
    assert example.gold == (0, 2, 3)


def test_crucial_triples_are_gold_without_the_rest_of_their_path(tmp_path: Path) -> None:
    (example,) = load(tmp_path, ANNOTATED, gold="crucial").examples
    assert example.candidates == (Triple("Max", "speaks", "Lunic"), Triple("Ana", "speaks", "Norsk"))
    assert example.gold == (1,)


def test_a_graph_with_its_entities_gives_the_shortest_paths(tmp_path: Path) -> None:
    (example,) = load(tmp_path, GRAPH, source="webqsp").examples
    assert example.id == "webqsp-WebQTest-1"
    assert gold_of(example) == {
        ("Ana", "wrote", "Dune Road"),
        ("Dune Road", "author", "Ana"),
        ("Ana", "born in", "Oakton"),
    }
    assert len(example.candidates) == 7
    assert example.candidates[-1] == ("Lunic", "spoken in", "Velland"), "what cannot be reached comes last"
    assert example.candidates[0] == ("Ana", "wrote", "Dune Road")
    assert example.candidates[1] == ("Ana", "speaks", "Vosk"), "hops take turns"


def test_paths_to_several_answers_branch(tmp_path: Path) -> None:
    edges = [["T", "r", "a"], ["T", "s", "b"], ["a", "r", "X"], ["b", "r", "X"], ["b", "r", "Y"], ["c", "r", "Y"]]
    far = [["T", "r", "c"], ["c", "r", "d"], ["d", "r", "X"], ["Z", "r", "Z"]]
    record = {**GRAPH, "q_entity": ["T", "unknown"], "a_entity": ["X", "Y", "T", "Z"], "graph": edges + far}
    (example,) = load(tmp_path, record).examples
    assert gold_of(example) == {tuple(edge) for edge in [*edges, ["T", "r", "c"]]}


def test_webqsp_answers_are_read_by_parse(tmp_path: Path) -> None:
    record = {key: value for key, value in ANNOTATED.items() if key not in ("ID", "question", "answer")} | {
        "QuestionId": "WebQTest-7",
        "RawQuestion": "what does ana speak?",
        "ProcessedQuestion": "what does ana speak",
        "Parses": [
            parse(("m.1", "Vosk"), ("m.2", "Norsk")),
            parse(("m.1", "Vosk"), quality="Partial"),
            parse(("2009-01-20", None)),
            parse(),
        ],
    }
    (example,) = load(tmp_path, record, source="webqsp").examples
    assert example.question == "what does ana speak?"
    assert example.answers == ((("Vosk",), ("Norsk",)), (("Vosk",),), (("2009-01-20",),))


def test_official_answers_bring_aliases_and_take_the_place_of_the_records_own(tmp_path: Path) -> None:
    cwq = tmp_path / "ComplexWebQuestions_dev.json"
    answers = [
        {"answer": "Vosk", "answer_id": "m.1", "aliases": ["Voskish", "Vosk"]},
        {"answer": None, "answer_id": "m.2", "aliases": []},
    ]
    cwq.write_text(json.dumps([{"ID": "Q-1", "question": "?", "answers": answers}]))
    (example,) = load(tmp_path, ANNOTATED, answers=cwq).examples
    assert example.answers == ((("Vosk", "Voskish"),),)

    webqsp = tmp_path / "WebQSP.test.json"
    question = {"QuestionId": "WebQTest-1", "Parses": [parse(("m.3", "Milltown"))]}
    webqsp.write_text(json.dumps({"Version": "1.0", "Questions": [question]}))
    (example,) = load(tmp_path, GRAPH, answers=webqsp).examples
    assert example.answers == ((("Milltown",),),)


def test_what_cannot_be_scored_is_left_out_and_counted(tmp_path: Path) -> None:
    unusable = [
        {**ANNOTATED, "ID": "Q-2", "answer": []},
        {**ANNOTATED, "ID": "Q-3", "gt_triples": []},
        {**GRAPH, "id": "Q-4", "a_entity": []},
        {**GRAPH, "id": "Q-5", "a_entity": ["Velland"]},
        {**ANNOTATED, "ID": "Q-6", "Parses": [parse(("m.1", "Vosk"), quality="Partial")]},
    ]
    loaded = load(tmp_path, ANNOTATED, *unusable)
    assert [example.id for example in loaded.examples] == ["cwq-Q-1"]
    assert loaded.left_out == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ID": None}, "ID must be a text"),
        ({"ID": "Q-1"}, "the ID 'Q-1' stands twice"),
        ({"question": " "}, "question must be a text"),
        ({"question": ...}, "lacks the field 'question' or 'RawQuestion' or 'ProcessedQuestion'"),
        ({"answer": "Vosk"}, "answer must be a list of texts"),
        ({"answer": ["Vosk", 3]}, "answer must be a list of texts"),
        ({"answer": ...}, "lacks the field 'answer'"),
        ({"answers": ["Vosk"]}, "answers must be a list of objects"),
        ({"answers": [{"answer": 4}]}, "an answer's names must be texts"),
        ({"answers": [{"aliases": []}]}, "lacks the field 'answer'"),
        ({"Parses": [{"Answers": []}]}, "lacks the field 'AnnotatorComment'"),
        ({"Parses": [{"AnnotatorComment": "good"}]}, "AnnotatorComment must be a list of objects"),
        ({"2hop_triples": ...}, "lacks the field '2hop_triples' or 'graph'.*given as answers"),
        ({"2hop_triples": {}}, "2hop_triples must be a list of triples"),
        ({"gt_triples": ...}, "lacks the field 'gt_triples'"),
        ({"gt_triples": [["a", "b", "c"], ["a", "b"]]}, "gt_triples 1 must be a list of three texts"),
        ({"gt_triples": [["a", "b", None]]}, "gt_triples 0 must be a list of three texts"),
        ({"2hop_triples": ..., "graph": [], "q_entity": "Ana", "a_entity": []}, "q_entity must be a list of texts"),
        ({"2hop_triples": ..., "graph": [], "q_entity": []}, "lacks the field 'a_entity'"),
    ],
)
def test_a_mistake_names_file_record_and_field(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    record = {**ANNOTATED, "ID": "Q-2"} | changes
    record = {key: value for key, value in record.items() if value is not ...}
    with pytest.raises(InvalidInput, match=f"records.json record 1: {message}") as caught:
        load(tmp_path, ANNOTATED, record)
    assert "\n" not in str(caught.value)


def test_gold_and_answers_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="gold: 'all' is unknown; use one of: path, crucial"):
        load(tmp_path, ANNOTATED, gold="all")
    with pytest.raises(InvalidInput, match="record 0: lacks the field 'crucial_triples', which gold=crucial needs"):
        load(tmp_path, GRAPH, gold="crucial")
    other = tmp_path / "other.json"
    other.write_text(json.dumps([{"ID": "Q-9", "answers": []}]))
    with pytest.raises(InvalidInput, match=r"record 0: the ID 'Q-1' is not in .*other.json"):
        load(tmp_path, ANNOTATED, answers=other)
    with pytest.raises(InvalidInput, match="cannot read"):
        load(tmp_path, ANNOTATED, answers=tmp_path / "absent.json")


@pytest.mark.skipif(not REAL.is_file(), reason="the real CWQ examples are not beside the checkout")
def test_the_real_cwq_examples_load() -> None:
    loaded = load_kgqa("cwq", REAL)
    assert (len(loaded.examples), loaded.left_out) == (50, 0)
    # Two questions ask for what their own path does not end in.
    answered = [
        any(answer[0] in {triple[0], triple[2]} for triple in gold_of(example) for answer in example.answers[0])
        for example in loaded.examples
    ]
    assert sum(answered) >= 48
    examples = arrange_candidates(loaded.examples, 100)
    assert max(len(example.candidates) for example in examples) == 100
    assert [gold_of(example) for example in examples] == [gold_of(example) for example in loaded.examples]
    crucial = load_kgqa("cwq", REAL, gold="crucial")
    assert (len(crucial.examples), crucial.left_out) == (43, 7)
