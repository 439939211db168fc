"""Sessions as OpenTelemetry traces: what spans there are, what they say, and what they never say."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import agenttts as tts
from agent.observers import Observers
from agent.tracing_observer import TracingObserver
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from tests.agent.agent_server import diligent, serving
from tests.environment.chat_server import ChatServer, Traits, error
from tests.environment.loopback_server import in_a_thread
from tests.environment.tiny_task import tiny_task
from tools.errors import EndpointError, InvalidInput

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="the extra otel is not installed")
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402
from opentelemetry.trace import SpanKind, StatusCode  # noqa: E402

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
KEY = "sk-never-in-a-span"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv(CONTENT, raising=False)


class Traced:
    """The spans of a provider, by their end."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._memory))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._memory.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.split(" ")[0] == name]

    def ancestors(self, span: ReadableSpan) -> list[str]:
        by_id = {one.context.span_id: one for one in self.spans if one.context}
        names = []
        while span.parent is not None:
            span = by_id[span.parent.span_id]
            names.append(span.name)
        return names

    @property
    def text(self) -> str:
        return "".join(span.to_json() for span in self.spans)


def told(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def searched(folder: Path, server: ChatServer, observer: Any, **options: Any) -> tts.Result:
    task = tiny_task(OpenAIBackend(Endpoint(server.base_url, max_attempts=2)), examples=2)
    return tts.run(
        task, searcher="random", trials=3, batch=2, storage=f"sqlite:///{folder / 'a.db'}", observer=observer, **options
    )


def test_session_batch_trial_stage_and_chat_are_one_tree(tmp_path: Path) -> None:
    traced = Traced()
    with in_a_thread(ChatServer()) as server:
        result = searched(tmp_path, server, TracingObserver(traced.provider))
        asked = list(server.bodies)
    (session,) = traced.named("session")
    assert told(session)["agenttts.session"] == result.session_id
    assert told(session)["agenttts.best.score"] == result.best.score
    assert session.parent is None
    assert len({span.context.trace_id for span in traced.spans if span.context}) == 1
    assert [told(span)["agenttts.batch"] for span in traced.named("batch")] == [0, 1]
    trials = {told(span)["agenttts.trial"]: span for span in traced.named("trial")}
    for trial in result.trials:
        known = told(trials[trial.number])
        assert known["agenttts.allocation"] == str(trial.allocation)
        assert known["agenttts.score"] == trial.score
        assert known["agenttts.generations.paid"] == trial.usage.paid
        assert traced.ancestors(trials[trial.number]) == ["batch", "session"]
    stages = [span for span in traced.named("stage") if "trial" in traced.ancestors(span)]
    assert len(stages) == 3 * 2 * 2
    assert {told(span)["agenttts.stage"] for span in stages} == {"first", "second"}
    chats = traced.named("chat")
    assert len(chats) == len(asked)
    assert any(traced.ancestors(span)[-3:] == ["trial", "batch", "session"] for span in chats)
    assert {name for span in traced.named("session") for name in [event.name for event in span.events]} >= {
        "agenttts.best",
        "agenttts.judging",
    }


def test_a_chat_span_follows_the_conventions_and_holds_no_text(tmp_path: Path) -> None:
    traced = Traced()
    with in_a_thread(ChatServer()) as server:
        searched(tmp_path, server, TracingObserver(traced.provider))
        bodies = list(server.bodies)
        port = int(server.base_url.rsplit(":", 1)[1].split("/")[0])
    for span in traced.named("chat"):
        known = told(span)
        assert span.kind is SpanKind.CLIENT
        assert span.name == f"chat {known['gen_ai.request.model']}"
        assert known["gen_ai.operation.name"] == "chat"
        assert known["gen_ai.provider.name"] == "openai"
        assert (known["server.address"], known["server.port"]) == ("127.0.0.1", port)
        assert known["gen_ai.request.max_tokens"] == 4
        assert known["gen_ai.usage.input_tokens"] == 7
        assert known["gen_ai.usage.output_tokens"] > 0
        choices = known.get("gen_ai.request.choice.count", 1)
        assert known["gen_ai.response.finish_reasons"] == ("stop",) * choices
    for name in ("seed", "temperature", "top_p"):
        sent = sorted(body[name] for body in bodies if name in body)
        noted = [told(span).get(f"gen_ai.request.{name}") for span in traced.named("chat")]
        assert sorted(value for value in noted if value is not None) == sent
    assert KEY not in traced.text
    assert "word" not in traced.text  # what every answer of the server begins with
    assert not any("messages" in name for span in traced.spans for name in told(span))


@pytest.mark.parametrize(("setting", "wanted"), [("true", True), ("SPAN_ONLY", True), ("EVENT_ONLY", False)])
def test_texts_stand_in_spans_where_the_standard_variable_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, wanted: bool
) -> None:
    monkeypatch.setenv(CONTENT, setting)
    traced = Traced()
    with in_a_thread(ChatServer()) as server:
        searched(tmp_path, server, TracingObserver(traced.provider))
    known = told(traced.named("chat")[0])
    assert ("gen_ai.input.messages" in known) == ("gen_ai.output.messages" in known) == wanted
    if wanted:
        (message,) = json.loads(known["gen_ai.input.messages"])
        assert message["role"] == "user"
        assert message["parts"][0]["content"].startswith(("first ", "second "))
        assert json.loads(known["gen_ai.output.messages"])[0]["parts"][0]["content"].startswith("word")
    assert KEY not in traced.text


def test_what_fails_says_its_kind_and_not_its_words(tmp_path: Path) -> None:
    traced = Traced()
    with in_a_thread(ChatServer()) as server:
        server.script += [error("the prompt was: secret words", status=403)] * 50
        with pytest.raises(EndpointError):
            searched(tmp_path, server, TracingObserver(traced.provider))
    (session,) = traced.named("session")
    assert session.status.status_code is StatusCode.ERROR
    assert told(session)["error.type"] == "EndpointError"
    assert told(traced.named("chat")[0])["error.type"] == "EndpointError"
    assert "secret words" not in traced.text


def test_a_retried_request_is_a_span_of_its_own(tmp_path: Path) -> None:
    traced = Traced()
    with in_a_thread(ChatServer(traits=Traits(logprobs=False))) as server:
        searched(tmp_path, server, TracingObserver(traced.provider))
        asked = len(server.bodies)
    refused = [span for span in traced.named("chat") if "error.type" in told(span)]
    assert refused
    assert {told(span)["error.type"] for span in refused} == {"ParameterRefused"}
    assert len(traced.named("chat")) == asked


def test_the_search_agents_calls_are_spans_too(tmp_path: Path) -> None:
    traced = Traced()
    with serving(diligent) as agent:
        tts.run(
            searcher="llm",
            trials=8,
            batch=4,
            storage=f"sqlite:///{tmp_path / 'a.db'}",
            searcher_options={"model": "the-agent", "base_url": agent.url},
            observer=Observers(TracingObserver(traced.provider)),
        )
        asked = len(agent.requests)
    chats = [span for span in traced.named("chat") if told(span)["gen_ai.request.model"] == "the-agent"]
    assert len(chats) == asked
    assert {traced.ancestors(span)[0] for span in chats} <= {"propose", "guidelines"}
    assert {told(span)["gen_ai.output.type"] for span in chats} == {"text", "json"}


def test_a_session_within_a_span_of_its_caller_belongs_to_that_trace(tmp_path: Path) -> None:
    traced = Traced()
    with in_a_thread(ChatServer()) as server, traced.provider.get_tracer("mine").start_as_current_span("mine"):
        searched(tmp_path, server, TracingObserver(traced.provider))
    assert traced.ancestors(traced.named("trial")[0]) == ["batch", "session", "mine"]


def test_without_an_observer_nothing_is_traced(tmp_path: Path) -> None:
    traced = Traced()
    with in_a_thread(ChatServer()) as server:
        searched(tmp_path, server, None)
    assert traced.spans == ()


class Collector:
    """Takes OTLP over HTTP as a collector does."""

    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.exports: list[Any] = []


@contextmanager
def collector() -> Iterator[Collector]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
    )

    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            found.paths.append(self.path)
            found.headers.append({name.lower(): value for name, value in self.headers.items()})
            found.exports.append(ExportTraceServiceRequest.FromString(body))
            content = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        found.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))  # seconds until it sees that it is to end
        thread.start()
        try:
            yield found
        finally:
            http.shutdown()
            thread.join()


def agenttts(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = str(Path(sys.executable).with_name("agenttts"))
    known = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [command, *arguments], cwd=folder, env=known | environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_the_command_line_sends_to_a_collector_by_the_standard_variables(tmp_path: Path) -> None:
    with collector() as found:
        done = agenttts(
            tmp_path,
            *("search", "--searcher", "grid", "--trials", "4", "--otel", "--json"),
            OTEL_EXPORTER_OTLP_ENDPOINT=found.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-tenant=mine",
            OTEL_SERVICE_NAME="my-search",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        )
    assert done.returncode == 0, done.stderr
    assert set(found.paths) == {"/v1/traces"}
    assert found.headers[0]["x-tenant"] == "mine"
    resources = [one for export in found.exports for one in export.resource_spans]
    labels = {label.key: label.value.string_value for label in resources[0].resource.attributes}
    assert (labels["service.name"], labels["deployment.environment.name"]) == ("my-search", "test")
    spans = [span for one in resources for scope in one.scope_spans for span in scope.spans]
    names = {span.name for span in spans}
    assert names == {"session", "propose", "batch", "trial", "stage", "guidelines"}
    (session,) = [span for span in spans if span.name == "session"]
    held = {label.key: label.value.string_value for label in session.attributes}
    assert held["agenttts.session"] == json.loads(done.stdout)["session"]
    assert sum(span.name == "trial" for span in spans) == 4


def test_an_exporter_that_is_not_installed_is_refused_before_anything_runs(tmp_path: Path) -> None:
    done = agenttts(tmp_path, "search", "--otel", OTEL_TRACES_EXPORTER="zipkn")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: OTEL_TRACES_EXPORTER: 'zipkn' is not installed")
    assert not (tmp_path / "agenttts.db").exists()


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(InvalidInput, match=r"agenttts\[otel\]"):
        TracingObserver()
