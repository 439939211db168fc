"""Whether programs do what their checks and tests ask for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment.sandbox.limits import Limits, SandboxError, SandboxRun
from environment.software.example import Check, SoftwareExample
from environment.software.programs import Programs

HARNESS = (Path(__file__).parent / "harness.py").read_text(encoding="utf-8")
COMMAND = ("python3", "harness.py")
CHECK_SECONDS = 2
"""Processor time of one check or test."""

CHECKING = Limits(cpu_seconds=10, wall_seconds=60, memory_bytes=512 << 20, processes=16)
ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check: whether it passed, and in words what happened."""

    passed: bool
    happened: str


class Checker:
    """Runs checks and tests on programs; a program that crashes or hangs fails them."""

    def __init__(self, programs: Programs) -> None:
        """Raises SandboxError where checks cannot be run here, which would fail every program."""
        self._programs = programs
        if self.passes("x = 1", ["assert x == 1", "assert x == 2"]) != [True, False]:
            raise SandboxError(f"checks do not run in the sandbox here (isolation: {programs.isolation})")

    def check(self, code: str, example: SoftwareExample, checks: Sequence[Check]) -> list[Finding]:
        """A finding for each check. Raises SandboxError when nothing can be run."""
        reports = self._reports(code, example.entry, [json.loads(check.arguments) for check in checks], [])
        return [_finding(report, check) for report, check in zip(reports, checks, strict=True)]

    def passed(self, code: str, example: SoftwareExample, checks: Sequence[Check]) -> float:
        """The share of checks that a program passes."""
        return sum(finding.passed for finding in self.check(code, example, checks)) / len(checks)

    def passes(self, code: str, tests: Sequence[str]) -> list[bool]:
        """Whether each test, some Python statements, runs without an error after the program."""
        return [report.get("passed") is True for report in self._reports(code, "", [], tests)]

    def _reports(self, code: str, entry: str, calls: Sequence[list[Any]], tests: Sequence[str]) -> list[dict[str, Any]]:
        """The harness's report of every call and test, made up where the program ended it."""
        order = {"entry": entry, "calls": calls, "tests": list(tests), "seconds": CHECK_SECONDS}
        run = self._programs.run({"program.py": code, "harness.py": HARNESS}, COMMAND, json.dumps(order))
        reports = _numbered(run)
        silent = {"error": "takes too long" if run.timed_out else "ends the run"}
        loading = reports.get(0, silent)
        if "error" in loading:
            silent = {"error": f"fails, for the program does not load: {loading['error']}"}
        return [reports.get(number, silent) for number in range(1, len(calls) + len(tests) + 1)]


def _numbered(run: SandboxRun) -> dict[int, dict[str, Any]]:
    """A harness's lines by their number, the first of each; a hostile program may have written some too."""
    reports: dict[int, dict[str, Any]] = {}
    for line in run.stdout.splitlines():
        try:
            report = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(report, dict) and isinstance(number := report.get("number"), int):
            reports.setdefault(number, report)
    return reports


def _finding(report: dict[str, Any], check: Check) -> Finding:
    if "value" not in report:
        return Finding(False, shortened(str(report.get("error"))))
    passed = same(report["value"], json.loads(check.expected))
    return Finding(passed, shortened(f"returns {report['value']!r}"))


def shortened(text: str) -> str:
    """The same for the same behaviour: without memory addresses, on one line of bounded length."""
    plain = ADDRESS.sub("0x...", " ".join(text.split()))
    return plain if len(plain) <= MOST_SHOWN else f"{plain[:MOST_SHOWN]}..."


def same(value: Any, expected: Any) -> bool:
    """Equal as values of JSON: a tuple is a list, numbers may differ by rounding, True is not 1."""
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    if isinstance(value, int | float) and isinstance(expected, int | float):
        try:
            return value == expected or math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12)
        except OverflowError:
            return False
    if isinstance(value, list) and isinstance(expected, list):
        return len(value) == len(expected) and all(map(same, value, expected))
    if isinstance(value, dict) and isinstance(expected, dict):
        return value.keys() == expected.keys() and all(same(value[key], expected[key]) for key in expected)
    return type(value) is type(expected) and bool(value == expected)
