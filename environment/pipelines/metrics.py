"""Metrics by name for a person's own stages: an output against the gold value of an example."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from environment import metrics
from environment.metrics import normalise_answer
from environment.pipelines.values import frozen, items_of
from tools.registry import Registry

Metric = Callable[..., float]
"""metric(output, gold) in [0, 1]; further options are keyword-only."""

METRICS: Registry[Metric] = Registry("metric", "agenttts.metrics")

NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def exact_match(output: Any, gold: Any) -> float:
    """1 if the normalised output equals the gold text, or one of several accepted ones."""
    return metrics.exact_match(_text(output), [_text(item) for item in items_of(gold)])


def set_f1(output: Any, gold: Any) -> float:
    """F1 of the output's items against the gold items; texts are compared normalised."""
    return metrics.set_f1([_comparable(item) for item in items_of(output)], [_comparable(i) for i in items_of(gold)])


def token_f1(output: Any, gold: Any) -> float:
    """F1 of the normalised words, the best over accepted answers, as SQuAD computes it."""
    return max((_token_f1(_text(output), _text(item)) for item in items_of(gold)), default=0.0)


def contains(output: Any, gold: Any) -> float:
    """1 if a gold text stands in the output, word for word after normalisation."""
    held = f" {normalise_answer(_text(output))} "
    return float(any(f" {normalise_answer(_text(item))} " in held for item in items_of(gold)))


def rouge_l(output: Any, gold: Any) -> float:
    """ROUGE-L F1 of the output against the gold text, the best over several accepted ones."""
    return max((metrics.rouge_l(_text(output), _text(item)) for item in items_of(gold)), default=0.0)


def numeric(output: Any, gold: Any, *, tolerance: float = 1e-6) -> float:
    """1 if the output's last number equals the gold one, up to `tolerance` relative to it (near 0: absolute)."""
    found, wanted = _number(output), _number(gold)
    if found is None or wanted is None:
        return 0.0
    return float(math.isclose(found, wanted, rel_tol=tolerance, abs_tol=tolerance))


def json_equal(output: Any, gold: Any) -> float:
    """1 if output and gold are the same JSON value; texts that hold JSON count as what they hold."""
    return float(_json(output) == _json(gold))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _comparable(value: Any) -> Any:
    return normalise_answer(value) if isinstance(value, str) else frozen(value)


def _token_f1(output: str, gold: str) -> float:
    ours, theirs = Counter(normalise_answer(output).split()), Counter(normalise_answer(gold).split())
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = NUMBER.findall(_text(value))
    return float(found[-1].replace(",", "")) if found else None


def _json(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return frozen(json.loads(value))
        except (ValueError, RecursionError):
            return value
    return frozen(value)
