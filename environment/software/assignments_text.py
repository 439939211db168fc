"""Assignments over texts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from environment.software.assignment import WORDS, Assignment, Kind, number, numbers, pick, sentence


def count_letters(rng: np.random.Generator) -> Assignment:
    """Letters of a given set."""
    letters = "".join(sorted({pick(rng, "aeioulnrst") for _ in range(number(rng, 2, 4))}))
    return Assignment(
        "count_letters",
        "text",
        f"returns how many characters of the text are one of {', '.join(repr(c) for c in letters)}, "
        "in upper or lower case.",
        lambda text: sum(character in letters for character in text.lower()),
        [[sentence(rng)] for _ in range(9)] + [[""], ["XYZ!"]],
    )


def shift_letters(rng: np.random.Generator) -> Assignment:
    """A Caesar shift of lower-case letters."""
    by = number(rng, 1, 25)

    def solve(text: str) -> str:
        return "".join(chr((ord(c) - 97 + by) % 26 + 97) if "a" <= c <= "z" else c for c in text)

    return Assignment(
        "shift_letters",
        "text",
        f"returns the text with every lower-case letter from a to z replaced by the letter {by} places further "
        f"in the alphabet, "
        "going on with a after z. All other characters stay.",
        solve,
        [[sentence(rng)] for _ in range(9)] + [[""], ["xyz ABC 12"]],
    )


def run_lengths(rng: np.random.Generator) -> Assignment:
    """Run-length encoding."""
    after, singles = bool(rng.integers(2)), bool(rng.integers(2))

    def solve(text: str) -> str:
        runs: list[tuple[str, int]] = []
        for character in text:
            if runs and runs[-1][0] == character:
                runs[-1] = (character, runs[-1][1] + 1)
            else:
                runs.append((character, 1))
        shown = ((c, str(n) if n > 1 or singles else "") for c, n in runs)
        return "".join(c + n if after else n + c for c, n in shown)

    side = "followed" if after else "preceded"
    alone = "" if singles else " A character that stands alone is written without a number."
    return Assignment(
        "run_lengths",
        "text",
        f"returns the text with every run of equal characters replaced by the character {side} by the length of "
        f"the run.{alone}",
        solve,
        [["".join(pick(rng, "abc") * number(rng, 1, 4) for _ in range(number(rng, 1, 6)))] for _ in range(9)]
        + [[""], ["a"]],
    )


def frequent_word(rng: np.random.Generator) -> Assignment:
    """The most, or least, frequent word."""
    most, first = bool(rng.integers(2)), bool(rng.integers(2))

    def solve(text: str) -> str | None:
        words = text.lower().split()
        if not words:
            return None
        wanted = (max if most else min)(words.count(word) for word in words)
        found = [word for word in words if words.count(word) == wanted]
        return found[0] if first else min(found)

    tie = "the one that comes first in the text" if first else "the first one in the alphabet"
    return Assignment(
        "frequent_word",
        "text",
        f"returns the {'most' if most else 'least'} frequent word of the text in lower case, among equally frequent "
        f"words {tie}, or None for a text without words. Words are separated by blanks.",
        solve,
        [[" ".join(pick(rng, WORDS[:5]) for _ in range(number(rng, 3, 9)))] for _ in range(9)] + [[""], ["one"]],
    )


def long_words(rng: np.random.Generator) -> Assignment:
    """Changes words of a given length."""
    length = number(rng, 2, 6)
    changes: list[tuple[str, Callable[[str], str]]] = [
        ("written backwards", lambda word: word[::-1]),
        ("in upper case", lambda word: word.upper()),
        ("without its first letter", lambda word: word[1:]),
        ("doubled with a hyphen between, such as so-so", lambda word: f"{word}-{word}"),
    ]
    name, change = pick(rng, changes)
    longer = bool(rng.integers(2))

    def solve(text: str) -> str:
        return " ".join(
            change(word) if (len(word) > length if longer else len(word) <= length) else word
            for word in text.split(" ")
        )

    which = f"more than {length}" if longer else f"at most {length}"
    return Assignment(
        "change_words",
        "text",
        f"returns the text with every word of {which} letters {name}. Words are separated by one blank; "
        "the text has at least one word.",
        solve,
        [[sentence(rng)] for _ in range(11)],
    )


def brackets(rng: np.random.Generator) -> Assignment:
    """Whether brackets match."""
    pairs = [("(", ")"), ("[", "]"), ("{", "}"), ("<", ">")]
    chosen = [pairs[int(i)] for i in sorted(rng.choice(4, size=number(rng, 1, 3), replace=False))]
    closing = {close: start for start, close in chosen}

    def solve(text: str) -> bool:
        waiting: list[str] = []
        for character in text:
            if character in closing.values():
                waiting.append(character)
            elif character in closing and (not waiting or waiting.pop() != closing[character]):
                return False
        return not waiting

    signs = [sign for pair in chosen for sign in pair]
    good = [
        "".join(start + close for start, close in chosen),
        "".join(s for s, _ in chosen) + "x" + "".join(c for _, c in reversed(chosen)),
    ]
    drawn = ["".join(pick(rng, [*signs, "x"]) for _ in range(number(rng, 2, 6))) for _ in range(6)]
    return Assignment(
        "brackets_match",
        "text",
        f"returns True if every bracket of the kinds {' and '.join(s + c for s, c in chosen)} in the text is closed by "
        "its partner in the right order, else False. All other characters are ignored.",
        solve,
        [[text] for text in [*drawn, *good, good[0] + signs[0], good[1][::-1], "", "x"]],
    )


def key_values(rng: np.random.Generator) -> Assignment:
    """A text of pairs as a dictionary."""
    between, inside = pick(rng, (";", ",", "|", "&")), pick(rng, ("=", ":", "->"))
    last = bool(rng.integers(2))

    def solve(text: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for part in text.split(between) if text else []:
            key, _, value = part.partition(inside)
            if last or key.strip() not in found:
                found[key.strip()] = value.strip()
        return found

    def text() -> str:
        parts = (
            "".join(pick(rng, part) for part in (("a", "size", "b", "name"), ("", " "), (inside,), ("", " "), WORDS))
            for _ in range(number(rng, 1, 5))
        )
        return between.join(parts)

    return Assignment(
        "read_pairs",
        "text",
        f"reads a text of pairs KEY{inside}VALUE with {between!r} between the pairs and returns them as a "
        f"dictionary of "
        f"texts, without blanks around keys and values. Of a key given twice the {'last' if last else 'first'} value "
        "counts; an empty text gives an empty dictionary.",
        solve,
        [[text()] for _ in range(10)] + [[""]],
    )


def initials(rng: np.random.Generator) -> Assignment:
    """An acronym with rules."""
    least, dots = number(rng, 1, 4), bool(rng.integers(2))

    def solve(text: str) -> str:
        return "".join(word[0].upper() + ("." if dots else "") for word in text.split() if len(word) >= least)

    which = f" that has at least {least} letters" if least > 1 else ""
    return Assignment(
        "initials",
        "text",
        f"returns the first letter of every word{which}, in upper case and "
        f"{'each followed by a dot' if dots else 'without anything between'}. A text without such words gives ''.",
        solve,
        [[sentence(rng)] for _ in range(9)] + [[""], ["a"]],
    )


def column_text(rng: np.random.Generator) -> Assignment:
    """Numbers in columns."""
    width, fill, left = number(rng, 3, 7), pick(rng, (".", "0", "_", "*")), bool(rng.integers(2))

    def solve(values: list[int]) -> str:
        shown = [str(value) for value in values]
        return "|".join(text.ljust(width, fill) if left else text.rjust(width, fill) for text in shown)

    return Assignment(
        "columns",
        "values",
        f"takes a list of whole numbers of 0 or more and returns them in one text with '|' between them, each "
        f"filled up "
        f"with {fill!r} on its {'right' if left else 'left'} to {width} characters. Longer numbers are not cut; "
        f"an empty list "
        "gives ''.",
        solve,
        [[numbers(rng, 0, 99_999, 5)] for _ in range(9)] + [[[]], [[12_345_678]]],
    )


TEXT_KINDS: tuple[Kind, ...] = (
    *(
        count_letters,
        shift_letters,
        run_lengths,
        frequent_word,
        long_words,
        brackets,
        key_values,
        initials,
        column_text,
    ),
)
