from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.kgqa.answer_sets import (
    answer_set_f1,
    separate_answers,
    set_match,
    single_match,
    voted_answers,
)

FAITHS = ((("Shia Islam", "Shi'a"), ("Sunni Islam",)),)
TWO_READINGS = ((("1992",),), (("Barcelona", "FC Barcelona"), ("Madrid",)))


@pytest.mark.parametrize(
    ("answer", "readings", "right"),
    [
        ("shia islam.", FAITHS, True),
        ("Shia", FAITHS, True),
        ("The Sunni Islam", FAITHS, True),
        ("Islam", FAITHS, False),
        ("Shia Islam; Sunni Islam", FAITHS, False),
        ("", FAITHS, False),
        ("1992", TWO_READINGS, True),
        ("F.C. Barcelona", TWO_READINGS, True),
        ("The The", ((("The The",),),), True),
        ("", ((("The The",),),), False),
        ("A", ((("The The",),),), False),
    ],
)
def test_em_takes_any_answer_by_any_of_its_names(answer: str, readings: object, right: bool) -> None:
    assert single_match(answer, readings) == right


@pytest.mark.parametrize(
    ("answers", "f1"),
    [
        (("Shi'a", "Sunni Islam"), 1.0),
        (("Shia Islam", "Shi'a", "Sunni Islam"), 1.0),
        (("Sunni Islam",), 2 / 3),
        (("Sunni Islam", "Judaism"), 1 / 2),
        (("Judaism",), 0.0),
        ((), 0.0),
    ],
)
def test_set_f1_counts_answers_not_names(answers: tuple[str, ...], f1: float) -> None:
    assert answer_set_f1(answers, FAITHS) == pytest.approx(f1)
    assert set_match(answers, FAITHS) == (f1 == 1)


def test_the_reading_that_fits_best_counts() -> None:
    assert answer_set_f1(["Madrid", "FC Barcelona"], TWO_READINGS) == 1
    assert answer_set_f1(["1992"], TWO_READINGS) == 1
    assert answer_set_f1(["1992", "Madrid"], TWO_READINGS) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("Vosk; Lunic", ("Vosk", "Lunic")),
        ("Answer: Vosk;vosk.; 'Lunic'", ("Vosk", "Lunic")),
        ("Washington, D.C.", ("Washington, D.C",)),
        (" ; ;\n", ()),
        ("", ()),
    ],
)
def test_answers_stand_between_semicolons(text: str, answers: tuple[str, ...]) -> None:
    assert separate_answers(text) == answers


@given(st.text())
def test_any_text_gives_answers(text: str) -> None:
    answers = separate_answers(text)
    assert all(answer.strip() for answer in answers)
    assert 0 <= answer_set_f1(answers, FAITHS) <= 1
    assert single_match(text, FAITHS) in (0, 1)


@given(st.lists(st.lists(st.text(max_size=4)).map(tuple), min_size=1, max_size=6))
def test_a_vote_holds_answers_that_were_given(outputs: list[tuple[str, ...]]) -> None:
    given_answers = {answer for output in outputs for answer in output}
    voted = voted_answers(outputs)
    assert set(voted) <= given_answers
    assert bool(voted) == bool(given_answers)


def test_votes_keep_answers_of_at_least_half() -> None:
    assert voted_answers([("Vosk", "Lunic"), ("vosk",), ("Norsk",), ("Vosk", "The Lunic")]) == ("Vosk", "Lunic")
    assert voted_answers([("A1",), ("B1",), ("B1", "C1"), ("D1",), ("E1",)]) == ("B1",)
    assert voted_answers([(), ()]) == ()
