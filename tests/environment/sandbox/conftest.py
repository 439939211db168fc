"""Every test of the sandbox runs at every level that its caller has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from environment.sandbox.limits import LEVELS, Limits, SandboxRun
from tests.environment.sandbox.callers import Caller, OrdinaryUser, ThisUser, an_ordinary_user

SMALL = Limits(
    cpu_seconds=2,
    wall_seconds=20,
    memory_bytes=200 << 20,
    processes=16,
    file_bytes=4 << 20,
    disk_bytes=8 << 20,
    files=200,
    output_bytes=50_000,
)
"""Bounds at which an attack is over soon, and harmless where a bound should fail."""


@dataclass(frozen=True)
class Confined:
    """A caller at a level."""

    caller: Caller
    level: str

    def run(
        self,
        program: str,
        *arguments: str,
        stdin: str | None = "",
        files: Mapping[str, str] | None = None,
        **limits: int,
    ) -> SandboxRun:
        """How a Python program ends."""
        command: Sequence[str] = ["python3", "main.py", *arguments]
        return self.caller.run(
            self.level, replace(SMALL, **limits), {"main.py": program, **(files or {})}, command, stdin
        )

    @property
    def mounts(self) -> bool:
        """Whether the program has a file system and a process table of its own."""
        return self.level in ("bubblewrap", "namespaces")

    @property
    def shares_files(self) -> bool:
        """Whether nothing keeps the program from files that its caller owns."""
        return self.level == "limits" and self.caller.user != 0


@pytest.fixture(scope="session")
def this_user(tmp_path_factory: pytest.TempPathFactory) -> ThisUser:
    return ThisUser(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def ordinary_user() -> Iterator[OrdinaryUser]:
    with an_ordinary_user() as ordinary:
        yield ordinary


@pytest.fixture(params=LEVELS)
def confined(request: pytest.FixtureRequest, this_user: ThisUser) -> Confined:
    """At each level, as whoever runs the tests."""
    return _confined(this_user, request.param)


@pytest.fixture(params=[f"{caller} {level}" for caller in ("this_user", "ordinary_user") for level in LEVELS])
def confined_by_anyone(request: pytest.FixtureRequest) -> Confined:
    """At each level, as whoever runs the tests and as an ordinary user: their walls differ."""
    caller, level = request.param.split()
    return _confined(request.getfixturevalue(caller), level)


def _confined(caller: Caller, level: str) -> Confined:
    if reason := caller.missing(level):
        pytest.skip(f"{level}: {reason}")
    return Confined(caller, level)
