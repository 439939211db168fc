"""The slots of a llama.cpp server: how many samples it draws side by side."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import httpx2
import openai
from pydantic import BaseModel, Field, ValidationError

from environment.backend import part_of
from environment.backends.adaptive_limit import AdaptiveLimit
from environment.backends.endpoint import Endpoint
from environment.backends.endpoint_client import async_client
from tools.space import MOST_TOKENS

LOG = logging.getLogger(__name__)

LLAMA_CPP = "llama.cpp"
"""The header `server` of its answers."""
SECONDS_TO_ANSWER = 20.0


class _Properties(BaseModel):
    total_slots: int = Field(ge=1, le=MOST_TOKENS)


class Slots:
    """Asks a server once, beside its work, and tells the endpoint's limit. Belongs to one event loop."""

    def __init__(self, endpoint: Endpoint, limit: AdaptiveLimit) -> None:
        self._endpoint = endpoint
        self._limit = limit
        self._part, self._parts = 0, 1
        self._asking: asyncio.Task[None] | None = None

    def share(self, part: int, parts: int) -> None:
        """Counts on this part of the slots alone, one at least."""
        self._part, self._parts = part, parts

    def learn(self) -> None:
        """Begins to ask, unless that was done."""
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask())

    async def aclose(self) -> None:
        """Asks no longer."""
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking

    async def _ask(self) -> None:
        root = self._endpoint.address.removesuffix("/v1")
        try:
            async with async_client(self._endpoint, SECONDS_TO_ANSWER) as client:
                response = await client.get(f"{root}/props", cast_to=httpx2.Response)
            slots = _Properties.model_validate_json(response.content).total_slots
        except (openai.APIError, ValidationError) as error:
            LOG.info("%s: its slots are not known: %s", self._endpoint.address, type(error).__name__)
            return
        self._limit.slots = max(1, part_of(slots, self._part, self._parts))
