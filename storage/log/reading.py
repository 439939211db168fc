"""Reads a log, which anyone may have written: every line is checked before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from storage.evaluation import Evaluation
from storage.fault import FaultSum
from storage.log.chain import canonical, read_chain
from storage.log.lines import KINDS, VERSION, CallValues, CapValues, Part, WholeSampleLine
from storage.log.values import (
    call_of,
    evaluation_of,
    fault_of,
    fault_place,
    sample_digest,
    sample_of,
    spending_of,
    trial_of,
)
from storage.sample import GenerationRequest, Sample
from storage.session import SessionConfig, SessionRecord, SessionState
from storage.spending import SpendingRecord
from storage.transcript import Transcript
from tools.errors import InvalidInput
from tools.space import Allocation, SearchSpace
from tools.space_values import space_of
from tools.text import shortened
from tools.trial import Guideline, Trial

Fields = Mapping[str, Any]
Checked = TypeVar("Checked")
RANKS = {kind: rank for rank, kind in enumerate(KINDS)} | {"score": 2, "sample": 7}
"""Lines come in the order of these; scores among trials, samples among requests."""
CONFIG = TypeAdapter(SessionConfig)
REQUEST = TypeAdapter(GenerationRequest)


@dataclass(frozen=True, slots=True)
class LoggedSample:
    """A sample as a log tells it; `request` and `sample` are None where the log holds digests alone."""

    key: str
    index: int
    sha256: str
    prompt_tokens: int
    generation_tokens: int
    request: GenerationRequest | None = None
    sample: Sample | None = None


TakeSample = Callable[[LoggedSample], None]


@dataclass
class Log:
    """A whole log but for its samples, which are handed out while it is read.

    `draws` are those of trials by number and of evaluations by label and split, None where they were not stored.
    `last` is the last line's hash: two logs with the same one are the same.
    """

    name: str
    record: SessionRecord
    setup: Fields
    space: SearchSpace
    with_samples: bool
    trials: list[Trial] = field(default_factory=list)
    transcripts: list[Transcript] = field(default_factory=list)
    guidelines: list[Guideline] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    draws: dict[int | tuple[str, str], Mapping[str, int] | None] = field(default_factory=dict)
    spending: SpendingRecord = SpendingRecord()  # noqa: RUF009 - it is frozen
    faults: list[FaultSum] = field(default_factory=list)
    recommended: int | None = None
    samples: int = 0
    lines: int = 0
    last: str = ""

    @property
    def finished(self) -> bool:
        """Whether the session was over when the log was made."""
        return self.record.state is SessionState.COMPLETE

    @property
    def drawn(self) -> dict[str, int]:
        """The most samples of each request that were drawn, by its key."""
        most: dict[str, int] = {}
        for draws in self.draws.values():
            for key, count in (draws or {}).items():
                most[key] = max(count, most.get(key, 0))
        return most


def read_log(path: Path, take: TakeSample | None = None) -> Log:
    """The log in a file; `take` is called with every sample as it is read, before the end is known to be sound.

    Raises InvalidInput that names the first line which is damaged or not what it should be.
    """
    with _opened(path) as file:
        return _Reader(path.name, take or _nothing).log(read_chain(file, path.name))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise InvalidInput("log", f"cannot read {str(path)!r}: {error.strerror or error}") from None


class _Reader:
    def __init__(self, name: str, take: TakeSample) -> None:
        self._name = name
        self._take = take
        self._place = 0
        self._rank = 0
        self._drawn: dict[str, int] = {}
        self._request: GenerationRequest | None = None
        self._newest: tuple[str, int] = ("", 0)
        self._open: Fields | None = None

    def log(self, chain: Iterator[dict[str, Any]]) -> Log:
        lines = (self._line(values) for values in chain)
        header, session = self._next(lines, "header"), self._next(lines, "session")
        log = self._started(header, session)
        kinds: Mapping[str, Callable[[Log, Fields], None]] = {
            "trial": self._trial,
            "score": self._score,
            "transcript": self._transcript,
            "guideline": self._guideline,
            "evaluation": self._evaluation,
            "request": self._asked,
            "sample": self._sample,
            "spending": self._spending,
            "fault": self._fault,
            "result": self._result,
            "end": self._end,
        }
        for values in lines:
            kind = values["kind"]
            once = kind in ("spending", "result", "end")
            if kind not in kinds or RANKS[kind] < self._rank + once or (kind == "end" and self._rank < RANKS["result"]):
                raise self._wrong(f"is a line of kind {kind}, which does not belong here")
            if kind not in ("trial", "score"):
                self._close(log)
            if RANKS[kind] > RANKS["evaluation"] >= self._rank:
                self._drawn = log.drawn
            self._rank = RANKS[kind]
            kinds[kind](log, values)
        return log

    def _next(self, lines: Iterator[Fields], kind: str) -> Fields:
        found = next(lines)
        if found["kind"] != kind:
            raise self._wrong(f"is of kind {shortened(found['kind'])}; a log begins with a header and its session")
        return found

    def _line(self, values: dict[str, Any]) -> Fields:
        self._place += 1
        kind = KINDS.get(values["kind"])
        if kind is None:
            raise self._wrong(f"is of an unknown kind, {shortened(values['kind'])}")
        if values["kind"] == "header" and isinstance(found := values.get("version"), int) and found > VERSION:
            raise InvalidInput(self._name, f"has version {found}, this agenttts reads up to {VERSION}; upgrade it")
        self._check(WholeSampleLine if "text" in values and values["kind"] == "sample" else kind, values)
        return values

    def _started(self, header: Fields, session: Fields) -> Log:
        if header["version"] != VERSION:
            raise InvalidInput(self._name, f"has version {header['version']}, which no agenttts has written")
        values, problem = session["config"], session["problem"]
        if unknown := set(values) - {entry.name for entry in fields(SessionConfig)}:
            raise self._wrong(f"has a configuration with an unknown member, {shortened(min(unknown))}")
        self._adapted(CONFIG, values)
        config = SessionConfig(**values)
        for cap in config.caps:
            self._check(CapValues, cap)
        created = self._made(lambda: datetime.fromisoformat(session["created"]))
        if created.tzinfo is None:
            raise self._wrong("has a moment without a zone")
        space = self._made(lambda: space_of(problem["space"]))
        record = SessionRecord(session["id"], config, SessionState.RUNNING, created, created)
        setup = {"problem": problem, "made_with": header["made_with"]}
        return Log(self._name, record, setup, space, header["samples"] == "texts")

    def _trial(self, log: Log, values: Fields) -> None:
        self._close(log)
        self._allocation(log, values)
        if values["number"] != len(log.trials):
            raise self._wrong(f"is trial {values['number']}; trial {len(log.trials)} should come now")
        self._open = values

    def _score(self, log: Log, values: Fields) -> None:
        if self._open is None or self._open["number"] != values["trial"]:
            raise self._wrong(f"is the score of trial {values['trial']} and does not follow that trial")
        if values["state"] == "complete" and values["score"] is None:
            raise self._wrong(f"completes trial {values['trial']} without a score")
        self._subtasks(log, values["stages"])
        self._close(log, values)

    def _close(self, log: Log, score: Fields | None = None) -> None:
        if self._open is not None:
            log.trials.append(trial_of(self._open, score))
            log.draws[self._open["number"]] = score["draws"] if score else None
            self._open = None

    def _transcript(self, log: Log, values: Fields) -> None:
        self._check(CallValues, values["call"])
        log.transcripts.append(call_of(values["call"]))

    def _guideline(self, log: Log, values: Fields) -> None:
        if log.guidelines and log.guidelines[-1].batch >= values["batch"]:
            raise self._wrong(f"is a guideline on batch {values['batch']} out of its order")
        log.guidelines.append(Guideline(values["batch"], values["text"], values["origin"]))

    def _evaluation(self, log: Log, values: Fields) -> None:
        self._allocation(log, values)
        self._subtasks(log, values["stages"])
        named = (values["label"], values["split"])
        if named in log.draws:
            raise self._wrong(f"judges {shortened(named[0])} on {shortened(named[1])} a second time")
        log.draws[named] = values["draws"]
        log.evaluations.append(evaluation_of(values))

    def _asked(self, log: Log, values: Fields) -> None:
        request: GenerationRequest = self._adapted(REQUEST, values["body"])
        if request.key != values["key"] or canonical(request.to_dict()) != canonical(values["body"]):
            raise self._wrong("is a request that its key does not stand for")
        self._request = request

    def _sample(self, log: Log, values: Fields) -> None:
        key, index = values["key"], values["index"]
        expected = (key, self._newest[1]) if key == self._newest[0] else (key, 0)
        if (key, index) != expected or key < self._newest[0] or index >= self._drawn.get(key, 0):
            raise self._wrong("is a sample that was not drawn, or out of its order")
        self._newest = (key, index + 1)
        log.samples += 1
        told = LoggedSample(key, index, values["sha256"], values["prompt_tokens"], values["generation_tokens"])
        if log.with_samples != ("text" in values):
            raise self._wrong("is a sample without its content" if log.with_samples else "is a sample with content")
        if log.with_samples:
            sample = sample_of(values)
            if self._request is None or self._request.key != key:
                raise self._wrong("is a sample that does not follow its request")
            if sample_digest(sample) != told.sha256:
                raise self._wrong("is a sample whose content its SHA-256 does not stand for")
            told = replace(told, request=self._request, sample=sample)
        self._take(told)

    def _spending(self, log: Log, values: Fields) -> None:
        log.spending = self._made(lambda: spending_of(values))

    def _fault(self, log: Log, values: Fields) -> None:
        fault = fault_of(values)
        if log.faults and fault_place(log.faults[-1]) >= fault_place(fault):
            raise self._wrong("is a fault out of its order")
        log.faults.append(fault)

    def _result(self, log: Log, values: Fields) -> None:
        if log.samples != sum(self._drawn.values()):
            raise self._wrong(f"comes after {log.samples:,} samples, but {sum(self._drawn.values()):,} were drawn")
        log.recommended = values["recommended"]
        if log.recommended is not None and log.recommended >= len(log.trials):
            raise self._wrong(f"recommends trial {log.recommended}, which is not in the log")
        state = SessionState(values["state"])
        log.record = replace(log.record, state=state, problem=values["failure"])

    def _end(self, log: Log, values: Fields) -> None:
        log.lines, log.last = values["count"], values["hash"]

    def _allocation(self, log: Log, values: Fields) -> None:
        allocation = Allocation.from_dict(values["allocation"])
        if self._made(lambda: log.space.validate(allocation)) != allocation:
            raise self._wrong("has an allocation whose subtasks are out of their order")

    def _subtasks(self, log: Log, stages: Fields) -> None:
        for name in stages:
            self._made(partial(log.space.__getitem__, name))

    def _check(self, kind: type[Part], values: Any) -> None:
        try:
            kind.model_validate(values)
        except ValidationError as error:
            raise self._unfit(error) from None

    def _adapted(self, adapter: TypeAdapter[Checked], values: Fields) -> Checked:
        try:
            return self._made(lambda: adapter.validate_json(canonical(values), strict=True))
        except ValidationError as error:
            raise self._unfit(error) from None

    def _made(self, make: Callable[[], Checked]) -> Checked:
        try:
            return make()
        except InvalidInput as error:
            raise self._wrong(f"{error.field}: {error.problem}") from None
        except (ValueError, OverflowError) as error:
            if isinstance(error, ValidationError):
                raise
            raise self._wrong(str(error)) from None

    def _unfit(self, error: ValidationError) -> InvalidInput:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return self._wrong(f"{shortened(place)[1:-1]}: {first['msg'].lower()}, got {shortened(first['input'])}")

    def _wrong(self, problem: str) -> InvalidInput:
        return InvalidInput(f"{self._name} line {self._place}", problem)


def _nothing(_: LoggedSample) -> None:
    return
