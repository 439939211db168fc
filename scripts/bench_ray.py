"""What a search spread over Ray takes beside the same search in one process, on one machine.

The recorded benchmark answers over HTTP, each request after a fixed latency, so that waiting dominates as it does
with real endpoints. On one machine there is nothing to gain: the ratio is Ray's overhead.

python scripts/bench_ray.py                      # needs the extra ray
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench_script import Line, parser, ratios, show, spread

import agenttts as tts
from tests.environment.slow_server import slow_server

NAMED = "tests.environment.faulty_recording:behind"
SMALL = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}


def searched(latency: float, trials: int, **given: object) -> float:
    """Seconds of wall clock that a search takes, its generations included."""
    with slow_server(latency) as server, tempfile.TemporaryDirectory() as folder:
        options = {"task_options": {"url": server.base_url}, "trials": trials, "batch": 5, "seed": 0}
        started = time.monotonic()
        tts.run(NAMED, storage=f"sqlite:///{folder}/bench.db", **options, **given)  # type: ignore[arg-type]
        return time.monotonic() - started


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=3)
    options.add_argument("--trials", type=int, default=10, help="default: %(default)s")
    options.add_argument("--latency", type=float, default=0.2, help="seconds of a request; default: %(default)s")
    arguments = options.parse_args()
    from ray.cluster_utils import Cluster

    os.environ |= {
        "OPENAI_API_KEY": "none",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    cluster = Cluster(initialize_head=True, head_node_args=SMALL)
    cluster.add_node(**SMALL)
    spread_out = {"executor": "ray", "executor_options": {"address": cluster.address, "workers": 2}}
    try:
        searched(arguments.latency, arguments.trials, **spread_out)  # Ray's own start does not count
        ours, reference = [], []
        for _ in range(arguments.runs):
            ours.append(searched(arguments.latency, arguments.trials, **spread_out))
            reference.append(searched(arguments.latency, arguments.trials))
    finally:
        cluster.shutdown()
    figure = f"{arguments.trials} trials on two Ray nodes of this machine, {arguments.latency:g} s a request"
    show([Line(figure, spread(ours, "s"), f"one process: {spread(reference, 's')}", ratios(ours, reference))])


if __name__ == "__main__":
    main()
