"""B4: choosing code by plausible tests (Chen et al. 2024, arXiv 2409.08692)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lgamma
from typing import Any, Protocol, runtime_checkable

from environment.stage import Stage
from environment.strategy import Draw, StageRun, Strategy, sample_request
from storage.sample import GenerationRequest, Message
from tools.errors import InvalidInput
from tools.space import Subtask
from tools.token_use import Call, samples_alone

Passes = Sequence[Sequence[bool]]
"""passes[i][j]: whether candidate i passes test j."""


@runtime_checkable
class HasTests(Protocol):
    """A stage whose outputs are programs that generated tests can be run on."""

    def test_messages(self, example: Any, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        """The prompt that asks for tests, without showing a candidate."""
        ...

    def parse_tests(self, text: str, example: Any) -> Sequence[str]:
        """The tests in a response, each one that can pass or fail on its own. Any text gives a list."""
        ...

    async def passes(self, candidates: Sequence[Any], tests: Sequence[str], example: Any) -> Passes:
        """Runs every test on every candidate, in a sandbox; a candidate that crashes or hangs fails.

        Its answer must not depend on anything but its arguments. Raises what the sandbox raises
        when it cannot run at all.
        """
        ...


@dataclass(frozen=True, slots=True)
class Prior:
    """The beliefs of B4, by default the values of the authors' released experiments.

    `beta_0` above 1 says that a wrong program seldom passes a wrong test; `alpha_xy` above 1 that
    programs and tests are often right.
    """

    beta_0: float = 1e5
    alpha_xy: float = 1e3


PRIOR = Prior()


class B4(Strategy):
    """S programs and S responses with tests are drawn; the most probable set of equal programs wins.

    Programs that pass the same tests form a set; its earliest program is the output. Where the
    responses hold no test, the stage's vote decides. One sample needs no tests.
    """

    name = "b4"

    def require(self, stage: Stage) -> None:
        _tested(stage)

    async def run(self, run: StageRun, draw: Draw) -> Any:
        stage = run.stage
        samples = await draw(sample_request(run), run.samples)
        candidates = [stage.parse(sample.text, run.example) for sample in samples]
        if run.samples == 1:
            return candidates[0]
        tests = await _tests(run, draw)
        if not tests:
            return stage.vote(candidates)
        return candidates[best_candidate(await _tested(stage).passes(candidates, tests, run.example))]


def _tested(stage: Stage) -> HasTests:
    if isinstance(stage, HasTests):
        return stage
    raise InvalidInput(
        f"stage {stage.name!r} strategy",
        "b4 needs a stage that writes and runs tests (test_messages, parse_tests, passes); choose another strategy",
    )


async def _tests(run: StageRun, draw: Draw) -> list[str]:
    """The distinct tests of S responses, in their order."""
    stage = _tested(run.stage)
    request = GenerationRequest(run.model, stage.test_messages(run.example, run.upstream), run.sampling)
    responses = await draw(request, run.samples)
    return list(dict.fromkeys(test for one in responses for test in stage.parse_tests(one.text, run.example)))


def best_candidate(passes: Passes, prior: Prior = PRIOR) -> int:
    """The earliest candidate of the most probable consensus set; the earlier set among equals.

    Raises ValueError without candidates, or where they were not all given the same tests.
    """
    posteriors = log_posteriors(passes, prior)
    best = max(posteriors.values())
    row = next(row for row, posterior in posteriors.items() if posterior == best)
    return [tuple(candidate) for candidate in passes].index(row)


def log_posteriors(passes: Passes, prior: Prior = PRIOR) -> dict[tuple[bool, ...], float]:
    """For each consensus set, by the tests it passes: log of its posterior probability, up to a constant.

    The hypothesis is that exactly the set's programs and exactly the tests they pass are right.
    With N programs of which n are in the set, M tests of which m they pass, and the others' results
    on the m tests (p1 passes, f1 failures) and on the rest (p0, f0), it is the sum of four log Beta
    functions: B(n + alpha_xy, N - n + 1) for the programs, B(m + alpha_xy, M - m + 1) for the tests,
    B(p1 + 1, f1 + 1) for wrong programs on right tests and B(p0 + 1, f0 + beta_0) for wrong programs
    on wrong tests (arXiv 2409.08692, section 4).
    """
    rows = [tuple(bool(passed) for passed in row) for row in passes]
    if len({len(row) for row in rows}) != 1:
        raise ValueError("needs at least one candidate, and the same tests for each")
    return {row: _log_posterior(row, rows, prior) for row in dict.fromkeys(rows)}


def _log_posterior(right: tuple[bool, ...], rows: Sequence[tuple[bool, ...]], prior: Prior) -> float:
    others = [row for row in rows if row != right]
    members, tests, passed = len(rows) - len(others), len(right), sum(right)
    # A test that the set passes counts as right, so passing it is no fault of the others.
    passes_right = sum(row[test] for row in others for test in range(tests) if right[test])
    passes_wrong = sum(row[test] for row in others for test in range(tests) if not right[test])
    return (
        _log_beta(members + prior.alpha_xy, len(others) + 1)
        + _log_beta(passed + prior.alpha_xy, tests - passed + 1)
        + _log_beta(passes_right + 1, len(others) * passed - passes_right + 1)
        + _log_beta(passes_wrong + 1, len(others) * (tests - passed) - passes_wrong + prior.beta_0)
    )


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def b4_tokens(subtask: Subtask, samples: int) -> Sequence[Call]:
    """The programs, and where there are several as many responses with tests, taken to be as long."""
    drawn = samples_alone(subtask, samples)
    return drawn if samples == 1 else (*drawn, *drawn)
