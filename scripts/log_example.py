"""Prints the worked example of docs/log-format.md: a session, its log, its replay, and what becomes of a changed one.

python scripts/log_example.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from storage.log.chain import ChainWriter

COMMAND = [sys.executable, "-c", "from agenttts.cli.app import main; main()"]
SHOWN = 330
"""Characters of a line."""


def run(folder: Path, *arguments: str) -> None:
    """Prints a command and what it answers."""
    print(f"$ agenttts {' '.join(arguments)}")
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr, end="")
    print(f"(exit code {done.returncode})\n")


def main() -> None:
    """Everything happens in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        search = ["search", "--trials", "8", "--seed", "3", "--storage", "here.db", "--json"]
        subprocess.run([*COMMAND, *search], cwd=folder, capture_output=True, check=True)
        run(folder, "export", "--with-samples", "-o", "session.jsonl", "--storage", "here.db")
        texts = (folder / "session.jsonl").read_text(encoding="ascii").splitlines()
        seen: set[str] = set()
        for text in texts:
            kind = json.loads(text)["kind"]
            if kind not in seen:
                seen.add(kind)
                print(text if len(text) <= SHOWN else f"{text[: SHOWN - 120]} ... {text[-110:]}")
        print()
        run(folder, "replay", "session.jsonl")
        run(folder, "import", "session.jsonl", "--storage", "there.db")
        place = next(n for n, text in enumerate(texts) if '"kind":"trial","number":6' in text)
        changed = [*texts[:place], texts[place].replace('"origin":"planner"', '"origin":"chance"'), *texts[place + 1 :]]
        (folder / "changed.jsonl").write_text("\n".join(changed) + "\n", encoding="ascii")
        run(folder, "replay", "changed.jsonl")
        with (folder / "forged.jsonl").open("wb") as file:
            chain = ChainWriter(file.write)
            for text in changed:
                line = json.loads(text)
                chain.line(line["kind"], **{k: v for k, v in line.items() if k not in ("n", "kind", "prev", "hash")})
        run(folder, "replay", "forged.jsonl")


if __name__ == "__main__":
    main()
