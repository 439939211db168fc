"""Brings the session of a log into a database, whole or not at all."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from sqlalchemy import insert, select

from storage.archive import Archive
from storage.database import Database
from storage.log.reading import Log, LoggedSample, read_log
from storage.log.values import spending_fields
from storage.log.writing import write_log
from storage.sample import GenerationRequest, Sample
from storage.samples import SampleStore
from storage.schema import FaultRow, SampleDigestRow, SpendingRow, TrialDrawsRow, TrialRow
from storage.session import SessionRecord
from tools.errors import AgentttsError, InvalidInput

SAMPLES_AT_ONCE = 500


def import_session(database: Database, path: Path, *, recommended: str) -> tuple[SessionRecord, bool]:
    """The session of a log, and whether it is new to the database; nothing is stored where it is not.

    `recommended` is what `write_log` takes. Raises InvalidInput for a log that is damaged or not
    sound, for a session of the same id that is not the same, and for a sample of which the database holds another.
    """
    log = read_log(path)
    if Archive(database).holds(log.record.id):
        _require_same(database, log, recommended)
        return Archive(database).session(log.record.id), False
    with database.joined() as joined:
        archive = Archive(joined)
        _store(joined, archive, log)
        samples = _Samples(joined, log)
        again = read_log(path, samples.take)
        samples.store()
        if again.last != log.last:
            raise InvalidInput("log", f"{path} was written anew while it was read; try again")
        return archive.session(log.record.id), True


def _require_same(database: Database, log: Log, recommended: str) -> None:
    try:
        here = write_log(
            database, log.record.id, _drop, recommended=recommended, with_samples=log.with_samples, setup=log.setup
        ).last
    except AgentttsError:  # such as samples that are not here
        here = ""
    if here != log.last:
        raise InvalidInput(
            "log",
            f"session {log.record.id} is in the database already and differs from the log; import into another one",
        )


def _store(database: Database, archive: Archive, log: Log) -> None:
    session_id = log.record.id
    archive.adopt_session(log.record, dict(log.setup))
    archive.add_trials(session_id, log.trials)
    for guideline in log.guidelines:
        archive.add_guideline(session_id, guideline)
    archive.add_transcripts(session_id, log.transcripts)
    for evaluation in log.evaluations:
        archive.save_evaluation(session_id, evaluation, log.draws[evaluation.label, evaluation.split])
    with database.transaction() as session:
        rows = session.execute(select(TrialRow.number, TrialRow.id).where(TrialRow.session_id == session_id))
        drawn = [
            {"trial_id": row_id, "draws": log.draws[number]} for number, row_id in rows if log.draws[number] is not None
        ]
        if drawn:
            session.execute(insert(TrialDrawsRow), drawn)
        session.add(SpendingRow(session_id=session_id, **spending_fields(log.spending)))
        session.add_all(FaultRow(session_id=session_id, **asdict(fault)) for fault in log.faults)


class _Samples:
    """Stores a log's samples, or their digests where it holds no more, some at a time."""

    def __init__(self, database: Database, log: Log) -> None:
        self._database = database
        self._store = SampleStore(database)
        self._log = log
        self._waiting: list[LoggedSample] = []

    def take(self, sample: LoggedSample) -> None:
        self._waiting.append(sample)
        if len(self._waiting) == SAMPLES_AT_ONCE:
            self.store()

    def store(self) -> None:
        """Stores what was taken since the last time."""
        waiting, self._waiting = self._waiting, []
        if self._log.with_samples:
            self._put(waiting)
        elif waiting:
            rows = [
                {
                    "session_id": self._log.record.id,
                    "key": told.key,
                    "number": told.index,
                    "sha256": told.sha256,
                    "prompt_tokens": told.prompt_tokens,
                    "generation_tokens": told.generation_tokens,
                }
                for told in waiting
            ]
            with self._database.transaction() as session:
                session.execute(insert(SampleDigestRow), rows)

    def _put(self, waiting: list[LoggedSample]) -> None:
        entries: list[tuple[GenerationRequest, int, Sample]] = [
            (told.request, told.index, told.sample) for told in waiting if told.request and told.sample
        ]
        if self._store.put(entries):
            return
        held = self._store.fetch({request.key for request, _, _ in entries})
        for request, index, sample in entries:
            if held[request.key][index] != sample:
                raise InvalidInput(
                    "log",
                    f"the database holds another sample {index} of {request.key}, which the session did not draw; "
                    "import into another database, or a log without samples",
                )


def _drop(_: bytes) -> None:
    return
