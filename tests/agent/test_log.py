"""Logs of sessions: written, imported, resumed, and refused where they are not what was written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from agent.log import export_log, import_log
from agent.session import Result, load_result, resume, run
from environment.backend import Receiver
from environment.backends.replay_backend import ReplayBackend
from storage.archive import Archive
from storage.database import Database
from storage.log import chain
from storage.log.chain import END, ChainWriter, digest, read_chain
from storage.log.lines import KINDS
from storage.sample import GenerationRequest
from storage.schema import SampleRow, SessionRow
from storage.session import SessionState
from tests.agent.test_faulty_endpoints import found
from tests.environment.faulty_recording import few_examples, recording
from tests.postgresql import POSTGRESQL, SERVER, empty
from tools.errors import EndpointError, InvalidInput, StorageError
from tools.spending import SpendingCaps


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Result]:
    """A finished session on five examples of the recorded benchmark, and the database it is in."""
    url = f"sqlite:///{tmp_path_factory.mktemp('searched') / 'a.db'}"
    spending = SpendingCaps(max_generations=10_000, deadline=datetime(2126, 1, 1, tzinfo=UTC))
    return url, run(few_examples(), trials=4, seed=7, batch=2, storage=url, front=True, spending=spending)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=SERVER)])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    url = POSTGRESQL if request.param == "postgresql" else f"sqlite:///{tmp_path / 'elsewhere.db'}"
    yield url
    with Database.open(url) as opened:
        empty(opened.engine)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def rechained(path: Path, changed: list[dict[str, Any]]) -> Path:
    """A log with these lines whose hashes are right: what somebody writes who knows the format."""
    with path.open("wb") as file:
        chain = ChainWriter(file.write)
        for line in changed:
            chain.line(line["kind"], **{n: v for n, v in line.items() if n not in ("n", "kind", "prev", "hash")})
    return path


@pytest.mark.parametrize("with_samples", [False, True])
def test_a_log_comes_back_the_same_from_another_database(
    searched: tuple[str, Result], elsewhere: str, tmp_path: Path, with_samples: bool
) -> None:
    url, result = searched
    written = export_log("last", tmp_path / "a.jsonl", url, with_samples=with_samples)
    export_log("last", tmp_path / "b.jsonl", url, with_samples=with_samples)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert written.finished
    assert import_log(tmp_path / "a.jsonl", elsewhere).new
    assert not import_log(tmp_path / "a.jsonl", elsewhere).new, "the very same is no second session"
    assert load_result(result.session_id[:6], elsewhere) == result
    again = export_log("last", tmp_path / "c.jsonl", elsewhere, with_samples=with_samples)
    assert (again.hash, again.lines) == (written.hash, written.lines)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "c.jsonl").read_bytes()


def test_every_sample_that_was_drawn_is_in_the_log(searched: tuple[str, Result], tmp_path: Path) -> None:
    url, _ = searched
    export_log("last", tmp_path / "a.jsonl", url, with_samples=True)
    with Database.open(url) as database, database.transaction() as session:
        stored = {(row.key, row.number): row.text for row in session.scalars(select(SampleRow))}
    told = {
        (line["key"], line["index"]): line["text"] for line in lines(tmp_path / "a.jsonl") if line["kind"] == "sample"
    }
    assert told == stored


def test_each_line_carries_the_hash_of_its_own_bytes(searched: tuple[str, Result], tmp_path: Path) -> None:
    """As docs/log-format.md says, for readers without this package."""
    export_log("last", tmp_path / "a.jsonl", searched[0])
    last = "0" * 64
    for text in (tmp_path / "a.jsonl").read_text(encoding="ascii").splitlines():
        body, hashed = text[: -len(f',"hash":"{last}"}}')] + "}", text[-66:-2]
        assert digest(body) == hashed
        assert json.loads(body)["prev"] == last
        last = hashed


def test_a_log_with_digests_alone_cannot_give_samples(searched: tuple[str, Result], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    export_log("last", tmp_path / "a.jsonl", searched[0])
    import_log(tmp_path / "a.jsonl", url)
    with pytest.raises(InvalidInput, match="imported without its samples"):
        export_log("last", tmp_path / "b.jsonl", url, with_samples=True)
    assert sorted(path.name for path in tmp_path.glob("*jsonl*")) == ["a.jsonl"], "no half a file is left"
    with pytest.raises(InvalidInput, match="there already"):
        export_log("last", tmp_path / "a.jsonl", url)


class Dying(ReplayBackend):
    """Answers from the recording so many times, and then no more."""

    def __init__(self, answers: int) -> None:
        super().__init__(recording(), "a dying server")
        self._left = answers

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        self._left -= 1
        if self._left < 0:
            raise EndpointError("it is down")
        await super().generate(request, indices, receiver)


@cache
def undisturbed() -> dict[str, Any]:
    return found(run(few_examples(), trials=4, seed=7, batch=2, storage="sqlite://"))


@pytest.mark.parametrize("answers", [0, 25, 60])
def test_an_unfinished_session_goes_on_in_another_database(tmp_path: Path, elsewhere: str, answers: int) -> None:
    task, url = few_examples(), f"sqlite:///{tmp_path / 'a.db'}"
    dying = dict.fromkeys(task.connect(), Dying(answers))
    with pytest.raises(EndpointError):
        run(replace(task, connect=lambda: dying), trials=4, seed=7, batch=2, storage=url)
    written = export_log("last", tmp_path / "a.jsonl", url, with_samples=True)
    assert written.state is SessionState.FAILED
    import_log(tmp_path / "a.jsonl", elsewhere)
    assert export_log("last", tmp_path / "b.jsonl", elsewhere, with_samples=True).hash == written.hash
    assert found(resume("last", elsewhere, task=task)) == undisturbed()


LOST = {"count": 2, "retried": 1, "waited": 0.5, **{f"lost_{name}": 0 for name in ("generations", "picodollars")}}
LOST |= {"lost_prompt_tokens": 5, "lost_generation_tokens": 2**40}


@pytest.fixture(scope="module")
def whole(searched: tuple[str, Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's log with its samples, made to hold a line of every kind."""
    path = tmp_path_factory.mktemp("whole") / "a.jsonl"
    export_log("last", path, searched[0], with_samples=True)
    told = lines(path)
    place = next(n for n, line in enumerate(told) if line["kind"] == "guideline")
    call = {"batch": 0, "attempt": 0, "purpose": "propose", "model": "m", "messages": [{"role": "user"}], "answer": "?"}
    result = next(n for n, line in enumerate(told) if line["kind"] == "result")
    told.insert(result, {"kind": "fault", "endpoint": "http://e/v1", "model": "m", "fault": "server error", **LOST})
    told[-1]["count"] += 2
    return rechained(path, [*told[:place], {"kind": "transcript", "call": call}, *told[place:]])


def refusal(path: Path, tmp_path: Path) -> str:
    """Why a log is refused; nothing of it is stored."""
    url = f"sqlite:///{tmp_path / 'refused.db'}"
    with pytest.raises(InvalidInput) as caught:
        import_log(path, url)
    with Database.open(url) as database, database.transaction() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (SessionRow, SampleRow)]
    assert counts == [0, 0]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_any_line_is_found_and_the_line_is_named(whole: Path, tmp_path: Path, kind: str) -> None:
    texts = whole.read_text(encoding="ascii").splitlines(keepends=True)
    place = next(n for n, text in enumerate(texts) if json.loads(text)["kind"] == kind)
    before, after = texts[:place], texts[place + 1 :]
    hashed = texts[place].index('"prev"')
    digit = texts[place][hashed + 10]
    changed = texts[place][: hashed + 10] + ("1" if digit == "0" else "0") + texts[place][hashed + 11 :]
    path = tmp_path / "changed.jsonl"
    for damaged, line, problem in (
        ([*before, changed, *after], place + 1, "was changed"),
        ([*before, texts[place].replace(":", ": ", 1), *after], place + 1, "not written as logs are"),
        ([*before, *after], place + 1, "does not follow" if after else "cut off"),
        ([*before, texts[place], *texts[place:]], place + 2, "does not follow" if after else "follows the end"),
        ([*before, texts[place][:-9]], place + 1, "not JSON"),
        (before, place + 1, "cut off"),
    ):
        path.write_text("".join(damaged), encoding="ascii")
        told = refusal(path, tmp_path)
        assert (f"changed.jsonl line {line}: " in told) or not damaged
        assert problem in told or (not damaged and "is empty" in told)


UNSOUND: list[tuple[str, dict[str, Any], str]] = [
    ("header", {"version": 2}, "has version 2, this agenttts reads up to 1"),
    ("header", {"version": 0}, "has version 0"),
    ("header", {"format": "other"}, "format: input should be 'agenttts-log'"),
    ("session", {"id": "../x"}, "id: string should match"),
    ("session", {"created": "yesterday"}, "Invalid isoformat"),
    ("session", {"created": "2026-01-01T00:00:00"}, "without a zone"),
    ("session", {"config": {"task": "x"}}, "task_options: field required"),
    ("session", {"config.seed": "7"}, "seed: input should be a valid integer"),
    ("session", {"config.password": "7"}, "unknown member, 'password'"),
    ("session", {"config.caps": [{"cost": "price"}]}, "settings: field required"),
    ("session", {"problem.space.subtasks": []}, "problem.space.subtasks: list should have at least 1"),
    ("session", {"problem.space.sample_counts": [0]}, "sample_counts: must be whole numbers"),
    ("trial", {"number": 1}, "is trial 1; trial 0 should come now"),
    ("trial", {"allocation.qa.model": "gpt-9"}, "'gpt-9' is not a candidate"),
    ("trial", {"allocation.qa.samples": -1}, "allocation.qa.samples: input should be greater"),
    ("trial", {"cost": "cheap"}, "cost: input should be a valid number"),
    ("trial", {"reason": "\x00"}, "reason: value error, holds the character"),
    ("trial", {"batch": 2**31}, "batch: input should be less than or equal to"),
    ("trial", {"note": "?"}, "note: extra inputs are not permitted"),
    ("score", {"trial": 3}, "is the score of trial 3 and does not follow that trial"),
    ("score", {"score": None}, "completes trial 0 without a score"),
    ("score", {"stages.other": {"metric": "", "mean": 1.0, "per_example": []}}, "unknown name 'other'"),
    ("score", {"draws": {"k": 1}}, "draws.k.[key]: string should match"),
    ("score", {"draws": {"0" * 64: 1}}, "a sample that was not drawn"),
    ("transcript", {"call.answer": 3}, "answer: input should be a valid string"),
    ("guideline", {"batch": -2}, "batch: input should be greater"),
    ("evaluation", {"label": ""}, "label: value should have at least 1"),
    ("request", {"body.model": "other"}, "a request that its key does not stand for"),
    ("sample", {"text": "better"}, "whose content its SHA-256 does not stand for"),
    ("sample", {"index": 7}, "a sample that was not drawn"),
    ("spending", {"caps.max_dollars": -1.0}, "max_dollars: must be"),
    ("spending", {"caps.deadline": "soon"}, "Invalid isoformat"),
    ("spending", {"tokens": 2**63}, "tokens: input should be less than or equal to"),
    ("fault", {"fault": "bad luck"}, "fault: string should match"),
    ("result", {"recommended": 4}, "recommends trial 4"),
    ("result", {"state": "won"}, "state: input should be 'running', 'complete'"),
    ("end", {"count": 3}, "counts 3 lines"),
]


@pytest.mark.parametrize(("kind", "changes", "problem"), UNSOUND)
def test_a_log_with_right_hashes_is_no_better_than_what_it_says(
    whole: Path, tmp_path: Path, kind: str, changes: dict[str, Any], problem: str
) -> None:
    told = lines(whole)
    line = next(line for line in told if line["kind"] == kind)
    for name, value in changes.items():
        *way, last = name.split(".")
        part = line
        for step in way:
            part = part[step]
        part[last] = value
    assert problem in refusal(rechained(tmp_path / "unsound.jsonl", told), tmp_path)


def test_lines_out_of_their_order_are_refused(whole: Path, tmp_path: Path) -> None:
    told = lines(whole)
    by_kind = {kind: [line for line in told if line["kind"] == kind] for kind in KINDS}
    result = told.index(by_kind["result"][0])
    for order, problem in (
        ([told[1], told[0], *told[2:]], "a log begins with a header"),
        ([*told[:2], *told], "of kind header, which does not belong here"),
        ([*told[:result], {"kind": "end", "count": result + 1}], "of kind end, which does not belong here"),
        ([*told[:result], told[result], told[result], *told[result + 1 :]], "of kind result, which does not belong"),
        ([*told[:result], by_kind["trial"][0], *told[result:]], "of kind trial, which does not belong here"),
        ([line for line in told if line["kind"] != "request"], "does not follow its request"),
        ([line for line in told if line is not by_kind["sample"][-1]], "were drawn"),
        ([*told[:2], by_kind["score"][0], *told[2:]], "does not follow that trial"),
        ([{"kind": "note"}, *told], "of an unknown kind, 'note'"),
    ):
        assert problem in refusal(rechained(tmp_path / "order.jsonl", order), tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"SQLite format 3\x00\xff", "line 1: is not JSON"),
        (b"[]\n", "line 1: is not written as logs are"),
        (b'{"n":NaN}\n', "line 1: is not JSON"),
        (b"[" * 100_000, "line 1: is not JSON"),
        (b'{"n":' + b"9" * 5000 + b"}\n", "line 1: is not JSON"),
        (b'{"n":0,"n":0}\n', "line 1: is not written as logs are"),
        (b'{"n":0,"kind":"end"}\n', "line 1: is no line of a log"),
        (b'{"n":0,"kind":["end"],"hash":"' + b"0" * 64 + b'"}\n', "line 1: is no line of a log"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "no.jsonl"
    path.write_bytes(content)
    assert problem in refusal(path, tmp_path)


def test_a_line_without_an_end_is_not_read_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "LONGEST_LINE", 1000)
    path = tmp_path / "long.jsonl"
    path.write_bytes(b" " * 10_000)
    assert "has more than 1,000 bytes" in refusal(path, tmp_path)
    with pytest.raises(StorageError, match="would have more than 1,000 bytes"):
        ChainWriter(lambda _: None).line("trial", reason="x" * 1000)


def test_a_session_or_a_sample_that_is_there_and_differs_is_refused(
    searched: tuple[str, Result], whole: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'b.db'}"
    import_log(whole, url)
    told = lines(whole)
    told[2]["reason"] = "another"
    with pytest.raises(InvalidInput, match="is in the database already and differs"):
        import_log(rechained(tmp_path / "differs.jsonl", told), url)
    assert [fault.lost_generation_tokens for fault in load_result("last", url).faults] == [2**40]
    told = lines(whole)
    told[1]["id"] = "abc"
    import_log(rechained(tmp_path / "other.jsonl", told), url)
    with Database.open(url) as database, database.transaction() as session:
        session.execute(delete(SessionRow))
        session.execute(update(SampleRow).where(SampleRow.number == 0).values(text="other"))
    with pytest.raises(InvalidInput, match="the database holds another sample 0"):
        import_log(whole, url)
    with Database.open(url) as database:
        assert Archive(database).sessions() == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.text(max_size=5), st.dictionaries(st.just("x") | st.just("y"), JSON)), max_size=5))
def test_the_chain_gives_back_what_was_written(written: list[tuple[str, dict[str, Any]]]) -> None:
    file = io.BytesIO()
    chained = ChainWriter(file.write)
    for kind, fields in written:
        chained.line(f"a{kind}", **fields)
    chained.end()
    file.seek(0)
    *read, end = read_chain(file, "log")
    told = [(line["kind"], {name: line[name] for name in line if name in ("x", "y")}) for line in read]
    assert told == [(f"a{kind}", fields) for kind, fields in written]
    assert (end["kind"], end["count"], end["hash"]) == (END, len(written) + 1, chained.last)


@given(st.data())
def test_no_byte_of_a_log_can_be_changed_unseen(data: st.DataObject) -> None:
    file = io.BytesIO()
    chained = ChainWriter(file.write)
    for number in range(data.draw(st.integers(0, 3))):
        chained.line("sample", number=number, text="é")
    chained.end()
    written = file.getvalue()
    place = data.draw(st.integers(0, len(written) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != written[place]))
    changed = written[:place] + bytes([byte]) + written[place + 1 :]
    with pytest.raises(InvalidInput):
        list(read_chain(io.BytesIO(changed), "log"))
