"""The contract of a backend, as tests: `environment.backend.Backend`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

import pytest

from environment.backend import Backend, Collected, collected
from storage.sample import GenerationRequest, Message, Sample, SamplingParameters
from tools.errors import EndpointError, MissingSample, StorageError

Connect = Callable[[], AbstractAsyncContextManager[Backend]]
"""Opens a fresh backend for the length of a block; the block closes it."""

QUESTIONS = 6
"""The suite asks for samples 0 to 4 of this many requests: `question(0)` and so on."""


def question(number: int, model: str = "model") -> GenerationRequest:
    """The suite's requests."""
    return GenerationRequest(model, (Message("user", f"Question {number}?"),), SamplingParameters(0.9, 16))


class BackendConformance:
    """Every backend passes these. Override `connect` and `broken`, and `model` for the name it serves.

    A backend whose samples are not repeatable, as a server's without seeds, sets `repeatable` False.
    """

    repeatable = True

    @pytest.fixture
    def connect(self) -> Connect:
        """Opens the backend under test, able to answer every `question`."""
        raise NotImplementedError

    @pytest.fixture
    def broken(self) -> Connect:
        """Opens a backend that cannot answer: its server is gone, its recording empty."""
        raise NotImplementedError

    @pytest.fixture
    def model(self) -> str:
        """The name of a model that the backend serves."""
        return "model"

    @pytest.mark.parametrize("indices", [[0], [0, 1, 2], [4], [2, 3], [3, 0, 4], []])
    def test_there_is_one_valid_sample_for_each_index(self, connect: Connect, model: str, indices: list[int]) -> None:
        """As many samples as indices, each with a text, counts of tokens and a latency that make sense."""

        async def draw() -> None:
            async with connect() as backend:
                samples = await collected(backend, question(0, model), indices)
                assert len(samples) == len(indices)
                for sample in samples:
                    assert isinstance(sample.text, str)
                    assert sample.prompt_tokens >= 0
                    assert sample.generation_tokens >= 0
                    assert sample.latency >= 0
                    assert sample.finish_reason

        asyncio.run(draw())

    def test_samples_come_in_the_order_of_their_indices(self, connect: Connect, model: str) -> None:
        """An index has its text in whatever order and company it is asked for."""
        if not self.repeatable:
            pytest.skip("the backend's samples are not repeatable")

        async def draw() -> None:
            async with connect() as backend:
                texts = [sample.text for sample in await collected(backend, question(0, model), range(5))]
                for indices in ([4, 0, 2], [1], [2, 3]):
                    samples = await collected(backend, question(0, model), indices)
                    assert [sample.text for sample in samples] == [texts[index] for index in indices]

        asyncio.run(draw())

    def test_each_index_is_delivered_once(self, connect: Connect, model: str) -> None:
        """Whatever the grouping, no index comes twice and none that was not asked for."""

        class Counted(Collected):
            async def deliver(self, samples: Mapping[int, Sample]) -> None:
                assert samples
                assert not set(samples) & set(self.samples)
                await super().deliver(samples)

        async def draw() -> None:
            async with connect() as backend:
                for indices in ([0, 1, 2, 3, 4], [3, 0], [1]):
                    received = Counted()
                    await backend.generate(question(0, model), indices, received)
                    assert sorted(received.samples) == sorted(indices)

        asyncio.run(draw())

    def test_what_the_receiver_raises_goes_through(self, connect: Connect, model: str) -> None:
        """A sample that cannot be kept ends the call, as itself."""

        class Full(Collected):
            async def deliver(self, samples: Mapping[int, Sample]) -> None:
                raise StorageError("the disk is full")

        async def draw() -> None:
            async with connect() as backend:
                with pytest.raises(StorageError, match="the disk is full"):
                    await backend.generate(question(0, model), range(3), Full())

        asyncio.run(draw())

    def test_many_calls_run_side_by_side(self, connect: Connect, model: str) -> None:
        """Calls come many at a time from one event loop, and each gets its own samples."""

        async def draw() -> None:
            async with connect() as backend:
                calls = [collected(backend, question(number, model), range(3)) for number in range(QUESTIONS)]
                together = await asyncio.gather(*calls)
                assert [len(samples) for samples in together] == [3] * QUESTIONS
                if self.repeatable:
                    for number, samples in enumerate(together):
                        alone = await collected(backend, question(number, model), range(3))
                        assert [s.text for s in alone] == [s.text for s in samples]

        asyncio.run(draw())

    def test_it_fails_with_one_of_two_errors(self, broken: Connect, model: str) -> None:
        """EndpointError when the endpoint failed for good, MissingSample when a recording lacks a sample."""

        async def draw() -> None:
            async with broken() as backend:
                with pytest.raises((EndpointError, MissingSample)) as caught:
                    await collected(backend, question(0, model), range(3))
                assert model in str(caught.value)

        asyncio.run(draw())

    def test_a_cancelled_call_leaves_the_backend_usable(self, connect: Connect, model: str) -> None:
        """The first failure of a trial cancels its other draws; the next trial uses the same backend."""

        async def draw() -> None:
            async with connect() as backend:
                call = asyncio.create_task(collected(backend, question(1, model), range(5)))
                await asyncio.sleep(0)
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
                assert len(await collected(backend, question(1, model), range(5))) == 5

        asyncio.run(draw())

    def test_it_may_be_opened_and_closed_unused(self, connect: Connect) -> None:
        """A session whose samples are all stored never calls its backends."""

        async def close() -> None:
            async with connect():
                pass

        asyncio.run(close())
