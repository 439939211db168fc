"""The sandbox's door: what it takes, what it refuses, and that it never holds up or outlives its caller."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from environment.sandbox import sandbox as door
from environment.sandbox import syscall_filter
from environment.sandbox.limits import LEVELS, LIMITS, Limits
from environment.sandbox.order import stays_inside
from environment.sandbox.sandbox import Sandbox, available
from tests.environment.sandbox.test_attacks import alive
from tools.errors import InvalidInput, UnknownName

SLEEPER = {"main.py": "import sys, time; print('up', flush=True); time.sleep(1000)"}


@pytest.fixture
def box() -> Sandbox:
    try:
        return Sandbox(Limits(wall_seconds=30))
    except InvalidInput as error:
        pytest.skip(str(error))


def test_the_strongest_level_that_works_is_taken(box: Sandbox) -> None:
    missing = available()
    assert list(missing) == list(LEVELS)
    assert box.isolation == next(level for level in LEVELS if not missing[level])
    assert box.run({}, ["true"]).isolation == box.isolation


def test_a_level_that_is_not_there_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = dict.fromkeys(LEVELS, "") | {"bubblewrap": "bwrap is not installed"}
    monkeypatch.setattr(door, "_missing", reasons.__getitem__)
    with pytest.raises(InvalidInput, match=r"^isolation: 'bubblewrap' is not to be had here \(bwrap is not inst") as e:
        Sandbox(isolation="bubblewrap")
    assert "the strongest is 'namespaces'" in str(e.value)
    assert "\n" not in str(e.value)
    assert Sandbox().isolation == "namespaces"


def test_limits_alone_are_never_taken_unasked_where_they_leave_files_open(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = dict.fromkeys(LEVELS, "not permitted") | {LIMITS: ""}
    monkeypatch.setattr(door, "_missing", reasons.__getitem__)
    monkeypatch.setattr(door, "drops", lambda: False)
    with pytest.raises(InvalidInput, match="install bubblewrap, or accept that with isolation='limits'"):
        Sandbox()
    assert Sandbox(isolation=LIMITS).isolation == LIMITS
    monkeypatch.setattr(door, "drops", lambda: True)  # root's programs get a user of their own
    assert Sandbox().isolation == LIMITS


def test_elsewhere_than_on_linux_there_is_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.sys, "platform", "darwin")
    door._missing.cache_clear()
    try:
        with pytest.raises(InvalidInput, match="it needs Linux"):
            Sandbox()
    finally:
        door._missing.cache_clear()


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="did you mean 'bubblewrap'"):
        Sandbox(isolation="bublewrap")


@pytest.mark.parametrize("field", ["cpu_seconds", "memory_bytes", "processes", "wall_seconds", "output_bytes"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), "9"])
def test_unusable_limits_are_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}: must be"):
        Limits(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../b", "", ".", "a\0b"])
def test_files_stay_in_the_folder(box: Sandbox, name: str) -> None:
    assert not stays_inside(name)
    with pytest.raises(InvalidInput, match=r"^files: "):
        box.run({name: "x"}, ["true"])


def test_a_command_that_is_no_program_is_told_to_the_caller(box: Sandbox) -> None:
    run = box.run({}, ["no-such-program"])
    assert run.exit == 127
    assert "cannot start 'no-such-program'" in run.stderr
    with pytest.raises(InvalidInput, match=r"^command: "):
        box.run({}, [])


def test_exit_states_and_signals_come_through(box: Sandbox) -> None:
    assert box.run({}, ["sh", "-c", "exit 7"]).exit == 7
    killed = box.run({"main.py": "import os; os.abort()"}, ["python3", "main.py"])
    assert killed.exit == 128 + signal.SIGABRT
    assert killed.killed_for == ""


def test_input_is_given_closed_or_left_open(box: Sandbox) -> None:
    reads = {"main.py": "import sys; print(len(sys.stdin.read()))"}
    assert box.run(reads, ["python3", "main.py"], "x" * 300_000).stdout == "300000\n"
    assert box.run(reads, ["python3", "main.py"]).stdout == "0\n"
    waiting = Sandbox(Limits(wall_seconds=1)).run(reads, ["python3", "main.py"], None)
    assert (waiting.killed_for, waiting.stdout) == ("wall", "")


async def test_the_event_loop_goes_on_and_programs_run_side_by_side(box: Sandbox) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    heart = asyncio.create_task(beat())
    runs = await asyncio.gather(
        *(
            box.run_async({"main.py": f"import time; time.sleep(.3); print({n})"}, ["python3", "main.py"])
            for n in range(4)
        )
    )
    heart.cancel()
    assert [run.stdout for run in runs] == [f"{n}\n" for n in range(4)]
    assert beats > 5


def test_no_more_programs_run_at_once_than_workers(tmp_path: Path) -> None:
    box = Sandbox(Limits(wall_seconds=30), workers=1)

    async def three() -> list[tuple[float, float]]:
        program = {"main.py": "import time; a = time.monotonic(); time.sleep(.1); print(a, time.monotonic())"}
        runs = await asyncio.gather(*(box.run_async(program, ["python3", "main.py"]) for _ in range(3)))
        return sorted(tuple(map(float, run.stdout.split())) for run in runs)  # type: ignore[misc]

    spans = asyncio.run(three())
    assert all(before[1] < after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_programs_end_with_their_caller(level: str, number: signal.Signals) -> None:
    """However it ends: here killed, and as by Ctrl-C."""
    if reason := available()[level]:
        pytest.skip(reason)
    marker = f"sleeper-of-{level}-{number.name}"
    caller = (
        "from environment.sandbox.sandbox import Sandbox\n"
        f"Sandbox(isolation={level!r}).run({SLEEPER!r}, ['python3', 'main.py', {marker!r}])"
    )
    # The caller's own command must not hold the marker that is looked for.
    with subprocess.Popen([sys.executable, "-"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin
        process.stdin.write(caller.encode())
        process.stdin.close()
        wait_for(lambda: alive(marker))
        process.send_signal(number)
        process.wait()
    wait_for(lambda: not alive(marker))


def wait_for(condition: object, seconds: float = 60.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < give_up, "it does not happen"
        time.sleep(0.05)


@pytest.mark.parametrize("machine", syscall_filter.ARCHITECTURES)
@pytest.mark.parametrize("shared", [True, False])
def test_every_jump_of_the_filter_lands_inside_it(machine: str, shared: bool) -> None:
    program = syscall_filter.assemble(machine, shared_system=shared, pid=os.getpid())
    jumps = (0x15, 0x35, 0x45)
    for place, (code, jump_true, jump_false, _) in enumerate(program):
        if code in jumps:
            assert place + 1 + max(jump_true, jump_false) < len(program)
            assert max(jump_true, jump_false) < 256
    assert program[-1] == (syscall_filter.RETURN, 0, 0, syscall_filter.ALLOW)
