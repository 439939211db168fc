"""The code blocks of docs/plugins.md are written to files by their names and run."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from agent.searcher import SEARCHERS
from environment.strategy import STRATEGIES
from environment.task import TASKS
from tests.environment.served import served
from tools.cost import COSTS
from tools.token_use import TOKEN_PROFILES

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
GROUPS = {registry.group for registry in (SEARCHERS, STRATEGIES, TOKEN_PROFILES, TASKS, COSTS)}


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(PAGE) if found == language]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for block in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name is not None, f"a block without a file name: {block[:60]}"
        (tmp_path / name[1]).write_text(block, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_example_passes_its_suite_and_runs(folder: Path) -> None:
    suites = sorted(path.name for path in folder.glob("test_*.py"))
    assert len(suites) == 4
    shown = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", *suites)
    assert re.search(r"\d{2,} passed", shown)
    assert "qa: 3b" in run(folder, "search_by_hand.py")


@pytest.mark.slow
def test_the_task_is_searched(folder: Path) -> None:
    with served() as endpoint:
        program = folder / "search_sums.py"
        program.write_text(re.sub(r"http://127\.0\.0\.1:808\d/v1", endpoint.url, program.read_text()))
        assert re.search(r"4 trials, best (small|large) x \d+", run(folder, "search_sums.py"))
    assert {body["model"] for body in endpoint.server.bodies} == {"small", "large"}


def test_every_entry_point_names_a_group_and_a_file_of_the_page(folder: Path) -> None:
    seen = set()
    for block in blocks("toml"):
        for group, points in tomllib.loads(block)["project"]["entry-points"].items():
            seen.add(group)
            for target in points.values():
                module, _, attribute = target.partition(":")
                text = (folder / f"{module}.py").read_text(encoding="utf-8")
                assert re.search(rf"^(class|def) {attribute}\b", text, re.MULTILINE)
    assert seen == GROUPS
