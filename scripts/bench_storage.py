"""Storage with much in it: looking up samples, opening and listing sessions, and writing samples.

python scripts/bench_storage.py                                        # SQLite, in a folder of its own
python scripts/with_postgresql.py python scripts/bench_storage.py --databases postgresql
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench_script import Clock, Line, milliseconds, parser, ratios, show, spread

from agent.preparation import prepare
from agent.session import load_result
from storage.archive import Archive
from storage.database import Database
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


def look_ups(store: SampleStore, samples: int, times: int, clock: Clock) -> list[float]:
    """Seconds of look-ups of one batch each, drawn from so many samples; the middle half of them."""
    rng = random.Random(samples)
    found = []
    for _ in range(times):
        keys = [request(number).key for number in rng.sample(range(samples // EACH), KEYS)]
        begin = clock()
        held = store.fetch(keys)
        found.append(clock() - begin)
        if sum(map(len, held.values())) != KEYS * EACH:
            raise SystemExit("samples that were written are not found")
    return sorted(found)[times // 4 : times - times // 4]


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


def measure(name: str, url: str, samples: int, sessions: int, trials: int, runs: int) -> list[Line]:
    """The figures of one database, which must be new."""
    few = min(FEW, samples // 10)
    # SQLite works within this process, whose own time does not count what others do meanwhile.
    clock = time.process_time if name == "SQLite" else time.perf_counter
    with Database.open(url) as database:
        store, archive = SampleStore(database), Archive(database)
        fill(store, 0, few)
        small = look_ups(store, few, 20 * runs, clock)
        written = fill(store, few, samples)
        middle = add_sessions(archive, sessions, max(1, trials // sessions))
        large = look_ups(store, samples, 20 * runs, clock)
        listing = timed(lambda: listed_sessions(database, sessions), runs)
    opening = timed(lambda: load_result(middle, url), runs)
    named = timed(lambda: Database.open(url).close(), runs)
    middle_of = [small[len(small) // 2]] * len(large)
    return [
        Line(
            f"{name}: look-up of {KEYS} x {EACH} samples among {samples:,}",
            milliseconds(large),
            f"among {few:,}: {milliseconds(small)}",
            ratios(large, middle_of),
            "at most 1.5",
        ),
        Line(f"{name}: samples written a second, {BATCH} a commit", spread([written]), "", (), "5,000 on SQLite"),
        Line(f"{name}: listing {sessions:,} sessions", milliseconds(listing), "", (), "under 100 ms"),
        Line(
            f"{name}: opening a session among them, from the URL to its {max(1, trials // sessions)} trials",
            milliseconds(opening),
            f"opening the database alone: {milliseconds(named)}",
            ratios(opening, named),
            "under 100 ms",
        ),
    ]


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
            lines += measure("SQLite", str(Path(folder) / "bench.db"), *sizes)
    if "postgresql" in arguments.databases:
        lines += measure("PostgreSQL", os.environ["AGENTTTS_TEST_POSTGRESQL"], *sizes)
    show(lines)


if __name__ == "__main__":
    main()
