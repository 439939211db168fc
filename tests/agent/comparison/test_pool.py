from __future__ import annotations

import json
import subprocess
import sys
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
