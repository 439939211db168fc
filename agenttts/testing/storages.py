"""The contract of a storage, as tests: the SampleStore and the Archive on an open `storage.Database`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import update

from storage.archive import Archive
from storage.database import Database
from storage.evaluation import Evaluation
from storage.listing import listed_sessions
from storage.sample import GenerationRequest, Message, Sample, SamplingParameters
from storage.samples import SampleStore
from storage.schema import Base, SessionRow
from storage.session import SessionConfig, SessionState
from storage.transcript import Transcript
from storage.workers import Workers
from tools.errors import InvalidTransition, StorageError, UnknownSession
from tools.space import Allocation, Choice
from tools.trial import Guideline, StageScore, Trial, TrialState, Usage

CONFIG = SessionConfig("task", {"seed": 3}, "planner", {}, 0, 929.0, "flops", {}, 50, 10)
ALLOCATION = Allocation({"retrieval": Choice("large", 1), "qa": Choice("small", 15)})


def ask(text: str, model: str = "m") -> GenerationRequest:
    """A request that differs by its text."""
    return GenerationRequest(model, (Message("user", text),), SamplingParameters(0.9, 10))


def trial(number: int = 0, **changes: Any) -> Trial:
    """A waiting trial of ALLOCATION."""
    return replace(Trial(number, ALLOCATION, 900.5, origin="planner", reason="why", batch=1), **changes)


class StorageConformance:
    """Every database that sessions are stored in passes these. Override `database`.

    Each test gets an empty database and leaves it filled.
    """

    @pytest.fixture
    def database(self) -> Database:
        """An open, empty database."""
        raise NotImplementedError

    def test_the_migrated_schema_is_the_mapped_one(self, database: Database) -> None:
        """The migrations end in exactly the tables that the code maps."""
        with database.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []

    def test_samples_round_trip_and_the_first_write_wins(self, database: Database) -> None:
        """A sample comes back as it was put; a second write of an index changes nothing."""
        store = SampleStore(database)
        samples = [
            Sample("ä\n\x00".replace("\x00", ""), 7, 3, 0.25, "length"),
            Sample("", 0, 0, 0.25, mean_logprob=-0.5),
        ]
        assert store.put([(ask("q"), index, sample) for index, sample in enumerate(samples)])
        assert not store.put([(ask("q"), 0, Sample("later")), (ask("new"), 0, Sample("first"))])
        assert store.fetch([ask("q").key, ask("none").key]) == {ask("q").key: dict(enumerate(samples))}
        assert store.count() == 3

    def test_many_keys_are_fetched_and_many_writers_agree(self, database: Database) -> None:
        """More keys than fit one query, put by several threads at once, are there once each."""
        store = SampleStore(database)
        requests = [ask(str(number)) for number in range(1200)]

        def write(worker: int) -> None:
            store.put([(request, 0, Sample(f"worker {worker}")) for request in requests])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        found = store.fetch(request.key for request in requests)
        assert len(found) == 1200 == store.count()

    def test_a_session_round_trips(self, database: Database) -> None:
        """Sessions are found by id, by a unique beginning of one and as the last; states are kept."""
        archive = Archive(database)
        first, second = archive.create_session(CONFIG), archive.create_session(replace(CONFIG, seed=1))
        assert archive.session(first.id).config == CONFIG
        assert archive.session(first.id[:7]).id == first.id
        assert archive.session("last").id == second.id
        archive.set_state(first.id, SessionState.FAILED, "endpoint down")
        assert (archive.session(first.id).state, archive.session(first.id).problem) == ("failed", "endpoint down")
        with pytest.raises(UnknownSession, match=second.id):
            archive.session("zzz")

    def test_sessions_are_listed_the_newest_first(self, database: Database) -> None:
        """The listing counts each session's trials, tells its best score and who is at work on it."""
        archive, workers = Archive(database), Workers(database)
        config = replace(CONFIG, budget=0.1 + 0.2, task_options={"whole": 2**70, "tiny": 5e-324, "text": "ä😀\n"})
        ids = [archive.create_session(replace(config, seed=seed)).id for seed in range(3)]
        archive.add_trials(ids[1], [trial(0), trial(1), trial(2)])
        for number, score in ((0, 0.25), (1, 0.75)):
            archive.save_trial(ids[1], trial(number, state=TrialState.RUNNING))
            archive.save_trial(ids[1], trial(number, state=TrialState.COMPLETE, score=score))
        workers.register(ids[0])
        listed = listed_sessions(database)
        assert [one.record for one in listed] == [archive.session(id_) for id_ in reversed(ids)]
        assert [one.record.config for one in listed] == [replace(config, seed=seed) for seed in (2, 1, 0)]
        assert [(one.planned, one.complete, one.best, one.at_work) for one in listed] == [
            (0, 0, None, 0),
            (3, 2, 0.75, 0),
            (0, 0, None, 1),
        ]
        assert listed_sessions(database, 1, 1) == [listed[1]]

    def test_a_configuration_that_no_version_wrote_is_told(self, database: Database) -> None:
        """A field that is unknown, missing or of another type ends in one line, wherever the session is read."""
        archive = Archive(database)
        session = archive.create_session(CONFIG).id
        known: dict[str, Any] = asdict(CONFIG)
        wrong: list[Any] = [known | {"more": 1}, known | {"seed": "one"}, {"task": "task"}, [], 7]
        for config in wrong:
            with database.transaction() as rows:
                rows.execute(update(SessionRow).values(config=config))
            for read in (lambda: archive.session(session), archive.sessions, lambda: listed_sessions(database)):
                with pytest.raises(StorageError, match=f"session {session} cannot be read"):
                    read()

    def test_a_trial_round_trips_through_its_states(self, database: Database) -> None:
        """A trial moves only as TRANSITIONS allows and comes back with its scores and usage."""
        archive = Archive(database)
        session = archive.create_session(CONFIG).id
        archive.add_trials(session, [trial(0), trial(1)])
        archive.save_trial(session, trial(0, state=TrialState.RUNNING))
        done = trial(
            0,
            state=TrialState.COMPLETE,
            score=0.5,
            stage_scores={"retrieval": StageScore("F1", 0.75, (0.5, 1.0)), "qa": StageScore("EM", 0.5, (0.0, 1.0))},
            usage=Usage(20, 10, 5, 100, 50),
        )
        archive.save_trial(session, done)
        assert archive.trials(session) == [done, trial(1)]
        assert list(archive.trials(session)[0].stage_scores) == ["retrieval", "qa"]
        with pytest.raises(InvalidTransition, match="trial 0 is complete and cannot become running"):
            archive.save_trial(session, trial(0, state=TrialState.RUNNING))
        with pytest.raises(InvalidTransition, match="does not exist"):
            archive.save_trial(session, trial(7, state=TrialState.RUNNING))

    def test_one_of_many_claimers_gets_a_trial(self, database: Database) -> None:
        """Moving a trial to running is atomic: one of many claimers succeeds."""
        archive = Archive(database)
        session = archive.create_session(CONFIG).id
        archive.add_trials(session, [trial(0)])

        def claim(_: int) -> bool:
            try:
                archive.save_trial(session, trial(0, state=TrialState.RUNNING))
            except InvalidTransition:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(claim, range(8))) == [False] * 7 + [True]

    def test_what_was_drawn_is_stored_with_what_drew_it(self, database: Database) -> None:
        """Of trials and evaluations alike the most samples of each request count; other sessions' do not."""
        archive = Archive(database)
        session, other = archive.create_session(CONFIG, {"a": 1}).id, archive.create_session(CONFIG).id
        for one, draws in ((session, {"k": 2, "l": 1}), (other, {"k": 9})):
            archive.add_trials(one, [trial(0)])
            archive.save_trial(one, trial(0, state=TrialState.RUNNING))
            archive.save_trial(one, trial(0, state=TrialState.COMPLETE, score=0.5), draws)
        judged = Evaluation("best", ALLOCATION, "held-out", 900.5, {"qa": StageScore("EM", 0.5, (0.0, 1.0))})
        archive.save_evaluation(session, judged, {"k": 3})
        assert archive.drawn(session) == {"k": 3, "l": 1}
        assert archive.drawn(other) == {"k": 9}

    def test_guidelines_transcripts_and_evaluations_round_trip(self, database: Database) -> None:
        """What the searcher concluded, its model calls and the judged allocations come back as stored."""
        archive = Archive(database)
        session, other = archive.create_session(CONFIG).id, archive.create_session(CONFIG).id
        guideline = Guideline(0, "use the small model", "planner")
        asked = ({"role": "user", "content": "?"},)
        call = Transcript(0, 1, "propose", "m", asked, "{}", 10, 5, 0.1, False, "over budget")
        judged = Evaluation("best", ALLOCATION, "held-out", 900.5, {"qa": StageScore("EM", 0.5, (0.0, 1.0))})
        archive.add_guideline(session, guideline)
        archive.add_transcripts(session, [call, replace(call, attempt=2)])
        for place, kept in enumerate((call, replace(call, attempt=9), replace(call, attempt=2))):
            archive.keep_transcript(other, min(place, 1), kept)
        archive.save_evaluation(session, judged)
        assert archive.guidelines(session) == [guideline]
        assert archive.transcripts(session) == archive.transcripts(other) == [call, replace(call, attempt=2)]
        assert archive.evaluations(session) == [judged]
