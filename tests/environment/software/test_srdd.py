"""Software from descriptions: the file, the metrics, and the embeddings behind consistency."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from environment.software.embedding import EndpointEmbedding, LocalEmbedding, Similarity, Vectors, embedding_of
from environment.software.execution import STARTING
from environment.software.programs import Programs
from environment.software.srdd import (
    ProgramCodingStage,
    ProgramDynamicTestingStage,
    ProgramStaticTestingStage,
    load_srdd,
)
from environment.software.stages import CODING, DYNAMIC_TESTING, STATIC_TESTING
from environment.software.task import srdd_task
from environment.strategies.b4 import HasTests
from tools.errors import EndpointError, InvalidInput, UnknownName

REAL = Path(__file__).parents[4] / "shared" / "data" / "srdd_100.csv"
LINES = """Name,Description,Category
Word_Count,"Counts the words of a text, line by line.",Tools
Dice,Throws two dice.,Games
Dice,Throws two dice.,Games
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "srdd.csv"
    path.write_text(LINES, encoding="utf-8")
    return path


class Halves:
    """An embedding that knows two meanings: texts about words and others."""

    def __init__(self) -> None:
        self.asked = 0

    def vectors(self, texts: Sequence[str]) -> Vectors:
        self.asked += 1
        return np.array([[1.0, 0.0] if "word" in text.lower() else [0.6, 0.8] for text in texts])


def test_records_are_read_each_once(file: Path) -> None:
    first, second = load_srdd(file)
    assert first.requirement == "Write a program called Word_Count.\nCounts the words of a text, line by line."
    assert first.entry == ""
    assert first.id != second.id


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Name,Category\nA,B\n", "lacks the columns Description"),
        ("", "lacks the columns Name, Description"),
        ("Name,Description\n", "holds no record"),
        ("Name,Description\nA,text\n,text\n", "record 2: Name is empty"),
        ("Name,Description\nA\n", "record 1: Description is empty"),
        ("Name,Description\nA,\x00\n", ""),
    ],
)
def test_unusable_files_are_told(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "srdd.csv"
    path.write_text(text, encoding="utf-8")
    if not problem:
        assert len(load_srdd(path)) == 1
        return
    with pytest.raises(InvalidInput, match=problem) as error:
        load_srdd(path)
    assert error.value.field == "path"


def test_missing_and_foreign_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot read"):
        load_srdd(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"Name,Description\nA,\xff\xfe\n")
    with pytest.raises(InvalidInput, match="is not CSV"):
        load_srdd(tmp_path / "latin.csv")
    with pytest.raises(InvalidInput, match=r"--set path=FILE"):
        srdd_task()


def test_the_released_descriptions_are_read() -> None:
    if not REAL.is_file():
        pytest.skip(f"{REAL} is not there")
    examples = load_srdd(REAL)
    assert len(examples) == 100
    assert all(len(example.requirement) > 50 for example in examples)


@pytest.fixture
def quick(programs: Programs) -> Programs:
    return Programs(replace(STARTING, wall_seconds=2.5), programs.isolation)


def test_stages_are_scored_by_consistency_and_the_last_by_quality(quick: Programs, file: Path) -> None:
    example = load_srdd(file)[0]
    similarity = Similarity(Halves())
    counting, other = "words = input().split()\nprint(len(words))", "print(1)"
    for kind in (ProgramCodingStage, ProgramStaticTestingStage):
        stage = kind(quick, 64, similarity)
        assert stage.metric == "consistency"
        assert stage.score(counting, example) == pytest.approx(1.0)
        assert stage.score(other, example) == pytest.approx(0.6)
        assert stage.score("", example) == 0.0
    quality = ProgramDynamicTestingStage(quick, 64, similarity)
    assert quality.metric == "quality"
    assert quality.score(counting, example) == pytest.approx(1.0)
    assert quality.score(other, example) == pytest.approx(0.6)
    assert quality.score(f"{other}\nundefined", example) == 0.0
    assert quality.score(f"{other}\ndef later():\n    pass", example) == 0.0
    assert quality.score("", example) == 0.0
    runs = ProgramDynamicTestingStage(quick, 64, similarity, "executability")
    assert runs.score(f"{other}\ndef later():\n    pass", example) == 1.0
    near = ProgramDynamicTestingStage(quick, 64, similarity, "consistency")
    assert near.score(f"{other}\nundefined", example) == pytest.approx(0.6)
    with pytest.raises(UnknownName, match="did you mean 'quality'"):
        ProgramDynamicTestingStage(quick, 64, similarity, "qualty")


def test_prompts_show_the_description_the_program_and_what_happened(quick: Programs, file: Path) -> None:
    example = load_srdd(file)[0]
    similarity = Similarity(Halves())
    coding = ProgramCodingStage(quick, 64, similarity)
    static = ProgramStaticTestingStage(quick, 64, similarity)
    dynamic = ProgramDynamicTestingStage(quick, 64, similarity)
    assert example.requirement in coding.messages(example, {})[-1].content
    upstream = {CODING: "print(undefined)\ndef later():\n    pass"}
    assert "line 2: later does nothing" in static.messages(example, upstream)[-1].content
    assert "NameError: name 'undefined' is not defined (line 1)" in dynamic.messages(example, upstream)[-1].content
    assert "Examples:" not in dynamic.messages(example, upstream)[-1].content
    assert not isinstance(coding, HasTests)


def test_the_task_reads_its_file(programs: Programs, file: Path) -> None:
    pytest.importorskip("wordllama", reason="needs the extra embedding")
    task = srdd_task(path=str(file), models=["tiny:135M@http://127.0.0.1:9/v1"], search_examples=1)
    assert task.metrics == {CODING: "consistency", STATIC_TESTING: "consistency", DYNAMIC_TESTING: "quality"}
    assert len(task.held_out_examples) == 1
    with pytest.raises(InvalidInput, match="b4 needs a stage that writes and runs tests"):
        srdd_task(path=str(file), models=["tiny:135M@http://127.0.0.1:9/v1"], search_examples=1, strategy="b4")


def test_cosines_are_bounded_and_remembered() -> None:
    embedding = Halves()
    similarity = Similarity(embedding)
    assert similarity("words", "other") == similarity("words", "other") == pytest.approx(0.6)
    assert embedding.asked == 1
    assert similarity("words", " ") == 0.0
    assert embedding.asked == 1


class Fixed:
    def __init__(self, *rows: list[float]) -> None:
        self.rows = np.array(rows)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        return self.rows


def test_opposite_and_empty_vectors_have_nothing_in_common() -> None:
    assert Similarity(Fixed([1.0, 0.0], [-1.0, 0.0]))("a", "b") == 0.0
    assert Similarity(Fixed([0.0, 0.0], [1.0, 0.0]))("a", "b") == 0.0


def test_the_local_embedding_tells_matching_code_from_other_code() -> None:
    pytest.importorskip("wordllama", reason="needs the extra embedding")
    similarity = Similarity(LocalEmbedding())
    texts = ("Count the vowels of a text.", "Say whether a year is a leap year.", "Sort a list of names by length.")
    codes = (
        "def count_vowels(text):\n    return sum(c in 'aeiou' for c in text)",
        "def is_leap_year(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)",
        "def sort_names(names):\n    return sorted(names, key=len)",
    )
    for number, text in enumerate(texts):
        cosines = [similarity(text, code) for code in codes]
        assert max(cosines) == cosines[number]
        assert similarity(text, text) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("spec", ["", "cloud", "model@ftp://host", "@http://host/v1"])
def test_other_embeddings_are_refused(spec: str) -> None:
    with pytest.raises(InvalidInput, match=r"^embedding: .*neither 'local' nor MODEL@URL"):
        embedding_of(spec)


class Server(ThreadingHTTPServer):
    answer: object = None
    asked: dict[str, object]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(self.server.answer).encode()
        self.send_response(200 if self.server.answer else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))  # seconds until it sees that it is to end
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def row(index: int, *values: float) -> dict[str, object]:
    return {"object": "embedding", "index": index, "embedding": list(values)}


def test_an_endpoint_embeds(server: Server) -> None:
    embedding = embedding_of(f"embedder@http://127.0.0.1:{server.server_port}/v1")
    assert isinstance(embedding, EndpointEmbedding)
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    answer = {"object": "list", "model": "embedder", "usage": usage, "data": [row(1, 0.0, 2.0), row(0, 1.0, 1.0)]}
    server.answer = answer
    assert Similarity(embedding)("a", "b") == pytest.approx(0.5**0.5)
    assert server.asked["model"] == "embedder"
    assert server.asked["input"] == ["a", "b"]
    for data in ([row(0, 1.0)], [row(0, 1.0), row(1, 1.0, 2.0)], []):
        server.answer = {**answer, "data": data}
        with pytest.raises(EndpointError, match="embedder"):
            Similarity(embedding)("c", "d")
    server.answer = None
    with pytest.raises(EndpointError, match="no embedding of 'embedder'"):
        Similarity(embedding)("c", "d")
