"""Who serves an endpoint, by its host: which variable usually holds the key, and its name in traces."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

KEY_ENV = "OPENAI_API_KEY"


@dataclass(frozen=True, slots=True)
class Provider:
    """`name` is the value of gen_ai.provider.name in OpenTelemetry; `hosts` are its hosts, or with a leading dot ends
    of them."""

    name: str
    hosts: tuple[str, ...]
    key_env: str = KEY_ENV


OPENAI = Provider("openai", ("api.openai.com",))
AZURE = Provider(
    "azure.ai.openai",
    (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
    "AZURE_OPENAI_API_KEY",
)
PROVIDERS = (
    OPENAI,
    AZURE,
    Provider("together", ("api.together.xyz", "api.together.ai"), "TOGETHER_API_KEY"),
    Provider("openrouter", ("openrouter.ai",), "OPENROUTER_API_KEY"),
)


def provider_of(url: str) -> Provider:
    """The provider of a base URL; OpenAI, whose protocol it speaks, for a host that nobody here knows."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    for provider in PROVIDERS:
        if any(host.endswith(known) if known.startswith(".") else host == known for known in provider.hosts):
            return provider
    return OPENAI
