"""Writes a session of a database as a log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from storage.archive import Archive
from storage.database import Database
from storage.evaluation import Evaluation
from storage.log.chain import ChainWriter
from storage.log.lines import FORMAT, VERSION
from storage.log.values import (
    call_fields,
    evaluation_fields,
    fault_fields,
    fault_place,
    guideline_fields,
    sample_digest,
    sample_fields,
    score_fields,
    spending_fields,
    trial_fields,
)
from storage.lookups import rows_of
from storage.parts import in_parts
from storage.sample import Sample
from storage.samples import SampleStore
from storage.schema import EvaluationDrawsRow, RequestRow, SampleDigestRow, TrialDrawsRow, TrialRow
from storage.session import SessionRecord
from storage.spending import SpendingRecord
from tools.errors import InvalidInput, StorageError
from tools.trial import Trial, TrialState

KEYS_AT_ONCE = 200
OVER = (TrialState.COMPLETE, TrialState.FAILED)
Setup = Mapping[str, Any]


def write_log(
    database: Database,
    session_id: str,
    write: Callable[[bytes], object],
    *,
    recommended: str,
    with_samples: bool = False,
    setup: Setup | None = None,
) -> ChainWriter:
    """Writes the session as it stands at this moment; the same session gives the same bytes.

    `recommended` labels the evaluations of the recommended trial. `setup` serves a session that is older than
    its being stored. Raises InvalidInput where `with_samples` asks for samples that are not here, StorageError
    where even their digests are missing.
    """
    with database.snapshot() as fixed:
        return _Writer(fixed, session_id, write, with_samples=with_samples).session(recommended, setup)


class _Writer:
    def __init__(
        self, database: Database, session_id: str, write: Callable[[bytes], object], *, with_samples: bool
    ) -> None:
        self._database = database
        self._archive = Archive(database)
        self._id = session_id
        self._with_samples = with_samples
        self._chain = ChainWriter(write)
        self._drawn: dict[str, int] = {}

    def session(self, recommended: str, setup: Setup | None) -> ChainWriter:
        record = self._archive.session(self._id)
        known = self._archive.setup(self._id) or setup
        if known is None:
            raise StorageError(f"session {self._id} is older than logs, and its task is not to be had")
        line = self._chain.line
        samples = "texts" if self._with_samples else "digests"
        line("header", format=FORMAT, version=VERSION, samples=samples, made_with=known.get("made_with"))
        line("session", **_session_fields(record), problem=known["problem"])
        trials = self._archive.trials(self._id)
        self._trials(trials)
        for call in self._archive.transcripts(self._id):
            line("transcript", call=call_fields(call))
        for guideline in self._archive.guidelines(self._id):
            line("guideline", **guideline_fields(guideline))
        evaluations = self._archive.evaluations(self._id)
        self._evaluations(evaluations)
        self._samples()
        if (spending := self._archive.spending(self._id)) != SpendingRecord():
            line("spending", **spending_fields(spending))
        for fault in sorted(self._archive.faults(self._id), key=fault_place):
            line("fault", **fault_fields(fault))
        chosen = _recommended(trials, evaluations, recommended)
        line("result", state=str(record.state), failure=record.problem, recommended=chosen)
        self._chain.end()
        return self._chain

    def _trials(self, trials: Sequence[Trial]) -> None:
        query = (
            select(TrialRow.number, TrialDrawsRow.draws)
            .join(TrialDrawsRow)
            .where(TrialRow.session_id == self._id)
            .order_by(TrialRow.number)
        )
        with self._database.reading() as session:
            stored = iter(session.execute(query.execution_options(yield_per=KEYS_AT_ONCE)))
            found = next(stored, None)
            for trial in trials:
                draws = found[1] if found and found[0] == trial.number else None
                if draws is not None:
                    found = next(stored, None)
                    self._note(draws)
                self._chain.line("trial", **trial_fields(trial))
                if trial.state in OVER:
                    self._chain.line("score", **score_fields(trial, draws))

    def _evaluations(self, evaluations: Sequence[Evaluation]) -> None:
        query = select(EvaluationDrawsRow).where(EvaluationDrawsRow.session_id == self._id)
        with self._database.reading() as session:
            drawn = {(row.label, row.split): row.draws for row in session.scalars(query)}
        for evaluation in evaluations:
            draws = drawn.get((evaluation.label, evaluation.split))
            if draws is not None:
                self._note(draws)
            self._chain.line("evaluation", **evaluation_fields(evaluation, draws))

    def _note(self, draws: Mapping[str, int]) -> None:
        for key, count in draws.items():
            self._drawn[key] = max(count, self._drawn.get(key, 0))

    def _samples(self) -> None:
        store = SampleStore(self._database)
        for keys in in_parts(sorted(self._drawn), KEYS_AT_ONCE):
            samples, digests = store.fetch(keys), self._digests(keys)
            bodies = self._bodies(keys) if self._with_samples else {}
            for key in keys:
                if self._with_samples and key in bodies:
                    self._chain.line("request", key=key, body=bodies[key])
                for index in range(self._drawn[key]):
                    self._sample(key, index, samples.get(key, {}).get(index), digests.get((key, index)))

    def _sample(self, key: str, index: int, sample: Sample | None, elsewhere: SampleDigestRow | None) -> None:
        """A sample of another database counts by its digest, unless the very same is here."""
        if elsewhere is not None and (sample is None or sample_digest(sample) != elsewhere.sha256):
            sample, known = None, elsewhere.sha256
            tokens = (elsewhere.prompt_tokens, elsewhere.generation_tokens)
        elif sample is not None:
            known, tokens = sample_digest(sample), (sample.prompt_tokens, sample.generation_tokens)
        else:
            raise StorageError(f"session {self._id} drew sample {index} of {key}, which is not in the database")
        if self._with_samples and sample is None:
            raise InvalidInput(
                "--with-samples",
                f"sample {index} of {key} is not here: the session was imported without its samples; leave this out",
            )
        content = sample_fields(sample) if sample is not None and self._with_samples else {}
        counts = {"prompt_tokens": tokens[0], "generation_tokens": tokens[1]}
        self._chain.line("sample", key=key, index=index, sha256=known, **counts, **content)

    def _digests(self, keys: Sequence[str]) -> dict[tuple[str, int], SampleDigestRow]:
        row = SampleDigestRow
        query = select(row).where(row.session_id == self._id, row.key.in_(keys))
        with self._database.reading() as session:
            return {(found.key, found.number): found for found in session.scalars(query)}

    def _bodies(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        row = RequestRow
        with self._database.reading() as session:
            return dict(map(tuple, rows_of(session, select(row.key, row.body), row.key, keys)))


def _session_fields(record: SessionRecord) -> dict[str, Any]:
    return {"id": record.id, "created": _utc(record.created).isoformat(), "config": asdict(record.config)}


def _utc(moment: datetime) -> datetime:
    # SQLite gives back no zone; what is stored is in UTC.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _recommended(trials: Sequence[Trial], evaluations: Sequence[Evaluation], label: str) -> int | None:
    judged = next((evaluation.allocation for evaluation in evaluations if evaluation.label == label), None)
    return next((trial.number for trial in trials if judged is not None and trial.allocation == judged), None)
