"""The six tasks of the paper as families of surfaces, calibrated to what it reports.

Models, lengths and metrics are the paper's (task table, tables 4 and 5), prices its table 10; the
models' shapes are those of their published config.json files.
docs/simulated.md names the fact that fixes each number below, or says that it is a free choice.
"""

from __future__ import annotations

from collections.abc import Mapping

from environment.simulated.curve import Curve
from environment.simulated.family import Family, StageSpec, Variation
from tools.space import Model

QWEN_7B = Model("qwen2.5-7b", 7e9, 0.30, 0.30, layers=28, hidden_size=3584, kv_size=512)
QWEN_32B = Model("qwen2.5-32b", 32e9, 0.80, 0.80, layers=64, hidden_size=5120, kv_size=1024)
QWEN_72B = Model("qwen2.5-72b", 72e9, 1.20, 1.20, layers=80, hidden_size=8192, kv_size=1024)
LLAMA_3B = Model("llama-3.2-3b", 3e9, 0.06, 0.06, layers=28, hidden_size=3072, kv_size=1024)
LLAMA_8B = Model("llama-3.1-8b", 8e9, 0.18, 0.18, layers=32, hidden_size=4096, kv_size=1024)
LLAMA_70B = Model("llama-3.1-70b", 70e9, 0.88, 0.88, layers=80, hidden_size=8192, kv_size=1024)

RETRIEVAL, QA = "retrieval", "qa"

Curves = Mapping[Model, Curve]
Lengths = tuple[tuple[int, int], ...]
"""(prompt, generation) tokens of each stage."""


def multi_hop(
    name: str,
    description: str,
    retrieval: Curves,
    qa: Curves,
    budgets: Mapping[str, float],
    lengths: Lengths,
) -> Family:
    """Retrieval, judged by Ret-F1, and question answering, judged by exact match."""
    return Family(
        name,
        description,
        (
            StageSpec(RETRIEVAL, "Ret-F1", *lengths[0], retrieval, concentration=2.0),
            StageSpec(QA, "EM", *lengths[1], qa),
        ),
        budgets,
    )


TWO_WIKI = multi_hop(
    "simulated-2wiki",
    "2WikiMultiHopQA: pick the relevant chunks out of 100, then answer from them",
    {
        QWEN_7B: Curve(single=0.69, peak=4, top=0.74, late=0.69),
        QWEN_32B: Curve(single=0.70, peak=5, top=0.828, late=0.35),
        QWEN_72B: Curve(single=0.85, peak=8, top=0.86, late=0.84),
    },
    {
        LLAMA_3B: Curve(single=0.59, peak=13.2, top=0.72, late=0.66, coupling=7.0, delay=13.1),
        LLAMA_8B: Curve(single=0.605, peak=17, top=0.665, late=0.615, coupling=2.5, delay=6.0),
        LLAMA_70B: Curve(single=0.64, peak=22, top=0.665, late=0.645, coupling=1.5, delay=3.0),
    },
    {"low": 500, "medium": 900, "high": 2000},
    ((2048, 128), (256, 64)),
)

HOTPOT = multi_hop(
    "simulated-hotpot",
    "HotpotQA: pick the relevant chunks out of 100, then answer from them",
    {
        QWEN_7B: Curve(single=0.66, peak=4, top=0.71, late=0.63),
        QWEN_32B: Curve(single=0.74, peak=5, top=0.82, late=0.45),
        QWEN_72B: Curve(single=0.85, peak=8, top=0.86, late=0.84),
    },
    {
        LLAMA_3B: Curve(single=0.635, peak=13.6, top=0.74, late=0.695, coupling=3.2, delay=9.6),
        LLAMA_8B: Curve(single=0.655, peak=17, top=0.73, late=0.695, coupling=2.2, delay=6.0),
        LLAMA_70B: Curve(single=0.685, peak=22, top=0.725, late=0.705, coupling=1.4, delay=3.0),
    },
    {"low": 500, "medium": 900, "high": 2000},
    ((2048, 128), (256, 64)),
)

CWQ = multi_hop(
    "simulated-cwq",
    "CWQ: pick the relevant triples out of 100, then answer from them",
    {
        QWEN_7B: Curve(single=0.62, peak=5, top=0.68, late=0.60),
        QWEN_72B: Curve(single=0.77, peak=8, top=0.80, late=0.77),
    },
    {
        LLAMA_8B: Curve(single=0.705, peak=12, top=0.781, late=0.765, coupling=1.1, delay=5.0),
        LLAMA_70B: Curve(single=0.73, peak=20, top=0.771, late=0.76, coupling=0.6, delay=3.0),
    },
    {"low": 280, "medium": 521, "high": 1150},
    ((1024, 64), (256, 64)),
)

WEBQSP = multi_hop(
    "simulated-webqsp",
    "WebQSP: pick the relevant triples out of 100, then answer from them",
    {
        QWEN_7B: Curve(single=0.70, peak=5, top=0.75, late=0.68),
        QWEN_72B: Curve(single=0.85, peak=8, top=0.88, late=0.86),
    },
    {
        LLAMA_8B: Curve(single=0.825, peak=10, top=0.89, late=0.865, coupling=1.4, delay=5.0),
        LLAMA_70B: Curve(single=0.845, peak=18, top=0.88, late=0.865, coupling=0.9, delay=3.0),
    },
    {"low": 260, "medium": 474, "high": 1050},
    ((1024, 64), (128, 64)),
)

TASKBENCH = Family(
    "simulated-taskbench",
    "TaskBench, daily-life APIs: decompose the request, select the tools, fill their parameters",
    (
        StageSpec(
            "decomposition",
            "ROUGE-L",
            1024,
            64,
            {
                LLAMA_8B: Curve(single=0.50, peak=8, top=0.58, late=0.54),
                LLAMA_70B: Curve(single=0.57, peak=12, top=0.60, late=0.58),
            },
            concentration=6.0,
        ),
        StageSpec(
            "tool-selection",
            "node F1",
            1024,
            256,
            {
                LLAMA_8B: Curve(single=0.54, peak=8, top=0.60, late=0.55, coupling=4.0, delay=6.0),
                LLAMA_70B: Curve(single=0.70, peak=8, top=0.80, late=0.78, coupling=2.5, delay=3.0),
            },
            concentration=2.0,
        ),
        StageSpec(
            "parameter-prediction",
            "parameter F1",
            1024,
            2048,
            {
                LLAMA_8B: Curve(single=0.30, peak=8, top=0.40, late=0.35, coupling=3.5, delay=6.0),
                LLAMA_70B: Curve(single=0.53, peak=10, top=0.55, late=0.53, coupling=3.2, delay=3.0),
            },
            concentration=1.5,
        ),
    ),
    {"low": 1100, "medium": 1978, "high": 4400},
)

CHATDEV = Family(
    "simulated-chatdev",
    "ChatDev: write a program, review it, then test it; consistency of requirement and code",
    (
        StageSpec(
            "coding",
            "consistency",
            1024,
            1024,
            {
                LLAMA_3B: Curve(single=0.61, peak=6, top=0.65, late=0.62),
                LLAMA_70B: Curve(single=0.73, peak=8, top=0.74, late=0.73),
            },
            concentration=36.0,
        ),
        StageSpec(
            "static-testing",
            "consistency",
            1024,
            512,
            {
                LLAMA_3B: Curve(single=0.72, peak=10, top=0.745, late=0.725, coupling=4.0, delay=6.0),
                LLAMA_70B: Curve(single=0.735, peak=14, top=0.75, late=0.74, coupling=1.5, delay=3.0),
            },
            concentration=36.0,
        ),
        StageSpec(
            "dynamic-testing",
            "consistency",
            1024,
            256,
            {
                LLAMA_3B: Curve(single=0.735, peak=10, top=0.752, late=0.735, coupling=12.0, delay=6.0),
                LLAMA_70B: Curve(single=0.74, peak=14, top=0.75, late=0.745, coupling=6.0, delay=3.0),
            },
            concentration=36.0,
        ),
    ),
    {"low": 980, "medium": 1768, "high": 3900},
    variation=Variation(level=0.006),
)

PAPER_FAMILIES = (TWO_WIKI, HOTPOT, CWQ, WEBQSP, TASKBENCH, CHATDEV)
