"""Linux system calls that Python's library does not offer. Standard library only."""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
SECCOMP_MODE_FILTER = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID = 1, 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000

MOUNT_SETATTR = 442
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def _checked(result: int, what: str) -> int:
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def syscall(number: int, *arguments: Any) -> int:
    """A raw system call. Raises OSError."""
    return _checked(int(LIBC.syscall(ctypes.c_long(number), *arguments)), f"system call {number}")


def prctl(option: int, *arguments: Any) -> None:
    """Sets a property of the calling process. Raises OSError."""
    filled = [*arguments, 0, 0, 0, 0][:4]
    _checked(
        LIBC.prctl(option, *(a if isinstance(a, ctypes._SimpleCData) else ctypes.c_ulong(a) for a in filled)),
        f"prctl {option}",
    )


def unshare(flags: int) -> None:
    """Moves the process into namespaces of its own. Raises OSError."""
    _checked(LIBC.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError."""
    result = LIBC.mount(
        source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), options.encode() or None
    )
    _checked(result, f"mount {target}")


def make_read_only(target: str, *, recursive: bool) -> None:
    """Makes a mount read-only and without set-user-id programs. Raises OSError before Linux 5.12."""
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, 0, 0)
    syscall(
        MOUNT_SETATTR,
        ctypes.c_int(AT_FDCWD),
        target.encode(),
        ctypes.c_uint(AT_RECURSIVE if recursive else 0),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )


def enter_root(folder: str) -> None:
    """Makes a mount point the root and drops the old root. Raises OSError."""
    number = PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(f"no system call number of pivot_root for {platform.machine()}")
    os.chdir(folder)
    syscall(number, b".", b".")
    _checked(LIBC.umount2(b".", ctypes.c_int(MNT_DETACH)), "umount2")
    os.chdir("/")
