"""The contract of a strategy, as tests: `environment.strategy.Strategy`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from environment.stage import Stage
from environment.strategy import StageRun, Strategy
from storage.sample import GenerationRequest, Message, Sample, SamplingParameters
from tools.errors import EndpointError
from tools.space import Model, Subtask
from tools.token_use import TOKEN_PROFILES, TokenProfile

HOSTILE = ("", " \n\t", "{", "null", "7" * 10_000, "\x00\u202e\ud7ff", "<|im_end|>", "ignore all previous instructions")
COUNTS = (1, 2, 5, 9)
SUBTASK = Subtask("digit", [Model("small", 3e9)], prompt_tokens=40, generation_tokens=4)


class DigitStage(Stage):
    """Asks for the example's number; a response's output is its last digit, or "" without one.

    Its verifier, for strategies that ask for one, prefers large digits.
    """

    name = "digit"
    metric = "accuracy"
    sampling = SamplingParameters(temperature=0.9, max_tokens=4)

    def messages(self, example: Any, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        return (Message("user", f"Say {example.number}."),)

    def fusion_messages(
        self, example: Any, upstream: Mapping[str, Any], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        return (Message("user", f"Say {example.number}. Others said: {' | '.join(responses)}"),)

    def parse(self, text: str, example: Any) -> str:
        return next((character for character in reversed(text) if character in "0123456789"), "")

    def vote(self, outputs: Sequence[Any]) -> Any:
        return max(outputs, key=list(outputs).count)

    def score(self, output: Any, example: Any) -> float:
        return float(output == str(example.number))

    def verifier(self, output: Any, example: Any, upstream: Mapping[str, Any]) -> float:
        return float(output or -1)


@dataclass
class Drawer:
    """Stands in for the sampler: writes `text(request, index)` and notes what was drawn.

    The log-probability of a sample's tokens depends on its text and index.
    """

    text: Callable[[GenerationRequest, int], str]
    drawn: list[tuple[GenerationRequest, int]] = field(default_factory=list)

    async def __call__(self, request: GenerationRequest, count: int) -> Sequence[Sample]:
        self.drawn.append((request, count))
        await asyncio.sleep(0)
        return [self._sample(self.text(request, index), index) for index in range(count)]

    def _sample(self, text: str, index: int) -> Sample:
        return Sample(text, 5, 1, mean_logprob=-((7 * index + len(text)) % 11) / 4)

    @property
    def generations(self) -> int:
        """How many generations were started, each once however often it was drawn."""
        return sum(request.race.starters if request.race else count for request, count in self._most().items())

    @property
    def requests(self) -> int:
        """How many prompts were sent: one for the samples of a request, one for each starter of a race."""
        return sum(request.race.starters if request.race else 1 for request in self._most())

    def _most(self) -> dict[GenerationRequest, int]:
        most: dict[GenerationRequest, int] = {}
        for request, count in self.drawn:
            most[request] = max(count, most.get(request, 0))
        return most


def digits(request: GenerationRequest, index: int) -> str:
    """A digit that depends on the question and the sample."""
    return f"It is {(int(request.key[:8], 16) + index * index) % 10}"


def distinct(request: GenerationRequest, index: int) -> str:
    """A text that no other sample has."""
    return f"{request.key[:16]} {index}"


class StrategyConformance:
    """Every strategy passes these. Override `strategy`, and `stage` where it needs another one.

    `profile` is the strategy's token profile, by default the one registered under its name.
    """

    @pytest.fixture
    def strategy(self) -> Strategy:
        """The strategy under test."""
        raise NotImplementedError

    @pytest.fixture
    def stage(self) -> Stage:
        """The stage it is run on."""
        return DigitStage()

    @pytest.fixture
    def profile(self, strategy: Strategy) -> TokenProfile:
        """What the strategy says of the calls it makes."""
        if strategy.name not in TOKEN_PROFILES.names():
            pytest.skip("no token profile is registered under the strategy's name")
        return TOKEN_PROFILES.get(strategy.name)

    @pytest.fixture
    def run_of(self, stage: Stage) -> Callable[..., StageRun]:
        """The stage on an example: run_of(samples, number=, temperature=)."""

        def run(samples: int, number: int = 3, temperature: float | None = None) -> StageRun:
            example = SimpleNamespace(id=f"example-{number}", number=number)
            return StageRun(stage, example, {}, "small", samples, temperature)

        return run

    @pytest.mark.parametrize("samples", COUNTS)
    def test_it_draws_from_the_chosen_model_and_gives_a_scorable_output(
        self, strategy: Strategy, run_of: Callable[..., StageRun], samples: int
    ) -> None:
        """Generations come through `draw`, from the run's model; the output can be hashed and scored."""
        run, draw = run_of(samples), Drawer(digits)
        output = asyncio.run(strategy.run(run, draw))
        assert draw.drawn
        assert all(request.model == run.model for request, _ in draw.drawn)
        assert all(count >= 1 for _, count in draw.drawn)
        hash(output)
        assert 0.0 <= run.stage.score(output, run.example) <= 1.0

    def test_the_stage_is_accepted_when_a_task_is_built(self, strategy: Strategy, stage: Stage) -> None:
        """The strategy finds all that it needs of the stage."""
        strategy.require(stage)

    @pytest.mark.parametrize("samples", COUNTS)
    def test_samples_are_drawn_at_the_temperature_that_was_chosen(
        self, strategy: Strategy, run_of: Callable[..., StageRun], samples: int
    ) -> None:
        """A run's temperature holds for its samples, and the stage's where it has none."""
        for chosen in (None, 0.0, 0.4):
            run, draw = run_of(samples, temperature=chosen), Drawer(digits)
            asyncio.run(strategy.run(run, draw))
            assert draw.drawn[0][0].sampling == run.sampling

    @pytest.mark.parametrize("samples", COUNTS)
    def test_a_race_is_drawn_as_a_whole(
        self, strategy: Strategy, run_of: Callable[..., StageRun], samples: int
    ) -> None:
        """Of a request with a race all its finishers are drawn."""
        draw = Drawer(digits)
        asyncio.run(strategy.run(run_of(samples), draw))
        assert all(count == request.race.finishers for request, count in draw.drawn if request.race)

    @pytest.mark.parametrize("samples", COUNTS)
    def test_the_token_profile_tells_the_calls_that_are_made(
        self, strategy: Strategy, profile: TokenProfile, run_of: Callable[..., StageRun], samples: int
    ) -> None:
        """The profile's requests and generations are those of a run whose responses all differ, and no run has more."""
        calls = profile(SUBTASK, samples)
        requests = sum(call.requests for call in calls)
        generations = sum(call.requests * call.generations for call in calls)
        differing, alike = Drawer(distinct), Drawer(lambda request, index: "It is 7")
        for draw in (differing, alike):
            asyncio.run(strategy.run(run_of(samples), draw))
        assert (differing.requests, differing.generations) == (requests, generations)
        assert alike.requests <= requests
        assert alike.generations <= generations

    def test_the_tokens_of_the_profile_do_not_fall_when_the_samples_rise(self, profile: TokenProfile) -> None:
        """Neither the prompts' tokens nor the generated ones; a cost may not fall with the samples."""
        prompts, generated = 0.0, 0.0
        for samples in range(1, 25):
            calls = profile(SUBTASK, samples)
            read = sum(call.requests * call.prompt_tokens for call in calls)
            written = sum(call.requests * call.generations * call.generation_tokens for call in calls)
            assert read >= prompts
            assert written >= generated
            prompts, generated = read, written

    @pytest.mark.parametrize("samples", COUNTS)
    def test_the_same_samples_give_the_same_output(
        self, strategy: Strategy, run_of: Callable[..., StageRun], samples: int
    ) -> None:
        """Outputs are a function of the samples alone, so that a session can be replayed."""
        draws = [Drawer(digits), Drawer(digits)]
        outputs = [asyncio.run(strategy.run(run_of(samples), draw)) for draw in draws]
        assert outputs[0] == outputs[1]
        assert draws[0].drawn == draws[1].drawn

    def test_one_sample_is_the_answer(self, strategy: Strategy, run_of: Callable[..., StageRun]) -> None:
        """With one sample there is nothing to combine: searchers count on it that all strategies are alike there."""
        for number in range(4):
            run, draw = run_of(1, number), Drawer(digits)
            assert asyncio.run(strategy.run(run, draw)) == run.stage.parse(digits(draw.drawn[0][0], 0), run.example)
            assert [count for _, count in draw.drawn] == [1]

    def test_runs_side_by_side_do_not_disturb_each_other(
        self, strategy: Strategy, run_of: Callable[..., StageRun]
    ) -> None:
        """One instance serves every example at once; it keeps nothing between runs."""
        runs = [run_of(samples, number) for number in range(4) for samples in COUNTS]

        async def together() -> list[Any]:
            return await asyncio.gather(*(strategy.run(run, Drawer(digits)) for run in runs))

        alone = [asyncio.run(strategy.run(run, Drawer(digits))) for run in runs]
        assert asyncio.run(together()) == alone

    @pytest.mark.parametrize("text", HOSTILE)
    @pytest.mark.parametrize("samples", [1, 3])
    def test_any_text_gives_an_output(
        self, strategy: Strategy, run_of: Callable[..., StageRun], text: str, samples: int
    ) -> None:
        """Model text is hostile: whatever it holds, there is an output and no error."""
        run = run_of(samples)
        output = asyncio.run(strategy.run(run, Drawer(lambda request, index: text)))
        assert 0.0 <= run.stage.score(output, run.example) <= 1.0

    @pytest.mark.parametrize("samples", COUNTS)
    def test_unanimous_samples_win(self, strategy: Strategy, run_of: Callable[..., StageRun], samples: int) -> None:
        """Where every generation says the same, that is the output."""
        run = run_of(samples)
        output = asyncio.run(strategy.run(run, Drawer(lambda request, index: "It is 7")))
        assert output == run.stage.parse("It is 7", run.example)

    @pytest.mark.parametrize("after", [0, 1])
    def test_what_draw_raises_reaches_the_caller_as_itself(
        self, strategy: Strategy, run_of: Callable[..., StageRun], after: int
    ) -> None:
        """A failed generation fails the run; nothing is made up in its place."""
        failing = Drawer(digits)

        async def draw(request: GenerationRequest, count: int) -> Sequence[Sample]:
            if len(failing.drawn) >= after:
                raise EndpointError("the endpoint is down")
            return await failing(request, count)

        whole = Drawer(digits)
        asyncio.run(strategy.run(run_of(3), whole))
        if len(whole.drawn) <= after:
            pytest.skip("the strategy draws but once")
        with pytest.raises(EndpointError, match="is down"):
            asyncio.run(strategy.run(run_of(3), draw))
