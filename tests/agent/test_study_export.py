"""Sessions as Optuna studies: what stands in them, Optuna's own figures, and its dashboard over HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

import agenttts as tts
from agent.optuna_allocations import allocation_in
from agent.session import Result
from agent.study_export import export_study
from agenttts.optuna import AgentTTSSampler
from environment.loading import load_task
from storage.archive import Archive
from storage.database import Database
from tools.errors import InvalidInput
from tools.trial import TrialState


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, str]:
    """A session of the recorded benchmark with a trial that failed and one that waits."""
    storage = f"sqlite:///{tmp_path_factory.mktemp('session') / 'agenttts.db'}"
    result = tts.run(searcher="grid", trials=8, batch=4, seed=1, storage=storage, caps={"tokens": 1e6})
    untried = iter(load_task("multihop-recorded").space.allocations(result.config.budget, tts.FlopsCost()))
    tried = {trial.allocation for trial in result.trials}
    others = [next(a for a in untried if a not in tried) for _ in range(2)]
    with Database.open(storage) as database:
        archive = Archive(database)
        for number, (allocation, state) in enumerate(zip(others, ("failed", "waiting"), strict=True), 8):
            trial = tts.Trial(number, allocation, 1.0, batch=2)
            archive.add_trials(result.session_id, [trial])
            if state == "failed":
                for moved in (TrialState.RUNNING, TrialState.FAILED):
                    archive.save_trial(
                        result.session_id, tts.Trial(number, allocation, 1.0, moved, error="the endpoint was down")
                    )
    return tts.load_result(result.session_id, storage), storage


@pytest.fixture(scope="module")
def study(searched: tuple[Result, str]) -> optuna.Study:
    result, storage = searched
    return export_study(result.session_id, storage)


def test_every_trial_stands_in_the_study_with_what_it_scored(study: optuna.Study, searched: tuple[Result, str]) -> None:
    result, _ = searched
    space = load_task("multihop-recorded").space
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE"] * 8 + ["FAIL", "WAITING"]
    for ours, theirs in zip(result.trials, study.trials[:9], strict=False):
        assert allocation_in(space, theirs.params) == ours.allocation
        assert theirs.value == ours.score
        assert theirs.user_attrs["agenttts.cost"] == ours.cost
        assert theirs.user_attrs["agenttts.reason"] == ours.reason
        assert set(theirs.constraints) == {"budget", "cap tokens"}
    first, ours = study.trials[0], result.trials[0]
    assert theirs.user_attrs["agenttts.error"] == "the endpoint was down"
    assert first.intermediate_values[len(first.intermediate_values)] == pytest.approx(ours.score)
    assert first.user_attrs["agenttts.usage.requested"] == ours.usage.requested
    assert first.user_attrs["agenttts.score.retrieval"] == ours.stage_scores["retrieval"].mean
    assert first.datetime_start is not None
    assert first.duration is not None
    assert study.best_value == max(trial.score or 0 for trial in result.trials)
    assert study.user_attrs["agenttts.session"] == result.session_id
    assert {e["label"] for e in study.user_attrs["agenttts.evaluations"]} >= {"best"}


def test_a_study_can_be_gone_on_with_by_the_sampler(searched: tuple[Result, str]) -> None:
    result, storage = searched
    study = export_study(result.session_id, storage, name="goes on")
    space = load_task("multihop-recorded").space
    study.sampler = AgentTTSSampler(space, result.config.budget, searcher="grid", seed=1)
    waiting = study.ask()
    assert study.sampler.suggest_allocation(waiting) == result.trials[9].allocation
    study.tell(waiting, 0.5)
    fresh = study.sampler.suggest_allocation(study.ask())
    assert fresh not in {trial.allocation for trial in result.trials}


FIGURES = [
    "plot_contour",
    "plot_edf",
    "plot_intermediate_values",
    "plot_optimization_history",
    "plot_parallel_coordinate",
    "plot_param_importances",
    "plot_rank",
    "plot_slice",
    "plot_timeline",
]


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optunas_figures_draw_it(study: optuna.Study, figure: str) -> None:
    pytest.importorskip("plotly", reason="Optuna draws with plotly")
    drawn = getattr(optuna.visualization, figure)(study)
    assert len(drawn.data) > 0
    assert any(len(trace.to_plotly_json()) > 1 for trace in drawn.data)


def test_a_name_that_is_taken_and_a_storage_that_is_none_are_refused(
    searched: tuple[Result, str], tmp_path: Path
) -> None:
    result, storage = searched
    target = f"sqlite:///{tmp_path / 'study.db'}"
    export_study(result.session_id, storage, target)
    with pytest.raises(InvalidInput, match="already there"):
        export_study(result.session_id, storage, target)
    assert len(export_study(result.session_id, storage, target, "another").trials) == 10
    for nonsense in ("nowhere", "sqlite:////no/such/folder/study.db"):
        with pytest.raises(InvalidInput, match="no Optuna storage"):
            export_study(result.session_id, storage, nonsense)


def agenttts(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = str(Path(sys.executable).with_name("agenttts"))
    return subprocess.run([command, *arguments], capture_output=True, text=True, timeout=120)


@pytest.fixture
def dashboard(searched: tuple[Result, str], tmp_path: Path) -> Iterator[str]:
    """Optuna's dashboard on the study that the command line wrote."""
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    result, storage = searched
    target = f"sqlite:///{tmp_path / 'study.db'}"
    arguments = ("export", result.session_id, "--storage", storage, "--study", target, "--study-name", "seen", "--json")
    done = agenttts(*arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"study": target, "study_name": "seen", "trials": 10}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = str(Path(sys.executable).with_name("optuna-dashboard"))
    server = subprocess.Popen(
        [command, target, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.communicate(timeout=30)


def fetched(url: str) -> dict[str, object]:
    """The JSON at a URL, once the server listens."""
    for _ in range(150):
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - our own loopback server
                found: dict[str, object] = json.load(answer)
                return found
        except ConnectionError:
            time.sleep(0.2)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError):
                raise
            time.sleep(0.2)
    raise AssertionError(f"nothing listens at {url}")


@pytest.mark.slow
def test_the_dashboard_lists_the_study(dashboard: str) -> None:
    listed = fetched(f"{dashboard}/api/studies")["study_summaries"]
    assert isinstance(listed, list)
    assert [study["study_name"] for study in listed] == ["seen"]
    detail = fetched(f"{dashboard}/api/studies/{listed[0]['study_id']}")
    trials = detail["trials"]
    assert isinstance(trials, list)
    assert len(trials) == 10
    assert trials[0]["params"]


def test_export_wants_one_thing_to_write() -> None:
    done = agenttts("export", "--pipeline", "a.yaml", "--study", "sqlite:///study.db")
    assert done.returncode == 2
    assert "one of --pipeline FILE and --study URL" in done.stderr
