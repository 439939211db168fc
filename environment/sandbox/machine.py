"""What this machine offers the sandbox: bubblewrap, a Python, and users to run programs as."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from environment.sandbox.limits import BUBBLEWRAP, NAMESPACES, SandboxError
from environment.sandbox.order import FIRST_USER, USERS

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"),
)
"""What a program sees of the system: programs, libraries and the files that start them."""

SEARCH_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


@dataclass(frozen=True, slots=True)
class Place:
    """What a program sees of the machine, and where it finds programs, Python first."""

    readable: tuple[str, ...]
    search_path: str


def bubblewrap() -> str:
    """The path of bubblewrap's program, or ""."""
    return shutil.which("bwrap") or ""


def drops() -> bool:
    """Whether the caller is root and can give a program a user of its own."""
    if os.geteuid() != 0:
        return False
    ranges = [line.split() for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()]
    return any(int(r[0]) <= FIRST_USER and int(r[0]) + int(r[2]) >= FIRST_USER + USERS for r in ranges)


def temporary_folder(drop: bool) -> str:
    """Where folders of programs are made: the usual place, unless a user of its own could not reach it."""
    usual = tempfile.gettempdir()
    return usual if not drop or _open_to_all(Path(usual)) else "/tmp"  # noqa: S108


def place_for(isolation: str, drop: bool) -> Place:
    """The place of a program at a level. Raises SandboxError where it would find no Python.

    It is this process's own Python, without the virtual environment. A program that gets a user of
    its own cannot reach one in root's home unless the level has mounts; then it is the system's.
    """
    system = tuple(path for path in SYSTEM if os.path.exists(path))
    own = Path(os.path.realpath(sys.base_prefix))
    mounts = isolation in (BUBBLEWRAP, NAMESPACES)
    if (own / "bin" / "python3").exists() and not _shows_home(own) and (mounts or not drop or _open_to_all(own)):
        inside = any(own.is_relative_to(path) for path in system)
        found = dict.fromkeys([str(own / "bin"), *SEARCH_PATH])
        return Place(system if inside else (*system, str(own)), ":".join(found))
    if any(os.access(f"{folder}/python3", os.X_OK) for folder in SEARCH_PATH):
        return Place(system, ":".join(SEARCH_PATH))
    raise SandboxError("no Python 3 outside of home folders, such as /usr/bin/python3")


def _shows_home(folder: Path) -> bool:
    return Path.home().is_relative_to(folder)


def _open_to_all(folder: Path) -> bool:
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))
