"""`--mlflow` and `--otel`: who follows a session beside the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.participation import SessionObserver

Mlflow = Annotated[
    str | None, typer.Option("--mlflow", help="Log to MLflow at this tracking URI, such as sqlite:///mlflow.db.")
]
Otel = Annotated[
    bool, typer.Option("--otel", help="Trace with OpenTelemetry, to where the OTEL_* environment variables say.")
]


@contextmanager
def beside(shown: SessionObserver, *, mlflow: str | None, otel: bool) -> Iterator[SessionObserver]:
    """The observer that shows a session, and those that were asked for beside it. Raises InvalidInput."""
    from agent.observers import Observers

    with ExitStack() as stack:
        observers = [shown]
        if mlflow is not None:
            from agent.mlflow_observer import MlflowObserver

            observers.append(MlflowObserver(mlflow))
        if otel:
            from agent.tracing_observer import tracing_by_environment

            observers.append(stack.enter_context(tracing_by_environment()))
        yield Observers(*observers) if len(observers) > 1 else shown
