"""Best of n: a verifier rates every sample, and the best one counts (Cobbe et al. 2021, arXiv 2110.14168)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from environment.pipelines.references import load_object
from environment.side_by_side import side_by_side
from environment.stage import Stage
from environment.strategy import Draw, StageRun, Strategy, sample_request
from storage.sample import Sample
from tools.errors import InvalidInput, PipelineError
from tools.text import shortened

Verifier = Callable[[Any, Any, Mapping[str, Any]], float | Awaitable[float]]
"""verify(output, example, upstream) gives a number, higher for a better output; pure. It may be async.

It must not read the example's gold answer: where the winner goes to work there is none."""


class BestOfN(Strategy):
    """The output of the sample that a verifier rates best; among equals the stage's vote decides.

    An output of None stands for a response that could not be read, and is not rated.
    """

    async def run(self, run: StageRun, draw: Draw) -> Any:
        drawn = await draw(sample_request(run), run.samples)
        parsed = [run.stage.parse(sample.text, run.example) for sample in drawn]
        read = [number for number, output in enumerate(parsed) if output is not None]
        if len(read) < 2:
            return run.stage.vote([parsed[number] for number in read] or parsed)
        samples, outputs = [drawn[number] for number in read], [parsed[number] for number in read]
        ratings = await self.ratings(run, samples, outputs, draw)
        best = max(ratings)
        return run.stage.vote([output for output, rating in zip(outputs, ratings, strict=True) if rating == best])

    @abstractmethod
    async def ratings(
        self, run: StageRun, samples: Sequence[Sample], outputs: Sequence[Any], draw: Draw
    ) -> Sequence[float]:
        """A number for each sample, higher is better, never NaN. Asked for two samples or more."""


class BestOfNVerifier(BestOfN):
    """Rates by a function that the stage gives as `verifier`: a callable, or its name MODULE:FUNCTION."""

    name = "best-of-n"

    def require(self, stage: Stage) -> None:
        verifier_of(stage)

    async def ratings(
        self, run: StageRun, samples: Sequence[Sample], outputs: Sequence[Any], draw: Draw
    ) -> Sequence[float]:
        """Raises PipelineError, naming stage and example, where the function fails or gives no number."""
        verify = verifier_of(run.stage)
        return await side_by_side(_rating(verify, run, output) for output in outputs)


def verifier_of(stage: Stage) -> Verifier:
    """The stage's verifier. Raises InvalidInput where it has none or names no function."""
    field = f"stage {stage.name!r} verifier"
    verifier: Any = getattr(stage, "verifier", None)
    if isinstance(verifier, str) and verifier:
        try:
            verifier = load_object(verifier, Path.cwd())
        except InvalidInput as error:
            raise InvalidInput(field, error.problem) from None
    if not verifier:
        raise InvalidInput(field, "missing: best-of-n needs a function that rates outputs; or use best-of-n-judge")
    if not callable(verifier):
        raise InvalidInput(field, f"must be a function verify(output, example, upstream), got {shortened(verifier)}")
    found: Verifier = verifier
    return found


async def _rating(verify: Verifier, run: StageRun, output: Any) -> float:
    where = f"subtask {run.stage.name!r}, example {run.example.id!r}: the verifier"
    try:
        given = verify(output, run.example, run.upstream)
        rating = float(await given if isinstance(given, Awaitable) else given)
    except Exception as error:
        raise PipelineError(f"{where} failed: {type(error).__name__}: {error}") from error
    if math.isnan(rating):
        raise PipelineError(f"{where} gave no number for {output!r}")
    return rating
