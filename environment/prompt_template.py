"""Chat prompts kept as files: jinja2 templates cut into messages."""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, meta

from storage.sample import Message
from tools.errors import InvalidInput

# Model prompts are plain text: escaping would change what the model reads.
PLAIN_TEXT = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
ROLE_LINE = re.compile(r"^--- (system|user|assistant) ---\n", re.MULTILINE)


class PromptTemplate:
    """A template file in which a line `--- role ---` begins each message.

    Only the last message may hold variables and include files of the same folder; the ones before
    it (instructions, worked examples) are constant, so that servers can reuse their encoded prefix.
    """

    def __init__(self, path: Path) -> None:
        """Raises InvalidInput when the file has no role lines or ends on an assistant's turn."""
        self.path = path
        self._source = path.read_text(encoding="utf-8")
        parts = ROLE_LINE.split(self._source)
        if len(parts) < 3 or parts[0].strip() or parts[-2] != "user":
            raise InvalidInput(str(path), "must consist of '--- role ---' parts and end with a user part")
        roles, texts = parts[1::2], [text.strip("\n") for text in parts[2::2]]
        self._constant = tuple(Message(role, text) for role, text in zip(roles[:-1], texts[:-1], strict=True))
        self._environment = PLAIN_TEXT.overlay(loader=FileSystemLoader(path.parent))
        self._last = self._environment.from_string(texts[-1])

    def __reduce__(self) -> tuple[type[PromptTemplate], tuple[Path]]:
        # A compiled template does not travel between processes.
        return PromptTemplate, (self.path,)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file's text and the files it includes: the prompt's version."""
        included = sorted(filter(None, meta.find_referenced_templates(self._environment.parse(self._source))))
        texts = [self._source, *((self.path.parent / name).read_text(encoding="utf-8") for name in included)]
        return hashlib.sha256("".join(texts).encode()).hexdigest()

    def render(self, **values: Any) -> tuple[Message, ...]:
        """The messages with the last one filled in. A missing variable is an error of the caller."""
        return (*self._constant, Message("user", self._last.render(**values)))
