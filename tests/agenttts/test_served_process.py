"""`agenttts serve` as people run it: a process of its own on a real port, and clients that mean it no good."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.environment.chat_server import ChatServer
from tests.environment.served import served
from tests.waiting import until

TOKEN = "sesame-0123"  # noqa: S105 - of a server of this test
WAITING, SPARE = 32, 64
PROGRAM = """
from agenttts.serving import application, connections
application.SECONDS_TO_SEND = connections.SECONDS_FOR_HEADERS = 1.5
from agenttts.cli.app import main
main()
"""
"""The command, less patient than it is elsewhere."""
PIPELINE = """
name: guarded
models: [{{name: m, parameters: 1B, endpoint: "{url}"}}]
dataset: {{file: data.jsonl, search: 1, held_out: 1}}
subtasks:
  - name: answer
    prompt_tokens: 20
    generation_tokens: 5
    metric: {{name: exact_match, gold: answer}}
    prompt: "{{{{ example.question }}}}"
max_samples: 2
allocation: {{answer: {{model: m, samples: 1}}}}
"""


@dataclass
class Served:
    """The process, its port and the model's endpoint behind it."""

    process: subprocess.Popen[str]
    port: int
    model: ChatServer
    told: list[str] = field(default_factory=list)

    def connected(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client.settimeout(20)
        return client

    def ask(self, content: bytes) -> bytes:
        """What comes back for these bytes until the server closes the connection."""
        with self.connected() as client:
            client.sendall(content)
            return all_of(client)

    def hold(self) -> None:
        """The model answers nobody until `go_on`."""
        self.model.hold.clear()

    def go_on(self) -> None:
        self.model.in_its_loop(self.model.hold.set)

    def is_answered(self) -> None:
        assert self.ask(request()).startswith(b"HTTP/1.1 200 ")


def all_of(client: socket.socket) -> bytes:
    received = b""
    try:
        while piece := client.recv(65536):
            received += piece
    except ConnectionResetError:
        pass  # closed with something of ours unread
    return received


def request(token: str = TOKEN, body: bytes | None = None, length: int | None = None) -> bytes:
    asked = {"messages": [{"role": "user", "content": "hi"}]}
    content = json.dumps(asked).encode() if body is None else body
    length = len(content) if length is None else length
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + content


def command(folder: Path, *arguments: str, token: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "AGENTTTS_SERVE_TOKEN": token}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAM, "serve", "best.yaml", "--port", "0", *arguments],
        cwd=folder,
        env=environment,
        **pipes,  # type: ignore[call-overload]
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "data.jsonl").write_text('{"question": "a", "answer": "b"}\n{"question": "c", "answer": "d"}\n')
    with served() as model:
        (folder / "best.yaml").write_text(PIPELINE.format(url=model.url))
        # No command reaches further than the loopback address without a token.
        with command(folder, "--host", "0.0.0.0") as refused:  # noqa: S104 - it is refused
            out, err = refused.communicate(timeout=60)
            assert (refused.returncode, out) == (2, "")
            assert re.fullmatch(r"Error: --host: 0\.0\.0\.0 can be reached by others: put a bearer token .*\n", err)
        with command(folder, "--concurrency", "1", "--most-bytes", "2000", token=TOKEN) as process:
            try:
                assert process.stdout is not None
                lines = [process.stdout.readline() for _ in range(2)]
                found = re.search(r"http://127\.0\.0\.1:(\d+)/v1", lines[-1])
                assert found, lines
                yield Served(process, int(found[1]), model.server, lines)
            finally:
                model.server.in_its_loop(model.server.hold.set)
                process.kill()


def test_it_listens_at_the_loopback_address_alone(server: Served) -> None:
    listening = Path(f"/proc/{server.process.pid}/net/tcp")
    if not listening.exists():
        pytest.skip("sockets are listed on Linux alone")
    rows = [line.split() for line in listening.read_text().splitlines()[1:]]
    at = {row[1] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == server.port}
    assert at == {f"0100007F:{server.port:04X}"}
    assert TOKEN not in "".join(server.told)


def test_only_the_token_opens_it(server: Served) -> None:
    server.is_answered()
    asked = len(server.model.bodies)
    for token in ("", "x", TOKEN[:-1], TOKEN + "0", "é", "\x7f"):
        assert server.ask(request(token)).startswith(b"HTTP/1.1 401 ")
    without = request().replace(f"Authorization: Bearer {TOKEN}\r\n".encode(), b"")
    assert server.ask(without).startswith(b"HTTP/1.1 401 ")
    assert len(server.model.bodies) == asked


def test_long_and_broken_requests_are_refused(server: Served) -> None:
    asked = len(server.model.bodies)
    assert server.ask(request(body=b" " * 2001)).startswith(b"HTTP/1.1 413 ")
    assert server.ask(request(body=b" " * 2001, length=10**15)).startswith(b"HTTP/1.1 413 ")
    chunked = request(body=b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    assert server.ask(chunked + b"7d0\r\n" + b" " * 2000 + b"\r\n1\r\n \r\n").startswith(b"HTTP/1.1 413 ")
    for broken in (
        b"\x00" * 99 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"x" * 99_999,
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 30_000,
    ):
        assert server.ask(broken)[:13] in (b"HTTP/1.1 400 ", b"")
    both = request().replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length")
    assert not server.ask(both).startswith(b"HTTP/1.1 200 ")
    assert len(server.model.bodies) == asked
    server.is_answered()


def test_slow_clients_lose_their_connection(server: Served) -> None:
    """Whether they send nothing, a head that never ends, a body that never ends, or go on after their refusal."""
    silent, slow_head, slow_body, again = (server.connected() for _ in range(4))
    with silent, slow_head, slow_body, again:
        slow_head.sendall(b"GET /health HTTP/1.1\r\n")
        slow_body.sendall(request(body=b"{", length=100))
        again.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert again.recv(65536).startswith(b"HTTP/1.1 200 ")
        ended = 0
        began = time.monotonic()
        for client in (slow_head, again):
            # A few bytes now and then do not keep it.
            while time.monotonic() - began < 30:
                try:
                    client.sendall(b"a: b\r\n" if client is slow_head else b"G")
                except OSError:
                    ended += 1
                    break
                time.sleep(0.05)
        assert ended == 2
        assert all_of(silent) == b""
        assert all_of(slow_body).startswith(b"HTTP/1.1 408 ")
    server.is_answered()


@pytest.mark.slow
def test_beyond_what_may_wait_clients_are_told_to_come_back(server: Served) -> None:
    before, over = len(server.model.bodies), 5
    server.hold()
    with ExitStack() as open_ones:
        clients = []
        for _ in range(1 + WAITING + over):
            clients.append(open_ones.enter_context(server.connected()))
            clients[-1].sendall(request())  # at once, since the server waits for no silent client
        refused: set[socket.socket] = set()
        while len(refused) < over:
            refused |= set(select.select(clients, [], [], 20)[0])
        assert all(says_come_back(all_of(client), b"429") for client in refused)
        until(lambda: one_more_is_refused(server))
        until(lambda: server.model.in_flight == 1)
        server.go_on()
        assert all(all_of(client).startswith(b"HTTP/1.1 200 ") for client in clients if client not in refused)
    assert server.model.most_in_flight == 1
    assert len(server.model.bodies) == before + 1 + WAITING
    server.is_answered()


def one_more_is_refused(server: Served) -> bool:
    """Whether a connection beyond the spare ones is; those are closed soon, since they send nothing."""
    with ExitStack() as idle:
        for _ in range(SPARE):
            idle.enter_context(server.connected())
        return says_come_back(server.ask(request()), b"503")


def says_come_back(answer: bytes, status: bytes) -> bool:
    assert b"\r\nretry-after: 1\r\n" in answer.lower()
    return answer.startswith(b"HTTP/1.1 " + status + b" ")


def test_it_ends_cleanly_when_it_is_asked_to(server: Served) -> None:
    """The answer under way is still given, nothing further is taken; the last test, since the server is gone then."""
    server.hold()
    with server.connected() as client, server.connected():
        client.sendall(request())
        until(lambda: server.model.in_flight == 1)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not accepts(server))
        server.go_on()
        assert all_of(client).startswith(b"HTTP/1.1 200 ")
    _, err = server.process.communicate(timeout=30)
    assert server.process.returncode == 0
    assert "Traceback" not in err
    assert TOKEN not in err


def accepts(server: Served) -> bool:
    try:
        server.connected().close()
    except ConnectionRefusedError:
        return False
    return True
