"""Where an OpenAI-compatible server is and how hard it may be driven."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from environment.backends.keys import key_of
from environment.backends.providers import AZURE, provider_of
from tools.declared import names_misfits
from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import require_count, require_instance, require_positive

UNANSWERED = ("empty", "fail")
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie"})
API_VERSION = re.compile(r"[A-Za-z0-9.-]{1,40}")
DEPLOYMENT = "/openai/deployments/"


@names_misfits
@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an OpenAI-compatible server listens and how hard it may be driven.

    `key_env` names the environment variable that holds the key, "" the one that is usual at that host
    (docs/endpoints.md); the key itself is read when the backend connects and kept nowhere else.
    `concurrency` is the number of requests under way at once, `timeout` the seconds one request may
    take, `max_attempts` how often it is tried, and `max_choices` caps the choices of one request
    (None: as many as the server turns out to give).
    `unanswered` says what becomes of a prompt that the model cannot take or a text that its filter
    removes every time: "empty" scores it as an empty answer, "fail" ends the session.
    `api_version` is that of Azure's deployments, and makes it one: the key goes into the header
    api-key, and the model's name into the path where that names no deployment. `headers` are sent
    with every request, and hold no keys. Raises InvalidInput naming the wrong field.
    """

    base_url: str
    key_env: str = ""
    concurrency: int = 8
    timeout: float = 120.0
    max_attempts: int = 8
    max_choices: int | None = None
    unanswered: str = "empty"
    api_version: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        require_instance("endpoint.base_url", self.base_url, str)
        require_instance("endpoint.key_env", self.key_env, str)
        if not self.key_env:
            object.__setattr__(self, "key_env", provider_of(self.base_url).key_env)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.key_env):
            # Not shown: a name this odd is probably the key itself.
            raise InvalidInput("endpoint.key_env", "must be the NAME of an environment variable, not a key")
        if problem := _url_problem(self.base_url):
            raise InvalidInput("endpoint.base_url", problem.format(key_env=self.key_env))
        if self.unanswered not in UNANSWERED:
            raise InvalidInput(
                "endpoint.unanswered", f"must be one of {', '.join(UNANSWERED)}, got {shortened(self.unanswered)}"
            )
        if problem := self._version_problem():
            raise InvalidInput("endpoint.api_version", problem)
        if problem := _headers_problem(self.headers):
            raise InvalidInput("endpoint.headers", problem.format(key_env=self.key_env))
        require_positive("endpoint.timeout", self.timeout)
        counts = {"concurrency": self.concurrency, "max_attempts": self.max_attempts}
        if self.max_choices is not None:
            counts["max_choices"] = self.max_choices
        for name, value in counts.items():
            require_count(f"endpoint.{name}", value)

    @property
    def provider(self) -> str:
        """Who serves it, by OpenTelemetry's names."""
        return AZURE.name if self.api_version else provider_of(self.base_url).name

    @property
    def address(self) -> str:
        """The base URL as messages and logs show it."""
        return self.base_url.rstrip("/")

    @property
    def secret(self) -> str:
        """The key as the environment or the keyring holds it now; "" where there is none."""
        return key_of(self.key_env)

    @property
    def client_key(self) -> str:
        """What to hand the client: the key, or a stand-in where the server wants none, since it insists on one."""
        return self.secret or "none"

    def _version_problem(self) -> str | None:
        if self.api_version and not API_VERSION.fullmatch(self.api_version):
            return "must be a version of Azure's API, such as 2024-10-21"
        if not self.api_version and provider_of(self.base_url) is AZURE and DEPLOYMENT in self.base_url:
            return "is missing, such as 2024-10-21; only https://RESOURCE.openai.azure.com/openai/v1 needs none"
        return None


def _headers_problem(headers: Mapping[str, str]) -> str | None:
    """Why headers cannot be sent. Their values are not shown, for one may be a secret."""
    for name, value in headers.items():
        if name.lower() in SECRET_HEADERS:
            return f"{name} would hold a key; put the key into {{key_env}}"
        if not re.fullmatch(r"[A-Za-z0-9-]+", name):
            return "has a name that is no header's"
        if not isinstance(value, str) or not re.fullmatch(r"[\x20-\x7e]*", value):
            return f"{name} must be a text of plain characters"
    return None


def _url_problem(url: str) -> str | None:
    """Why a base URL cannot be used. It is not shown, for it may hold a secret."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return "must be an http(s) URL like http://127.0.0.1:8080/v1"
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Sessions store their endpoints, and HTTP clients log the URLs they call.
        return "must be an address alone, without a password or a query; put the key into {key_env}"
    return None
