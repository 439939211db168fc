"""Metrics of the built-in tasks, each in [0, 1]."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterable

from rouge_score_rs.rouge_scorer import RougeScorer

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
ROUGE = RougeScorer(["rougeL"], use_stemmer=True)


def set_f1(chosen: Collection[object], gold: Collection[object]) -> float:
    """F1 of chosen items against the gold ones (Ret-F1). Nothing chosen and nothing gold is 1."""
    chosen_set, gold_set = set(chosen), set(gold)
    if not chosen_set and not gold_set:
        return 1.0
    return 2 * len(chosen_set & gold_set) / (len(chosen_set) + len(gold_set))


def normalise_answer(text: str) -> str:
    """Lower case without punctuation, articles and doubled blanks, as QA benchmarks compare."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(answer: str, accepted: Iterable[str]) -> float:
    """1 if the normalised answer equals a normalised accepted answer, else 0 (EM)."""
    return float(normalise_answer(answer) in {normalise_answer(gold) for gold in accepted})


def rouge_l(text: str, reference: str) -> float:
    """ROUGE-L F1 of a text against a reference (Lin 2004), on lower-case words cut to their stems."""
    return float(ROUGE.score(reference, text)["rougeL"].fmeasure)
