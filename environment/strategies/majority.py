"""Majority voting over parsed samples (self-consistency)."""

from __future__ import annotations

from typing import Any

from environment.strategy import Draw, StageRun, Strategy, sample_request


class Majority(Strategy):
    """The stage's own vote over its parsed samples; no further model call."""

    name = "majority"

    async def run(self, run: StageRun, draw: Draw) -> Any:
        samples = await draw(sample_request(run), run.samples)
        return run.stage.vote([run.stage.parse(sample.text, run.example) for sample in samples])
