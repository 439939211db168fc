"""A seccomp filter: system calls that no sandboxed program needs fail. Standard library only."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable, Mapping

from environment.sandbox.kernel import PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, prctl

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's AUDIT_ARCH number of each machine the filter is written for."""

X32 = 0x40000000
"""System call numbers from here are x86-64's second interface, which reaches the same calls."""

LOAD, JUMP_EQUAL, JUMP_GREATER_OR_EQUAL, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Where struct seccomp_data holds what a filter reads."""

NAMESPACE_FLAGS = 0x7E020000
AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10

# Number on x86_64 and on aarch64; None where the machine lacks the call.
# fmt: off
NEVER: Mapping[str, tuple[int | None, int | None]] = {
    # other processes' memory
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "move_pages": (279, 239), "migrate_pages": (256, 238),
    # wide doors into the kernel; io_uring would also pass by this filter
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "fanotify_init": (300, 262), "open_by_handle_at": (304, 265), "syslog": (103, 116),
    # the system's set-up
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "mount_setattr": (442, 442), "fsopen": (430, 430), "fsmount": (432, 432),
    "fsconfig": (431, 431), "fspick": (433, 433), "move_mount": (429, 429), "open_tree": (428, 428),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "acct": (163, 89),
    "quotactl": (179, 60), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    # memory that no process's size shows
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186),
    "semget": (64, 190), "mq_open": (240, 180),
}
# Without namespaces the program shares the network, the process table and the files' owners with
# the user, so these fail too. Without setsid and setpgid it cannot leave its process group.
SHARED_SYSTEM: Mapping[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "setsid": (112, 157), "setpgid": (109, 154),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "chmod": (90, None), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None), "lchown": (94, None),
    "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "removexattrat": (466, 466), "utime": (132, None),
    "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
}
KILL, TGKILL = (62, 129), (234, 131)
NAMED_PROCESS = {  # calls whose first argument names a process; 0 is the caller
    "prlimit64": (302, 261), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274),
}
CLONE, CLONE3, SOCKET, FCNTL, IOCTL = (56, 220), (435, 435), (41, 198), (72, 25), (16, 29)
# fmt: on
SIGNAL_OWNERS = (8, 10, 15)
"""fcntl's F_SETOWN, F_SETSIG and F_SETOWN_EX: the kernel would send a signal in the program's name."""
TERMINAL_AND_OWNER = (0x5412, 0x8901, 0x8902)
"""ioctl's TIOCSTI, FIOSETOWN and SIOCSPGRP."""

Instruction = tuple[int, int, int, int]


def supported() -> bool:
    """Whether the filter is written for this machine."""
    return platform.machine() in ARCHITECTURES


def install(*, shared_system: bool, pid: int) -> None:
    """Filters the calling process and all its descendants, for good.

    `shared_system` says that no namespaces keep it apart; then it may send signals to itself, the
    process `pid`, and to its process group only. Raises OSError where the kernel has no filters.
    """
    program = assemble(platform.machine(), shared_system=shared_system, pid=pid)
    text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    prctl(PR_SET_NO_NEW_PRIVS, 1)
    whole = Program(len(program), ctypes.cast(text, ctypes.c_void_p))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(whole))


def assemble(machine: str, *, shared_system: bool, pid: int) -> list[Instruction]:
    """The filter as BPF instructions (code, jump if true, jump if false, operand)."""
    which = 0 if machine == "x86_64" else 1
    program: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER),
    ]
    if machine == "x86_64":
        program += [(JUMP_GREATER_OR_EQUAL, 0, 1, X32), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    never = {**NEVER, **(SHARED_SYSTEM if shared_system else {})}
    for numbers in never.values():
        if (number := numbers[which]) is not None:
            program += [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | errno.EPERM)]
    # The C library then makes its processes with clone, whose flags can be read.
    program += [(JUMP_EQUAL, 0, 1, CLONE3[which]), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    program += _rule(CLONE[which], 0, [(JUMP_ANY_BIT, 0, 1, NAMESPACE_FLAGS), (RETURN, 0, 0, ERRNO | errno.EPERM)])
    if not shared_system:
        # Other families (such as a virtual machine's sockets to its host) pass by the network namespace.
        program += _rule(SOCKET[which], 0, _only((AF_UNIX, AF_INET, AF_INET6), errno.EAFNOSUPPORT))
    else:
        program += _rule(KILL[which], 0, _only((0, pid), errno.EPERM))
        program += _rule(TGKILL[which], 0, _only((pid,), errno.EPERM))
        for numbers in NAMED_PROCESS.values():
            program += _rule(numbers[which], 0, _only((0,), errno.EPERM))
        program += _rule(FCNTL[which], 1, _none(SIGNAL_OWNERS))
    program += _rule(IOCTL[which], 1, _none(TERMINAL_AND_OWNER))
    return [*program, (RETURN, 0, 0, ALLOW)]


def _rule(number: int, argument: int, check: list[Instruction]) -> list[Instruction]:
    """`check` on the low half of an argument of one call; all these arguments are 32 bits wide."""
    body = [(LOAD, 0, 0, ARGUMENTS + 8 * argument), *check, (RETURN, 0, 0, ALLOW)]
    return [(JUMP_EQUAL, 0, len(body), number), *body]


def _only(values: Iterable[int], error: int) -> list[Instruction]:
    allowed: list[Instruction] = []
    for value in values:
        allowed += [(JUMP_EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW)]
    return [*allowed, (RETURN, 0, 0, ERRNO | error)]


def _none(values: Iterable[int]) -> list[Instruction]:
    denied: list[Instruction] = []
    for value in values:
        denied += [(JUMP_EQUAL, 0, 1, value), (RETURN, 0, 0, ERRNO | errno.EPERM)]
    return denied
