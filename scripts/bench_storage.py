"""Storage with much in it: looking up samples, opening and listing sessions, and writing samples.

python scripts/bench_storage.py                                        # SQLite, in a folder of its own
python scripts/with_postgresql.py python scripts/bench_storage.py --databases postgresql
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench_script import Clock, Line, milliseconds, parser, ratios, show, spread
from sqlalchemy import create_engine

from agent.preparation import prepare
from agent.session import load_result
from storage.archive import Archive
from storage.database import Database, parse_url
from storage.listing import listed_sessions
from storage.sample import GenerationRequest, Message, Sample, SamplingParameters
from storage.samples import SampleStore
from storage.session import SessionConfig
from tools.trial import StageScore, Trial, TrialState

EACH = 10
"""Samples of a request."""
BATCH = 500
"""Samples that a group commit holds."""
KEYS = 50
"""Requests whose samples are looked up at once: those of a stage's examples."""
PROMPT = "Some words that a prompt may hold. " * 12
FEW = 10_000
LOOK_UPS = 100
"""Of one run."""
SECOND = "agenttts_bench_few"
PARTS = 10
"""Into which the writing is split, each with its own rate."""


def request(number: int) -> GenerationRequest:
    """One of many different requests."""
    return GenerationRequest("a-model", (Message("user", f"{PROMPT}{number}"),), SamplingParameters(0.9, 32))


def sample(index: int) -> Sample:
    """A short answer."""
    return Sample(f"The answer number {index} in a dozen words or so.", 100 if index == 0 else 0, 12, 0.5)


def batches(first: int, last: int) -> Iterator[list[tuple[GenerationRequest, int, Sample]]]:
    """Samples, a commit at a time; numbered through, so many of each request."""
    for start in range(first, last, BATCH):
        yield [(request(n // EACH), n % EACH, sample(n % EACH)) for n in range(start, min(start + BATCH, last))]


def fill(store: SampleStore, first: int, last: int) -> float:
    """Writes samples; returns how many a second."""
    spent = 0.0
    for batch in batches(first, last):
        for one, _, _ in batch:
            _ = one.key  # a draw has computed it before
        begin = time.perf_counter()
        store.put(batch)
        spent += time.perf_counter() - begin
    return (last - first) / spent


def look_up(store: SampleStore, samples: int, rng: random.Random, clock: Clock) -> float:
    """Seconds of a look-up of one batch, drawn from so many samples: the median of a few."""
    found = []
    for _ in range(LOOK_UPS):
        keys = [request(number).key for number in rng.sample(range(samples // EACH), KEYS)]
        begin = clock()
        held = store.fetch(keys)
        found.append(clock() - begin)
        if sum(map(len, held.values())) != KEYS * EACH:
            raise SystemExit("samples that were written are not found")
    return statistics.median(found)


def add_sessions(archive: Archive, sessions: int, trials: int) -> str:
    """Stores sessions with complete trials; returns the id of one in the middle."""
    config = SessionConfig("multihop-recorded", {}, "random", {}, 0, 0.0, "", {}, 50, 10)
    _, search, config = prepare(config, default_budget=True)
    asked = search.ask(trials)
    score = StageScore.of("EM", [float(number % 2) for number in range(50)])
    ids = []
    for _ in range(sessions):
        record = archive.create_session(config)
        ids.append(record.id)
        done = [
            Trial(
                number,
                trial.allocation,
                trial.cost,
                TrialState.COMPLETE,
                "random",
                stage_scores=dict.fromkeys(trial.allocation, score),
                score=score.mean,
            )
            for number, trial in enumerate(asked)
        ]
        archive.add_trials(record.id, done)
    return ids[len(ids) // 2]


def timed(action: object, times: int) -> list[float]:
    """Elapsed seconds of a call, after one that does not count."""
    assert callable(action)  # noqa: S101 - for the type checker
    found = []
    for _ in range(times + 1):
        begin = time.perf_counter()
        action()
        found.append(time.perf_counter() - begin)
    return found[1:]


def measure(name: str, url: str, few_url: str, samples: int, sessions: int, trials: int, runs: int) -> list[Line]:
    """The figures of one database beside one that holds few samples; both must be new."""
    few = min(FEW, samples // 10)
    # SQLite works within this process, whose own time does not count what others do meanwhile.
    clock = time.process_time if name == "SQLite" else time.perf_counter
    with Database.open(few_url) as little, Database.open(url) as database:
        small_store, store, archive = SampleStore(little), SampleStore(database), Archive(database)
        fill(small_store, 0, few)
        part = samples // PARTS
        written = [fill(store, number * part, (number + 1) * part) for number in range(PARTS)]
        middle = add_sessions(archive, sessions, max(1, trials // sessions))
        rng = random.Random(samples)
        look_up(small_store, few, rng, clock), look_up(store, PARTS * part, rng, clock)
        pairs = [(look_up(small_store, few, rng, clock), look_up(store, PARTS * part, rng, clock)) for _ in range(runs)]
        small, large = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        listing = timed(lambda: listed_sessions(database, sessions), runs)
    opening = timed(lambda: load_result(middle, url), runs)
    named = timed(lambda: Database.open(url).close(), runs)
    return [
        Line(
            f"{name}: look-up of {KEYS} x {EACH} samples among {samples:,}",
            milliseconds(large),
            f"among {few:,}: {milliseconds(small)}",
            ratios(large, small),
            "at most 1.5",
        ),
        Line(
            f"{name}: samples written a second, {BATCH} a commit, over each tenth of them",
            spread(written),
            f"the last tenth: {written[-1]:.3g}",
            (),
            "at least 5,000 on SQLite",
        ),
        Line(f"{name}: listing {sessions:,} sessions", milliseconds(listing), "", (), "under 100 ms"),
        Line(
            f"{name}: opening a session among them, from the URL to its {max(1, trials // sessions)} trials",
            milliseconds(opening),
            f"opening the database alone: {milliseconds(named)}",
            ratios(opening, named),
            "under 100 ms",
        ),
    ]


@contextmanager
def second_database(url: str) -> Iterator[str]:
    """Another database on a PostgreSQL server, for as long as the block lasts; its URL."""
    parsed = parse_url(url)
    engine = create_engine(parsed, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {SECOND}")
        try:
            yield parsed.set(database=SECOND).render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {SECOND}")
    engine.dispose()


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=5)
    options.add_argument("--samples", type=int, default=1_000_000, help="default: %(default)s")
    options.add_argument("--sessions", type=int, default=1000, help="default: %(default)s")
    options.add_argument("--trials", type=int, default=10_000, help="of all sessions, default: %(default)s")
    options.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite"])
    arguments = options.parse_args()
    sizes = (arguments.samples, arguments.sessions, arguments.trials, arguments.runs)
    lines = []
    if "sqlite" in arguments.databases:
        with tempfile.TemporaryDirectory() as folder:
            lines += measure("SQLite", str(Path(folder) / "bench.db"), str(Path(folder) / "few.db"), *sizes)
    if "postgresql" in arguments.databases:
        url = os.environ["AGENTTTS_TEST_POSTGRESQL"]
        with second_database(url) as few_url:
            lines += measure("PostgreSQL", url, few_url, *sizes)
    show(lines)


if __name__ == "__main__":
    main()
