"""A stage made of functions: prompt, fusion prompt, parser, vote and score."""

from __future__ import annotations

import logging
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment.pipelines.chat import Chat, messages_of
from environment.pipelines.parsers import Parser
from environment.pipelines.values import frozen
from environment.pipelines.votes import Vote
from environment.prompt_template import PLAIN_TEXT
from environment.stage import Stage
from storage.sample import Message, SamplingParameters
from tools.errors import AgentttsError, PipelineError
from tools.text import shortened

LOG = logging.getLogger(__name__)

FUSION_TEXT = (Path(__file__).parent / "prompts" / "fusion.j2").read_text(encoding="utf-8")
NOT_OWN = tuple(
    [str(Path(__file__).parents[1])] + [path for name, path in sysconfig.get_paths().items() if name.endswith("lib")]
)
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What a parser raises on a response that it cannot read; another error is one of the parser itself."""

Write = Callable[[Any, Mapping[str, Any]], Chat]
"""write(example, upstream) gives the prompt of one sample."""
Fuse = Callable[[Any, Mapping[str, Any], Sequence[str]], Chat]
"""fuse(example, upstream, responses) gives the prompt that asks for one answer out of several."""
Verifier = Callable[[Any, Any, Mapping[str, Any]], float]
"""verifier(output, example, upstream) rates an output for the strategy best-of-n; higher is better."""
Score = Callable[[Any, Any], float]
"""score(output, example) in [0, 1]."""


@dataclass(eq=False)
class PipelineStage(Stage):
    """One subtask of a person's pipeline.

    Without `fuse` the prompt is followed by the responses and the request to give the best. A
    response that cannot be read gives None: it scores 0 and does not vote. An error in a function
    is a PipelineError that names the stage, the example and the line.
    """

    name: str
    write: Write
    parser: Parser
    voting: Vote
    sampling: SamplingParameters
    metric: str = ""
    scoring: Score | None = None
    fuse: Fuse | None = None
    verifier: Verifier | None = None

    def messages(self, example: Any, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        with self._naming("prompt", example):
            return messages_of(self.write(example, upstream))

    def fusion_messages(
        self, example: Any, upstream: Mapping[str, Any], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        with self._naming("fusion prompt", example):
            if self.fuse is not None:
                return messages_of(self.fuse(example, upstream, responses))
            *before, last = messages_of(self.write(example, upstream))
            added = PLAIN_TEXT.from_string(FUSION_TEXT).render(responses=responses)
            return (*before, Message(last.role, last.content + added))

    def parse(self, text: str, example: Any) -> Any:
        with self._naming("parser", example):
            try:
                return frozen(self.parser(text, example))
            except UNREADABLE as error:
                LOG.info("subtask %s, example %s: response not read: %r", self.name, id_of(example), error)
                return None

    def vote(self, outputs: Sequence[Any]) -> Any:
        with self._naming("vote", None):
            return frozen(self.voting(outputs))

    def score(self, output: Any, example: Any) -> float:
        if output is None or self.scoring is None:
            return 0.0
        with self._naming("metric", example):
            score = float(self.scoring(output, example))
            if not 0 <= score <= 1:
                raise ValueError(f"a score must be from 0 to 1, got {shortened(score)}")
            return score

    @contextmanager
    def _naming(self, part: str, example: Any) -> Iterator[None]:
        try:
            yield
        except AgentttsError:
            raise
        except Exception as error:
            where = f", example {id_of(example)!r}" if example is not None else ""
            raise PipelineError(f"subtask {self.name!r}{where}: the {part} failed: {described(error)}") from error


def id_of(example: Any) -> str:
    """How messages name an example."""
    return str(getattr(example, "id", example))


def described(error: Exception) -> str:
    """An error with the line of the person's own code that led to it, where there is one."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{place}"


def _is_own(filename: str) -> bool:
    """Whether code is the person's: neither this package's nor installed nor made up, as templates' is."""
    return Path(filename).is_file() and not filename.startswith(NOT_OWN)
