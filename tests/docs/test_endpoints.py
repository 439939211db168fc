"""Every configuration of docs/endpoints.md is loaded, and sends what its service expects: a loopback server checks."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.llm.chat import OpenAIChat
from agent.llm.settings import AgentSettings
from environment.backend import collected
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.backends.probe import probe
from environment.pipelines.yaml_file import load_yaml
from environment.task import Task
from storage.sample import GenerationRequest, Message, SamplingParameters
from tests.environment.chat_server import choice, logprobs_of, tokens_of
from tools.errors import InvalidInput

PAGE = (Path(__file__).parents[2] / "docs" / "endpoints.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```yaml\n# ([\w. ]+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
REST = """
dataset: {file: data.jsonl, search: 1}
subtasks:
  - name: answer
    prompt_tokens: 30
    generation_tokens: 3
    metric: {name: exact_match, gold: answer}
    prompt: "{{ example.question }}"
max_samples: 4
"""
DATA = '{"question": "Is 5 < 6?", "answer": "yes"}\n{"question": "6 < 5?", "answer": "no"}\n'
ROOT = re.compile(r"https?://[^/\"]+")
KEY = "sk-the-key-of-this-test"
Body = dict[str, Any]


class Seen:
    """The requests of a service, and how it answers them."""

    def __init__(self, answer: Callable[[Body], tuple[int, Body]]) -> None:
        self.answer = answer
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Body] = []
        self.root = ""


@contextmanager
def service(answer: Callable[[Body], tuple[int, Body]]) -> Iterator[Seen]:
    seen = Seen(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.paths.append(self.path)
            seen.headers.append({name.lower(): value for name, value in self.headers.items()})
            seen.bodies.append(body)
            status, told = seen.answer(body)
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        seen.root = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))  # seconds until it sees that it is to end
        thread.start()
        try:
            yield seen
        finally:
            http.shutdown()
            thread.join()


def completed(body: Body, most: int = 128, usage: str = "sum", logprobs: bool = True) -> tuple[int, Body]:
    texts = [f"text {body.get('seed', 0) + place}" for place in range(min(body.get("n", 1), most))]
    listed = [{"logprobs": logprobs_of(text)} if logprobs and "logprobs" in body else {} for text in texts]
    choices = [choice(text, index=place, **listed[place]) for place, text in enumerate(texts)]
    counts = [tokens_of(text) for text in texts]
    tokens = sum(counts) if usage == "sum" else counts[0]
    return 200, {"choices": choices, "usage": {"prompt_tokens": 9, "completion_tokens": tokens}}


def refused(parameter: str, message: str) -> tuple[int, Body]:
    return 400, {"error": {"message": message, "param": parameter, "type": "invalid_request_error"}}


def openai(body: Body) -> tuple[int, Body]:
    if "max_tokens" in body:
        wanted = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return refused("max_tokens", wanted)
    return completed(body)


def together(body: Body) -> tuple[int, Body]:
    return refused("logprobs", "logprobs must be an integer") if body.get("logprobs") is True else completed(body)


ANSWERS: dict[str, Callable[[Body], tuple[int, Body]]] = {
    "vllm": completed,
    "ollama": lambda body: completed(body, most=1),
    "llama.cpp": lambda body: completed(body, usage="first"),
    "openai": openai,
    "azure": completed,
    "azure deployments": completed,
    "together": together,
    "openrouter": lambda body: completed(body, most=1, logprobs=False),
}
PATHS = {
    "vllm": "/v1/chat/completions",
    "ollama": "/v1/chat/completions",
    "llama.cpp": "/v1/chat/completions",
    "openai": "/v1/chat/completions",
    "azure": "/openai/v1/chat/completions",
    "azure deployments": "/openai/deployments/my-deployment/chat/completions",
    "together": "/v1/chat/completions",
    "openrouter": "/api/v1/chat/completions",
}
REQUESTS = {"ollama": 3, "openrouter": 3, "openai": 2, "together": 2}
"""How many requests three samples take; one where it is not said."""


def loaded(folder: Path, block: str) -> Task:
    (folder / "data.jsonl").write_text(DATA, encoding="utf-8")
    path = folder / "pipeline.yaml"
    path.write_text(block + REST, encoding="utf-8")
    return load_yaml(path)


def backend_of(task: Task) -> tuple[str, OpenAIBackend]:
    ((model, backend),) = task.connect().items()
    assert isinstance(backend, OpenAIBackend)
    return model, backend


def test_the_page_has_every_service() -> None:
    assert set(BLOCKS) == set(ANSWERS)


@pytest.mark.parametrize("name", BLOCKS)
async def test_a_documented_configuration_sends_what_its_service_expects(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = BLOCKS[name]
    _, original = backend_of(loaded(tmp_path, block))
    # Without the setting it is the same variable, so that --model NAME:PARAMETERS@URL works.
    assert Endpoint(original.endpoint.base_url, api_version=original.endpoint.api_version).key_env == (
        original.endpoint.key_env
    )
    local = name in ("vllm", "ollama", "llama.cpp")
    for variable in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "TOGETHER_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    if not local:
        monkeypatch.setenv(original.endpoint.key_env, KEY)
    with service(ANSWERS[name]) as seen:
        model, backend = backend_of(loaded(tmp_path, ROOT.sub(seen.root, block, count=1)))
        request = GenerationRequest(model, (Message("user", "5 < 6?"),), SamplingParameters(0.7, 16))
        samples = await collected(backend, request, range(3))
        await backend.aclose()
    assert len({sample.text for sample in samples}) == 3
    assert all(sample.generation_tokens == tokens_of(sample.text) for sample in samples)
    assert len(seen.bodies) == REQUESTS.get(name, 1)
    assert {urlsplit(path).path for path in seen.paths} == {PATHS[name]}
    for headers in seen.headers:
        if name == "azure deployments":
            assert headers["api-key"] == KEY
            assert "authorization" not in headers
        else:
            assert headers["authorization"] == ("Bearer none" if local else f"Bearer {KEY}")
            assert "api-key" not in headers
        assert (headers.get("http-referer"), headers.get("x-title")) == (
            ("https://example.org", "my project") if name == "openrouter" else (None, None)
        )
    queries = [parse_qs(urlsplit(path).query) for path in seen.paths]
    version = {"api-version": ["2024-10-21"]} if name == "azure deployments" else {}
    assert queries == [version] * len(queries)
    last = seen.bodies[-1]
    assert last["model"] == model
    assert (last["temperature"], last["messages"]) == (0.7, [{"role": "user", "content": "5 < 6?"}])
    assert last.get("n", 1) == (1 if name in ("ollama", "openrouter") else 3)
    assert "seed" in last
    assert ("logprobs" in last) == (name != "together")
    assert last["max_completion_tokens" if name == "openai" else "max_tokens"] == 16


@pytest.mark.parametrize("name", ["azure deployments", "openrouter"])
async def test_the_agent_and_the_doctor_reach_a_service_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    azure = name == "azure deployments"
    with service(completed) as seen:
        settings: dict[str, Any] = {"api_version": "2024-10-21"} if azure else {"headers": {"X-Title": "mine"}}
        url = seen.root + ("/openai/deployments/my-deployment" if azure else "/api/v1")
        chat = OpenAIChat(AgentSettings(model="my-deployment", base_url=url, key_env="SOME_KEY", **settings), seed=0)
        assert chat.complete([{"role": "user", "content": "hello"}], max_tokens=5).text.startswith("text ")
        assert not (await probe(Endpoint(url, "SOME_KEY", **settings), "my-deployment")).problem
    assert {urlsplit(path).path for path in seen.paths} == {PATHS[name]}
    for headers in seen.headers:
        assert headers.get("api-key" if azure else "authorization") == (KEY if azure else f"Bearer {KEY}")
        assert headers.get("x-title") == (None if azure else "mine")


def test_the_table_of_hosts_is_true() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| `(\w+)` \|$", PAGE, re.MULTILINE)
    hosts = [
        (host.replace("*", "my-resource"), key) for listed, key in rows for host in re.findall(r"`([^`]+)`", listed)
    ]
    assert len(hosts) == 6
    for host, key in [*hosts, ("example.org", "OPENAI_API_KEY"), ("notopenrouter.ai", "OPENAI_API_KEY")]:
        assert Endpoint(f"https://{host}/v1").key_env == key


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("api_version", {"base_url": "https://r.openai.azure.com/openai/deployments/d"}),
        ("api_version", {"api_version": "2024 10"}),
        ("headers", {"headers": {"Authorization": f"Bearer {KEY}"}}),
        ("headers", {"headers": {"API-Key": KEY}}),
        ("headers", {"headers": {"X-Title": f"two\n{KEY}"}}),
        ("headers", {"headers": {"X Title": KEY}}),
    ],
)
def test_what_cannot_work_or_would_hold_a_key_is_refused_by_name(field: str, settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=rf"endpoint\.{field}") as refusal:
        Endpoint(**{"base_url": "http://127.0.0.1:1/v1"} | settings)
    assert KEY not in str(refusal.value)


def test_the_settings_of_the_page_are_those_of_a_pipeline_file(tmp_path: Path) -> None:
    settings = set(re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE))
    with pytest.raises(InvalidInput) as refusal:
        loaded(
            tmp_path, 'models: [{name: m, parameters: 1B, endpoint: e}]\nendpoints: {e: {url: "http://a/v1", no: 1}}\n'
        )
    known = re.search(r"known here: ([\w, ]+)", str(refusal.value))
    assert known is not None
    assert settings == set(known[1].split(", "))
