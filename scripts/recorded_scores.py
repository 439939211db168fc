"""Every allocation of the recorded benchmark, scored example by example; the other scripts read it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from environment.executor import Executor
from environment.sampler import Sampler
from environment.task import HELD_OUT, SEARCH, Task
from storage.database import Database
from storage.samples import SampleStore
from tools.space import Allocation

Scores = dict[Allocation, dict[str, NDArray[np.float64]]]


async def score_everything(task: Task) -> Scores:
    """Each allocation's scores by stage: one for every search example, then one for every held-out one."""
    scores: Scores = {}
    with Database.open("sqlite://") as database:
        executor = Executor(task, Sampler(SampleStore(database), task.connect()), math.inf)
        for allocation in task.space.allocations(math.inf, task.cost):
            runs = [await executor.run(allocation, task.examples(split)) for split in (SEARCH, HELD_OUT)]
            scores[allocation] = {
                stage.name: np.concatenate([np.asarray(run.stage_scores[stage.name].per_example) for run in runs])
                for stage in task.stages
            }
    return scores
