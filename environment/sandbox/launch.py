"""The last steps before a program: its files, its limits, its user, its filter. Standard library only."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import NoReturn

from environment.sandbox import landlock, syscall_filter
from environment.sandbox.order import Order
from environment.sandbox.processes import tasks_of_user

ORDER, STATUS = 3, 4
"""The file descriptors of the order and of the pipe that reports how far the launch came."""

READY = b"+"
NOT_STARTED = 127
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
OWN_PROCESSES = 2
"""In a process namespace, its first process and this one are counted too."""


def main() -> NoReturn:
    """Runs inside bubblewrap, which has set up namespaces and files."""
    with open(ORDER, encoding="utf-8") as file:
        order = Order.from_json(file.read())
    launch(order, own_namespaces=True)


def launch(order: Order, *, own_namespaces: bool) -> NoReturn:
    """Becomes the program. Reports on STATUS: READY, or in words what failed."""
    try:
        _prepare(order, own_namespaces=own_namespaces)
    except Exception as error:  # noqa: BLE001 - nothing may run half confined
        os.write(STATUS, f"{type(error).__name__}: {error}".encode()[:1000])
        os._exit(NOT_STARTED)
    os.write(STATUS, READY)
    environment = {
        "PATH": order.search_path,
        "HOME": order.work,
        "TMPDIR": order.scratch,
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
    }
    try:
        os.execvpe(order.command[0], list(order.command), environment)  # noqa: S606
    except OSError as error:
        os.write(2, f"cannot start {order.command[0]!r}: {error.strerror}\n".encode())
        os._exit(NOT_STARTED)


def _prepare(order: Order, *, own_namespaces: bool) -> None:
    # Where memory runs out, the kernel ends a program before it ends anything of the user's.
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    os.umask(0o077)
    for folder in (order.box, order.work, order.scratch):
        os.makedirs(folder, exist_ok=True)
        if order.drop:
            os.chown(folder, order.user, order.user)
    if order.drop:
        os.setgroups([])
        os.setresgid(order.user, order.user, order.user)
        os.setresuid(order.user, order.user, order.user)
    os.chdir(order.work)
    for name, text in order.files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
    sys.stdout.flush()
    os.set_inheritable(STATUS, False)
    os.closerange(STATUS + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    _limit(order, own_namespaces=own_namespaces)
    if order.isolation == "landlock":
        landlock.restrict(order.readable, [order.box, *DEVICES])
    # In a namespace of its own the program may signal what it sees.
    if syscall_filter.supported() or not own_namespaces:
        syscall_filter.install(shared_system=not own_namespaces, pid=os.getpid())


def _limit(order: Order, *, own_namespaces: bool) -> None:
    limits = order.limits
    processes = int(limits["processes"])
    if own_namespaces and not order.drop:
        processes += OWN_PROCESSES
    elif not order.drop:
        # The kernel counts all that the user runs; what the program adds is counted from outside too.
        processes += tasks_of_user(os.getuid())
    cpu = int(limits["cpu_seconds"])
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),  # a program that ignores the first signal gets the last one
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"], limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"], limits["open_files"]),
        (resource.RLIMIT_NPROC, processes, processes),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        ceiling = resource.getrlimit(what)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(what, (soft, hard))
