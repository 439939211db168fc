"""Every strategy passes the conformance suite; what each does beyond it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttts.testing.strategies import DigitStage, Drawer, StrategyConformance, digits, distinct
from environment.stage import Stage
from environment.strategies.best_of_n import BestOfNVerifier
from environment.strategies.best_of_n_judge import UNGRADED, BestOfNJudge, grade_in
from environment.strategies.best_of_n_logprob import BestOfNLogprob
from environment.strategies.fusion import Fusion
from environment.strategies.majority import Majority
from environment.strategies.revision import Revision
from environment.strategies.short_m_at_k import Short1AtK, Short3AtK, ShortMAtK
from environment.strategies.single import Single
from environment.strategies.weighted_vote import WeightedVote, weighted_vote, weights
from environment.strategy import STRATEGIES, StageRun, Strategy, sample_request
from storage.sample import GenerationRequest, Message, Race, Sample
from tests.environment.tiny_task import CountingBackend, tiny_task
from tools.errors import InvalidInput, MissingSample, PipelineError
from tools.token_use import TOKEN_PROFILES

RunOf = Callable[..., StageRun]


def output_of(strategy: Strategy, run: StageRun, draw: Any) -> Any:
    return asyncio.run(strategy.run(run, draw))


def counts(draw: Drawer) -> list[int]:
    return [count for _, count in draw.drawn]


def drawing(*samples: Sample) -> Callable[[GenerationRequest, int], Any]:
    """A draw that gives these samples of whatever request."""

    async def draw(request: GenerationRequest, count: int) -> Sequence[Sample]:
        return list(samples[:count])

    return draw


class TestSingle(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Single()

    def test_further_samples_are_not_drawn(self, run_of: RunOf) -> None:
        few, many = Drawer(digits), Drawer(digits)
        assert output_of(Single(), run_of(1), few) == output_of(Single(), run_of(9), many)
        assert few.drawn == many.drawn
        assert counts(many) == [1]


class TestFusion(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Fusion()

    def test_it_reads_its_own_samples_greedily(self, run_of: RunOf) -> None:
        run, draw = run_of(4), Drawer(digits)
        output_of(Fusion(), run, draw)
        (sampled, count), (fusing, once) = draw.drawn
        assert (count, once) == (4, 1)
        assert fusing.sampling.temperature == 0
        for index in range(4):
            assert digits(sampled, index) in fusing.messages[-1].content

    def test_one_sample_needs_no_fusion(self, run_of: RunOf) -> None:
        draw = Drawer(digits)
        output_of(Fusion(), run_of(1), draw)
        assert counts(draw) == [1]

    def test_more_samples_extend_fewer(self, run_of: RunOf) -> None:
        few, many = Drawer(digits), Drawer(digits)
        output_of(Fusion(), run_of(2), few)
        output_of(Fusion(), run_of(5), many)
        assert few.drawn[0][0] == many.drawn[0][0], "the stored samples are used again"


class TestMajority(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Majority()

    def test_the_most_frequent_output_wins_with_one_draw(self, run_of: RunOf) -> None:
        draw = Drawer(lambda request, index: "2" if index % 3 else "5")
        assert output_of(Majority(), run_of(6), draw) == "2"
        assert counts(draw) == [6]


class TestWeightedVote(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return WeightedVote()

    def test_one_sure_sample_outvotes_two_unsure_ones(self, run_of: RunOf) -> None:
        unsure, sure = Sample("2", mean_logprob=-1.5), Sample("7", mean_logprob=-0.1)
        assert output_of(WeightedVote(), run_of(3), drawing(unsure, sure, unsure)) == "7"
        assert output_of(Majority(), run_of(3), drawing(unsure, sure, unsure)) == "2"
        less_sure = replace(sure, mean_logprob=-1.4)
        assert output_of(WeightedVote(), run_of(3), drawing(unsure, less_sure, unsure)) == "2"

    def test_a_stage_may_weigh_votes_itself(self) -> None:
        class Weighing(DigitStage):
            def weighted_vote(self, outputs: Sequence[Any], weights: Sequence[float]) -> Any:
                return outputs[list(weights).index(min(weights))]

        assert weighted_vote(Weighing(), ["1", "2"], [1.0, 0.5]) == "2"
        assert weighted_vote(DigitStage(), ["1", "2"], [1.0, 0.5]) == "1"

    def test_a_sample_without_log_probabilities_is_refused(self, run_of: RunOf) -> None:
        for strategy in (WeightedVote(), BestOfNLogprob()):
            with pytest.raises(MissingSample, match=r"'digit'.*small has no log-probabilities"):
                output_of(strategy, run_of(2), drawing(Sample("1", mean_logprob=-1.0), Sample("2")))
            assert output_of(strategy, run_of(1), drawing(Sample("2"))) == "2", "one sample needs no weight"

    def test_an_empty_response_counts_least(self, run_of: RunOf) -> None:
        samples = (Sample("", 5, 0), Sample("", 5, 0), Sample("4", mean_logprob=-9.0))
        for strategy in (WeightedVote(), BestOfNLogprob()):
            assert output_of(strategy, run_of(3), drawing(*samples)) == "4"
            assert output_of(strategy, run_of(2), drawing(*samples)) == ""

    @given(st.lists(st.floats(-20, 0), min_size=1, max_size=9), st.floats(-5, 0))
    def test_weights_are_relative_to_the_largest(self, logprobs: list[float], shift: float) -> None:
        found = weights(logprobs)
        assert max(found) == 1
        assert all(0 <= weight <= 1 for weight in found)
        assert found == pytest.approx(weights([logprob + shift for logprob in logprobs]))

    @given(st.lists(st.sampled_from("123"), min_size=1, max_size=9))
    def test_equal_weights_are_a_majority_vote(self, outputs: list[str]) -> None:
        assert weighted_vote(DigitStage(), outputs, [1.0] * len(outputs)) == DigitStage().vote(outputs)


class TestBestOfN(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return BestOfNVerifier()

    def test_the_output_that_the_verifier_prefers_wins(self, run_of: RunOf) -> None:
        draw = Drawer(lambda request, index: "29452"[index])
        assert output_of(BestOfNVerifier(), run_of(5), draw) == "9"
        assert counts(draw) == [5]

    def test_the_stages_vote_decides_among_equals(self, run_of: RunOf) -> None:
        class Even(DigitStage):
            def verifier(self, output: Any, example: Any, upstream: Mapping[str, Any]) -> float:
                return float(int(output) % 2 == 0)

        draw = Drawer(lambda request, index: "711642"[index] if index < 6 else "4")
        assert output_of(BestOfNVerifier(), replace(run_of(8), stage=Even()), draw) == "4"

    def test_the_verifier_sees_the_example_and_what_came_before(self, run_of: RunOf) -> None:
        class Near(DigitStage):
            def verifier(self, output: Any, example: Any, upstream: Mapping[str, Any]) -> float:
                return -abs(int(output) - example.number - upstream["before"])

        run = replace(run_of(4, number=3), stage=Near(), upstream={"before": 2})
        assert output_of(BestOfNVerifier(), run, Drawer(lambda request, index: "1359"[index])) == "5"

    def test_a_verifier_may_be_a_coroutine(self, run_of: RunOf) -> None:
        class Slow(DigitStage):
            async def verifier(self, output: Any, example: Any, upstream: Mapping[str, Any]) -> float:  # type: ignore[override]
                for _ in range(int(output)):
                    await asyncio.sleep(0)
                return float(output)

        run = replace(run_of(4), stage=Slow())
        assert output_of(BestOfNVerifier(), run, Drawer(lambda request, index: "5387"[index])) == "8"

    def test_what_could_not_be_read_is_not_rated(self, run_of: RunOf) -> None:
        class Reading(DigitStage):
            def parse(self, text: str, example: Any) -> Any:
                return super().parse(text, example) or None

            def verifier(self, output: Any, example: Any, upstream: Mapping[str, Any]) -> float:
                return float(output)

        for texts, expected in (("?2?3", "3"), ("??1?", "1"), ("????", None)):
            run, draw = replace(run_of(4), stage=Reading()), Drawer(lambda request, index, texts=texts: texts[index])
            assert output_of(BestOfNVerifier(), run, draw) == expected

    def test_a_function_may_be_named(self, run_of: RunOf) -> None:
        class Named(DigitStage):
            verifier = "tests.environment.test_strategies:smallest"  # type: ignore[assignment]

        run = replace(run_of(4), stage=Named())
        BestOfNVerifier().require(run.stage)
        assert output_of(BestOfNVerifier(), run, Drawer(lambda request, index: "5387"[index])) == "3"

    @pytest.mark.parametrize(
        ("verifier", "problem"),
        [
            (None, "missing"),
            ("", "missing"),
            ("no_such_module:check", "there is no module 'no_such_module'"),
            ("tests.environment.test_strategies:nothing", "has no 'nothing'"),
            ("tests.environment.test_strategies", "is not MODULE:ATTRIBUTE"),
            (7, "must be a function"),
        ],
    )
    def test_a_stage_without_a_verifier_is_refused(self, verifier: object, problem: str) -> None:
        stage = DigitStage()
        stage.verifier = verifier  # type: ignore[assignment, method-assign]
        with pytest.raises(InvalidInput, match=problem) as caught:
            BestOfNVerifier().require(stage)
        assert str(caught.value).startswith("stage 'digit' verifier: ")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("rating", [float("nan"), "high", None])
    def test_a_rating_that_is_no_number_fails_the_run_with_its_place(self, run_of: RunOf, rating: object) -> None:
        stage = DigitStage()
        stage.verifier = lambda output, example, upstream: rating  # type: ignore[assignment, method-assign, return-value]
        with pytest.raises(PipelineError, match="subtask 'digit', example 'example-3': the verifier"):
            output_of(BestOfNVerifier(), replace(run_of(2), stage=stage), Drawer(digits))


def smallest(output: str, example: Any, upstream: Mapping[str, Any]) -> float:
    return -float(output)


class TestBestOfNLogprob(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return BestOfNLogprob()

    def test_the_surest_sample_wins(self, run_of: RunOf) -> None:
        samples = [Sample(text, mean_logprob=sure) for text, sure in (("1", -0.5), ("1", -0.4), ("8", -0.2))]
        assert output_of(BestOfNLogprob(), run_of(3), drawing(*samples)) == "8"


class TestBestOfNJudge(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return BestOfNJudge()

    def graded(self, stage: Stage, run_of: RunOf, reply: Callable[[str], str]) -> tuple[Any, Drawer]:
        """Five different samples, each graded by what `reply` makes of the judge's prompt."""

        def text(request: GenerationRequest, index: int) -> str:
            sampled = request.sampling == stage.sampling
            return str(index) if sampled else reply(request.messages[-1].content)

        draw = Drawer(text)
        return output_of(BestOfNJudge(), replace(run_of(5), stage=stage), draw), draw

    def test_the_best_graded_response_wins(self, stage: Stage, run_of: RunOf) -> None:
        output, draw = self.graded(stage, run_of, lambda prompt: "9/10" if "grade:\n3\n" in prompt else "Grade: 4.5")
        assert output == "3"
        judged = [request for request, _ in draw.drawn[1:]]
        assert len(judged) == 5
        assert all(request.sampling.temperature == 0 for request in judged)
        assert all("Say 3." in request.messages[-1].content for request in judged), "the judge sees the request"

    def test_a_reply_without_a_grade_is_the_worst(self, stage: Stage, run_of: RunOf) -> None:
        output, _ = self.graded(stage, run_of, lambda prompt: "0" if "grade:\n4\n" in prompt else "I cannot say")
        assert output == "4"

    def test_another_model_may_judge_with_a_prompt_of_the_stages_own(self, run_of: RunOf) -> None:
        class Judged(DigitStage):
            judge_model = "large"

            def judge_messages(self, example: Any, upstream: Mapping[str, Any], response: str) -> tuple[Message, ...]:
                return (Message("user", f"How near is {response} to {example.number}?"),)

        output, draw = self.graded(Judged(), run_of, lambda prompt: "10" if " 2 " in prompt else "1")
        assert output == "2"
        assert [request.model for request, _ in draw.drawn] == ["small"] + 5 * ["large"]
        assert draw.drawn[1][0].messages == (Message("user", "How near is 0 to 3?"),)

    def test_equal_responses_are_graded_once(self, run_of: RunOf) -> None:
        draw = Drawer(lambda request, index: "57"[index % 2])
        output_of(BestOfNJudge(), run_of(8), draw)
        assert counts(draw) == [8, 1, 1]

    @pytest.mark.parametrize(
        ("reply", "grade"),
        [
            ("7", 7),
            ("10", 10),
            ("10/10", 10),
            ("Grade: 8.5.", 8.5),
            ("**9**", 9),
            ("0", 0),
            ("I give 3 out of 10", 3),
            ("10.7", 10),
            ("11", UNGRADED),
            ("100", UNGRADED),
            ("", UNGRADED),
            ("ten", UNGRADED),
            ("2026-01-02", UNGRADED),
            ("\u0667", UNGRADED),
            ("7" * 5000, UNGRADED),
        ],
    )
    def test_the_first_number_of_a_reply_is_the_grade(self, reply: str, grade: float) -> None:
        assert grade_in(reply) == grade


class TestShortMAtK(StrategyConformance):
    @pytest.fixture(params=[Short1AtK, Short3AtK])
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        made: Strategy = request.param()
        return made

    def test_more_samples_than_count_are_raced(self, strategy: ShortMAtK, run_of: RunOf) -> None:
        draw = Drawer(digits)
        output_of(strategy, run_of(8), draw)
        ((request, count),) = draw.drawn
        assert (request.race, count) == (Race(8, strategy.finishers), strategy.finishers)

    def test_as_many_as_count_are_plain_samples(self, strategy: ShortMAtK, run_of: RunOf) -> None:
        draw, run = Drawer(digits), run_of(strategy.finishers)
        output_of(strategy, run, draw)
        assert draw.drawn == [(sample_request(run), strategy.finishers)], "shared with every other strategy"


def test_a_tied_vote_of_plain_samples_goes_to_the_shortest() -> None:
    samples = [Sample(text, generation_tokens=tokens) for text, tokens in (("1", 30), ("2", 10), ("3", 20))]
    run = StageRun(DigitStage(), type("Example", (), {"id": "e", "number": 3}), {}, "small", 3)
    assert output_of(Short3AtK(), run, drawing(*samples)) == "2"


class TestRevision(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Revision()

    def test_each_step_sees_the_last_response(self, run_of: RunOf) -> None:
        run, draw = run_of(4), Drawer(distinct)
        output = output_of(Revision(), run, draw)
        assert counts(draw) == [1, 1, 1, 1]
        prompt = run.stage.messages(run.example, run.upstream)
        for (before, _), (request, _) in zip(draw.drawn, draw.drawn[1:], strict=False):
            assert request.messages[:-1] == (*prompt, Message("assistant", distinct(before, 0)))
            assert request.messages[-1].role == "user"
            assert request.sampling == run.sampling
        assert output == run.stage.parse(distinct(draw.drawn[-1][0], 0), run.example)

    def test_a_longer_chain_extends_a_shorter_one(self, run_of: RunOf) -> None:
        short, long = Drawer(distinct), Drawer(distinct)
        output_of(Revision(), run_of(3), short)
        output_of(Revision(), run_of(6), long)
        assert long.drawn[:3] == short.drawn

    def test_a_repeated_response_ends_the_chain(self, run_of: RunOf) -> None:
        draw = Drawer(lambda request, index: "4" if len(request.messages) == 1 else "5")
        assert output_of(Revision(), run_of(9), draw) == "5"
        assert counts(draw) == [1, 1, 1], "4, 5, and 5 again"

    def test_a_stage_may_ask_in_its_own_words(self, run_of: RunOf) -> None:
        class Asking(DigitStage):
            def revision_messages(
                self, example: Any, upstream: Mapping[str, Any], response: str
            ) -> tuple[Message, ...]:
                return (Message("user", f"Not {response}!"),)

        draw = Drawer(distinct)
        output_of(Revision(), replace(run_of(2), stage=Asking()), draw)
        assert draw.drawn[1][0].messages == (Message("user", f"Not {distinct(draw.drawn[0][0], 0)}!"),)


def test_every_strategy_has_a_token_profile_and_its_registered_name() -> None:
    names = STRATEGIES.names()
    assert {"single", "fusion", "majority", "weighted-vote", "revision", "b4"} <= set(names)
    assert {"best-of-n", "best-of-n-judge", "best-of-n-logprob", "short-1-at-k", "short-3-at-k"} <= set(names)
    assert set(names) <= set(TOKEN_PROFILES.names())
    aliases = {"self-consistency": "majority"}
    assert {name: STRATEGIES.get(name).name for name in names} == {name: aliases.get(name, name) for name in names}
    assert STRATEGIES.get("self-consistency") is Majority


@pytest.mark.parametrize(("strategy", "problem"), [("best-of-n", "verifier: missing"), ("b4", "writes and runs tests")])
def test_a_stage_that_cannot_run_a_strategy_refuses_when_the_task_is_built(strategy: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=f"stage 'first' .*{problem}") as caught:
        tiny_task(CountingBackend(), strategy=strategy)
    assert "\n" not in str(caught.value)
