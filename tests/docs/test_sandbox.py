"""The sandbox's page: its code runs, and its figures are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from environment.sandbox.limits import LEVELS, MEBIBYTE, Limits
from tools.errors import InvalidInput

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    try:
        exec(compile(code, "sandbox.md", "exec"), {})  # noqa: S102 - the page's own code
    except InvalidInput as error:
        pytest.skip(str(error))
    assert re.match(rf"0 HELLO\n  ({'|'.join(LEVELS)})\n", capsys.readouterr().out)


def test_limits_are_told_with_their_defaults() -> None:
    told = {}
    for names, values in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([\d., MiB]+) \|", PAGE, re.MULTILINE):
        told |= dict(zip(re.findall(r"`(\w+)`", names), values.split(", "), strict=True))
    assert set(told) == {field.name for field in fields(Limits)}
    for name, value in told.items():
        number, _, unit = value.partition(" ")
        assert getattr(Limits(), name) == float(number) * (MEBIBYTE if unit == "MiB" else 1), name
