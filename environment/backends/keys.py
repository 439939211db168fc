"""Keys by the name of their environment variable: from the environment, else from the system's keyring."""

from __future__ import annotations

import logging
import os

LOG = logging.getLogger(__name__)

SERVICE = "agenttts"
"""Under which service a keyring holds the keys; the user is the variable's name."""


def key_of(variable: str) -> str:
    """The key as the environment holds it now, else as the keyring does (extra `keyring`); "" where there is none."""
    return os.environ.get(variable) or _from_keyring(variable)


def _from_keyring(variable: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return keyring.get_password(SERVICE, variable) or ""
    except KeyringError as error:
        LOG.info("the keyring was not asked for %s: %s", variable, type(error).__name__)
        return ""
