"""What went wrong at an endpoint: which faults pass, which stay, and what to tell the user."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai

from environment.backends.clock import seconds_until
from storage.fault import FaultKind
from tools.errors import AgentttsError, EndpointError
from tools.text import without_passwords

PASSING_STATUSES = frozenset({408, 409, 425, 429})
OUT_OF_MONEY = "insufficient_quota"
TOO_LONG_CODE = "context_length_exceeded"
TOO_LONG = re.compile(
    r"context[ _](length|size|window)|prompt is too long|input is too long|too many (input )?tokens", re.IGNORECASE
)
CHOICES_IN_WORDS = r"|\b(one|single|multiple|several)\b[^.]{0,40}\b(choices?|completions?)\b"
HINTS = {
    400: "check the model's name, its context length and the sampling parameters",
    401: "put a valid key into the environment variable {key_env}",
    403: "the key in {key_env} may not use this model",
    404: "check the model's name and that the base URL ends where /chat/completions begins (often /v1)",
    422: "check the sampling parameters",
    429: "the account behind {key_env} has no quota left",
}


class PassingError(AgentttsError):
    """A fault that may be gone at the next try. `retry_after` is in seconds, from the server.

    `billed` says that the server may have generated, and billed, an answer that did not come in whole.
    """

    def __init__(
        self, problem: str, kind: FaultKind, retry_after: float | None = None, *, billed: bool = False
    ) -> None:
        super().__init__(problem)
        self.kind = kind
        self.retry_after = retry_after
        self.billed = billed


class PromptTooLong(EndpointError):
    """The prompt and its answer do not fit the model's context: no further try can change that."""


def is_too_long(error: openai.APIStatusError) -> bool:
    """Whether a request was refused because it does not fit the model's context.

    As OpenAI and vLLM ("maximum context length"), llama.cpp ("exceeds the available context size") and
    gateways (status 413) say it.
    """
    if error.status_code == 413 or error.code == TOO_LONG_CODE:
        return True
    return error.status_code in (400, 422, 500) and TOO_LONG.search(f"{error.message} {error.body!r}") is not None


def is_passing(error: openai.APIStatusError) -> bool:
    """Whether trying again may help; an account without money stays without money."""
    if error.code == OUT_OF_MONEY or error.type == OUT_OF_MONEY:
        return False
    return error.status_code in PASSING_STATUSES or (error.status_code >= 500 and error.status_code != 501)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3): a number or a date; None if unusable."""
    if value is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}(\.\d+)?\s*", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return seconds_until(moment, now or datetime.now(UTC))


def complains_about(error: openai.APIStatusError, parameter: str) -> bool:
    """Whether a refused request (400 or 422, of log-probabilities also 403) was refused because of one parameter.

    Servers say it in an error field `param`, in a validation path, or in prose; a name as short
    as `n` counts in prose only where it stands in quotes or before a comparison, or where the
    choices are named instead ("Only one completion choice is allowed").
    """
    # OpenAI forbids the log-probabilities of its reasoning models, as if the key lacked a right.
    forbidden = error.status_code == 403 and parameter.endswith("logprobs")
    if error.status_code not in (400, 422) and not forbidden:
        return False
    if error.param is not None:
        return error.param == parameter
    prose = f"{error.message} {error.body!r}"
    name = re.escape(parameter)
    quoted = rf"['\"`]{name}['\"`]"
    compared = rf"(?<![\w.\\]){name}\s*(=|<|>|must|should|is not|is unsupported|not supported)"
    bare = rf"(?<![\w.\\]){name}(?!\w)" if len(parameter) > 3 else r"(?!)"
    words = CHOICES_IN_WORDS if parameter == "n" else ""
    return re.search(f"{quoted}|{compared}|{bare}{words}", prose, re.IGNORECASE) is not None


def readable(text: str, secret: str, limit: int = 300) -> str:
    """A server's words on one short line, without the key should the server repeat it."""
    if secret:
        text = text.replace(secret, "[key]")
    text = without_passwords(text)
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
