"""How fast the command line starts, and how much memory a search on the recorded benchmark takes.

python scripts/bench_startup.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_script import Line, milliseconds, parser, ratios, show, spread

MAIN = "import sys; sys.argv[0] = 'agenttts'; from agenttts.cli.app import main; main()"


def spent(*arguments: str, folder: Path) -> tuple[float, float]:
    """Processor seconds of a Python process and all it started, and its largest memory in megabytes."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=9)
    options.add_argument("--trials", type=int, default=50, help="default: %(default)s")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        helps, imports, bare = [], [], []
        for _ in range(arguments.runs):
            helps.append(spent("-c", MAIN, "--help", folder=folder)[0])
            imports.append(spent("-c", "import typer, rich", folder=folder)[0])
            bare.append(spent("-c", "pass", folder=folder)[1])
        search = ["-c", MAIN, "search", "--json", "--trials", str(arguments.trials)]
        memory = [spent(*search, folder=folder)[1] for _ in range(min(3, arguments.runs))]
    show(
        [
            Line(
                "`agenttts --help`, processor time",
                milliseconds(helps),
                f"`import typer, rich`: {milliseconds(imports)}",
                ratios(helps, imports),
                "at most 1.5",
            ),
            Line(
                f"memory of a search of {arguments.trials} trials on the recorded benchmark",
                spread(memory, "MB"),
                f"Python alone: {spread(bare, 'MB')}",
                [one / bare[0] for one in memory],
                "under 300 MB",
            ),
        ]
    )


if __name__ == "__main__":
    main()
