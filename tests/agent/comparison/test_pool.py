from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.comparison.compare import compare
from agent.optuna_random import RandomSearcher
from agent.searcher import SEARCHERS, Proposal

DYING = """
import json, os
from agent.comparison.compare import compare
from agent.optuna_random import RandomSearcher
from agent.searcher import SEARCHERS

@SEARCHERS.register("dying")
class Dying(RandomSearcher):
    name = "dying"

    def ask(self, n):
        if self.seed == 2:
            os._exit(3)
        return super().ask(n)

if __name__ == "__main__":
    found = compare("simulated-2wiki", ["dying"], seeds=4, trials=5, workers=2)
    print(json.dumps([[run.seed, len(run.steps), run.error.partition(":")[0]] for run in found.runs]))
"""


@pytest.mark.slow
def test_a_process_that_dies_takes_one_problem_along_and_no_other(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(DYING)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[1, 5, ""], [2, 0, "BrokenProcessPool"], [3, 5, ""], [4, 5, ""]]


class Interrupting(RandomSearcher):
    name = "interrupting"

    def ask(self, n: int) -> list[Proposal]:
        raise KeyboardInterrupt


def test_an_interrupt_is_no_failed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SEARCHERS._registered, "interrupting", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        compare("simulated-2wiki", ["interrupting"], seeds=1, workers=1)


WAITING = """
import os, time
from pathlib import Path
from agent.comparison.compare import compare
from agent.optuna_random import RandomSearcher
from agent.searcher import SEARCHERS

@SEARCHERS.register("waiting")
class Waiting(RandomSearcher):
    name = "waiting"

    def ask(self, n):
        Path(__file__).with_name(f"{os.getpid()}.pid").touch()
        time.sleep(600)

if __name__ == "__main__":
    compare("simulated-2wiki", ["waiting"], seeds=2, workers=2)
"""


def runs_on(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks processes up in /proc")
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(WAITING)

    def until(condition: Callable[[], bool]) -> bool:
        return any(condition() or time.sleep(0.1) for _ in range(600))

    with subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL) as parent:
        assert until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
        parent.kill()
    pids = [int(path.stem) for path in tmp_path.glob("*.pid")]
    assert until(lambda: not any(runs_on(pid) for pid in pids))
