"""Hostile input, bounded: a part of scripts/fuzz_input.py, which goes on for as long as it is asked to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz import calls, commands, files
from tests.fuzz.attempt import broken_by_call, broken_by_command
from tests.fuzz.hostile import TEXTS, confined
from tests.fuzz.surroundings import surroundings

QUICK = ("budget", "check", "search", "show")
"""Commands that refuse within milliseconds; the script tries all of them."""
SEEDS = st.integers(0, 2**32 - 1)
"""Those of the script: a case that fails is repeated by its seed."""
EVERY = 307
"""The default tests take one in so many of the hand-made cases, other ones of each place."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("fuzz")
    with surroundings():
        commands.prepare(made)
        yield made


def bounded(examples: int) -> Any:
    """So many drawn cases, the same ones every time."""
    checks = list(HealthCheck)
    # Without shrinking: a case of a command takes up to a second.
    phases = [Phase.generate]
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=phases,
        suppress_health_check=checks,
    )


@bounded(8)
@given(seed=SEEDS)
def test_arguments(folder: Path, seed: int) -> None:
    arguments = commands.drawn(Random(seed), QUICK)
    assert not broken_by_command(arguments, folder), (seed, arguments)


@pytest.mark.parametrize("kind", files.KINDS, ids=lambda kind: kind.name)
def test_files(folder: Path, kind: files.Kind) -> None:
    for seed in range(3):
        command = files.case(Random(f"{kind.name} {seed}"), kind, folder)
        assert not broken_by_command(command, folder), (kind.name, seed)


@bounded(6)
@given(seed=SEEDS)
def test_databases(folder: Path, seed: int) -> None:
    arguments = files.database(Random(seed), folder)
    assert not broken_by_command(arguments, folder), (seed, arguments)


@bounded(60)
@given(seed=SEEDS)
def test_calls(folder: Path, seed: int) -> None:
    name, call = calls.drawn(Random(seed), folder, calls.QUICK)
    assert not broken_by_call(call, folder), (seed, name)


def test_hand_made_calls(folder: Path) -> None:
    for number, (name, call) in enumerate(calls.hostile_calls(folder, calls.QUICK)):
        if number % EVERY == 0:
            assert not broken_by_call(call, folder), name


@pytest.mark.parametrize("option", ["", "--budget", "--storage", "--set", "--cost", "--cap", "--searcher-set"])
def test_hand_made_arguments(folder: Path, option: str) -> None:
    for text in [confined(text) for text in TEXTS][len(option) :: 41]:
        arguments = commands.with_value("search", option, text)
        assert not broken_by_command(arguments, folder), arguments
