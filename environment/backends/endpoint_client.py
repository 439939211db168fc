"""The HTTP client of an endpoint, with its key, its headers and, on Azure, its API version."""

from __future__ import annotations

from typing import Any

import aiohttp
import httpx2
import openai

from environment.backends.endpoint import Endpoint


def async_client(endpoint: Endpoint, timeout: float | None, max_retries: int = 0) -> openai.AsyncOpenAI:
    """A client whose requests go to the endpoint; `timeout` is in seconds."""
    settings = _settings(endpoint, timeout, max_retries) | {"http_client": _transport(endpoint)}
    if endpoint.api_version:
        return openai.AsyncAzureOpenAI(api_version=endpoint.api_version, **settings)
    return openai.AsyncOpenAI(**settings)


def was_sent(error: openai.APIConnectionError) -> bool:
    """Whether a request of `async_client` had reached the server when the connection failed."""
    # Looked up below what openai made of it, which calls every lost connection a time-out of connecting.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return False
        cause = cause.__cause__
    return True


def _transport(endpoint: Endpoint) -> Any:
    """What carries the requests: with as many connections, kept open, as there may be requests under way.

    By default some would be closed after every answer. aiohttp takes a third of httpx2's processor time.
    """
    limits = httpx2.Limits(max_connections=endpoint.concurrency, max_keepalive_connections=endpoint.concurrency)
    return openai.DefaultAioHttpClient(limits=limits)


def client(endpoint: Endpoint, timeout: float | None, max_retries: int = 0) -> openai.OpenAI:
    """As `async_client`, for callers without an event loop."""
    settings = _settings(endpoint, timeout, max_retries)
    if endpoint.api_version:
        return openai.AzureOpenAI(api_version=endpoint.api_version, **settings)
    return openai.OpenAI(**settings)


def _settings(endpoint: Endpoint, timeout: float | None, max_retries: int) -> dict[str, Any]:
    return {
        "base_url": endpoint.base_url,
        "api_key": endpoint.client_key,
        "default_headers": dict(endpoint.headers),
        "timeout": timeout,
        "max_retries": max_retries,
    }
