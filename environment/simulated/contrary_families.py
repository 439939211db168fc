"""Families that break the paper's insights on purpose, on the models and lengths of 2WikiMultiHopQA.

A searcher that assumes the insights must not fall apart here. Each family but the last breaks
one thing; all numbers are free choices near those of `simulated-2wiki`.
"""

from __future__ import annotations

from environment.simulated.curve import MOST_SAMPLES, Curve
from environment.simulated.family import Family
from environment.simulated.paper_families import (
    LLAMA_3B,
    LLAMA_8B,
    LLAMA_70B,
    QWEN_7B,
    QWEN_32B,
    QWEN_72B,
    TWO_WIKI,
    Curves,
    multi_hop,
)

NEVER = 2.0 * MOST_SAMPLES
"""A peak that no number of samples reaches: the score rises to the end."""


def contrary(name: str, description: str, *, retrieval: Curves | None = None, qa: Curves | None = None) -> Family:
    """2WikiMultiHopQA's space and budgets with other curves in one stage or both."""
    usual_retrieval, usual_qa = TWO_WIKI.stages
    return multi_hop(
        name,
        description,
        retrieval or usual_retrieval.curves,
        qa or usual_qa.curves,
        TWO_WIKI.budgets,
        tuple((stage.prompt_tokens, stage.generation_tokens) for stage in TWO_WIKI.stages),
    )


SIZE = contrary(
    "contrary-size",
    "two-hop questions where the smallest model retrieves best (breaks Insight 1)",
    retrieval={
        QWEN_7B: Curve(single=0.76, peak=10, top=0.86, late=0.78),
        QWEN_32B: Curve(single=0.74, peak=6, top=0.80, late=0.70),
        QWEN_72B: Curve(single=0.69, peak=5, top=0.73, late=0.70),
    },
)

ORDER = contrary(
    "contrary-order",
    "two-hop questions where the middle model retrieves worst and answers best (breaks Insight 1)",
    retrieval={
        QWEN_7B: Curve(single=0.72, peak=6, top=0.80, late=0.70),
        QWEN_32B: Curve(single=0.66, peak=5, top=0.71, late=0.64),
        QWEN_72B: Curve(single=0.81, peak=6, top=0.84, late=0.82),
    },
    qa={
        LLAMA_3B: Curve(single=0.56, peak=13, top=0.66, late=0.60, coupling=4.0, delay=6.0),
        LLAMA_8B: Curve(single=0.61, peak=16, top=0.72, late=0.66, coupling=3.3, delay=6.0),
        LLAMA_70B: Curve(single=0.59, peak=20, top=0.64, late=0.61, coupling=1.8, delay=3.0),
    },
)

PEAK = contrary(
    "contrary-peak",
    "two-hop questions where every further sample helps (breaks Insight 2)",
    retrieval={
        QWEN_7B: Curve(single=0.60, peak=NEVER, top=0.82, late=0.82),
        QWEN_32B: Curve(single=0.68, peak=NEVER, top=0.85, late=0.85),
        QWEN_72B: Curve(single=0.74, peak=NEVER, top=0.87, late=0.87),
    },
    qa={
        LLAMA_3B: Curve(single=0.54, peak=NEVER, top=0.72, late=0.72, coupling=3.0),
        LLAMA_8B: Curve(single=0.58, peak=NEVER, top=0.72, late=0.72, coupling=2.5),
        LLAMA_70B: Curve(single=0.62, peak=NEVER, top=0.73, late=0.73, coupling=1.8),
    },
)

COUPLING = contrary(
    "contrary-coupling",
    "two-hop questions whose answers owe nothing to retrieval (breaks Insight 3)",
    qa={
        LLAMA_3B: Curve(single=0.58, peak=14, top=0.67, late=0.62),
        LLAMA_8B: Curve(single=0.61, peak=17, top=0.69, late=0.65),
        LLAMA_70B: Curve(single=0.66, peak=12, top=0.73, late=0.69),
    },
)

ALL = contrary(
    "contrary-all",
    "two-hop questions without order in size, without a peak and without coupling (breaks every insight)",
    retrieval=ORDER.stages[0].curves,
    qa={
        LLAMA_3B: Curve(single=0.59, peak=NEVER, top=0.70, late=0.70),
        LLAMA_8B: Curve(single=0.53, peak=NEVER, top=0.64, late=0.64),
        LLAMA_70B: Curve(single=0.62, peak=NEVER, top=0.76, late=0.76),
    },
)

CONTRARY_FAMILIES = (SIZE, ORDER, PEAK, COUPLING, ALL)
