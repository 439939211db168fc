"""Traces a session with OpenTelemetry: session, batches, trials, stages and every request to a model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.participation import SessionObserver
from agent.search import Search
from environment.spans import Attributes, Span, trace_with
from environment.task import Task
from storage.sample import Sample
from storage.session import SessionRecord
from tools.errors import InvalidInput
from tools.trial import Guideline, Trial

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from agent.session import Result

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
WITH_CONTENT = frozenset({"true", "span_only", "span_and_event"})
SCHEMA = "https://opentelemetry.io/schemas/1.37.0"


class TracingObserver(SessionObserver):
    """Makes spans of a session by OpenTelemetry's conventions, those for generative AI included.

    Prompts and answers stand in spans only where OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT
    is true, SPAN_ONLY or SPAN_AND_EVENT; keys never do, and of errors their kind alone. A session that
    runs in a span of its caller becomes part of that trace.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        """`provider` makes the spans, by default the process's own; without one there are none.

        Raises InvalidInput where OpenTelemetry is not installed.
        """
        try:
            from opentelemetry import trace
        except ImportError:
            raise InvalidInput("otel", 'needs OpenTelemetry: pip install "agenttts[otel]"') from None
        self._tracer = trace.get_tracer("agenttts", tracer_provider=provider, schema_url=SCHEMA)
        self._session: Any = None
        self.content = os.environ.get(CONTENT, "").strip().lower() in WITH_CONTENT

    def session_started(self, record: SessionRecord, task: Task, search: Search) -> None:
        from opentelemetry import context, trace

        config = record.config
        known: dict[str, Any] = {
            "agenttts.session": record.id,
            "agenttts.task": task.name,
            "agenttts.searcher": config.searcher,
            "agenttts.seed": config.seed,
            "agenttts.budget": config.budget,
            "agenttts.cost": config.cost,
            "agenttts.trials": config.trials,
            "agenttts.simulated": task.simulated,
        }
        self._session = self._tracer.start_span("session", attributes=known)
        # Never detached: the session's event loop ends with the context in which it runs.
        context.attach(trace.set_span_in_context(self._session))
        trace_with(self)

    def samples_generated(self, model: str, samples: Sequence[Sample]) -> None:
        """The requests' own spans tell them."""

    def trial_finished(self, trial: Trial, search: Search) -> None:
        best = search.best
        if best is not None and best.number == trial.number:
            self._event("agenttts.best", {"agenttts.trial": trial.number, "agenttts.score": trial.score or 0.0})

    def guideline_written(self, guideline: Guideline) -> None:
        self._event("agenttts.guideline", {"agenttts.batch": guideline.batch, "agenttts.origin": guideline.origin})

    def judging_started(self) -> None:
        self._event("agenttts.judging", {})

    def session_ended(self, result: Result | None, error: BaseException | None) -> None:
        """Ends the session's span, with what was found."""
        if self._session is None:
            return
        if error is not None:
            _failed(self._session, error)
        elif result is not None and (best := result.best_or_none) is not None:
            usage = result.usage
            self._session.set_attributes(
                {
                    "agenttts.best.trial": best.number,
                    "agenttts.best.score": best.score or 0.0,
                    "agenttts.best.allocation": str(best.allocation),
                    "agenttts.generations.requested": usage.requested,
                    "agenttts.generations.paid": usage.paid,
                }
            )
        self._session.end()
        self._session = None

    @contextmanager
    def span(self, name: str, attributes: Attributes, *, client: bool = False) -> Iterator[Span]:
        """A span within the one under way."""
        from opentelemetry.trace import SpanKind

        kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=_plain(attributes), record_exception=False, set_status_on_exception=False
        ) as started:
            try:
                yield _Span(started)
            except BaseException as error:
                _failed(started, error)
                raise

    def _event(self, name: str, attributes: Mapping[str, Any]) -> None:
        if self._session is not None:
            self._session.add_event(name, attributes)


class _Span:
    def __init__(self, started: Any) -> None:
        self._started = started

    def set(self, attributes: Attributes) -> None:
        self._started.set_attributes(_plain(attributes))


def _failed(span: Any, error: BaseException) -> None:
    """The kind of an error alone: its words may hold what a model was asked."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR))


def _plain(attributes: Attributes) -> dict[str, Any]:
    """Attributes as OpenTelemetry takes them: what is nested becomes JSON."""

    def plain(value: Any) -> Any:
        nested = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))
        return json.dumps(value, ensure_ascii=False) if nested else value

    return {name: plain(value) for name, value in attributes.items()}


@contextmanager
def tracing_by_environment() -> Iterator[TracingObserver]:
    """An observer whose spans go where the OTEL_* variables say (OTLP over HTTP by default), flushed at the end.

    Raises InvalidInput where the extra is not installed or OTEL_TRACES_EXPORTER names no installed exporter.
    """
    try:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise InvalidInput("--otel", 'needs OpenTelemetry: pip install "agenttts[otel]"') from None
    # OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME are read by create(), and prevail.
    named = os.environ.get("OTEL_SERVICE_NAME") or "agenttts"
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: named}))
    for exporter in _exporters():
        provider.add_span_processor(BatchSpanProcessor(exporter()))
    try:
        yield TracingObserver(provider)
    finally:
        provider.shutdown()


def _exporters() -> list[Any]:
    from importlib.metadata import entry_points

    protocol = (
        os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    otlp = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    found = {point.name: point for point in entry_points(group="opentelemetry_traces_exporter")}
    exporters = []
    for name in (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(","):
        wanted = otlp if name.strip() == "otlp" else name.strip()
        if wanted == "none":
            continue
        if wanted not in found:
            raise InvalidInput(
                "OTEL_TRACES_EXPORTER", f"{wanted!r} is not installed; known: {', '.join(sorted(found))}"
            )
        exporters.append(found[wanted].load())
    return exporters
