"""Models of a live task, written as NAME:PARAMETERS@URL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from environment.backend import Backend
from environment.backends.endpoint import Endpoint
from tools.errors import InvalidInput
from tools.space import Model

SPEC = re.compile(r"^(?P<name>.+?):(?P<size>[0-9.]+(?:[eE][0-9]+)?)(?P<unit>[MBmb]?)@(?P<url>https?://\S+)$")
SECONDS_TO_ANSWER = 900.0
UNITS = {"": 1.0, "m": 1e6, "b": 1e9}


def parse_models(specs: Sequence[str]) -> tuple[Model, ...]:
    """Models from specs such as `qwen2.5-0.5b:0.494B@http://127.0.0.1:8080/v1`.

    Raises InvalidInput on an empty list, a malformed spec or an unusable URL.
    """
    if not specs:
        raise InvalidInput("models", "a live task needs at least one; give --model NAME:PARAMETERS@URL")
    return tuple(_parse(spec) for spec in specs)


def connect_models(models: Sequence[Model]) -> Mapping[str, Backend]:
    """A backend for each model's name; models behind one endpoint share its backend."""
    from environment.backends.openai_backend import OpenAIBackend

    # A server without a GPU may need minutes for the long prompts it was sent side by side.
    endpoints = {
        model.endpoint: OpenAIBackend(Endpoint(model.endpoint, timeout=SECONDS_TO_ANSWER))
        for model in models
        if model.endpoint
    }
    return {model.name: endpoints[model.endpoint] for model in models if model.endpoint}


def _parse(spec: str) -> Model:
    match = SPEC.match(spec)
    try:
        if match is None:
            raise ValueError
        parameters = float(match["size"]) * UNITS[match["unit"].lower()]
    except ValueError:
        raise InvalidInput(
            "models", f"{spec!r} is not NAME:PARAMETERS@URL, such as llama-3b:3B@http://127.0.0.1:8080/v1"
        ) from None
    Endpoint(match["url"])  # refused here, before a session stores it
    return Model(match["name"], parameters, endpoint=match["url"])
