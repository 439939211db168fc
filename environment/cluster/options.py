"""What a person may set about the cluster."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_finite, require_count

AUTO, LOCAL = "auto", "local"
MOST_WORKERS = 10_000
MOST_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How trials are spread over a Ray cluster.

    `address` is the cluster's HOST:PORT, "auto" for the one that this machine belongs to, or "local"
    for one of this machine alone that ends with the session. `workers` is how many processes share
    the examples (None: one for each node). `trials_at_once` trials of a batch run side by side. `cpus`
    is what a worker reserves of its node: 0 where it mostly waits for endpoints, else a worker of a
    lost node has to wait until another one has so much to spare. Raises InvalidInput naming the option.
    """

    address: str = "auto"
    workers: int | None = None
    trials_at_once: int = 4
    cpus: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.address, str) and self.address.startswith("ray://"):
            raise InvalidInput(
                "executor option address",
                "must be HOST:PORT: the search itself has to run on a machine of the cluster, Ray's client is not used",
            )
        if self.address not in (AUTO, LOCAL) and self.place is None:
            raise InvalidInput(
                "executor option address", f'must be HOST:PORT, "{AUTO}" or "{LOCAL}", got {shortened(self.address)}'
            )
        if self.workers is not None:
            require_count("executor option workers", self.workers, MOST_WORKERS)
        require_count("executor option trials_at_once", self.trials_at_once, MOST_AT_ONCE)
        if not is_finite(self.cpus) or not 0 <= self.cpus < math.inf:
            raise InvalidInput("executor option cpus", f"must be a number of 0 or more, got {shortened(self.cpus)}")

    @property
    def place(self) -> tuple[str, int] | None:
        """Host and port of the cluster's head; None where the address has none."""
        found = re.fullmatch(r"\[?([^\s/@\[\]]+)\]?:(\d{1,5})", self.address) if isinstance(self.address, str) else None
        return (found[1], int(found[2])) if found and 0 < int(found[2]) < 65536 else None
