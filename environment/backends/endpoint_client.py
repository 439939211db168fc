"""The HTTP client of an endpoint, with its key, its headers and, on Azure, its API version."""

from __future__ import annotations

import ssl
from functools import cache, lru_cache
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


def _transport(endpoint: Endpoint) -> httpx2.AsyncClient:
    """What carries the requests: with as many connections, kept open, as there may be requests under way.

    By default some would be closed after every answer.
    """
    limits = httpx2.Limits(max_connections=endpoint.concurrency, max_keepalive_connections=endpoint.concurrency)
    return _Carrier(limits=limits, verify=_trusted())


class _Carrier(openai.DefaultAioHttpClient):
    """Carries whole requests, as openai builds them, by aiohttp, which takes a third of httpx2's processor time.

    Of what httpx2 does beside that, a request to an endpoint needs little: it comes with its URL and all of
    its headers, and no cookies. Where it does need more, httpx2 does it.
    """

    def build_request(self, method: str, url: httpx2.URL | str, **options: Any) -> httpx2.Request:
        """The request. Its time-out is None or httpx2's."""
        content, headers, timeout = options.pop("content", None), options.pop("headers"), options.pop("timeout")
        if any(options.values()):
            rest = options | {"content": content, "headers": headers, "timeout": timeout}
            return super().build_request(method, url, **rest)
        times = {"timeout": httpx2.Timeout(timeout).as_dict()}
        return httpx2.Request(method, _parsed(str(url)), content=content, headers=headers, extensions=times)

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """The answer; read to its end unless it is a stream."""
        response = await self._transport_for_url(request.url).handle_async_request(request)
        response.request = request
        try:
            if response.has_redirect_location:
                await response.aclose()
                return await super().send(request, stream=stream, **options)
            if not stream:
                await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return response


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx2.URL:
    return httpx2.URL(url)


def client(endpoint: Endpoint, timeout: float | None, max_retries: int = 0) -> openai.OpenAI:
    """As `async_client`, for callers without an event loop."""
    http_client = openai.DefaultHttpxClient(verify=_trusted())
    settings = _settings(endpoint, timeout, max_retries) | {"http_client": http_client}
    if endpoint.api_version:
        return openai.AzureOpenAI(api_version=endpoint.api_version, **settings)
    return openai.OpenAI(**settings)


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted: loading them takes tens of milliseconds, and some clients make one call."""
    return httpx2.create_ssl_context()


def _settings(endpoint: Endpoint, timeout: float | None, max_retries: int) -> dict[str, Any]:
    return {
        "base_url": endpoint.base_url,
        "api_key": endpoint.client_key,
        "default_headers": dict(endpoint.headers),
        "timeout": timeout,
        "max_retries": max_retries,
    }
