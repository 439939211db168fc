"""The three stages of writing software, for functions that examples check."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from environment.prompt_template import PromptTemplate
from environment.side_by_side import side_by_side
from environment.software.checking import Checker
from environment.software.code_text import code_in, tree_of, voted_code
from environment.software.example import SoftwareExample
from environment.software.inspection import faults
from environment.software.programs import Programs
from environment.stage import Stage
from storage.sample import Message, SamplingParameters

PROMPTS = Path(__file__).parent / "prompts"
CODING, STATIC_TESTING, DYNAMIC_TESTING = "coding", "static-testing", "dynamic-testing"
TEMPERATURE = 0.9
TEST = re.compile(r"^[ \t>*-]*(?:\d+[.)][ \t]*)?`?(assert\b[^\n]*?)`?[ \t]*$", re.MULTILINE)
MOST_TESTS = 10
"""Tests that are read of one response."""

Upstream = Mapping[str, str]


class CodeStage(Stage):
    """Asks for a whole program; the output is its text, "" where a response holds none.

    Scores, and the prompts of dynamic testing, run programs in the sandbox. `prepare` and `judge`
    do that off the event loop; `messages` and `score` block where a run is not known yet.
    """

    template: str

    def __init__(self, programs: Programs, max_tokens: int) -> None:
        self.sampling = SamplingParameters(TEMPERATURE, max_tokens)
        self._programs = programs
        self._prompt = PromptTemplate(PROMPTS / self.template)

    def messages(self, example: SoftwareExample, upstream: Upstream) -> tuple[Message, ...]:
        return self.fusion_messages(example, upstream, ())

    def fusion_messages(
        self, example: SoftwareExample, upstream: Upstream, responses: Sequence[str]
    ) -> tuple[Message, ...]:
        return self._prompt.render(responses=responses, **self.shown(example, upstream))

    @abstractmethod
    def shown(self, example: SoftwareExample, upstream: Upstream) -> dict[str, object]:
        """What the prompt's template shows."""

    def parse(self, text: str, example: SoftwareExample) -> str:
        return code_in(text, example.entry)

    def vote(self, outputs: Sequence[str]) -> str:
        return voted_code(outputs)

    def weighted_vote(self, outputs: Sequence[str], weights: Sequence[float]) -> str:
        """The vote, each sample counted by its weight."""
        return voted_code(outputs, weights)

    async def prepare(self, example: SoftwareExample, upstream: Upstream) -> None:
        await self._programs.off_loop(self.messages, example, upstream)

    async def judge(self, output: str, example: SoftwareExample) -> float:
        return await self._programs.off_loop(self.score, output, example)


def latest(upstream: Upstream) -> str:
    """The program as the stages before left it: one that wrote none changed nothing."""
    return next((code for stage in (STATIC_TESTING, CODING) if (code := upstream.get(stage, ""))), "")


class FunctionStage(CodeStage):
    """A stage on functions: hidden checks score it, and generated tests can choose its output (B4)."""

    metric = "tests passed"

    def __init__(self, programs: Programs, max_tokens: int) -> None:
        super().__init__(programs, max_tokens)
        self.checker = Checker(programs)
        self._tests = PromptTemplate(PROMPTS / "tests.j2")

    def task(self, example: SoftwareExample) -> dict[str, object]:
        """The task as every prompt tells it."""
        return {
            "requirement": example.requirement,
            "checks": [(check.call(example.entry), check.value) for check in example.public],
        }

    def score(self, output: str, example: SoftwareExample) -> float:
        """The share of hidden checks that the program passes. Raises SandboxError."""
        return self.checker.passed(output, example, example.hidden) if output else 0.0

    async def verifier(self, output: str, example: SoftwareExample, upstream: Upstream) -> float:
        """What best-of-n rates by: the share of the public checks, which every prompt shows."""
        if not output:
            return 0.0
        return await self._programs.off_loop(self.checker.passed, output, example, example.public)

    def test_messages(self, example: SoftwareExample, upstream: Upstream) -> tuple[Message, ...]:
        """Asks for tests; no program is shown."""
        return self._tests.render(**self.task(example))

    def parse_tests(self, text: str, example: SoftwareExample) -> Sequence[str]:
        """The lines that assert something of the function and are Python."""
        found = (match.group(1) for match in TEST.finditer(text))
        tests = [test for test in found if re.search(rf"\b{re.escape(example.entry)}\s*\(", test) and tree_of(test)]
        return tests[:MOST_TESTS]

    async def passes(
        self, candidates: Sequence[str], tests: Sequence[str], example: SoftwareExample
    ) -> Sequence[Sequence[bool]]:
        """Which candidate passes which test, each program run once. Raises SandboxError."""
        distinct = list(dict.fromkeys(candidates))
        runs = (self._programs.off_loop(self.checker.passes, code, tuple(tests)) for code in distinct)
        rows = dict(zip(distinct, await side_by_side(runs), strict=True))
        return [rows[code] for code in candidates]


class CodingStage(FunctionStage):
    """Writes the program."""

    name = CODING
    template = "coding.j2"

    def shown(self, example: SoftwareExample, upstream: Upstream) -> dict[str, object]:
        return self.task(example)


class StaticTestingStage(FunctionStage):
    """Reads the program, together with the faults that are sure, and repairs it."""

    name = STATIC_TESTING
    template = "static_testing.j2"

    def shown(self, example: SoftwareExample, upstream: Upstream) -> dict[str, object]:
        code = latest(upstream)
        return {**self.task(example), "code": code, "faults": faults(code, example.entry)}


class DynamicTestingStage(FunctionStage):
    """Runs the program on the public checks, sees what happened, and repairs it."""

    name = DYNAMIC_TESTING
    template = "dynamic_testing.j2"

    def shown(self, example: SoftwareExample, upstream: Upstream) -> dict[str, object]:
        code = latest(upstream)
        findings = self.checker.check(code, example, example.public)
        happened = [
            f"{check.call(example.entry)} {finding.happened}"
            + (", as it must" if finding.passed else f", but must return {check.value}")
            for check, finding in zip(example.public, findings, strict=True)
        ]
        return {**self.task(example), "code": code, "happened": happened}
