"""A chat endpoint on loopback that plays the search agent: real HTTP, scripted answers."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


class AgentServer:
    """Counts and answers chat requests; `answer` maps a request body to a status and a body."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.url = ""

    def handle(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.requests.append(request)
        return self.answer(request)


@contextmanager
def serving(answer: Answer) -> Iterator[AgentServer]:
    server = AgentServer(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            status, body = server.handle(json.loads(self.rfile.read(length)))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked may have been killed
                self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}/v1"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))  # seconds until it sees that it is to end
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def completion(text: str, tool_calls: list[dict[str, Any]] | None = None) -> tuple[int, dict[str, Any]]:
    """A 200 with one message."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if tool_calls:
        message["tool_calls"] = tool_calls
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return 200, body


def refusal(status: int, message: str) -> tuple[int, dict[str, Any]]:
    """An error status as OpenAI-compatible servers send it."""
    return status, {"error": {"message": message, "type": "invalid_request_error"}}


def diligent(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """An agent that obeys the schema it is sent, seeded by the question; some proposals are over budget."""
    if "response_format" not in request:
        return completion("READY" if "tools" in request else "Try more samples.")
    schema = request["response_format"]["json_schema"]["schema"]["properties"]["allocations"]
    digest = hashlib.sha256(json.dumps(request["messages"]).encode()).digest()
    numbers = itertools.cycle(digest)
    allocations = []
    for _ in range(schema["minItems"]):
        choices = {}
        for name, choice in schema["items"]["properties"].items():
            models, samples = choice["properties"]["model"]["enum"], choice["properties"]["samples"]
            counts = samples.get("enum") or range(samples["minimum"], samples["maximum"] + 1)
            choices[name] = {
                "model": models[next(numbers) % len(models)],
                "samples": counts[next(numbers) % len(counts)],
            }
        allocations.append(choices)
    return completion(json.dumps({"allocations": allocations}))
