"""A family of surfaces: what all its draws share, and how one draw departs from its centre."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from environment.simulated.curve import CEILING, FLOOR, Curve
from tools.space import Model, SearchSpace, Subtask


@dataclass(frozen=True)
class StageSpec:
    """One subtask: its lengths, its metric and the centre curve of each of its models.

    `concentration` is the sum of the parameters of the beta distribution that an example's score
    follows (Ret-F1, ROUGE-L, cosine); None where it is right or wrong (EM).
    """

    name: str
    metric: str
    prompt_tokens: int
    generation_tokens: int
    curves: Mapping[Model, Curve]
    concentration: float | None = None


@dataclass(frozen=True)
class Noise:
    """What an example's luck is made of, as shares of the variance of a standard normal latent.

    `carried` comes from the stage before, the rest is the stage's own: `aptitude` is what the
    model brings to this example, `sampling` / S the luck of the S samples, `fusion` that of the
    fusing call (none with one sample), and what remains is the difficulty that all models share.
    """

    carried: float = 0.25
    aptitude: float = 0.20
    sampling: float = 0.20
    fusion: float = 0.02


@dataclass(frozen=True)
class Variation:
    """Standard deviations by which a draw departs from the centre; `level` is a score, the rest logarithms."""

    level: float = 0.02
    single: float = 0.30
    peak: float = 0.40
    fall: float = 0.30
    coupling: float = 0.30


@dataclass(frozen=True)
class Family:
    """A simulated task's surfaces. Draw 0 is the centre; every other number is a departure from it.

    `budgets` (low, medium, high) are in units of FlopsCost; the medium one is the paper's.
    """

    name: str
    description: str
    stages: tuple[StageSpec, ...]
    budgets: Mapping[str, float]
    noise: Noise = Noise()
    variation: Variation = Variation()

    def space(self) -> SearchSpace:
        """The search space: every model with 1 to 100 samples in every subtask."""
        return SearchSpace(
            [
                Subtask(s.name, list(s.curves), prompt_tokens=s.prompt_tokens, generation_tokens=s.generation_tokens)
                for s in self.stages
            ]
        )

    def seed(self, draw: int, *purpose: int) -> np.random.Generator:
        """The generator of a draw for one purpose; independent between families, draws and purposes."""
        return np.random.default_rng(np.random.SeedSequence([crc32(self.name.encode()), draw, *purpose]))

    def curves(self, draw: int) -> tuple[dict[str, Curve], ...]:
        """Each stage's curves by model name in a draw."""
        rng = self.seed(draw, 0)
        return tuple(
            {model.name: curve if draw == 0 else self._depart(curve, rng) for model, curve in stage.curves.items()}
            for stage in self.stages
        )

    def _depart(self, curve: Curve, rng: np.random.Generator) -> Curve:
        spread = self.variation
        level, single, peak, fall, coupling, delay = (float(z) for z in rng.standard_normal(6))
        top = float(np.clip(curve.top + spread.level * level, FLOOR, CEILING))
        return replace(
            curve,
            top=top,
            single=max(FLOOR, top - (curve.top - curve.single) * np.exp(spread.single * single)),
            late=max(FLOOR, top - (curve.top - curve.late) * np.exp(spread.fall * fall)),
            peak=max(1.5, curve.peak * float(np.exp(spread.peak * peak))),
            coupling=curve.coupling * float(np.exp(spread.coupling * coupling)),
            delay=curve.delay * float(np.exp(spread.coupling * delay)),
        )
