"""One sandbox for all tests of software."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from environment.software import checking
from environment.software.checking import CHECKING, Checker
from environment.software.programs import Programs
from tools.errors import InvalidInput


@pytest.fixture(scope="session")
def programs() -> Programs:
    try:
        return Programs(CHECKING)
    except InvalidInput as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def checker(programs: Programs) -> Iterator[Checker]:
    """With half the usual patience."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "CHECK_SECONDS", 1)
        yield Checker(programs)
