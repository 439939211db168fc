"""Prompts that a person wrote: jinja2 templates in a sandbox, cut into messages by role lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import ChainableUndefined, StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from environment.prompt_template import ROLE_LINE
from storage.sample import Message
from tools.errors import InvalidInput

EXAMPLE, UPSTREAM, RESPONSES = "example", "upstream", "responses"


class _Sandbox(ImmutableSandboxedEnvironment):
    """Fields go before methods: `example.items` is the field `items` where there is one."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


# Model prompts are plain text: escaping would change what the model reads.
SANDBOX = _Sandbox(
    undefined=StrictUndefined,
    autoescape=False,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: "" if value is None else value,
)
SANDBOX.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False, default=str)


class Prompt:
    """A template of the example, the outputs upstream and, where it fuses, the responses.

    A line `--- role ---` begins each message (system, user, assistant); without one the text is a
    single user message. `example_fields` and `upstream_names` are the fields and subtasks that the
    text names, each with the line of its first mention.
    """

    def __init__(self, source: str) -> None:
        """Raises InvalidInput with the line within the text where it is no usable template."""
        self.source = source
        parts = ROLE_LINE.split(source)
        if parts[0].strip() and len(parts) > 1:
            raise InvalidInput("line 1", "text stands above the first '--- role ---' line; give it a role")
        pairs = list(zip(parts[1::2], parts[2::2], strict=True)) or [("user", parts[0])]
        if pairs[-1][0] != "user":
            raise InvalidInput(f"line {source.count(chr(10)) + 1}", "the last message must be the user's")
        if not pairs[-1][1].strip():
            raise InvalidInput("line 1", "the prompt is empty")
        self.example_fields: dict[str, int] = {}
        self.upstream_names: dict[str, int] = {}
        self.fuses = False
        self._messages = []
        line = 1 if len(parts) == 1 else 2 + parts[0].count("\n")
        for role, text in pairs:
            skipped = len(text) - len(text.lstrip("\n"))
            self._messages.append((role, self._compile(text.strip("\n"), line + skipped)))
            line += text.count("\n") + 1

    def __reduce__(self) -> tuple[type[Prompt], tuple[str]]:
        # A compiled template does not travel between processes.
        return Prompt, (self.source,)

    def render(self, example: Any, upstream: Mapping[str, Any], responses: Sequence[str] = ()) -> tuple[Message, ...]:
        """The messages of a request. Raises what a template raises on values it cannot handle."""
        # An output that could not be read is an empty one: a search does not end because of it.
        outputs = {name: ChainableUndefined() if value is None else value for name, value in upstream.items()}
        values = {EXAMPLE: example, UPSTREAM: outputs, RESPONSES: responses}
        return tuple(Message(role, template.render(values)) for role, template in self._messages)

    def _compile(self, text: str, line: int) -> Any:
        try:
            tree = SANDBOX.parse(text)
            self._note(tree, line)
            return SANDBOX.from_string(text)
        except TemplateSyntaxError as error:
            raise InvalidInput(f"line {line + error.lineno - 1}", f"is no template: {error.message}") from None
        except TemplateError as error:
            raise InvalidInput(f"line {line}", f"is no template: {error.message}") from None

    def _note(self, tree: nodes.Template, line: int) -> None:
        """Notes what a message's text names. Raises InvalidInput for what no template is given."""
        if any(True for _ in meta.find_referenced_templates(tree)):
            raise InvalidInput(f"line {line}", "includes another template; write its text here")
        names = meta.find_undeclared_variables(tree)
        for name in sorted(names - {EXAMPLE, UPSTREAM, RESPONSES}):
            place = next((n.lineno for n in tree.find_all(nodes.Name) if n.name == name), 1)
            raise InvalidInput(
                f"line {line + place - 1}",
                f"nothing is called {name!r}; write example.{name} for a field of the examples "
                f"or upstream.{name} for the output of an earlier subtask",
            )
        self.fuses |= RESPONSES in names
        noted = {EXAMPLE: self.example_fields, UPSTREAM: self.upstream_names}
        accesses = [(node.node, node.attr) for node in tree.find_all(nodes.Getattr)]
        accesses += [(i.node, str(i.arg.value)) for i in tree.find_all(nodes.Getitem) if isinstance(i.arg, nodes.Const)]
        for owner, named in accesses:
            if isinstance(owner, nodes.Name) and owner.name in noted:
                noted[owner.name].setdefault(named, line + owner.lineno - 1)
