"""The self-made assignments."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from environment.software.checking import Checker, same
from environment.software.example import Check
from environment.software.generator import HIDDEN, PUBLIC, generate_examples
from tools.errors import InvalidInput

EXAMPLES = generate_examples(400, 11)


def test_assignments_are_distinct_and_seeded() -> None:
    many = generate_examples(1500, 11)
    assert many[:400] == EXAMPLES
    assert len({example.requirement for example in many}) == 1500
    assert len({example.id for example in many}) == 1500
    assert generate_examples(20, 12) != EXAMPLES[:20]


def test_every_beginning_is_mixed() -> None:
    assert len({example.entry for example in EXAMPLES[:27]}) > 20


def test_checks_are_distinct_and_hidden_ones_are_not_shown() -> None:
    for example in EXAMPLES:
        assert len(example.public) == PUBLIC
        assert len(example.hidden) == HIDDEN
        calls = [check.arguments for check in (*example.public, *example.hidden)]
        assert len(set(calls)) == len(calls)
        assert example.requirement.startswith(f"Write a Python function {example.entry}(")


def test_no_single_answer_passes_most_checks() -> None:
    for example in EXAMPLES:
        (_, most), *_ = Counter(check.expected for check in example.hidden).most_common()
        assert most <= 5


def test_expected_values_are_plain_json() -> None:
    for example in EXAMPLES:
        for check in example.hidden:
            value = json.loads(check.expected)
            assert same(value, json.loads(json.dumps(value)))
            assert isinstance(json.loads(check.arguments), list)


@pytest.mark.parametrize("count", [0, -1, 1.5, "9", True])
def test_unusable_counts_are_refused(count: object) -> None:
    with pytest.raises(InvalidInput, match=r"^count: "):
        generate_examples(count, 0)  # type: ignore[arg-type]


def written_anew(entry: str, requirement: str) -> str | None:
    """A program for one of the kinds, from what the text says."""
    if entry == "clock" and "H:MM:SS" in requirement:
        return "def clock(s):\n    m, s = divmod(s, 60)\n    return '%d:%02d:%02d' % (m // 60, m % 60, s)"
    if entry == "count_letters":
        letters = requirement.split("one of ")[1].split(", in upper")[0].replace("'", "").split(", ")
        return f"def count_letters(text):\n    return sum(text.count(c) + text.count(c.upper()) for c in {letters!r})"
    if entry == "walk" and "largest number" in requirement:
        odd = requirement.split("odd number n to ")[1].split(". It stops")[0]
        rule = odd.replace(" times n plus ", "*n+").replace("n plus ", "n+")
        steps = requirement.split("case after ")[1].split(" steps")[0]
        return (
            f"def walk(n):\n    best = n\n    for _ in range({steps}):\n        if n == 1: break\n"
            f"        n = n // 2 if n % 2 == 0 else {rule}\n        best = max(best, n)\n    return best"
        )
    if entry == "give_change":
        coins = requirement.split("coins of ")[1].split(", always")[0]
        order = "found[::-1]" if "smallest first" in requirement else "found"
        return (
            f"def give_change(amount):\n    found = []\n    for coin in [{coins}]:\n        while amount >= coin:\n"
            f"            amount -= coin\n            found.append(coin)\n    return {order}"
        )
    if entry == "next_day":
        name = requirement.split("the first ")[1].split()[0]
        start = 0 if "on or after" in requirement else 1
        return (
            "import datetime as d\ndef next_day(day):\n    for n in range("
            f"{start}, 9):\n        x = d.date.fromisoformat(day) + d.timedelta(n)\n"
            f"        if x.strftime('%A') == {name!r}: return str(x)"
        )
    return None


def test_programs_written_from_the_text_alone_pass(checker: Checker) -> None:
    tried = Counter[str]()
    for example in EXAMPLES:
        code = written_anew(example.entry, example.requirement)
        if code and tried[example.entry] < 2:
            tried[example.entry] += 1
            findings = checker.check(code, example, (*example.public, *example.hidden))
            assert all(finding.passed for finding in findings), (example.requirement, code, findings)
    assert set(tried) == {"clock", "count_letters", "walk", "give_change", "next_day"}


def test_a_check_shows_its_call_as_python() -> None:
    check = Check.of(["a'b", None, [1.5, True]], {"x": None})
    assert check.call("f") == 'f("a\'b", None, [1.5, True])'
    assert check.value == "{'x': None}"
    with pytest.raises(ValueError):
        Check.of([], float("nan"))
