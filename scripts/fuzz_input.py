"""Hands agenttts hostile input for as long as asked, and prints what breaks the promise about bad input.

Seeds are printed: `--first-seed N --cases 1` repeats a case. The default tests run a bounded part of this.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.fuzz import calls, commands, files  # noqa: E402
from tests.fuzz.attempt import broken_by_call, broken_by_command  # noqa: E402
from tests.fuzz.hostile import TEXTS, confined  # noqa: E402
from tests.fuzz.surroundings import surroundings  # noqa: E402

MOST_MEMORY = 8 * 2**30
"""Bytes; a case that wants more fails rather than the machine."""


def corpus(folder: Path) -> Iterator[tuple[str, str]]:
    """Every hand-made case, and what it broke."""
    for arguments in commands.every([confined(text) for text in TEXTS]):
        yield f"command {arguments!a}", broken_by_command(arguments, folder)
    for kind in files.KINDS:
        for number, content in enumerate(files.corpus(kind)):
            for name, beside in kind.beside.items():
                (folder / name).write_bytes(beside)
            (folder / kind.name).write_bytes(content)
            yield f"file {kind.name} {number} {content[:60]!r}", broken_by_command(kind.command, folder)
    for name, call in calls.hostile_calls(folder):
        yield f"call {name}", broken_by_call(call, folder)


def drawn(seed: int, folder: Path, surface: str) -> tuple[str, str]:
    """The case of a seed, and what it broke."""
    random = Random(seed)
    kind = random.choice(SURFACES) if surface == "all" else surface
    if kind == "call":
        name, call = calls.drawn(random, folder)
        return f"call {name}", broken_by_call(call, folder)
    write: dict[str, Callable[[], list[str]]] = {
        "command": lambda: commands.drawn(random),
        "file": lambda: files.case(random, random.choice(files.KINDS), folder),
        "database": lambda: files.database(random, folder),
        "name": lambda: files.named(random, folder),
    }
    arguments = write[kind]()
    return f"{kind} {arguments!a}", broken_by_command(arguments, folder)


SURFACES = ("command", "file", "database", "name", "call")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=None, help="stop after so long")
    parser.add_argument("--surface", choices=[*SURFACES, "all", "corpus"], default="all")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    started, done, broken = time.monotonic(), 0, Counter[str]()
    with tempfile.TemporaryDirectory() as name, surroundings():
        folder = Path(name)
        commands.prepare(folder)
        if given.surface == "corpus":
            found: Iterator[tuple[str, str]] = corpus(folder)
        else:
            seeds = range(given.first_seed, given.first_seed + given.cases)
            found = (
                (f"seed {seed}: {case}", why) for seed in seeds for case, why in [drawn(seed, folder, given.surface)]
            )
        for case, why in found:
            done += 1
            if why:
                broken[why[:120]] += 1
                if broken[why[:120]] <= 3:
                    print(f"{case[:300]}\n    {why[:600]}", flush=True)
            if given.minutes is not None and time.monotonic() - started > 60 * given.minutes:
                break
    with contextlib.suppress(BrokenPipeError):
        print(f"{done:,} cases in {time.monotonic() - started:,.0f} s, {sum(broken.values()):,} broke the promise")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
