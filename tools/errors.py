"""The error tree: every error a caller may want to tell apart, raised where its cause is known."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tools.text import one_line, shortened, without_passwords

LONGEST_FIELD, LONGEST_PROBLEM = 300, 1_500
"""Characters of a message that a person still reads; what was handed in may have many more."""


class AgentttsError(Exception):
    """Root of every error this project raises on purpose. All of them travel between processes."""

    def __reduce__(self) -> tuple[Callable[..., AgentttsError], tuple[Any, ...]]:
        # By default a copy is made by calling the class with the message, which few of them take alone.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[AgentttsError], args: tuple[object, ...], state: Mapping[str, Any]) -> AgentttsError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class InvalidInput(AgentttsError):
    """A value that a person or program handed in is unusable.

    The message names the field and the fix; the command line prints it and exits with code 2.
    """

    def __init__(self, field: str, problem: str) -> None:
        """Both are cut to a length that can be read, and told on one line, whatever they quote."""
        self.field = one_line(without_passwords(field), LONGEST_FIELD) or "input"
        self.problem = one_line(without_passwords(problem), LONGEST_PROBLEM)
        super().__init__(f"{self.field}: {self.problem}")


class SeveralMistakes(InvalidInput):
    """A file with several mistakes; the message tells the first, `listed` all of them, a line each."""

    def __init__(self, file: str, mistakes: Sequence[tuple[str, str]]) -> None:
        """`mistakes` are the fields, with their lines, and what is wrong with each."""
        field, problem = mistakes[0]
        further = f"the first of {len(mistakes)} mistakes, which `agenttts check` lists"
        super().__init__(f"{file} {field}", f"{one_line(problem, LONGEST_PROBLEM - len(further) - 3)} ({further})")
        lines = (one_line(f"{field}: {problem}", LONGEST_PROBLEM) for field, problem in mistakes)
        self.listed = "\n  ".join([f"{one_line(file, LONGEST_FIELD)}: has {len(mistakes)} mistakes:", *lines])


class UnknownName(InvalidInput):
    """A name (of a task, model, searcher, ...) that nothing is registered under."""

    def __init__(self, field: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        near = (
            difflib.get_close_matches(name, names, n=1) if isinstance(name, str) and len(name) <= LONGEST_FIELD else []
        )
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(field, f"unknown name {shortened(name)}; {hint}choose one of: {', '.join(names)}")
        self.name = name
        self.known = tuple(names)


class InvalidAllocation(InvalidInput):
    """An allocation that does not fit its search space."""


class BudgetExceeded(InvalidAllocation):
    """An allocation that costs more than the budget, or than a cap beside it; it is never executed."""

    def __init__(self, cost: float, budget: float, unit: str, *, field: str = "budget") -> None:
        super().__init__(
            field,
            f"the allocation costs {cost:,.6g} {unit}, the {field.split()[0]} is {budget:,.6g} {unit}; "
            "use fewer samples or smaller models",
        )
        self.cost = cost
        self.budget = budget


class MissingSample(AgentttsError):
    """A replay backend was asked for a generation that was never recorded."""


class EndpointError(AgentttsError):
    """A model endpoint failed for good: retries are used up or the fault is permanent."""


class SpendingCapReached(AgentttsError):
    """A cap on spending leaves no room for the next request, or its deadline has passed.

    `cap` is as the command line writes it. With the `session` and what it has `spent`, the message
    tells how to go on.
    """

    def __init__(self, cap: str, spent: str = "", session: str = "") -> None:
        option = cap.split()[0]
        in_time = option != "--deadline"
        happened = "leaves no room for the next request" if in_time else "has passed"
        further = (
            f". Spent so far: {spent}. `agenttts show {session}` shows what was found, "
            f"`agenttts resume {session} {option} ...` goes on with a {'higher' if in_time else 'later'} one"
        )
        super().__init__(f"{cap} {happened}{further if session else ''}")
        self.cap = cap


class PipelineError(AgentttsError):
    """A person's own pipeline failed in its own code: a prompt, a metric, a node of a graph."""


class ClusterError(AgentttsError):
    """The cluster that runs trials failed, beyond what it mends by itself."""


class StorageError(AgentttsError):
    """The database cannot be used: unreadable, read-only, locked, corrupted or too new."""


class NoDatabase(InvalidInput, StorageError):
    """What was named as the database is none, or cannot be opened: another name mends it."""


class SessionLocked(StorageError):
    """Another process leads the session and decides for it."""


class SessionInterrupted(KeyboardInterrupt):
    """A session was stopped by Ctrl-C or SIGTERM; what it finished is stored, and it can go on."""

    def __init__(self, session_id: str, storage: str) -> None:
        super().__init__(f"session {session_id} was interrupted")
        self.session_id = session_id
        self.storage = storage


class InvalidTransition(StorageError):
    """A trial cannot move to a state from where it stands; another process may have moved it."""


class UnknownSession(InvalidInput):
    """A session id that no stored session has, or that several begin with."""

    def __init__(self, name: str, newest: Iterable[str], *, ambiguous: bool = False) -> None:
        ids = ", ".join(newest) or "none is stored yet"
        problem = "several sessions begin with" if ambiguous else "no session is called"
        super().__init__("session", f"{problem} {name!r}; newest: {ids}")
