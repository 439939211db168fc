"""What the benchmark scripts share: their options, how they time, and the table that they print.

A figure is a ratio of two things measured in one run, one beside the other, so that it means something on a
machine that is busy with other work. Several runs show how far it can be trusted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: what was measured, ours beside its reference, and what was asked for.

    `ratios` holds ours over the reference, once a run.
    """

    figure: str
    ours: str
    reference: str
    ratios: Sequence[float] = ()
    asked: str = ""


def parser(description: str | None, *, runs: int) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=runs, help="default: %(default)s")
    return options


def seconds(action: Callable[[], object], clock: Clock = time.process_time) -> float:
    """How long an action takes: by default this process's processor time, which others' work does not count in."""
    begin = clock()
    action()
    return clock() - begin


def side_by_side(
    ours: Callable[[], object], reference: Callable[[], object], runs: int, clock: Clock = time.process_time
) -> tuple[list[float], list[float]]:
    """Seconds of both, taken in turn, after one run of each that does not count."""
    ours(), reference()
    pairs = [(seconds(ours, clock), seconds(reference, clock)) for _ in range(runs)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def ratios(ours: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Ours over the reference, run by run."""
    return [one / other for one, other in zip(ours, reference, strict=True)]


def spread(values: Sequence[float], unit: str = "", digits: int = 3) -> str:
    """The median, and the lowest and highest where they differ."""
    low, middle, high = min(values), statistics.median(values), max(values)
    around = f" ({low:.{digits}g} to {high:.{digits}g})" if len(values) > 1 else ""
    return f"{middle:.{digits}g}{unit and ' ' + unit}{around}"


def milliseconds(values: Sequence[float]) -> str:
    """Seconds, told in milliseconds."""
    return spread([1000 * value for value in values], "ms")


def show(lines: Sequence[Line]) -> None:
    """Prints the figures as a table that a Markdown page can hold."""
    print("| figure | ours | reference | ratio | asked for |")
    print("| --- | --- | --- | --- | --- |")
    for line in lines:
        ratio = spread(line.ratios) if line.ratios else ""
        print(f"| {line.figure} | {line.ours} | {line.reference} | {ratio} | {line.asked} |")
