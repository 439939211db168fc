"""The settings of a search agent's language model, checked where they come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.errors import InvalidInput, UnknownName
from tools.space import Model


class AgentSettings(BaseModel):
    """Which model the search agent is and how it is asked.

    `base_url` is its OpenAI-compatible endpoint (None: OpenAI's own), `key_env` the environment
    variable that holds the key ("": the one that is usual at that host), `api_version` and `headers`
    are those of Endpoint. `temperature` and `reasoning_effort` are sent where given.
    `max_tokens` bounds one answer, `context_tokens` a question and its answer together: prompts are
    shortened to fit. `timeout` is in seconds, `history` is how many trials the model is shown, and
    `functions` whether it may call the calculus. `prompt_price` and `generation_price` are in dollars per
    million tokens, for the session's caps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(default="", max_length=300)
    base_url: str | None = None
    key_env: str = ""
    api_version: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    temperature: float | None = Field(default=None, ge=0, le=2)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    max_tokens: int = Field(default=8000, ge=1)
    context_tokens: int | None = Field(default=None, ge=1)
    timeout: float = Field(default=600.0, gt=0)
    history: int = Field(default=40, ge=1)
    functions: bool = True
    prompt_price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    generation_price: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @property
    def priced(self) -> Model:
        """The model with its prices, as spending is counted; its size is not known."""
        return Model(self.model or "none", 1.0, prompt_price=self.prompt_price, generation_price=self.generation_price)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> AgentSettings:
        """The settings in plain keyword options. Raises InvalidInput naming the option."""
        for name in options:
            if name not in cls.model_fields:
                raise UnknownName("option of the search agent", name, cls.model_fields)
        try:
            return cls(**options)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise InvalidInput(field, f"{first['msg'].lower()}, got {first['input']!r}") from None
