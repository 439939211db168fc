"""Names of Python objects: "module:attribute", or "path/to/file.py:attribute"."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from tools.errors import InvalidInput

REFERENCE = re.compile(r"^(?P<module>[^:]+):(?P<attribute>[A-Za-z_]\w*)$")


def is_reference(name: str) -> bool:
    """Whether a name has the form MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE."""
    return REFERENCE.match(name) is not None


def load_object(name: str, folder: Path) -> Any:
    """The object that a reference names; modules beside `folder`'s files are found first.

    Importing runs the module's code. Raises InvalidInput where module or attribute do not exist;
    an error of the module's own code is raised as it is.
    """
    match = REFERENCE.match(name)
    if match is None:
        raise InvalidInput("reference", f"{name!r} is not MODULE:ATTRIBUTE, such as my_metrics:score")
    module = load_module(match["module"], folder)
    try:
        return getattr(module, match["attribute"])
    except AttributeError:
        known = [found for found in vars(module) if not found.startswith("_")]
        raise InvalidInput(
            "reference", f"{match['module']} has no {match['attribute']!r}; it has: {', '.join(known) or 'nothing'}"
        ) from None


def load_module(name: str, folder: Path) -> ModuleType:
    """A module by import name or by the path of its file, relative to `folder`."""
    path = module_file(name, folder)
    if path is not None:
        return _from_file(path)
    try:
        with _importing_beside(folder):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise  # the module is there, one that it imports is not
        raise InvalidInput(
            "reference", f"there is no module {name!r}, neither in {folder} nor installed; check the name"
        ) from None


def module_file(name: str, folder: Path) -> Path | None:
    """The file of a module that lies in `folder` or is named by its path; None for one to import by name."""
    if name.endswith(".py"):
        path = (folder / name).resolve()
        if not path.is_file():
            raise InvalidInput("reference", f"there is no file {path}")
        return path
    path = folder / f"{name}.py"
    return path.resolve() if path.is_file() else None


def _from_file(path: Path) -> ModuleType:
    """The module in a file; one that is unchanged is run once per process."""
    content = path.read_bytes()
    name = f"_agenttts_{path.stem}_{hashlib.sha256(bytes(path) + content).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    loader = SourceFileLoader(name, str(path))
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        with _importing_beside(path.parent):
            loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _importing_beside(folder: Path) -> Iterator[None]:
    """Lets a file import its neighbours while it is run, as Python does for a script."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
