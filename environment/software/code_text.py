"""Programs in model texts: found, compared and voted on without running them."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence

LONGEST = 30_000
"""Characters of a program that are read; more is no program of these tasks."""

FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
STARTS = re.compile(r"^(?:from\s+\S+\s+import|import|def|async\s+def|class|@|#!|if\s+__name__|\w+\s*=)", re.MULTILINE)
WORD = re.compile(r"\w+|[^\w\s]")


def code_in(text: str, entry: str = "") -> str:
    """The program in a response, "" where it holds none.

    The longest fenced block, of those that define `entry` if any does. A response without a fence
    is read from its first line that begins like a program.
    """
    # Carriage returns and null characters are no part of a Python program.
    text = text[:LONGEST].replace("\r\n", "\n").replace("\0", "")
    blocks = [block.group(2) for block in FENCE.finditer(text)]
    if not blocks:
        start = STARTS.search(text)
        return text[start.start() :].strip() if start else ""
    defining = [block for block in blocks if entry and re.search(rf"\bdef\s+{re.escape(entry)}\b", block)]
    return max(defining or blocks, key=len).strip()


def tree_of(code: str) -> ast.Module | None:
    """A program's syntax tree; None where it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def normal_form(code: str) -> str:
    """The same for programs that differ in layout and comments only."""
    tree = tree_of(code)
    try:
        return ast.unparse(tree) if tree else code
    except (RecursionError, ValueError):
        return code


def voted_code(programs: Sequence[str], weights: Sequence[float] | None = None) -> str:
    """The program with the most votes up to layout; among equals the medoid.

    `weights` say how much each program's vote counts, by default alike. The medoid shares the most
    words with all programs. Empty programs have no vote if others do.
    """
    pairs = list(zip(programs, weights or [1.0] * len(programs), strict=True))
    pairs = [(program, weight) for program, weight in pairs if program] or pairs
    candidates = [program for program, _ in pairs]
    forms = [normal_form(program) for program in candidates]
    votes: defaultdict[str, float] = defaultdict(float)
    for form, (_, weight) in zip(forms, pairs, strict=True):
        votes[form] += weight
    most = max(votes.values())
    words = [Counter(WORD.findall(form)) for form in forms]
    total = sum(words, Counter[str]())

    def centrality(position: int) -> tuple[float, int]:
        # Shared words with all programs together; long programs must not win by their length.
        mine = words[position]
        shared = sum(total[word] * count for word, count in mine.items())
        length = sum(count * count for count in mine.values()) ** 0.5
        return (shared / length if length else 0.0, -position)

    return candidates[max((p for p, form in enumerate(forms) if votes[form] == most), key=centrality)]
