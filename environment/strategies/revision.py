"""Sequential revision (Snell et al. 2024, arXiv 2408.03314; Madaan et al. 2023, arXiv 2303.17651)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from environment.prompt_template import PromptTemplate
from environment.strategy import Draw, StageRun, Strategy, sample_request
from storage.sample import GenerationRequest, Message
from tools.space import Subtask
from tools.token_use import Call

PROMPT = PromptTemplate(Path(__file__).parent / "prompts" / "revise.j2")
INSTRUCTION_TOKENS = 32
"""About the length of the request to revise."""


@runtime_checkable
class AsksForRevision(Protocol):
    """A stage with a revision prompt of its own; other stages go on with the conversation."""

    def revision_messages(self, example: Any, upstream: Mapping[str, Any], response: str) -> tuple[Message, ...]:
        """The prompt that shows the model its last response and asks for a better one."""
        ...


class Revision(Strategy):
    """S samples are S steps: the model sees its last response and writes it anew; the last one counts.

    The chain ends early where the model repeats its response, for it would be asked the same again.
    A longer chain goes on where a shorter one of the same question stopped.
    """

    name = "revision"

    async def run(self, run: StageRun, draw: Draw) -> Any:
        (last,) = await draw(sample_request(run), 1)
        for _ in range(run.samples - 1):
            request = GenerationRequest(run.model, revision_messages(run, last.text), run.sampling)
            (revised,) = await draw(request, 1)
            if revised.text == last.text:
                break
            last = revised
        return run.stage.parse(last.text, run.example)


def revision_messages(run: StageRun, response: str) -> tuple[Message, ...]:
    """The stage's own revision prompt, or its prompt, the response and the request to revise it."""
    stage = run.stage
    if isinstance(stage, AsksForRevision):
        return stage.revision_messages(run.example, run.upstream, response)
    return (*stage.messages(run.example, run.upstream), Message("assistant", response), *PROMPT.render())


def revision_tokens(subtask: Subtask, samples: int) -> Sequence[Call]:
    """The first response, then S - 1 times a prompt that goes on behind the stage's own; at most."""
    prompt, generation = subtask.prompt_tokens, subtask.generation_tokens
    step = Call(prompt + generation + INSTRUCTION_TOKENS, generation, cached_prompt_tokens=prompt)
    return (Call(prompt, generation), *[step] * (samples - 1))
