"""Draws the house from its source: the packages, their parts and who imports whom.

    python scripts/draw_architecture.py                  # writes docs/architecture.svg

Counts every import between packages; one against the direction makes it fail. Needs the extra `plot`.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).parents[1]
ORDER = ("tools", "storage", "environment", "agent", "agenttts")
"""From the bottom: each may import those before it."""
SAYS = {
    "agenttts": "the face: Python API, command line, reports, serving",
    "agent": "who proposes: the LangGraph loop, searchers, comparisons",
    "environment": "what runs a trial: tasks, strategies, backends, sandbox",
    "storage": "what is remembered: sessions, trials, samples, logs",
    "tools": "the calculus: spaces, costs, counting, curves",
}
COLOURS = {
    "agenttts": "#d9e6f2",
    "agent": "#e3d9f2",
    "environment": "#d9f2e0",
    "storage": "#f2ead9",
    "tools": "#eeeeee",
}
mpl.rcParams["svg.hashsalt"] = "agenttts"


def imports() -> Counter[tuple[str, str]]:
    """How many import statements of one package name another. Exits on one against the direction."""
    found: Counter[tuple[str, str]] = Counter()
    for package in ORDER:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
                for target in {name.split(".")[0] for name in names} & set(ORDER) - {package}:
                    if ORDER.index(target) > ORDER.index(package):
                        sys.exit(f"{path.relative_to(ROOT)} imports {target}, which stands above {package}")
                    found[package, target] += 1
    return found


def parts(package: str) -> list[str]:
    """The folders of a package that hold modules."""
    folders = (path.parent for path in (ROOT / package).rglob("*.py"))
    return sorted({f.relative_to(ROOT / package).parts[0] for f in folders if f != ROOT / package} - {"__pycache__"})


def draw(found: Counter[tuple[str, str]], output: Path) -> None:
    """A box for each package, the face on top, and an arrow for whom it imports."""
    figure, axes = plt.subplots(figsize=(8.4, 5.6), layout="constrained")
    left, width, height, gap = 0.0, 6.2, 0.8, 0.35
    for level, package in enumerate(ORDER):
        bottom = level * (height + gap)
        box = FancyBboxPatch((left, bottom), width, height, "round,pad=0.03", fc=COLOURS[package], ec="#555555")
        axes.add_patch(box)
        modules = sum(1 for _ in (ROOT / package).rglob("*.py"))
        axes.text(left + 0.15, bottom + 0.58, package, weight="bold", va="center", fontsize=12)
        axes.text(left + 1.75, bottom + 0.58, f"{SAYS[package]}", va="center", fontsize=9)
        inside = ", ".join(parts(package))
        told = f"{modules} modules" + (f" in {inside}" if inside else "")
        axes.text(left + 0.15, bottom + 0.2, told, va="center", fontsize=7, color="#444444")
        imported = [f"{target} {found[package, target]}" for target in reversed(ORDER) if found[package, target]]
        axes.text(left + width + 0.35, bottom + 0.4, "\n".join(imported), va="center", fontsize=8, color="#444444")
    top = (len(ORDER) - 1) * (height + gap) + height
    axes.add_patch(
        FancyArrowPatch((width + 0.2, top), (width + 0.2, 0), arrowstyle="-|>", mutation_scale=14, color="#777777")
    )
    axes.text(width + 0.3, top + 0.12, "imports", fontsize=8, color="#777777")
    axes.set_xlim(-0.1, width + 1.4)
    axes.set_ylim(-0.15, len(ORDER) * (height + gap))
    axes.set_axis_off()
    figure.savefig(output, metadata={"Date": None})


def main() -> None:
    """Counts, draws and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "architecture.svg")
    options = parser.parse_args()
    found = imports()
    draw(found, options.output)
    for (source, target), count in sorted(found.items()):
        print(f"{source} -> {target}: {count} imports")


if __name__ == "__main__":
    main()
