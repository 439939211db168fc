"""What went wrong at a session's endpoints, summed as it is written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from sqlalchemy import select

from storage.database import Database
from storage.fault import Fault, FaultKind, FaultSum
from storage.inserting import insert
from storage.schema import LONGEST_ENDPOINT, LONGEST_MODEL, FaultRow
from tools.space import Model

LOST = ("lost_generations", "lost_prompt_tokens", "lost_generation_tokens", "lost_picodollars")
COUNTED = ("count", "retried", "waited", *LOST)


class SessionFaults:
    """One session's faults, one row for each endpoint, model and kind; several processes may add to them."""

    def __init__(self, database: Database, session_id: str, models: Mapping[str, Model] | None = None) -> None:
        """`models` tell the prices of what was lost."""
        self._models = models or {}
        self._database = database
        self._session_id = session_id

    def add(self, faults: Sequence[Fault]) -> None:
        """Adds faults in one transaction. Raises StorageError."""
        sums: dict[tuple[str, str, FaultKind], list[Fault]] = defaultdict(list)
        for fault in faults:
            named = replace(fault, endpoint=fault.endpoint[:LONGEST_ENDPOINT], model=fault.model[:LONGEST_MODEL])
            sums[named.endpoint, named.model, named.kind].append(named)
        with self._database.transaction() as session:
            # In one order everywhere, or two writers could wait for each other.
            for key in sorted(sums):
                one = asdict(FaultSum.of(sums[key], self._models.get(key[1])))
                statement = insert(session, FaultRow).values(session_id=self._session_id, **one)
                added = {name: getattr(FaultRow, name) + statement.excluded[name] for name in COUNTED}
                place = ["session_id", "endpoint", "model", "kind"]
                session.execute(statement.on_conflict_do_update(index_elements=place, set_=added))

    def sums(self) -> tuple[FaultSum, ...]:
        """The faults by endpoint, model and kind."""
        query = select(FaultRow).where(FaultRow.session_id == self._session_id)
        with self._database.reading() as session:
            rows = session.scalars(query.order_by(FaultRow.endpoint, FaultRow.model, FaultRow.kind))
            return tuple(
                FaultSum(row.endpoint, row.model, FaultKind(row.kind), *(getattr(row, name) for name in COUNTED))
                for row in rows
            )
