"""How a stage's expected score answers to samples and to what the stage before handed over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.errors import InvalidInput

MOST_SAMPLES = 100
"""The cap of the released AgentTTS code on samples; `late` is the score there."""
FLOOR, CEILING = 0.01, 0.99


@dataclass(frozen=True, slots=True)
class Curve:
    """The expected score of one model in one subtask, with the best upstream output and without.

    `single` is the score of one sample, `top` the score at the best number of samples, `peak` that
    number, `late` the score at 100 samples, all with the best upstream output. Poorer output, by a
    shortfall D of its score, takes `coupling` * D^2 from the score and moves the peak to
    `peak` * exp(`delay` * D). A peak of 100 or more is never passed.
    """

    single: float
    peak: float
    top: float
    late: float
    coupling: float = 0.0
    delay: float = 0.0

    def __post_init__(self) -> None:
        if not (self.peak > 1 and self.single <= self.top >= self.late):
            raise InvalidInput("curve", f"needs a peak above 1 sample and its top at the peak, got {self}")

    def score(self, samples: Any, shortfall: Any = 0.0) -> Any:
        """The expected score; samples and shortfall may be numbers or arrays that broadcast.

        The rise to the peak and the fall beyond it are parabolas in log(samples) that meet flat.
        """
        logs = np.log(samples)
        log_peak = math.log(self.peak) + self.delay * np.asarray(shortfall)
        missing = np.maximum(0.0, 1.0 - logs / log_peak)
        beyond = np.maximum(0.0, logs - log_peak)
        loss = (self.top - self.single) * missing**2 + self._fall * beyond**2
        return np.clip(self.top - loss - self.coupling * np.square(shortfall), FLOOR, CEILING)

    def peak_at(self, shortfall: float) -> float:
        """The number of samples with the highest score after upstream output of this shortfall."""
        return self.peak * math.exp(self.delay * shortfall)

    @property
    def _fall(self) -> float:
        return (self.top - self.late) / math.log(MOST_SAMPLES / self.peak) ** 2 if self.peak < MOST_SAMPLES else 0.0
