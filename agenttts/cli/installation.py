"""What of agenttts is installed: its extras and what they need."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

SELF = "agenttts"
FOR_DEVELOPERS = "dev"


def missing_by_extra() -> Mapping[str, tuple[str, ...]]:
    """The packages that each extra lacks here, by the extra's name; an empty tuple where it is whole."""
    missing: dict[str, list[str]] = {}
    for requirement in map(Requirement, requires(SELF) or ()):
        extra = _extra(requirement)
        if extra in ("", FOR_DEVELOPERS) or requirement.name == SELF:
            continue
        lacking = missing.setdefault(extra, [])
        if not _is_there(requirement):
            lacking.append(requirement.name)
    return {extra: tuple(names) for extra, names in sorted(missing.items())}


def _extra(requirement: Requirement) -> str:
    """The extra that asks for a requirement; "" where the package itself does."""
    text = str(requirement.marker or "")
    _, found, rest = text.partition("extra == ")
    return rest.split('"')[1] if found else ""


def _is_there(requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False
