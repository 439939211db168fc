"""Best of n by the model's own confidence in its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from environment.strategies.best_of_n import BestOfN
from environment.strategies.confidence import mean_logprob
from environment.strategy import Draw, StageRun
from storage.sample import Sample


class BestOfNLogprob(BestOfN):
    """Rates by the mean log-probability of a sample's tokens. Needs a server that tells them."""

    name = "best-of-n-logprob"

    async def ratings(
        self, run: StageRun, samples: Sequence[Sample], outputs: Sequence[Any], draw: Draw
    ) -> Sequence[float]:
        return [mean_logprob(sample, run) for sample in samples]
