"""The SampleStore: every generation paid for, by content address."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from sqlalchemy import func, select

from storage.database import Database
from storage.inserting import insert_new
from storage.lookups import rows_of
from storage.sample import GenerationRequest, Sample
from storage.schema import RequestRow, SampleRow, now
from storage.spending import SessionSpending


class SampleStore:
    """Generated samples in a database; safe to use from several threads and processes."""

    def __init__(self, database: Database, spending: SessionSpending | None = None) -> None:
        """What `spending` has noted is written in the transaction of the samples that it was spent on."""
        self._database = database
        self._spending = spending

    def fetch(self, keys: Iterable[str]) -> dict[str, dict[int, Sample]]:
        """The stored samples of each key by index; keys without samples are absent."""
        found: dict[str, dict[int, Sample]] = {}
        row = SampleRow
        columns = (
            row.key,
            row.number,
            row.text,
            row.prompt_tokens,
            row.generation_tokens,
            row.latency,
            row.finish_reason,
            row.mean_logprob,
        )
        with self._database.reading() as session:
            for key, number, *sample in rows_of(session, select(*columns), row.key, keys):
                found.setdefault(key, {})[number] = Sample(*sample)
        return found

    def put(self, entries: Iterable[tuple[GenerationRequest, int, Sample]]) -> bool:
        """Stores samples in one transaction; on return they are on disk. The first write of an
        index wins, whoever made it. Tells whether all of them were first."""
        requests: dict[str, dict[str, Any]] = {}
        samples: list[dict[str, Any]] = []
        for request, number, sample in entries:
            requests.setdefault(request.key, {"key": request.key, "body": request.to_dict()})
            samples.append(
                {
                    "key": request.key,
                    "number": number,
                    "text": sample.text,
                    "prompt_tokens": sample.prompt_tokens,
                    "generation_tokens": sample.generation_tokens,
                    "latency": sample.latency,
                    "finish_reason": sample.finish_reason,
                    "mean_logprob": sample.mean_logprob,
                    "created": now(),
                }
            )
        # Rows in one order everywhere, or two writers could wait for each other.
        samples.sort(key=lambda row: (row["key"], row["number"]))
        joining = self._spending.joining() if self._spending else nullcontext()
        with joining as join, self._database.transaction() as session:
            insert_new(session, RequestRow, [requests[key] for key in sorted(requests)])
            stored = insert_new(session, SampleRow, samples)
            # Last: nobody who holds the account's row waits for a sample's.
            if join is not None:
                join(session)
        return stored == len(samples)

    def count(self) -> int:
        """How many samples are stored."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(SampleRow)) or 0
