"""The examples of docs/pipelines are written to files by their names and run against a scripted endpoint."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from environment.pipelines.metrics import METRICS
from environment.pipelines.parsers import PARSERS
from environment.pipelines.schema import DatasetSpec, EndpointSpec, ModelSpec, PipelineSpec, SubtaskSpec
from environment.pipelines.votes import VOTES
from tests.environment.served import Served, served

PAGES = Path(__file__).parents[2] / "docs" / "pipelines"
BLOCK = re.compile(r"^```(?:yaml|python|json)\n# (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
URL = re.compile(r"http://127\.0\.0\.1:808\d/v1")


@pytest.fixture(name="served")
def endpoint() -> Iterator[Served]:
    with served() as running:
        yield running


def written(page: str, folder: Path, url: str) -> None:
    for name, text in BLOCK.findall((PAGES / page).read_text(encoding="utf-8")):
        (folder / name).write_text(URL.sub(url, text), encoding="utf-8")


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "OPENAI_API_KEY": "sk-test"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


AGENTTTS = ("-c", "from agenttts.cli.app import main; main()")


@pytest.mark.parametrize(
    ("page", "task"),
    [("yaml.md", "pipeline.yaml"), ("python.md", "my_rag.py:pipeline"), ("langgraph.md", "my_graph.py:pipeline")],
)
@pytest.mark.slow
def test_the_pages_example_is_checked_and_searched(page: str, task: str, tmp_path: Path, served: Served) -> None:
    written(page, tmp_path, served.url)
    checked = json.loads(run(tmp_path, *AGENTTTS, "check", task, "--json"))
    assert list(checked["prompts"]) == ["plan", "answer"]
    assert served.server.bodies == []
    found = json.loads(run(tmp_path, *AGENTTTS, "search", task, "--trials", "4", "--batch", "4", "--json"))
    assert found["state"] == "complete"
    assert {trial["state"] for trial in found["trials"]} == {"complete"}
    assert set(served.server.authorizations) == {"Bearer sk-test"}
    assert {body["model"] for body in served.server.bodies} == {"small", "large"}


@pytest.mark.parametrize("page", ["python.md", "langgraph.md"])
@pytest.mark.slow
def test_the_pages_program_runs(page: str, tmp_path: Path, served: Served) -> None:
    written(page, tmp_path, served.url)
    (program,) = tmp_path.glob("*.py")
    program.write_text(program.read_text().replace("trials=20", "trials=3, batch=3"))
    assert re.search(r"plan: \w+ x \d.*answer: \w+ x \d+ \d\.\d", run(tmp_path, program.name))


def test_the_yaml_page_names_every_field_and_name() -> None:
    page = (PAGES / "yaml.md").read_text(encoding="utf-8")
    for model in (PipelineSpec, ModelSpec, EndpointSpec, DatasetSpec, SubtaskSpec):
        for field in set(model.model_fields) - {"version"}:
            assert f"`{field}`" in page, f"{model.__name__}.{field}"
    for name in {*METRICS.names(), *PARSERS, *VOTES}:
        assert re.search(rf"\b{name}\b", page), name
