"""What the lines of a log hold of sessions' values, and the values again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from dataclasses import fields as dataclass_fields
from typing import Any

from storage.evaluation import Evaluation
from storage.fault import FaultKind, FaultSum
from storage.log.chain import canonical, digest
from storage.sample import Sample
from storage.spending import SpendingRecord
from storage.transcript import Transcript
from tools.space import Allocation
from tools.spending import SpendingCaps, Spent
from tools.trial import Guideline, StageScore, Trial, TrialState, Usage

Fields = dict[str, Any]


def trial_fields(trial: Trial) -> Fields:
    """A decision: what was proposed, by whom and why."""
    return {
        "number": trial.number,
        "batch": trial.batch,
        "allocation": trial.allocation.to_dict(),
        "cost": float(trial.cost),
        "origin": trial.origin,
        "reason": trial.reason,
    }


def score_fields(trial: Trial, draws: Mapping[str, int] | None) -> Fields:
    """What became of a trial that is over."""
    return {
        "trial": trial.number,
        "state": str(trial.state),
        "score": trial.score,
        "stages": stage_fields(trial.stage_scores),
        "usage": asdict(trial.usage),
        "error": trial.error,
        "draws": None if draws is None else dict(draws),
    }


def stage_fields(scores: Mapping[str, StageScore]) -> Fields:
    """Each subtask's score with the value of every example."""
    return {name: {**asdict(score), "per_example": list(score.per_example)} for name, score in scores.items()}


def call_fields(call: Transcript) -> Fields:
    """A call of the search agent's model."""
    return {**asdict(call), "messages": list(call.messages), "tool_calls": list(call.tool_calls)}


def guideline_fields(guideline: Guideline) -> Fields:
    """What was concluded after a batch."""
    return asdict(guideline)


def evaluation_fields(evaluation: Evaluation, draws: Mapping[str, int] | None) -> Fields:
    """A judged allocation."""
    return {
        "label": evaluation.label,
        "split": evaluation.split,
        "allocation": evaluation.allocation.to_dict(),
        "cost": float(evaluation.cost),
        "stages": stage_fields(evaluation.stage_scores),
        "draws": None if draws is None else dict(draws),
    }


def spending_fields(record: SpendingRecord) -> Fields:
    """What a session may spend and what it spent; what requests under way may come to counts as spent."""
    used = record.spent + record.reserved
    return {
        "caps": record.caps.to_dict(),
        "generations": used.generations,
        "tokens": used.tokens,
        "picodollars": used.picodollars,
    }


def fault_fields(fault: FaultSum) -> Fields:
    """What went wrong at an endpoint in one way."""
    return {("fault" if name == "kind" else name): value for name, value in asdict(fault).items()}


def fault_place(fault: FaultSum) -> tuple[str, str, str]:
    """By what faults are told apart, and put in order."""
    return fault.endpoint, fault.model, fault.kind


def sample_fields(sample: Sample) -> Fields:
    """A sample's content, which its digest stands for in logs without samples."""
    return {
        "text": sample.text,
        "latency": sample.latency,
        "finish_reason": sample.finish_reason,
        "mean_logprob": sample.mean_logprob,
    }


def sample_digest(sample: Sample) -> str:
    """The SHA-256 of all that a strategy or a parser may read of a sample."""
    return digest(canonical([sample.text, sample.finish_reason, sample.mean_logprob]))


def trial_of(fields: Mapping[str, Any], score: Mapping[str, Any] | None) -> Trial:
    """The trial of its two lines; one without a score is waiting."""
    trial = Trial(
        number=fields["number"],
        allocation=Allocation.from_dict(fields["allocation"]),
        cost=fields["cost"],
        origin=fields["origin"],
        reason=fields["reason"],
        batch=fields["batch"],
    )
    if score is None:
        return trial
    return replace(
        trial,
        state=TrialState(score["state"]),
        stage_scores=stages_of(score["stages"]),
        score=score["score"],
        usage=Usage(**score["usage"]),
        error=score["error"],
    )


def stages_of(fields: Mapping[str, Any]) -> dict[str, StageScore]:
    """The inverse of `stage_fields`."""
    return {name: StageScore(s["metric"], s["mean"], tuple(s["per_example"])) for name, s in fields.items()}


def call_of(fields: Mapping[str, Any]) -> Transcript:
    """The inverse of `call_fields`."""
    lists = {name: tuple(fields[name]) for name in ("messages", "tool_calls") if name in fields}
    return Transcript(**{**fields, **lists})


def evaluation_of(fields: Mapping[str, Any]) -> Evaluation:
    """The inverse of `evaluation_fields`, without the draws."""
    return Evaluation(
        fields["label"],
        Allocation.from_dict(fields["allocation"]),
        fields["split"],
        fields["cost"],
        stages_of(fields["stages"]),
    )


def spending_of(fields: Mapping[str, Any]) -> SpendingRecord:
    """The inverse of `spending_fields`. Raises InvalidInput, or ValueError for a deadline that is none."""
    spent = Spent(fields["generations"], fields["tokens"], fields["picodollars"])
    return SpendingRecord(SpendingCaps.from_dict(fields["caps"]), spent)


def fault_of(fields: Mapping[str, Any]) -> FaultSum:
    """The inverse of `fault_fields`."""
    names = (entry.name for entry in dataclass_fields(FaultSum) if entry.name != "kind")
    return FaultSum(kind=FaultKind(fields["fault"]), **{name: fields[name] for name in names})


def sample_of(fields: Mapping[str, Any]) -> Sample:
    """The sample of a line with its content."""
    names = ("text", "prompt_tokens", "generation_tokens", "latency", "finish_reason", "mean_logprob")
    return Sample(**{name: fields[name] for name in names})
