from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from agenttts.cli.app import main
from storage.log.chain import ChainWriter


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def agenttts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty folder, in this process: a new one takes seconds to import everything."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["agenttts", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return Done(left.value.code or 0, out, err)  # type: ignore[arg-type]

    return run


def in_a_process(*arguments: str, cwd: Path) -> Done:
    """Runs a command as a shell would."""
    command = [sys.executable, "-c", "from agenttts.cli.app import main; main()", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def document(done: Done) -> Any:
    """The JSON that a successful command printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_main_job_runs_with_no_arguments(tmp_path: Path) -> None:
    done = in_a_process("search", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for expected in ("Best allocation", "Why:", "held-out score", "largest model", "smallest model", "without reuse"):
        assert expected in done.stdout
    assert (tmp_path / "agenttts.db").is_file()


def test_search_show_and_resume_agree(agenttts: Run, tmp_path: Path) -> None:
    found = document(agenttts("search", "--trials", "12", "--set", "strategy=majority", "--json"))
    assert found["state"] == "complete"
    assert len(found["trials"]) == 12
    assert found["best"]["cost"] <= found["config"]["budget"] * (1 + 1e-9)
    assert {e["label"] for e in found["evaluations"]} >= {"best", "largest model everywhere"}
    assert found["generations"]["fresh"] < found["generations"]["requested"]
    assert document(in_a_process("show", found["session"], "--json", cwd=tmp_path)) == found
    assert document(agenttts("resume", "last", "--json")) == found


@pytest.mark.slow
def test_what_is_listed_is_shown_and_counted(agenttts: Run) -> None:
    listing = ("--set", 'strategies={"qa":["majority","fusion"]}')
    budget = document(agenttts("budget", *listing, "--json"))
    assert budget["all_allocations"] == 2 * 225
    assert [row.get("strategy") for row in budget["choices"]] == [None] * 3 + ["majority", "fusion"] * 3
    found = document(agenttts("search", "--trials", "12", *listing, "--json"))
    assert found["best"]["allocation"]["qa"]["strategy"] in ("majority", "fusion")
    assert "strategy" not in found["best"]["allocation"]["retrieval"]
    assert {"retrieval.model", "qa.strategy"} <= set(found["trials"][0])
    assert "retrieval.strategy" not in found["trials"][0]
    shown = agenttts("show", "last").stdout
    assert "strategy" in shown
    assert "temperature" not in shown


def test_equal_seeds_find_the_same(agenttts: Run) -> None:
    runs = [document(agenttts("search", "--trials", "15", "--searcher", "tpe", "--json")) for _ in range(2)]
    assert [t["score"] for t in runs[0]["trials"]] == [t["score"] for t in runs[1]["trials"]]
    assert runs[1]["generations"]["paid"] == 0, "the second search finds every sample in the store"
    assert runs[1]["generations"]["fresh"] == runs[0]["generations"]["fresh"]


def test_tasks_and_budget(agenttts: Run) -> None:
    assert "multihop-recorded" in document(agenttts("tasks", "--json"))
    budget = document(agenttts("budget", "--json"))
    assert 0 < budget["feasible_allocations"] < budget["all_allocations"] == 225
    assert agenttts("budget").returncode == 0
    assert agenttts("tasks").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "multihop-recordet"], "did you mean 'multihop-recorded'"),
        (["search", "--budget", "1"], "budget"),
        (["search", "--searcher", "planer"], "did you mean 'planner'"),
        (["search", "--trials", "0"], "trials"),
        (["search", "--set", "strategy"], "NAME=VALUE"),
        (["search", "--set", "strategy=vote"], "strategy"),
        (["search", "--set", 'strategies=["fusion","vote"]'], "subtask 'retrieval' strategies: unknown name 'vote'"),
        (["search", "--set", "strategies=majority"], "must be a list of names"),
        (["search", "--set", "colour=red"], "colour"),
        (["search", "multihop"], "--model"),
        (["search", "multihop", "--model", "x"], "NAME:PARAMETERS@URL"),
        (["search", "--storage", "mysql://h/n"], "storage"),
        (["show", "abc"], "no session"),
        (["budget", "--cost", "euro"], "cost"),
        (["search", "--trials", "many"], "--trials"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(
    agenttts: Run, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = agenttts(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    if arguments[0] == "search":
        assert not (tmp_path / "agenttts.db").exists()


def test_a_shell_sees_the_exit_code_and_no_traceback(tmp_path: Path) -> None:
    done = in_a_process("budget", "--cost", "flop", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'flops'" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_report_is_one_file_and_a_wrong_one_is_refused(agenttts: Run, tmp_path: Path) -> None:
    session = document(agenttts("search", "--trials", "4", "--json"))["session"]
    assert document(agenttts("report", "-o", "r.html", "--json")) == {"file": "r.html", "session": session}
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert session in page
    assert "Content-Security-Policy" in page
    for arguments, message in [
        (["report", "abc"], "no session"),
        (["report", "-o", "missing/r.html"], "output: missing/r.html cannot be written"),
        (["report", "--trial", "99"], "trial: 99 is not a complete trial"),
        (["report", "--examples", "-1"], "examples: must be"),
        (["report", "--against", "abc"], "no session"),
    ]:
        done = agenttts(*arguments)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_help_and_version(agenttts: Run) -> None:
    assert "search" in agenttts("--help").stdout
    assert agenttts("--version").stdout.strip() == version("agenttts") == "0.1.0"


def test_what_needs_no_search_starts_without_its_libraries(tmp_path: Path) -> None:
    code = "import sys, agenttts.cli.app; print([m for m in ('langgraph', 'openai', 'sqlalchemy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_progress_is_told_as_lines_of_json(agenttts: Run) -> None:
    done = agenttts("search", "simulated-2wiki", "--trials", "7", "--json-lines")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.stderr == ""
    assert [line["event"] for line in lines[:1] + lines[-2:]] == ["session", "judging", "result"]
    assert sum(line["event"] == "trial" for line in lines) == 7
    assert lines[-1]["best"]["trial"] in range(7)


def test_a_session_moves_to_another_database_as_a_log(agenttts: Run, tmp_path: Path) -> None:
    agenttts("search", "simulated-2wiki", "--trials", "12", "--storage", "a.db", "--json")
    written = document(agenttts("export", "--storage", "a.db", "--json"))
    assert written["file"] == f"{written['session_id']}.jsonl"
    piped = agenttts("export", "--storage", "a.db", "-o", "-")
    assert (piped.returncode, piped.stdout) == (0, Path(written["file"]).read_text(encoding="ascii"))
    assert written["hash"] in piped.stderr
    done = agenttts("import", written["file"], "--storage", "b.db")
    assert (done.returncode, done.stdout) == (0, f"Imported session {written['session_id']} (complete).\n")
    assert document(agenttts("import", written["file"], "--storage", "b.db", "--json"))["new"] is False
    assert document(agenttts("show", "--storage", "a.db", "--json")) == document(
        agenttts("show", "--storage", "b.db", "--json")
    )
    replayed = document(agenttts("replay", written["file"], "--json"))
    assert (replayed["same"], replayed["trials"], replayed["unscored"]) == (True, 12, "")
    forged = [json.loads(line) for line in Path(written["file"]).read_text(encoding="ascii").splitlines()]
    next(line for line in forged if line.get("number") == 7)["origin"] = "chance"
    with Path("forged.jsonl").open("wb") as file:
        chain = ChainWriter(file.write)
        for line in forged:
            chain.line(line["kind"], **{k: v for k, v in line.items() if k not in ("n", "kind", "prev", "hash")})
    done = agenttts("replay", "forged.jsonl")
    assert (done.returncode, done.stderr) == (1, "")
    batch = next(line["batch"] for line in forged if line.get("number") == 7)
    assert f"First difference: trial 7 (batch {batch}), proposal.origin" in done.stdout
    assert 'logged:   "chance"' in done.stdout
    for arguments, problem in (
        (("replay", "a.db"), "a.db line 1: is not JSON"),
        (("import", "none.jsonl"), "log: cannot read 'none.jsonl'"),
        (("import", "a.db"), "a.db line 1: is not JSON"),
        (("export", "--storage", "a.db"), "is there already"),
        (("export", "--storage", "a.db", "-o", "no/such/folder.jsonl"), "log: cannot write"),
        (("export", "--storage", "a.db", "-o", "-", "--json"), "--json: would be mixed"),
        (("export", "--storage", "a.db", "--with-samples", "--pipeline", "x.py"), "belong to a log"),
    ):
        done = agenttts(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert problem in " ".join(done.stderr.split())


def test_sessions_are_listed(agenttts: Run) -> None:
    none = agenttts("sessions")
    assert none.returncode == 2
    assert "is not there" in none.stderr
    ids = [document(agenttts("search", "simulated-2wiki", "--trials", "7", "--json"))["session"] for _ in range(2)]
    listed = document(agenttts("sessions", "--json"))
    assert [row["session"] for row in listed] == ids[::-1]
    assert {(row["complete"], row["state"]) for row in listed} == {(7, "complete")}
    shown = agenttts("sessions", "--most", "1").stdout
    assert ids[1] in shown
    assert ids[0] not in shown
