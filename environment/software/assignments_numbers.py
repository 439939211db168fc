"""Assignments over numbers and dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from math import prod

import numpy as np

from environment.software.assignment import Assignment, Kind, number, numbers, pick

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
START = date(1999, 1, 1)


def digits(rng: np.random.Generator) -> Assignment:
    """Sums or products of digits."""
    again, which = bool(rng.integers(2)), pick(rng, ("", "even", "odd"))
    combinations: list[tuple[str, Callable[[list[int]], int]]] = [("sum", sum), ("product", prod)]
    name, combine = pick(rng, combinations)

    def once(value: int) -> int:
        chosen = [int(digit) for digit in str(value) if not which or (int(digit) % 2 == 0) == (which == "even")]
        return combine(chosen)

    def solve(value: int) -> int:
        result = once(value)
        while again and result > 9:
            result = once(result)
        return result

    repeat = " While the result has more than one digit, the same is done with the result." if again else ""
    empty = f" Without such digits the {name} is {0 if name == 'sum' else 1}." if which else ""
    return Assignment(
        "digits",
        "value",
        f"returns the {name} of the {which + ' ' if which else ''}digits of a whole number of 0 or "
        f"more.{empty}{repeat}",
        solve,
        [[number(rng, 10, 99_999)] for _ in range(8)] + [[0], [7], [135], [8642]],
    )


def in_base(rng: np.random.Generator) -> Assignment:
    """A number in another base."""
    base, width = number(rng, 2, 20), number(rng, 1, 6)

    def solve(value: int) -> str:
        shown = ""
        while value:
            value, digit = divmod(value, base)
            shown = DIGITS[digit] + shown
        return shown.rjust(width, "0")

    letters = " with the capital letters from A on as digits after 9" if base > 10 else ""
    return Assignment(
        "in_base",
        "value",
        f"returns a whole number of 0 or more as a text in base {base}{letters}, filled up with zeros on the "
        f"left to at least "
        f"{width} {'digit' if width == 1 else 'digits'}.",
        solve,
        [[number(rng, 1, 5000)] for _ in range(9)] + [[0], [base], [base - 1]],
    )


def divisible(rng: np.random.Generator) -> Assignment:
    """Numbers of a range by their divisors."""
    a, b = (int(x) for x in rng.choice(np.arange(2, 12), size=2, replace=False))
    tests: list[tuple[str, Callable[[int], bool]]] = [
        (f"by {a} or by {b}", lambda n: n % a == 0 or n % b == 0),
        (f"by {a} but not by {b}", lambda n: n % a == 0 and n % b != 0),
        (f"by exactly one of {a} and {b}", lambda n: (n % a == 0) != (n % b == 0)),
        (f"neither by {a} nor by {b}", lambda n: n % a != 0 and n % b != 0),
    ]
    words, test = pick(rng, tests)
    results: list[tuple[str, Callable[[list[int]], int]]] = [("the sum of", sum), ("how many there are of", len)]
    result, combine = pick(rng, results)
    return Assignment(
        "divisible",
        "first, last",
        f"returns {result} the whole numbers from first to last, both included, that can be divided without a rest "
        f"{words}. If last is smaller than first, the result is 0.",
        lambda first, last: combine([n for n in range(first, last + 1) if test(n)]),
        [[start := number(rng, 1, 60), start + number(rng, 0, 80)] for _ in range(10)] + [[9, 8], [a, a]],
    )


def steps_to_one(rng: np.random.Generator) -> Assignment:
    """A Collatz-like sequence."""
    factor, add = pick(rng, ((3, 1), (1, 1), (1, 3), (3, 3)))
    longest = bool(rng.integers(2))
    most = number(rng, 20, 60)

    def solve(value: int) -> int:
        seen = [value]
        while seen[-1] != 1 and len(seen) <= most:
            last = seen[-1]
            seen.append(last // 2 if last % 2 == 0 else factor * last + add)
        return max(seen) if longest else len(seen) - 1

    times = "" if factor == 1 else f"{factor} times "
    wanted = "the largest number met on the way, start and end included" if longest else "how many steps were made"
    return Assignment(
        "walk",
        "value",
        f"starts at a whole number of 1 or more and makes steps: from an even number to its half, from an odd "
        f"number n to "
        f"{times}n plus {add}. It stops at 1, and in any case after {most} steps, and returns {wanted}.",
        solve,
        [[number(rng, 2, 200)] for _ in range(10)] + [[1], [2]],
    )


def change(rng: np.random.Generator) -> Assignment:
    """Greedy change in given coins."""
    coins = sorted({1, *(int(x) for x in rng.choice((2, 5, 10, 20, 25, 50, 100), size=3, replace=False))}, reverse=True)
    smallest = bool(rng.integers(2))

    def solve(amount: int) -> list[int]:
        given = []
        for coin in coins:
            given += [coin] * (amount // coin)
            amount %= coin
        return given[::-1] if smallest else given

    return Assignment(
        "give_change",
        "amount",
        f"gives an amount of 0 or more in coins of {', '.join(map(str, coins))}, always taking the largest coin "
        f"that still "
        f"fits, and returns the list of coins, {'smallest' if smallest else 'largest'} first.",
        solve,
        [[number(rng, 1, 400)] for _ in range(10)] + [[0], [1]],
    )


def clock(rng: np.random.Generator) -> Assignment:
    """Seconds as a text."""
    hours, sign = bool(rng.integers(2)), pick(rng, (":", ".", "-"))

    def solve(seconds: int) -> str:
        if hours:
            return f"{seconds // 3600}{sign}{seconds // 60 % 60:02}{sign}{seconds % 60:02}"
        return f"{seconds // 60}{sign}{seconds % 60:02}"

    form = f"H{sign}MM{sign}SS" if hours else f"M{sign}SS"
    return Assignment(
        "clock",
        "seconds",
        f"returns a number of seconds, a whole number of 0 or more, as a text {form}: the first number without "
        f"leading zeros, "
        "the others with two digits.",
        solve,
        [[number(rng, 1, 40_000)] for _ in range(9)] + [[0], [59], [3600]],
    )


def dates(rng: np.random.Generator) -> Assignment:
    """Days between, or days that count."""
    day = int(rng.integers(7))
    weekdays = pick(rng, [{day}, {0, 1, 2, 3, 4}])
    measures: list[tuple[str, Callable[[date, date], int]]] = [
        ("how many days lie between them", lambda a, b: (b - a).days),
        ("how many full weeks lie between them", lambda a, b: (b - a).days // 7),
        (
            f"how many {DAYS[day] + 's' if len(weekdays) == 1 else 'days from Monday to Friday'} there are from "
            f"the first "
            "to the second, both included",
            lambda a, b: sum((a + timedelta(n)).weekday() in weekdays for n in range((b - a).days + 1)),
        ),
    ]
    words, measure = pick(rng, measures)

    def call() -> list[str]:
        first = START + timedelta(number(rng, 0, 9000))
        return [first.isoformat(), (first + timedelta(number(rng, 0, 120))).isoformat()]

    return Assignment(
        "days",
        "first, second",
        f"takes two dates as texts YYYY-MM-DD, the second not before the first, and returns {words}.",
        lambda first, second: measure(date.fromisoformat(first), date.fromisoformat(second)),
        [call() for _ in range(9)] + [["2024-02-28", "2024-03-01"], ["2023-12-31", "2023-12-31"]],
    )


def later_date(rng: np.random.Generator) -> Assignment:
    """The next day of a kind."""
    day, own = int(rng.integers(7)), bool(rng.integers(2))

    def solve(text: str) -> str:
        found = date.fromisoformat(text) + timedelta(0 if own else 1)
        while found.weekday() != day:
            found += timedelta(1)
        return found.isoformat()

    return Assignment(
        "next_day",
        "day",
        f"takes a date as a text YYYY-MM-DD and returns the first {DAYS[day]} "
        f"{'on or after' if own else 'after'} it as a text "
        "of the same form.",
        solve,
        [[(START + timedelta(number(rng, 0, 9000))).isoformat()] for _ in range(9)]
        + [["2024-02-28"], ["2024-12-31"], [(START + timedelta(day + 3)).isoformat()]],
    )


def graded(rng: np.random.Generator) -> Assignment:
    """Thresholds with names."""
    bounds = sorted({number(rng, 1, 99) for _ in range(3)}, reverse=True)
    names = ("gold", "silver", "bronze")[: len(bounds)]

    def name(points: int) -> str:
        return next((name for name, bound in zip(names, bounds, strict=True) if points >= bound), "none")

    rules = ", ".join(f"'{name}' for {bound} points or more" for name, bound in zip(names, bounds, strict=True))
    return Assignment(
        "count_medals",
        "points",
        f"takes a list of points and returns a dictionary from medal to how often it is given: {rules}, each time the "
        "first medal of this list that fits. Medals that nobody gets, and points without a medal, are left out.",
        lambda points: {m: n for m in names if (n := sum(name(p) == m for p in points))},
        [[numbers(rng, 0, 100, 8)] for _ in range(9)] + [[[]], [[bounds[0], bounds[-1], bounds[-1] - 1]]],
    )


NUMBER_KINDS: tuple[Kind, ...] = (digits, in_base, divisible, steps_to_one, change, clock, dates, later_date, graded)
