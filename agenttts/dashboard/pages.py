"""What each page shows, read from the database at every request."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.judging import BEST
from agent.reporting.answer import answer_of
from agent.reporting.session_report import trials_table
from agent.reporting.style import number, score
from agent.reporting.timeline import batches
from agent.reporting.trajectory import best_so_far
from agent.session import Result, load_result, load_workers
from agenttts.dashboard.control import Control
from storage.archive import Archive
from storage.database import Database
from storage.listing import listed_sessions
from storage.workers import Workers
from tools.errors import InvalidInput

PER_PAGE = 50
MOST_COMPARED = 8
GUIDELINES_SHOWN = 5


class Pages:
    """Reads what pages show. Raises UnknownSession, InvalidInput and StorageError."""

    def __init__(self, storage: str, control: Control) -> None:
        self._storage = storage
        self._control = control

    def sessions(self, page: int) -> dict[str, Any]:
        """A page of the list, the newest first."""
        with Database.open(self._storage) as database:
            listed = listed_sessions(database, PER_PAGE + 1, page * PER_PAGE)
            shown = database.url
        return {
            "storage": shown,
            "listed": listed[:PER_PAGE],
            "page": page,
            "more": len(listed) > PER_PAGE,
            "ago": ago,
        }

    def session(self, name: str) -> dict[str, Any]:
        """One session as it stands."""
        result = load_result(name, self._storage)
        spending = result.spending
        workers = load_workers(result.session_id, self._storage)
        return {
            "result": result,
            "answer": answer_of(result),
            "done": sum(trial.score is not None for trial in result.trials),
            "workers": workers,
            "running": bool(workers),
            "starting": self._control.is_running(result.session_id),
            "last_words": self._control.last_words(result.session_id),
            "usage": result.usage,
            "spent": str(spending.spent),
            "faults": result.faults,
            "batches": list(reversed(batches(result)))[:GUIDELINES_SHOWN],
            "trials": trials_table(list(reversed(result.trials))),
            "bars": bars(result),
        }

    def report(self, name: str) -> str:
        """The session's report as `agenttts report` writes it."""
        result = load_result(name, self._storage)
        with tempfile.TemporaryDirectory() as folder:
            return result.report(Path(folder) / "report.html").read_text(encoding="utf-8")

    def compare(self, names: Sequence[str]) -> dict[str, Any]:
        """Several sessions beside each other."""
        if not 2 <= len(names) <= MOST_COMPARED:
            raise InvalidInput("session", f"choose 2 to {MOST_COMPARED} sessions to compare, got {len(names)}")
        results = [load_result(name, self._storage) for name in names]
        return {"rows": [_row(result) for result in results], "results": results, "bars": bars, "same": _same(results)}

    def stop(self, name: str) -> str:
        """Asks whoever runs the session to stop; its id."""
        with Database.open(self._storage) as database:
            session = Archive(database).session(name).id
            Workers(database).ask_to_stop(session)
        return session

    def resume(self, name: str) -> str:
        """Starts the session again; its id."""
        with Database.open(self._storage) as database:
            session = Archive(database).session(name).id
        self._control.resume(session)
        return session


def bars(result: Result) -> list[tuple[int, float, float]]:
    """Each complete trial's number, score and the best score by then."""
    scored = ((trial.number, trial.score) for trial in result.trials if trial.score is not None)
    return [(*one, best) for one, (_, best) in zip(scored, best_so_far(result.trials), strict=True)]


def ago(moment: datetime) -> str:
    """How long ago, roughly."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = max(0, (datetime.now(UTC) - moment).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def _row(result: Result) -> dict[str, str]:
    best, judged = result.best_or_none, result.evaluation(BEST)
    usage = result.usage
    return {
        "session": result.session_id,
        "task": result.config.task,
        "searcher": result.config.searcher,
        "seed": str(result.config.seed),
        "budget": number(result.config.budget),
        "trials": f"{sum(trial.score is not None for trial in result.trials)} of {result.config.trials}",
        "best allocation": "" if best is None else str(best.allocation),
        "search score": "" if best is None else score(best.score),
        "held-out score": "not judged" if judged is None else score(judged.score.mean),
        "generations": f"{usage.fresh:,} of {usage.requested:,}",
        "state": str(result.state),
    }


def _same(results: Sequence[Result]) -> bool:
    """Whether the sessions searched one problem, so that their scores can be compared."""
    problems = {
        (r.config.task, str(r.config.task_options), r.config.task_digest, r.config.budget, r.config.cost)
        for r in results
    }
    return len(problems) == 1
