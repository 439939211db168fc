"""Majority voting over parsed samples (self-consistency, Wang et al. 2022, arXiv 2203.11171)."""

from __future__ import annotations

from typing import Any

from environment.strategy import Draw, StageRun, Strategy, sample_request


class Majority(Strategy):
    """The stage's own vote over its parsed samples; no further model call.

    Registered as `majority` and, by its name in the literature, as `self-consistency`.
    """

    name = "majority"

    async def run(self, run: StageRun, draw: Draw) -> Any:
        samples = await draw(sample_request(run), run.samples)
        return run.stage.vote([run.stage.parse(sample.text, run.example) for sample in samples])
