"""Who asks the sandbox: the user of the tests, and where that is root an ordinary user too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Protocol

import pytest

from environment.sandbox.limits import Limits, SandboxRun
from environment.sandbox.sandbox import Sandbox, available

ROOT = Path(__file__).parents[3]
SYSTEM_PYTHON = "/usr/bin/python3"
ORDINARY_USER = 61_999
DRIVER = """
import json, sys
from environment.sandbox.limits import Limits
from environment.sandbox.sandbox import Sandbox, available
from dataclasses import asdict
order = json.load(sys.stdin)
if order["isolation"] is None:
    print(json.dumps(dict(available())))
else:
    box = Sandbox(Limits(**order["limits"]), order["isolation"])
    print(json.dumps(asdict(box.run(order["files"], order["command"], order["stdin"]))))
"""


class Caller(Protocol):
    """A user of the sandbox, with a home that holds a secret file."""

    home: Path
    user: int

    def missing(self, level: str) -> str: ...

    def run(
        self, level: str, limits: Limits, files: Mapping[str, str], command: Sequence[str], stdin: str | None = ""
    ) -> SandboxRun: ...


class ThisUser:
    """Calls from the test's own process, whose environment holds a key."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.user = os.getuid()

    def missing(self, level: str) -> str:
        return available()[level]

    def run(
        self, level: str, limits: Limits, files: Mapping[str, str], command: Sequence[str], stdin: str | None = ""
    ) -> SandboxRun:
        os.environ["API_KEY"] = "THE_KEY"
        try:
            return Sandbox(limits, level).run(files, command, stdin)
        finally:
            del os.environ["API_KEY"]


class OrdinaryUser:
    """Calls from a process without privileges, on a copy of the code that it may read."""

    user = ORDINARY_USER

    def __init__(self, home: Path, code: Path) -> None:
        self.home = home
        self._code = code

    def missing(self, level: str) -> str:
        return str(_available_to_ordinary(self)[level])

    def run(
        self, level: str, limits: Limits, files: Mapping[str, str], command: Sequence[str], stdin: str | None = ""
    ) -> SandboxRun:
        order = {"isolation": level, "limits": asdict(limits), "files": files, "command": command, "stdin": stdin}
        return SandboxRun(**self.ask(order))

    def ask(self, order: Mapping[str, object]) -> dict[str, object]:
        done = subprocess.run(
            [SYSTEM_PYTHON, "-c", DRIVER],
            input=json.dumps(order),
            cwd=self._code,
            env={"HOME": str(self.home), "API_KEY": "THE_KEY", "PATH": "/usr/local/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            user=ORDINARY_USER,
            group=ORDINARY_USER,
            extra_groups=[],
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


@cache
def _available_to_ordinary(caller: OrdinaryUser) -> Mapping[str, object]:
    return caller.ask({"isolation": None})


@contextmanager
def an_ordinary_user() -> Iterator[OrdinaryUser]:
    """An ordinary user; skips where the test cannot become one."""
    if os.getuid() != 0:
        pytest.skip("only root can become an ordinary user; this one is one already")
    if not os.access(SYSTEM_PYTHON, os.X_OK):
        pytest.skip(f"an ordinary user needs {SYSTEM_PYTHON}")
    # pytest's own folders belong to root alone.
    folder = Path(tempfile.mkdtemp(prefix="agenttts-test-"))
    try:
        folder.chmod(0o755)
        code, home = folder / "code", folder / "home"
        for package in ("environment/sandbox", "tools"):
            shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "environment" / "__init__.py", code / "environment")
        home.mkdir(mode=0o700)
        os.chown(home, ORDINARY_USER, ORDINARY_USER)
        yield OrdinaryUser(home, code)
    finally:
        shutil.rmtree(folder)
