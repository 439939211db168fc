"""What the sandbox's own processes tell each other. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

BOX = "/box"
"""The one folder a program may write to, where it has a file system of its own."""

FIRST_USER, USERS = 62_000, 3_000
"""Numbers of users for programs whose caller is root; systems give them to nobody for long."""


@dataclass(frozen=True)
class Order:
    """One run: the program, and how to isolate it.

    `stdin` None leaves the input open and silent. `readable` are the folders and files of the
    system that the program sees. `drop` says that the caller is root, so that the program gets a
    user of its own; else it runs as the caller. `temporary` is where folders are made.
    """

    files: Mapping[str, str]
    command: Sequence[str]
    stdin: str | None
    isolation: str
    limits: Mapping[str, Any]
    readable: Sequence[str]
    search_path: str
    temporary: str
    bubblewrap: str = ""
    drop: bool = False
    box: str = ""
    user: int = 0

    def to_json(self) -> str:
        """One line of text."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Order:
        """The order in a text made by `to_json`."""
        return Order(**json.loads(text))

    @property
    def work(self) -> str:
        """The program's own folder, with its files; it starts there."""
        return f"{self.box}/work"

    @property
    def scratch(self) -> str:
        """The program's folder for temporary files."""
        return f"{self.box}/tmp"  # noqa: S108


def stays_inside(name: str) -> bool:
    """Whether a file name means a place below the folder it is taken in."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
