"""How sure a model was of a sample, by the log-probabilities of its tokens."""

from __future__ import annotations

import math

from environment.strategy import StageRun
from storage.sample import Sample
from tools.errors import MissingSample


def mean_logprob(sample: Sample, run: StageRun) -> float:
    """The mean log-probability of a sample's tokens; minus infinity for a response of no tokens.

    Raises MissingSample where the sample came without: its server tells none, or it was stored or
    recorded before they were kept.
    """
    if sample.mean_logprob is not None:
        return sample.mean_logprob
    if not sample.text:
        return -math.inf
    raise MissingSample(
        f"subtask {run.stage.name!r}: a sample of {run.model} has no log-probabilities; its server gives none, or the "
        "sample was stored without them; use a strategy that needs none, such as majority, or another storage"
    )
