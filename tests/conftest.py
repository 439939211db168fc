"""Settings for every test."""

from __future__ import annotations

import gc
import os
import sys

from hypothesis import settings

# A busy machine is no failure: examples have no time limit.
settings.register_profile("agenttts", deadline=None)
settings.load_profile("agenttts")

# The matrices here are small, and a test process runs for every core: threads of linear algebra would only wait for
# each other, at five times the time of a processor. Read when numpy or torch is loaded, in every process of the tests.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# The processes that tests start, and the next run, load what is compiled already instead of compiling it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection() -> None:
    """What is loaded here stays: to look through it for garbage, again and again, would find none."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()
