"""The card of the recorded benchmark: what was recorded, from which weights and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from environment.multihop.recorded import CANDIDATES, MODELS, SAMPLE_COUNTS, SEED, STRATEGIES
from environment.multihop.stages import PROMPTS
from environment.multihop.weights import WEIGHTS, Weights
from environment.prompt_template import PromptTemplate
from environment.strategies.fusion import FUSION_TEMPERATURE
from storage.sample import GenerationRequest, Sample
from tools.space import Model

SERVER = "llama.cpp's OpenAI-compatible server, through the package xllamacpp"
SEED_RULE = (
    "sample i of a request has the seed (the first 8 bytes of SHA-256 of '<request key>:0' as a big-endian number) "
    "mod 2^30 + i; a greedy request (temperature 0) has none"
)


def benchmark_card(
    requests: Iterable[GenerationRequest], samples: Mapping[str, Mapping[int, Sample]], examples: int
) -> dict[str, Any]:
    """The card of a recording of `examples` of each split; every figure is counted in the samples."""
    by_model: dict[str, Counter[str]] = {model.name: Counter() for model in MODELS}
    sampling: dict[Any, int] = {}
    for request in requests:
        held = samples[request.key].values()
        by_model[request.model].update(
            requests=1,
            samples=len(held),
            prompt_tokens=sum(sample.prompt_tokens for sample in held),
            generation_tokens=sum(sample.generation_tokens for sample in held),
        )
        sampling[request.sampling] = sampling.get(request.sampling, 0) + 1
    total = sum(by_model.values(), Counter())
    return {
        "name": "multihop",
        "licence": "Apache-2.0",
        "models": [model.name for model in MODELS],
        "search_examples": examples,
        "held_out_examples": examples,
        "generator_seed": SEED,
        "candidates": CANDIDATES,
        "sample_counts": list(SAMPLE_COUNTS),
        "strategies": list(STRATEGIES),
        "prompts": {name: PromptTemplate(PROMPTS / name).digest for name in ("qa.j2", "retrieval.j2")},
        "sampling": [
            asdict(parameters) | {"requests": count} for parameters, count in sorted(sampling.items(), key=repr)
        ],
        "fusion_temperature": FUSION_TEMPERATURE,
        "seed_rule": SEED_RULE,
        "server": SERVER,
        "weights": [_facts(weights, model) for weights, model in zip(WEIGHTS, MODELS, strict=True)],
        **total,
        "by_model": {name: dict(counts) for name, counts in by_model.items()},
    }


def _facts(weights: Weights, model: Model) -> dict[str, Any]:
    facts = asdict(weights)
    del facts["parts"]  # how to put the file together again is in scripts/local_models.py
    return {"parameters": model.parameters, **facts}
