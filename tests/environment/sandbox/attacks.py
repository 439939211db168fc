"""Runs inside the sandbox: tries what no program may do, and prints what came of each try as JSON.

Every try is harmless where it succeeds, but for the signals: these go out last.
"""

# ruff: noqa: BLE001, S103, SIM105, T201
import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys

SECRET_FILE, TARGET_FOLDER, SERVER_PORT, SERVER_SOCKET = sys.argv[1:5]
outcome = {}


def attempt(name):
    """Notes that a try went through, or the kind of error it met."""

    def run(function):
        try:
            outcome[name] = function() or "done"
        except BaseException as error:
            outcome[name] = type(error).__name__

    return run


@attempt("read the user's file")
def _():
    with open(SECRET_FILE) as file:
        return file.read()


@attempt("read the user's file through a link")
def _():
    os.symlink(SECRET_FILE, "link")
    with open("link") as file:
        return file.read()


@attempt("write beside the folder")
def _():
    with open(os.path.join(TARGET_FOLDER, "planted"), "w") as file:
        file.write("x")


@attempt("write through a link")
def _():
    os.symlink(TARGET_FOLDER, "there")
    with open("there/planted", "w") as file:
        file.write("x")


@attempt("cut the user's file")
def _():
    os.truncate(SECRET_FILE, 0)


@attempt("delete the user's file")
def _():
    os.unlink(SECRET_FILE)


@attempt("open the user's file to all")
def _():
    os.chmod(SECRET_FILE, 0o666)


@attempt("write to the system")
def _():
    with open("/usr/planted", "w") as file:
        file.write("x")


@attempt("read the parents' environments")
def _():
    found = ""
    for pid in range(1, 1 << 16):
        try:
            with open(f"/proc/{pid}/environ") as file:
                found += file.read()
        except OSError:
            pass
    return "key" if "THE_KEY" in found or "THE_KEY" in str(os.environ) else "no key"


@attempt("TCP")
def _():
    with socket.create_connection(("127.0.0.1", int(SERVER_PORT)), timeout=5) as connection:
        connection.sendall(b"x")


@attempt("UDP")
def _():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", int(SERVER_PORT)))
        sender.settimeout(1)
        return sender.recv(1).decode()


@attempt("DNS")
def _():
    return socket.getaddrinfo("example.com", 80)


@attempt("the user's socket file")
def _():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(SERVER_SOCKET)


@attempt("the virtual machine's host")
def _():
    socket.socket(getattr(socket, "AF_VSOCK", 40), socket.SOCK_STREAM).close()


@attempt("raise a limit")
def _():
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard + 1, hard + 1))


@attempt("another user namespace")
def _():
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):
        raise OSError


@attempt("trace the parent")
def _():
    if ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0):
        raise OSError


@attempt("hidden memory")
def _():
    os.close(os.memfd_create("hidden"))


@attempt("a privileged program")
def _():
    done = subprocess.run(["su", "-c", "id -u"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout.strip() if done.returncode == 0 else "refused"


@attempt("the parent's priority")
def _():
    before = os.getpriority(os.PRIO_PROCESS, os.getppid())
    os.setpriority(os.PRIO_PROCESS, os.getppid(), before + 1)


outcome["user"] = os.getuid()
outcome["environment"] = sorted(os.environ)
outcome["folder"] = os.getcwd()


@attempt("privileges")
def _():
    with open("/proc/self/status") as status:
        return [line.split()[1] for line in status if line.startswith("Cap")]


print(json.dumps(outcome), flush=True)

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
    for whom in (os.getppid(), 1, -1):
        try:
            os.kill(whom, number)
        except OSError:
            pass
