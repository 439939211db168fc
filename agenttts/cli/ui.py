"""`agenttts ui`: a local web page over the session database."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from agenttts.cli.options import DEFAULT_STORAGE, Storage
from agenttts.cli.terminal import Terminal
from tools.errors import InvalidInput

HOST = "127.0.0.1"
MOST_CONNECTIONS = 128
TOKEN_BYTES = 24


def ui(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 picks a free one.")] = 8901,
    launch: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Show the stored sessions in the browser: a list, live progress, reports, comparisons, stop and resume.

    It listens on the loopback address alone. The address that it prints holds a token, without which pages
    can be read but nothing can be stopped or resumed.

    Examples:

      agenttts ui

      agenttts ui --port 0 --open --storage postgresql://db/agenttts
    """
    try:
        from agent.reporting.style import require_plotly
        from agenttts.dashboard.application import DashboardSettings, application
        from agenttts.serving.connections import run
    except ImportError:
        raise InvalidInput("ui", 'needs starlette and uvicorn: pip install "agenttts[ui]"') from None
    from agenttts.serving.listening import listen, own_names
    from storage.database import Database, shown_url

    require_plotly()
    with Database.open(storage):  # a database that cannot be used is told now, and not in the browser
        pass
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with listen(HOST, port) as listening:
        bound = listening.getsockname()[1]
        app = application(DashboardSettings(storage, token, own_names(HOST, bound)))
        address = f"http://{HOST}:{bound}/?token={token}"
        Terminal(soft_wrap=True).print(f"Showing {shown_url(storage)} at {address}\nCtrl-C ends it; searches go on.")
        if launch:
            typer.launch(address)
        run(app, listening, MOST_CONNECTIONS)
