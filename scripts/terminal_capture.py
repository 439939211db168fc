"""Draws what `agenttts search` prints, from a real run, as the terminal shows it.

python scripts/terminal_capture.py                   # writes docs/terminal.svg
"""

from __future__ import annotations

import argparse
import inspect
import io
import re
import tempfile
from pathlib import Path

from rich.console import Console

import agenttts as tts
from agenttts.cli.summary import print_result

WIDTH = 92
# Rich's own frame fetches its font from another host; a page of ours asks nobody.
FRAME = re.sub(
    r"@font-face \{\{.*?\}\}\s*(?=@font-face|\.)",
    "",
    inspect.signature(Console.export_svg).parameters["code_format"].default,
    flags=re.DOTALL,
)


def main() -> None:
    """Searches the recorded benchmark and draws the answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("docs/terminal.svg"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = tts.run("multihop-recorded", storage=f"sqlite:///{folder}/search.db")
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), markup=False, emoji=False, force_terminal=True, highlight=False
    )
    print_result(console, result)
    svg = console.export_svg(title="agenttts search", code_format=FRAME, unique_id="capture")
    # The session's number is drawn by lot; the picture should change only when the search does.
    options.output.write_text(svg.replace(result.session_id, "3f2a91c4"), encoding="utf-8")
    print(f"{options.output}: {len(svg):,} characters")


if __name__ == "__main__":
    main()
