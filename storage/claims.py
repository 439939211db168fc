"""Claims: which worker is generating for which request, so that no two do at once."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select

from storage.database import Database
from storage.inserting import insert_new
from storage.parts import in_parts
from storage.schema import ClaimRow
from storage.workers import without_worker


class Claims:
    """One worker's claims. A claim is given back by releasing it, and by the worker's end."""

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker

    def take(self, keys: Collection[str], release: Collection[str] = ()) -> set[str]:
        """Those of the requests' keys that are this worker's now; `release` are given back before. One transaction."""
        # Keys in one order everywhere, or two workers could wait for each other.
        wanted = sorted(keys)
        with self._database.transaction() as session:
            for given_back in in_parts(sorted(release)):
                mine = ClaimRow.worker == self._worker
                session.execute(delete(ClaimRow).where(ClaimRow.key.in_(given_back), mine))
            held: set[str] = set()
            for chunk in in_parts(wanted):
                session.execute(delete(ClaimRow).where(ClaimRow.key.in_(chunk), without_worker(ClaimRow.worker)))
                new = insert_new(session, ClaimRow, [{"key": key, "worker": self._worker} for key in chunk])
                if new == len(chunk):
                    held.update(chunk)
                    continue
                mine = ClaimRow.worker == self._worker
                held.update(session.scalars(select(ClaimRow.key).where(ClaimRow.key.in_(chunk), mine)))
        return held
