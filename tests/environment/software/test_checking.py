"""Checks and tests on programs, some of them hostile."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from environment.sandbox.limits import Limits, SandboxError, SandboxRun
from environment.software.checking import Checker, same, shortened
from environment.software.example import Check, SoftwareExample
from environment.software.execution import STARTING, start
from environment.software.programs import Programs

CHECKS = (Check.of([2], 4), Check.of([0], 0), Check.of([-1], -2), Check.of([10], 20))
EXAMPLE = SoftwareExample("doubling", "Write a Python function double(x).", "double", CHECKS[:1], CHECKS)
GOOD = "def double(x):\n    return 2 * x"


@pytest.mark.parametrize(
    ("code", "passed"),
    [
        (GOOD, 1.0),
        (f"import math\nprint('noise' * 1000)\n{GOOD}", 1.0),
        (f"{GOOD}\nif __name__ == '__main__':\n    print(double(int(input())))", 1.0),
        ("def double(x):\n    return x * x", 0.5),
        ("def double(x):\n    return float(x) + x", 1.0),
        ("def double(x):\n    return [2 * x]", 0.0),
        ("def double(x):\n    return {2 * x}", 0.0),
        ("def double(x):\n    return object()", 0.0),
        ("def double(x):\n    return x > 0", 0.0),
        ("def twice(x):\n    return 2 * x", 0.0),
        ("def double(:", 0.0),
        ("", 0.0),
        (f"{GOOD}\nraise SystemExit", 0.0),
        (f"{GOOD}\nimport os; os._exit(0)", 0.0),
        (f"{GOOD}\nwhile True: pass", 0.0),
        (f"{GOOD}\ninput()", 0.0),
        ("def double(x):\n    while x == 0: pass\n    return 2 * x", 0.75),
        ("import os\ndef double(x):\n    if x == 0: os._exit(0)\n    return 2 * x", 0.75),
        ("import os\ndef double(x):\n    if x == 0: os.abort()\n    return 2 * x", 0.75),
        ("def double(x):\n    if x == 0: raise KeyboardInterrupt\n    return 2 * x", 0.75),
        ("def double(x):\n    return 2 * x if x else double(x)", 0.75),
        ("seen = []\ndef double(x):\n    seen.append(x)\n    return 2 * x if len(seen) == 1 else None", 1.0),
        ("def double(x):\n    return '9' * 10**7", 0.0),
        ("import os\nfor fd in range(3, 20):\n    try: os.close(fd)\n    except OSError: pass\n" + GOOD, 0.0),
        ('import os\nos.write(3, b\'{"number": 2, "value": 9}\\n{"number": []}\\nnull\\n[[[[\\n\')\n' + GOOD, 0.75),
    ],
)
def test_programs_are_scored_by_what_they_do(checker: Checker, code: str, passed: float) -> None:
    assert checker.passed(code, EXAMPLE, EXAMPLE.hidden) == passed


@pytest.mark.slow
def test_findings_say_what_happened(checker: Checker) -> None:
    def happened(code: str) -> str:
        return checker.check(code, EXAMPLE, CHECKS[:1])[0].happened

    assert happened(GOOD) == "returns 4"
    assert happened("\ndef double(x):\n    return x / 0") == "raises ZeroDivisionError: division by zero (line 3)"
    assert happened("def double(x):\n    while True: pass") == "takes too long"
    assert happened("x = 1\ny = =").startswith(
        "fails, for the program does not load: SyntaxError: invalid syntax (line 2"
    )
    assert "takes too long" in happened("while True: pass")
    assert "type set" in happened("def double(x):\n    return {1}")


def test_the_same_behaviour_is_told_in_the_same_words() -> None:
    assert shortened("<object at 0x7f3a2b10>\n  twice") == "<object at 0x...> twice"
    assert len(shortened("x" * 1000)) < 210


def test_expected_values_never_enter_the_sandbox(checker: Checker, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import glob, sys\ndef double(x):\n    return ''.join(open(n).read() for n in sorted(glob.glob('*.py')))"
    secret = SoftwareExample("s", "", "double", (), (Check.of([1], "the-expected-value"),))
    (finding,) = checker.check(program, secret, secret.hidden)
    assert "the-expected-value" not in finding.happened
    assert not finding.passed


@pytest.mark.slow
def test_tests_pass_or_fail_each_on_its_own(checker: Checker) -> None:
    tests = [
        "assert double(2) == 4",
        "assert double(2) == 5",
        "double = None",
        "assert double(1) == 2",
        "import sys; sys.exit()",
        "assert double(",
        "while True: pass",
    ]
    assert checker.passes(GOOD, tests) == [True, False, True, True, False, False, False]
    assert checker.passes("", tests) == [False, False, True, False, False, False, False]
    assert checker.passes("raise ValueError", tests) == [False] * 7
    assert checker.passes(GOOD, []) == []


def test_where_nothing_can_be_checked_it_is_no_fault_of_the_programs(programs: Programs) -> None:
    class Broken(Programs):
        def run(self, *arguments: object) -> SandboxRun:  # type: ignore[override]
            return SandboxRun(1, "", "no Python here", "", 0.1, "limits")

    with pytest.raises(SandboxError, match="checks do not run"):
        Checker(Broken(Limits()))


@pytest.mark.parametrize(
    ("value", "expected", "equal"),
    [
        (1, 1.0, True),
        (0.1 + 0.2, 0.3, True),
        (1, True, False),
        (True, True, True),
        (0, None, False),
        ("1", 1, False),
        ([1, [2]], [1, [2]], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ({"a": 1, "b": [True]}, {"b": [True], "a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        (None, None, True),
        (10**400, 1.5, False),
        (float("nan"), float("nan"), False),
    ],
)
def test_values_are_compared_as_json(value: object, expected: object, equal: bool) -> None:
    assert same(value, expected) is equal


def test_a_program_runs_once(monkeypatch: pytest.MonkeyPatch, programs: Programs) -> None:
    fresh = Programs(Limits(), programs.isolation)
    ran = []
    sandbox_run = fresh._sandbox.run
    monkeypatch.setattr(fresh._sandbox, "run", lambda *a: (ran.append(a), sandbox_run(*a))[1])

    async def at_once() -> list[SandboxRun]:
        runs = (fresh.off_loop(fresh.run, {"a.py": "print(1)"}, ("python3", "a.py")) for _ in range(5))
        return await asyncio.gather(*runs)

    runs = asyncio.run(at_once())
    assert len(ran) == 1
    assert all(run is runs[0] for run in runs)
    fresh.run({"a.py": "print(2)"}, ("python3", "a.py"))
    fresh.run({"a.py": "print(1)"}, ("python3", "a.py"), "input")
    assert len(ran) == 3


def test_a_run_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch, programs: Programs) -> None:
    fresh = Programs(Limits(), programs.isolation)
    sandbox_run = fresh._sandbox.run

    def fail(*arguments: object) -> SandboxRun:
        raise SandboxError("no room")

    monkeypatch.setattr(fresh._sandbox, "run", fail)
    with pytest.raises(SandboxError, match="no room"):
        fresh.run({}, ("true",))
    monkeypatch.setattr(fresh._sandbox, "run", sandbox_run)
    assert fresh.run({}, ("true",)).exit == 0


@pytest.mark.parametrize(
    ("code", "runs", "words"),
    [
        ("print('Welcome!')", True, "prints: Welcome!"),
        ("name = input('Who? ')", True, "runs and waits"),
        ("import time\nwhile True: time.sleep(.1)", True, "runs and waits"),
        ("print(undefined)", False, "NameError: name 'undefined' is not defined (line 1)"),
        ("def f(:", False, "SyntaxError"),
        ("import sys; sys.exit(3)", False, "status 3"),
        ("import no_such_library", False, "ModuleNotFoundError"),
        ("x = []\nwhile True: x.append(bytes(10**6))", False, "MemoryError"),
        ("while True: print('x' * 1000)", False, "limit: output"),
        ("", False, "no program"),
    ],
)
def test_executability(started: Programs, code: str, runs: bool, words: str) -> None:
    result = start(started, code)
    assert result.runs is runs, result
    assert words in result.happened


@pytest.fixture(scope="module")
def started(programs: Programs) -> Programs:
    return Programs(replace(STARTING, wall_seconds=2.5), programs.isolation)
