"""Repeated sampling with fusion (AgentTTS, problem statement)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from environment.strategy import Draw, StageRun, Strategy, sample_request
from storage.sample import GenerationRequest
from tools.space import Subtask
from tools.token_use import Call, samples_alone

FUSION_TEMPERATURE = 0.0


class Fusion(Strategy):
    """The same model reads its own samples and writes one answer.

    One sample needs no fusion. The fusing call is greedy (temperature 0), so that the answer is a
    function of the samples alone.
    """

    name = "fusion"

    async def run(self, run: StageRun, draw: Draw) -> Any:
        samples = await draw(sample_request(run), run.samples)
        if run.samples == 1:
            return run.stage.parse(samples[0].text, run.example)
        messages = run.stage.fusion_messages(run.example, run.upstream, [sample.text for sample in samples])
        request = GenerationRequest(run.model, messages, replace(run.stage.sampling, temperature=FUSION_TEMPERATURE))
        (fused,) = await draw(request, 1)
        return run.stage.parse(fused.text, run.example)


def fusion_tokens(subtask: Subtask, samples: int) -> Sequence[Call]:
    """The samples, and where there are several one answer after a prompt that shows them all."""
    drawn = samples_alone(subtask, samples)
    if samples == 1:
        return drawn
    shown = subtask.prompt_tokens + samples * subtask.generation_tokens
    return (*drawn, Call(shown, subtask.generation_tokens))
