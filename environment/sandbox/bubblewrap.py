"""The strongest level: bubblewrap sets up namespaces and a file system. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from environment.sandbox.launch import DEVICES
from environment.sandbox.order import BOX, Order

CODE = "/agenttts"
"""Where the launch's own code lies inside."""

START = f"import sys; sys.path.insert(0, {CODE!r}); from environment.sandbox.launch import main; main()"


def become(order: Order) -> NoReturn:
    """Replaces the calling process by bubblewrap. Raises OSError where it cannot be started."""
    os.execv(order.bubblewrap, [order.bubblewrap, *arguments(order, _interpreter(order))])  # noqa: S606


def arguments(order: Order, interpreter: str) -> list[str]:
    """bubblewrap's arguments for an order."""
    built = ["--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
    built += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if not order.drop:
        built += ["--unshare-user", "--uid", "1000", "--gid", "1000"]
    parents = {parent for path in (*order.readable, *DEVICES) for parent in Path(path).parents}
    for parent in sorted(parents - {Path("/")}):
        built += ["--perms", "0755", "--dir", str(parent)]
    for path in order.readable:
        if os.path.islink(path):
            built += ["--symlink", os.readlink(path), path]
        else:
            built += ["--ro-bind", path, path]
    for device in DEVICES:
        built += ["--dev-bind", device, device]
    built += ["--symlink", "/proc/self/fd", "/dev/fd", "--symlink", f"{BOX}/tmp", "/dev/shm"]  # noqa: S108
    built += ["--symlink", f"{BOX}/tmp", "/tmp", "--proc", "/proc"]  # noqa: S108
    built += ["--ro-bind", str(Path(__file__).parent), f"{CODE}/environment/sandbox"]
    built += ["--size", str(order.limits["disk_bytes"]), "--tmpfs", BOX, "--remount-ro", "/"]
    return [*built, "--", interpreter, "-I", "-S", "-c", START]


def _interpreter(order: Order) -> str:
    """The first Python on the program's own search path, which is visible inside."""
    for folder in order.search_path.split(":"):
        if os.access(found := f"{folder}/python3", os.X_OK):
            return found
    return os.path.realpath(sys.executable)
