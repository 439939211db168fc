from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools.registry import Registry

GROUP = "agenttts.invented"


def install(folder: Path, package: str) -> None:
    """Writes what pip leaves of a package that declares a name."""
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{package} = pathlib:Path\n")
    changed = folder.stat().st_mtime_ns + 1_000_000_000  # file systems may tell moments less finely than tests pass
    os.utime(folder, ns=(changed, changed))


def test_a_package_is_found_when_it_is_installed_while_the_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry: Registry[object] = Registry("invented", GROUP)
    assert registry.names() == []
    install(tmp_path, "first")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert registry.names() == ["first"]
    install(tmp_path, "second")
    assert registry.names() == ["first", "second"]
    assert registry.get("second") is Path
