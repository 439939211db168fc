"""How a session's process is stopped: by SIGINT (Ctrl-C) or SIGTERM, gently at first."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from tools.errors import SessionInterrupted


def run_until_interrupted(main: Coroutine[Any, Any, None], session_id: str, storage: str) -> None:
    """Runs a session's coroutine in an event loop of its own.

    The first signal cancels it, as a stop from elsewhere does (Workers.ask_to_stop), which lets it finish
    what is under way; the second one cuts it off.
    Raises SessionInterrupted then, and what the coroutine raises.
    """
    try:
        asyncio.run(_until_terminated(main))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SessionInterrupted(session_id, storage) from None


async def _until_terminated(main: Coroutine[Any, Any, None]) -> None:
    # Not on Windows, nor in a thread of a program that handles its own signals.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, signal.raise_signal, signal.SIGINT)
    await main
