from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from environment.long_lived import NEW_OBJECTS, spared_by_collections


@pytest.fixture(autouse=True)
def nothing_frozen() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_what_is_there_is_spared_until_the_block_ends() -> None:
    often = gc.get_threshold()
    with spared_by_collections():
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] >= NEW_OBJECTS
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == often


def test_what_another_froze_stays_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with spared_by_collections():
        pass
    assert gc.get_freeze_count() == pytest.approx(frozen, rel=0.01)
