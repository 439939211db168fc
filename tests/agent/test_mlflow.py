"""Sessions as MLflow runs, in MLflow's own SQLite store."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import agenttts as tts
from agent.mlflow_observer import MlflowObserver
from agent.observers import Observers
from agent.session import resume
from storage.session import SessionRecord
from tools.errors import InvalidInput

# Loaded by the tests that use it: it takes seconds.
pytestmark = pytest.mark.skipif(find_spec("mlflow") is None, reason="the extra mlflow is not installed")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def _artifacts_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def runs(uri: str, session: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("agenttts")
    return list(client.search_runs([experiment.experiment_id], f"tags.`agenttts.session` = '{session}'"))


@pytest.mark.slow
def test_a_session_is_a_run_with_its_settings_metrics_guidelines_and_result(uri: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    storage = f"sqlite:///{tmp_path / 'a.db'}"
    result = tts.run(trials=12, batch=6, seed=3, storage=storage, observer=Observers(MlflowObserver(uri)))
    (run,) = runs(uri, result.session_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["searcher"] == "planner"
    assert (run.data.params["seed"], run.data.params["trials"]) == ("3", "12")
    assert run.data.tags["agenttts.best"] == str(result.best.allocation)
    client = MlflowClient(tracking_uri=uri)
    scores = {one.step: one.value for one in client.get_metric_history(run.info.run_id, "score")}
    assert scores == {trial.number: pytest.approx(trial.score) for trial in result.trials}
    bests = [
        one.value for one in sorted(client.get_metric_history(run.info.run_id, "score.best"), key=lambda m: m.step)
    ]
    assert bests == sorted(bests)
    assert {one.step for one in client.get_metric_history(run.info.run_id, "score.retrieval")} == set(range(12))
    judged = result.evaluation("best")
    assert judged is not None
    assert run.data.metrics["held-out.best"] == pytest.approx(judged.score.mean)
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert names == {"guidelines", "best_allocation.json"}
    path = Path(client.download_artifacts(run.info.run_id, "guidelines/batch-000.txt"))
    assert path.read_text(encoding="utf-8") == result.guidelines[0].text


class Breaks(MlflowObserver):
    """Interrupts the session after its third trial."""

    def trial_finished(self, trial: tts.Trial, search: tts.Search) -> None:
        super().trial_finished(trial, search)
        if trial.number == 2:
            raise RuntimeError("the machine went away")


@pytest.mark.slow
def test_a_resumed_session_goes_on_with_its_run(uri: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    storage = f"sqlite:///{tmp_path / 'a.db'}"
    with pytest.raises(RuntimeError, match="went away"):
        tts.run(searcher="grid", trials=5, batch=5, storage=storage, observer=Breaks(uri))
    session = tts.load_result("last", storage).session_id
    assert [run.info.status for run in runs(uri, session)] == ["FAILED"]
    resume(session, storage, observer=MlflowObserver(uri))
    (run,) = runs(uri, session)
    assert run.info.status == "FINISHED"
    client = MlflowClient(tracking_uri=uri)
    assert {one.step for one in client.get_metric_history(run.info.run_id, "score")} == set(range(5))


@pytest.mark.slow
def test_what_mlflow_refuses_later_is_a_warning_and_no_end_of_the_session(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Forgets(MlflowObserver):
        def session_started(self, record: SessionRecord, task: tts.Task, search: tts.Search) -> None:
            super().session_started(record, task, search)
            self._client.delete_run(self._run)

    with caplog.at_level(logging.WARNING, "agent.mlflow_observer"):
        result = tts.run(searcher="grid", trials=2, storage=f"sqlite:///{tmp_path / 'a.db'}", observer=Forgets(uri))
    assert len(result.trials) == 2
    assert "MLflow" in caplog.text


def test_a_uri_that_cannot_be_used_is_refused_in_one_line() -> None:
    with pytest.raises(InvalidInput, match="mlflow: the tracking URI cannot be used") as refusal:
        MlflowObserver("nowhere://mlflow")
    assert "\n" not in str(refusal.value)


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(InvalidInput, match=r"agenttts\[mlflow\]"):
        MlflowObserver("sqlite:///mlflow.db")
