"""Several observers of a session as one, and the one that is also told of its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from agent.participation import SessionObserver
from agent.search import Search
from environment.task import Task
from storage.sample import Sample
from storage.session import SessionRecord
from tools.trial import Guideline, Trial

if TYPE_CHECKING:
    from agent.session import Result


@runtime_checkable
class EndObserver(Protocol):
    """An observer that is told of the session's end too: its result, or why there is none."""

    def session_ended(self, result: Result | None, error: BaseException | None) -> None: ...


class Observers(SessionObserver):
    """Tells each of several observers, in their order."""

    def __init__(self, *observers: SessionObserver) -> None:
        self._observers = observers

    def session_started(self, record: SessionRecord, task: Task, search: Search) -> None:
        for observer in self._observers:
            observer.session_started(record, task, search)

    def samples_generated(self, model: str, samples: Sequence[Sample]) -> None:
        for observer in self._observers:
            observer.samples_generated(model, samples)

    def trial_finished(self, trial: Trial, search: Search) -> None:
        for observer in self._observers:
            observer.trial_finished(trial, search)

    def guideline_written(self, guideline: Guideline) -> None:
        for observer in self._observers:
            observer.guideline_written(guideline)

    def judging_started(self) -> None:
        for observer in self._observers:
            observer.judging_started()

    def session_ended(self, result: Result | None, error: BaseException | None) -> None:
        for observer in self._observers:
            if isinstance(observer, EndObserver):
                observer.session_ended(result, error)


class Ending:
    """Where a session puts its result, for those that are told of its end."""

    result: Result | None = None


@contextmanager
def told_of_the_end(observer: SessionObserver | None) -> Iterator[Ending]:
    """Surrounds a session whose observer may want to be told of its end."""
    ending = Ending()
    failure: BaseException | None = None
    try:
        yield ending
    except BaseException as error:
        failure = error
        raise
    finally:
        if isinstance(observer, EndObserver):
            observer.session_ended(ending.result, failure)
