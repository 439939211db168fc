"""Runs a command against a temporary PostgreSQL server, which is always stopped afterwards.

    python scripts/with_postgresql.py pytest -m postgresql

The server's URL is in AGENTTTS_TEST_POSTGRESQL while the command runs. Needs PostgreSQL's own programs
(Debian: postgresql). Its server refuses to run as root, so root starts it as the user postgres.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

USER = "postgres"


def programs() -> Path:
    """The folder of initdb and pg_ctl: on the path, or where Debian puts them."""
    if found := shutil.which("pg_ctl"):
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not folders:
        sys.exit("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    return folders[-1].parent


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    """Starts the server, runs the command, stops the server; the command's exit status."""
    if len(sys.argv) < 2:
        sys.exit("usage: with_postgresql.py COMMAND [ARGUMENT ...]")
    folder, port = programs(), free_port()
    as_user = USER if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgresql-") as temporary:
        data = Path(temporary) / "data"
        if as_user:
            shutil.chown(temporary, USER)

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [str(folder / program), "-D", str(data), *arguments],
                user=as_user,
                cwd=temporary,
                check=True,
                stdout=subprocess.DEVNULL,
            )

        run("initdb", "-U", USER, "-A", "trust", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={temporary}"
        run("pg_ctl", "-w", "-l", str(Path(temporary) / "log"), "-o", options, "start")
        try:
            url = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
            return subprocess.run(sys.argv[1:], env={**os.environ, "AGENTTTS_TEST_POSTGRESQL": url}).returncode
        finally:
            run("pg_ctl", "-m", "immediate", "stop")


if __name__ == "__main__":
    sys.exit(main())
