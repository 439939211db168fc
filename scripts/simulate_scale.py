"""Simulated: what 10^9 generations over 1,000 endpoints ask of every part, from measured costs.

A discrete-event simulation of a window of steady work: endpoints with slots answer requests of a lognormal length,
worker processes spend their measured processor time on each, writers take group commits, a database takes rows, and
searchers think between batches of trials. It is no measurement: the costs are (docs/performance.md), and so is the
size of a sample; what comes of them at this size is simulated. Needs simpy.

python scripts/simulate_scale.py
python scripts/simulate_scale.py --workers 8 16 32 --writers 1 4
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import simpy

SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Costs:
    """Measured costs, in seconds of one core unless said otherwise."""

    request: float = 1.5e-3
    """A worker's, for a request and its answer (scripts/bench_throughput.py --session, 64 in flight)."""
    commit: float = 4e-3
    """A writer's, for a group commit whatever it holds: mostly the disk's (scripts/bench_storage.py)."""
    sample: float = 4e-5
    """A writer's, for a sample in a commit (scripts/bench_storage.py: 1 / samples a second)."""
    trial: float = 1.2e-2
    """A worker's, for what a trial takes beside its requests (scripts/bench_replay.py, half warm)."""
    thinking: float = 2e-3
    """A searcher's, for each trial, in batches of ten (scripts/bench_searchers.py)."""
    bytes: float = 340.0
    """A stored sample's share of the database with its indexes (scripts/bench_storage.py)."""


@dataclass(frozen=True)
class Load:
    """What is to be done, and on what."""

    generations: float = 1e9
    endpoints: int = 1000
    slots: int = 64
    """Requests that an endpoint answers at once."""
    choices: int = 4
    """Samples of a request."""
    seconds: float = 8.0
    """Mean length of a request at an endpoint whose slots are full."""
    requests_a_trial: int = 75
    workers: int = 16
    writers: int = 1

    @property
    def offered(self) -> float:
        """Requests a second that the endpoints can answer."""
        return self.endpoints * self.slots / self.seconds


@dataclass
class Used:
    """Busy seconds and waits of one kind of part."""

    busy: float = 0.0
    waited: float = 0.0
    served: int = 0


class Deployment:
    """A part of the load at its true proportions, simulated event by event.

    A window of the work is simulated on a share of the endpoints, with the same share of every part's speed, so
    that a share of 1% takes a hundredth of the events and every utilisation stays as it is.
    """

    def __init__(self, load: Load, costs: Costs, share: float, seed: int) -> None:
        self._load, self._costs, self._share = load, costs, share
        self._rng = random.Random(seed)
        self.env = simpy.Environment()
        self.used = {name: Used() for name in ("endpoints", "workers", "writers", "searchers")}
        self.endpoints = simpy.Resource(self.env, max(1, round(load.endpoints * load.slots * share)))
        self._workers = simpy.Resource(self.env, 1)
        self._writers = simpy.Resource(self.env, 1)
        self._searchers = simpy.Resource(self.env, 1)
        self._waiting: list[tuple[int, simpy.Event]] = []
        self._committing = False
        self.answered = 0

    def run(self, seconds: float) -> None:
        """Simulates a window, after one as long that does not count."""
        for _ in range(self.endpoints.capacity):
            self.env.process(self._slot())
        self.env.run(seconds)
        self.used = {name: Used() for name in self.used}
        self.answered = 0
        self.env.run(2 * seconds)

    def _slot(self) -> Generator[Any, Any, None]:
        """One request in flight after the other, as the executor keeps every slot of an endpoint filled."""
        load, costs = self._load, self._costs
        yield self.env.timeout(self._rng.uniform(0, load.seconds))
        while True:
            length = self._rng.lognormvariate(math.log(load.seconds) - 0.18, 0.6)
            yield self.env.timeout(length)
            self._note("endpoints", length, 0.0)
            own = costs.request + costs.trial / load.requests_a_trial
            yield from self._serve("workers", self._workers, own / (load.workers * self._share))
            yield self.env.process(self._store(load.choices))
            self.answered += 1
            if self._rng.random() < 1 / load.requests_a_trial:
                # Sessions think side by side: each has a core of some worker machine while it does.
                thinking = costs.thinking / (load.workers * self._share)
                yield from self._serve("searchers", self._searchers, thinking)

    def _store(self, samples: int) -> Generator[Any, Any, None]:
        """Waits until the samples are on disk: what gathers while one commit runs shares the next."""
        done = self.env.event()
        self._waiting.append((samples, done))
        if not self._committing:
            self._committing = True
            self.env.process(self._commit())
        begin = self.env.now
        yield done
        self.used["writers"].waited += self.env.now - begin

    def _commit(self) -> Generator[Any, Any, None]:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            rows = sum(samples for samples, _ in batch)
            # A commit's fixed part does not shrink with the share simulated, its rows' part is that of the whole.
            spent = self._costs.commit + rows * self._costs.sample / (self._load.writers * self._share)
            yield self.env.timeout(spent)
            self._note("writers", spent, 0.0)
            for _, done in batch:
                done.succeed()
        self._committing = False

    def _serve(self, name: str, resource: simpy.Resource, seconds: float) -> Generator[Any, Any, None]:
        begin = self.env.now
        with resource.request() as turn:
            yield turn
            waited = self.env.now - begin
            yield self.env.timeout(seconds)
        self._note(name, seconds, waited)

    def _note(self, name: str, seconds: float, waited: float) -> None:
        used = self.used[name]
        used.busy += seconds
        used.waited += waited
        used.served += 1


def simulate(load: Load, costs: Costs, window: float, share: float, seed: int) -> dict[str, float]:
    """What a deployment comes to: generations a second, days for all, and how busy every part is (0 to 1)."""
    deployment = Deployment(load, costs, share, seed)
    deployment.run(window)
    requests = deployment.answered / window / share
    generations = requests * load.choices
    busy = {name: used.busy / window for name, used in deployment.used.items()}
    busy["endpoints"] /= deployment.endpoints.capacity
    return {
        "workers": load.workers,
        "writers": load.writers,
        "requests a second": requests,
        "generations a second": generations,
        "days": load.generations / generations / SECONDS_A_DAY,
        **{f"{name} busy": share_of for name, share_of in busy.items()},
    }


def main() -> None:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--workers", type=int, nargs="+", default=[4, 8, 16, 32], help="cores, default: %(default)s")
    options.add_argument("--writers", type=int, nargs="+", default=[1, 2, 4], help="databases, default: %(default)s")
    options.add_argument("--window", type=float, default=200.0, help="simulated seconds, default: %(default)s")
    options.add_argument("--share", type=float, default=0.01, help="of the endpoints, default: %(default)s")
    options.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    for name, value in vars(Costs()).items():
        options.add_argument(f"--{name}-cost", type=float, default=value, help="default: %(default)s")
    arguments = options.parse_args()
    costs = Costs(**{name: getattr(arguments, f"{name}_cost") for name in vars(Costs())})
    load = Load()
    print(
        f"Simulated. {load.generations:,.0f} generations, {load.choices} a request, over {load.endpoints:,} endpoints "
        f"of {load.slots} slots, {load.seconds:g} s a request: they can answer {load.offered:,.0f} requests a second.\n"
        f"Stored: {load.generations * costs.bytes / 1e12:,.2f} TB of samples.\n"
    )
    window, share, seed = arguments.window, arguments.share, arguments.seed
    rows = [
        simulate(replace(load, workers=workers, writers=writers), costs, window, share, seed)
        for workers, writers in itertools.product(arguments.workers, arguments.writers)
    ]
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + " --- |" * len(rows[0]))
    for row in rows:
        cells = (f"{value:.0%}" if name.endswith("busy") else f"{value:,.3g}" for name, value in row.items())
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
