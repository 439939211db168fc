"""A session's winner at work: exported, and served to OpenAI's own client over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvicorn

import agenttts as tts
from agent.winner import load_winner
from agenttts.cli.init import init
from agenttts.serving import application as serving
from agenttts.serving.application import ServeSettings, application
from environment.allocated import Allocated, allocated
from environment.backend import Receiver
from environment.loading import load_task
from environment.multihop.recorded import recorded_task
from storage.sample import GenerationRequest, Sample
from tests.agenttts.test_pipelines import Run, agenttts, document
from tests.waiting import until
from tools.errors import EndpointError, InvalidAllocation, InvalidInput, MissingSample, PipelineError

__all__ = ["agenttts"]  # the fixture

TOKEN = "sesame"  # noqa: S105 - of a server in this process
ALLOCATION = {"plan": {"model": "m", "samples": 3}, "answer": {"model": "m", "samples": 2}}


class Backend:
    """Answers with the prompt's last word; may hold, or fail."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.go_on.set()
        self.down = False
        self.inside = self.most = self.cancelled = 0

    async def generate(self, request: GenerationRequest, indices: Any, receiver: Receiver) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            while not self.go_on.is_set():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.inside -= 1
        if self.down:
            raise EndpointError("http://secret.host: it is down")
        word = request.messages[-1].content.split()[-1]
        await receiver.deliver({index: Sample(f"{word} <b>", 5 if index == 0 else 0, 2) for index in indices})

    async def aclose(self) -> None: ...


def pipeline_of(backend: Backend) -> tts.Pipeline:
    pipeline = tts.Pipeline(
        "echo",
        models=[tts.Model("m", 3e9)],
        examples=[{"question": "a", "context": "b", "answer": "c"}] * 2,
        connect=lambda: {"m": backend},
        max_samples=4,
        strategy="majority",
    )

    @pipeline.stage(prompt_tokens=4, generation_tokens=2)
    def plan(example: Any, upstream: Any) -> str:
        return f"plan {example['question']}"

    @pipeline.stage(prompt_tokens=4, generation_tokens=2, metric="exact_match", gold="answer")
    def answer(example: Any, upstream: Any) -> str:
        if example["question"] == "boom":
            raise KeyError("boom")
        return f"{example.get('context', '')} {upstream['plan']}"

    return pipeline


@pytest.fixture
def backend() -> Backend:
    return Backend()


@contextmanager
def running(pipeline: Allocated, **settings: Any) -> Iterator[str]:
    """A real server on a free port; yields its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        chosen = ServeSettings(**{"model": "echo", "hosts": (f"127.0.0.1:{port}",), **settings})
        server = uvicorn.Server(uvicorn.Config(application(pipeline, chosen), log_level="error", lifespan="on"))
        thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture
def url(backend: Backend) -> Iterator[str]:
    with running(allocated(pipeline_of(backend), ALLOCATION), concurrency=2, waiting=1, most_bytes=2000) as url:
        yield url


def ask(url: str, text: str = "hi", **fields: Any) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": text}], **fields}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=20)


def client(url: str, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


def test_openais_client_gets_the_answer_its_usage_and_the_trace(url: str) -> None:
    with client(url) as api:
        assert [model.id for model in api.models.list()] == ["echo"]
        messages: Any = [
            {"role": "system", "content": "x"},
            {"role": "user", "content": [{"type": "text", "text": "hi you"}]},
        ]
        answer = api.chat.completions.create(model="any", messages=messages, temperature=0.3)
    assert answer.choices[0].message.content == "<b> <b>"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (10, 10, 20)
    stages = answer.model_extra["agenttts"]["stages"]
    assert [(s["subtask"], s["model"], s["samples"], s["strategy"]) for s in stages] == [
        ("plan", "m", 3, "majority"),
        ("answer", "m", 2, "majority"),
    ]
    assert [(s["output"], s["generations"], s["generation_tokens"]) for s in stages] == [
        ("you <b>", 3, 6),
        ("<b> <b>", 2, 4),
    ]


def test_fields_may_be_given_as_json(url: str) -> None:
    answer = ask(url, json.dumps({"question": "hi", "context": "there"})).json()
    assert answer["choices"][0]["message"]["content"] == "<b> <b>"
    refused = ask(url, json.dumps({"question": "hi", "gold": 1}))
    assert refused.status_code == 400
    assert (
        refused.json()["error"]["message"] == "gold: is no field of the examples; they have: question, context, answer"
    )
    lacking = ask(url, json.dumps({"context": "there"}))
    assert (lacking.status_code, lacking.json()["error"]["message"][:10]) == (400, "question: ")


def test_a_stream_holds_the_answer_the_trace_and_the_usage(
    url: str, monkeypatch: pytest.MonkeyPatch, backend: Backend
) -> None:
    monkeypatch.setattr(serving, "SECONDS_BETWEEN_SIGNS", 0.05)
    backend.go_on.clear()
    threading.Timer(0.3, backend.go_on.set).start()
    messages: Any = [{"role": "user", "content": "x" * 60}]
    with client(url) as api:
        chunks = list(
            api.chat.completions.create(
                model="m", messages=messages, stream=True, stream_options={"include_usage": True}
            )
        )
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "<b> <b>"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert len(chunks[-2].model_extra["agenttts"]["stages"]) == 2
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 20
    raw = ask(url, stream=True).text
    assert raw.endswith("data: [DONE]\n\n")
    assert '"usage"' not in raw


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{", "body: "),
        ("[]", "body: "),
        ("\ud800", "body: "),
        ("[" * 1000, "body: "),
        ("{}", "messages: "),
        ('{"messages": []}', "messages: "),
        ('{"messages": [{"role": "robot", "content": "x"}]}', "messages.0.role: "),
        ('{"messages": [{"role": "user"}]}', "messages: hold no text"),
        ('{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', "messages: may hold text alone"),
        ('{"messages": [{"role": "user", "content": "x"}], "n": 2}', "n: "),
        ('{"messages": [{"role": "user", "content": "x"}], "tools": [{}]}', "tools: "),
        ('{"messages": [{"role": "user", "content": "x"}], "stream": "perhaps"}', "stream: "),
    ],
)
def test_a_faulty_request_is_refused_with_its_field(url: str, body: str, told: str) -> None:
    headers = {"content-type": "application/json"}
    content = body.encode(errors="surrogatepass")
    refused = httpx.post(f"{url}/v1/chat/completions", content=content, headers=headers)
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith(told)


def test_what_is_too_long_or_of_another_kind_is_refused(url: str) -> None:
    assert ask(url, "x" * 3000).status_code == 413
    assert httpx.post(f"{url}/v1/chat/completions", content=b"{}").status_code == 415
    assert (
        httpx.post(f"{url}/v1/chat/completions", content=b"{}", headers={"content-type": "text/plain"}).status_code
        == 415
    )
    assert httpx.get(f"{url}/v1/chat/completions").status_code == 405
    assert httpx.get(f"{url}/v1/none").status_code == 404
    endless = (b" " * 500 for _ in range(100))
    sent = httpx.post(f"{url}/v1/chat/completions", content=endless, headers={"content-type": "application/json"})
    assert sent.status_code == 413


def test_a_web_page_cannot_reach_a_local_endpoint_under_another_name(url: str, backend: Backend) -> None:
    for path, method in (("/v1/chat/completions", "POST"), ("/v1/models", "GET")):
        refused = httpx.request(method, url + path, json={"messages": []}, headers={"host": "page.example"})
        assert refused.status_code == 403
    assert httpx.get(f"{url}/health").json() == {"status": "ok"}
    assert backend.most == 0


def test_a_token_is_needed_where_there_is_one(backend: Backend) -> None:
    with running(allocated(pipeline_of(backend), ALLOCATION), token=TOKEN, hosts=()) as url:
        for key in ("none", "sesam", "sesame2"):
            with client(url, key) as api, pytest.raises(openai.AuthenticationError):
                api.models.list()
        assert ask(url).status_code == 401
        assert backend.most == 0
        with client(url, TOKEN) as api:
            assert api.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}]).choices


def test_no_more_than_so_many_run_and_wait(url: str, backend: Backend) -> None:
    backend.go_on.clear()
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda n=n: statuses.append(ask(url, f"hi {n}").status_code)) for n in range(4)]
    for thread in threads:
        thread.start()
    # Two run and one waits, whichever came first; there is no place for the other.
    until(lambda: statuses == [429] and backend.inside == 2)
    backend.go_on.set()
    for thread in threads:
        thread.join(20)
    assert statuses == [429, 200, 200, 200]
    assert backend.most == 2


def test_work_for_a_client_that_left_is_given_up(url: str, backend: Backend) -> None:
    backend.go_on.clear()
    for stream in (False, True):
        before = backend.cancelled
        body = {"messages": [{"role": "user", "content": f"hi {stream}"}], "stream": stream}
        with pytest.raises(httpx.TimeoutException):
            httpx.post(f"{url}/v1/chat/completions", json=body, timeout=0.5)
        until(lambda before=before: backend.cancelled == before + 1 and backend.inside == 0)


def test_failures_have_a_status_and_tell_no_addresses(url: str, backend: Backend) -> None:
    broken = ask(url, "boom")
    assert broken.status_code == 500
    assert "subtask 'answer'" in broken.json()["error"]["message"]
    backend.down = True
    failed = ask(url)
    assert failed.status_code == 502
    assert "secret.host" not in failed.text
    stream = ask(url, stream=True)
    assert stream.status_code == 200
    assert '"code": 502' in stream.text


def test_an_answer_that_takes_too_long_is_given_up(backend: Backend) -> None:
    backend.go_on.clear()
    with running(allocated(pipeline_of(backend), ALLOCATION), timeout=0.3) as url:
        assert ask(url).status_code == 504
    assert backend.cancelled == 1


async def test_one_allocation_answers_without_a_server(backend: Backend) -> None:
    pipeline = allocated(pipeline_of(backend), ALLOCATION)
    with pytest.raises(InvalidInput, match="is not connected"):
        await pipeline.answer({"question": "x"})
    async with pipeline:
        answer = await pipeline.answer({"question": "hi"})
    assert (answer.output, answer.usage.requested) == ("<b> <b>", 5)


def test_built_in_tasks_and_graphs_answer_too(agenttts: Run, tmp_path: Path) -> None:
    task = recorded_task()
    example = task.search_examples[0]
    choice = {"model": "qwen2.5-coder-1.5b-instruct", "samples": 2}
    recorded = allocated("multihop-recorded", {"retrieval": choice, "qa": choice})
    question = {"question": example.question, "candidates": example.candidates}
    answer = recorded.ask(question)
    assert answer.text
    assert [stage.usage.requested for stage in answer.trace] == [3, 3], "two samples and the fusing call"
    document(agenttts("init", "--langgraph", "--json"))
    graph = allocated("graph.py:pipeline", {"retrieve": choice, "answer": choice})
    assert graph.ask({"question": example.question, "passages": example.candidates}).text


def test_what_cannot_answer_is_refused(backend: Backend) -> None:
    with pytest.raises(InvalidAllocation):
        allocated(pipeline_of(backend), {"plan": {"model": "m", "samples": 3}})
    simulated = load_task("simulated-2wiki")
    with pytest.raises(InvalidInput, match="is simulated"):
        Allocated(simulated, next(simulated.space.allocations(1e9, simulated.cost)))
    with pytest.raises(InvalidInput, match="no field 'none'; they have: question, context, answer"):
        application(allocated(pipeline_of(backend), ALLOCATION), ServeSettings("echo", input_field="none"))
    with pytest.raises(PipelineError, match="subtask 'answer'"):
        allocated(pipeline_of(backend), ALLOCATION).ask({"question": "boom"})


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the YAML starter and a finished session of it."""
    folder = tmp_path_factory.mktemp("starter")
    with contextlib.chdir(folder):
        init(folder)
        tts.run("pipeline.yaml", searcher="random", trials=2, batch=2)
    return folder


@pytest.fixture
def searched(agenttts: Run, starter: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, as the current one."""
    monkeypatch.chdir(starter)
    return starter


@pytest.mark.slow
def test_the_winner_is_exported_as_a_program_and_as_a_file(agenttts: Run, searched: Path) -> None:
    example = json.loads((searched / "examples.jsonl").read_text().splitlines()[0])
    question = {"question": example["question"], "passages": example["passages"]}
    winner = load_winner("last", f"sqlite:///{searched / 'agenttts.db'}")
    expected = winner.allocated().ask(question)
    assert [stage.subtask for stage in expected.trace] == ["retrieval", "qa"]
    unknown = {"question": "Where is Iron?", "passages": ["Iron is based in Elstad."]}
    with pytest.raises(MissingSample, match="no recorded answers"):
        winner.allocated().ask(unknown)

    made = document(agenttts("export", "--pipeline", "out/best.py", "--json"))
    assert made["allocation"] == winner.allocation.to_dict()
    command = [sys.executable, str(searched / "out/best.py"), json.dumps(question)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == expected.text

    document(agenttts("export", "--pipeline", "best.yaml", "--json"))
    document(agenttts("export", "--pipeline", "out/best.yaml", "--json"))
    for file in ("best.yaml", "out/best.yaml"):
        exported = load_winner(file)
        assert exported.allocation == winner.allocation
        assert exported.allocated().ask(question).output == expected.output
    text = (searched / "best.yaml").read_text()
    assert (searched / "pipeline.yaml").read_text().rstrip() in text, "comments and prompts stay as they were"
    assert agenttts("check", "best.yaml")[0] == 0, "an exported file can be searched again"


@pytest.mark.slow
def test_an_export_that_cannot_be_made_says_why(agenttts: Run, searched: Path) -> None:
    for file, told in (("best.txt", "must end in"), ("pipeline.yaml", "is there already")):
        code, _, err = agenttts("export", "--pipeline", file)
        assert code == 2
        assert told in err
    text = (searched / "pipeline.yaml").read_text()
    (searched / "pipeline.yaml").write_text(text.replace("Copy the two", "Copy these two"))
    code, _, err = agenttts("export", "--pipeline", "best.py")
    (searched / "pipeline.yaml").write_text(text)
    assert code == 2
    assert "has changed since session" in err
    assert agenttts("export", "none", "--pipeline", "best.py")[0] == 2


def test_a_server_that_should_not_start_does_not(agenttts: Run, searched: Path) -> None:
    for arguments, told in (
        (("none",), "no session is called 'none'"),
        (("last", "--host", "192.0.2.1"), "put a bearer token into AGENTTTS_SERVE_TOKEN first"),
        (("last", "--input", "none"), "--input: the examples have no field 'none'"),
        (("pipeline.yaml",), "names no allocation; export one"),
    ):
        code, _, err = agenttts("serve", *arguments)
        assert code == 2
        assert told in err
