"""Assignments over lists, and chains of steps, of which there are more than anyone will draw."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np

from environment.software.assignment import WORDS, Assignment, Kind, number, numbers, pick, sentence

Step = tuple[str, Callable[[Any], Any]]


def chunks(rng: np.random.Generator) -> Assignment:
    """A list in parts."""
    size, short = number(rng, 2, 5), pick(rng, ("kept", "dropped", "filled up"))

    def solve(values: list[int]) -> list[list[int]]:
        parts = [values[i : i + size] for i in range(0, len(values), size)]
        if parts and len(parts[-1]) < size:
            if short == "dropped":
                parts.pop()
            elif short == "filled up":
                parts[-1] = parts[-1] + [0] * (size - len(parts[-1]))
        return parts

    words = {"kept": "is kept", "dropped": "is left out", "filled up": "is filled up with zeros at its end"}
    return Assignment(
        "parts",
        "values",
        f"cuts a list of numbers into lists of {size} numbers each and returns the list of these lists, in "
        f"their order. A last part with fewer numbers "
        f"{words[short]}.",
        solve,
        [[numbers(rng, 1, 30, 11)] for _ in range(9)] + [[[]], [[4]], [list(range(size * 2))]],
    )


def ranked(rng: np.random.Generator) -> Assignment:
    """The n-th largest or smallest."""
    place, largest, distinct = number(rng, 2, 4), bool(rng.integers(2)), bool(rng.integers(2))

    def solve(values: list[int]) -> int | None:
        ordered = sorted(set(values) if distinct else values, reverse=largest)
        return ordered[place - 1] if len(ordered) >= place else None

    ordinal = {2: "second", 3: "third", 4: "fourth"}[place]
    equal = "Equal numbers count as one" if distinct else "Equal numbers count each"
    return Assignment(
        "ranked",
        "values",
        f"returns the {ordinal} {'largest' if largest else 'smallest'} number of a list, or None if there are "
        f"too few numbers. "
        f"{equal}.",
        solve,
        [[numbers(rng, -9, 9, 8)] for _ in range(9)] + [[[]], [[5, 5, 5, 5]], [[1, 2]]],
    )


def rotate(rng: np.random.Generator) -> Assignment:
    """A list moved around."""
    left, factor = bool(rng.integers(2)), number(rng, 1, 5)

    def solve(values: list[int], steps: int) -> list[int]:
        if not values:
            return []
        by = steps * factor % len(values)
        return values[by:] + values[:by] if left else values[len(values) - by :] + values[: len(values) - by]

    times = "steps" if factor == 1 else f"{factor} times steps"
    return Assignment(
        "rotate",
        "values, steps",
        f"returns a list with every element moved by {times} places to the {'left' if left else 'right'}; "
        f"elements that fall off one end "
        "come in again at the other. The steps may be 0 or more than the list is long.",
        solve,
        [[numbers(rng, 1, 50), number(rng, 0, 12)] for _ in range(10)] + [[[], 3], [[1], 2]],
    )


def grouped(rng: np.random.Generator) -> Assignment:
    """Words by a property."""
    keys: list[tuple[str, Callable[[str], str]]] = [
        ("its length, as a text of digits", lambda word: str(len(word))),
        ("its first letter in lower case", lambda word: word[0].lower()),
        ("its last letter in lower case", lambda word: word[-1].lower()),
        (
            "how many vowels (a, e, i, o, u, in any case) it has, as a text of digits",
            lambda word: str(sum(c in "aeiou" for c in word.lower())),
        ),
    ]
    holds: list[tuple[str, Callable[[list[str]], Any]]] = [
        ("the list of these words in their order", list),
        ("how many such words there are", len),
    ]
    (name, find), (held, hold) = pick(rng, keys), pick(rng, holds)

    def solve(words: list[str]) -> dict[str, Any]:
        found: dict[str, list[str]] = {}
        for word in words:
            found.setdefault(find(word), []).append(word)
        return {group: hold(members) for group, members in found.items()}

    return Assignment(
        "group_words",
        "words",
        f"takes a list of words and returns a dictionary: the key of a word is {name}; the value is {held}.",
        solve,
        [[[pick(rng, WORDS) for _ in range(number(rng, 2, 7))]] for _ in range(10)] + [[[]]],
    )


def merged(rng: np.random.Generator) -> Assignment:
    """Two lists as one."""
    ways: list[tuple[str, Callable[[list[int], list[int]], list[int]]]] = [
        ("the numbers that are in both, sorted and each once", lambda a, b: sorted({*a} & {*b})),
        ("the numbers that are in exactly one of them, sorted and each once", lambda a, b: sorted({*a} ^ {*b})),
        (
            "the numbers of the first that are not in the second, in their order",
            lambda a, b: [x for x in a if x not in b],
        ),
        ("all their numbers, sorted from large to small", lambda a, b: sorted(a + b, reverse=True)),
        (
            "the sums of the numbers at the same place, as far as the shorter one goes",
            lambda a, b: [x + y for x, y in zip(a, b, strict=False)],
        ),
        ("their numbers in turn, first one of the first list; what is left of the longer one follows", _in_turn),
    ]
    words, way = pick(rng, ways)
    reverse = bool(rng.integers(2))
    tail = " The resulting list is then turned around." if reverse else ""
    return Assignment(
        "merge",
        "first, second",
        f"takes two lists of numbers and returns {words}.{tail}",
        lambda a, b: way(a, b)[::-1] if reverse else way(a, b),
        [[numbers(rng, 1, 9), numbers(rng, 1, 9)] for _ in range(10)] + [[[], [1, 2]], [[3], []]],
    )


def _in_turn(a: list[int], b: list[int]) -> list[int]:
    shorter = min(len(a), len(b))
    return [x for pair in zip(a, b, strict=False) for x in pair] + a[shorter:] + b[shorter:]


def list_steps(rng: np.random.Generator) -> Assignment:
    """Steps on numbers, then a result."""
    k = number(rng, 2, 9)
    steps: list[Step] = [
        (f"adds {k} to every number", lambda v: [x + k for x in v]),
        (f"multiplies every number by {k}", lambda v: [x * k for x in v]),
        (f"drops every number below {k}", lambda v: [x for x in v if x >= k]),
        (f"drops every number that {k} divides without a rest", lambda v: [x for x in v if x % k]),
        ("keeps the even numbers only", lambda v: [x for x in v if x % 2 == 0]),
        ("keeps the odd numbers only", lambda v: [x for x in v if x % 2]),
        ("drops repeated numbers, keeping the first of each", lambda v: list(dict.fromkeys(v))),
        ("turns the list around", lambda v: v[::-1]),
        ("sorts the list from small to large", sorted),
        ("replaces every number by the sum of itself and all numbers before it", lambda v: list(accumulate(v))),
        (f"keeps the first {k} numbers only", lambda v: v[:k]),
        ("drops every second number, the first one stays", lambda v: v[::2]),
        ("replaces every number by its square", lambda v: [x * x for x in v]),
    ]
    ends: list[Step] = [
        ("returns the list", lambda v: v),
        ("returns the sum, 0 for an empty list", sum),
        ("returns the largest number, None for an empty list", lambda v: max(v, default=None)),
        ("returns how many numbers are left", len),
        (
            "returns the difference of the largest and the smallest number, 0 for an empty list",
            lambda v: max(v) - min(v) if v else 0,
        ),
    ]
    calls = [[numbers(rng, -5, 20, 10)] for _ in range(10)] + [[[]], [[k]]]
    return _chain(rng, "process_numbers", "values", "takes a list of whole numbers", steps, ends, calls)


def text_steps(rng: np.random.Generator) -> Assignment:
    """Steps on a text, then a result."""
    k = number(rng, 2, 6)
    old, new = (str(letter) for letter in rng.choice(list("aeionrst"), size=2, replace=False))
    steps: list[Step] = [
        ("turns the text to lower case", lambda t: t.lower()),
        (f"replaces every {old!r} by {new!r}", lambda t: t.replace(old, new)),
        ("removes the letters a, e, i, o and u in lower case", lambda t: "".join(c for c in t if c not in "aeiou")),
        ("turns the order of the words around", lambda t: " ".join(t.split()[::-1])),
        (f"drops every word of fewer than {k} letters", lambda t: " ".join(w for w in t.split() if len(w) >= k)),
        ("drops every second word, the first one stays", lambda t: " ".join(t.split()[::2])),
        (f"cuts every word after {k} letters", lambda t: " ".join(w[:k] for w in t.split())),
        ("writes every word backwards", lambda t: " ".join(w[::-1] for w in t.split())),
        (f"puts {new!r} before every word", lambda t: " ".join(new + w for w in t.split())),
    ]
    ends: list[Step] = [
        ("returns the text", lambda t: t),
        ("returns how many characters the text has, blanks included", len),
        ("returns the list of its words", lambda t: t.split()),
        (
            "returns its longest word, the first among equals, '' for a text without words",
            lambda t: max(t.split(), key=len, default=""),
        ),
        (f"returns how often {new!r} occurs in it", lambda t: t.count(new)),
    ]
    calls = [[sentence(rng, 8)] for _ in range(10)] + [[""], [pick(rng, WORDS)]]
    return _chain(rng, "process_text", "text", "takes a text of words with one blank between them", steps, ends, calls)


def _chain(
    rng: np.random.Generator,
    entry: str,
    parameter: str,
    takes: str,
    steps: list[Step],
    ends: list[Step],
    calls: list[list[Any]],
) -> Assignment:
    chosen = [steps[int(i)] for i in rng.choice(len(steps), size=number(rng, 2, 3), replace=False)]
    end = pick(rng, ends)

    def solve(value: Any) -> Any:
        for _, step in [*chosen, end]:
            value = step(value)
        return value

    told = ", then ".join(words for words, _ in chosen)
    return Assignment(entry, parameter, f"{takes}, {told}, and finally {end[0]}.", solve, calls)


LIST_KINDS: tuple[Kind, ...] = (chunks, ranked, rotate, grouped, merged)
CHAINS: tuple[Kind, ...] = (list_steps, text_steps)
