"""Conformance suites, one for each contract: subclass one in a test file and override its fixture.

They need pytest alone, no plug-in of it. docs/plugins.md shows how to run them.
"""

from __future__ import annotations

import pytest

# Failing assertions then show their values, as they do in test files.
pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in ("backends", "costs", "searchers", "strategies")))
pytest.register_assert_rewrite(f"{__name__}.storages")
