"""Every command that a page shows is one that exists, and the programs of the first pages run."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer
import typer.main

from agenttts.cli.app import COMMANDS, app

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
CONSOLE = re.compile(r"^```(?:console|sh|bash)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:    )agenttts (.+)$", re.MULTILINE)
PROGRAM = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("...", "SESSION", "DIR", "TASK", "FILE", "LOG")
"""Stand for what a reader fills in."""


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        # Fenced lines as if they were indented, so that prose which begins with the name is no command.
        text = CONSOLE.sub(lambda block: re.sub(r"^", "    ", block[1], flags=re.MULTILINE), page.read_text("utf-8"))
        for line in COMMAND.findall(text):
            yield str(page.relative_to(ROOT)), line.split("  #")[0].split(" > ")[0].strip()
    for name, (place, _) in COMMANDS.items():
        module, function = place.split(":")
        text = getattr(import_module(f"agenttts.cli.{module}"), function).__doc__
        shown = re.findall(r"^ {6}agenttts (.+)$", text, re.MULTILINE)
        assert shown, f"the help of {name} has no example"
        for line in shown:
            yield f"agenttts {name} --help", line.split(" > ")[0].strip()


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_every_command_is_one_that_exists(page: str, line: str) -> None:
    """Its options are parsed as the command would; nothing is run."""
    group = typer.main.get_command(app)
    words = [word for word in shlex.split(line.rstrip("\\")) if word not in ELSEWHERE]
    if words and words[0].startswith("-"):
        group.make_context("agenttts", words)
        return
    command = group.get_command(group.make_context("agenttts", ["tasks"]), words[0])  # type: ignore[attr-defined]
    assert command is not None, f"no command {words[0]}"
    rest = words[1:]
    if rest and rest[-1].startswith("--") and "..." in line:
        rest = rest[:-1]  # its value is left to the reader
    command.make_context(words[0], rest, resilient_parsing=any(word in line for word in ELSEWHERE))


@pytest.mark.parametrize("page", ["start"])
@pytest.mark.slow
def test_the_programs_of_a_page_run(page: str, tmp_path: Path) -> None:
    programs = PROGRAM.findall((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))
    assert programs
    for name, code in programs:
        (tmp_path / name).write_text(code, encoding="utf-8")
        done = subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr


INDENTED = {
    "README.md": ("import agenttts as tts", "my_objective = lambda allocation: 0.5\n"),
    "docs/simulated.md": ("from environment.loading import load_task", ""),
    "docs/reports.md": ("result = tts.load_result", "import agenttts as tts\ntts.run('simulated-2wiki', trials=8)\n"),
    "docs/comparison.md": ("import agenttts as tts", ""),
}
"""How the programs begin that stand indented in a page, and what comes before them."""


@pytest.mark.parametrize("page", INDENTED)
@pytest.mark.slow
def test_an_indented_program_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, before = INDENTED[page]
    text = (ROOT / page).read_text(encoding="utf-8")
    block = re.search(rf"^    {re.escape(first)}.*?(?=^\S)", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    program = tmp_path / "program.py"
    # Fewer seeds: what is shown takes minutes.
    code = textwrap.dedent(block[0]).replace("seeds=30,", "seeds=1, trials=8, workers=1,")
    program.write_text(before + code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(program), run_name="__main__")


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    """Those of the pages in docs/ are checked when the site is built."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_every_page_has_its_place_in_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    placed = re.findall(r": (\S+\.md)$", text, re.MULTILINE)
    assert sorted(placed) == sorted(
        str(page.relative_to(ROOT / "docs")) for page in PAGES if page != ROOT / "README.md"
    )
