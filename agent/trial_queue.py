"""The trials of a session that wait: claimed and run one at a time by every process at work on it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

from agent.trial_span import found_by_trial, told_of_trial
from environment.spans import spanned
from environment.task import SEARCH, Task
from environment.trial_runner import TrialRunner
from storage.archive import Archive
from tools.errors import InvalidTransition, StorageError
from tools.trial import Trial, TrialState

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialQueue:
    """One worker's way to a session's trials; its archive is that worker's."""

    session_id: str
    task: Task
    runner: TrialRunner
    archive: Archive

    async def claim(self) -> Trial | None:
        """The next trial that waits, now this worker's; None where none does. Raises StorageError."""
        return await asyncio.to_thread(self.archive.claim_trial, self.session_id)

    @spanned("trial", told_of_trial, found_by_trial)
    async def run(self, trial: Trial) -> Trial | None:
        """The finished trial, as it is stored; None where another worker took it over meanwhile.

        Raises what the runner raises; the trial is then waiting again.
        """
        try:
            outcome = await self.runner.run(trial.allocation, self.task.examples(SEARCH))
        except BaseException:
            self._give_back(trial)
            raise
        finished = replace(
            trial,
            state=TrialState.COMPLETE,
            score=float(outcome.score),
            stage_scores=outcome.stage_scores,
            usage=outcome.usage,
        )
        try:
            await asyncio.to_thread(self.archive.save_trial, self.session_id, finished, outcome.draws)
        except InvalidTransition as error:
            LOG.warning("a result came too late and is dropped; its samples are stored: %s", error)
            return None
        return finished

    def _give_back(self, trial: Trial) -> None:
        try:
            self.archive.save_trial(self.session_id, replace(trial, state=TrialState.WAITING))
        except StorageError as error:
            # It is free all the same once this worker has left.
            LOG.warning("trial %d could not be given back: %s", trial.number, error)
