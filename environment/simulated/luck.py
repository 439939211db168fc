"""The luck of every example in every stage: common random numbers with nested samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from environment.simulated.family import Noise

Array = npt.NDArray[np.float64]


class StageLuck:
    """Standard normal latents of one stage, by model, number of samples and example; high is bad.

    The luck of S samples is the normalised sum of S single ones, so that ten samples hold the
    five of five; the fusing call has its own for every S, since it reads another prompt. An
    example's numbers do not depend on how many examples there are.
    """

    def __init__(
        self, rng: np.random.Generator, noise: Noise, models: tuple[str, ...], most_samples: int, examples: int
    ) -> None:
        # One row an example, drawn in order, keeps the first fifty the same among a hundred.
        rows = rng.standard_normal((examples, 1 + len(models) * (1 + 2 * most_samples)))
        difficulty = rows[:, 0]
        by_model = rows[:, 1:].reshape(examples, len(models), 1 + 2 * most_samples).transpose(1, 2, 0)
        aptitude, samples, fusion = by_model[:, :1], by_model[:, 1 : 1 + most_samples], by_model[:, 1 + most_samples :]
        counts = np.arange(1, most_samples + 1, dtype=np.float64)[:, None]
        sampling_share = noise.sampling / counts
        fusion_share = np.where(counts > 1, noise.fusion, 0.0)
        shared = 1.0 - noise.aptitude - sampling_share - fusion_share
        self._latents: Array = (
            np.sqrt(shared) * difficulty
            + np.sqrt(noise.aptitude) * aptitude
            + np.sqrt(sampling_share) * np.cumsum(samples, axis=1) / np.sqrt(counts)
            + np.sqrt(fusion_share) * fusion
        )
        self._index = {model: position for position, model in enumerate(models)}

    def of(self, model: str, samples: int) -> Array:
        """The latents of all examples for a choice."""
        row: Array = self._latents[self._index[model], samples - 1]
        return row
