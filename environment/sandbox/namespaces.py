"""The next level: this project's own namespaces, where there is no bubblewrap. Standard library only."""

from __future__ import annotations

import os
import signal
import stat
from typing import NoReturn

from environment.sandbox import kernel
from environment.sandbox.launch import DEVICES, launch
from environment.sandbox.order import BOX, Order

ALL = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
USER_INSIDE = 1000


def become(order: Order, root: str) -> NoReturn:
    """Runs the program in namespaces and exits as it did. `root` is an empty folder to mount on.

    Raises OSError where the machine does not permit it.
    """
    os.umask(0o022)
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(ALL if order.drop else ALL | kernel.CLONE_NEWUSER)
    if not order.drop:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{USER_INSIDE} {user} 1")
        _write("/proc/self/gid_map", f"{USER_INSIDE} {group} 1")
    first = os.fork()
    if first:
        _exit_like(first)
    # Dies with the process that waits for it; all others of the namespace die with it.
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    _mount(order, root)
    program = os.fork()
    if not program:
        launch(order, own_namespaces=True)
    _exit_like(program)


def _exit_like(child: int) -> NoReturn:
    """Reaps until the child has ended, then exits with its status (128 + n for signal n)."""
    os.closerange(0, 64)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _mount(order: Order, root: str) -> None:
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0755,size=1m")
    for path in order.readable:
        if os.path.islink(path):
            os.symlink(os.readlink(path), root + path)
        else:
            _bind(path, root + path)
            kernel.make_read_only(root + path, recursive=True)
    for device in DEVICES:
        _bind(device, root + device)
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    for place in ("dev/shm", "tmp"):
        os.symlink(f"{BOX}/tmp", f"{root}/{place}")  # noqa: S108
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    os.mkdir(f"{root}/proc")
    kernel.mount("proc", f"{root}/proc", "proc", flags | kernel.MS_NOEXEC)
    os.mkdir(root + BOX)
    size = f"mode=0700,size={order.limits['disk_bytes']},nr_inodes={order.limits['files'] + 3}"
    kernel.mount("tmpfs", root + BOX, "tmpfs", flags, size)
    kernel.make_read_only(root, recursive=False)
    kernel.enter_root(root)


def _bind(source: str, target: str) -> None:
    if stat.S_ISDIR(os.stat(source).st_mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(source, target, flags=kernel.MS_BIND | kernel.MS_REC)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
