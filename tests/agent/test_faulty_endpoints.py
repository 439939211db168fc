"""Searches of the recorded benchmark through a proxy that injects faults: same result, nothing paid twice in vain."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agent.session import Result, load_result, resume, run
from storage.session import SessionState
from tests.agent.decided import decided
from tests.environment.fault_proxy import CHANGED, LOST, PASSING, REFUSED
from tests.environment.faulty_recording import FaultyRecording, behind, faulty_recording, few_examples
from tools.errors import EndpointError

TRIALS, SEED = 4, 7


def found(result: Result) -> dict[str, Any]:
    """Everything that a search decides and measures."""
    return decided(result) | {"fresh": [(t.usage.requested, t.usage.fresh) for t in result.trials]}


@cache
def undisturbed() -> dict[str, Any]:
    """What the search finds where nothing fails."""
    return found(run(few_examples(), trials=TRIALS, seed=SEED, batch=2, storage="sqlite://"))


def search(faulty: FaultyRecording, storage: Path, **endpoint: Any) -> Result:
    task = faulty.task(**endpoint)
    return run(task, trials=TRIALS, seed=SEED, batch=2, storage=f"sqlite:///{storage / 'faults.db'}")


def paid_in_vain(faulty: FaultyRecording) -> Counter[tuple[str, int]]:
    """The samples that the server made again although it had delivered them."""
    again = Counter({sample: times - 1 for sample, times in faulty.server.made.items()})
    return again - faulty.lost


def test_without_faults_the_server_makes_every_sample_once(tmp_path: Path) -> None:
    with faulty_recording(share=0.0) as faulty:
        result = search(faulty, tmp_path)
        assert found(result) == undisturbed()
        assert set(faulty.server.made.values()) == {1}
        assert faulty.proxy.injected == {}


AT_ONCE = tuple(kind for kind in PASSING if not kind.startswith("stall"))
"""All that takes no waiting for a time-out."""
MIXTURES = [
    (AT_ONCE, 0.3, 1, 20.0),
    (PASSING, 0.05, 2, 2.0),
    (tuple(kind for kind in REFUSED if kind in AT_ONCE), 0.3, 3, 20.0),
    pytest.param(tuple(kind for kind in LOST if kind in AT_ONCE), 0.3, 4, 20.0, marks=pytest.mark.slow),
    pytest.param(CHANGED, 0.3, 5, 20.0, marks=pytest.mark.slow),
]
LONG_MIXTURES = [pytest.param(PASSING, 0.3, seed, 3.0, marks=pytest.mark.live) for seed in range(10, 18)]


@pytest.mark.parametrize(("kinds", "share", "seed", "timeout"), [*MIXTURES, *LONG_MIXTURES])
def test_the_result_is_that_without_faults_and_nothing_is_paid_twice_in_vain(
    kinds: tuple[str, ...], share: float, seed: int, timeout: float, tmp_path: Path
) -> None:
    with faulty_recording(kinds=kinds, share=share, seed=seed) as faulty:
        result = search(faulty, tmp_path, timeout=timeout)
        assert found(result) == undisturbed()
        assert sum(faulty.proxy.injected.values()) > share * faulty.proxy.requests / 2
        assert paid_in_vain(faulty) == {}, "what was delivered is never made again"


def test_an_endpoint_that_fails_for_good_leaves_a_failed_session_that_goes_on_when_it_is_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'faults.db'}"
    with faulty_recording(share=0.0) as faulty:
        served = faulty.server.complete
        limit = 40

        def until_it_dies(body: Any) -> Any:
            faulty.proxy.down = len(faulty.server.bodies) >= limit
            return served(body)

        faulty.server.complete = until_it_dies  # type: ignore[method-assign]
        with pytest.raises(EndpointError, match="gave up after 3 attempts; the last one: status 503"):
            search(faulty, tmp_path, max_attempts=3)
        failed = load_result("last", url)
        assert failed.state is SessionState.FAILED
        made, limit = dict(faulty.server.made), 10**9
        assert made
        faulty.proxy.down = False
        result = resume("last", url, task=faulty.task())
        assert result.state is SessionState.COMPLETE
        assert found(result) == undisturbed()
        assert set(faulty.server.made.values()) == {1}, "not even what the failing trial had drawn is made again"


def test_a_prompt_that_never_fits_scores_as_an_empty_answer_and_the_search_goes_on(tmp_path: Path) -> None:
    def too_long(body: dict[str, Any]) -> bool:
        return body["model"].startswith("smollm2")

    with faulty_recording(share=0.0, too_long=too_long) as faulty:
        result = search(faulty, tmp_path)
        assert result.state is SessionState.COMPLETE
        assert len(result.trials) == TRIALS
        touched = [t for t in result.trials if any(c.model.startswith("smollm2") for _, c in t.allocation.items())]
        assert touched
        assert all(trial.score is not None for trial in touched)
        assert faulty.proxy.injected["too long"] > 0


def test_where_the_endpoint_says_so_it_ends_the_session_instead(tmp_path: Path) -> None:
    with faulty_recording(share=0.0, too_long=lambda body: True) as faulty:
        with pytest.raises(EndpointError, match="does not fit this model's context length"):
            search(faulty, tmp_path, unanswered="fail")
        assert load_result("last", f"sqlite:///{tmp_path / 'faults.db'}").state is SessionState.FAILED


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="gave up after 2 attempts; the last one: the connection failed"):
        run(
            behind("http://127.0.0.1:9/v1", max_attempts=2),
            trials=TRIALS,
            seed=SEED,
            storage=f"sqlite:///{tmp_path / 'faults.db'}",
        )
