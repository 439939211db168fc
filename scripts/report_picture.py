"""Writes the report of one search on the recorded benchmark and takes a picture of its beginning.

    python scripts/report_picture.py                     # writes docs/report.png, prints its size

Needs the extra `report`, Pillow, and Chromium (named by --chromium where it is not on the path).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import agenttts as tts

SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
WIDTH, HEIGHT = 1000, 1540
DRAWN_AFTER = 8000
"""Milliseconds of the page's own time in which it draws its figures."""
TONES = 256


def reported(folder: Path, trials: int) -> Path:
    """The report of the planner's search, beside those of two baselines."""
    url = f"sqlite:///{folder / 'sessions.db'}"
    for searcher in ("random", "tpe"):
        tts.run(searcher=searcher, trials=trials, storage=url)
    return tts.run(trials=trials, storage=url).report(folder / "report.html")


def photographed(page: Path, chromium: str, folder: Path) -> Path:
    """A picture of what a window of that size shows of a page."""
    picture = folder / "report.png"
    command = [chromium, *SWITCHES, f"--user-data-dir={folder / 'profile'}", f"--screenshot={picture}"]
    command += [f"--window-size={WIDTH},{HEIGHT}", f"--virtual-time-budget={DRAWN_AFTER}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("docs/report.png"))
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    arguments = parser.parse_args()
    if arguments.chromium is None:
        sys.exit("Chromium is not on the path; name it with --chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = reported(folder, arguments.trials)
        picture = photographed(page, arguments.chromium, folder)
        # Few colours: a page is no photograph, and the repository stays small.
        image = Image.open(picture).convert("RGB").quantize(TONES, dither=Image.Dither.NONE)
        image.save(arguments.output, optimize=True)
    print(f"{arguments.output}: {WIDTH} x {HEIGHT}, {arguments.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
